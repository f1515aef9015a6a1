//! Runs a plan: rank after rank, the steps of one rank at the same time.
//!
//! No request is made that the plan does not need: one for each object that is created, changed or deleted, one more
//! where ownership is taken over from kubectl or where an object is deleted before it is created again. Waiting (for a
//! definition to be established, for an object to be gone) is done on watch events.
//!
//! The first rank in which something fails is the last one that is tried. Dropping the future stops at once; what was
//! written stays written and is found as such by the next plan, since applying is idempotent and every deletion names
//! the uid that it means.

mod step;
mod wait;

use futures::{FutureExt as _, StreamExt as _};
use tiphys_api::{ObjectResult, Outcome};
use tiphys_manifest::{Manifest, ObjectId};
use tokio::time::Instant;

use self::step::{Done, Runner};
use crate::cluster::Cluster;
use crate::inventory::{Inventory, InventoryEntry};
use crate::plan::{Plan, Step, Tracking};

/// How a plan is run.
#[derive(Clone, Copy, Debug)]
pub struct ApplyOptions {
    /// Steps under way at once.
    pub concurrency: usize,
    /// When to give up.
    pub deadline: Instant,
    /// What deletions wait for.
    pub deletions: Deletions,
}

/// What deletions wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deletions {
    /// The objects of a rank are gone before those of the next are deleted; the last ones may still wait for their
    /// finalizers when the run ends.
    #[default]
    InOrder,
    /// Everything is gone when the run ends.
    Complete,
}

/// What came of a plan.
#[derive(Clone, Debug)]
pub struct ApplyReport {
    /// What became of each object, in the order of the plan.
    pub results: Vec<ObjectResult>,
    /// What the Application has applied and may prune now.
    pub inventory: Inventory,
    /// What was deleted and was not gone at once.
    pub leaving: Vec<Leaving>,
}

/// An object whose deletion was asked for and that may still be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// Which one.
    pub id: ObjectId,
    /// Its uid: another one of the same name is not meant.
    pub uid: Option<String>,
}

impl ApplyReport {
    /// Whether every step was done.
    pub fn succeeded(&self) -> bool {
        self.results.iter().all(|result| result.outcome == Outcome::Applied)
    }

    /// The steps that failed.
    pub fn failures(&self) -> impl Iterator<Item = &ObjectResult> {
        self.results.iter().filter(|result| result.outcome == Outcome::Failed)
    }
}

/// Told of each result as it comes.
pub type Progress<'a> = &'a (dyn Fn(&ObjectResult) + Send + Sync);

/// What the inventory is if the plan runs to its end as foretold.
///
/// Recorded before the plan runs, it makes sure that whatever a run leaves behind can be pruned, wherever it is killed.
/// Objects that are to be pruned stay in it until they are known to be gone.
pub fn planned_inventory(plan: &Plan, before: &Inventory) -> Inventory {
    let mut inventory = before.clone();
    for id in &plan.gone {
        inventory.forget(id);
    }
    for object in &plan.unchanged {
        let entry =
            InventoryEntry { version: object.version.clone(), desired: object.desired, live: object.live };
        inventory.insert(object.id.clone(), entry);
    }
    for step in plan.steps.iter().filter(|step| step.tracking == Tracking::Owned) {
        if let Some(desired) = step.desired {
            let entry = InventoryEntry { version: step.version.clone(), desired, live: step.predicted };
            inventory.insert(step.id.clone(), entry);
        }
    }
    inventory
}

/// Runs a plan. Whether it may run ([`Plan::may_run`]) was asked before.
///
/// `manifests` are those of the draft that the plan was made from.
pub async fn apply(
    cluster: &Cluster,
    plan: &Plan,
    manifests: &[Manifest],
    before: &Inventory,
    options: &ApplyOptions,
    progress: Progress<'_>,
) -> ApplyReport {
    let runner = Runner::new(cluster, manifests, options);
    let mut report = ApplyReport {
        results: Vec::with_capacity(plan.steps.len()),
        inventory: planned_inventory(plan, before),
        leaving: Vec::new(),
    };
    let mut failed: Option<ObjectId> = None;
    let ranks: Vec<_> = plan.steps.chunk_by(|left, right| left.rank == right.rank).collect();
    for (number, rank) in ranks.iter().enumerate() {
        if let Some(failed) = &failed {
            report.results.extend(rank.iter().map(|step| skipped(step, failed, progress)));
            continue;
        }
        let last = number + 1 == ranks.len();
        for (step, done) in rank.iter().zip(run_rank(&runner, rank, last, progress).await) {
            done.note_in(&mut report.inventory, step);
            if done.is_pending() {
                report.leaving.push(Leaving { id: step.id.clone(), uid: step.uid.clone() });
            }
            if done.result.outcome == Outcome::Failed {
                failed.get_or_insert_with(|| step.id.clone());
            }
            report.results.push(done.result);
        }
    }
    report
}

/// Runs the steps of one rank, and gives what came of each, in their order.
async fn run_rank(runner: &Runner<'_>, rank: &[Step], is_last: bool, progress: Progress<'_>) -> Vec<Done> {
    let concurrency = runner.options.concurrency.max(1);
    // Boxed, because the compiler cannot see that a stream of closures over borrowed steps is `Send`.
    let running: Vec<_> = rank
        .iter()
        .enumerate()
        .map(|(place, step)| run_step(runner, place, step, progress).boxed())
        .collect();
    let mut done: Vec<_> = futures::stream::iter(running).buffer_unordered(concurrency).collect().await;
    done.sort_by_key(|(place, _)| *place);
    let mut done: Vec<_> = done.into_iter().map(|(_, done)| done).collect();
    // All deletions of the rank are asked for by now: waiting for them takes no turn from anybody.
    let wait = !is_last || runner.options.deletions == Deletions::Complete;
    let waiting = rank.iter().zip(&mut done).filter(|(_, done)| done.is_pending());
    futures::future::join_all(waiting.map(|(step, done)| async move {
        if wait {
            runner.finish_deletion(step, done).await;
        }
        progress(&done.result);
    }))
    .await;
    done
}

async fn run_step(runner: &Runner<'_>, place: usize, step: &Step, progress: Progress<'_>) -> (usize, Done) {
    let done = runner.run(step).await;
    if !done.is_pending() {
        progress(&done.result);
    }
    (place, done)
}

fn skipped(step: &Step, failed: &ObjectId, progress: Progress<'_>) -> ObjectResult {
    let result = step::result(step, Outcome::Skipped, Some(format!("not tried, because {failed} failed")));
    progress(&result);
    result
}
