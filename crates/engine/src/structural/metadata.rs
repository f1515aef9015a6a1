//! Names, labels and annotations of an object and of those embedded in it.

use serde_json::{Map, Value};

use super::Problem;
use super::schema::{Additional, Schema};
use super::validate::Findings;

/// Longest name, longest part of a key, longest value of a label; sum of all annotations.
const LONGEST_NAME: usize = 253;
const LONGEST_PART: usize = 63;
const LARGEST_ANNOTATIONS: usize = 256 * 1024;

/// Validates the metadata of the object itself.
pub(super) fn validate(object: &Value, findings: &mut Findings) {
    let Some(Value::Object(metadata)) = object.get("metadata") else { return };
    if let Some(Value::String(name)) = metadata.get("name")
        && !is_subdomain(name)
    {
        findings.problem(Problem::new(
            "metadata.name",
            format!(
                "Invalid value: \"{name}\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
                 characters, '-' or '.', and must start and end with an alphanumeric character"
            ),
        ));
    }
    validate_keys(metadata, "metadata", findings);
}

/// Validates what is embedded at a place that says so, and all below.
pub(super) fn embedded(value: &Value, schema: &Schema, path: &str, findings: &mut Findings) {
    match value {
        Value::Object(fields) => {
            if schema.embedded {
                validate_embedded(fields, path, findings);
            }
            for (name, field) in fields {
                let below = schema.properties.get(name).or(match &schema.additional {
                    Additional::Of(schema) => Some(schema),
                    Additional::Unsaid | Additional::Allowed(_) => None,
                });
                if let Some(below) = below {
                    embedded(field, below, &super::validate::child(path, name), findings);
                }
            }
        }
        Value::Array(items) => {
            let Some(schema) = &schema.items else { return };
            for (place, item) in items.iter().enumerate() {
                embedded(item, schema, &format!("{path}[{place}]"), findings);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn validate_embedded(fields: &Map<String, Value>, path: &str, findings: &mut Findings) {
    for name in ["apiVersion", "kind"] {
        let path = super::validate::child(path, name);
        match fields.get(name) {
            None => findings.problem(Problem::blocking(&path, "Required value".to_owned())),
            Some(Value::String(text)) if !text.is_empty() => {}
            Some(Value::String(_)) => {
                findings.problem(Problem::new(&path, "Invalid value: \"\": must not be empty".to_owned()));
            }
            Some(other) => {
                findings.problem(Problem::new(&path, format!("Invalid value: {other}: must be a string")));
            }
        }
    }
    match fields.get("metadata") {
        Some(Value::Object(metadata)) => {
            validate_keys(metadata, &super::validate::child(path, "metadata"), findings);
        }
        None | Some(Value::Null) => {}
        Some(other) => {
            let path = super::validate::child(path, "metadata");
            findings.problem(Problem::new(&path, format!("Invalid value: {other}: must be an object")));
        }
    }
}

/// Labels and annotations.
fn validate_keys(metadata: &Map<String, Value>, path: &str, findings: &mut Findings) {
    let entries = |field: &str| match metadata.get(field) {
        Some(Value::Object(entries)) => entries.clone(),
        _ => Map::new(),
    };
    let mut size = 0;
    for (key, value) in &entries("annotations") {
        size += key.len() + value.as_str().map_or(0, str::len);
        if !is_qualified(&key.to_lowercase()) {
            findings.problem(bad_key(&format!("{path}.annotations"), key));
        }
    }
    if size > LARGEST_ANNOTATIONS {
        let message = format!("Too long: may not be more than {LARGEST_ANNOTATIONS} bytes");
        findings.problem(Problem::blocking(&format!("{path}.annotations"), message));
    }
    for (key, value) in &entries("labels") {
        let path = format!("{path}.labels");
        if !is_qualified(key) {
            findings.problem(bad_key(&path, key));
        }
        if let Value::String(value) = value
            && !is_label_value(value)
        {
            let message = format!(
                "Invalid value: \"{value}\": a valid label must be an empty string or consist of at most {LONGEST_PART} \
                 alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
            );
            findings.problem(Problem::new(&path, message));
        }
    }
}

fn bad_key(path: &str, key: &str) -> Problem {
    let message = format!(
        "Invalid value: \"{key}\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start \
         and end with an alphanumeric character"
    );
    Problem::new(path, message)
}

fn is_subdomain(name: &str) -> bool {
    let part = |part: &str| {
        let inner = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-';
        !part.is_empty() && part.chars().all(inner) && !part.starts_with('-') && !part.ends_with('-')
    };
    name.len() <= LONGEST_NAME && name.split('.').all(part)
}

fn is_label_value(value: &str) -> bool {
    let inner = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.');
    let at_end = |it: Option<char>| it.is_some_and(|it| it.is_ascii_alphanumeric());
    value.is_empty()
        || value.len() <= LONGEST_PART
            && value.chars().all(inner)
            && at_end(value.chars().next())
            && at_end(value.chars().next_back())
}

fn is_qualified(key: &str) -> bool {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    !name.is_empty() && is_label_value(name) && prefix.is_none_or(is_subdomain)
}
