//! JSON as Go writes and reads it.

mod read;
mod write;

use gotemplate::{Args, Context, FunctionError, Functions, List, Map, Type, Value};

use self::read::Problem;
use self::write::{Escape, Layout, write};
use super::support::{ANY, Body, Outcome, fixed};

const STR: Type = Type::String;

/// Adds the functions of this group.
pub(super) fn add(functions: &mut Functions) {
    let writers: [(&str, Body); 6] = [
        ("toJson", |ctx, args| or_empty(write(ctx, args.get(0), Escape::Html, Layout::Compact))),
        ("mustToJson", |ctx, args| write(ctx, args.get(0), Escape::Html, Layout::Compact)),
        ("toPrettyJson", |ctx, args| or_empty(write(ctx, args.get(0), Escape::Html, Layout::Pretty))),
        ("mustToPrettyJson", |ctx, args| write(ctx, args.get(0), Escape::Html, Layout::Pretty)),
        ("toRawJson", |ctx, args| write(ctx, args.get(0), Escape::Needed, Layout::Compact)),
        ("mustToRawJson", |ctx, args| write(ctx, args.get(0), Escape::Needed, Layout::Compact)),
    ];
    for (name, body) in writers {
        fixed(functions, name, &[ANY], STR, body);
    }
    fixed(functions, "fromJson", &[STR], Type::ANY_MAP, |ctx, args| {
        match read_as(ctx, args, &Type::ANY_MAP)? {
            Ok(map) => Ok(map),
            Err((message, partial)) => Ok(with_error(partial.as_map().unwrap_or_default(), message)),
        }
    });
    fixed(functions, "fromJsonArray", &[STR], Type::ANY_LIST, |ctx, args| {
        Ok(match read_as(ctx, args, &Type::ANY_LIST)? {
            Ok(list) => list,
            Err((message, _)) => Value::List(List::new(vec![Value::from(message)])),
        })
    });
    fixed(functions, "mustFromJson", &[STR], ANY, |ctx, args| {
        let read = read::read(ctx, args.str(0))?;
        match read.problem {
            None => Ok(read.value),
            Some(Problem::Syntax(message) | Problem::Number(message)) => Err(FunctionError::new(message)),
        }
    });
}

/// Functions without `must` give an empty text for what cannot be written. Limits are errors all the same.
pub(super) fn or_empty(outcome: Outcome) -> Outcome {
    match outcome {
        Err(FunctionError::Message(_)) => Ok(Value::from("")),
        outcome => outcome,
    }
}

/// The map that functions give for an error.
pub(super) fn with_error(map: Map, message: String) -> Value {
    map.insert("Error", message);
    Value::Map(map)
}

/// A value of a type that JSON may or may not hold, or what is wrong and as much as was read.
type Typed = Result<Value, (String, Value)>;

fn read_as(ctx: &mut Context<'_>, args: &Args<'_>, typ: &'static Type) -> Result<Typed, FunctionError> {
    let read = read::read(ctx, args.str(0))?;
    Ok(match (read.problem, typed(read.value, typ)) {
        (Some(Problem::Syntax(message)), _) => Err((message, Value::Nil)),
        (Some(Problem::Number(message)), Ok(partial)) => Err((message, partial)),
        (_, typed) => typed,
    })
}

/// Go: what `json.Unmarshal` does with a value for a variable of a type; null leaves it nil.
pub(super) fn typed(value: Value, typ: &'static Type) -> Typed {
    match (&value, typ) {
        (Value::Map(_), Type::Map(_)) | (Value::List(_), Type::Slice(_)) => Ok(value),
        (Value::Nil, _) => Ok(Value::TypedNil(typ)),
        _ => Err((
            format!("json: cannot unmarshal {} into Go value of type {typ}", json_kind(&value)),
            Value::Nil,
        )),
    }
}

fn json_kind(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "bool",
        Value::String(_) => "string",
        Value::List(_) => "array",
        Value::Map(_) => "object",
        _ => "number",
    }
}
