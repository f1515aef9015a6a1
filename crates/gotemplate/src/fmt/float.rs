//! Floating-point numbers as Go's `strconv.FormatFloat` writes them.

use crate::value::FloatType;

/// More digits than any `f64` has; what is asked for beyond is zeros.
const MOST_DIGITS: usize = 1100;

/// Decimal digits `0.d1d2d3... * 10^point`.
struct Decimal {
    digits: Vec<u8>,
    point: i32,
}

impl Decimal {
    fn digit(&self, index: usize) -> u8 {
        self.digits.get(index).copied().unwrap_or(b'0')
    }

    /// From Rust's form `d.ddde-d`.
    fn from_scientific(text: &str) -> Self {
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
        let exponent: i32 = exponent.parse().unwrap_or(0);
        if digits.iter().all(|digit| *digit == b'0') {
            return Self { digits: Vec::new(), point: 0 };
        }
        Self { digits, point: exponent + 1 }
    }

    /// The fewest digits that read back the same, and of these the nearest. Where two are equally near, Go takes the
    /// even one and Rust does not always, so a long number is rounded once more to as many digits.
    fn shortest(value: f64, typ: FloatType) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "a float32 is kept exactly in the f64")]
        let narrow = value as f32;
        let (text, tie_from) = match typ {
            FloatType::Float32 => (format!("{narrow:e}"), 6),
            FloatType::Float64 => (format!("{value:e}"), 15),
        };
        let decimal = Self::from_scientific(&text);
        if decimal.digits.len() < tie_from {
            return decimal;
        }
        let rounded = format!("{value:.*e}", decimal.digits.len() - 1);
        let same = match typ {
            FloatType::Float32 => rounded.parse::<f32>().is_ok_and(|back| back.to_bits() == narrow.to_bits()),
            FloatType::Float64 => rounded.parse::<f64>().is_ok_and(|back| back.to_bits() == value.to_bits()),
        };
        if same { Self::from_scientific(&rounded) } else { decimal }
    }

    /// Rounded to so many digits in all.
    fn significant(value: f64, digits: usize) -> Self {
        let mut decimal = Self::from_scientific(&format!("{:.*e}", digits.clamp(1, MOST_DIGITS) - 1, value));
        decimal.trim();
        decimal
    }

    /// Trailing zeros are not kept, as in Go.
    fn trim(&mut self) {
        while self.digits.last() == Some(&b'0') {
            self.digits.pop();
        }
    }
}

/// Writes a number. `precision` is `None` for the shortest text that reads back the same.
///
/// `verb` is one of `e E f g G b x X`; any other is taken for `g`.
pub(crate) fn append(out: &mut Vec<u8>, value: f64, verb: u8, precision: Option<usize>, typ: FloatType) {
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
        return;
    }
    if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
        return;
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    let value = value.abs();
    match verb {
        b'b' => binary(out, value, typ),
        b'x' | b'X' => hexadecimal(out, value, verb, precision, typ),
        b'e' | b'E' => {
            let decimal = match precision {
                None => Decimal::shortest(value, typ),
                Some(precision) => Decimal::significant(value, precision.saturating_add(1)),
            };
            let precision = precision.unwrap_or(decimal.digits.len().saturating_sub(1));
            exponential(out, &decimal, precision, verb);
        }
        b'f' => match precision {
            None => {
                let decimal = Decimal::shortest(value, typ);
                fixed(out, &decimal, fraction_digits(&decimal));
            }
            Some(precision) => {
                let digits = precision.min(MOST_DIGITS);
                out.extend_from_slice(format!("{value:.digits$}").as_bytes());
                out.resize(out.len() + (precision - digits), b'0');
            }
        },
        _ if precision.is_none() && value < 1e6 && value.fract() == 0.0 => small_whole(out, value),
        _ => general(out, value, verb, precision, typ),
    }
}

/// A whole number below a million, which the shortest form writes without exponent.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and small")]
fn small_whole(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(itoa::Buffer::new().format(value as u32).as_bytes());
}

/// Writes a `float64` as `print` does: the shortest text that reads back the same, in exponent form when the
/// exponent is below -4 or there are more than six digits before the point.
///
/// ```
/// assert_eq!(gotemplate::print_float(1e6), "1e+06");
/// assert_eq!(gotemplate::print_float(999_999.5), "999999.5");
/// ```
pub fn print_float(value: f64) -> String {
    let mut out = Vec::new();
    append(&mut out, value, b'g', None, FloatType::Float64);
    String::from_utf8_lossy(&out).into_owned()
}

fn fraction_digits(decimal: &Decimal) -> usize {
    let digits = i32::try_from(decimal.digits.len()).unwrap_or(i32::MAX);
    usize::try_from(digits.saturating_sub(decimal.point)).unwrap_or(0)
}

