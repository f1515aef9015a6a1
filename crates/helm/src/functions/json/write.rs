//! Values to JSON texts.

use std::fmt::Write as _;

use gotemplate::{Context, Value, print_float};

use super::super::support::Outcome;
use crate::value::{Sink, Target, encode};

/// Which characters are escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escape {
    /// Those that must be.
    Needed,
    /// Also those that mean something in HTML.
    Html,
}

/// How a text is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Without blanks.
    Compact,
    /// A line for each element, two blanks further in than what it belongs to.
    Pretty,
}

/// What Go's `encoding/json` writes.
pub(super) fn write(ctx: &mut Context<'_>, value: &Value, escape: Escape, layout: Layout) -> Outcome {
    let mut writer = Writer { out: String::new(), escape, layout, depth: 0, place: Place::First };
    encode(value, Target::Json, ctx, &mut writer)?;
    ctx.allocate(writer.out.len())?;
    Ok(Value::from(writer.out))
}

/// Where the next piece stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At the beginning of a list or map, or of the text.
    First,
    /// After another element.
    Next,
    /// After its key.
    Value,
}

struct Writer {
    out: String,
    escape: Escape,
    layout: Layout,
    depth: usize,
    place: Place,
}

impl Writer {
    /// Writes what stands before an element or key.
    fn separate(&mut self) {
        if self.place == Place::Next {
            self.out.push(',');
        }
        if self.place != Place::Value && self.depth > 0 {
            self.line();
        }
        self.place = Place::Next;
    }

    fn open(&mut self, bracket: char) {
        self.separate();
        self.out.push(bracket);
        self.depth += 1;
        self.place = Place::First;
    }

    fn close(&mut self, bracket: char) {
        self.depth -= 1;
        if self.place != Place::First {
            self.line();
        }
        self.out.push(bracket);
        self.place = Place::Next;
    }

    fn line(&mut self) {
        if self.layout == Layout::Pretty {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n("  ", self.depth));
        }
    }

    fn plain(&mut self, text: &str) {
        self.separate();
        self.out.push_str(text);
    }

    fn string(&mut self, text: &[u8]) {
        self.out.push('"');
        for chunk in text.utf8_chunks() {
            self.characters(chunk.valid());
            for _ in chunk.invalid() {
                self.escaped(char::REPLACEMENT_CHARACTER);
            }
        }
        self.out.push('"');
    }

    fn characters(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\u{8}' => self.out.push_str("\\b"),
                '\u{c}' => self.out.push_str("\\f"),
                '\0'..='\u{1f}' | '\u{2028}' | '\u{2029}' => self.escaped(character),
                '<' | '>' | '&' if self.escape == Escape::Html => self.escaped(character),
                _ => self.out.push(character),
            }
        }
    }

    fn escaped(&mut self, character: char) {
        let _ = write!(self.out, "\\u{:04x}", u32::from(character));
    }
}

impl Sink for Writer {
    fn indentation(&self) -> usize {
        if self.layout == Layout::Pretty { 2 * self.depth } else { 0 }
    }

    fn null(&mut self) {
        self.plain("null");
    }

    fn boolean(&mut self, boolean: bool) {
        self.plain(if boolean { "true" } else { "false" });
    }

    fn integer(&mut self, integer: i64) {
        self.separate();
        let _ = write!(self.out, "{integer}");
    }

    fn unsigned(&mut self, unsigned: u64) {
        self.separate();
        let _ = write!(self.out, "{unsigned}");
    }

    fn float(&mut self, float: f64) {
        self.plain(&float_text(float));
    }

    fn text(&mut self, text: &[u8]) {
        self.separate();
        self.string(text);
    }

    fn open_list(&mut self) {
        self.open('[');
    }

    fn close_list(&mut self) {
        self.close(']');
    }

    fn open_map(&mut self) {
        self.open('{');
    }

    fn key(&mut self, key: &[u8]) {
        self.separate();
        self.string(key);
        self.out.push_str(if self.layout == Layout::Pretty { ": " } else { ":" });
        self.place = Place::Value;
    }

    fn close_map(&mut self) {
        self.close('}');
    }
}

/// Plain digits from 1e-6 up to 1e21, else with an exponent.
fn float_text(float: f64) -> String {
    let shortest = print_float(float);
    let Some((mantissa, exponent)) = shortest.split_once('e') else { return shortest };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-6..21).contains(&exponent) {
        let sign = if exponent < 0 { "-" } else { "+" };
        return format!("{mantissa}e{sign}{}", exponent.unsigned_abs());
    }
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits = mantissa.replace('.', "");
    match usize::try_from(exponent + 1) {
        Ok(point) if point >= digits.len() => format!("{sign}{digits}{}", "0".repeat(point - digits.len())),
        Ok(point) if point > 0 => {
            let (whole, fraction) = digits.split_at(point);
            format!("{sign}{whole}.{fraction}")
        }
        _ => {
            let zeros = usize::try_from(-exponent - 1).unwrap_or(0);
            format!("{sign}0.{}{digits}", "0".repeat(zeros))
        }
    }
}
