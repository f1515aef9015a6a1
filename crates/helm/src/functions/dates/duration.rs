//! Go's `time.Duration`: reading, writing, rounding and its methods.

use std::any::Any;
use std::fmt::Write as _;
use std::rc::Rc;

use gotemplate::{Args, Context, FunctionError, Native, Signature, Str, Type, Value};

pub(super) const NANOSECOND: i64 = 1;
pub(super) const MICROSECOND: i64 = 1_000;
pub(super) const MILLISECOND: i64 = 1_000_000;
pub(super) const SECOND: i64 = 1_000_000_000;
pub(super) const MINUTE: i64 = 60 * SECOND;
pub(super) const HOUR: i64 = 60 * MINUTE;

/// A span of time in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Duration(pub(super) i64);

const UNITS: [(&[u8], i64); 8] = [
    (b"ns", NANOSECOND),
    (b"us", MICROSECOND),
    ("µs".as_bytes(), MICROSECOND),
    ("μs".as_bytes(), MICROSECOND),
    (b"ms", MILLISECOND),
    (b"s", SECOND),
    (b"m", MINUTE),
    (b"h", HOUR),
];

/// The largest number that a duration holds, and one more for negative ones.
const MAX: u64 = 1 << 63;

impl Duration {
    /// Reads a duration such as `-1h15m30.5s`. The error is Go's message.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let invalid = || format!("time: invalid duration {}", quoted(text));
        let negative = text.starts_with(b"-");
        let mut rest = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
        if rest == b"0" {
            return Ok(Self(0));
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut sum = 0_u64;
        while !rest.is_empty() {
            let number = Number::take(rest).ok_or_else(invalid)?;
            let is_number = |byte: &u8| *byte == b'.' || byte.is_ascii_digit();
            let end = number.rest.iter().position(is_number).unwrap_or(number.rest.len());
            let (unit, after) = number.rest.split_at(end);
            if unit.is_empty() {
                return Err(format!("time: missing unit in duration {}", quoted(text)));
            }
            let Some((_, nanoseconds)) = UNITS.iter().find(|(name, _)| *name == unit) else {
                return Err(format!("time: unknown unit {} in duration {}", quoted(unit), quoted(text)));
            };
            sum = number.times(*nanoseconds).and_then(|part| sum.checked_add(part)).ok_or_else(invalid)?;
            if sum > MAX {
                return Err(invalid());
            }
            rest = after;
        }
        if negative {
            return Ok(Self(sum.wrapping_neg().cast_signed()));
        }
        i64::try_from(sum).map(Self).map_err(|_| invalid())
    }

    /// The text that Go's `String` gives, such as `1h15m30.5s`.
    pub(super) fn text(self) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        let nanoseconds = self.0.unsigned_abs();
        let second = SECOND.unsigned_abs();
        if nanoseconds == 0 {
            return "0s".to_owned();
        }
        if nanoseconds < second {
            let (unit, digits) = match nanoseconds {
                ..1_000 => ("ns", 0),
                1_000..1_000_000 => ("µs", 3),
                _ => ("ms", 6),
            };
            return format!("{sign}{}{unit}", decimal(nanoseconds, digits));
        }
        let minutes = nanoseconds / (60 * second);
        let seconds = decimal(nanoseconds % (60 * second), 9);
        match (minutes / 60, minutes % 60) {
            (0, 0) => format!("{sign}{seconds}s"),
            (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
            (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
        }
    }

    /// The duration in a larger unit.
    #[expect(clippy::cast_precision_loss, reason = "as Go converts it")]
    pub(super) fn in_units(self, unit: i64) -> f64 {
        (self.0 / unit) as f64 + (self.0 % unit) as f64 / unit as f64
    }

    /// Without what is left over from multiples of another; itself if the other is not above 0.
    pub(super) fn truncate(self, unit: Self) -> Self {
        if unit.0 <= 0 { self } else { Self(self.0 - self.0 % unit.0) }
    }

    /// The nearest multiple of another, away from zero from the middle; itself if the other is not above 0.
    pub(super) fn round(self, unit: Self) -> Self {
        if unit.0 <= 0 {
            return self;
        }
        let rest = self.0 % unit.0;
        if rest.unsigned_abs().saturating_mul(2) < unit.0.unsigned_abs() {
            return Self(self.0 - rest);
        }
        let step = if self.0 < 0 { -unit.0 } else { unit.0 };
        Self((self.0 - rest).saturating_add(step))
    }

    pub(super) fn value(self) -> Value {
        Value::Native(Rc::new(self))
    }

    /// The duration that a value of its kind holds.
    pub(super) fn from_value(value: &Value) -> Self {
        match value.plain() {
            Value::Int(_, nanoseconds) => Self(nanoseconds),
            _ => Self(0),
        }
    }
}

/// A number with so many digits after the point, without zeros at its end.
fn decimal(number: u64, digits: u32) -> String {
    let unit = 10_u64.pow(digits);
    let (whole, fraction) = (number / unit, number % unit);
    if fraction == 0 {
        return whole.to_string();
    }
    let fraction = format!("{fraction:0width$}", width = digits as usize);
    format!("{whole}.{}", fraction.trim_end_matches('0'))
}

/// A text as the package `time` puts it in quotes: every byte beyond ASCII is escaped.
pub(super) fn quoted(text: &[u8]) -> String {
    let mut out = String::from("\"");
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            b' '..=0x7f => out.push(char::from(byte)),
            // Writing to a string never fails.
            _ => _ = write!(out, "\\x{byte:02x}"),
        }
    }
    out.push('"');
    out
}

