//! From what is desired and what is live to the ordered steps that take the one to the other.
//!
//! Planning has two pure stages with the API server's dry-run between them:
//!
//! 1. [`Draft::new`] compares the rendering with the inventory and the live cache. What provably did not change is
//!    settled without a request; the rest is in [`Draft::questions`].
//! 2. [`Draft::finish`] takes the answers and gives a [`Plan`]: pure data, the same for the same input, with its
//!    steps in the order in which they run.
//!
//! When an object comes is not decided here but by a [`Schedule`](crate::order::Schedule), which is made from the
//! manifests alone; a plan has the same stages.
//!
//! A plan that holds [`Refusal`]s, or [`Guard`]s that nobody confirmed, must not run: ask [`Plan::may_run`].

mod arrange;
mod check;
mod compare;
mod draft;
mod finish;
mod guard;
mod handover;
mod keep;
mod prune;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tiphys_api::{Action, GuardLimits, HookPhase, ObjectReference, PlanSummary};
use tiphys_manifest::{ObjectId, Origin};

use crate::diff::Diff;
use crate::digest::Digest;
use crate::error::Class;
use crate::fields::{FieldPath, ProjectionHash};
use crate::glob;
use crate::hooks::Run;
use crate::migrate::Migration;
use crate::modes::Mode;
use crate::order::{Aside, DeletePolicy, Hook, Warning};

pub use check::{BySchema, Checked, Creating, Existed, Question, Surroundings};
pub use compare::{PlanChange, compare};
pub use draft::{Draft, DraftInput, JqQuestion, Live};
pub use guard::{Guard, GuardKind};
pub use handover::{Handover, Moved};
pub use keep::{Removing, Wish, wish};
pub use text::{Detail, text};

/// What a plan may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Whether objects that are no longer in the rendering are deleted.
    pub prune: Prune,
    /// Which objects may be deleted and created again when an immutable field changed.
    pub recreate: Recreate,
    /// Whether objects are replaced as a whole that would only be applied otherwise.
    pub replace: Replace,
    /// Which objects the plan is about.
    pub selection: Selection,
    /// Objects that did their work and may have gone by themselves, such as Jobs with `ttlSecondsAfterFinished`: where
    /// they are gone, they are not created again unless something else is asked for than before.
    pub done: BTreeSet<ObjectId>,
    /// The run of the hooks. Without one they are left out.
    pub hooks: Option<Run>,
    /// The only stage that the plan is about, by its place in the schedule. None: all of them.
    pub stage: Option<usize>,
    /// Fields that are left alone, because they change after each apply ([`crate::drift::Fights`]).
    pub left_alone: BTreeMap<ObjectId, Vec<FieldPath>>,
    /// Why objects are deleted.
    pub removing: Removing,
    /// Objects that stay because the annotation, `key: value`, of their last manifest says so, whatever the live one says.
    pub keep: BTreeMap<ObjectId, String>,
    /// What moves between Applications.
    pub handover: Handover,
    /// From how much deleting on the plan has to be confirmed.
    pub limits: GuardLimits,
    /// Where the objects were before, if that is elsewhere.
    pub moved: Option<Moved>,
}

/// Whether objects that are no longer in the rendering are deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prune {
    /// They stay.
    #[default]
    Disabled,
    /// They are deleted.
    Enabled,
}

/// Which objects may be deleted and created again when an immutable field changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recreate {
    /// Those with the annotation `tiphys.dev/recreate: Allowed`.
    #[default]
    Annotated,
    /// All.
    All,
}

/// Whether objects are replaced as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replace {
    /// Those whose annotations say so.
    #[default]
    Annotated,
    /// All, but for those whose annotations name another mode.
    All,
}

/// Which objects a plan is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// All.
    #[default]
    All,
    /// Only these, by globs. An absent namespace in a reference stands for none, and for any.
    Only(Vec<ObjectReference>),
}

impl Selection {
    /// Whether an object is in it.
    pub fn includes(&self, id: &ObjectId) -> bool {
        match self {
            Self::All => true,
            Self::Only(references) => references.iter().any(|reference| {
                let namespace = id.namespace.as_deref().unwrap_or_default();
                glob::matches(&reference.group, &id.group)
                    && glob::matches(&reference.kind, &id.kind)
                    && glob::matches(&reference.name, &id.name)
                    && reference.namespace.as_ref().is_none_or(|it| glob::matches(it, namespace))
            }),
        }
    }
}

