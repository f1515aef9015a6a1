//! Fields that others may own: `spec.ignoreDifferences`.

use serde_json::Value;
use tiphys_api::IgnoreDifference;
use tiphys_manifest::{Manifest, ObjectId};

/// The rules that are about an object.
pub fn matching(rules: &[IgnoreDifference], id: &ObjectId) -> Vec<IgnoreDifference> {
    let _ = id;
    let _ = rules;
    Vec::new()
}

/// What is desired, without interfering with ignored fields of the live object.
pub fn strip(rules: &[IgnoreDifference], desired: Manifest, live: Option<&Value>) -> Manifest {
    let _ = (rules, live);
    desired
}
