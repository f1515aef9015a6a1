//! Health of an object, told from the object alone.
//!
//! The rules are those of kstatus (`sigs.k8s.io/cli-utils`), which `kubectl wait` and Flux share: a kind of its own
//! has its own rule, whatever its version; any other kind speaks through the conditions `Reconciling`, `Stalled` and
//! `Ready`; a kind that says nothing is healthy. There is no clock in them, so the same object always has the same
//! health, and a Sync's `timeout` is what ends waiting.
//!
//! Where we deviate from kstatus, and why, stands in `docs/health.md`. Other kinds have checks as data: [`checks`].
//!
//! What has no rule that fits says so with the annotation [`IGNORE_ANNOTATION`]`: Ignored` on the object, or with
//! Argo CD's `argocd.argoproj.io/ignore-healthcheck: "true"`: it counts as healthy.

mod batch;
pub mod checks;
mod cluster;
mod extension;
mod network;
mod object;
mod pod;
mod storage;
mod workload;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tiphys_api::Health;

use checks::Checks;
use object::{Condition, Object};

/// Annotation on an object: `Ignored` takes its health as good.
pub const IGNORE_ANNOTATION: &str = "tiphys.dev/health";

/// How an object is, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthStatus {
    /// How it is.
    pub health: Health,
    /// Why, in one word for programs; empty when it is simply healthy.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub reason: Cow<'static, str>,
    /// Why, in a sentence for people; empty when it is simply healthy.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

impl HealthStatus {
    /// It does what it should, and there is nothing to say about that.
    pub const fn healthy() -> Self {
        Self { health: Health::Healthy, reason: Cow::Borrowed(""), message: String::new() }
    }

    /// It should be there and is not.
    pub fn missing() -> Self {
        Self::new(Health::Missing, "Missing", "it does not exist")
    }

    pub(crate) fn new(
        health: Health,
        reason: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self { health, reason: reason.into(), message: message.into() }
    }

    fn progressing(reason: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(Health::Progressing, reason, message)
    }

    fn degraded(reason: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(Health::Degraded, reason, message)
    }

    fn suspended(message: impl Into<String>) -> Self {
        Self::new(Health::Suspended, "Suspended", message)
    }
}

/// How an object is, by our own rules and checks.
pub fn assess(object: &Value) -> HealthStatus {
    assess_with(object, &Checks::default())
}

/// How an object is, by our own rules and checks and those of the installation.
pub fn assess_with(object: &Value, checks: &Checks) -> HealthStatus {
    let value = object;
    let object = Object::new(object);
    if object.is_deleting() {
        return cluster::terminating(object);
    }
    if is_ignored(value) {
        return HealthStatus::new(Health::Healthy, "Ignored", "its health does not count");
    }
    if let Some(said) = checks.judge((object.group(), object.kind()), value) {
        return said;
    }
    if let Some(problem) = object.malformed() {
        return HealthStatus::new(Health::Unknown, "Malformed", problem);
    }
    not_observed(object)
        .or_else(|| announced(object))
        .or_else(|| known_kind(object))
        .or_else(|| ready_condition(object))
        .unwrap_or(HealthStatus::healthy())
}

/// Health of several objects together: the worst of them. Of none: healthy.
pub fn rollup(healths: impl IntoIterator<Item = Health>) -> Health {
    healths.into_iter().max().unwrap_or(Health::Healthy)
}

/// Whether nobody waits for its health.
pub fn is_ignored(object: &Value) -> bool {
    let object = Object::new(object);
    object.annotation(IGNORE_ANNOTATION) == Some("Ignored")
        || object.annotation("argocd.argoproj.io/ignore-healthcheck") == Some("true")
}

/// Whoever looks after the object has not seen its newest generation.
fn not_observed(object: Object<'_>) -> Option<HealthStatus> {
    let wanted = object.number("/metadata/generation")?;
    let seen = object.number("/status/observedGeneration")?;
    (wanted != seen).then(|| {
        HealthStatus::progressing(
            "LatestGenerationNotObserved",
            format!("its controller has seen generation {seen} and not yet {wanted}"),
        )
    })
}

/// What the object says of itself in the conditions that kstatus defines; the first that holds counts.
fn announced(object: Object<'_>) -> Option<HealthStatus> {
    object.conditions().filter(Condition::is_true).find_map(|condition| match condition.kind {
        "Reconciling" => {
            Some(HealthStatus::progressing(condition.reason_or("Reconciling"), condition.message))
        }
        "Stalled" => Some(HealthStatus::degraded(condition.reason_or("Stalled"), condition.message)),
        _ => None,
    })
}

fn known_kind(object: Object<'_>) -> Option<HealthStatus> {
    let status = match (object.group(), object.kind()) {
        ("apps" | "extensions", "Deployment") => workload::deployment(object),
        ("apps", "StatefulSet") => workload::stateful_set(object),
        ("apps" | "extensions", "DaemonSet") => workload::daemon_set(object),
        ("apps" | "extensions", "ReplicaSet") | ("", "ReplicationController") => {
            workload::replica_set(object)
        }
        ("", "Pod") => pod::pod(object),
        ("batch", "Job") => batch::job(object),
        ("batch", "CronJob") => batch::cron_job(object),
        ("", "Service") => network::service(object),
        ("networking.k8s.io" | "extensions", "Ingress") => network::ingress(object),
        ("", "Node") => cluster::node(object),
        ("policy", "PodDisruptionBudget") => cluster::disruption_budget(object),
        ("certificates.k8s.io", "CertificateSigningRequest" | "PodCertificateRequest") => {
            cluster::certificate_request(object)
        }
        ("flowcontrol.apiserver.k8s.io", "FlowSchema") => cluster::flow_schema(object),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy") => cluster::admission_policy(object),
        ("storagemigration.k8s.io", "StorageVersionMigration") => cluster::storage_migration(object),
        ("storage.k8s.io", "VolumeAttachment") => storage::attachment(object),
        ("resource.k8s.io", "ResourceClaim") => storage::device_claim(object),
        ("", "PersistentVolumeClaim") => storage::claim(object),
        ("", "PersistentVolume") => storage::volume(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => extension::definition(object),
        ("apiregistration.k8s.io", "APIService") => extension::api_service(object),
        ("autoscaling", "HorizontalPodAutoscaler") => extension::autoscaler(object),
        ("" | "policy" | "rbac.authorization.k8s.io" | "storage.k8s.io" | "scheduling.k8s.io", _) => {
            HealthStatus::healthy()
        }
        _ => return None,
    };
    Some(status)
}

/// The condition by which kinds that we do not know say whether they are as they should be.
fn ready_condition(object: Object<'_>) -> Option<HealthStatus> {
    let ready = object.condition("Ready")?;
    match ready.status {
        "True" => Some(HealthStatus::healthy()),
        "False" | "Unknown" => Some(HealthStatus::progressing(ready.reason_or("NotReady"), ready.message)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_member_counts() {
        use Health::{Degraded, Healthy, Missing, Progressing, Suspended, Unknown};
        for (members, expected) in [
            (vec![], Healthy),
            (vec![Healthy, Suspended], Suspended),
            (vec![Suspended, Progressing, Healthy], Progressing),
            (vec![Progressing, Unknown], Unknown),
            (vec![Missing, Unknown, Healthy], Missing),
            (vec![Degraded, Missing], Degraded),
        ] {
            assert_eq!(rollup(members.clone()), expected, "{members:?}");
        }
    }
}
