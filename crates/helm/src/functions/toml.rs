//! TOML as BurntSushi's library writes and reads it.

mod read;
mod write;

use gotemplate::{FunctionError, Functions, Map, Type, Value};

use super::json::with_error;
use super::support::{ANY, fixed};

/// Adds the functions of this group.
pub(super) fn add(functions: &mut Functions) {
    fixed(functions, "toToml", &[ANY], Type::String, |ctx, args| {
        let written = write::write(ctx, args.get(0))?;
        Ok(Value::String(written.unwrap_or_else(String::into_bytes).into()))
    });
    fixed(functions, "mustToToml", &[ANY], Type::String, |ctx, args| match write::write(ctx, args.get(0))? {
        Ok(text) => Ok(Value::String(text.into())),
        Err(message) => Err(FunctionError::new(message)),
    });
    fixed(functions, "fromToml", &[Type::String], Type::ANY_MAP, |ctx, args| {
        // A value takes more memory than the few bytes that it may be written in.
        ctx.allocate(args.str(0).len().saturating_mul(64))?;
        ctx.step(args.str(0).len() as u64)?;
        Ok(match read::read(args.str(0)) {
            Ok(map) => Value::Map(map),
            Err(message) => with_error(Map::new(), message),
        })
    });
}
