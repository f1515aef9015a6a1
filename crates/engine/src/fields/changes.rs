use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::set::{Manager, managers_of};
use crate::diff::{compare, normalise};

/// A field that somebody else changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignChange {
    /// Which field, such as `spec.replicas`.
    pub path: String,
    /// Who owns it now. None when it was removed: the record of that went with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<Manager>,
}

/// Which fields of a live object are not as they should be, and who owns them.
///
/// `wanted` is the object as it should be: what a dry-run answered, or the projection that was kept. What only the
/// live object has does not count, since it may belong to others. `ours` is our own field manager, which does not
/// count either. Of several owners the one that wrote last is named.
pub fn changed_since(wanted: &Value, live: &Value, ours: &str) -> Vec<ForeignChange> {
    let (wanted, seen) = (normalise(wanted), normalise(live));
    compare::changes(&wanted, &seen)
        .into_iter()
        .filter(|change| change.before.is_some())
        .map(|change| {
            let owners = change.after.is_some().then(|| managers_of(live, &change.path));
            let manager = owners
                .into_iter()
                .flatten()
                .filter(|manager| manager.name != ours)
                .max_by_key(|manager| manager.time);
            ForeignChange { path: change.path.to_string(), manager }
        })
        .collect()
}
