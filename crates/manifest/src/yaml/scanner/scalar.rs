//! Plain and quoted scalars, and how their lines are folded.

use std::borrow::Cow;

use super::Scanner;
use super::cursor::Stops;
use crate::yaml::error::Error;
use crate::yaml::token::{LocatedToken, Mark, Style, Token};

/// The value of a scalar: a part of the text as long as nothing had to be changed.
struct ValueBuilder {
    /// What came before the current run, when that is not what stands in the text.
    owned: Option<String>,
    run_start: usize,
}

impl ValueBuilder {
    fn new(start: usize) -> Self {
        Self { owned: None, run_start: start }
    }

    /// Ends the current run, puts `insertion` after it and begins the next run at `next_start`.
    fn replace(&mut self, run: &str, insertion: &str, next_start: usize) {
        let owned = self.owned.get_or_insert_default();
        owned.push_str(run);
        owned.push_str(insertion);
        self.run_start = next_start;
    }

    fn finish(self, run: &str) -> Cow<'_, str> {
        match self.owned {
            None => Cow::Borrowed(run),
            Some(mut owned) => {
                owned.push_str(run);
                Cow::Owned(owned)
            }
        }
    }
}

/// Blanks and line breaks between two words of a scalar.
#[derive(Default)]
struct Gap {
    has_break: bool,
    first_break: &'static str,
    more_breaks: String,
}

impl Gap {
    /// What the gap means when it has a line break: one is a blank, more are one less.
    fn folded(&self) -> Cow<'_, str> {
        match (self.first_break, self.more_breaks.as_str()) {
            ("\n", "") => Cow::Borrowed(" "),
            ("\n" | "", more) => Cow::Borrowed(more),
            (first, more) => Cow::Owned(format!("{first}{more}")),
        }
    }
}

