use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tiphys_api::PRUNE_ANNOTATION;
use tiphys_manifest::{ObjectId, order};

use super::draft::Live;
use super::{Kept, KeptWhy, Policy, Prune};
use crate::inventory::Inventory;
use crate::live_object::LiveObject;

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
    /// To be deleted, in this order.
    pub(super) prunes: Vec<Arc<LiveObject>>,
    pub(super) kept: Vec<Kept>,
    pub(super) gone: Vec<ObjectId>,
}

/// What is asked for.
pub(super) struct Removal<'a> {
    pub(super) owner_label: &'a str,
    pub(super) policy: &'a Policy,
    pub(super) inventory: &'a Inventory,
    pub(super) live: &'a dyn Fn(&ObjectId) -> Live,
    /// The objects of the rendering, selected or not.
    pub(super) rendering: &'a BTreeSet<ObjectId>,
    /// The same, by the uids of their live objects.
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
                Live::Unknown => found.keep(id, KeptWhy::Unknown),
                // The mark was taken off, or another Application has put its own on: it is not ours any more.
                Live::Present(live) if live.owner_label.as_deref() != Some(removal.owner_label) => {
                    found.gone.push(id.clone());
                }
                Live::Present(live) => match reason_to_keep(removal, &live) {
                    Some(why) => found.keep(id, why),
                    None => found.prunes.push(live),
                },
            }
        }
        found.prunes.sort_by(|left, right| order::compare_for_prune(&left.id, &right.id));
        found
    }

    fn keep(&mut self, id: &ObjectId, why: KeptWhy) {
        self.kept.push(Kept { id: id.clone(), why });
    }
}

fn reason_to_keep(removal: &Removal<'_>, live: &LiveObject) -> Option<KeptWhy> {
    if let Some(to) = removal.uids.get(&live.uid).filter(|_| !live.uid.is_empty()) {
        return Some(KeptWhy::Renamed { to: to.clone() });
    }
    if live.deleting {
        return Some(KeptWhy::Deleting);
    }
    match live.object() {
        Err(_) => return Some(KeptWhy::Unreadable),
        Ok(object) => {
            let annotations = object.pointer("/metadata/annotations");
            let kept = KEEP.iter().find(|(key, value)| {
                annotations
                    .and_then(|annotations| annotations.get(key)?.as_str())
                    // Argo CD's options come as a list with commas.
                    .is_some_and(|text| text.split(',').any(|option| option.trim() == *value))
            });
            if let Some((key, value)) = kept {
                return Some(KeptWhy::Annotated { annotation: format!("{key}: {value}") });
            }
        }
    }
    (removal.policy.prune == Prune::Disabled).then_some(KeptWhy::PruneDisabled)
}
