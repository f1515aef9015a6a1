//! How many Pods come and go with a workload.

use serde_json::{Map, Value, json};
use tiphys_manifest::ObjectId;

use super::Planned;
use crate::health;

/// What a plan does to the Pods of one workload. What is in neither stays as it is.
#[derive(Clone, Copy, Default)]
pub(super) struct Turnover<'a> {
    /// Pods that are there and go.
    pub(super) goes: Group<'a>,
    /// Pods that are to be there.
    pub(super) comes: Group<'a>,
}

/// Pods that are all alike.
#[derive(Clone, Copy)]
pub(super) struct Group<'a> {
    pub(super) count: u64,
    /// With `metadata` and `spec`.
    pub(super) pod: &'a Value,
}

impl Default for Group<'_> {
    fn default() -> Self {
        Self { count: 0, pod: &Value::Null }
    }
}

/// Kinds that make Pods.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pod,
    Deployment,
    /// Existing Pods stay when the template changes.
    ReplicaSet,
    StatefulSet,
    DaemonSet,
    Job,
    CronJob,
}

impl Kind {
    fn of(id: &ObjectId) -> Option<Self> {
        match (id.group.as_str(), id.kind.as_str()) {
            ("", "Pod") => Some(Self::Pod),
            ("apps", "Deployment") => Some(Self::Deployment),
            ("apps", "ReplicaSet") | ("", "ReplicationController") => Some(Self::ReplicaSet),
            ("apps", "StatefulSet") => Some(Self::StatefulSet),
            ("apps", "DaemonSet") => Some(Self::DaemonSet),
            ("batch", "Job") => Some(Self::Job),
            ("batch", "CronJob") => Some(Self::CronJob),
            _ => None,
        }
    }

    fn template(self, object: &Value) -> &Value {
        let place = match self {
            Self::Pod => return object,
            Self::CronJob => "/spec/jobTemplate/spec/template",
            _ => "/spec/template",
        };
        object.pointer(place).unwrap_or(&Value::Null)
    }

    /// How many Pods are there that do not end by themselves. None: nobody can say what they are like.
    ///
    /// Where the object says both, the larger number counts: during a rolling update there are more than it asks for.
    fn present(self, object: &Value) -> Option<u64> {
        let there = number(object, "/status/replicas").unwrap_or(0);
        match self {
            _ if ends_by_itself(self.template(object)) => Some(0),
            Self::Pod => Some(u64::from(!has_ended(object))),
            // What runs then need not be what the template says.
            Self::Deployment if is_paused(object) => (there == 0).then_some(0),
            Self::Deployment | Self::ReplicaSet | Self::StatefulSet => Some(there.max(replicas(object))),
            Self::DaemonSet => Some(number(object, "/status/currentNumberScheduled").unwrap_or(0)),
            Self::Job | Self::CronJob => Some(0),
        }
    }

    /// How many Pods there are to be. Of DaemonSets and CronJobs nobody knows, so they are taken to make none; so is what
    /// nobody waits for.
    fn wanted(self, object: &Value) -> u64 {
        match self {
            _ if health::is_ignored(object) => 0,
            Self::Pod => u64::from(!has_ended(object)),
            Self::Deployment if is_paused(object) => 0,
            Self::Deployment | Self::ReplicaSet | Self::StatefulSet => replicas(object),
            Self::Job => pods_of_job(object),
            Self::DaemonSet | Self::CronJob => 0,
        }
    }

    /// How many of its Pods stay as they are, whatever becomes of the template.
    fn kept(self, before: &Value, after: &Value) -> u64 {
        let common = replicas(before).min(replicas(after));
        match self {
            Self::ReplicaSet => common,
            Self::StatefulSet if text(after, "/spec/updateStrategy/type") == "OnDelete" => common,
            Self::StatefulSet => {
                let partition = number(after, "/spec/updateStrategy/rollingUpdate/partition").unwrap_or(0);
                let start = number(after, "/spec/ordinals/start").unwrap_or(0);
                common.min(partition.saturating_sub(start))
            }
            _ => 0,
        }
    }
}

/// Whether an object makes Pods, or is one.
pub fn makes_pods(id: &ObjectId) -> bool {
    Kind::of(id).is_some()
}

