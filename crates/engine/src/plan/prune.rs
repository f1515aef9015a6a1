use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tiphys_api::PRUNE_ANNOTATION;
use tiphys_manifest::ObjectId;
use tiphys_manifest::order::compare_for_prune;

use super::draft::Live;
use super::{Kept, KeptWhy, Policy, Prune};
use crate::inventory::Inventory;
use crate::live_object::LiveObject;
use crate::order::wave_of_live;

/// Annotations on a live object that forbid to prune it, in our words and in those that charts carry for others.
const KEEP: &[(&str, &str)] = &[
    (PRUNE_ANNOTATION, "Disabled"),
    ("argocd.argoproj.io/sync-options", "Prune=false"),
    ("kustomize.toolkit.fluxcd.io/prune", "disabled"),
    ("helm.sh/resource-policy", "keep"),
];

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
                    Ok(wave) => found.prunes.push(Pruned { wave, live }),
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

/// The wave of an object that is to be deleted, or why it stays.
fn judge(removal: &Removal<'_>, live: &LiveObject) -> Result<i32, KeptWhy> {
    if let Some(to) = removal.uids.get(&live.uid).filter(|_| !live.uid.is_empty()) {
        return Err(KeptWhy::Renamed { to: to.clone() });
    }
    if live.deleting {
        return Err(KeptWhy::Deleting);
    }
    let object = live.object().map_err(|_| KeptWhy::Unreadable)?;
    let annotations = object.pointer("/metadata/annotations");
    let kept = KEEP.iter().find(|(key, value)| {
        annotations
            .and_then(|annotations| annotations.get(key)?.as_str())
            // Argo CD's options come as a list with commas.
            .is_some_and(|text| text.split(',').any(|option| option.trim() == *value))
    });
    match kept {
        Some((key, value)) => Err(KeptWhy::Annotated { annotation: format!("{key}: {value}") }),
        None if removal.policy.prune == Prune::Disabled => Err(KeptWhy::PruneDisabled),
        None => Ok(wave_of_live(&object)),
    }
}
