use super::HealthStatus;
use super::object::{Condition, Object};

/// `progressDeadlineSeconds` of a Deployment that never gives up.
const NO_DEADLINE: i64 = i32::MAX as i64;

/// A count that is not yet what it should be.
struct Shortfall {
    reason: &'static str,
    short: bool,
    message: String,
}

impl Shortfall {
    fn new(reason: &'static str, short: bool, message: String) -> Self {
        Self { reason, short, message }
    }
}

/// The first count that is not yet what it should be.
fn first_short(shortfalls: impl IntoIterator<Item = Shortfall>) -> Option<HealthStatus> {
    shortfalls.into_iter().find(|it| it.short).map(|it| HealthStatus::progressing(it.reason, it.message))
}

fn replicas(object: Object<'_>) -> i64 {
    object.number("/spec/replicas").unwrap_or(1)
}

pub(super) fn deployment(object: Object<'_>) -> HealthStatus {
    if object.is_set("/spec/paused") {
        return HealthStatus::suspended("its rollout is paused");
    }
    let progressing = object.condition("Progressing");
    let wanted = replicas(object);
    let exist = object.count("/status/replicas");
    let updated = object.count("/status/updatedReplicas");
    let available = object.count("/status/availableReplicas");
    let ready = object.count("/status/readyReplicas");
    // Why there are no more Pods: a quota, or an admission policy.
    let failure = object.condition("ReplicaFailure").filter(Condition::is_true);
    let why = failure.map(|it| format!(": {}", it.message)).unwrap_or_default();
    if let Some(condition) = progressing.filter(|it| it.reason == "ProgressDeadlineExceeded") {
        let counts = format!("{updated} of {wanted} replicas are updated, {available} are available");
        let message = format!("{}; {counts}{why}", condition.message);
        return HealthStatus::degraded("ProgressDeadlineExceeded", message);
    }
    let short = first_short([
        Shortfall::new("LessReplicas", wanted > exist, format!("{exist} of {wanted} replicas exist")),
        Shortfall::new(
            "LessUpdated",
            wanted > updated,
            format!("{updated} of {wanted} replicas are updated"),
        ),
        Shortfall::new(
            "ExtraPods",
            exist > wanted,
            format!("{} old replicas are still there", exist - wanted),
        ),
        Shortfall::new(
            "LessAvailable",
            updated > available,
            format!("{available} of {updated} updated replicas are available"),
        ),
        Shortfall::new("LessReady", wanted > ready, format!("{ready} of {wanted} replicas are ready")),
    ]);
    if let Some(mut status) = short {
        status.message.push_str(&why);
        return status;
    }
    let deadline = object.number("/spec/progressDeadlineSeconds");
    let rolled_out = progressing.is_some_and(|it| it.is_true() && it.reason == "NewReplicaSetAvailable");
    if deadline.is_some_and(|seconds| seconds != NO_DEADLINE) && !rolled_out {
        return HealthStatus::progressing("ReplicaSetNotAvailable", "its new ReplicaSet is not available");
    }
    if object.condition("Available").is_some_and(|it| it.is_true()) {
        HealthStatus::healthy()
    } else {
        HealthStatus::progressing("DeploymentNotAvailable", "it is not available")
    }
}

