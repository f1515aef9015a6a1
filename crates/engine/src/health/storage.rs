use super::HealthStatus;
use super::object::Object;

pub(super) fn claim(object: Object<'_>) -> HealthStatus {
    match object.text("/status/phase") {
        "Bound" => HealthStatus::healthy(),
        "Lost" => HealthStatus::degraded("Lost", "the volume that it was bound to is gone"),
        _ => HealthStatus::progressing(
            "NotBound",
            "it waits for a volume; where its class binds at first use, it waits for a Pod that uses it",
        ),
    }
}

pub(super) fn volume(object: Object<'_>) -> HealthStatus {
    match object.text("/status/phase") {
        "Failed" => HealthStatus::degraded("Failed", object.text("/status/message")),
        "Pending" => HealthStatus::progressing("Pending", "it is not available yet"),
        _ => HealthStatus::healthy(),
    }
}
