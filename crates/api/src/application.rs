//! What should run where.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::dependency::Dependency;
use crate::drift::DriftRecord;
use crate::duration::Duration;
use crate::guards::GuardLimits;
use crate::source::Source;
use crate::sync::Phase;
use crate::window::{SyncWindow, Wait};

/// What should run where: a source, a destination, and how the one is brought to the other.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "tiphys.dev",
    version = "v1alpha1",
    kind = "Application",
    plural = "applications",
    shortname = "app",
    category = "tiphys",
    namespaced,
    status = "ApplicationStatus",
    derive = "PartialEq",
    doc = "What should run where: a source, a destination, and how the one is brought to the other.",
    validation = Rule::new("self.metadata.name.size() <= 52")
        .message("the name of an Application has at most 52 characters, because its Syncs are named after it"),
    printcolumn(name = "Project", type_ = "string", json_path = ".spec.project"),
    printcolumn(name = "Sync", type_ = "string", json_path = ".status.sync"),
    printcolumn(name = "Health", type_ = "string", json_path = ".status.health"),
    printcolumn(name = "Revision", type_ = "string", json_path = ".status.revision"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Message", type_ = "string", priority = 1, json_path = r#".status.conditions[?(@.type=="Ready")].message"#),
    printcolumn(name = "Path", type_ = "string", priority = 1, json_path = ".spec.source.path"),
    printcolumn(name = "Destination", type_ = "string", priority = 1, json_path = ".status.destination"),
    selectable = ".spec.project",
    selectable = ".spec.source.repo"
)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationSpec {
    /// The Project whose guard rails hold.
    #[serde(default = "default_project")]
    #[schemars(length(min = 1, max = 63))]
    pub project: String,
    /// Where the manifests come from.
    pub source: Source,
    /// Where they go.
    #[serde(default)]
    pub destination: Destination,
    /// A ServiceAccount in the namespace of this Application, with whose rights everything is read and written for it.
    /// Absent: the one that the Project says; without that, the controller's own rights.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"))]
    pub service_account_name: Option<String>,
    /// When and how a Sync runs.
    #[serde(default)]
    pub sync: SyncPolicy,
    /// Applications that must be ready before a new revision of this one is synced by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub depends_on: Vec<Dependency>,
    /// Fields that others may own: neither shown as a difference nor written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub ignore_differences: Vec<IgnoreDifference>,
    /// How many Syncs are kept.
    #[serde(default)]
    pub history: History,
    /// What deleting this Application does with the objects that it applied.
    #[serde(default)]
    pub deletion: Deletion,
    /// While set, nothing is synced or healed by itself; differences and health are still shown, and what a
    /// person asks for still runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<Suspension>,
}

fn default_project() -> String {
    "default".to_owned()
}

/// A cluster and a namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Destination {
    /// Name of the cluster; `in-cluster` is the one in which the controller runs.
    #[serde(default = "in_cluster")]
    #[x_kube(validation = Rule::new("self == 'in-cluster'")
        .message("cluster must be in-cluster: other clusters are not supported by this version"))]
    #[schemars(length(max = 63))]
    pub cluster: String,
    /// Namespace of objects that name none. Absent: the Application's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub namespace: Option<String>,
    /// Whether the namespace is created when it does not exist. It is never pruned.
    #[serde(default)]
    pub create_namespace: bool,
}

fn in_cluster() -> String {
    crate::IN_CLUSTER.to_owned()
}

impl Default for Destination {
    fn default() -> Self {
        Self { cluster: in_cluster(), namespace: None, create_namespace: false }
    }
}

/// When and how a Sync runs. Nothing happens by itself unless it is asked for here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncPolicy {
    /// A new revision is synced without asking.
    pub auto: bool,
    /// Drift is corrected. Independent of `auto`.
    pub self_heal: bool,
    /// Objects that are no longer in the rendering are deleted.
    pub prune: bool,
    /// What happens when a Sync fails.
    pub on_failure: OnFailure,
    /// How a failed Sync is tried again, with `onFailure: Retry`.
    pub retry: Retry,
    /// How long a Sync may take until everything is healthy.
    pub timeout: Duration,
    /// When Syncs run by themselves, beside what the Project says: both must let them through.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub windows: Vec<SyncWindow>,
    /// From how much deleting on a Sync has to be confirmed.
    #[serde(skip_serializing_if = "GuardLimits::is_default")]
    pub guards: GuardLimits,
}

