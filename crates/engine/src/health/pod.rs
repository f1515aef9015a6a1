use serde_json::Value;

use super::HealthStatus;
use super::object::{Condition, Object};

pub(super) fn pod(object: Object<'_>) -> HealthStatus {
    match object.text("/status/phase") {
        "Succeeded" => HealthStatus::healthy(),
        "Failed" => HealthStatus::degraded("PodFailed", failure(object)),
        "Running" => running(object),
        "Pending" => pending(object),
        "" => HealthStatus::progressing("PodNotObserved", "nobody has looked at it yet"),
        phase => {
            HealthStatus::new(tiphys_api::Health::Unknown, "PodPhaseUnknown", format!("its phase is {phase}"))
        }
    }
}

fn running(object: Object<'_>) -> HealthStatus {
    let ready = object.condition("Ready");
    if ready.is_some_and(|condition| condition.is_true()) {
        return HealthStatus::healthy();
    }
    cannot_start(object).unwrap_or_else(|| {
        let message = ready.map(|it| it.message).filter(|message| !message.is_empty());
        let message = message.unwrap_or("it runs and is not ready");
        let ended = containers(object).find_map(last_end).map(|it| format!("; {it}")).unwrap_or_default();
        HealthStatus::progressing("PodRunningNotReady", format!("{message}{ended}"))
    })
}

fn pending(object: Object<'_>) -> HealthStatus {
    if let Some(status) = cannot_start(object) {
        return status;
    }
    match object.condition("PodScheduled").filter(Condition::is_false) {
        Some(condition) if condition.reason == "Unschedulable" => {
            HealthStatus::progressing("PodUnschedulable", condition.message)
        }
        Some(condition) if condition.reason == "SchedulingGated" => {
            HealthStatus::suspended("it is not scheduled while it has scheduling gates")
        }
        _ => HealthStatus::progressing("PodPending", "it has not started"),
    }
}

/// A container that waits for something that will not come by itself.
fn cannot_start(object: Object<'_>) -> Option<HealthStatus> {
    containers(object).find_map(|container| {
        let waiting = container.pointer("/state/waiting")?;
        let reason = waiting.get("reason")?.as_str()?;
        let hopeless = reason.starts_with("Err")
            || reason.starts_with("Invalid")
            || reason.ends_with("Error")
            || reason.ends_with("BackOff");
        hopeless.then(|| {
            let detail = waiting.get("message").and_then(Value::as_str).unwrap_or_default();
            let separator = if detail.is_empty() { "" } else { ": " };
            let ended = last_end(container).map(|it| format!("; {it}")).unwrap_or_default();
            HealthStatus::degraded(
                reason.to_owned(),
                format!("container {} cannot start: {reason}{separator}{detail}{ended}", name(container)),
            )
        })
    })
}

/// How a container that was started again ended before.
fn last_end(container: &Value) -> Option<String> {
    let ended = container.pointer("/lastState/terminated")?;
    let code = ended.get("exitCode")?.as_i64()?;
    let reason = ended.get("reason").and_then(Value::as_str).unwrap_or("Error");
    let restarts = container.get("restartCount").and_then(Value::as_i64).unwrap_or(0);
    let name = name(container);
    Some(format!("{name} last ended with exit code {code} ({reason}), {restarts} restarts"))
}

/// What the Pod, or else its first container that failed, says about its end.
fn failure(object: Object<'_>) -> String {
    let said = [object.text("/status/message"), object.text("/status/reason")]
        .into_iter()
        .find(|text| !text.is_empty());
    let exit = || {
        containers(object).find_map(|container| {
            let ended = container.pointer("/state/terminated")?;
            let code = ended.get("exitCode")?.as_i64().filter(|code| *code != 0)?;
            let reason = ended.get("reason").and_then(Value::as_str).unwrap_or("Error");
            Some(format!("container {} ended with exit code {code} ({reason})", name(container)))
        })
    };
    said.map(str::to_owned).or_else(exit).unwrap_or_else(|| "it failed".to_owned())
}

fn containers(object: Object<'_>) -> impl Iterator<Item = &Value> {
    let init = object.list("/status/initContainerStatuses");
    init.iter().chain(object.list("/status/containerStatuses"))
}

fn name(container: &Value) -> &str {
    container.get("name").and_then(Value::as_str).unwrap_or_default()
}