/// A number in a duration.
struct Number<'a> {
    whole: u64,
    fraction: u64,
    /// What the fraction is to be divided by.
    scale: f64,
    rest: &'a [u8],
}

impl<'a> Number<'a> {
    fn take(text: &'a [u8]) -> Option<Self> {
        let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (before, mut rest) = text.split_at(digits(text));
        let mut whole = 0_u64;
        for byte in before {
            whole = whole.checked_mul(10)?.checked_add(u64::from(byte - b'0')).filter(|sum| *sum <= MAX)?;
        }
        let (mut fraction, mut scale, mut after_point) = (0_u64, 1.0, 0);
        if let Some(tail) = rest.strip_prefix(b".") {
            let (after, tail) = tail.split_at(digits(tail));
            for byte in after {
                // Digits beyond what 64 bits hold are too small to matter.
                let next = fraction.checked_mul(10).and_then(|it| it.checked_add(u64::from(byte - b'0')));
                let Some(next) = next.filter(|next| *next <= MAX && fraction <= (MAX - 1) / 10) else {
                    break;
                };
                fraction = next;
                scale *= 10.0;
            }
            after_point = after.len();
            rest = tail;
        }
        (before.len() + after_point > 0).then_some(Self { whole, fraction, scale, rest })
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "as Go reckons"
    )]
    fn times(&self, unit: i64) -> Option<u64> {
        let whole = self.whole.checked_mul(unit.unsigned_abs())?;
        let fraction = (self.fraction as f64 * (unit as f64 / self.scale)) as u64;
        whole.checked_add(fraction).filter(|sum| *sum <= MAX)
    }
}

pub(super) const TYPE: Type = Type::Named("time.Duration", &Type::INT64);

const FLOAT: Signature = Signature::fixed(&[], Type::FLOAT64);
const INT64: Signature = Signature::fixed(&[], Type::INT64);
const TEXT: Signature = Signature::fixed(&[], Type::String);
const SAME: Signature = Signature::fixed(&[], TYPE);
const TO: Signature = Signature::fixed(&[TYPE], TYPE);

impl Native for Duration {
    fn type_of(&self) -> &'static Type {
        &TYPE
    }

    fn underlying(&self) -> Option<Value> {
        Some(Value::int64(self.0))
    }

    fn with_underlying(&self, plain: &Value) -> Option<Value> {
        Some(Self::from_value(plain).value())
    }

    fn method(&self, name: &[u8]) -> Option<&'static Signature> {
        Some(match name {
            b"Hours" | b"Minutes" | b"Seconds" => &FLOAT,
            b"Milliseconds" | b"Microseconds" | b"Nanoseconds" => &INT64,
            b"String" => &TEXT,
            b"Abs" => &SAME,
            b"Round" | b"Truncate" => &TO,
            _ => return None,
        })
    }

    fn call(&self, name: &[u8], _: &mut Context<'_>, args: &mut Args<'_>) -> Result<Value, FunctionError> {
        let unit = || Self::from_value(args.get(0));
        Ok(match name {
            b"Hours" => Value::float64(self.in_units(HOUR)),
            b"Minutes" => Value::float64(self.in_units(MINUTE)),
            b"Seconds" => Value::float64(self.in_units(SECOND)),
            b"Milliseconds" => Value::int64(self.0 / MILLISECOND),
            b"Microseconds" => Value::int64(self.0 / MICROSECOND),
            b"Nanoseconds" => Value::int64(self.0),
            b"Abs" => Self(self.0.saturating_abs()).value(),
            b"Round" => self.round(unit()).value(),
            b"Truncate" => self.truncate(unit()).value(),
            _ => Value::from(self.text()),
        })
    }

    fn to_text(&self) -> Option<Str> {
        Some(self.text().into())
    }

    fn equals(&self, other: &dyn Native) -> Option<bool> {
        Some(other.as_any().downcast_ref::<Self>() == Some(self))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
