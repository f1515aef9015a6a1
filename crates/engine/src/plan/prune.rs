use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tiphys_manifest::ObjectId;
use tiphys_manifest::order::compare_for_prune;

use super::draft::Live;
use super::keep::{Wish, wish};
use super::{Kept, KeptWhy, Policy, Prune};
use crate::inventory::Inventory;
use crate::live_object::LiveObject;
use crate::order::wave_of_live;

/// What becomes of the objects that are no longer in the rendering.
#[derive(Default)]
pub(super) struct Pruning {
    /// To be deleted, in this order: the highest wave first, in it the reverse of the order of applying.
    pub(super) prunes: Vec<Pruned>,
    pub(super) kept: Vec<Kept>,
    pub(super) gone: Vec<ObjectId>,
}

/// An object that is to be deleted.
pub(super) struct Pruned {
    /// Its wave, as its annotations say.
    pub(super) wave: i32,
    pub(super) live: Arc<LiveObject>,
    /// Whether an annotation asks for confirmation before it is deleted.
    pub(super) asks: bool,
}

/// What is asked for.
pub(super) struct Removal<'a> {
    pub(super) owner_label: &'a str,
    pub(super) policy: &'a Policy,
    pub(super) inventory: &'a Inventory,
    pub(super) live: &'a dyn Fn(&ObjectId) -> Live,
    /// The objects of the rendering, selected or not.
    pub(super) rendering: &'a BTreeSet<ObjectId>,
    /// Hooks of the rendering: what became one is no longer ours to prune.
    pub(super) hooks: &'a BTreeSet<ObjectId>,
    /// The objects of the rendering, by the uids of their live objects.
    pub(super) uids: &'a BTreeMap<String, ObjectId>,
}

impl Pruning {
    /// Goes through the inventory: nothing else is ever pruned.
    pub(super) fn find(removal: &Removal<'_>) -> Self {
        let mut found = Self::default();
        let candidates = removal
            .inventory
            .iter()
            .map(|(id, _)| id)
            .filter(|id| !removal.rendering.contains(*id) && removal.policy.selection.includes(id));
        for id in candidates {
            match (removal.live)(id) {
                Live::Absent => found.gone.push(id.clone()),
                Live::Present(_) if removal.hooks.contains(id) => found.gone.push(id.clone()),
                Live::Unknown => found.keep(id, KeptWhy::Unknown),
                // The mark was taken off, or another Application has put its own on: it is not ours any more.
                Live::Present(live) if live.owner_label.as_deref() != Some(removal.owner_label) => {
                    found.gone.push(id.clone());
                }
                Live::Present(live) => match judge(removal, &live) {
                    Err(why) => found.keep(id, why),
                    Ok((wave, asks)) => found.prunes.push(Pruned { wave, live, asks }),
                },
            }
        }
        found.prunes.sort_by(|left, right| {
            let by_kind = || compare_for_prune(&left.live.id, &right.live.id);
            right.wave.cmp(&left.wave).then_with(by_kind)
        });
        found
    }

    fn keep(&mut self, id: &ObjectId, why: KeptWhy) {
        self.kept.push(Kept { id: id.clone(), why });
    }
}

/// The wave of an object that is to be deleted and whether an annotation asks for confirmation, or why it stays.
fn judge(removal: &Removal<'_>, live: &LiveObject) -> Result<(i32, bool), KeptWhy> {
    let policy = removal.policy;
    if let Some(to) = removal.uids.get(&live.uid).filter(|_| !live.uid.is_empty()) {
        return Err(KeptWhy::Renamed { to: to.clone() });
    }
    if let Some(to) = policy.handover.wanted.get(&live.id) {
        return Err(KeptWhy::HandedOver { to: to.clone() });
    }
    if live.deleting {
        return Err(KeptWhy::Deleting);
    }
    let object = live.object().map_err(|_| KeptWhy::Unreadable)?;
    let asks = match wish(&object, policy.removing) {
        Some(Wish::Keep(annotation)) => return Err(KeptWhy::Annotated { annotation }),
        wish => wish.is_some(),
    };
    if let Some(annotation) = policy.keep.get(&live.id) {
        return Err(KeptWhy::Annotated { annotation: annotation.clone() });
    }
    match policy.prune {
        Prune::Disabled => Err(KeptWhy::PruneDisabled),
        Prune::Enabled => Ok((wave_of_live(&object), asks)),
    }
}
