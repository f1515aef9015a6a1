//! Views of objects that are safe to show: the values of Secrets are hidden, that they changed is not.
//!
//! Neither a hidden value nor its length can be had from a view, and no view can be turned into an object again:
//! [`crate::Manifest`] is made from JSON, and a [`Masked`] gives none.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::{Map, Number, Value};

use crate::yaml::{self, Node};

/// What kubectl keeps of the last `kubectl apply`: for a Secret, its values.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// The fields of a Secret that hold values, which are hidden one by one so that their names show.
const VALUE_FIELDS: [&str; 2] = ["data", "stringData"];

/// An object as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Masked(MaskedValue);

/// A part of a [`Masked`] object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MaskedValue {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A number.
    Number(Number),
    /// A text that is no secret.
    String(String),
    /// A value that is not shown.
    Hidden(Hidden),
    /// A list.
    Sequence(Vec<MaskedValue>),
    /// Keys and values, sorted by key.
    Mapping(BTreeMap<String, MaskedValue>),
}

/// All that is told of a hidden value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hidden {
    /// There is one; where two objects are compared, it is that of the other object or the other has none.
    Same,
    /// It differs from that of the object before.
    Changed,
}

/// Hides what must not be shown of one object.
pub fn mask(object: &Map<String, Value>) -> Masked {
    Masked(mask_object(object, None))
}

/// Hides what must not be shown of an object before and after a change.
///
/// Hidden values that are equal look equal; one that differs is [`Hidden::Changed`] in the second view, so that a
/// comparison of the views finds every change.
pub fn mask_pair(before: &Map<String, Value>, after: &Map<String, Value>) -> (Masked, Masked) {
    (mask(before), Masked(mask_object(after, Some(before))))
}

impl Masked {
    /// The object to walk through.
    pub fn value(&self) -> &MaskedValue {
        &self.0
    }
}

/// Prints YAML.
impl fmt::Display for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&yaml::write(&self.0))
    }
}

impl fmt::Display for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Same => "(hidden)",
            Self::Changed => "changed (hidden)",
        })
    }
}

impl Serialize for MaskedValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Boolean(boolean) => boolean.serialize(serializer),
            Self::Number(number) => number.serialize(serializer),
            Self::String(text) => text.serialize(serializer),
            Self::Hidden(hidden) => serializer.collect_str(hidden),
            Self::Sequence(items) => items.serialize(serializer),
            Self::Mapping(entries) => entries.serialize(serializer),
        }
    }
}

impl<'a> From<&'a MaskedValue> for Node<'a> {
    fn from(value: &'a MaskedValue) -> Self {
        match value {
            MaskedValue::Null => Self::Null,
            MaskedValue::Boolean(boolean) => Self::Boolean(*boolean),
            MaskedValue::Number(number) => Self::from(number),
            MaskedValue::String(text) => Self::String(Cow::Borrowed(text)),
            MaskedValue::Hidden(hidden) => Self::String(Cow::Owned(hidden.to_string())),
            MaskedValue::Sequence(items) => Self::Sequence(items.iter().map(Self::from).collect()),
            MaskedValue::Mapping(entries) => Self::Mapping(
                entries.iter().map(|(key, value)| (Cow::Borrowed(key.as_str()), Self::from(value))).collect(),
            ),
        }
    }
}

/// Copies an object; what is hidden is compared with that of `before`.
fn mask_object(object: &Map<String, Value>, before: Option<&Map<String, Value>>) -> MaskedValue {
    let is_secret = is_secret(object) || before.is_some_and(is_secret);
    let is_secret_list = object.get("kind").is_some_and(|kind| kind == "SecretList");
    let entries = object.iter().map(|(key, value)| {
        let before = before.and_then(|before| before.get(key));
        let masked = match key.as_str() {
            key if is_secret => mask_secret_field(key, value, before),
            "items" if is_secret_list => mask_secrets(value, before),
            _ => mask_value(value, before),
        };
        (key.clone(), masked)
    });
    MaskedValue::Mapping(entries.collect())
}

fn mask_secret_field(key: &str, value: &Value, before: Option<&Value>) -> MaskedValue {
    match key {
        key if VALUE_FIELDS.contains(&key) => hide_entries(value, before),
        "metadata" => mask_metadata(value, before),
        _ => mask_value(value, before),
    }
}

/// A Secret of the core group, in whatever version.
fn is_secret(object: &Map<String, Value>) -> bool {
    let text = |key| object.get(key).and_then(Value::as_str).unwrap_or_default();
    text("kind") == "Secret" && !text("apiVersion").contains('/')
}

/// Copies a value, in which there may be Secrets: as items of a list or as templates of some controller.
fn mask_value(value: &Value, before: Option<&Value>) -> MaskedValue {
    match value {
        Value::Null => MaskedValue::Null,
        Value::Bool(boolean) => MaskedValue::Boolean(*boolean),
        Value::Number(number) => MaskedValue::Number(number.clone()),
        Value::String(text) => MaskedValue::String(text.clone()),
        Value::Object(object) => mask_object(object, before.and_then(Value::as_object)),
        Value::Array(items) => {
            let masked = items.iter().enumerate();
            MaskedValue::Sequence(
                masked
                    .map(|(index, item)| mask_value(item, before.and_then(|before| before.get(index))))
                    .collect(),
            )
        }
    }
}

/// The items of a `SecretList` may go without their kind.
fn mask_secrets(items: &Value, before: Option<&Value>) -> MaskedValue {
    let Value::Array(items) = items else {
        return hide(items, before);
    };
    let masked = items.iter().enumerate().map(|(index, item)| {
        let before = before.and_then(|before| before.get(index));
        let Value::Object(item) = item else {
            return hide(item, before);
        };
        let entries = item.iter().map(|(key, value)| {
            let before = before.and_then(|before| before.get(key));
            (key.clone(), mask_secret_field(key, value, before))
        });
        MaskedValue::Mapping(entries.collect())
    });
    MaskedValue::Sequence(masked.collect())
}

