//! Go's `time.Time`: a moment with a nanosecond and a zone.

use std::rc::Rc;

use gotemplate::{Native, Str, Value};
use jiff::tz::TimeZone;

use crate::chance::Clock;

use super::calendar::{Civil, DAY, days_before};
use super::duration::{Duration, SECOND};
use super::layout::{Chunk, ZoneForm, next_chunk};
use super::location::Location;

/// Seconds from the year 1, the zero of `time.Time`, to 1970.
const UNIX: i64 = 62_135_596_800;

/// The layout of JSON.
const RFC_3339_NANO: &[u8] = b"2006-01-02T15:04:05.999999999Z07:00";

/// A moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Time {
    /// Seconds after 1970.
    pub(super) seconds: i64,
    pub(super) nanoseconds: i64,
    pub(super) location: Location,
    /// What the clock that never goes back said; not for all times.
    pub(super) monotonic: Option<i64>,
}

impl Time {
    /// The zero of Go's type: the first day of the year 1.
    pub(super) const ZERO: Self =
        Self { seconds: -UNIX, nanoseconds: 0, location: Location::Utc, monotonic: None };

    /// The time of a clock.
    pub(super) fn now(clock: &Clock) -> Self {
        let nanoseconds = i64::from(clock.now.subsec_nanosecond());
        let time = Self::unix(clock.now.as_second(), &clock.zone).plus(nanoseconds);
        Self { monotonic: clock.monotonic, ..time }
    }

    /// So many seconds after 1970, in local time.
    pub(super) fn unix(seconds: i64, local: &TimeZone) -> Self {
        Self { seconds, nanoseconds: 0, location: Location::Local(local.clone()), monotonic: None }
    }

    /// A day and a time of day in a zone.
    pub(super) fn of_civil(civil: &Civil, nanoseconds: i64, location: Location) -> Self {
        let days = days_before(civil.year, civil.month, civil.day);
        let of_day = civil.hour * 3600 + civil.minute * 60 + civil.second;
        let mut seconds = days.wrapping_mul(DAY).wrapping_add(of_day);
        let guess = location.at(seconds).seconds;
        if guess != 0 {
            seconds = seconds.wrapping_sub(location.at(seconds.wrapping_sub(guess)).seconds);
        }
        Self { seconds, nanoseconds, location, monotonic: None }
    }

    /// The day and time of day in the time's zone.
    pub(super) fn civil(&self) -> Civil {
        Civil::of(self.seconds.wrapping_add(self.location.at(self.seconds).seconds))
    }

    /// The same moment in another zone.
    pub(super) fn at(&self, location: Location) -> Self {
        Self { location, monotonic: None, ..self.clone() }
    }

    fn plus(&self, nanoseconds: i64) -> Self {
        let sum = self.nanoseconds + nanoseconds % SECOND;
        Self {
            seconds: self.seconds.wrapping_add(nanoseconds / SECOND).wrapping_add(sum.div_euclid(SECOND)),
            nanoseconds: sum.rem_euclid(SECOND),
            ..self.clone()
        }
    }

    pub(super) fn add(&self, duration: Duration) -> Self {
        let monotonic = self.monotonic.and_then(|monotonic| monotonic.checked_add(duration.0));
        Self { monotonic, ..self.plus(duration.0) }
    }

    /// Nanoseconds after the year 1.
    fn since_zero(&self) -> i128 {
        (i128::from(self.seconds) + i128::from(UNIX)) * i128::from(SECOND) + i128::from(self.nanoseconds)
    }

    /// The time from another moment to this one, as far as a duration reaches.
    pub(super) fn sub(&self, other: &Self) -> Duration {
        let difference = match (self.monotonic, other.monotonic) {
            (Some(own), Some(other)) => i128::from(own) - i128::from(other),
            _ => self.since_zero() - other.since_zero(),
        };
        let bound = if difference < 0 { i64::MIN } else { i64::MAX };
        Duration(i64::try_from(difference).unwrap_or(bound))
    }