impl Default for SyncPolicy {
    fn default() -> Self {
        Self {
            auto: false,
            self_heal: false,
            prune: false,
            on_failure: OnFailure::Stop,
            retry: Retry::default(),
            timeout: Duration::from_secs(600),
            windows: Vec::new(),
            guards: GuardLimits::default(),
        }
    }
}

/// What happens when a Sync fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnFailure {
    /// Leave everything as it is until a newer revision or a person.
    #[default]
    Stop,
    /// Try again with backoff.
    Retry,
    /// Go back to the last Sync that became healthy, and hold there.
    Rollback,
}

/// How often and when a failed Sync is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Retry {
    /// Number of further tries after the first.
    #[schemars(range(min = 0, max = 1000))]
    pub limit: u32,
    /// Time between tries.
    pub backoff: Backoff,
}

impl Default for Retry {
    fn default() -> Self {
        Self { limit: 5, backoff: Backoff::default() }
    }
}

/// Time between tries: `duration`, then `factor` times as long each time, up to `max`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Backoff {
    /// Time before the first further try.
    pub duration: Duration,
    /// By how much it grows.
    #[schemars(range(min = 1, max = 10))]
    pub factor: u32,
    /// The longest time between two tries.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { duration: Duration::from_secs(5), factor: 2, max: Duration::from_secs(180) }
    }
}

impl Backoff {
    /// Time to wait before try number `attempt`; the first further try is number 1.
    pub fn delay(&self, attempt: u32) -> std::time::Duration {
        let exponent = attempt.saturating_sub(1);
        let factor = self.factor.max(1).checked_pow(exponent).unwrap_or(u32::MAX);
        self.duration.get().saturating_mul(factor).min(self.max.get())
    }
}

/// Fields of some objects that others may own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.jsonPointers) || has(self.jqPathExpressions) || has(self.managers)")
    .message("name what to ignore: jsonPointers, jqPathExpressions, managers, or several of them"))]
pub struct IgnoreDifference {
    /// API group, a glob; empty or absent matches the core group, `*` matches any.
    #[serde(default)]
    #[schemars(length(max = 253))]
    pub group: String,
    /// Kind, a glob; `*` matches any.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Name, a glob. Absent: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub name: Option<String>,
    /// Namespace, a glob. Absent: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
    /// Labels that the manifest has, each with a glob for its value. Absent: any.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 20))]
    pub labels: BTreeMap<String, String>,
    /// JSON pointers (RFC 6901), such as `/spec/replicas`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub json_pointers: Vec<String>,
    /// jq expressions that lead to fields, such as
    /// `.spec.template.spec.containers[] | select(.name == "sidecar") | .resources`. What they read is the object alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(min = 1, max = 2048)))]
    pub jq_path_expressions: Vec<String>,
    /// Field managers whose fields are theirs, such as `kube-controller-manager`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub managers: Vec<String>,
}

/// How much of the past is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct History {
    /// Number of finished Syncs that are kept, with their snapshots. The last one that became healthy is
    /// always kept.
    #[schemars(range(min = 1, max = 100))]
    pub limit: u32,
}

impl Default for History {
    fn default() -> Self {
        Self { limit: 10 }
    }
}

/// What deleting an Application does with the objects that it applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Deletion {
    /// They stay as they are.
    #[default]
    Orphan,
    /// They are deleted, in the reverse order of applying, before the Application goes.
    Prune,
}

/// Why, and until when, nothing is synced.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Suspension {
    /// A sentence for the next person.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub reason: Option<String>,
    /// When it ends by itself. Absent: when somebody removes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

