//! YAML as Helm writes and reads it.

use gotemplate::{Args, Context, FunctionError, Functions, List, Map, Type, Value};
use tiphys_manifest::yaml::{self, Limits, Problem};

use super::json::{or_empty, typed, with_error};
use super::support::{ANY, Outcome, fixed};
use crate::value::{EncodeError, from_json, to_node, to_pretty_node};

const STR: Type = Type::String;

/// Adds the functions of this group.
pub(super) fn add(functions: &mut Functions) {
    fixed(functions, "toYaml", &[ANY], STR, |ctx, args| or_empty(write(ctx, args)));
    fixed(functions, "mustToYaml", &[ANY], STR, write);
    fixed(functions, "toYamlPretty", &[ANY], STR, |ctx, args| {
        let node = to_pretty_node(args.get(0), ctx)?;
        let text = yaml::write_pretty(node);
        ctx.allocate(text.len())?;
        Ok(without_last_line_end(text))
    });
    fixed(functions, "fromYaml", &[STR], Type::ANY_MAP, |ctx, args| {
        Ok(match read(ctx, args, &Type::ANY_MAP)? {
            Ok(Value::Map(map)) => Value::Map(map),
            Ok(_) => Value::Map(Map::new()),
            Err(message) => with_error(Map::new(), message),
        })
    });
    fixed(functions, "fromYamlArray", &[STR], Type::ANY_LIST, |ctx, args| {
        Ok(match read(ctx, args, &Type::ANY_LIST)? {
            Ok(Value::List(list)) => Value::List(list),
            Ok(_) => Value::from(Vec::new()),
            Err(message) => Value::List(List::new(vec![Value::from(message)])),
        })
    });
}

fn write(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Outcome {
    let node = to_node(args.get(0), ctx).map_err(|error| match error {
        EncodeError::Limit(limit) => limit.into(),
        error => FunctionError::new(format!("error marshaling into JSON: {error}")),
    })?;
    // What JSON can say and the reader of YAML behind it refuses are control characters.
    let text =
        yaml::to_yaml(node).map_err(|_| FunctionError::new("yaml: control characters are not allowed"))?;
    ctx.allocate(text.len())?;
    Ok(without_last_line_end(text))
}

fn without_last_line_end(mut text: String) -> Value {
    if text.ends_with('\n') {
        text.pop();
    }
    Value::from(text)
}

/// A value of a type, or the message of Go's libraries. What is too large is an error.
fn read(
    ctx: &mut Context<'_>,
    args: &Args<'_>,
    typ: &'static Type,
) -> Result<Result<Value, String>, FunctionError> {
    let text = args.str(0);
    // A text without aliases gives at most a value for every two bytes.
    ctx.step(text.len() as u64)?;
    let document = match yaml::read_document(text, &Limits::default()) {
        Ok(document) => document,
        Err(error) if matches!(error.problem(), Problem::Limit(_)) => {
            return Err(FunctionError::new(format!("fromYaml: {error}")));
        }
        Err(error) => {
            let (line, problem) = (error.line(), error.problem());
            return Ok(Err(format!("error converting YAML to JSON: yaml: line {line}: {problem}")));
        }
    };
    ctx.allocate(weight(&document.value))?;
    let in_json = |(message, _)| format!("error unmarshaling JSON: while decoding JSON: {message}");
    Ok(typed(from_json(&document.value), typ).map_err(in_json))
}

/// Bytes that a value needs in a template, roughly.
fn weight(value: &serde_json::Value) -> usize {
    const VALUE: usize = 48;
    match value {
        serde_json::Value::String(text) => VALUE + text.len(),
        serde_json::Value::Array(items) => VALUE + items.iter().map(weight).sum::<usize>(),
        serde_json::Value::Object(entries) => {
            VALUE + entries.iter().map(|(key, value)| VALUE + key.len() + weight(value)).sum::<usize>()
        }
        _ => VALUE,
    }
}
