//! Go's `time.Location`: a time zone.

use std::any::Any;
use std::rc::Rc;

use gotemplate::{Args, Context, FunctionError, Native, Signature, Str, Type, Value};
use jiff::Timestamp;
use jiff::tz::{Dst, TimeZone};

use crate::chance::Clock;

use super::calendar::DAY;

/// Seconds in which the calendar repeats itself.
const ERA: i64 = 146_097 * DAY;

/// A time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Location {
    Utc,
    /// The machine's.
    Local(TimeZone),
    /// One of the database.
    Named(Str, TimeZone),
    /// An offset from UTC in seconds, as it was read from a text, with the name that stood there.
    Fixed(Str, i64),
}

/// What a zone says of a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offset {
    pub(super) name: Str,
    /// Seconds east of UTC.
    pub(super) seconds: i64,
    pub(super) is_dst: bool,
}

impl Location {
    /// The zone of a name, as the operating system's database has it. Names keep their case.
    pub(super) fn load(name: &Str, clock: &Clock) -> Option<Self> {
        match name.as_bytes() {
            b"" | b"UTC" => Some(Self::Utc),
            b"Local" => Some(Self::Local(clock.zone.clone())),
            _ => {
                let text = name.as_str()?;
                let zone = clock.zones.get(text).ok()?;
                (zone.iana_name() == Some(text)).then(|| Self::Named(name.clone(), zone))
            }
        }
    }

    /// The name, as `Location.String` gives it.
    pub(super) fn name(&self) -> Str {
        match self {
            Self::Utc => "UTC".into(),
            Self::Local(_) => "Local".into(),
            Self::Named(name, _) | Self::Fixed(name, _) => name.clone(),
        }
    }

    /// What the zone says of a moment, in seconds after 1970.
    pub(super) fn at(&self, seconds: i64) -> Offset {
        match self {
            Self::Utc => Offset { name: "UTC".into(), seconds: 0, is_dst: false },
            Self::Fixed(name, seconds) => Offset { name: name.clone(), seconds: *seconds, is_dst: false },
            Self::Local(zone) | Self::Named(_, zone) => {
                let info = zone.to_offset_info(timestamp(seconds));
                Offset {
                    name: info.abbreviation().into(),
                    seconds: i64::from(info.offset().seconds()),
                    is_dst: info.dst() == Dst::Yes,
                }
            }
        }
    }

    /// The offset that a name stands for in the zone: where the zone has it at the moment, else half a year off.
    pub(super) fn offset_of(&self, name: &[u8], seconds: i64) -> Option<i64> {
        const HALF_A_YEAR: i64 = 182 * DAY;
        let named = |moment: i64| Some(self.at(moment)).filter(|offset| offset.name.as_bytes() == name);
        let nearby = [seconds, seconds.wrapping_sub(HALF_A_YEAR), seconds.wrapping_add(HALF_A_YEAR)];
        let fitting = nearby.into_iter().filter_map(named);
        let in_effect = fitting.clone().find(|offset| named(seconds.wrapping_sub(offset.seconds)).is_some());
        in_effect.or_else(|| fitting.clone().next()).map(|offset| offset.seconds)
    }

    pub(super) fn value(self) -> Value {
        Value::Native(Rc::new(self))
    }
}

/// The moment, or one that lies as many times 400 years from it as makes it one that zones know.
fn timestamp(seconds: i64) -> Timestamp {
    const FIRST: i64 = -200_000_000_000;
    const LAST: i64 = 200_000_000_000;
    let moment = if (FIRST..=LAST).contains(&seconds) {
        seconds
    } else if seconds < FIRST {
        FIRST
    } else {
        LAST - ERA + (seconds - LAST).rem_euclid(ERA)
    };
    Timestamp::from_second(moment).unwrap_or(Timestamp::UNIX_EPOCH)
}

const STRUCT: Type = Type::Struct("time.Location");
pub(super) const TYPE: Type = Type::Pointer(&STRUCT);
const STRING: Signature = Signature::fixed(&[], Type::String);

impl Native for Location {
    fn type_of(&self) -> &'static Type {
        &TYPE
    }

    fn method(&self, name: &[u8]) -> Option<&'static Signature> {
        (name == b"String").then_some(&STRING)
    }

    fn call(&self, _: &[u8], _: &mut Context<'_>, _: &mut Args<'_>) -> Result<Value, FunctionError> {
        Ok(Value::String(self.name()))
    }

    fn to_text(&self) -> Option<Str> {
        Some(self.name())
    }

    fn equals(&self, other: &dyn Native) -> Option<bool> {
        Some(other.as_any().downcast_ref::<Self>() == Some(self))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
