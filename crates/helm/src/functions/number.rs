//! Numbers as Go's `strconv` reads them and spf13/cast makes them of any value.

use gotemplate::{Type, Value};

/// Why a text is no integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoInteger {
    /// It is not written like one.
    Syntax,
    /// It has more than 64 bits.
    Range {
        /// Whether it is below zero.
        negative: bool,
    },
}

/// Go: `strconv.ParseInt(text, radix, 64)`; with radix 0 the prefix decides, and underscores may stand between digits.
pub(super) fn parse_integer(text: &str, radix: u32) -> Result<i64, NoInteger> {
    let (negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = if radix == 0 { prefixed(unsigned) } else { (radix, unsigned.to_owned()) };
    if digits.is_empty()
        || (unsigned.contains('_') && !(digits.len() < unsigned.len() && underscores_fit(text)))
    {
        return Err(NoInteger::Syntax);
    }
    let mut magnitude: u64 = 0;
    let mut overflown = false;
    for digit in digits.chars() {
        let digit = digit.to_digit(radix).ok_or(NoInteger::Syntax)?;
        match magnitude.checked_mul(radix.into()).and_then(|high| high.checked_add(digit.into())) {
            Some(sum) => magnitude = sum,
            None => overflown = true,
        }
    }
    let number = if negative { 0_i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() };
    number.filter(|_| !overflown).ok_or(NoInteger::Range { negative })
}

/// The radix that a prefix names, and the digits without underscores.
fn prefixed(unsigned: &str) -> (u32, String) {
    let without = |from: usize| unsigned.get(from..).unwrap_or_default().replace('_', "");
    match unsigned.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (16, without(2)),
        [b'0', b'b' | b'B', _, ..] => (2, without(2)),
        [b'0', b'o' | b'O', _, ..] => (8, without(2)),
        [b'0', _, ..] => (8, without(1)),
        _ => (10, without(0)),
    }
}

/// Whether every underscore stands between digits, or between a prefix and a digit.
fn underscores_fit(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let bytes = unsigned.as_bytes();
    let (is_hex, start) = match bytes {
        [b'0', b'x' | b'X', ..] => (true, 2),
        [b'0', b'b' | b'B' | b'o' | b'O', ..] => (false, 2),
        _ => (false, 0),
    };
    let is_digit = |byte: u8| byte.is_ascii_digit() || (is_hex && byte.is_ascii_hexdigit());
    let mut after_digit = start > 0;
    let mut after_underscore = false;
    for byte in bytes.iter().skip(start) {
        if *byte == b'_' {
            if !after_digit {
                return false;
            }
            (after_digit, after_underscore) = (false, true);
            continue;
        }
        if !is_digit(*byte) && after_underscore {
            return false;
        }
        (after_digit, after_underscore) = (is_digit(*byte), false);
    }
    !after_underscore
}

/// Go: `strconv.Atoi` whose error is not looked at: numbers beyond 64 bits are the nearest that fits.
pub(super) fn atoi(text: &[u8]) -> i64 {
    match std::str::from_utf8(text).map_err(|_| NoInteger::Syntax).and_then(|text| parse_integer(text, 10)) {
        Ok(number) => number,
        Err(NoInteger::Range { negative: true }) => i64::MIN,
        Err(NoInteger::Range { negative: false }) => i64::MAX,
        Err(NoInteger::Syntax) => 0,
    }
}

/// Go: `strconv.ParseFloat(text, 64)`; `None` for an error, infinities that come of too large a number included.
pub(super) fn parse_float(text: &str) -> Option<f64> {
    if text.contains('_') && !underscores_fit(text) {
        return None;
    }
    let plain = text.replace('_', "");
    let unsigned = plain.strip_prefix(['+', '-']).unwrap_or(&plain);
    if let Some(hex) = unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X")) {
        let float = hex_float(hex)?;
        return Some(if plain.starts_with('-') { -float } else { float });
    }
    // What Rust reads as a float Go does, too.
    let float: f64 = plain.parse().ok()?;
    let is_word = unsigned.starts_with(|first: char| first.is_ascii_alphabetic());
    (is_word || float.is_finite()).then_some(float)
}

