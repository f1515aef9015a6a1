//! Numbers, strings and bytes under a verb.

use crate::fmt::quote::{Charset, append_char, append_quoted, append_quoted_char, can_backquote, to_char};
use crate::fmt::{Printer, cut_runes, float};
use crate::unicode;
use crate::value::FloatType;

/// An integer to print: its magnitude and whether it is negative.
#[derive(Clone, Copy)]
pub(super) struct Integer {
    /// The two's complement for a signed integer.
    pub(super) bits: u64,
    pub(super) signed: bool,
}

impl Printer {
    /// Prints an integer; `false` if the verb does not fit.
    pub(super) fn integer(&mut self, integer: Integer, verb: char) -> bool {
        match verb {
            'v' if self.flags.sharp_v && !integer.signed => self.hex_with_prefix(integer.bits, true),
            'v' | 'd' => self.digits(integer, 10, verb),
            'b' => self.digits(integer, 2, verb),
            'o' | 'O' => self.digits(integer, 8, verb),
            'x' | 'X' => self.digits(integer, 16, verb),
            'c' => {
                let mut text = Vec::with_capacity(4);
                append_char(&mut text, to_char(integer.bits));
                self.pad(&text);
            }
            'q' => {
                let mut text = Vec::with_capacity(8);
                append_quoted_char(&mut text, integer.bits, self.charset());
                self.pad(&text);
            }
            'U' => self.code_point(integer.bits),
            _ => return false,
        }
        true
    }

    fn charset(&self) -> Charset {
        if self.flags.plus { Charset::Ascii } else { Charset::Printable }
    }

    /// An unsigned number in base 16, with or without `0x`.
    pub(super) fn hex_with_prefix(&mut self, bits: u64, prefix: bool) {
        let sharp = std::mem::replace(&mut self.flags.sharp, prefix);
        self.digits(Integer { bits, signed: false }, 16, 'v');
        self.flags.sharp = sharp;
    }

    fn digits(&mut self, integer: Integer, base: u64, verb: char) {
        let negative = integer.signed && integer.bits.cast_signed() < 0;
        let magnitude = if negative { integer.bits.wrapping_neg() } else { integer.bits };
        let flags = self.flags;
        // The fewest digits: given, or from zero padding, which leaves room for a sign.
        let mut fewest = 0;
        if let Some(precision) = flags.precision {
            if precision == 0 && magnitude == 0 {
                let zero = std::mem::take(&mut self.flags.zero);
                self.padding(flags.width.unwrap_or(0));
                self.flags.zero = zero;
                return;
            }
            fewest = precision;
        } else if let (true, false, Some(width)) = (flags.zero, flags.minus, flags.width) {
            fewest = width.saturating_sub(usize::from(negative || flags.plus || flags.space));
        }
        if self.is_full() {
            return;
        }
        // Files are printed as lists of millions of numbers without flags.
        if base == 10 && fewest == 0 && flags.width.is_none() && !flags.plus && !flags.space {
            self.write(if negative { b"-" } else { b"" });
            return self.write(itoa::Buffer::new().format(magnitude).as_bytes());
        }
        // Backwards, then turned round.
        let mut text = Vec::with_capacity(fewest.max(20) + 4);
        let upper = verb == 'X';
        let mut rest = magnitude;
        loop {
            let digit =
                u32::try_from(rest % base).ok().and_then(|digit| char::from_digit(digit, 16)).unwrap_or('0');
            text.push(if upper { digit.to_ascii_uppercase() } else { digit } as u8);
            rest /= base;
            if rest == 0 {
                break;
            }
        }
        if text.len() < fewest {
            text.resize(fewest, b'0');
        }
        if flags.sharp {
            match base {
                2 => text.extend_from_slice(b"b0"),
                8 if text.last() != Some(&b'0') => text.push(b'0'),
                16 => text.extend_from_slice(if upper { b"X0" } else { b"x0" }),
                _ => {}
            }
        }
        if verb == 'O' {
            text.extend_from_slice(b"o0");
        }
        if negative {
            text.push(b'-');
        } else if flags.plus {
            text.push(b'+');
        } else if flags.space {
            text.push(b' ');
        }
        text.reverse();
        self.pad_with_blanks(&text);
    }

    fn pad_with_blanks(&mut self, text: &[u8]) {
        let zero = std::mem::take(&mut self.flags.zero);
        self.pad(text);
        self.flags.zero = zero;
    }

    fn code_point(&mut self, bits: u64) {
        let fewest = self.flags.precision.unwrap_or(4).max(4);
        let mut text = format!("U+{bits:0fewest$X}").into_bytes();
        if self.flags.sharp
            && let Some(character) = u32::try_from(bits).ok().and_then(char::from_u32)
            && unicode::is_print(character)
        {
            text.extend_from_slice(b" '");
            append_char(&mut text, character);
            text.push(b'\'');
        }
        self.pad_with_blanks(&text);
    }

    /// Prints a floating-point number; `false` if the verb does not fit.
    pub(super) fn float(&mut self, value: f64, typ: FloatType, verb: char) -> bool {
        let (letter, precision) = match verb {
            'v' => (b'g', None),
            'b' | 'g' | 'G' | 'x' | 'X' => (verb as u8, None),
            'f' | 'e' | 'E' => (verb as u8, Some(6)),
            'F' => (b'f', Some(6)),
            _ => return false,
        };
        self.float_as(value, typ, letter, precision);
        true
    }

