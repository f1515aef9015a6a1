//! Between the values of Tera and those of JSON.

use serde_json::{Map, Number, Value};
use tera::value::ValueKind;
use tera::{Error, TeraResult};

/// Values nested deeper than this are refused: no manifest is.
const MAX_DEPTH: usize = 200;

/// The value as JSON. What JSON cannot say is an error, never something else.
pub(super) fn to_json(value: &tera::Value) -> TeraResult<Value> {
    convert(value, 0)
}

/// The value as Tera has it.
pub(super) fn from_json(value: &Value) -> TeraResult<tera::Value> {
    tera::Value::try_from_serializable(value)
}

fn convert(value: &tera::Value, depth: usize) -> TeraResult<Value> {
    if depth > MAX_DEPTH {
        return Err(Error::message(format!("the value is nested more than {MAX_DEPTH} levels deep")));
    }
    Ok(match value.kind() {
        ValueKind::None => Value::Null,
        ValueKind::Undefined => return Err(Error::message("the value is not defined")),
        ValueKind::Bytes => {
            return Err(Error::message("the value is bytes, not text; use the filter b64encode first"));
        }
        ValueKind::Map => {
            let mut map = Map::new();
            for (key, value) in value.as_map().into_iter().flatten() {
                let key = key.as_str().map_or_else(|| key.as_value().to_string(), str::to_owned);
                map.insert(key, convert(value, depth + 1)?);
            }
            Value::Object(map)
        }
        ValueKind::Array => {
            let items = value.as_array().unwrap_or_default();
            Value::Array(items.iter().map(|item| convert(item, depth + 1)).collect::<TeraResult<_>>()?)
        }
        _ => scalar(value)?,
    })
}

fn scalar(value: &tera::Value) -> TeraResult<Value> {
    if let Some(text) = value.as_str() {
        return Ok(Value::from(text));
    }
    if let Some(flag) = value.as_bool() {
        return Ok(Value::from(flag));
    }
    let number = if value.is_f64() {
        value.as_f64().and_then(Number::from_f64)
    } else {
        value.as_i64().map(Number::from).or_else(|| value.as_u64().map(Number::from))
    };
    number.map(Value::Number).ok_or_else(|| Error::message(format!("the number {value} is out of range")))
}
