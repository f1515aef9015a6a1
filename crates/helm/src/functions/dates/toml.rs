//! Times as BurntSushi's library reads and writes them. Those without an offset have a zone with a name of its own.

use gotemplate::Value;
use toml::value::{Datetime, Offset};

use super::calendar::Civil;
use super::location::Location;
use super::time::Time;

/// The zones of what has no offset, with the layouts in which they are written.
const LOCAL: [(&str, &[u8]); 3] = [
    ("datetime-local", b"2006-01-02T15:04:05.999999999"),
    ("date-local", b"2006-01-02"),
    ("time-local", b"15:04:05.999999999"),
];

/// The `time.Time` that a text of TOML means.
pub(in super::super) fn from_toml(datetime: &Datetime) -> Value {
    let local = |index: usize| Location::Fixed(LOCAL.get(index).map_or("", |(name, _)| name).into(), 0);
    let location = match (datetime.date, datetime.time, datetime.offset) {
        (_, _, Some(Offset::Z)) => Location::Utc,
        (_, _, Some(Offset::Custom { minutes })) => Location::Fixed("".into(), i64::from(minutes) * 60),
        (Some(_), Some(_), None) => local(0),
        (Some(_), None, None) => local(1),
        _ => local(2),
    };
    let (year, month, day) =
        datetime.date.map_or((0, 1, 1), |date| (date.year.into(), date.month.into(), date.day.into()));
    let time = datetime.time;
    let civil = Civil {
        year,
        month,
        day,
        hour: time.map_or(0, |time| time.hour.into()),
        minute: time.map_or(0, |time| time.minute.into()),
        second: time.and_then(|time| time.second).map_or(0, Into::into),
        weekday: 0,
        year_day: 0,
    };
    let nanoseconds = time.and_then(|time| time.nanosecond).map_or(0, Into::into);
    Time::of_civil(&civil, nanoseconds, location).value()
}

/// A `time.Time` as TOML has it; `None` for another value.
pub(in super::super) fn to_toml(value: &Value) -> Option<Vec<u8>> {
    let time = Time::from_value(value)?;
    let name = time.location.name();
    let local = LOCAL.iter().find(|(local, _)| name == *local);
    Some(time.format(local.map_or(b"2006-01-02T15:04:05.999999999Z07:00".as_slice(), |(_, layout)| layout)))
}
