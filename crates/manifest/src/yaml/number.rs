//! Numbers as Go reads and prints them.

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
        let signed = if negative {
            0_i64.checked_sub_unsigned(magnitude)
        } else {
            i64::try_from(magnitude).ok()
        };
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
    let digits = std::str::from_utf8(digits)
        .ok()
        .filter(|digits| digits.starts_with(['0', '1']))?;
    i64::from_str_radix(&format!("{sign}{digits}"), 2)
        .ok()
        .map(Meaning::Integer)
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
        let digit = |at: usize| {
            bytes
                .get(at)
                .is_some_and(|byte| byte.is_ascii_digit() || *byte == b'_')
        };
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
        // Display prints the shortest digits that mean this float and zeros, as Go does.
        let digits = float.to_string();
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
    format_shortest(&format!("{float:e}"), float.to_string())
}

/// Go: `strconv.FormatFloat(float, 'g', -1, 32)`, which sigs.k8s.io/yaml uses for keys.
pub(super) fn format_float_key(float: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "that is what sigs.k8s.io/yaml does to keys"
    )]
    let single = float as f32;
    format_shortest(&format!("{single:e}"), single.to_string())
}

/// Takes the shortest digits that mean a float, with and without an exponent, and chooses as Go does.
fn format_shortest(scientific: &str, plain: String) -> String {
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return match plain.as_str() {
            "inf" => ".inf".to_owned(),
            "-inf" => "-.inf".to_owned(),
            _ => ".nan".to_owned(),
        };
    };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return plain;
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}
