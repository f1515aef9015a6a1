//! Values: read, given, and merged with those of the charts.

pub(crate) mod coalesce;
mod copy;
pub(crate) mod dependencies;
mod set;
mod sources;

use serde_json::{Map, Value};
use tiphys_manifest::yaml;

pub(crate) use copy::{copy_value, deep_copy};
pub use sources::{ReadFile, ValueFile, ValueSources};

/// Why a text gives no values: the line, from 1, or 0, and the message in Helm's words.
pub(crate) type ReadError = (u32, String);

/// Reads one or more documents, each a map, and merges them.
pub(crate) fn read(text: &[u8], limits: &yaml::Limits) -> Result<Map<String, Value>, ReadError> {
    let mut values = Map::new();
    for (first_line, document) in documents(text)? {
        let entries = read_one(document, limits).map_err(|(line, message)| {
            (first_line + line.saturating_sub(1), format!("cannot unmarshal yaml document: {message}"))
        })?;
        if values.is_empty() {
            values = entries;
        } else {
            merge(&mut values, entries);
        }
    }
    Ok(values)
}

/// The documents of a text and their first lines. Kubernetes: `YAMLReader` looks for `---` at the start of a line,
/// after which only a comment may stand.
fn documents(text: &[u8]) -> Result<Vec<(u32, &[u8])>, ReadError> {
    let mut documents = Vec::new();
    let (mut start, mut first_line) = (0, 1);
    let (mut offset, mut line) = (0, 1);
    let mut end = |from: usize, to: usize, first_line: u32| {
        if from < to {
            documents.push((first_line, text.get(from..to).unwrap_or_default()));
        }
    };
    for content in text.split_inclusive(|byte| *byte == b'\n') {
        if let Some(rest) = content.strip_prefix(b"---") {
            let rest = rest.trim_ascii();
            if !rest.is_empty() && !rest.starts_with(b"#") {
                let rest = String::from_utf8_lossy(rest);
                let message = format!("error reading yaml document: invalid Yaml document separator: {rest}");
                return Err((line, message));
            }
            end(start, offset, first_line);
            start = offset + content.len();
            first_line = line + 1;
        }
        offset += content.len();
        line += 1;
    }
    end(start, text.len(), first_line);
    Ok(documents)
}

/// Reads the first document of a text.
pub(crate) fn read_one(text: &[u8], limits: &yaml::Limits) -> Result<Map<String, Value>, ReadError> {
    let document = yaml::read_document(text, limits)
        .map_err(|error| (error.line(), format!("error converting YAML to JSON: yaml: {error}")))?;
    match document.value {
        Value::Null => Ok(Map::new()),
        Value::Object(entries) => Ok(entries),
        other => {
            let found = match other {
                Value::Bool(_) => "bool",
                Value::Number(_) => "number",
                Value::String(_) => "string",
                _ => "array",
            };
            let message = format!(
                "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {found} into Go value of type \
                 map[string]interface {{}}"
            );
            Err((document.line, message))
        }
    }
}

/// The map at a path of keys with points between them.
pub(crate) fn table(values: &gotemplate::Map, path: &str) -> Option<gotemplate::Map> {
    path.split('.').try_fold(values.clone(), |map, key| match map.get(key)? {
        gotemplate::Value::Map(inner) => Some(inner),
        _ => None,
    })
}

/// Merges `above` into `below`: maps are merged, anything else is replaced.
fn merge(below: &mut Map<String, Value>, above: Map<String, Value>) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new),
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, ReadError> {
        super::read(text.as_bytes(), &yaml::Limits::default()).map(|values| Value::Object(values).to_string())
    }

    #[test]
    fn documents_are_merged() {
        assert_eq!(
            read("a: {b: 1, c: 2}\n--- # more\na: {c: 3}\nd: 4").as_deref(),
            Ok(r#"{"a":{"b":1,"c":3},"d":4}"#)
        );
        assert_eq!(read("").as_deref(), Ok("{}"));
        assert_eq!(read("---\n---\n# nothing\n").as_deref(), Ok("{}"));
    }

    #[test]
    fn what_is_no_map_is_refused_with_its_line() {
        let (line, message) = read("a: 1\n---\n\n- 1\n").unwrap_err();
        assert!(
            message.contains("cannot unmarshal array into Go value of type map[string]interface {}"),
            "{message}"
        );
        assert_eq!(line, 4);
        assert_eq!(read("a: 1\n--- b: 2\n").unwrap_err().0, 2);
        assert_eq!(read("a: 1\n---\nb: [\n").unwrap_err().0, 4);
    }
}
