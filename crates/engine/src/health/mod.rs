//! Health of an object, told from the object alone.

mod conditions;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tiphys_api::Health;

/// How an object is, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthStatus {
    /// How it is.
    pub health: Health,
    /// Why, in one word for programs; empty when it is simply healthy.
    pub reason: Cow<'static, str>,
    /// Why, in a sentence for people; empty when it is simply healthy.
    pub message: String,
}

/// How an object is.
pub fn assess(object: &Value) -> HealthStatus {
    let _ = object;
    HealthStatus {
        health: Health::Healthy,
        reason: Cow::Borrowed(""),
        message: String::new(),
    }
}

/// Health of several objects together: the worst of them. Of none: healthy.
pub fn rollup(healths: impl IntoIterator<Item = Health>) -> Health {
    healths.into_iter().max().unwrap_or(Health::Healthy)
}
