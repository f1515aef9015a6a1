use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use tiphys_manifest::mask::{self, Masked};

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
    before: Option<&Value>,
    after: Option<&Value>,
) -> (Option<ShownObject>, Option<ShownObject>) {
    match (before.and_then(Value::as_object), after.and_then(Value::as_object)) {
        (Some(before), Some(after)) => {
            let (before, after) = mask::mask_pair(before, after);
            (show(&before), show(&after))
        }
        (before, after) => {
            let show_one = |object: Option<&Map<String, Value>>| object.and_then(|it| show(&mask::mask(it)));
            (show_one(before), show_one(after))
        }
    }
}

fn show(masked: &Masked) -> Option<ShownObject> {
    serde_json::to_value(masked).ok().map(ShownObject)
}
