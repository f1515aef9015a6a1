//! What the API server makes of an object before it looks at its values.

use serde_json::Value;

use super::schema::{Additional, Schema};

/// Fields that every object may have.
const META: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Drops the fields that are not in the schema, and says which these are, as `.spec.colour`.
pub(super) fn drop_unknown(object: &mut Value, schema: &Schema) -> Vec<String> {
    let mut unknown = Vec::new();
    prune(object, Some(schema), true, "", &mut unknown);
    unknown.sort();
    unknown
}

fn prune(value: &mut Value, schema: Option<&Schema>, is_root: bool, path: &str, unknown: &mut Vec<String>) {
    let preserve = schema.is_some_and(|it| it.preserve_unknown);
    match value {
        Value::Object(fields) => {
            let has_meta = is_root || schema.is_some_and(|it| it.embedded);
            fields.retain(|name, field| {
                if has_meta && META.contains(&name.as_str()) {
                    return true;
                }
                let path = format!("{path}.{name}");
                let known =
                    schema.and_then(|schema| match (schema.properties.get(name), &schema.additional) {
                        (Some(property), _) => Some(Some(property)),
                        (None, Additional::Of(additional)) => Some(Some(&**additional)),
                        (None, Additional::Allowed(true)) => Some(None),
                        (None, Additional::Allowed(false) | Additional::Unsaid) => None,
                    });
                match known {
                    // Below `additionalProperties: true` nothing is known, and nothing is dropped.
                    Some(None) => true,
                    Some(Some(schema)) => {
                        prune(field, Some(schema), false, &path, unknown);
                        true
                    }
                    None if preserve => true,
                    None => {
                        unknown.push(path);
                        false
                    }
                }
            });
        }
        Value::Array(items) => {
            let schema = schema.and_then(|it| it.items.as_deref());
            // The items of a list of which nothing is known are kept where everything is.
            if schema.is_some() || !preserve {
                for (place, item) in items.iter_mut().enumerate() {
                    prune(item, schema, false, &format!("{path}[{place}]"), unknown);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_forbidden_null(value: &Value, schema: Option<&Schema>) -> bool {
    value.is_null() && schema.is_some_and(|it| !it.nullable)
}

/// Drops the nulls that may not be there and that no default takes the place of.
pub(super) fn drop_nulls(value: &mut Value, schema: Option<&Schema>) {
    match value {
        Value::Object(fields) => fields.retain(|name, field| {
            let schema = schema.and_then(|it| it.field(name));
            if is_forbidden_null(field, schema) && schema.is_some_and(|it| it.default.is_none()) {
                return false;
            }
            drop_nulls(field, schema);
            true
        }),
        Value::Array(items) => {
            let schema = schema.and_then(|it| it.items.as_deref());
            for item in items {
                drop_nulls(item, schema);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Fills in the defaults.
pub(super) fn fill_in(value: &mut Value, schema: &Schema) {
    match value {
        Value::Object(fields) => {
            for (name, property) in &schema.properties {
                let Some(default) = &property.default else { continue };
                let absent = fields.get(name).is_none_or(|it| is_forbidden_null(it, Some(property)));
                if absent {
                    fields.insert(name.clone(), default.clone());
                }
            }
            for (name, field) in fields.iter_mut() {
                if let Some(schema) = schema.field(name) {
                    replace_null(field, schema);
                    fill_in(field, schema);
                }
            }
        }
        Value::Array(items) => {
            let Some(schema) = &schema.items else { return };
            for item in items {
                replace_null(item, schema);
                fill_in(item, schema);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn replace_null(value: &mut Value, schema: &Schema) {
    if is_forbidden_null(value, Some(schema))
        && let Some(default) = &schema.default
    {
        *value = default.clone();
    }
}
