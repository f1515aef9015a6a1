//! Go's number literals.

use crate::fmt::quote;
use crate::lex::{Token, TokenKind};
use crate::node::Number;
use crate::parse::literal;

/// The values that a number literal has as each type that can hold it; else a message.
pub(super) fn parse(text: &[u8], token: Token) -> Result<Number, String> {
    let mut number = Number { text: token.span, ..Number::default() };
    match token.kind {
        TokenKind::CharConstant => {
            let inner = text.get(1..).unwrap_or_default();
            let (unquoted, tail) = literal::unquote_char(inner, b'\'').ok_or("invalid syntax")?;
            if tail != b"'" {
                return Err(format!("malformed character constant: {}", String::from_utf8_lossy(text)));
            }
            let code = unquoted.code();
            number.int = Some(code.into());
            number.uint = Some(code.into());
            number.float = Some(code.into());
            return Ok(number);
        }
        TokenKind::Complex => {
            simplify(&mut number, complex(text)?);
            return Ok(number);
        }
        _ => {}
    }
    if let Some(imaginary) = text.strip_suffix(b"i").and_then(parse_float) {
        simplify(&mut number, (0.0, imaginary));
        return Ok(number);
    }
    number.uint = parse_uint(text);
    number.int = parse_int(text);
    if number.int == Some(0) {
        // Also for -0, which is no unsigned number by its syntax.
        number.uint = Some(0);
    }
    number.float = match (number.int, number.uint) {
        (Some(int), _) => Some(lossy_float(int)),
        (None, Some(uint)) => Some(lossy_float_unsigned(uint)),
        (None, None) => {
            let float =
                parse_float(text).ok_or_else(|| format!("illegal number syntax: {}", quote::quote(text)))?;
            if !text.iter().any(|byte| b".eEpP".contains(byte)) {
                return Err(format!("integer overflow: {}", quote::quote(text)));
            }
            number.int = float_to_int(float);
            number.uint = float_to_uint(float);
            Some(float)
        }
    };
    Ok(number)
}

#[expect(clippy::cast_precision_loss, reason = "as Go converts")]
fn lossy_float(int: i64) -> f64 {
    int as f64
}

#[expect(clippy::cast_precision_loss, reason = "as Go converts")]
fn lossy_float_unsigned(uint: u64) -> f64 {
    uint as f64
}

/// The integer that a float is, if it is one. Go's conversion on amd64 gives the least integer for what does not
/// fit, which is a float of the same value only for -2^63.
#[expect(clippy::cast_possible_truncation, clippy::float_cmp, reason = "compared exactly afterwards")]
fn float_to_int(float: f64) -> Option<i64> {
    let int = float as i64;
    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&float);
    (fits && lossy_float(int) == float).then_some(int)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    reason = "compared afterwards"
)]
fn float_to_uint(float: f64) -> Option<u64> {
    let uint = float as u64;
    let fits = (0.0..18_446_744_073_709_551_616.0).contains(&float);
    (fits && lossy_float_unsigned(uint) == float).then_some(uint)
}

fn simplify(number: &mut Number, (real, imaginary): (f64, f64)) {
    number.complex = Some((real, imaginary));
    if imaginary == 0.0 {
        number.float = Some(real);
        number.int = float_to_int(real);
        number.uint = float_to_uint(real);
    }
}

/// A literal such as `1+2i`: the second sign that does not belong to an exponent divides it.
fn complex(text: &[u8]) -> Result<(f64, f64), String> {
    let hex = text.iter().any(|byte| matches!(byte, b'x' | b'X'));
    let divides = |index: usize| {
        let before = text.get(index.wrapping_sub(1)).copied().unwrap_or_default();
        let exponent = if hex { matches!(before, b'p' | b'P') } else { matches!(before, b'e' | b'E') };
        matches!(text.get(index), Some(b'+' | b'-')) && !exponent
    };
    let split = (1..text.len()).find(|index| divides(*index)).unwrap_or(text.len());
    let (real, imaginary) = text.split_at_checked(split).unwrap_or((text, b""));
    let imaginary = imaginary.strip_suffix(b"i").unwrap_or(imaginary);
    let float = |part: &[u8]| {
        parse_float(part).ok_or_else(|| {
            // A well-formed number that cannot be read is one that is too large.
            let digits = part.strip_prefix(b"-").or(part.strip_prefix(b"+")).unwrap_or(part);
            let plain = digits.iter().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(byte));
            if plain && std::str::from_utf8(digits).is_ok_and(|digits| digits.parse::<f64>().is_ok()) {
                format!("strconv.ParseFloat: parsing {}: value out of range", quote::quote(part))
            } else {
                "syntax error scanning complex number".to_owned()
            }
        })
    };
    Ok((float(real)?, float(imaginary)?))
}

/// Go's `strconv.ParseUint` with base 0.
fn parse_uint(text: &[u8]) -> Option<u64> {
    let (base, digits) = match text {
        [b'0', b'b' | b'B', rest @ ..] if !rest.is_empty() => (2, rest),
        [b'0', b'o' | b'O', rest @ ..] if !rest.is_empty() => (8, rest),
        [b'0', b'x' | b'X', rest @ ..] if !rest.is_empty() => (16, rest),
        [b'0', rest @ ..] => (8, rest),
        [] => return None,
        _ => (10, text),
    };
    let mut value: u64 = 0;
    for byte in digits.iter().filter(|byte| **byte != b'_') {
        let digit = char::from(*byte).to_digit(base)?;
        value = value.checked_mul(base.into())?.checked_add(digit.into())?;
    }
    underscores_fit(text).then_some(value)
}

