use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// What stands where a value of a Secret is.
const HIDDEN: &str = "(hidden)";
/// What stands there after the change, when the value changes.
const CHANGED: &str = "changed (hidden)";

/// A value that is safe to show: values of Secrets are hidden in it.
///
/// It is no object and cannot become one: nothing gives its content back but printing and serialising.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shown(Value);

/// A whole object that is safe to show.
pub(super) struct ShownObject(Value);

impl ShownObject {
    pub(super) fn value(&self) -> &Value {
        &self.0
    }
}

impl Shown {
    /// A part of an object that is safe to show is safe too.
    pub(super) fn part_of(_whole: &ShownObject, part: &Value) -> Self {
        Self(part.clone())
    }
}

/// Reads a value that is there, be it null.
pub(super) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Shown>, D::Error> {
    Value::deserialize(deserializer).map(|value| Some(Shown(value)))
}

/// Hides values of Secrets on both sides. One still sees which of them differ, and neither what they are nor how long.
pub(super) fn mask(
    mut before: Option<Value>,
    mut after: Option<Value>,
) -> (Option<ShownObject>, Option<ShownObject>) {
    if [&before, &after].into_iter().flatten().any(is_secret) {
        for field in ["data", "stringData"] {
            let old = before.as_mut().and_then(|object| object.get_mut(field));
            let new = after.as_mut().and_then(|object| object.get_mut(field));
            hide(old, new);
        }
    }
    (before.map(ShownObject), after.map(ShownObject))
}

fn is_secret(object: &Value) -> bool {
    object.get("kind").and_then(Value::as_str) == Some("Secret")
        && object.get("apiVersion").and_then(Value::as_str).is_some_and(|version| !version.contains('/'))
}

fn hide(before: Option<&mut Value>, after: Option<&mut Value>) {
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            for (key, value) in &mut *after {
                let changed = before.get(key).is_some_and(|old| old != value);
                *value = if changed { CHANGED } else { HIDDEN }.into();
            }
            hide_all(before);
        }
        (before, after) => {
            for side in [before, after].into_iter().flatten() {
                match side {
                    Value::Object(values) => hide_all(values),
                    Value::Null => {}
                    strange => *strange = HIDDEN.into(),
                }
            }
        }
    }
}

fn hide_all(values: &mut Map<String, Value>) {
    for value in values.values_mut() {
        *value = HIDDEN.into();
    }
}
