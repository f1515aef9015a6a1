use std::borrow::Cow;

use serde_json::Value;

use super::HealthStatus;
use super::object::{Condition, Object, conditions};

pub(super) fn definition(object: Object<'_>) -> HealthStatus {
    if let Some(refused) = object.condition("NamesAccepted").filter(Condition::is_false) {
        return HealthStatus::degraded(refused.reason_or("NamesNotAccepted"), refused.message);
    }
    match object.condition("Established") {
        Some(condition) if condition.is_true() => HealthStatus::healthy(),
        Some(condition) if condition.is_false() && condition.reason != "Installing" => {
            HealthStatus::degraded(condition.reason_or("NotEstablished"), condition.message)
        }
        _ => HealthStatus::progressing("Installing", "its kind is not served yet"),
    }
}

pub(super) fn api_service(object: Object<'_>) -> HealthStatus {
    match object.condition("Available") {
        Some(condition) if condition.is_true() => HealthStatus::healthy(),
        Some(condition) => HealthStatus::progressing(condition.reason_or("NotAvailable"), condition.message),
        None => HealthStatus::progressing("NotAvailable", "nobody has looked at it yet"),
    }
}

pub(super) fn autoscaler(object: Object<'_>) -> HealthStatus {
    let annotated = annotated_conditions(object);
    let list = match &annotated {
        Some(list) => list.as_slice(),
        None => object.list("/status/conditions"),
    };
    if list.is_empty() {
        return HealthStatus::progressing("NotObserved", "nobody has looked at it yet");
    }
    let unmet =
        |kind: &str| conditions(list).find(|condition| condition.kind == kind && condition.is_false());
    let broken = |condition: &Condition<'_>| {
        let reason = condition.reason;
        reason.starts_with("Invalid") || matches!(reason, "FailedGetScale" | "FailedUpdateScale")
    };
    let blocked = [unmet("AbleToScale"), unmet("ScalingActive")];
    if let Some(condition) = blocked.iter().flatten().find(|condition| broken(condition)) {
        return HealthStatus::degraded(reason(condition), condition.message);
    }
    match unmet("ScalingActive") {
        // The target has no replicas, because somebody scaled it to zero.
        Some(condition) if condition.reason == "ScalingDisabled" => {
            HealthStatus::suspended(condition.message)
        }
        Some(condition) => HealthStatus::progressing(reason(&condition), condition.message),
        None => HealthStatus::healthy(),
    }
}

fn reason(condition: &Condition<'_>) -> Cow<'static, str> {
    condition.reason_or("NotScaling")
}

/// In `autoscaling/v1` the conditions are JSON in an annotation.
fn annotated_conditions(object: Object<'_>) -> Option<Vec<Value>> {
    serde_json::from_str(object.annotation("autoscaling.alpha.kubernetes.io/conditions")?).ok()
}