    /// The order of two moments.
    pub(super) fn order(&self, other: &Self) -> std::cmp::Ordering {
        match (self.monotonic, other.monotonic) {
            (Some(own), Some(other)) => own.cmp(&other),
            _ => (self.seconds, self.nanoseconds).cmp(&(other.seconds, other.nanoseconds)),
        }
    }

    /// The time with years, months and days added. Days beyond the end of a month run over.
    pub(super) fn add_date(&self, years: i64, months: i64, days: i64) -> Self {
        let civil = self.civil();
        let moved = Civil {
            year: civil.year.wrapping_add(years),
            month: civil.month.wrapping_add(months),
            day: civil.day.wrapping_add(days),
            ..civil
        };
        Self::of_civil(&moved, self.nanoseconds, self.location.clone())
    }

    /// The last multiple of a duration since the year 1.
    pub(super) fn truncate(&self, unit: Duration) -> Self {
        let plain = Self { monotonic: None, ..self.clone() };
        if unit.0 <= 0 { plain } else { plain.add(Duration(-plain.rest(unit))) }
    }

    /// The nearest multiple of a duration since the year 1.
    pub(super) fn round(&self, unit: Duration) -> Self {
        let plain = Self { monotonic: None, ..self.clone() };
        if unit.0 <= 0 {
            return plain;
        }
        let rest = plain.rest(unit);
        let is_first_half = rest.unsigned_abs().saturating_mul(2) < unit.0.unsigned_abs();
        plain.add(Duration(if is_first_half { -rest } else { unit.0 - rest }))
    }

    fn rest(&self, unit: Duration) -> i64 {
        i64::try_from(self.since_zero().rem_euclid(i128::from(unit.0))).unwrap_or_default()
    }

    pub(super) fn value(self) -> Value {
        Value::Native(Rc::new(self))
    }

    /// The time that a value holds.
    pub(super) fn from_value(value: &Value) -> Option<&Self> {
        match value {
            Value::Native(native) => native.as_any().downcast_ref(),
            _ => None,
        }
    }

    /// The text of Go's `String`, which the monotonic clock is a part of.
    pub(super) fn text(&self) -> Str {
        let mut text = self.format(b"2006-01-02 15:04:05.999999999 -0700 MST");
        if let Some(monotonic) = self.monotonic {
            let sign = if monotonic < 0 { '-' } else { '+' };
            let (second, monotonic) = (SECOND.unsigned_abs(), monotonic.unsigned_abs());
            let clock = format!(" m={sign}{}.{:09}", monotonic / second, monotonic % second);
            text.extend_from_slice(clock.as_bytes());
        }
        text.into()
    }

    /// The text of JSON (RFC 3339), which has no years beyond four digits.
    pub(super) fn json(&self) -> Option<Vec<u8>> {
        (0..10_000).contains(&self.civil().year).then(|| self.format(RFC_3339_NANO))
    }

    /// The time written as a layout says.
    pub(super) fn format(&self, layout: &[u8]) -> Vec<u8> {
        let offset = self.location.at(self.seconds);
        let civil = self.civil();
        let mut out = Vec::with_capacity(layout.len() + 10);
        let mut rest = layout;
        while let Some((prefix, chunk, suffix)) = next_chunk(rest) {
            out.extend_from_slice(prefix);
            match chunk {
                Chunk::ZoneName if offset.name.is_empty() => {
                    push_offset(&mut out, offset.seconds, ZoneForm::PLAIN);
                }
                Chunk::ZoneName => out.extend_from_slice(&offset.name),
                Chunk::ZoneOffset(form) => push_offset(&mut out, offset.seconds, form),
                Chunk::Fraction { separator, digits, trim } => {
                    push_fraction(&mut out, self.nanoseconds, separator, digits, trim);
                }
                chunk => out.extend_from_slice(civil_text(&civil, chunk).as_bytes()),
            }
            rest = suffix;
        }
        out.extend_from_slice(rest);
        out
    }
}

