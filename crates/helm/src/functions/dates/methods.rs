//! The methods of `time.Time`, `time.Month` and `time.Weekday` that templates can call.

use std::any::Any;
use std::rc::Rc;

use gotemplate::{Args, Context, FunctionError, Native, Signature, Str, Type, Value};

use super::calendar::{Civil, MONTHS, WEEKDAYS};
use super::duration::{self, Duration, SECOND};
use super::location::{self, Location};
use super::time::{self, Time};
use crate::chance;
use crate::functions::support::Outcome;

pub(super) const TIME: Type = Type::Struct("time.Time");
const MONTH: Type = Type::Named("time.Month", &Type::INT);
const WEEKDAY: Type = Type::Named("time.Weekday", &Type::INT);

const fn getter(result: Type) -> Signature {
    Signature::fixed(&[], result)
}

const METHODS: [(&str, Signature); 40] = [
    ("Add", Signature::fixed(&[duration::TYPE], TIME)),
    ("AddDate", Signature::fixed(&[Type::INT, Type::INT, Type::INT], TIME)),
    ("After", Signature::fixed(&[TIME], Type::Bool)),
    ("AppendFormat", Signature::fixed(&[Type::BYTES, Type::String], Type::BYTES)),
    ("Before", Signature::fixed(&[TIME], Type::Bool)),
    ("Clock", getter(Type::INT)),
    ("Compare", Signature::fixed(&[TIME], Type::INT)),
    ("Date", getter(Type::INT)),
    ("Day", getter(Type::INT)),
    ("Equal", Signature::fixed(&[TIME], Type::Bool)),
    ("Format", Signature::fixed(&[Type::String], Type::String)),
    ("GoString", getter(Type::String)),
    ("Hour", getter(Type::INT)),
    ("ISOWeek", getter(Type::INT)),
    ("In", Signature::fixed(&[location::TYPE], TIME)),
    ("IsDST", getter(Type::Bool)),
    ("IsZero", getter(Type::Bool)),
    ("Local", getter(TIME)),
    ("Location", getter(location::TYPE)),
    ("MarshalJSON", getter(Type::BYTES)),
    ("MarshalText", getter(Type::BYTES)),
    ("Minute", getter(Type::INT)),
    ("Month", getter(MONTH)),
    ("Nanosecond", getter(Type::INT)),
    ("Round", Signature::fixed(&[duration::TYPE], TIME)),
    ("Second", getter(Type::INT)),
    ("String", getter(Type::String)),
    ("Sub", Signature::fixed(&[TIME], duration::TYPE)),
    ("Truncate", Signature::fixed(&[duration::TYPE], TIME)),
    ("UTC", getter(TIME)),
    ("Unix", getter(Type::INT64)),
    ("UnixMicro", getter(Type::INT64)),
    ("UnixMilli", getter(Type::INT64)),
    ("UnixNano", getter(Type::INT64)),
    ("Weekday", getter(WEEKDAY)),
    ("Year", getter(Type::INT)),
    ("YearDay", getter(Type::INT)),
    ("Zone", getter(Type::String)),
    ("ZoneBounds", getter(TIME)),
    ("AppendText", Signature::fixed(&[Type::BYTES], Type::BYTES)),
];