fn mask_metadata(metadata: &Value, before: Option<&Value>) -> MaskedValue {
    let Value::Object(metadata) = metadata else {
        return mask_value(metadata, None);
    };
    let before = before.and_then(|before| before.get("annotations"));
    let entries = metadata.iter().map(|(key, value)| {
        let masked =
            if key == "annotations" { mask_annotations(value, before) } else { mask_value(value, None) };
        (key.clone(), masked)
    });
    MaskedValue::Mapping(entries.collect())
}

fn mask_annotations(annotations: &Value, before: Option<&Value>) -> MaskedValue {
    let Value::Object(annotations) = annotations else {
        return mask_value(annotations, None);
    };
    let entries = annotations.iter().map(|(key, value)| {
        let masked = if key == LAST_APPLIED {
            hide(value, before.and_then(|before| before.get(key)))
        } else {
            mask_value(value, None)
        };
        (key.clone(), masked)
    });
    MaskedValue::Mapping(entries.collect())
}

/// Hides the values of a mapping; anything else is hidden whole, since it may be a value that stands in a wrong place.
fn hide_entries(values: &Value, before: Option<&Value>) -> MaskedValue {
    match values {
        Value::Null => MaskedValue::Null,
        Value::Object(values) => MaskedValue::Mapping(
            values
                .iter()
                .map(|(key, value)| (key.clone(), hide(value, before.and_then(|before| before.get(key)))))
                .collect(),
        ),
        other => hide(other, before),
    }
}

fn hide(value: &Value, before: Option<&Value>) -> MaskedValue {
    match before {
        Some(before) if before != value => MaskedValue::Hidden(Hidden::Changed),
        _ => MaskedValue::Hidden(Hidden::Same),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: &Value) -> &Map<String, Value> {
        value.as_object().unwrap()
    }

    fn secret(data: &Value) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": data, "stringData": {"s": "plain-value"},
            "metadata": {"name": "a", "annotations": {LAST_APPLIED: "{\"data\":\"last-value\"}", "note": "x"}},
        })
    }

    #[test]
    fn secrets_show_names_and_nothing_else() {
        let masked = mask(object(&secret(&json!({"password": "c2VjcmV0LXZhbHVl"}))));
        let expected = "apiVersion: v1
data:
  password: (hidden)
kind: Secret
metadata:
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: (hidden)
    note: x
  name: a
stringData:
  s: (hidden)
type: Opaque
";
        assert_eq!(masked.to_string(), expected);
        for text in [format!("{masked:?}"), serde_json::to_string(&masked).unwrap()] {
            assert!(!text.contains("c2Vj") && !text.contains("-value"), "{text}");
        }
    }

    #[test]
    fn secrets_within_other_objects_are_found() {
        let cases = [
            json!({"apiVersion": "v1", "kind": "List", "items": [secret(&json!({"a": "find-me"}))]}),
            json!({"apiVersion": "v1", "kind": "SecretList", "items": [{"data": {"a": "find-me"}}]}),
            json!({"apiVersion": "v1", "kind": "SecretList", "items": "find-me"}),
            json!({"kind": "Template", "objects": [{"x": secret(&json!({"a": "find-me"}))}]}),
            json!({"apiVersion": "v1", "kind": "Secret", "data": "find-me"}),
            json!({"apiVersion": "v1", "kind": "Secret", "data": ["find-me"]}),
            json!({"kind": "Secret", "data": {"a": {"b": "find-me"}}}),
        ];
        for case in cases {
            let shown = mask(object(&case)).to_string();
            assert!(shown.contains("(hidden)") && !shown.contains("find-me"), "{shown}");
        }
    }

    #[test]
    fn other_objects_show_all() {
        for kind in ["ConfigMap", "ConfigMapList"] {
            let config =
                json!({"apiVersion": "v1", "kind": kind, "data": {"a": "b"}, "items": [{"data": {"c": 1}}]});
            assert_eq!(serde_json::to_value(mask(object(&config))).unwrap(), config);
        }
        let foreign = json!({"apiVersion": "example.com/v1", "kind": "Secret", "data": {"a": "b"}});
        assert_eq!(serde_json::to_value(mask(object(&foreign))).unwrap(), foreign);
    }

    #[test]
    fn a_pair_shows_what_changed() {
        let before = secret(&json!({"same": "YQ==", "other": "YQ==", "gone": "YQ=="}));
        let after = secret(&json!({"same": "YQ==", "other": "YWFhYQ==", "new": "YQ=="}));
        let (before, after) = mask_pair(object(&before), object(&after));
        let data = |masked: &Masked| serde_json::to_value(masked).unwrap()["data"].clone();
        assert_eq!(data(&before), json!({"same": "(hidden)", "other": "(hidden)", "gone": "(hidden)"}));
        assert_eq!(data(&after), json!({"same": "(hidden)", "other": "changed (hidden)", "new": "(hidden)"}));
        let equal = secret(&json!({"a": "YQ=="}));
        let (left, right) = mask_pair(object(&equal), object(&equal));
        assert_eq!(left, right);
    }

    #[test]
    fn a_changed_shape_is_a_change() {
        let before = json!({"kind": "Secret", "data": {"a": "b"}});
        let after = json!({"kind": "Secret", "data": "b"});
        let (before, after) = mask_pair(object(&before), object(&after));
        assert_eq!(before.to_string(), "data:\n  a: (hidden)\nkind: Secret\n");
        assert_eq!(after.to_string(), "data: changed (hidden)\nkind: Secret\n");
    }
}
