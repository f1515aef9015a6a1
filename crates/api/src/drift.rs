//! What is remembered of drift: who changed which fields of which object, and what became of it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Fields of one object that somebody changed, or the object that somebody deleted.
///
/// The same fields of the same object changed by the same one again are the same record, seen once more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DriftRecord {
    /// API group; empty for the core group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace; absent for cluster-wide kinds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    /// Paths of the fields, at most ten; never their values. Empty when the whole object was deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub fields: Vec<String>,
    /// How many further fields there were.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_fields: u32,
    /// The field manager that owns them now. `a mutating webhook`: they are still ours by the record of the API server,
    /// so they were changed while a request was admitted. `somebody`: the record went with what was removed.
    pub by: String,
    /// How the field manager wrote: `Apply` or `Update`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Through which subresource it wrote, such as `scale`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subresource: Option<String>,
    /// When it was first seen. Where the API server knows when it was written, that time.
    pub first_seen: Time,
    /// When it was last seen.
    pub last_seen: Time,
    /// How often it was seen. One change that stays is seen once.
    pub count: u32,
    /// What became of it.
    pub outcome: DriftOutcome,
    /// The Sync that corrected it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What became of drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DriftOutcome {
    /// It is there and was not corrected.
    Open,
    /// A Sync corrected it.
    Corrected,
    /// It went without a Sync: somebody put it back, or it is no longer asked for.
    Gone,
    /// It came back after each correction, so these fields are left alone.
    LeftAlone,
}

impl DriftOutcome {
    /// The word used in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "Open",
            Self::Corrected => "Corrected",
            Self::Gone => "Gone",
            Self::LeftAlone => "LeftAlone",
        }
    }
}