    /// Prints a complex number; `false` if the verb does not fit.
    pub(super) fn complex(&mut self, real: f64, imaginary: f64, verb: char) -> bool {
        if !matches!(verb, 'v' | 'b' | 'g' | 'G' | 'x' | 'X' | 'f' | 'F' | 'e' | 'E') {
            return false;
        }
        let plus = self.flags.plus;
        self.write(b"(");
        self.float(real, FloatType::Float64, verb);
        self.flags.plus = true;
        self.float(imaginary, FloatType::Float64, verb);
        self.write(b"i)");
        self.flags.plus = plus;
        true
    }

    fn float_as(&mut self, value: f64, typ: FloatType, letter: u8, precision: Option<usize>) {
        if self.is_full() {
            return;
        }
        let precision = self.flags.precision.or(precision);
        let mut text = Vec::with_capacity(32);
        float::append(&mut text, value, letter, precision, typ);
        // From here on there is always a sign at the front.
        if !matches!(text.first(), Some(b'-' | b'+')) {
            text.insert(0, b'+');
        }
        let flags = self.flags;
        if flags.space && text.first() == Some(&b'+') && !flags.plus {
            text[0] = b' ';
        }
        if value.is_nan() || value.is_infinite() {
            if value.is_nan() && !flags.space && !flags.plus {
                text.remove(0);
            }
            self.pad_with_blanks(&text);
            return;
        }
        if flags.sharp && letter != b'b' {
            restore_zeros(&mut text, letter, precision);
        }
        if flags.plus || text.first() != Some(&b'+') {
            if let (true, false, Some(width)) = (flags.zero, flags.minus, flags.width)
                && width > text.len()
            {
                // The sign comes before the zeros.
                let (sign, number) = text.split_at_checked(1).unwrap_or((&[], &text));
                self.write(sign);
                self.padding(width - text.len());
                self.write(number);
                return;
            }
            self.pad(&text);
            return;
        }
        self.pad(text.get(1..).unwrap_or_default());
    }

    /// Prints a string; `false` if the verb does not fit.
    pub(super) fn string(&mut self, text: &[u8], verb: char) -> bool {
        match verb {
            'v' if self.flags.sharp_v => self.quoted(text),
            'v' | 's' => self.plain(text),
            'x' | 'X' => self.hex_bytes(text, verb),
            'q' => self.quoted(text),
            _ => return false,
        }
        true
    }

    pub(super) fn plain(&mut self, text: &[u8]) {
        match self.flags.precision {
            Some(precision) => self.pad(cut_runes(text, precision)),
            None => self.pad(text),
        }
    }

    pub(super) fn quoted(&mut self, text: &[u8]) {
        let text = match self.flags.precision {
            Some(precision) => cut_runes(text, precision),
            None => text,
        };
        let mut quoted = Vec::with_capacity(text.len() + 2);
        if self.flags.sharp && can_backquote(text) {
            quoted.push(b'`');
            quoted.extend_from_slice(text);
            quoted.push(b'`');
        } else {
            append_quoted(&mut quoted, text, b'"', self.charset());
        }
        self.pad(&quoted);
    }

    pub(super) fn hex_bytes(&mut self, text: &[u8], verb: char) {
        let flags = self.flags;
        let length = flags.precision.map_or(text.len(), |precision| precision.min(text.len()));
        let text = text.get(..length).unwrap_or_default();
        if text.is_empty() {
            self.padding(flags.width.unwrap_or(0));
            return;
        }
        let upper = verb == 'X';
        let prefix: &[u8] = if upper { b"0X" } else { b"0x" };
        let mut shown = Vec::with_capacity(text.len() * 2 + 2);
        for (index, byte) in text.iter().enumerate() {
            if flags.space && index > 0 {
                shown.push(b' ');
            }
            if flags.sharp && (flags.space || index == 0) {
                shown.extend_from_slice(prefix);
            }
            let digits = if upper { format!("{byte:02X}") } else { format!("{byte:02x}") };
            shown.extend_from_slice(digits.as_bytes());
        }
        self.pad(&shown);
    }
}

/// With the sharp flag there is always a decimal point, and `%g` keeps trailing zeros.
fn restore_zeros(text: &mut Vec<u8>, letter: u8, precision: Option<usize>) {
    let mut digits = match letter {
        b'g' | b'G' | b'x' => i64::try_from(precision.unwrap_or(6)).unwrap_or(i64::MAX),
        _ => 0,
    };
    let hex = matches!(letter, b'x' | b'X');
    let tail_at = text.iter().position(|byte| match byte {
        b'p' | b'P' => true,
        b'e' | b'E' => !hex,
        _ => false,
    });
    let tail = tail_at.map(|at| text.split_off(at)).unwrap_or_default();
    let mut has_point = false;
    let mut seen_nonzero = false;
    for byte in text.iter().skip(1) {
        if *byte == b'.' {
            has_point = true;
            continue;
        }
        seen_nonzero |= *byte != b'0';
        digits -= i64::from(seen_nonzero);
    }
    if !has_point {
        if text.get(1..) == Some(b"0") {
            digits -= 1;
        }
        text.push(b'.');
    }
    let missing = usize::try_from(digits).unwrap_or(0);
    text.resize(text.len() + missing, b'0');
    text.extend_from_slice(&tail);
}