/// Hexadecimal digits with a point and a power of two, which must be there.
fn hex_float(text: &str) -> Option<f64> {
    let (mantissa, power) = text.split_once(['p', 'P'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = power.strip_prefix(['+', '-']).unwrap_or(power);
    let is_power = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_power || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let mut bits: u64 = 0;
    let mut shift: i64 = 0;
    for (index, digit) in whole.chars().chain(fraction.chars()).enumerate() {
        let digit = u64::from(digit.to_digit(16)?);
        let in_fraction = index >= whole.len();
        if bits >> 59 == 0 {
            bits = bits << 4 | digit;
            shift -= if in_fraction { 4 } else { 0 };
        } else {
            // What lies beyond counts only for rounding.
            bits |= u64::from(digit != 0);
            shift += if in_fraction { 0 } else { 4 };
        }
    }
    let power: i64 = power.parse().map_or(100_000, |power: i64| power.clamp(-100_000, 100_000));
    let float = scale(bits, shift + power);
    float.is_finite().then_some(float)
}

/// `bits` times two to a power, rounded once.
fn scale(bits: u64, power: i64) -> f64 {
    if bits == 0 {
        return 0.0;
    }
    let width = 64 - i64::from(bits.leading_zeros());
    // Bits that a subnormal number has no room for must go before the conversion rounds.
    let lost = (-1074 - power).clamp(0, 64).min(width + 1);
    let (kept, rest) = if lost >= 64 { (0, bits) } else { (bits >> lost, bits & ((1 << lost) - 1)) };
    if lost > 0 && width - lost < 53 {
        let half = if lost == 0 { 0 } else { 1_u64 << (lost - 1).min(63) };
        let up = rest > half || (rest == half && kept & 1 == 1);
        let rounded = kept + u64::from(up);
        return f64::from_bits(rounded);
    }
    #[expect(clippy::cast_precision_loss, reason = "this is the rounding")]
    let mut float = bits as f64;
    let mut power = power;
    while power != 0 && float.is_finite() && float != 0.0 {
        let step = power.clamp(-1000, 1000);
        float *= 2_f64.powi(i32::try_from(step).unwrap_or(0));
        power -= step;
    }
    float
}

/// Cast's integer of any value; 0 for what has none.
pub(super) fn to_int(value: &Value) -> i64 {
    match value {
        Value::Int(_, number) => *number,
        Value::Uint(_, number) => number.cast_signed(),
        Value::Float(_, number) => truncate(*number),
        Value::Bool(truth) => i64::from(*truth),
        Value::String(text) => {
            text.as_str().and_then(|text| parse_integer(without_zero_fraction(text), 0).ok()).unwrap_or(0)
        }
        value => calendar_number(value).unwrap_or(0),
    }
}

/// Of all numbers with a type of their own, cast knows those of months and days of the week.
fn calendar_number(value: &Value) -> Option<i64> {
    let Value::Native(native) = value else { return None };
    match (native.type_of(), native.underlying()?) {
        (Type::Named("time.Month" | "time.Weekday", _), Value::Int(_, number)) => Some(number),
        _ => None,
    }
}

/// Cast reads `1.00` as 1.
fn without_zero_fraction(text: &str) -> &str {
    match text.split_once('.') {
        Some((whole, fraction))
            if !whole.is_empty() && !fraction.is_empty() && fraction.bytes().all(|byte| byte == b'0') =>
        {
            whole
        }
        _ => text,
    }
}

/// Go's conversion on the processors that Helm runs on: what does not fit becomes the smallest number.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "this is the conversion")]
pub(super) fn truncate(float: f64) -> i64 {
    if float >= i64::MIN as f64 && float < -(i64::MIN as f64) { float as i64 } else { i64::MIN }
}

/// Cast's float of any value; 0 for what has none.
#[expect(clippy::cast_precision_loss, reason = "as Go converts")]
pub(super) fn to_float(value: &Value) -> f64 {
    match value {
        Value::Int(_, number) => *number as f64,
        Value::Uint(_, number) => *number as f64,
        Value::Float(_, number) => *number,
        Value::Bool(truth) => f64::from(u8::from(*truth)),
        Value::String(text) => text.as_str().and_then(parse_float).unwrap_or(0.0),
        value => calendar_number(value).unwrap_or(0) as f64,
    }
}
