use serde::{Deserialize, Serialize};
use serde_json::Value;

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

    /// A part of this object; being part of it, it is safe too.
    pub(super) fn part(&self, part: &Value) -> Shown {
        Shown(part.clone())
    }
}

/// Hides values of Secrets on both sides, so that one can still see which of them differ.
pub(super) fn mask(
    before: Option<Value>,
    after: Option<Value>,
) -> (Option<ShownObject>, Option<ShownObject>) {
    (before.map(ShownObject), after.map(ShownObject))
}