/// The ordered steps that take what is live to what is desired.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// What is done, in this order; steps of one rank may run at the same time.
    pub steps: Vec<Step>,
    /// The stages that the steps belong to. Each waits for the one before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageName>,
    /// Objects that are as they should be.
    pub unchanged: Vec<Unchanged>,
    /// Objects that are no longer in the rendering and stay.
    pub kept: Vec<Kept>,
    /// Objects of the inventory that are gone, or are no longer ours.
    pub gone: Vec<ObjectId>,
    /// What is in the rendering and is not applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aside: Vec<Aside>,
    /// What in the rendering has no effect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// Why the plan cannot run.
    pub refusals: Vec<Refusal>,
    /// Why the plan must be confirmed before it may run.
    pub guards: Vec<Guard>,
    /// Names exactly this plan, to confirm it.
    pub digest: String,
}

/// Names a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageName {
    /// Its phase.
    pub phase: HookPhase,
    /// Its wave.
    pub wave: i32,
}

impl std::fmt::Display for StageName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.wave {
            0 => f.write_str(self.phase.as_str()),
            wave => write!(f, "{} wave {wave}", self.phase.as_str()),
        }
    }
}

/// As what a hook is run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookRun {
    /// When, and when its object is deleted.
    #[serde(flatten)]
    pub hook: Hook,
    /// The mark of the run ([`tiphys_api::HOOK_RUN_ANNOTATION`]).
    pub mark: String,
}

impl HookRun {
    /// Whether what an earlier run left is deleted before the hook is created.
    pub(crate) fn deletes_first(&self) -> bool {
        self.hook.policies.contains(&DeletePolicy::BeforeHookCreation)
    }
}

/// What is done with one object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// The object.
    pub id: ObjectId,
    /// API version, without the group.
    pub version: String,
    /// What is done.
    pub action: Action,
    /// Steps run in the order of their ranks; those of one rank may run at the same time.
    pub rank: u32,
    /// Place of its stage in [`Plan::stages`].
    #[serde(default)]
    pub stage: usize,
    /// Why.
    pub reason: Reason,
    /// How it is applied.
    #[serde(default, skip_serializing_if = "Mode::is_default")]
    pub mode: Mode,
    /// As what it is run, if it is a hook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<HookRun>,
    /// Place of its manifest in [`Draft::manifests`]. Absent for prunes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<usize>,
    /// Where its manifest was written. Absent for prunes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Uid of the live object that is changed or deleted. Absent for creates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// What changes.
    #[serde(default, skip_serializing_if = "Diff::is_empty")]
    pub diff: Diff,
    /// Whether it becomes part of the inventory.
    pub tracking: Tracking,
    /// Digest of what is desired. Absent for prunes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<Digest>,
    /// Hash of what we will own of it, as the dry-run foretells. Absent for prunes and where no dry-run was possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicted: Option<ProjectionHash>,
    /// Ownership of fields that has to be taken over from kubectl first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration: Option<Migration>,
    /// What the API server warned of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Whether it was checked by the schema that the same plan brings for its kind, and not by the API server.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_schema: bool,
}

/// Why a step is in a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Reason {
    /// It does not exist.
    New,
    /// It was applied before and somebody deleted it.
    Missing,
    /// It exists and carries nobody's mark.
    Unmarked,
    /// It exists and carries the mark of another Application, which has it in its rendering no more.
    HandedOver {
        /// Which one, in words.
        from: String,
    },
    /// It differs.
    Differs,
    /// Its values are as they should be, but somebody took fields from us: without this they would stay when they
    /// leave the rendering.
    Ownership,
    /// A field changed that cannot be changed.
    Immutable {
        /// The API server's words.
        message: String,
    },
    /// It is being deleted and will be created again.
    Deleting,
    /// It could not be dry-run, because what it depends on is only created by the same plan.
    Unverified {
        /// What that is.
        why: String,
    },
    /// What an earlier run of the hook left is deleted first.
    LeftOver,
    /// What an earlier run of the hook left stays, since its delete policy does not let it be deleted first. The hook is
    /// applied over it, which makes a Job or Pod that is done not run again.
    Reused,
    /// It is no longer in the rendering.
    NotInRendering,
}