/// Go's `strconv.ParseInt` with base 0.
fn parse_int(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        _ => (false, text),
    };
    let magnitude = parse_uint(digits)?;
    if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

/// Whether every underscore stands between digits, or after a prefix such as `0x`.
fn underscores_fit(text: &[u8]) -> bool {
    if !text.contains(&b'_') {
        return true;
    }
    let unsigned = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    let (hex, mut after_digit, rest) = match unsigned {
        [b'0', b'x' | b'X', rest @ ..] => (true, true, rest),
        [b'0', b'b' | b'B' | b'o' | b'O', rest @ ..] => (false, true, rest),
        _ => (false, false, unsigned),
    };
    let mut after_underscore = false;
    for byte in rest {
        if byte.is_ascii_digit() || hex && byte.is_ascii_hexdigit() {
            (after_digit, after_underscore) = (true, false);
        } else if *byte == b'_' {
            if !after_digit {
                return false;
            }
            (after_digit, after_underscore) = (false, true);
        } else {
            if after_underscore {
                return false;
            }
            after_digit = false;
        }
    }
    !after_underscore
}

/// Go's `strconv.ParseFloat`; `None` also for what is too large.
fn parse_float(text: &[u8]) -> Option<f64> {
    let (negative, unsigned) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let value = match unsigned {
        [b'0', b'x' | b'X', digits @ ..] => hex_float(digits, text)?,
        _ => decimal_float(unsigned)?,
    };
    Some(if negative { -value } else { value })
}

fn decimal_float(text: &[u8]) -> Option<f64> {
    if !text.iter().all(|byte| byte.is_ascii_digit() || b".eE+-_".contains(byte)) || !underscores_fit(text) {
        return None;
    }
    let plain: String = text.iter().filter(|byte| **byte != b'_').map(|byte| char::from(*byte)).collect();
    let value: f64 = plain.parse().ok()?;
    value.is_finite().then_some(value)
}

/// A hexadecimal float after its `0x`: digits, perhaps with a point, and a binary exponent.
fn hex_float(digits: &[u8], whole: &[u8]) -> Option<f64> {
    let exponent_at = digits.iter().position(|byte| matches!(byte, b'p' | b'P'))?;
    let (mantissa_text, exponent_text) = digits.split_at_checked(exponent_at)?;
    if !underscores_fit(whole) {
        return None;
    }
    let exponent_text: String =
        exponent_text.get(1..)?.iter().filter(|byte| **byte != b'_').map(|byte| char::from(*byte)).collect();
    let written: i64 = match exponent_text.parse::<i64>() {
        Ok(exponent) => exponent.clamp(-100_000, 100_000),
        Err(error) => match error.kind() {
            std::num::IntErrorKind::PosOverflow => 100_000,
            std::num::IntErrorKind::NegOverflow => -100_000,
            _ => return None,
        },
    };
    let (mut mantissa, mut exponent) = (0u64, 0i64);
    let (mut seen_digits, mut seen_point, mut sticky) = (false, false, false);
    for byte in mantissa_text.iter().filter(|byte| **byte != b'_') {
        if *byte == b'.' {
            if seen_point {
                return None;
            }
            seen_point = true;
            continue;
        }
        let digit = char::from(*byte).to_digit(16)?;
        seen_digits = true;
        if mantissa >> 60 == 0 {
            mantissa = mantissa << 4 | u64::from(digit);
            exponent -= if seen_point { 4 } else { 0 };
        } else {
            sticky |= digit != 0;
            exponent += if seen_point { 0 } else { 4 };
        }
    }
    if !seen_digits {
        return None;
    }
    let value = scale(mantissa, exponent + written, sticky);
    value.is_finite().then_some(value)
}

/// `mantissa * 2^exponent`, rounded once to nearest, ties to even.
fn scale(mantissa: u64, exponent: i64, sticky: bool) -> f64 {
    if mantissa == 0 {
        return 0.0;
    }
    // Normalised so that the leading one is bit 63.
    let shift = i64::from(mantissa.leading_zeros());
    let mantissa = mantissa << shift;
    let exponent = exponent - shift;
    // The value is mantissa * 2^exponent with 64 significant bits; subnormal results keep fewer than 53.
    let top = exponent + 63;
    if top > 1023 {
        return f64::INFINITY;
    }
    let keep = if top < -1022 { 53 - (-1022 - top) } else { 53 };
    if keep < 0 {
        return 0.0;
    }
    let drop = u32::try_from(64 - keep).unwrap_or(64);
    let wide = u128::from(mantissa) << 1 | u128::from(sticky);
    let kept = wide >> (drop + 1);
    let rest = wide & ((1u128 << (drop + 1)) - 1);
    let half = 1u128 << drop;
    let up = rest > half || rest == half && kept & 1 == 1;
    let rounded = u64::try_from(kept).unwrap_or(0) + u64::from(up);
    // `rounded` has at most 54 bits, so the conversion and the scaling by a power of two are exact.
    let unit = exponent + i64::from(drop);
    lossy_float_unsigned(rounded) * power_of_two(unit / 2) * power_of_two(unit - unit / 2)
}

fn power_of_two(exponent: i64) -> f64 {
    f64::from_bits(match exponent {
        -1022..=1023 => u64::try_from(exponent + 1023).unwrap_or(0) << 52,
        _ => 0,
    })
}
