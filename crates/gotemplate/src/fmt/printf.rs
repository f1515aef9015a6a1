//! Format strings.

use crate::fmt::quote::append_char;
use crate::fmt::{Flags, Printer};
use crate::unicode;
use crate::value::Value;

/// The largest width and precision that Go takes.
const LARGEST: i64 = 1_000_000;

/// Where in the format and the arguments printing stands.
struct Cursor<'a> {
    format: &'a [u8],
    at: usize,
    args: &'a [Value],
    next_arg: usize,
    /// Whether the last thing read was an index such as `[3]`.
    after_index: bool,
    /// Whether any index was used.
    reordered: bool,
    good_index: bool,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.format.get(self.at).copied()
    }

    /// A decimal number. One that is too long eats the rest of the format, as in Go.
    fn number(&mut self) -> Option<i64> {
        let (number, end) = parse_number(self.format, self.at, self.format.len());
        self.at = end;
        number
    }

    /// An index such as `[3]`, if there is one.
    fn index(&mut self) {
        if self.peek() != Some(b'[') {
            self.after_index = false;
            return;
        }
        self.reordered = true;
        let rest = self.format.get(self.at..).unwrap_or_default();
        let (index, width, ok) = parse_index(rest);
        self.at += width;
        let wanted = usize::try_from(index).ok().filter(|index| *index < self.args.len());
        match wanted {
            Some(index) if ok => {
                self.next_arg = index;
                self.after_index = true;
            }
            _ => {
                self.good_index = false;
                self.after_index = ok;
            }
        }
    }

    /// An integer argument for a `*`.
    fn star(&mut self) -> Option<i64> {
        let arg = self.args.get(self.next_arg)?;
        self.next_arg += 1;
        let number = match arg.plain() {
            Value::Int(_, number) => number,
            Value::Uint(_, number) => i64::try_from(number).ok()?,
            _ => return None,
        };
        (-LARGEST..=LARGEST).contains(&number).then_some(number)
    }
}

impl Printer {
    pub(crate) fn printf(&mut self, format: &[u8], args: &[Value]) {
        let mut cursor = Cursor {
            format,
            at: 0,
            args,
            next_arg: 0,
            after_index: false,
            reordered: false,
            good_index: true,
        };
        while cursor.at < format.len() {
            cursor.good_index = true;
            let rest = format.get(cursor.at..).unwrap_or_default();
            let plain = memchr::memchr(b'%', rest).unwrap_or(rest.len());
            self.write(rest.get(..plain).unwrap_or_default());
            cursor.at += plain;
            if cursor.at >= format.len() || self.is_full() {
                break;
            }
            cursor.at += 1;
            self.verb(&mut cursor);
        }
        if !cursor.reordered && cursor.next_arg < args.len() {
            self.extra(args.get(cursor.next_arg..).unwrap_or_default());
        }
    }

    /// One verb with all that stands before it; the percent sign has been read.
    fn verb(&mut self, cursor: &mut Cursor<'_>) {
        self.flags = Flags::default();
        while let Some(byte) = cursor.peek() {
            match byte {
                b'#' => self.flags.sharp = true,
                b'0' => self.flags.zero = true,
                b'+' => self.flags.plus = true,
                b'-' => self.flags.minus = true,
                b' ' => self.flags.space = true,
                _ => break,
            }
            cursor.at += 1;
        }
        if let Some(byte @ b'a'..=b'z') = cursor.peek()
            && let Some(arg) = cursor.args.get(cursor.next_arg)
        {
            // The common case: a verb right after its flags.
            cursor.at += 1;
            cursor.next_arg += 1;
            self.go_syntax(char::from(byte));
            self.arg(arg, char::from(byte));
            return;
        }
        cursor.index();
        self.width(cursor);
        self.precision(cursor);
        if !cursor.after_index {
            cursor.index();
        }
        let rest = cursor.format.get(cursor.at..).unwrap_or_default();
        if rest.is_empty() {
            self.write(b"%!(NOVERB)");
            return;
        }
        let (verb, width) = unicode::decode(rest);
        cursor.at += width;
        if verb == '%' {
            self.write(b"%");
        } else if !cursor.good_index {
            self.bad(verb, b"(BADINDEX)");
        } else if let Some(arg) = cursor.args.get(cursor.next_arg) {
            cursor.next_arg += 1;
            self.go_syntax(verb);
            self.arg(arg, verb);
        } else {
            self.bad(verb, b"(MISSING)");
        }
    }