/// What we know about an Application.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
// One writer owns all of it, and the server keeps account of one field and not of each: up to a third less work a write.
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct ApplicationStatus {
    /// `Ready`, and `Reconciling` or `Stalled` while true (kstatus).
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The generation of the spec that this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The revision that is live, such as `main@sha1:0123abcd…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Whether the live objects are what the source says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync: Option<SyncState>,
    /// Health of all objects, rolled up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// Where the objects are, `cluster/namespace`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// Identity of the installation that applies the objects, as it is in the marks on them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub installation: Option<String>,
    /// The newest Sync that started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_sync: Option<LastSync>,
    /// Why this Application stays where it is though its source has moved on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// A failed Sync that will be tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryState>,
    /// Why nothing is synced by itself though something would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits: Option<Wait>,
    /// Counts of objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
    /// The first 200 objects, those that need attention first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub resources: Vec<ResourceStatus>,
    /// The newest 20 records of drift: who changed which fields of which object, and what became of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub drifts: Vec<DriftRecord>,
    /// The Sync whose snapshot holds the inventory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inventory: Option<String>,
    /// Digest of the rendering that was last applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rendering: Option<String>,
    /// How far the deletion of the Application and its objects is, when hooks are part of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion: Option<DeletionStatus>,
}

/// How far the deletion of an Application is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeletionStatus {
    /// What is under way.
    pub step: DeletionStep,
    /// How many stages of hooks have begun in it.
    pub stages: u32,
}

/// A step of a deletion, in their order.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum DeletionStep {
    /// Hooks run before anything is deleted.
    #[default]
    PreDelete,
    /// The objects are deleted.
    Objects,
    /// Hooks run after everything is gone.
    PostDelete,
    /// What hooks left is deleted.
    Hooks,
}

/// Whether the live objects are what the source says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SyncState {
    /// They are.
    Synced,
    /// They are not: the source moved on, or the objects drifted.
    OutOfSync,
    /// Nobody can say: the source cannot be read or rendered.
    Unknown,
}

/// Health of an object, or of all objects of an Application.
///
/// The order is from best to worst, so the health of a group is the maximum of its members'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Health {
    /// It does what it should.
    Healthy,
    /// It is paused on purpose.
    Suspended,
    /// It is on its way.
    Progressing,
    /// Nobody can say.
    Unknown,
    /// It should be there and is not.
    Missing,
    /// It failed, or will not get there by itself.
    Degraded,
}

/// The newest Sync that started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastSync {
    /// Name of the Sync.
    pub name: String,
    /// Its number.
    pub number: u64,
    /// How far it got.
    pub phase: Phase,
    /// What it set out to apply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Digest of the rendering that it set out to apply; absent when the source could not be rendered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rendering: Option<String>,
    /// Generation of the Application's spec that it ran under.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// Who started it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// What happened, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Why a rolled-back Application stays where it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// When it ends.
    pub policy: HoldPolicy,
    /// The Sync that was gone back to.
    pub rolled_back_to: String,
    /// The Sync that went back.
    pub by: String,
    /// The revision that is held off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Digest of the rendering that is held off; a revision with another one ends the hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rendering: Option<String>,
    /// Since when.
    pub since: Time,
}

/// When a hold ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HoldPolicy {
    /// When a newer revision changes the Application's inputs.
    #[default]
    UntilNewRevision,
    /// When somebody starts a Sync by hand.
    Indefinite,
    /// There is no hold.
    None,
}

/// A failed Sync that will be tried again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetryState {
    /// How many further tries were made.
    pub attempt: u32,
    /// When the next one starts.
    pub next_at: Time,
    /// What is tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

/// Counts of an Application's objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Summary {
    /// Objects in the rendering.
    pub objects: u32,
    /// Of these, the ones that differ from it.
    pub out_of_sync: u32,
    /// Of these, the ones that are healthy.
    pub healthy: u32,
    /// Of these, the ones that are degraded or missing.
    pub degraded: u32,
}

/// One object of an Application.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceStatus {
    /// API group; empty for the core group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace; absent for cluster-wide kinds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    /// Whether it is as the source says.
    pub sync: SyncState,
    /// Its health.
    pub health: Health,
    /// What is wrong, and who changed which field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
