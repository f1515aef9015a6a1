use serde_json::{Map, Value};

/// Fields of `metadata` that the API server writes for itself.
const GENERATED: &[&str] = &[
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Copies of the manifest that other tools keep in the object itself. Beside being noise, they hold values of Secrets.
const COPIES: &[&str] = &["kubectl.kubernetes.io/last-applied-configuration", "kapp.k14s.io/original"];

/// An object without what the API server, or another tool's bookkeeping, writes into it.
pub fn normalise(object: &Value) -> Value {
    let Value::Object(fields) = object else {
        return object.clone();
    };
    let mut normal = Map::new();
    for (name, value) in fields {
        match name.as_str() {
            "status" => {}
            "metadata" => {
                normal.insert(name.clone(), metadata(value));
            }
            _ => {
                normal.insert(name.clone(), templates(value));
            }
        }
    }
    Value::Object(normal)
}

fn metadata(value: &Value) -> Value {
    let Value::Object(fields) = value else {
        return value.clone();
    };
    let mut normal = fields.clone();
    normal.retain(|name, _| !GENERATED.contains(&name.as_str()));
    if let Some(Value::Object(annotations)) = normal.get_mut("annotations") {
        annotations.retain(|name, _| !COPIES.contains(&name.as_str()));
        if annotations.is_empty() {
            normal.remove("annotations");
        }
    }
    Value::Object(normal)
}

/// Drops `creationTimestamp: null` of embedded objects, which some writers put there and others do not.
fn templates(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, value)| !(*name == "creationTimestamp" && value.is_null()))
            .map(|(name, value)| (name.clone(), templates(value)))
            .collect(),
        Value::Array(items) => items.iter().map(templates).collect(),
        scalar => scalar.clone(),
    }
}