    fn width(&mut self, cursor: &mut Cursor<'_>) {
        if cursor.peek() == Some(b'*') {
            cursor.at += 1;
            match cursor.star() {
                Some(width) => {
                    self.flags.width = usize::try_from(width.unsigned_abs()).ok();
                    if width < 0 {
                        self.flags.minus = true;
                        self.flags.zero = false;
                    }
                }
                None => self.write(b"%!(BADWIDTH)"),
            }
            cursor.after_index = false;
            return;
        }
        self.flags.width = cursor.number().and_then(|width| usize::try_from(width).ok());
        if cursor.after_index && self.flags.width.is_some() {
            cursor.good_index = false;
        }
    }

    fn precision(&mut self, cursor: &mut Cursor<'_>) {
        if cursor.peek() != Some(b'.') || cursor.at + 1 >= cursor.format.len() {
            return;
        }
        cursor.at += 1;
        if cursor.after_index {
            cursor.good_index = false;
        }
        cursor.index();
        if cursor.peek() == Some(b'*') {
            cursor.at += 1;
            self.flags.precision = cursor.star().and_then(|precision| usize::try_from(precision).ok());
            if self.flags.precision.is_none() {
                self.write(b"%!(BADPREC)");
            }
            cursor.after_index = false;
            return;
        }
        let precision = cursor.number().unwrap_or(0);
        self.flags.precision = Some(usize::try_from(precision).unwrap_or(0));
    }

    /// `%#v` and `%+v` mean something else than the flags do elsewhere.
    fn go_syntax(&mut self, verb: char) {
        if matches!(verb, 'v' | 'w') {
            self.flags.sharp_v = std::mem::take(&mut self.flags.sharp);
            self.flags.plus_v = std::mem::take(&mut self.flags.plus);
        }
    }

    fn bad(&mut self, verb: char, what: &[u8]) {
        self.write(b"%!");
        append_char(&mut self.out, verb);
        self.write(what);
    }

    /// Arguments that no verb asked for.
    fn extra(&mut self, args: &[Value]) {
        self.flags = Flags::default();
        self.write(b"%!(EXTRA ");
        for (index, arg) in args.iter().enumerate() {
            if index > 0 {
                self.write(b", ");
            }
            if matches!(arg, Value::Nil) {
                self.write(b"<nil>");
            } else {
                self.write(arg.type_name().as_bytes());
                self.write(b"=");
                self.arg(arg, 'v');
            }
        }
        self.write(b")");
    }
}

/// The number between two places, and where it ends.
fn parse_number(format: &[u8], start: usize, end: usize) -> (Option<i64>, usize) {
    let mut number = 0;
    let mut found = None;
    let mut at = start;
    while at < end {
        let Some(byte @ b'0'..=b'9') = format.get(at) else {
            break;
        };
        if number > LARGEST {
            return (None, end);
        }
        number = number * 10 + i64::from(byte - b'0');
        found = Some(number);
        at += 1;
    }
    (found, at)
}

/// The index at the begin of the text, counted from zero; its length; and whether it is well formed.
fn parse_index(text: &[u8]) -> (i64, usize, bool) {
    if text.len() < 3 {
        return (0, 1, false);
    }
    let Some(close) = text.iter().position(|byte| *byte == b']') else {
        return (0, 1, false);
    };
    match parse_number(text, 1, close) {
        (Some(number), end) if end == close => (number - 1, close + 1, true),
        _ => (0, close + 1, false),
    }
}
