//! Deletes everything that an Application applied: what deleting the Application itself may ask for.
//!
//! It is the plan of an empty rendering, run in the reverse order of applying and waited for until everything is gone.
//! It can be called again and again: what is gone is gone, what is being deleted is waited for, and what was left over
//! is named together with what it waits for.

use std::collections::BTreeMap;

use tiphys_api::Outcome;
use tiphys_manifest::ObjectId;

use crate::apply::{ApplyOptions, Deletions, Progress, apply};
use crate::cluster::Cluster;
use crate::error::Error;
use crate::inventory::Inventory;
use crate::plan::{Draft, DraftInput, KeptWhy, Live, Policy, Prune};
use crate::tracking::Owner;

/// What is left of an Application's objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deletion {
    /// Objects that are still there and have to go, with what they wait for.
    pub remaining: Vec<(ObjectId, String)>,
    /// Objects that stay, because an annotation on them says so or they are no longer ours.
    pub kept: Vec<ObjectId>,
}

impl Deletion {
    /// Whether everything that has to go is gone.
    pub fn is_complete(&self) -> bool {
        self.remaining.is_empty()
    }
}

/// Deletes everything in the inventory that still carries the owner's mark, and waits until it is gone or the deadline
/// has passed.
pub async fn delete_all(
    cluster: &Cluster,
    owner: &Owner,
    inventory: &Inventory,
    options: &ApplyOptions,
    progress: Progress<'_>,
) -> Result<Deletion, Error> {
    cluster.watch(inventory.kinds().iter(), options.deadline).await?;
    let draft = Draft::new(DraftInput {
        owner,
        manifests: Vec::new(),
        ensure: Vec::new(),
        ignore: &[],
        live: &|id| cluster.live(id),
        inventory,
        policy: Policy { prune: Prune::Enabled, ..Policy::default() },
    });
    let plan = draft.finish(&BTreeMap::new());
    let options = ApplyOptions { deletions: Deletions::Complete, ..*options };
    let report = apply(cluster, &plan, &[], inventory, &options, progress).await;
    let mut deletion = Deletion::default();
    for (step, result) in plan.steps.iter().zip(report.results) {
        if result.outcome != Outcome::Applied {
            let why = result.message.unwrap_or_default();
            deletion.remaining.push((step.id.clone(), why));
        }
    }
    for kept in plan.kept {
        match kept.why {
            KeptWhy::Deleting if await_gone(cluster, &kept.id, &options).await => {}
            KeptWhy::Deleting => deletion.remaining.push((kept.id, "it waits for its finalizers".to_owned())),
            KeptWhy::Unknown => {
                let why = "the server behind its kind does not answer".to_owned();
                deletion.remaining.push((kept.id, why));
            }
            KeptWhy::PruneDisabled
            | KeptWhy::Annotated { .. }
            | KeptWhy::Renamed { .. }
            | KeptWhy::Unreadable => deletion.kept.push(kept.id),
        }
    }
    Ok(deletion)
}

/// Waits for an object whose deletion somebody asked for before.
async fn await_gone(cluster: &Cluster, id: &ObjectId, options: &ApplyOptions) -> bool {
    let Live::Present(live) = cluster.live(id) else {
        return true;
    };
    let uid = live.uid.clone();
    let gone = |live: Option<&crate::LiveObject>| live.is_none_or(|live| live.uid != uid);
    cluster.live.wait_for(id, options.deadline, gone).await
}
