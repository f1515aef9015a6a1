//! Kinds about the cluster itself, and those that ask it for something.

use super::HealthStatus;
use super::object::{Condition, Object};

/// An object that is being deleted, with what holds it.
pub(super) fn terminating(object: Object<'_>) -> HealthStatus {
    let mut message = "it is being deleted".to_owned();
    let finalizers: Vec<_> =
        object.list("/metadata/finalizers").iter().filter_map(|it| it.as_str()).collect();
    if !finalizers.is_empty() {
        message = format!("{message} and waits for the finalizers {}", finalizers.join(", "));
    }
    // A Namespace says in conditions what is left in it.
    let says = |condition: &Condition<'_>| condition.kind.starts_with("Namespace") && condition.is_true();
    for condition in object.conditions().filter(says) {
        message = format!("{message}; {}", condition.message);
    }
    HealthStatus::progressing("Terminating", message)
}

pub(super) fn node(object: Object<'_>) -> HealthStatus {
    match object.condition("Ready") {
        Some(condition) if !condition.is_true() => {
            HealthStatus::degraded(condition.reason_or("NodeNotReady"), condition.message)
        }
        None => HealthStatus::progressing("NodeNotObserved", "its kubelet has not reported yet"),
        Some(_) if object.is_set("/spec/unschedulable") => {
            HealthStatus::suspended("it is cordoned: no Pods are scheduled to it")
        }
        Some(_) => HealthStatus::healthy(),
    }
}

/// CertificateSigningRequest and PodCertificateRequest.
pub(super) fn certificate_request(object: Object<'_>) -> HealthStatus {
    let refused =
        ["Denied", "Failed"].into_iter().find_map(|kind| object.condition(kind).filter(Condition::is_true));
    if let Some(condition) = refused {
        return HealthStatus::degraded(condition.reason_or("NotIssued"), condition.message);
    }
    let issued =
        ["/status/certificate", "/status/certificateChain"].iter().any(|it| !object.text(it).is_empty());
    if issued {
        return HealthStatus::healthy();
    }
    match object.condition("Approved") {
        Some(_) => HealthStatus::progressing("Approved", "it is approved and not signed yet"),
        None => HealthStatus::progressing("Pending", "it waits for its signer to approve and sign it"),
    }
}

pub(super) fn disruption_budget(object: Object<'_>) -> HealthStatus {
    match object.condition("DisruptionAllowed") {
        Some(condition) if condition.reason == "SyncFailed" => {
            HealthStatus::degraded("SyncFailed", condition.message)
        }
        _ => HealthStatus::healthy(),
    }
}

pub(super) fn flow_schema(object: Object<'_>) -> HealthStatus {
    match object.condition("Dangling").filter(Condition::is_true) {
        Some(condition) => HealthStatus::degraded(condition.reason_or("Dangling"), condition.message),
        None => HealthStatus::healthy(),
    }
}

/// ValidatingAdmissionPolicy. Warnings of the type check are no failure: a policy for several kinds has them often.
pub(super) fn admission_policy(object: Object<'_>) -> HealthStatus {
    let warnings = object.list("/status/typeChecking/expressionWarnings");
    let Some(first) = warnings.first().map(Object::new) else {
        return HealthStatus::healthy();
    };
    HealthStatus::new(
        tiphys_api::Health::Healthy,
        "TypeCheckWarnings",
        format!("{}: {}", first.text("/fieldRef"), first.text("/warning")),
    )
}

pub(super) fn storage_migration(object: Object<'_>) -> HealthStatus {
    let holds = |kind| object.condition(kind).filter(Condition::is_true);
    if let Some(failed) = holds("Failed") {
        return HealthStatus::degraded(failed.reason_or("MigrationFailed"), failed.message);
    }
    if holds("Succeeded").is_some() {
        return HealthStatus::healthy();
    }
    HealthStatus::progressing("Migrating", "stored objects are being rewritten")
}
