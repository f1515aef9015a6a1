//! What templates see beside the values: `.Release`, `.Chart`, `.Files`, `.Capabilities`.

pub(crate) mod capabilities;
pub(crate) mod files;

use gotemplate::{List, Map, Type, Value};
use serde_json::Value as Json;

/// The type of `.Values`.
pub(crate) const VALUES: Type = Type::Named("common.Values", &Type::ANY_MAP);

/// An object of a cluster as templates see it. Kubernetes tells integers from floats, unlike Helm's values.
pub(crate) fn live_object(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(boolean) => Value::Bool(*boolean),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => Value::int64(integer),
            None => Value::float64(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => Value::List(List::new(items.iter().map(live_object).collect())),
        Json::Object(entries) => {
            Value::Map(entries.iter().map(|(key, value)| (key.as_str(), live_object(value))).collect::<Map>())
        }
    }
}
