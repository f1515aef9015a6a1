//! What is remembered of an Application between two reconciliations.
//!
//! All of it can be lost: after a restart it is found again from the Application, its Syncs and their snapshots.

use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::jiff::Timestamp;
use tiphys_api::{ApplicationStatus, Sync, SyncSpec, SyncStatus, Trigger};
use tiphys_engine::Inventory;
use tiphys_engine::apply::Leaving;
use tiphys_engine::drift::Fights;
use tiphys_engine::plan::{Draft, Plan};
use tiphys_engine::snapshot::{Page, Snapshot};
use tiphys_source::Tracked;
use tokio_util::task::AbortOnDropHandle;

use super::decide::Candidate;
use super::done_jobs::DoneJobs;
use super::gates::Rules;
use super::leaving::LeftOver;
use super::progress::Counted;
use super::report::SourceReport;
use super::seed::KnownSeed;
use super::stages::Staged;
use crate::steps::Steps;
use crate::sync_index::ApplicationKey;

/// What is remembered of an Application.
///
/// What is there only while something goes on is boxed: there is one of these for each Application, and most of them rest.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct State {
    /// Identity of the Application; another one under the same name starts anew.
    pub uid: String,
    /// What was last written, or read at the start.
    pub status: ApplicationStatus,
    /// Whether `status` was read.
    pub loaded: bool,
    /// Whether our finalizer is known to be there.
    pub finalizer: bool,
    /// What the Application's status was when this process last wrote it, or found it to be right.
    pub published: Option<ApplicationStatus>,
    /// That it is new: nothing was ever said of it, and nothing is known yet of its source.
    pub unsaid: Option<Unsaid>,
    /// The interest in its source.
    pub source: Option<Source>,
    /// What the source held when it was last looked at.
    pub rendered: Option<Rendered>,
    /// The revision that its source held when it was last rendered.
    pub rendered_revision: Option<String>,
    /// What brought that revision. None when that is nothing new, or once a Sync was started for it.
    pub cause: Option<Trigger>,
    /// What its spec and its Project say about when it is synced.
    pub rules: Option<Rules>,
    /// Those that it is known to depend on.
    pub depends_on: Vec<ApplicationKey>,
    /// What its chart draws passwords, keys and the time from, if it does and that was read.
    pub seed: Option<KnownSeed>,
    /// What was applied.
    pub applied: Option<Applied>,
    /// Jobs that may be gone because they are done.
    pub done_jobs: DoneJobs,
    /// Whether the destination's namespace is known to exist.
    pub namespace_exists: bool,
    /// Whether what was applied has to be found again.
    pub reload: bool,
    /// The Sync that runs or waits.
    pub current: Option<Box<Current>>,
    /// Its stages, if it has several.
    pub staged: Option<Box<Staged>>,
    /// What the last Sync deleted and could not get rid of.
    pub left_over: Option<LeftOver>,
    /// A Sync that follows from one that ended, and is not created yet.
    pub follow_up: Option<SyncSpec>,
    /// The proposal to Git that is being made. It ends when the Application is forgotten here, or another replica works on it.
    pub proposing: Option<AbortOnDropHandle<()>>,
    /// Objects that were seen to drift, with the plan that puts them right.
    pub drift: Option<Box<DriftFound>>,
    /// Who changes back what we apply, and what is left alone for that.
    pub fights: Fights,
    /// Until when drift is not corrected, because a correction failed.
    pub slowed_until: Option<Timestamp>,
    /// The generation of which the rules of `ignoreDifferences` were compiled, and what is wrong with them.
    pub rules_checked: Option<(i64, Option<String>)>,
    /// Which kinds the cluster knew when a Sync failed because it did not know one.
    pub unknown_kinds: Option<u64>,
    /// The rules under which a Sync was refused before it wrote anything.
    pub refused_under: Option<String>,
    /// Since when something is degraded while a Sync waits.
    pub degraded_since: Option<Timestamp>,
    /// Tries to reconcile that failed in a row, those left out that an event brought before their time.
    pub failures: u32,
    /// When the next of them is due.
    pub again_at: Option<Instant>,
}

/// An Application that nothing was ever said of.
pub struct Unsaid {
    /// Since when there is nothing to say.
    pub since: Instant,
    /// That it is under way.
    pub counted: Counted,
}

/// The interest in a source: which repository, which revision.
pub struct Source {
    /// What was looked up: the `repo` and `revision` of the spec.
    pub asked: (String, Option<String>),
    /// The remote behind it; another one (new credentials) makes a new interest.
    pub remote: Arc<tiphys_source::Remote>,
    /// The interest itself.
    pub tracked: Tracked,
}

/// What the source held when it was last looked at.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// Everything that the result depends on beside the tree.
    pub key: RenderKey,
    /// For decisions.
    pub candidate: Candidate,
    /// For people.
    pub report: SourceReport,
    /// What it took.
    pub steps: Steps,
}

/// What a rendering depends on beside the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderKey {
    /// Generation of the Application.
    pub generation: i64,
    /// The revision, in full.
    pub revision: String,
    /// Version of what the cluster can do.
    pub kinds: u64,
    /// Version of what its chart draws from.
    pub seed: Option<String>,
    /// The rules under which its chart looks up live objects.
    pub rules: String,
}

/// What was applied, by the newest snapshot.
pub struct Applied {
    /// Name of the snapshot's first Secret.
    pub name: String,
    /// The Sync that made it.
    pub sync: String,
    /// The snapshot as it is stored, compressed.
    pub pages: Vec<Page>,
    /// What may be pruned, and how it should stay.
    pub inventory: Inventory,
    /// Objects of the rendering itself: the inventory holds more when something could not be pruned.
    pub rendered: Arc<std::collections::BTreeSet<tiphys_manifest::ObjectId>>,
    /// Where it was applied, as `cluster/namespace`, if that is known.
    pub destination: Option<String>,
}

impl Applied {
    /// The snapshot, decompressed.
    pub fn snapshot(&self) -> Result<Snapshot, tiphys_engine::Error> {
        Snapshot::unpack(&self.pages)
    }
}

/// The Sync that runs or waits.
pub struct Current {
    /// The object, with the status as it is or will be written.
    pub sync: Sync,
    /// The status that was last written.
    pub written: SyncStatus,
    /// When it started, by our own clock.
    pub since: Instant,
    /// When it was last told of, or when it started.
    pub told_at: Instant,
    /// Since when something that it applied is missing.
    pub missing_since: Option<Timestamp>,
    /// That it is under way.
    pub counted: Counted,
    /// What it did so far.
    pub steps: Steps,
    /// What it waits for to be gone.
    pub leaving: Vec<Leaving>,
}

/// Objects that were seen to drift.
pub struct DriftFound {
    /// Which objects at which versions: another set is looked at anew.
    pub seen: Vec<(tiphys_manifest::ObjectId, Option<String>)>,
    /// Which kinds the cluster knew then.
    pub kinds: u64,
    /// When to ask again, because nothing but refusals came of it.
    pub again_at: Option<Timestamp>,
    /// What puts them right.
    pub draft: Draft,
    /// The plan made of it.
    pub plan: Plan,
}
