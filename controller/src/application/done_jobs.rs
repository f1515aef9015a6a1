//! Jobs that did their work and were cleaned up (`ttlSecondsAfterFinished`) are done, not missing.
//!
//! What is gone can have been cleaned up only if it was there: Jobs count once a Sync that applied them got as far as
//! waiting for health. Until what is asked for changes, such a Job is neither missed nor run again.

use std::collections::{BTreeMap, BTreeSet};

use tiphys_api::Phase;
use tiphys_engine::{Digest, InventoryEntry};
use tiphys_manifest::{Manifest, ObjectId};

use super::Error;
use super::state::{Applied, State};

/// Jobs that were applied and may be cleaned up, with what was asked for.
#[derive(Clone, Debug, Default)]
pub struct DoneJobs(BTreeMap<ObjectId, Digest>);

impl DoneJobs {
    /// Whether the absence of an object only means that it is done.
    pub fn contains(&self, id: &ObjectId, entry: &InventoryEntry) -> bool {
        self.0.get(id).is_some_and(|desired| *desired == entry.desired)
    }

    /// All of them, for a plan.
    pub fn ids(&self) -> BTreeSet<ObjectId> {
        self.0.keys().cloned().collect()
    }
}

/// Everything of the rendering was applied.
pub fn note(state: &mut State) -> Result<(), Error> {
    state.done_jobs = state.applied.as_ref().map(find).transpose()?.unwrap_or_default();
    Ok(())
}

/// What was applied was found out anew, by a Sync in this phase.
pub fn note_loaded(state: &mut State, phase: Phase) -> Result<(), Error> {
    if matches!(phase, Phase::Waiting | Phase::Succeeded) { note(state) } else { Ok(()) }
}

fn find(applied: &Applied) -> Result<DoneJobs, Error> {
    let is_job = |id: &ObjectId| id.group == "batch" && id.kind == "Job";
    if !applied.inventory.iter().any(|(id, _)| is_job(id)) {
        return Ok(DoneJobs::default());
    }
    let cleaned_up = |it: &&Manifest| {
        let spec = it.object().get("spec");
        spec.and_then(|spec| spec.get("ttlSecondsAfterFinished")).is_some_and(|it| !it.is_null())
    };
    let manifests = applied.snapshot()?.manifests;
    let jobs = manifests.iter().filter(|it| is_job(&it.id())).filter(cleaned_up).map(Manifest::id);
    Ok(DoneJobs(jobs.filter_map(|id| Some((id.clone(), applied.inventory.get(&id)?.desired))).collect()))
}
