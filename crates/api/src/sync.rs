//! One attempt to bring a cluster to a state: the request and, once run, the record.

// Here and not at the struct, because the schema is derived through a copy of it.
#![allow(clippy::struct_excessive_bools, reason = "each is a choice of its own that a person writes")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::application::HoldPolicy;
use crate::condition::Condition;

/// One attempt to bring a cluster to a state: the request and, once run, the record.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "tiphys.dev",
    version = "v1alpha1",
    kind = "Sync",
    plural = "syncs",
    category = "tiphys",
    namespaced,
    status = "SyncStatus",
    derive = "PartialEq",
    doc = "One attempt to bring a cluster to a state: the request and, once run, the record.",
    printcolumn(name = "Application", type_ = "string", json_path = ".spec.application"),
    printcolumn(name = "Number", type_ = "integer", json_path = ".status.number"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Revision", type_ = "string", json_path = ".status.revision"),
    printcolumn(name = "By", type_ = "string", json_path = ".status.by"),
    printcolumn(name = "Duration", type_ = "string", json_path = ".status.duration"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Message", type_ = "string", priority = 1, json_path = ".status.message"),
    selectable = ".spec.application"
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self == oldSelf").message("a Sync is a record and cannot be changed: create a new one"),
    validation = Rule::new("!(has(self.revision) && has(self.rollbackTo))")
        .message("set revision to go forward or rollbackTo to go back, not both"),
    validation = Rule::new("!has(self.hold) || has(self.rollbackTo)")
        .message("hold says what happens after a rollback: it needs rollbackTo"),
    validation = Rule::new("!self.renewSecrets || !(self.dryRun || has(self.rollbackTo))")
        .message("renewSecrets makes new passwords and keys: not in a dry run, which changes nothing, nor in a rollback, which goes back to the old ones"),
    validation = Rule::new("!(has(self.plan) && self.dryRun)")
        .message("plan names the plan that is meant to run: not in a dry run, which runs none")
)]
pub struct SyncSpec {
    /// Name of the Application, in this namespace.
    #[schemars(length(min = 1, max = 52))]
    pub application: String,
    /// What to apply: a branch, tag, commit or range. Absent: what the Application says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub revision: Option<String>,
    /// Name of an earlier Sync of the same Application, whose snapshot is applied again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub rollback_to: Option<String>,
    /// Whether only the plan is made.
    #[serde(default)]
    pub dry_run: bool,
    /// Whether objects that are no longer in the rendering are deleted. Absent: what the Application says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prune: Option<bool>,
    /// Only these objects; group, kind, namespace and name may be patterns with `*`. Empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub resources: Vec<ObjectReference>,
    /// Whether objects whose immutable fields changed may be deleted and created again.
    #[serde(default)]
    pub recreate: bool,
    /// Whether objects that exist are replaced as a whole, so that fields of others go, for this once. Objects whose
    /// annotations name another mode than `Override` keep to that.
    #[serde(default)]
    pub replace: bool,
    /// Whether charts draw new passwords, keys and certificates in place of those that they drew before.
    #[serde(default)]
    pub renew_secrets: bool,
    /// What happens after a rollback. Absent: `UntilNewRevision`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldPolicy>,
    /// Whether it runs though a sync window is in the way. It is recorded.
    #[serde(default)]
    pub override_window: bool,
    /// Digest of the plan that a guard rail refused, to let exactly this plan through.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 128))]
    pub confirm: Option<String>,
    /// Digest of the plan that is meant. When the plan that is made has another one, because the rendering or a live
    /// object that it touches changed meanwhile, the Sync fails before anything is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 128))]
    pub plan: Option<String>,
    /// Who asked for it. Enforced at admission: nobody can name somebody else.
    #[serde(default)]
    pub initiated_by: InitiatedBy,
}

/// Who or what asked for a Sync.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct InitiatedBy {
    /// The user name as the API server knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub user: Option<String>,
    /// What made the Sync start. Anything but `user` may come from the controller only.
    pub trigger: Trigger,
}

impl InitiatedBy {
    /// For people: the user's name, or the trigger when there is none.
    pub fn text(&self) -> String {
        match (self.trigger, &self.user) {
            (Trigger::User, Some(user)) => user.clone(),
            (trigger, _) => trigger.as_str().to_owned(),
        }
    }
}

/// What made a Sync start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// A person.
    #[default]
    User,
    /// A webhook told of a new revision.
    Webhook,
    /// A new revision was found by polling, or the Application changed.
    Auto,
    /// An object drifted.
    SelfHeal,
    /// A Sync failed and the Application asks for a rollback.
    Rollback,
}

impl Trigger {
    /// The word used in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Webhook => "webhook",
            Self::Auto => "auto",
            Self::SelfHeal => "self-heal",
            Self::Rollback => "rollback",
        }
    }
}

/// Names one object, or with patterns several.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectReference {
    /// API group; empty for the core group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 253))]
    pub group: String,
    /// Kind.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Namespace; absent for cluster-wide kinds, or for the destination's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
    /// Name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// What a Sync did, so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
