//! Functions of durations: Sprig's, which read what they are given their own way, and those of Helm 4.3.

use gotemplate::{FunctionError, Functions, IntType, Type, Value, quote, sprint};

use super::duration::{Duration, HOUR, MICROSECOND, MILLISECOND, MINUTE, SECOND, TYPE};
use super::now;
use super::time::Time;
use crate::functions::number;
use crate::functions::support::{ANY, fixed};

const DAY: i64 = 24 * HOUR;

/// The most seconds that a duration holds.
const MAX_SECONDS: i64 = i64::MAX / SECOND;

/// Adds the functions of this file.
pub(super) fn add(functions: &mut Functions) {
    fixed(functions, "duration", &[ANY], Type::String, |_, args| {
        let seconds = match args.get(0) {
            Value::String(text) => number::atoi(text),
            Value::Int(IntType::Int64, seconds) => *seconds,
            _ => 0,
        };
        Ok(Value::from(Duration(seconds.wrapping_mul(SECOND)).text()))
    });
    fixed(functions, "durationRound", &[ANY], Type::String, |ctx, args| {
        let duration = match args.get(0) {
            Value::String(text) => Duration::parse(text).unwrap_or(Duration(0)),
            Value::Int(IntType::Int64, nanoseconds) => Duration(*nanoseconds),
            value => match Time::from_value(value) {
                Some(time) => now(ctx).sub(time),
                None => Duration(0),
            },
        };
        Ok(Value::from(rounded(duration)))
    });
    fixed(functions, "mustToDuration", &[ANY], TYPE, |_, args| {
        read(args.get(0)).map(Duration::value).map_err(FunctionError::new)
    });
    add_conversions(functions);
    fixed(functions, "durationRoundTo", &[ANY, ANY], TYPE, |_, args| {
        let duration = read(args.get(0)).unwrap_or(Duration(0));
        Ok(read(args.get(1)).map_or(duration, |unit| duration.round(unit)).value())
    });
    fixed(functions, "durationTruncateTo", &[ANY, ANY], TYPE, |_, args| {
        let duration = read(args.get(0)).unwrap_or(Duration(0));
        Ok(read(args.get(1)).map_or(duration, |unit| duration.truncate(unit)).value())
    });
}

/// Adds `durationSeconds` and the like, which give 0 for what is no duration.
fn add_conversions(functions: &mut Functions) {
    macro_rules! convert {
        ($($name:literal => $typ:expr, $duration:ident, $value:expr;)*) => {$(
            fixed(functions, $name, &[ANY], $typ, |_, args| {
                let $duration = read(args.get(0)).unwrap_or(Duration(0));
                Ok($value)
            });
        )*};
    }
    convert! {
        "durationSeconds" => Type::FLOAT64, duration, Value::float64(duration.in_units(SECOND));
        "durationMinutes" => Type::FLOAT64, duration, Value::float64(duration.in_units(MINUTE));
        "durationHours" => Type::FLOAT64, duration, Value::float64(duration.in_units(HOUR));
        "durationDays" => Type::FLOAT64, duration, Value::float64(duration.in_units(HOUR) / 24.0);
        "durationWeeks" => Type::FLOAT64, duration, Value::float64(duration.in_units(HOUR) / 24.0 / 7.0);
        "durationMilliseconds" => Type::INT64, duration, Value::int64(duration.0 / MILLISECOND);
        "durationMicroseconds" => Type::INT64, duration, Value::int64(duration.0 / MICROSECOND);
        "durationNanoseconds" => Type::INT64, duration, Value::int64(duration.0);
    }
}

/// Sprig's `durationRound`: the largest unit of which there is more than one.
fn rounded(duration: Duration) -> String {
    let nanoseconds = duration.0.unsigned_abs();
    let units = [(365 * DAY, "y"), (30 * DAY, "mo"), (DAY, "d"), (HOUR, "h"), (MINUTE, "m"), (SECOND, "s")];
    let units = units.map(|(unit, name)| (unit.unsigned_abs(), name));
    let found = units.iter().find(|(unit, _)| nanoseconds > *unit);
    found.map_or_else(|| "0s".to_owned(), |(unit, name)| format!("{}{name}", nanoseconds / unit))
}

/// Helm 4.3: a duration, a text that is one or a number of seconds, or a number of seconds.
fn read(value: &Value) -> Result<Duration, String> {
    if let Value::Native(native) = value
        && let Some(duration) = native.as_any().downcast_ref::<Duration>()
    {
        return Ok(*duration);
    }
    match value.plain() {
        Value::Nil | Value::TypedNil(_) => Err("invalid duration".to_owned()),
        Value::String(text) => read_text(&text),
        Value::Int(_, seconds) => {
            whole(seconds).ok_or_else(|| format!("duration seconds overflow: {seconds}"))
        }
        Value::Uint(_, seconds) => i64::try_from(seconds)
            .ok()
            .and_then(whole)
            .ok_or_else(|| format!("duration seconds overflow: {seconds}")),
        Value::Float(_, seconds) => read_float(seconds),
        _ => Err(format!("unsupported duration type {}", value.type_name())),
    }
}

fn whole(seconds: i64) -> Option<Duration> {
    (-MAX_SECONDS..=MAX_SECONDS).contains(&seconds).then(|| Duration(seconds * SECOND))
}

fn read_text(text: &[u8]) -> Result<Duration, String> {
    let text = String::from_utf8_lossy(text);
    let text = text.trim();
    if text.is_empty() {
        return Err("empty duration".to_owned());
    }
    if let Ok(duration) = Duration::parse(text.as_bytes()) {
        return Ok(duration);
    }
    match number::parse_float(text) {
        Some(seconds) => read_float(seconds),
        None => Err(format!("could not parse duration {}", quote(text.as_bytes()))),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "as Go converts it")]
fn read_float(seconds: f64) -> Result<Duration, String> {
    let shown = || String::from_utf8_lossy(&sprint(&[Value::float64(seconds)])).into_owned();
    if !seconds.is_finite() {
        return Err(format!("invalid duration seconds: {}", shown()));
    }
    let nanoseconds = seconds * SECOND as f64;
    if nanoseconds.abs() >= i64::MAX as f64 {
        return Err(format!("duration seconds overflow: {}", shown()));
    }
    Ok(Duration(nanoseconds as i64))
}