pub(super) fn stateful_set(object: Object<'_>) -> HealthStatus {
    let wanted = replicas(object);
    let exist = object.count("/status/replicas");
    let ready = object.count("/status/readyReplicas");
    let updated = object.count("/status/updatedReplicas");
    let current = object.count("/status/currentReplicas");
    let short = first_short([
        Shortfall::new("LessReplicas", wanted > exist, format!("{exist} of {wanted} replicas exist")),
        Shortfall::new("LessReady", wanted > ready, format!("{ready} of {wanted} replicas are ready")),
        Shortfall::new(
            "ExtraPods",
            exist > wanted,
            format!("{} replicas too many are there", exist - wanted),
        ),
        // Ready for as long as `minReadySeconds`.
        Shortfall::new(
            "LessAvailable",
            object.number("/status/availableReplicas").is_some_and(|available| wanted > available),
            format!("not all of {wanted} replicas are available"),
        ),
    ]);
    if let Some(status) = short {
        return status;
    }
    // Somebody deletes its Pods when they are to be updated.
    if object.text("/spec/updateStrategy/type") == "OnDelete" {
        return HealthStatus::healthy();
    }
    let partition = object.number("/spec/updateStrategy/rollingUpdate/partition");
    if let Some(partition) = partition.filter(|partition| *partition > 0) {
        let to_update = (wanted - partition).max(0);
        return first_short([Shortfall::new(
            "PartitionRollout",
            updated < to_update,
            format!("{updated} of {to_update} replicas in the partition are updated"),
        )])
        .unwrap_or(HealthStatus::healthy());
    }
    let revisions = (object.text("/status/currentRevision"), object.text("/status/updateRevision"));
    first_short([
        Shortfall::new(
            "LessCurrent",
            wanted > current,
            format!("{current} of {wanted} replicas are current"),
        ),
        Shortfall::new(
            "RevisionMismatch",
            revisions.0 != revisions.1,
            format!("{updated} of {wanted} replicas are updated to {}", revisions.1),
        ),
    ])
    .unwrap_or(HealthStatus::healthy())
}

pub(super) fn daemon_set(object: Object<'_>) -> HealthStatus {
    if object.number("/metadata/generation").is_none() {
        return HealthStatus::progressing("NoGeneration", "it has no generation yet");
    }
    if object.number("/status/observedGeneration").is_none() {
        return HealthStatus::progressing("NoObservedGeneration", "its controller has not seen it yet");
    }
    let Some(wanted) = object.number("/status/desiredNumberScheduled") else {
        return HealthStatus::progressing(
            "NoDesiredNumber",
            "it is not known on how many nodes it should run",
        );
    };
    let on_delete = object.text("/spec/updateStrategy/type") == "OnDelete";
    let current = object.count("/status/currentNumberScheduled");
    let updated = object.count("/status/updatedNumberScheduled");
    let available = object.count("/status/numberAvailable");
    let ready = object.count("/status/numberReady");
    first_short([
        Shortfall::new("LessCurrent", wanted > current, format!("it runs on {current} of {wanted} nodes")),
        Shortfall::new(
            "LessUpdated",
            wanted > updated && !on_delete,
            format!("it is updated on {updated} of {wanted} nodes"),
        ),
        Shortfall::new(
            "LessAvailable",
            wanted > available,
            format!("it is available on {available} of {wanted} nodes"),
        ),
        Shortfall::new("LessReady", wanted > ready, format!("it is ready on {ready} of {wanted} nodes")),
    ])
    .unwrap_or(HealthStatus::healthy())
}

/// ReplicaSet and ReplicationController.
pub(super) fn replica_set(object: Object<'_>) -> HealthStatus {
    if let Some(failure) = object.condition("ReplicaFailure").filter(Condition::is_true) {
        return HealthStatus::progressing("ReplicaFailure", failure.message);
    }
    let wanted = replicas(object);
    let exist = object.count("/status/replicas");
    let labelled = object.count("/status/fullyLabeledReplicas");
    let available = object.count("/status/availableReplicas");
    let ready = object.count("/status/readyReplicas");
    first_short([
        Shortfall::new(
            "LessLabelled",
            wanted > labelled,
            format!("{labelled} of {wanted} replicas are fully labelled"),
        ),
        Shortfall::new(
            "LessAvailable",
            wanted > available,
            format!("{available} of {wanted} replicas are available"),
        ),
        Shortfall::new("LessReady", wanted > ready, format!("{ready} of {wanted} replicas are ready")),
        Shortfall::new(
            "ExtraPods",
            exist > wanted,
            format!("{} replicas too many are there", exist - wanted),
        ),
    ])
    .unwrap_or(HealthStatus::healthy())
}
