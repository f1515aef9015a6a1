//! Times and durations, as Go's package `time` and Sprig have them.

mod calendar;
mod duration;
mod layout;
mod location;
mod methods;
mod parse;
mod spans;
mod time;
mod toml;

use gotemplate::{Args, Context, Functions, IntType, Str, Type, Value};

use super::support::{ANY, Outcome, fixed};
use crate::chance;
use duration::{Duration, SECOND};
use location::Location;
use methods::TIME;
use time::Time;
pub(super) use toml::{from_toml, to_toml};

const HTML: &[u8] = b"2006-01-02";

/// Adds the functions of this group.
pub(super) fn add(functions: &mut Functions) {
    fixed(functions, "now", &[], TIME, |ctx, _| Ok(now(ctx).value()));
    fixed(functions, "date", &[Type::String, ANY], Type::String, |ctx, args| {
        let zone = Str::from("Local");
        formatted(ctx, args.str(0), args.get(1), &zone)
    });
    for name in ["dateInZone", "date_in_zone"] {
        fixed(functions, name, &[Type::String, ANY, Type::String], Type::String, |ctx, args| {
            formatted(ctx, args.str(0), args.get(1), args.str(2))
        });
    }
    fixed(functions, "htmlDate", &[ANY], Type::String, |ctx, args| {
        formatted(ctx, HTML, args.get(0), &Str::from("Local"))
    });
    fixed(functions, "htmlDateInZone", &[ANY, Type::String], Type::String, |ctx, args| {
        formatted(ctx, HTML, args.get(0), args.str(1))
    });
    for name in ["dateModify", "date_modify"] {
        fixed(functions, name, &[Type::String, TIME], TIME, |_, args| {
            let moved = modified(args);
            Ok(moved.unwrap_or_else(|_| args.take(1)))
        });
    }
    for name in ["mustDateModify", "must_date_modify"] {
        fixed(functions, name, &[Type::String, TIME], TIME, |_, args| modified(args));
    }
    fixed(functions, "toDate", &[Type::String, Type::String], TIME, |ctx, args| {
        Ok(parsed(ctx, args)?.unwrap_or(Time::ZERO).value())
    });
    fixed(functions, "mustToDate", &[Type::String, Type::String], TIME, |ctx, args| {
        parsed(ctx, args)?.map(Time::value).map_err(gotemplate::FunctionError::new)
    });
    fixed(functions, "unixEpoch", &[TIME], Type::String, |_, args| {
        let seconds = Time::from_value(args.get(0)).map_or(0, |time| time.seconds);
        Ok(Value::from(seconds.to_string()))
    });
    fixed(functions, "ago", &[ANY], Type::String, |ctx, args| {
        let now = now(ctx);
        let then = match args.get(0) {
            Value::Int(IntType::Int | IntType::Int64, seconds) => local(ctx, *seconds),
            value => Time::from_value(value).unwrap_or(&now).clone(),
        };
        Ok(Value::from(now.sub(&then).round(Duration(SECOND)).text()))
    });
    spans::add(functions);
}

fn now(ctx: &mut Context<'_>) -> Time {
    Time::now(&chance::clock(ctx))
}

/// So many seconds after 1970, in local time.
fn local(ctx: &mut Context<'_>, seconds: i64) -> Time {
    Time::unix(seconds, &chance::clock(ctx).zone)
}

/// Sprig's `dateInZone`: what is neither a time nor an integer is now, and a zone that nobody knows is UTC.
fn formatted(ctx: &mut Context<'_>, layout: &[u8], value: &Value, zone: &Str) -> Outcome {
    let time = match value {
        Value::Int(IntType::Int | IntType::Int64 | IntType::Int32, seconds) => local(ctx, *seconds),
        value => Time::from_value(value).cloned().unwrap_or_else(|| now(ctx)),
    };
    let location = Location::load(zone, &chance::clock(ctx)).unwrap_or(Location::Utc);
    charge(ctx, layout)?;
    Ok(Value::String(time.at(location).format(layout).into()))
}

/// Counts a text made by a layout. No part of one becomes longer than ten times its bytes.
fn charge(ctx: &mut Context<'_>, layout: &[u8]) -> Result<(), gotemplate::Limit> {
    ctx.step(layout.len() as u64)?;
    ctx.allocate(layout.len().saturating_mul(10))
}

fn modified(args: &Args<'_>) -> Outcome {
    let duration = Duration::parse(args.str(0)).map_err(gotemplate::FunctionError::new)?;
    let time = Time::from_value(args.get(1)).unwrap_or(&Time::ZERO);
    Ok(time.add(duration).value())
}

fn parsed(ctx: &mut Context<'_>, args: &Args<'_>) -> Result<Result<Time, String>, gotemplate::Limit> {
    let (layout, text) = (args.str(0), args.str(1));
    // A message may repeat both of them, with escapes.
    ctx.step((layout.len() + text.len()) as u64)?;
    ctx.allocate((layout.len() + text.len()).saturating_mul(8))?;
    Ok(parse::parse(layout, text, &chance::clock(ctx).zone))
}
