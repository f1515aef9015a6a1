//! What needs the engine: `include`, `tpl`, `required`, `fail`, `lookup`.

use std::sync::Arc;

use gotemplate::{
    Args, Context, Error, Function, FunctionError, Functions, Map, Set, Signature, Str, Type, Unit, Value,
    quote,
};
use memchr::memmem;

use crate::failure;
use crate::host::Host;
use crate::objects::live_object;

/// The name of the set of all templates, under which `tpl` also parses its texts.
pub(crate) const SET_NAME: &str = "gotpl";

const TEXT_AND_DATA: Signature = Signature::fixed(&[Type::String, Type::Interface], Type::String);

/// Adds the functions of this group.
pub(super) fn add(functions: &mut Functions) {
    const REQUIRED: Signature = Signature::fixed(&[Type::String, Type::Interface], Type::Interface);
    const FAIL: Signature = Signature::fixed(&[Type::String], Type::String);
    const LOOKUP: Signature =
        Signature::fixed(&[Type::String, Type::String, Type::String, Type::String], Type::ANY_MAP);
    functions.add(Function::new("include", TEXT_AND_DATA, include));
    functions.add(Function::new("tpl", TEXT_AND_DATA, tpl));
    functions.add(Function::new("required", REQUIRED, required));
    functions.add(Function::new("fail", FAIL, fail));
    functions.add(Function::new("lookup", LOOKUP, lookup));
}

fn include(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Result<Value, FunctionError> {
    let name = args.str(0).clone();
    let data = args.take(1);
    if ctx.host::<Host>().is_some_and(|host| !host.open_include(&name)) {
        return Err(FunctionError::new(format!(
            "rendering template has a nested reference name: {}: unable to execute template",
            name.to_string_lossy()
        )));
    }
    let result = ctx.execute_to_str(&name, data);
    if let Some(host) = ctx.host::<Host>() {
        host.close_include(&name);
    }
    Ok(Value::String(result?))
}

fn tpl(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Result<Value, FunctionError> {
    let text = args.str(0).clone();
    let data = args.take(1);
    // A text without actions, which most values are, is what it prints.
    if memmem::find(&text, b"{{").is_none() {
        return Ok(Value::String(without_no_value(text)));
    }
    let unit = compiled(ctx, &text)?;
    let defines = unit.templates().count() > 1;
    let result = if defines || memmem::find(&text, SET_NAME.as_bytes()).is_some() {
        // What the text defines is seen by the text only, not by the set below.
        let mut set = Set::overlay(ctx.set());
        set.add(&unit)?;
        ctx.with_set(Arc::new(set), |ctx| ctx.execute_unit_to_str(&unit, data))
    } else {
        ctx.execute_unit_to_str(&unit, data)
    };
    let output = result.map_err(|error| match error {
        Error::Limit(limit) => FunctionError::Limit(limit),
        error => {
            FunctionError::wrap(format!("error during tpl function execution for {}: ", quote(&text)), error)
        }
    })?;
    Ok(Value::String(without_no_value(output)))
}

/// The compiled form of a text for `tpl`.
fn compiled(ctx: &mut Context<'_>, text: &Str) -> Result<Arc<Unit>, FunctionError> {
    if let Some(unit) = ctx.host::<Host>().and_then(|host| host.text(text)) {
        return Ok(unit);
    }
    ctx.allocate(text.len())?;
    let unit = ctx
        .set()
        .compile(SET_NAME, text)
        .map_err(|error| FunctionError::wrap(format!("cannot parse template {}: ", quote(text)), error))?;
    let unit = Arc::new(unit);
    if let Some(host) = ctx.host::<Host>() {
        host.keep_text(text.clone(), Arc::clone(&unit));
    }
    Ok(unit)
}

/// Helm removes what Go prints for a value that is not there, wherever it stands.
fn without_no_value(text: Str) -> Str {
    match remove_no_value(&text) {
        Some(text) => Str::from(text),
        None => text,
    }
}

/// The text without every `<no value>`; `None` if there is none in it.
pub(crate) fn remove_no_value(text: &[u8]) -> Option<Vec<u8>> {
    const NO_VALUE: &[u8] = b"<no value>";
    let mut found = memmem::find_iter(text, NO_VALUE).peekable();
    found.peek()?;
    let mut rest = 0;
    let mut kept = Vec::with_capacity(text.len());
    for at in found {
        kept.extend_from_slice(text.get(rest..at).unwrap_or_default());
        rest = at + NO_VALUE.len();
    }
    kept.extend_from_slice(text.get(rest..).unwrap_or_default());
    Some(kept)
}

fn required(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Result<Value, FunctionError> {
    let value = args.take(1);
    let missing = match &value {
        Value::Nil => true,
        Value::String(text) => text.is_empty(),
        _ => false,
    };
    if !missing {
        return Ok(value);
    }
    if ctx.host::<Host>().is_some_and(|host| host.lint) {
        return Ok(Value::from(""));
    }
    Err(FunctionError::new(failure::marked(&args.str(0).to_string_lossy())))
}

fn fail(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Result<Value, FunctionError> {
    if ctx.host::<Host>().is_some_and(|host| host.lint) {
        return Ok(Value::from(""));
    }
    Err(FunctionError::new(failure::marked(&args.str(0).to_string_lossy())))
}

fn lookup(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Result<Value, FunctionError> {
    let lookup = ctx.host::<Host>().filter(|host| !host.lint).and_then(|host| {
        host.looked_up = true;
        host.lookup.clone()
    });
    let text = |index| args.str(index).to_string_lossy();
    let found = match lookup {
        Some(lookup) => lookup.lookup(&text(0), &text(1), &text(2), &text(3)).map_err(FunctionError::new)?,
        None => None,
    };
    Ok(found.map_or_else(|| Value::Map(Map::new()), |object| live_object(&object)))
}
