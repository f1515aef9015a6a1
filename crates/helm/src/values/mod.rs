//! Values: read, given, and merged with those of the charts.

pub(crate) mod coalesce;

use serde_json::{Map, Value};
use tiphys_manifest::yaml;

/// Reads one or more documents, each a map, and merges them.
pub(crate) fn read(text: &[u8]) -> Result<Map<String, Value>, (u32, String)> {
    let mut values = Map::new();
    let problem = |line, message: String| (line, format!("cannot unmarshal yaml document: {message}"));
    let documents = yaml::read_documents(text, &yaml::Limits::default())
        .map_err(|error| problem(error.line(), format!("error converting YAML to JSON: yaml: {error}")))?;
    for document in documents {
        match document.value {
            Value::Null => {}
            Value::Object(entries) => merge(&mut values, entries),
            _ => return Err(problem(document.line, "not a map".to_owned())),
        }
    }
    Ok(values)
}

/// Merges `above` into `below`: maps are merged, anything else is replaced.
pub(crate) fn merge(below: &mut Map<String, Value>, above: Map<String, Value>) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new),
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}