impl<'a> Scanner<'a> {
    /// A scalar without quotes, which may go on over several lines.
    pub(super) fn scan_plain(&mut self) -> Result<LocatedToken<'a>, Error> {
        let mark = self.cursor.mark();
        let mut value = ValueBuilder::new(mark.offset);
        let mut end = mark.offset;
        let mut on_new_line = false;
        loop {
            if self.cursor.is_document_indicator() || self.cursor.at(0) == b'#' {
                break;
            }
            let word_start = self.cursor.offset();
            self.skip_plain_word();
            if self.cursor.offset() > word_start {
                on_new_line = false;
                end = self.cursor.offset();
            }
            if !self.cursor.is_blank(0) && !self.cursor.is_break() {
                break;
            }
            let gap = self.take_gap(false, true)?;
            if gap.has_break {
                on_new_line = true;
                if !self.in_flow() && self.cursor.column() < self.indent {
                    break;
                }
                if self.plain_ends_here() {
                    break;
                }
                let run = self.cursor.slice(value.run_start, end);
                value.replace(run, &gap.folded(), self.cursor.offset());
                end = self.cursor.offset();
            }
        }
        if on_new_line {
            self.simple_key_allowed = true;
        }
        let run = self.cursor.slice(value.run_start, end);
        Ok(LocatedToken { token: Token::Scalar { value: value.finish(run), style: Style::Plain }, mark })
    }

    /// Is there nothing here that would belong to a plain scalar?
    fn plain_ends_here(&self) -> bool {
        self.cursor.is_document_indicator()
            || self.cursor.at_end()
            || self.cursor.at(0) == b'#'
            || self.is_plain_end()
    }

    /// Does the character here end a plain scalar?
    fn is_plain_end(&self) -> bool {
        match self.cursor.at(0) {
            b':' => self.cursor.is_blank_or_end(1),
            b',' | b'?' | b'[' | b']' | b'{' | b'}' => self.in_flow(),
            _ => false,
        }
    }

    fn skip_plain_word(&mut self) {
        self.cursor.skip_ordinary(Stops::PLAIN);
        while !self.cursor.is_blank_or_end(0) && !self.is_plain_end() {
            self.cursor.skip();
            self.cursor.skip_ordinary(Stops::PLAIN);
        }
    }

    pub(super) fn scan_single_quoted(&mut self) -> Result<LocatedToken<'a>, Error> {
        self.scan_quoted(b'\'')
    }

    pub(super) fn scan_double_quoted(&mut self) -> Result<LocatedToken<'a>, Error> {
        self.scan_quoted(b'"')
    }

    fn scan_quoted(&mut self, quote: u8) -> Result<LocatedToken<'a>, Error> {
        let mark = self.cursor.mark();
        self.cursor.skip_bytes(1);
        let mut value = ValueBuilder::new(self.cursor.offset());
        loop {
            if self.cursor.is_document_indicator() {
                let message = format!("a new document in the quotes that open at line {}", mark.line + 1);
                return Err(self.cursor.error_here(message));
            }
            if self.cursor.at_end() {
                return Err(self.error(mark, "the closing quote is missing"));
            }
            let escaped_break = self.scan_quoted_word(mark, quote, &mut value)?;
            if self.cursor.at(0) == quote {
                break;
            }
            let end = self.cursor.offset();
            let gap = self.take_gap(escaped_break, false)?;
            if gap.has_break {
                let run = self.cursor.slice(value.run_start, end);
                value.replace(run, &gap.folded(), self.cursor.offset());
            }
        }
        let run = self.cursor.slice(value.run_start, self.cursor.offset());
        self.cursor.skip_bytes(1);
        Ok(LocatedToken {
            token: Token::Scalar { value: value.finish(run), style: Style::QuotedOrBlock },
            mark,
        })
    }

    /// Goes to the next blank, line break or closing quote. Says whether it ended with an escaped line break.
    fn scan_quoted_word(&mut self, mark: Mark, quote: u8, value: &mut ValueBuilder) -> Result<bool, Error> {
        loop {
            self.cursor.skip_ordinary(Stops::QUOTED);
            if self.cursor.is_blank_or_end(0) {
                return Ok(false);
            }
            match self.cursor.at(0) {
                b'\'' if quote == b'\'' => {
                    if self.cursor.at(1) != b'\'' {
                        return Ok(false);
                    }
                    let here = self.cursor.offset();
                    let run = self.cursor.slice(value.run_start, here + 1);
                    value.replace(run, "", here + 2);
                    self.cursor.skip_bytes(2);
                }
                b'"' if quote == b'"' => return Ok(false),
                b'\\' if quote == b'"' => {
                    let run = self.cursor.slice(value.run_start, self.cursor.offset());
                    self.cursor.skip_bytes(1);
                    if self.cursor.is_break() {
                        self.cursor.skip_break();
                        value.replace(run, "", self.cursor.offset());
                        return Ok(true);
                    }
                    let character = self.take_escape(mark)?;
                    value.replace(run, character.encode_utf8(&mut [0; 4]), self.cursor.offset());
                }
                _ => self.cursor.skip(),
            }
        }
    }

    /// The character that an escape means; the backslash is taken already.
    fn take_escape(&mut self, mark: Mark) -> Result<char, Error> {
        let meaning = match self.cursor.at(0) {
            b'0' => '\0',
            b'a' => '\x07',
            b'b' => '\x08',
            b't' | b'\t' => '\t',
            b'n' => '\n',
            b'v' => '\x0B',
            b'f' => '\x0C',
            b'r' => '\r',
            b'e' => '\x1B',
            byte @ (b' ' | b'"' | b'\'' | b'\\') => char::from(byte),
            b'N' => '\u{85}',
            b'_' => '\u{A0}',
            b'L' => '\u{2028}',
            b'P' => '\u{2029}',
            b'x' => return self.take_code(mark, 2),
            b'u' => return self.take_code(mark, 4),
            b'U' => return self.take_code(mark, 8),
            _ => {
                let message = "unknown escape after '\\'; write '\\\\' for a backslash or use single quotes";
                return Err(self.cursor.error_here(message));
            }
        };
        self.cursor.skip_bytes(1);
        Ok(meaning)
    }

    fn take_code(&mut self, mark: Mark, digits: usize) -> Result<char, Error> {
        self.cursor.skip_bytes(1);
        let start = self.cursor.offset();
        if !(0..digits).all(|ahead| self.cursor.at(ahead).is_ascii_hexdigit()) {
            return Err(self.error(mark, format!("expected {digits} hexadecimal digits in an escape")));
        }
        let code = u32::from_str_radix(self.cursor.slice(start, start + digits), 16).unwrap_or(u32::MAX);
        let Some(character) = char::from_u32(code) else {
            return Err(self.cursor.error_here(format!("there is no Unicode character {code:X}")));
        };
        self.cursor.skip_bytes(digits);
        Ok(character)
    }

    /// Goes past blanks and line breaks. Where `after_escaped_break`, the first line break has passed already.
    fn take_gap(&mut self, after_escaped_break: bool, in_plain: bool) -> Result<Gap, Error> {
        let mut gap = Gap { has_break: after_escaped_break, ..Gap::default() };
        let mut seen_break = after_escaped_break;
        loop {
            match self.cursor.at(0) {
                b'\t' if in_plain && seen_break && self.cursor.column() < self.indent => {
                    return Err(self.cursor.error_here("a tab cannot indent a line; use spaces"));
                }
                b' ' | b'\t' => self.cursor.skip_bytes(1),
                _ if !self.cursor.is_break() => return Ok(gap),
                _ if seen_break => gap.more_breaks.push_str(self.cursor.take_break()),
                _ => {
                    gap.first_break = self.cursor.take_break();
                    gap.has_break = true;
                    seen_break = true;
                }
            }
        }
    }
}