/// What becomes of the Pods of a planned object. None: nobody can say.
pub(super) fn turnover<'a>(planned: &Planned<'a>) -> Option<Turnover<'a>> {
    let Some(kind) = Kind::of(planned.id) else { return Some(Turnover::default()) };
    let group = |count, object| Group { count, pod: kind.template(object) };
    let goes = |before| Some(group(kind.present(before)?, before));
    match (planned.before, planned.after) {
        (None, None) => Some(Turnover::default()),
        (None, Some(after)) => {
            Some(Turnover { comes: group(kind.wanted(after), after), ..Turnover::default() })
        }
        (Some(before), None) => Some(Turnover { goes: goes(before)?, ..Turnover::default() }),
        (Some(before), Some(after)) if planned.recreated => {
            Some(Turnover { goes: goes(before)?, comes: group(kind.wanted(after), after) })
        }
        (Some(before), Some(after)) if kind == Kind::Deployment && is_paused(after) => {
            let same = is_paused(before)
                && replicas(before) == replicas(after)
                && !changes_template(kind, before, after);
            same.then(Turnover::default)
        }
        (Some(before), Some(after)) if kind == Kind::DaemonSet && !changes_template(kind, before, after) => {
            Some(Turnover::default())
        }
        (Some(before), Some(after)) => {
            let kept = kind.kept(before, after);
            let (mut goes, mut comes) = (goes(before)?, group(kind.wanted(after), after));
            goes.count = goes.count.saturating_sub(kept);
            comes.count = comes.count.saturating_sub(kept);
            Some(Turnover { goes, comes })
        }
    }
}

/// Whether a plan has Pods created that are not like those that are there. One that is a Pod itself is left to the API
/// server, which sees it.
pub(super) fn makes_new(planned: &Planned<'_>, turnover: &Turnover<'_>) -> bool {
    let Some(kind) = Kind::of(planned.id).filter(|kind| *kind != Kind::Pod) else { return false };
    let (Some(before), Some(after)) = (planned.before, planned.after) else {
        return turnover.comes.count > 0;
    };
    let grows = kind != Kind::Job && turnover.comes.count > turnover.goes.count;
    turnover.comes.count > 0 && (planned.recreated || changes_template(kind, before, after) || grows)
}

/// A Pod as it is made from the template of a workload, to be tried.
pub(super) fn pod_of(workload: &Value, template: &Value) -> Value {
    let claims = workload.pointer("/spec/volumeClaimTemplates").and_then(Value::as_array);
    let mounted = claims.into_iter().flatten().filter_map(|it| it.pointer("/metadata/name"));
    let mounted = mounted.map(|name| json!({ "name": name, "persistentVolumeClaim": { "claimName": name } }));
    let mut spec = template.get("spec").and_then(Value::as_object).cloned().unwrap_or_default();
    let volumes = spec.get("volumes").and_then(Value::as_array).cloned().unwrap_or_default();
    spec.insert("volumes".to_owned(), Value::Array(volumes.into_iter().chain(mounted).collect()));
    let mut metadata = Map::new();
    for field in ["labels", "annotations"] {
        let value = template.get("metadata").and_then(|it| it.get(field));
        metadata.extend(value.map(|value| (field.to_owned(), value.clone())));
    }
    for field in ["namespace", "name"] {
        let value = workload.get("metadata").and_then(|it| it.get(field));
        metadata.extend(value.map(|value| (field.to_owned(), value.clone())));
    }
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec })
}

/// Whether a Pod makes room without anybody's doing: it has ended, will end by itself, or is being deleted.
pub(super) fn is_going(pod: &Value) -> bool {
    has_ended(pod) || ends_by_itself(pod) || pod.pointer("/metadata/deletionTimestamp").is_some()
}

fn has_ended(pod: &Value) -> bool {
    matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
}

fn ends_by_itself(pod: &Value) -> bool {
    matches!(text(pod, "/spec/restartPolicy"), "OnFailure" | "Never")
}

fn is_paused(deployment: &Value) -> bool {
    deployment.pointer("/spec/paused").and_then(Value::as_bool) == Some(true)
}

fn changes_template(kind: Kind, before: &Value, after: &Value) -> bool {
    kind.template(before) != kind.template(after)
}

fn pods_of_job(job: &Value) -> u64 {
    let conditions = job.pointer("/status/conditions").and_then(Value::as_array);
    let is_over = conditions
        .into_iter()
        .flatten()
        .any(|it| matches!(text(it, "/type"), "Complete" | "Failed") && text(it, "/status") == "True");
    if is_over || job.pointer("/spec/suspend").and_then(Value::as_bool) == Some(true) {
        return 0;
    }
    let parallelism = number(job, "/spec/parallelism").unwrap_or(1);
    let succeeded = number(job, "/status/succeeded").unwrap_or(0);
    match number(job, "/spec/completions") {
        Some(completions) => parallelism.min(completions.saturating_sub(succeeded)),
        // After the first that succeeds no other is made.
        None if succeeded > 0 => 0,
        None => parallelism,
    }
}

fn replicas(object: &Value) -> u64 {
    number(object, "/spec/replicas").unwrap_or(1)
}

fn number(object: &Value, pointer: &str) -> Option<u64> {
    object.pointer(pointer).and_then(Value::as_u64)
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