impl Native for Time {
    fn type_of(&self) -> &'static Type {
        &TIME
    }

    fn method(&self, name: &[u8]) -> Option<&'static Signature> {
        METHODS.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, signature)| signature)
    }

    fn call(&self, name: &[u8], ctx: &mut Context<'_>, args: &mut Args<'_>) -> Outcome {
        let other = || Self::from_value(args.get(0)).unwrap_or(&Self::ZERO);
        let unit = || Duration::from_value(args.get(0));
        Ok(match name {
            b"Add" => self.add(unit()).value(),
            b"AddDate" => self.add_date(args.int(0), args.int(1), args.int(2)).value(),
            b"After" => Value::Bool(self.order(other()).is_gt()),
            b"Before" => Value::Bool(self.order(other()).is_lt()),
            b"Equal" => Value::Bool(self.order(other()).is_eq()),
            b"Compare" => Value::int(self.order(other()) as i64),
            b"Sub" => self.sub(other()).value(),
            b"Round" => self.round(unit()).value(),
            b"Truncate" => self.truncate(unit()).value(),
            b"In" => self.at(location(args)?).value(),
            b"UTC" => self.at(Location::Utc).value(),
            b"Local" => self.at(Location::Local(chance::clock(ctx).zone)).value(),
            b"Format" => Value::String(formatted(self, ctx, args.str(0))?.into()),
            b"AppendFormat" => {
                let text = formatted(self, ctx, args.str(1))?;
                Value::Bytes([args.bytes(0), &text].concat().into())
            }
            b"MarshalText" | b"AppendText" => {
                Value::Bytes([args.bytes(0), &self.marshalled(name)?].concat().into())
            }
            b"MarshalJSON" => {
                let text = self.marshalled(name)?;
                Value::Bytes([b"\"".as_slice(), &text, b"\""].concat().into())
            }
            name => self.part(name)?,
        })
    }

    fn to_text(&self) -> Option<Str> {
        Some(self.text())
    }

    fn to_json(&self) -> Option<Value> {
        self.json().map(|text| Value::String(text.into()))
    }

    fn equals(&self, other: &dyn Native) -> Option<bool> {
        Some(time::same(self, other))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn formatted(time: &Time, ctx: &mut Context<'_>, layout: &[u8]) -> Result<Vec<u8>, FunctionError> {
    super::charge(ctx, layout)?;
    Ok(time.format(layout))
}

/// The zone that a method is given.
fn location(args: &Args<'_>) -> Result<Location, FunctionError> {
    match args.get(0) {
        Value::Native(native) => native.as_any().downcast_ref::<Location>().cloned(),
        _ => None,
    }
    .ok_or_else(|| FunctionError::new("time: missing Location in call to Time.In"))
}

impl Time {
    fn marshalled(&self, method: &[u8]) -> Result<Vec<u8>, FunctionError> {
        self.json().ok_or_else(|| {
            let method = String::from_utf8_lossy(method);
            FunctionError::new(format!("Time.{method}: year outside of range [0,9999]"))
        })
    }

    /// What the methods without arguments give.
    fn part(&self, name: &[u8]) -> Outcome {
        let civil = self.civil();
        Ok(match name {
            b"Year" => Value::int(civil.year),
            b"Day" => Value::int(civil.day),
            b"Hour" => Value::int(civil.hour),
            b"Minute" => Value::int(civil.minute),
            b"Second" => Value::int(civil.second),
            b"Nanosecond" => Value::int(self.nanoseconds),
            b"YearDay" => Value::int(civil.year_day),
            b"Month" => Word::value(civil.month, &MONTH),
            b"Weekday" => Word::value(civil.weekday, &WEEKDAY),
            b"Unix" => Value::int64(self.seconds),
            b"UnixMilli" => Value::int64(self.unix_in(1_000)),
            b"UnixMicro" => Value::int64(self.unix_in(1_000_000)),
            b"UnixNano" => Value::int64(self.unix_in(SECOND)),
            b"IsZero" => Value::Bool((self.seconds, self.nanoseconds) == (Self::ZERO.seconds, 0)),
            b"IsDST" => Value::Bool(self.location.at(self.seconds).is_dst),
            b"Location" => self.location.clone().value(),
            b"GoString" => Value::from(self.go_text(&civil)),
            b"String" => Value::String(self.text()),
            // Go counts the results before it calls the method.
            b"Clock" | b"Date" => {
                let name = String::from_utf8_lossy(name);
                let problem = format!("function {name} has 3 return values; should be 1 or 2");
                return Err(FunctionError::new(problem));
            }
            name => {
                let second = if name == b"ZoneBounds" { "time.Time" } else { "int" };
                let name = String::from_utf8_lossy(name);
                return Err(FunctionError::new(format!(
                    "invalid function signature for {name}: second return value should be error; is {second}"
                )));
            }
        })
    }

    /// The time after 1970 in a part of a second.
    fn unix_in(&self, of_second: i64) -> i64 {
        self.seconds.wrapping_mul(of_second).wrapping_add(self.nanoseconds / (SECOND / of_second))
    }

    /// The text of Go's `GoString`: Go code that makes the time.
    fn go_text(&self, civil: &Civil) -> String {
        let zone = match &self.location {
            Location::Utc => "time.UTC".to_owned(),
            Location::Local(_) => "time.Local".to_owned(),
            other => format!("time.Location({})", duration::quoted(&other.name())),
        };
        let Civil { year, day, hour, minute, second, .. } = civil;
        let month = civil.month_name();
        let nanosecond = self.nanoseconds;
        format!("time.Date({year}, time.{month}, {day}, {hour}, {minute}, {second}, {nanosecond}, {zone})")
    }
}

/// A month or a day of the week: a number with a name.
#[derive(Debug, PartialEq, Eq)]
struct Word {
    number: i64,
    typ: &'static Type,
}

impl Word {
    fn value(number: i64, typ: &'static Type) -> Value {
        Value::Native(Rc::new(Self { number, typ }))
    }

    fn text(&self) -> Str {
        let (names, first, word): (&[&str], _, _) =
            if self.typ == &MONTH { (&MONTHS, 1, "Month") } else { (&WEEKDAYS, 0, "Weekday") };
        let name = usize::try_from(self.number - first).ok().and_then(|index| names.get(index));
        name.map_or_else(|| format!("%!{word}({})", self.number).into(), |name| (*name).into())
    }
}

const STRING: Signature = getter(Type::String);

impl Native for Word {
    fn type_of(&self) -> &'static Type {
        self.typ
    }

    fn underlying(&self) -> Option<Value> {
        Some(Value::int(self.number))
    }

    fn with_underlying(&self, plain: &Value) -> Option<Value> {
        let Value::Int(_, number) = plain else { return None };
        Some(Self::value(*number, self.typ))
    }

    fn method(&self, name: &[u8]) -> Option<&'static Signature> {
        (name == b"String").then_some(&STRING)
    }

    fn call(&self, _: &[u8], _: &mut Context<'_>, _: &mut Args<'_>) -> Outcome {
        Ok(Value::String(self.text()))
    }

    fn to_text(&self) -> Option<Str> {
        Some(self.text())
    }

    fn equals(&self, other: &dyn Native) -> Option<bool> {
        Some(other.as_any().downcast_ref::<Self>() == Some(self))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
