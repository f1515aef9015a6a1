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
use crate::digest::Digest;
use crate::error::Error;
use crate::inventory::Inventory;
use crate::plan::{Draft, DraftInput, GuardKind, Handover, KeptWhy, Live, Policy, Prune, Removing};
use crate::tracking::Owner;

/// What is left of an Application's objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deletion {
    /// Objects that are still there and have to go, with what they wait for.
    pub remaining: Vec<(ObjectId, String)>,
    /// Objects that stay, because an annotation says so or another Application takes them over.
    pub kept: Vec<ObjectId>,
    /// Why nothing at all was deleted: objects whose annotations ask for confirmation, and what to confirm with.
    pub unconfirmed: Option<(Vec<ObjectId>, String)>,
}

/// What is asked for beside the inventory.
#[derive(Clone, Debug, Default)]
pub struct DeletionWishes {
    /// Objects that stay because the annotation, `key: value`, of their last manifest says so.
    pub keep: BTreeMap<ObjectId, String>,
    /// Objects that another Application has in its rendering, by its name in words.
    pub wanted: BTreeMap<ObjectId, String>,
    /// What somebody confirmed.
    pub confirmed: Option<String>,
}

impl Deletion {
    /// Whether everything that has to go is gone.
    pub fn is_complete(&self) -> bool {
        self.remaining.is_empty() && self.unconfirmed.is_none()
    }
}

/// Deletes everything in the inventory that still carries the owner's mark, and waits until it is gone or the deadline
/// has passed.
pub async fn delete_all(
    cluster: &Cluster,
    owner: &Owner,
    inventory: &Inventory,
    wishes: &DeletionWishes,
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
        policy: Policy {
            prune: Prune::Enabled,
            removing: Removing::WithApplication,
            keep: wishes.keep.clone(),
            handover: Handover { wanted: wishes.wanted.clone(), ..Handover::default() },
            ..Policy::default()
        },
    });
    let plan = draft.finish(&BTreeMap::new());
    let digest = deletion_digest(owner, inventory);
    let asks = plan.guards.iter().find(|guard| guard.kind == GuardKind::Annotated);
    if let Some(guard) = asks.filter(|_| wishes.confirmed.as_ref() != Some(&digest)) {
        let unconfirmed = Some((guard.objects.clone(), digest));
        return Ok(Deletion { unconfirmed, ..Deletion::default() });
    }
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
            | KeptWhy::HandedOver { .. }
            | KeptWhy::Annotated { .. }
            | KeptWhy::Renamed { .. }
            | KeptWhy::Unreadable => deletion.kept.push(kept.id),
        }
    }
    Ok(deletion)
}

/// Names the deletion of everything that an Application has applied. It stays the same while objects go one by one.
fn deletion_digest(owner: &Owner, inventory: &Inventory) -> String {
    let objects: Vec<_> = inventory.iter().map(|(id, _)| id.to_string()).collect();
    Digest::of_json(&(owner.label_value(), objects)).to_string()
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