fn general(out: &mut Vec<u8>, value: f64, verb: u8, precision: Option<usize>, typ: FloatType) {
    let decimal = match precision {
        None => Decimal::shortest(value, typ),
        Some(precision) => Decimal::significant(value, precision.max(1)),
    };
    let digits = decimal.digits.len();
    let wanted = precision.map_or(6, |precision| precision.max(1));
    let point = usize::try_from(decimal.point).unwrap_or(0);
    // The exponent form is for exponents below -4 or not below the precision.
    let limit = match precision {
        None => 6,
        Some(_) if wanted > digits && digits >= point && decimal.point >= 0 => digits,
        Some(_) if wanted > digits && decimal.point < 0 => digits,
        Some(_) => wanted,
    };
    let exponent = decimal.point - 1;
    if exponent < -4 || i64::from(exponent) >= i64::try_from(limit).unwrap_or(i64::MAX) {
        let shown = if precision.is_none() { digits } else { wanted.min(digits) };
        let letter = if verb == b'G' { b'E' } else { b'e' };
        exponential(out, &decimal, shown.saturating_sub(1), letter);
        return;
    }
    fixed(out, &decimal, fraction_digits(&decimal));
}

fn exponential(out: &mut Vec<u8>, decimal: &Decimal, precision: usize, letter: u8) {
    out.push(decimal.digit(0));
    if precision > 0 {
        out.push(b'.');
        let known = decimal.digits.get(1..).unwrap_or_default();
        let known = known.get(..precision.min(known.len())).unwrap_or_default();
        out.extend_from_slice(known);
        out.resize(out.len() + (precision - known.len()), b'0');
    }
    let exponent = if decimal.digits.is_empty() { 0 } else { decimal.point - 1 };
    let sign = if exponent < 0 { '-' } else { '+' };
    out.push(letter);
    out.extend_from_slice(format!("{sign}{:02}", exponent.unsigned_abs()).as_bytes());
}

fn fixed(out: &mut Vec<u8>, decimal: &Decimal, precision: usize) {
    let whole = usize::try_from(decimal.point).unwrap_or(0);
    if whole == 0 {
        out.push(b'0');
    }
    for index in 0..whole {
        out.push(decimal.digit(index));
    }
    if precision == 0 {
        return;
    }
    out.push(b'.');
    for index in 0..precision {
        let place = i64::from(decimal.point) + i64::try_from(index).unwrap_or(i64::MAX);
        out.push(usize::try_from(place).map_or(b'0', |place| decimal.digit(place)));
    }
}

/// Mantissa with its leading bit, and exponent of its last bit.
fn parts(value: f64, typ: FloatType) -> (u64, i32, u32) {
    let (bits, mantissa_bits, exponent_bits, bias) = match typ {
        #[expect(clippy::cast_possible_truncation, reason = "a float32 is kept exactly in the f64")]
        FloatType::Float32 => (u64::from((value as f32).to_bits()), 23, 8, -127),
        FloatType::Float64 => (value.to_bits(), 52, 11, -1023),
    };
    let fraction = bits & ((1 << mantissa_bits) - 1);
    let biased = i32::try_from(bits >> mantissa_bits & ((1 << exponent_bits) - 1)).unwrap_or(0);
    if biased == 0 {
        (fraction, 1 + bias, mantissa_bits)
    } else {
        (fraction | 1 << mantissa_bits, biased + bias, mantissa_bits)
    }
}

fn binary(out: &mut Vec<u8>, value: f64, typ: FloatType) {
    let (mantissa, exponent, mantissa_bits) = parts(value, typ);
    let exponent = exponent - i32::try_from(mantissa_bits).unwrap_or(0);
    out.extend_from_slice(format!("{mantissa}p{exponent:+}").as_bytes());
}

fn hexadecimal(out: &mut Vec<u8>, value: f64, verb: u8, precision: Option<usize>, typ: FloatType) {
    let (mut mantissa, mut exponent, mantissa_bits) = parts(value, typ);
    if mantissa == 0 {
        exponent = 0;
    } else {
        // The leading one goes to bit 60, so that each further digit is four bits.
        mantissa <<= 60 - mantissa_bits;
        let shift = mantissa.leading_zeros().saturating_sub(3);
        mantissa <<= shift;
        exponent -= i32::try_from(shift).unwrap_or(0);
    }
    if let Some(precision) = precision.filter(|precision| *precision < 15) {
        let shift = precision * 4;
        let extra = mantissa << shift & ((1 << 60) - 1);
        mantissa >>= 60 - shift;
        if extra | (mantissa & 1) > 1 << 59 {
            mantissa += 1;
        }
        mantissa <<= 60 - shift;
        if mantissa & 1 << 61 != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let upper = verb == b'X';
    let digit = |mantissa: u64| {
        let digit = char::from_digit(u32::try_from(mantissa >> 60 & 15).unwrap_or(0), 16).unwrap_or('0');
        if upper { digit.to_ascii_uppercase() as u8 } else { digit as u8 }
    };
    out.extend_from_slice(&[b'0', verb, digit(mantissa & 1 << 60)]);
    mantissa <<= 4;
    match precision {
        None if mantissa != 0 => {
            out.push(b'.');
            while mantissa != 0 {
                out.push(digit(mantissa));
                mantissa <<= 4;
            }
        }
        Some(precision) if precision > 0 => {
            out.push(b'.');
            for _ in 0..precision {
                out.push(digit(mantissa));
                mantissa <<= 4;
            }
        }
        _ => {}
    }
    let letter = if upper { 'P' } else { 'p' };
    let sign = if exponent < 0 { '-' } else { '+' };
    out.extend_from_slice(format!("{letter}{sign}{:02}", exponent.unsigned_abs()).as_bytes());
}
