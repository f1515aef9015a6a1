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
    if object.is_set("/spec/suspend") {
        return HealthStatus::suspended("it is suspended");
    }
    if object.text("/status/startTime").is_empty() {
        return HealthStatus::progressing("JobNotStarted", "it has not started");
    }
    let done = object.count("/status/succeeded");
    let wanted = object.number("/spec/completions").unwrap_or(1);
    HealthStatus::progressing("JobInProgress", format!("{done} of {wanted} Pods have completed"))
}

pub(super) fn cron_job(object: Object<'_>) -> HealthStatus {
    if object.is_set("/spec/suspend") {
        HealthStatus::suspended("it is suspended")
    } else {
        HealthStatus::healthy()
    }
}
