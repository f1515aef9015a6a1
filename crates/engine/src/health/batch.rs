use super::HealthStatus;
use super::object::{Condition, Object};

pub(super) fn job(object: Object<'_>) -> HealthStatus {
    let holds = |kind| object.condition(kind).filter(Condition::is_true);
    if holds("Complete").is_some() {
        return HealthStatus::healthy();
    }
    if let Some(failed) = holds("Failed") {
        return HealthStatus::degraded("JobFailed", failed.message);
    }
    if let Some(failing) = holds("FailureTarget") {
        return HealthStatus::degraded(
            "JobFailed",
            format!("it has failed and its Pods are ended: {}", failing.message),
        );
    }
    if object.is_set("/spec/suspend") {
        return HealthStatus::suspended("it is suspended");
    }
    if object.text("/status/startTime").is_empty() {
        return HealthStatus::progressing("JobNotStarted", "it has not started");
    }
    let done = object.count("/status/succeeded");
    let wanted = object.number("/spec/completions").unwrap_or(1);
    let failed = match object.count("/status/failed") {
        0 => String::new(),
        1 => ", 1 has failed".to_owned(),
        failed => format!(", {failed} have failed"),
    };
    HealthStatus::progressing("JobInProgress", format!("{done} of {wanted} Pods have completed{failed}"))
}

pub(super) fn cron_job(object: Object<'_>) -> HealthStatus {
    if object.is_set("/spec/suspend") {
        HealthStatus::suspended("it is suspended")
    } else {
        HealthStatus::healthy()
    }
}