// One writer owns all of it, and the server keeps account of one field and not of each: up to a third less work a write.
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct SyncStatus {
    /// `Ready`, and `Reconciling` or `Stalled` while true (kstatus).
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The generation of the spec that this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// How far it got.
    pub phase: Phase,
    /// 1, 2, 3… in the order in which the Syncs of an Application start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// When it started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When everything was applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied_at: Option<Time>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// How long it took, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// Who asked for it, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What was applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Digest of the rendering.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rendering: Option<String>,
    /// What the plan holds, in counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanSummary>,
    /// The first 200 objects that were touched or failed; failures first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub objects: Vec<ObjectResult>,
    /// What happened, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Name of the Secret that holds the first page of the snapshot (or, of a dry run, of the plan).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// The stage that it is at, or was at when it ended. Absent when there is only one: no hooks, no waves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageStatus>,
    /// The sync window that it runs in spite of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overrode: Option<String>,
    /// What became of the proposal to take the files back in Git, too. Only of a rollback, and only where the Repository
    /// lets it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proposal: Option<ProposalStatus>,
    /// The first 20 things about the manifests that somebody should look at, such as annotations without effect.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub warnings: Vec<String>,
}

/// What became of a proposal to take files back in Git. It never makes the rollback fail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ProposalStatus {
    /// How far it got.
    pub phase: ProposalPhase,
    /// The branch that is pushed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The commit on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// What happened, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// How far a proposal got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ProposalPhase {
    /// It will be pushed.
    #[default]
    Pending,
    /// Its branch is there.
    Pushed,
    /// Git has the files as they were already.
    Unneeded,
    /// It could not be pushed.
    Failed,
}

/// When a hook runs. Stages of a Sync have the same names; the objects of the Application itself are applied in `Sync`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum HookPhase {
    /// Before anything else is applied.
    PreSync,
    /// While the objects are applied.
    Sync,
    /// After everything is applied and healthy.
    PostSync,
    /// After a Sync failed.
    SyncFail,
    /// Before an Application is deleted together with its objects.
    PreDelete,
    /// After its objects are gone.
    PostDelete,
}

impl HookPhase {
    /// All of them, in the order in which they come.
    pub const ALL: [Self; 6] =
        [Self::PreSync, Self::Sync, Self::PostSync, Self::SyncFail, Self::PreDelete, Self::PostDelete];

    /// The word used in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PreSync => "PreSync",
            Self::Sync => "Sync",
            Self::PostSync => "PostSync",
            Self::SyncFail => "SyncFail",
            Self::PreDelete => "PreDelete",
            Self::PostDelete => "PostDelete",
        }
    }
}

/// Which part of a Sync is applied or waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StageStatus {
    /// 1, 2, 3… in the order in which they run.
    pub number: u32,
    /// How many there are; those of `SyncFail` are not counted before they run.
    pub of: u32,
    /// Its phase.
    pub phase: HookPhase,
    /// Its wave.
    pub wave: i32,
    /// When it began.
    pub since: Time,
    /// Whether it is done, and so are all before it.
    #[serde(default)]
    pub done: bool,
    /// Why the Sync fails, from when that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Whether the Sync ended before anything but hooks was applied: what was live before still is.
    #[serde(default)]
    pub untouched: bool,
}

/// How far a Sync got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// It waits for its turn.
    #[default]
    Pending,
    /// It renders, plans or applies.
    Running,
    /// Everything is applied; it waits for health.
    Waiting,
    /// Everything is applied and healthy.
    Succeeded,
    /// It ended without that.
    Failed,
    /// A newer one took its place before it was done.
    Superseded,
}

impl Phase {
    /// Whether nothing more will happen.
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Superseded)
    }

    /// The word used in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Waiting => "Waiting",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Superseded => "Superseded",
        }
    }
}

/// A plan in counts of objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PlanSummary {
    /// Objects that do not exist yet.
    pub create: u32,
    /// Objects that exist and carry nobody's mark.
    pub adopt: u32,
    /// Objects that differ.
    pub change: u32,
    /// Objects that are deleted and created again.
    pub recreate: u32,
    /// Objects that are deleted.
    pub prune: u32,
    /// Hooks that run, those of `SyncFail` not counted.
    pub hooks: u32,
    /// Objects that stay as they are.
    pub unchanged: u32,
    /// Digest of the plan, to confirm it with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// What became of one object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectResult {
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
    /// When it ran, if it is a hook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hook: Option<HookPhase>,
    /// What the plan said.
    pub action: Action,
    /// What came of it.
    pub outcome: Outcome,
    /// Why, when it did not come out well; which fields changed, when it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What a plan does with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Action {
    /// Create it.
    Create,
    /// Take over an object that carries nobody's mark.
    Adopt,
    /// Change it.
    Change,
    /// Delete it and create it again.
    Recreate,
    /// Delete it.
    Prune,
    /// Run it as a hook: create it, after what an earlier run left of it was deleted.
    Hook,
    /// Leave it as it is.
    Unchanged,
}

/// What came of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Outcome {
    /// Not tried yet.
    Pending,
    /// Done.
    Applied,
    /// Refused or failed.
    Failed,
    /// Not tried, because something before it failed.
    Skipped,
}
