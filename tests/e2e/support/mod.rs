//! What every end-to-end test needs: a stage with a namespace, a repository and an Application of its own.

pub mod accounts;
mod audit;
pub mod cli;
pub mod controller;
pub mod manifests;
pub mod projects;
pub mod shared;

pub mod stage;

use std::time::Duration;

use tiphys_api::{Application, Condition, ConditionStatus, Phase, READY, STALLED, Sync};

/// Longer than anything that goes well takes, on a machine that does much else.
pub const LONG: Duration = Duration::from_mins(1);

/// Merges `patch` into `value` as a JSON merge patch does.
pub fn merge(value: &mut serde_json::Value, patch: serde_json::Value) {
    match (value, patch) {
        (serde_json::Value::Object(fields), serde_json::Value::Object(changes)) => {
            for (key, change) in changes {
                if change.is_null() {
                    fields.remove(&key);
                } else {
                    merge(fields.entry(key).or_insert(serde_json::Value::Null), change);
                }
            }
        }
        (value, patch) => *value = patch,
    }
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// The condition of this type.
pub fn condition<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|it| it.type_ == type_)
}

/// What an Application says of itself in one line, for messages of failing tests.
pub fn words(application: &Application) -> String {
    let Some(status) = &application.status else { return "no status yet".to_owned() };
    let conditions: Vec<_> = status
        .conditions
        .iter()
        .map(|it| format!("{}={:?} {}: {}", it.type_, it.status, it.reason, it.message))
        .collect();
    format!(
        "generation {:?}/{:?}, {:?}, {:?}, revision {:?}, last sync {:?}, [{}]",
        status.observed_generation,
        application.metadata.generation,
        status.sync,
        status.health,
        status.revision,
        status.last_sync.as_ref().map(|it| (&it.name, it.phase)),
        conditions.join("; ")
    )
}

/// Whether an Application is Ready and has seen its newest spec.
pub fn is_ready(application: &Application) -> bool {
    application.status.as_ref().is_some_and(|status| {
        status.observed_generation == application.metadata.generation
            && condition(&status.conditions, READY).is_some_and(|it| it.status == ConditionStatus::True)
    })
}

/// The message of `Stalled`, when it is there.
pub fn stalled(application: &Application) -> Option<&str> {
    let status = application.status.as_ref()?;
    condition(&status.conditions, STALLED).map(|it| it.message.as_str())
}

/// The phase of a Sync.
pub fn phase(sync: &Sync) -> Phase {
    sync.status.as_ref().map_or(Phase::Pending, |it| it.phase)
}

/// The message of a Sync.
pub fn message(sync: &Sync) -> &str {
    sync.status.as_ref().and_then(|it| it.message.as_deref()).unwrap_or_default()
}
