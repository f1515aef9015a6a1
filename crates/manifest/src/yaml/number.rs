//! Numbers as Go reads and prints them.

use serde::Serialize;
use serde_json::{Number, Value};

use super::resolve::Meaning;

/// Go: `strconv.ParseInt` and `ParseUint` with base 0, and the binary forms that go-yaml v2 adds.
pub(super) fn parse_integer(text: &str) -> Option<Meaning> {
    let (negative, magnitude) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    if let Some(magnitude) = parse_magnitude(magnitude) {
        let signed =
            if negative { 0_i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() };
        if let Some(signed) = signed {
            return Some(Meaning::Integer(signed));
        }
        return text
            .starts_with(|first: char| first.is_ascii_digit())
            .then_some(Meaning::Unsigned(magnitude));
    }
    // go-yaml takes a sign after the prefix, too.
    let (sign, digits) = match text.strip_prefix("0b")?.as_bytes() {
        [b'-', digits @ ..] => ("-", digits),
        [b'+', digits @ ..] => ("", digits),
        _ => return None,
    };
    let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.starts_with(['0', '1']))?;
    i64::from_str_radix(&format!("{sign}{digits}"), 2).ok().map(Meaning::Integer)
}

fn parse_magnitude(text: &str) -> Option<u64> {
    let (radix, digits) = match text.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (16, &text[2..]),
        [b'0', b'o' | b'O', _, ..] => (8, &text[2..]),
        [b'0', b'b' | b'B', _, ..] => (2, &text[2..]),
        [b'0'] => return Some(0),
        [b'0', ..] => (8, &text[1..]),
        _ => (10, text),
    };
    // from_str_radix would take a sign here.
    if !digits.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

/// A decimal number with an optional fraction and exponent, as go-yaml v2's pattern has it. Infinities are none.
pub(super) fn parse_decimal(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let has_fraction_only = whole.is_empty() && !fraction.is_empty();
    let is_mantissa = is_digits(fraction) && (has_fraction_only || (!whole.is_empty() && is_digits(whole)));
    let is_exponent = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && is_digits(digits)
    });
    if !is_mantissa || !is_exponent {
        return None;
    }
    text.parse().ok().filter(|float: &f64| float.is_finite())
}

/// Go: `strconv.ParseFloat` of a text that begins with a point. Underscores may stand between digits.
pub(super) fn parse_go_float(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    let between_digits = |at: usize| {
        let digit = |at: usize| bytes.get(at).is_some_and(|byte| byte.is_ascii_digit() || *byte == b'_');
        at > 0 && digit(at - 1) && bytes.get(at - 1) != Some(&b'_') && digit(at + 1)
    };
    if (0..bytes.len()).any(|at| bytes[at] == b'_' && !between_digits(at)) {
        return None;
    }
    parse_decimal(&text.replace('_', ""))
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A float as JSON means it: whole numbers are integers as long as Go would print them without an exponent.
///
/// `None` for what JSON has no word for: infinities and NaN.
pub(crate) fn json_float(float: f64) -> Option<Value> {
    if float.fract() == 0.0 && float.abs() < 1e21 {
        let digits = Shortest::of(&float).plain();
        if let Ok(integer) = digits.parse::<i64>() {
            return Some(integer.into());
        }
        if let Ok(unsigned) = digits.parse::<u64>() {
            return Some(unsigned.into());
        }
    }
    Number::from_f64(float).map(Value::Number)
}

/// Go: `strconv.FormatFloat(float, 'g', -1, 64)`, infinities and NaN in YAML's words.
pub(super) fn format_float(float: f64) -> String {
    format_finite(float, &float)
}

/// Go: `strconv.FormatFloat(float, 'g', -1, 32)`, which sigs.k8s.io/yaml uses for keys.
pub(super) fn format_float_key(float: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "that is what sigs.k8s.io/yaml does to keys")]
    let single = float as f32;
    format_finite(single.into(), &single)
}

fn format_finite(float: f64, shortest: &impl Serialize) -> String {
    if float.is_finite() {
        return Shortest::of(shortest).general();
    }
    match float {
        f64::INFINITY => ".inf",
        f64::NEG_INFINITY => "-.inf",
        _ => ".nan",
    }
    .to_owned()
}

/// The fewest digits that mean a float.
///
/// They come from serde_json, which like Go chooses the even one of two that are equally near; the standard library
/// chooses the larger.
struct Shortest {
    sign: &'static str,
    /// Neither empty nor with zeros at the ends, but for zero itself.
    digits: String,
    /// How many digits stand before the decimal point; may be negative.
    point: i32,
}

impl Shortest {
    /// Of a finite `f32` or `f64`.
    fn of(float: &impl Serialize) -> Self {
        let text = serde_json::to_string(float).unwrap_or_default();
        let unsigned = text.strip_prefix('-').unwrap_or(&text);
        let (mantissa, exponent) = unsigned.split_once('e').unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let digits = all.trim_start_matches('0');
        let leading_zeros = all.len() - digits.len();
        let exponent: i32 = exponent.parse().unwrap_or_default();
        let sign = if text.starts_with('-') { "-" } else { "" };
        match digits.trim_end_matches('0') {
            "" => Self { sign, digits: "0".to_owned(), point: 1 },
            digits => {
                let before_point = i32::try_from(whole.len()).unwrap_or_default();
                let leading_zeros = i32::try_from(leading_zeros).unwrap_or_default();
                Self { sign, digits: digits.to_owned(), point: before_point - leading_zeros + exponent }
            }
        }
    }

    /// Without an exponent where it is below 6 and not below -4.
    fn general(&self) -> String {
        if (-4..6).contains(&(self.point - 1)) { self.plain() } else { self.scientific() }
    }

    fn plain(&self) -> String {
        let Self { sign, digits, point } = self;
        let Ok(point) = usize::try_from(*point) else {
            let zeros = usize::try_from(point.unsigned_abs()).unwrap_or_default();
            return format!("{sign}0.{}{digits}", "0".repeat(zeros));
        };
        match digits.split_at_checked(point) {
            Some(("", fraction)) => format!("{sign}0.{fraction}"),
            Some((whole, "")) => format!("{sign}{whole}"),
            Some((whole, fraction)) => format!("{sign}{whole}.{fraction}"),
            None => format!("{sign}{digits}{}", "0".repeat(point - digits.len())),
        }
    }

    fn scientific(&self) -> String {
        let (first, rest) = self.digits.split_at_checked(1).unwrap_or((&self.digits, ""));
        let point = if rest.is_empty() { "" } else { "." };
        let exponent = self.point - 1;
        let exponent_sign = if exponent < 0 { '-' } else { '+' };
        format!("{}{first}{point}{rest}e{exponent_sign}{:02}", self.sign, exponent.unsigned_abs())
    }
}