impl ZoneForm {
    /// Hours and minutes.
    const PLAIN: Self = Self { has_z: false, colons: false, parts: 2 };
}

/// The text of a part of a date or time of day.
fn civil_text(civil: &Civil, chunk: Chunk) -> String {
    let short = |name: &str| name.get(..3).unwrap_or_default().to_owned();
    let hour_12 = if civil.hour % 12 == 0 { 12 } else { civil.hour % 12 };
    match chunk {
        Chunk::LongMonth => civil.month_name().to_owned(),
        Chunk::Month => short(civil.month_name()),
        Chunk::NumMonth => civil.month.to_string(),
        Chunk::ZeroMonth => format!("{:02}", civil.month),
        Chunk::LongWeekday => civil.weekday_name().to_owned(),
        Chunk::Weekday => short(civil.weekday_name()),
        Chunk::Day => civil.day.to_string(),
        Chunk::UnderDay => format!("{:2}", civil.day),
        Chunk::ZeroDay => format!("{:02}", civil.day),
        Chunk::UnderYearDay => format!("{:3}", civil.year_day),
        Chunk::ZeroYearDay => format!("{:03}", civil.year_day),
        Chunk::Hour => format!("{:02}", civil.hour),
        Chunk::Hour12 => hour_12.to_string(),
        Chunk::ZeroHour12 => format!("{hour_12:02}"),
        Chunk::Minute => civil.minute.to_string(),
        Chunk::ZeroMinute => format!("{:02}", civil.minute),
        Chunk::Second => civil.second.to_string(),
        Chunk::ZeroSecond => format!("{:02}", civil.second),
        Chunk::LongYear if civil.year < 0 => format!("-{:04}", civil.year.unsigned_abs()),
        Chunk::LongYear => format!("{:04}", civil.year),
        Chunk::Year => format!("{:02}", civil.year.unsigned_abs() % 100),
        Chunk::Half { lower } => match (civil.hour >= 12, lower) {
            (true, true) => "pm".to_owned(),
            (true, false) => "PM".to_owned(),
            (false, true) => "am".to_owned(),
            (false, false) => "AM".to_owned(),
        },
        Chunk::ZoneName | Chunk::ZoneOffset(_) | Chunk::Fraction { .. } => String::new(),
    }
}

fn push_offset(out: &mut Vec<u8>, seconds: i64, form: ZoneForm) {
    if form.has_z && seconds == 0 {
        out.push(b'Z');
        return;
    }
    // Less than a minute west of UTC has no sign, as in Go.
    out.push(if seconds / 60 < 0 { b'-' } else { b'+' });
    let absolute = if seconds / 60 < 0 { -seconds } else { seconds };
    let colon = if form.colons { ":" } else { "" };
    let parts = [absolute / 3600, absolute / 60 % 60, absolute % 60].map(|part| format!("{part:02}"));
    let text = parts.get(..form.parts).unwrap_or(&parts).join(colon);
    out.extend_from_slice(text.as_bytes());
}

fn push_fraction(out: &mut Vec<u8>, nanoseconds: i64, separator: u8, digits: usize, trim: bool) {
    let all = format!("{nanoseconds:09}");
    // Go has nine digits and no more.
    let mut shown = all.get(..digits).unwrap_or(&all);
    if trim {
        shown = shown.trim_end_matches('0');
        if shown.is_empty() {
            return;
        }
    }
    out.push(separator);
    out.extend_from_slice(shown.as_bytes());
}

/// Whether two natives are equal times: the same moment, zone and clock.
pub(super) fn same(one: &Time, other: &dyn Native) -> bool {
    other.as_any().downcast_ref::<Time>() == Some(one)
}