/// Whether an object belongs to the Application that applies it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tracking {
    /// It carries the Application's mark, is in its inventory, and may be pruned.
    #[default]
    Owned,
    /// It only has to exist: it is created when it does not, without a mark, and never changed or pruned.
    Unowned,
    /// It is a hook: it carries the mark, to be seen, but is not in the inventory, so it is never pruned and its drift is
    /// nobody's concern.
    Hook,
}

/// An object that is as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unchanged {
    /// The object.
    pub id: ObjectId,
    /// API version, without the group.
    pub version: String,
    /// Digest of what is desired.
    pub desired: Digest,
    /// Hash of what we own of the live object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<ProjectionHash>,
}

/// An object that is no longer in the rendering and stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The object.
    pub id: ObjectId,
    /// Why it stays.
    pub why: KeptWhy,
}

/// Why an object that is no longer in the rendering stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum KeptWhy {
    /// Pruning is off.
    PruneDisabled,
    /// An annotation on the live object forbids to prune it.
    Annotated {
        /// The annotation, as `key: value`.
        annotation: String,
    },
    /// Its deletion was asked for already.
    Deleting,
    /// Nobody can say whether it exists: the server behind its kind does not answer.
    Unknown,
    /// The rendering has the same object under another API group.
    Renamed {
        /// What it is called there.
        to: ObjectId,
    },
    /// The live object cannot be read.
    Unreadable,
    /// Another Application has it in its rendering and takes it over.
    HandedOver {
        /// Which one, in words.
        to: String,
    },
}

/// Why a plan cannot run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The object.
    pub id: ObjectId,
    /// Where its manifest was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// What one can do about it.
    pub class: Class,
    /// What is wrong and what to do next.
    pub message: String,
}

/// Why a plan may not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Blocked {
    /// Objects are refused.
    #[error("{}", finish::refusals_text(.0))]
    Refused(Vec<Refusal>),
    /// A guard rail asks for confirmation.
    #[error("{}", guard::guards_text(guards, digest))]
    Unconfirmed {
        /// What has to be confirmed.
        guards: Vec<Guard>,
        /// What to confirm it with.
        digest: String,
    },
}

impl Plan {
    /// Whether the plan may run, given what somebody confirmed.
    ///
    /// Several may have confirmed it: whoever started the Sync, and whoever wrote it into the Application.
    pub fn may_run<'a>(&self, confirmed: impl IntoIterator<Item = &'a str>) -> Result<(), Blocked> {
        if !self.refusals.is_empty() {
            return Err(Blocked::Refused(self.refusals.clone()));
        }
        if !self.guards.is_empty() && !confirmed.into_iter().any(|it| it == self.digest) {
            return Err(Blocked::Unconfirmed { guards: self.guards.clone(), digest: self.digest.clone() });
        }
        Ok(())
    }

    /// The steps of one stage, as a plan of its own.
    #[must_use]
    pub fn of_stage(&self, stage: usize) -> Self {
        let mut plan = self.clone();
        plan.steps.retain(|step| step.stage == stage);
        plan
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.refusals.is_empty()
    }

    /// Whether what is live is what is desired.
    ///
    /// Steps that only take back ownership change no value, and hooks are no objects of the Application. Objects that stay because pruning is off do differ;
    /// those that an annotation keeps do not.
    pub fn is_in_sync(&self) -> bool {
        self.refusals.is_empty()
            && self.steps.iter().all(|step| step.reason == Reason::Ownership || step.hook.is_some())
            && self.kept.iter().all(|kept| kept.why != KeptWhy::PruneDisabled)
    }

    /// The plan in counts.
    pub fn summary(&self) -> PlanSummary {
        let count = |action| {
            let steps = self.steps.iter().filter(|step| step.action == action);
            u32::try_from(steps.count()).unwrap_or(u32::MAX)
        };
        let on_failure =
            |step: &&Step| step.hook.as_ref().is_some_and(|it| it.hook.phase == HookPhase::SyncFail);
        let failing = u32::try_from(self.steps.iter().filter(on_failure).count()).unwrap_or(u32::MAX);
        PlanSummary {
            create: count(Action::Create),
            adopt: count(Action::Adopt),
            change: count(Action::Change),
            recreate: count(Action::Recreate),
            prune: count(Action::Prune),
            // Those of SyncFail run only when it fails.
            hooks: count(Action::Hook).saturating_sub(failing),
            unchanged: u32::try_from(self.unchanged.len()).unwrap_or(u32::MAX),
            digest: Some(self.digest.clone()),
        }
    }
}
