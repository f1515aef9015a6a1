use crate::yaml::error::{Error, Problem};
use crate::yaml::token::Mark;

/// Bytes at which a quick walk through the text must stop and look.
///
/// The bytes that longer line breaks begin with are always among them. Every other byte of a character that is not ASCII
/// is none, so that characters are passed as a whole.
#[derive(Clone, Copy)]
pub(super) struct Stops(u8);

impl Stops {
    /// Blanks, line breaks, and what may end a plain scalar.
    pub(super) const PLAIN: Self = Self(1);
    /// Blanks, line breaks, quotes and backslashes.
    pub(super) const QUOTED: Self = Self(2);

    const TABLE: [u8; 256] = {
        let mut table = [0; 256];
        let mut byte: u8 = 0;
        while byte < u8::MAX {
            table[byte as usize] = Self::of(byte);
            byte += 1;
        }
        table
    };

    /// The sets that a byte is in.
    const fn of(byte: u8) -> u8 {
        let blank = matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0 | 0xC2 | 0xE2);
        let plain = blank || matches!(byte, b':' | b',' | b'?' | b'[' | b']' | b'{' | b'}');
        let quoted = blank || matches!(byte, b'\'' | b'"' | b'\\');
        plain as u8 | (quoted as u8) << 1
    }

    #[inline]
    fn has(self, byte: u8) -> bool {
        Self::TABLE[usize::from(byte)] & self.0 != 0
    }
}

/// A position in the text with the questions that the scanner asks about what follows.
///
/// A zero byte stands for the end: the input check has refused it anywhere else.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    text: &'a str,
    offset: usize,
    line: u32,
    /// Offset that is column 0 of this line.
    line_start: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, offset: 0, line: 0, line_start: 0 }
    }

    pub(super) fn mark(&self) -> Mark {
        Mark {
            offset: self.offset,
            line: self.line,
            column: u32::try_from(self.column()).unwrap_or(u32::MAX),
        }
    }

    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    pub(super) fn column(&self) -> usize {
        self.offset - self.line_start
    }

    /// The byte `ahead` of the position.
    pub(super) fn at(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.offset + ahead).copied().unwrap_or(0)
    }

    pub(super) fn at_end(&self) -> bool {
        self.offset >= self.text.len()
    }

    /// The text between two offsets that lie on character boundaries.
    pub(super) fn slice(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }

    pub(super) fn is_blank(&self, ahead: usize) -> bool {
        matches!(self.at(ahead), b' ' | b'\t')
    }

    /// Bytes of the line break `ahead` of the position, 0 when there is none.
    pub(super) fn break_width(&self, ahead: usize) -> usize {
        match self.at(ahead) {
            b'\r' if self.at(ahead + 1) == b'\n' => 2,
            b'\r' | b'\n' => 1,
            0xC2 if self.at(ahead + 1) == 0x85 => 2,
            0xE2 if self.at(ahead + 1) == 0x80 && matches!(self.at(ahead + 2), 0xA8 | 0xA9) => 3,
            _ => 0,
        }
    }

    pub(super) fn is_break(&self) -> bool {
        self.break_width(0) > 0
    }

    /// Is there a blank, a line break or the end `ahead` of the position?
    pub(super) fn is_blank_or_end(&self, ahead: usize) -> bool {
        match self.at(ahead) {
            b' ' | b'\t' | b'\n' | b'\r' | 0 => true,
            0xC2 | 0xE2 => self.break_width(ahead) > 0,
            _ => false,
        }
    }

    pub(super) fn is_break_or_end(&self) -> bool {
        !self.is_blank(0) && self.is_blank_or_end(0)
    }

    /// Is this a line that begins with `---` or `...`?
    pub(super) fn is_document_indicator(&self) -> bool {
        self.column() == 0 && (self.is_indicator(b'-') || self.is_indicator(b'.'))
    }

    /// Is `byte` here three times, and then a blank, a line break or the end?
    pub(super) fn is_indicator(&self, byte: u8) -> bool {
        (0..3).all(|ahead| self.at(ahead) == byte) && self.is_blank_or_end(3)
    }

    /// Goes one character ahead, which must not be a line break.
    pub(super) fn skip(&mut self) {
        self.offset += match self.at(0) {
            0..=0x7F => 1,
            0x80..=0xDF => 2,
            0xE0..=0xEF => 3,
            _ => 4,
        };
    }

    pub(super) fn skip_bytes(&mut self, count: usize) {
        self.offset += count;
    }

    /// Goes past a byte order mark at the start of a line, where it takes no column.
    pub(super) fn skip_byte_order_mark(&mut self) {
        let rest = self.text.as_bytes().get(self.offset..).unwrap_or_default();
        if self.column() == 0 && rest.starts_with(b"\xEF\xBB\xBF") {
            self.offset += 3;
            self.line_start = self.offset;
        }
    }

    pub(super) fn skip_blanks(&mut self) {
        while self.is_blank(0) {
            self.offset += 1;
        }
    }

    /// Goes past a comment, if there is one here, up to its line break.
    pub(super) fn skip_comment(&mut self) {
        if self.at(0) == b'#' {
            self.skip_line_content();
        }
    }

    /// Goes to the next line break or the end.
    pub(super) fn skip_line_content(&mut self) {
        let rest = self.text.as_bytes().get(self.offset..).unwrap_or_default();
        let length = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let end = self.offset + length;
        if rest.get(..length).is_some_and(<[u8]>::is_ascii) {
            self.offset = end;
            return;
        }
        while self.offset < end && !self.is_break() {
            self.offset += 1;
        }
    }

    /// Goes to the next byte of the set, or to the end.
    #[inline]
    pub(super) fn skip_ordinary(&mut self, stops: Stops) {
        let rest = self.text.as_bytes().get(self.offset..).unwrap_or_default();
        let ordinary = rest.iter().position(|byte| stops.has(*byte));
        self.offset += ordinary.unwrap_or(rest.len());
    }

    /// Goes past a line break, if there is one here.
    pub(super) fn skip_break(&mut self) {
        let width = self.break_width(0);
        if width > 0 {
            self.offset += width;
            self.line = self.line.saturating_add(1);
            self.line_start = self.offset;
        }
    }

    /// Goes past a line break and gives what it means in a scalar: a line feed, but the Unicode separators stay.
    pub(super) fn take_break(&mut self) -> &'static str {
        let meaning = match (self.break_width(0), self.at(2)) {
            (3, 0xA8) => "\u{2028}",
            (3, _) => "\u{2029}",
            (0, _) => "",
            _ => "\n",
        };
        self.skip_break();
        meaning
    }

    /// Goes to column 0 of a line after the last.
    pub(super) fn finish_last_line(&mut self) {
        if self.column() != 0 {
            self.line = self.line.saturating_add(1);
            self.line_start = self.offset;
        }
    }

    pub(super) fn error_here(&self, message: impl Into<String>) -> Error {
        error_at(self.text, self.mark(), Problem::Syntax(message.into()))
    }
}

/// An error at a mark; counts the column in characters.
pub(crate) fn error_at(text: &str, mark: Mark, problem: Problem) -> Error {
    let line_start = mark.offset.saturating_sub(mark.column as usize);
    let before = text
        .get(line_start..mark.offset)
        .map_or(mark.column, |before| u32::try_from(before.chars().count()).unwrap_or(u32::MAX));
    let column = before.saturating_add(1);
    Error::new(mark.line.saturating_add(1), column, problem)
}
