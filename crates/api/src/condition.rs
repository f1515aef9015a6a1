//! Conditions after the kstatus contract: `Ready` is always there; `Reconciling` and `Stalled` only while true.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Condition that is `True` when the object is in the state that was asked for.
pub const READY: &str = "Ready";
/// Condition that is there, and `True`, while we work towards that state.
pub const RECONCILING: &str = "Reconciling";
/// Condition that is there, and `True`, when we cannot get there without somebody changing something.
pub const STALLED: &str = "Stalled";

/// One aspect of an object's state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What the condition is about: `Ready`, `Reconciling` or `Stalled`.
    #[serde(rename = "type")]
    pub type_: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// One word for programs, in CamelCase.
    pub reason: String,
    /// A sentence for people: what is, where, and what to do next.
    pub message: String,
    /// `metadata.generation` of the object that this was said about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When `status` last changed.
    pub last_transition_time: Time,
}

/// Whether a [`Condition`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Nobody can say yet.
    Unknown,
}

/// Replaces `conditions` by `wanted`, keeping the transition time of every condition whose status stays.
pub fn set_conditions(conditions: &mut Vec<Condition>, mut wanted: Vec<Condition>) {
    for condition in &mut wanted {
        let before =
            conditions.iter().find(|it| it.type_ == condition.type_ && it.status == condition.status);
        if let Some(before) = before {
            condition.last_transition_time = before.last_transition_time.clone();
        }
    }
    *conditions = wanted;
}

impl Condition {
    /// A condition that changes now.
    pub fn new(
        type_: &str,
        status: ConditionStatus,
        reason: &str,
        message: impl Into<String>,
        generation: Option<i64>,
    ) -> Self {
        Self {
            type_: type_.to_owned(),
            status,
            reason: reason.to_owned(),
            message: message.into(),
            observed_generation: generation,
            last_transition_time: Time(Timestamp::now()),
        }
    }
}
