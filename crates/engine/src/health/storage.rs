use super::HealthStatus;
use super::object::Object;

/// Set on a claim by whoever starts to make a volume for it.
const PROVISIONERS: [&str; 2] =
    ["volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner"];

pub(super) fn claim(object: Object<'_>) -> HealthStatus {
    match object.text("/status/phase") {
        "Bound" => HealthStatus::healthy(),
        "Lost" => HealthStatus::degraded("Lost", "the volume that it was bound to is gone"),
        "Pending" if waits_for_a_pod(object) => HealthStatus::new(
            tiphys_api::Health::Suspended,
            "WaitForFirstConsumer",
            "nothing makes a volume for it: it waits for a Pod that uses it, or for a volume or class that is not there",
        ),
        _ => HealthStatus::progressing("NotBound", "it waits for its volume to be made or bound"),
    }
}

/// Nobody works on a pending claim until its class is one that binds at once, or a Pod uses it.
fn waits_for_a_pod(object: Object<'_>) -> bool {
    object.text("/spec/volumeName").is_empty()
        && object.annotation("volume.kubernetes.io/selected-node").is_none()
        && PROVISIONERS.iter().all(|it| object.annotation(it).is_none())
}

pub(super) fn volume(object: Object<'_>) -> HealthStatus {
    match object.text("/status/phase") {
        "Failed" => HealthStatus::degraded("Failed", object.text("/status/message")),
        "Pending" => HealthStatus::progressing("Pending", "it is not available yet"),
        _ => HealthStatus::healthy(),
    }
}

pub(super) fn attachment(object: Object<'_>) -> HealthStatus {
    let problem = object.text("/status/attachError/message");
    if object.is_set("/status/attached") {
        HealthStatus::healthy()
    } else if problem.is_empty() {
        HealthStatus::progressing("NotAttached", "its volume is not attached yet")
    } else {
        HealthStatus::degraded("AttachError", problem)
    }
}

/// ResourceClaim: devices are allocated when a Pod that uses it is scheduled.
pub(super) fn device_claim(object: Object<'_>) -> HealthStatus {
    if object.has("/status/allocation") {
        HealthStatus::healthy()
    } else {
        HealthStatus::new(
            tiphys_api::Health::Suspended,
            "WaitForFirstConsumer",
            "no device is allocated: it waits for a Pod that uses it",
        )
    }
}
