use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use tiphys_api::{APPLICATION_LABEL, IgnoreDifference, OWNER_ANNOTATION, RECREATE_ANNOTATION};
use tiphys_manifest::{GroupVersionKind, Manifest, ObjectId};

use super::check::{Checked, Question, Surroundings};
use super::prune::{Pruning, Removal};
use super::{Plan, Policy, Recreate, Refusal, Tracking, Unchanged, finish};
use crate::digest::Digest;
use crate::error::Class;
use crate::ignore;
use crate::inventory::Inventory;
use crate::live_object::LiveObject;
use crate::tracking::{self, Claim, Owner};

/// What the live cache knows about an object.
#[derive(Clone, Debug)]
pub enum Live {
    /// It is there and carries somebody's mark.
    Present(Arc<LiveObject>),
    /// It is not there, or carries nobody's mark.
    Absent,
    /// Nobody can say: the server behind its kind does not answer.
    Unknown,
}

impl From<Option<Arc<LiveObject>>> for Live {
    fn from(object: Option<Arc<LiveObject>>) -> Self {
        object.map_or(Self::Absent, Self::Present)
    }
}

impl Live {
    /// The object, if it is known to be there.
    pub fn present(&self) -> Option<&Arc<LiveObject>> {
        match self {
            Self::Present(live) => Some(live),
            Self::Absent | Self::Unknown => None,
        }
    }
}

/// What a plan is made from.
pub struct DraftInput<'a> {
    /// The Application that the objects belong to.
    pub owner: &'a Owner,
    /// The rendering: namespaces are set where kinds have them, and no object comes twice. Marks are put on here.
    pub manifests: Vec<Manifest>,
    /// Objects that only have to exist, such as the destination's namespace. Left out where `manifests` has them.
    pub ensure: Vec<Manifest>,
    /// Fields that others may own.
    pub ignore: &'a [IgnoreDifference],
    /// What the live cache knows.
    pub live: &'a dyn Fn(&ObjectId) -> Live,
    /// What was applied before.
    pub inventory: &'a Inventory,
    /// What the plan may do.
    pub policy: Policy,
}

/// A plan before the API server was asked.
pub struct Draft {
    pub(super) owner: Owner,
    pub(super) policy: Policy,
    /// In the order of applying; what is asked about is already without ignored fields.
    manifests: Vec<Manifest>,
    pub(super) items: Vec<Item>,
    pub(super) unchanged: Vec<Unchanged>,
    pub(super) refusals: Vec<Refusal>,
    pub(super) pruning: Pruning,
    pub(super) inventory_size: usize,
    pub(super) rendering_is_empty: bool,
    namespaces: BTreeSet<String>,
    definitions: BTreeSet<(String, String)>,
}

/// An object that has to be asked about.
pub(super) struct Item {
    pub(super) id: ObjectId,
    pub(super) index: usize,
    pub(super) tracking: Tracking,
    pub(super) live: Option<Arc<LiveObject>>,
    pub(super) desired: Digest,
    pub(super) recreate: bool,
    /// Whether it was applied before.
    pub(super) known: bool,
    /// Fields that others may own.
    ignore: Vec<IgnoreDifference>,
}

/// What comparing one manifest with what is known says.
enum Verdict {
    Unchanged(Unchanged),
    Ask(Item),
    Refuse(Refusal),
    NotSelected,
}

impl Draft {
    /// Compares the rendering with what is known, without asking the API server.
    pub fn new(input: DraftInput<'_>) -> Self {
        let (manifests, owned) = arrange(input.manifests, input.ensure, input.owner);
        let mut draft = Self {
            owner: input.owner.clone(),
            policy: input.policy,
            items: Vec::new(),
            unchanged: Vec::new(),
            refusals: Vec::new(),
            pruning: Pruning::default(),
            inventory_size: input.inventory.len(),
            rendering_is_empty: owned.is_empty(),
            namespaces: namespaces_in(&manifests),
            definitions: definitions_in(&manifests),
            manifests,
        };
        for index in 0..draft.manifests.len() {
            let verdict = draft.judge(index, &owned, input.ignore, input.live, input.inventory);
            match verdict {
                Verdict::Unchanged(unchanged) => draft.unchanged.push(unchanged),
                Verdict::Ask(item) => draft.items.push(item),
                Verdict::Refuse(refusal) => draft.refusals.push(refusal),
                Verdict::NotSelected => {}
            }
        }
        let uids = live_uids(&owned, input.live);
        draft.pruning = Pruning::find(&Removal {
            owner_label: &draft.owner.label_value(),
            policy: &draft.policy,
            inventory: input.inventory,
            live: input.live,
            rendering: &owned,
            uids: &uids,
        });
        draft
    }

    /// The manifests in the order of applying, as they would be applied: marked, and without the fields that others
    /// may own. Steps refer to them by their place.
    pub fn manifests(&self) -> &[Manifest] {
        &self.manifests
    }

    /// The manifests, by themselves.
    pub fn into_manifests(self) -> Vec<Manifest> {
        self.manifests
    }

    /// What the API server has to be asked about, in the order of applying.
    pub fn questions(&self) -> impl Iterator<Item = Question<'_>> {
        self.items.iter().filter_map(|item| {
            let manifest = self.manifests.get(item.index)?;
            let namespace = item.id.namespace.as_ref();
            Some(Question {
                id: &item.id,
                manifest,
                index: item.index,
                tracking: item.tracking,
                live: item.live.as_ref(),
                surroundings: Surroundings {
                    namespace: namespace.is_some_and(|it| self.namespaces.contains(it)),
                    definition: self.definitions.contains(&(item.id.group.clone(), item.id.kind.clone())),
                },
                try_creating: item.recreate,
            })
        })
    }

    /// Objects that are about to be asked about, have fields that others may own, and are not in the live cache. They
    /// may exist without our mark: tell the draft with [`Draft::see`] what is there, before asking.
    pub fn unseen(&self) -> impl Iterator<Item = (&ObjectId, &GroupVersionKind)> {
        self.items
            .iter()
            .filter(|item| item.live.is_none() && !item.ignore.is_empty())
            .filter_map(|item| Some((&item.id, self.manifests.get(item.index)?.gvk())))
    }

    /// Takes note of a live object that carries nobody's mark: its ignored fields are left alone.
    pub fn see(&mut self, id: &ObjectId, live: &Value) {
        let Some(item) = self.items.iter().find(|item| item.id == *id) else {
            return;
        };
        if let Some(manifest) = self.manifests.get_mut(item.index) {
            let rules: Vec<_> = item.ignore.iter().collect();
            leave_alone(manifest, &rules, live, &self.owner);
        }
    }

    /// CustomResourceDefinitions that would be pruned. Unless the answer about one is [`Checked::NoObjects`], pruning
    /// it has to be confirmed.
    pub fn definitions_to_prune(&self) -> impl Iterator<Item = &ObjectId> {
        self.pruning.prunes.iter().map(|prune| &prune.id).filter(|id| is_definition(id))
    }

    /// Makes the plan, given what the API server said about each of [`Draft::questions`].
    pub fn finish(&self, checks: &BTreeMap<ObjectId, Checked>) -> Plan {
        finish::finish(self, checks)
    }

    fn judge(
        &mut self,
        index: usize,
        owned: &BTreeSet<ObjectId>,
        rules: &[IgnoreDifference],
        live: &dyn Fn(&ObjectId) -> Live,
        inventory: &Inventory,
    ) -> Verdict {
        let Some(manifest) = self.manifests.get_mut(index) else {
            return Verdict::NotSelected;
        };
        let id = manifest.id();
        let tracking = if owned.contains(&id) { Tracking::Owned } else { Tracking::Unowned };
        if tracking == Tracking::Owned && !self.policy.selection.includes(&id) {
            return Verdict::NotSelected;
        }
        let live = live(&id).present().cloned();
        let rules = ignore::matching(rules, &id);
        let desired = Digest::of_json(&(manifest.object(), &rules));
        if tracking == Tracking::Unowned && live.is_some() {
            return Verdict::NotSelected;
        }
        if let Some(live) = &live {
            if let Some(refusal) = foreign(&self.owner, manifest, live) {
                return Verdict::Refuse(refusal);
            }
            if is_settled(inventory, manifest, live, desired) {
                return Verdict::Unchanged(Unchanged {
                    version: manifest.gvk().version.clone(),
                    id,
                    desired,
                    live: live.projection,
                });
            }
        }
        if live.is_none()
            && self.policy.done.contains(&id)
            && let Some(entry) = inventory.get(&id).filter(|it| it.desired == desired)
        {
            let version = entry.version.clone();
            return Verdict::Unchanged(Unchanged { id, version, desired, live: entry.live });
        }
        let recreate = self.policy.recreate == Recreate::All
            || manifest.annotation(RECREATE_ANNOTATION) == Some("Allowed");
        let known = inventory.contains(&id);
        if !rules.is_empty()
            && let Some(live) = &live
        {
            match live.object() {
                Ok(object) => leave_alone(manifest, &rules, &object, &self.owner),
                Err(error) => return Verdict::Refuse(refusal(manifest, error.class(), error.to_string())),
            }
        }
        Verdict::Ask(Item {
            id,
            index,
            tracking,
            live,
            desired,
            recreate,
            known,
            ignore: rules.into_iter().cloned().collect(),
        })
    }
}

/// The objects of the rendering, by the uids of their live objects.
fn live_uids(owned: &BTreeSet<ObjectId>, live: &dyn Fn(&ObjectId) -> Live) -> BTreeMap<String, ObjectId> {
    owned.iter().filter_map(|id| Some((live(id).present()?.uid.clone(), id.clone()))).collect()
}

/// Takes out of a manifest what others may own of the live object; the mark stays on.
fn leave_alone(manifest: &mut Manifest, rules: &[&IgnoreDifference], live: &Value, owner: &Owner) {
    *manifest = ignore::strip(rules, manifest.clone(), Some(live));
    tracking::mark(manifest, owner);
}

/// Marks what is owned, adds what has to exist, and sorts all for applying. Also gives the owned ids.
fn arrange(
    manifests: Vec<Manifest>,
    ensure: Vec<Manifest>,
    owner: &Owner,
) -> (Vec<Manifest>, BTreeSet<ObjectId>) {
    let mut manifests: Vec<_> = manifests.into_iter().map(fold_string_data).collect();
    for manifest in &mut manifests {
        tracking::mark(manifest, owner);
    }
    let owned: BTreeSet<_> = manifests.iter().map(Manifest::id).collect();
    manifests.extend(ensure.into_iter().filter(|manifest| !owned.contains(&manifest.id())));
    manifests.sort_by_cached_key(Manifest::id);
    manifests.sort_by(|left, right| tiphys_manifest::order::compare_for_apply(&left.id(), &right.id()));
    (manifests, owned)
}

/// Writes the `stringData` of a Secret as `data`.
///
/// The API server does so too, but then does not know any more who owns which key: keys that leave the rendering would
/// stay in the Secret, and drift would not be seen.
fn fold_string_data(manifest: Manifest) -> Manifest {
    let is_secret = manifest.gvk().group.is_empty() && manifest.gvk().kind == "Secret";
    let Some(Value::Object(texts)) = manifest.object().get("stringData").filter(|_| is_secret) else {
        return manifest;
    };
    let mut data = match manifest.object().get("data") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(data)) => data.clone(),
        // What is wrong with it, the API server says better.
        Some(_) => return manifest,
    };
    for (key, value) in texts {
        let Value::String(text) = value else {
            return manifest;
        };
        data.insert(key.clone(), STANDARD.encode(text).into());
    }
    let original = manifest.clone();
    let folded = manifest.edit(|object| {
        object.remove("stringData");
        object.insert("data".to_owned(), Value::Object(data));
    });
    folded.unwrap_or(original)
}

/// Whether nothing changed since the object was last applied: neither what is asked for nor what is live.
fn is_settled(inventory: &Inventory, manifest: &Manifest, live: &LiveObject, desired: Digest) -> bool {
    inventory.get(&manifest.id()).is_some_and(|entry| {
        entry.desired == desired
            && entry.version == manifest.gvk().version
            && entry.live.is_some()
            && entry.live == live.projection
            && !live.deleting
    })
}

/// Why an object that another Application has cannot be applied.
fn foreign(owner: &Owner, manifest: &Manifest, live: &LiveObject) -> Option<Refusal> {
    if live.owner_label.as_deref() == Some(owner.label_value().as_str()) {
        return None;
    }
    match live.object() {
        Ok(object) => conflict(owner, manifest, &object),
        Err(error) => Some(refusal(manifest, error.class(), error.to_string())),
    }
}

/// Why a live object is not ours to change, if it is not.
pub(super) fn conflict(owner: &Owner, manifest: &Manifest, live: &Value) -> Option<Refusal> {
    let Claim::Other { words } = tracking::claim(live, owner) else {
        return None;
    };
    Some(refusal(
        manifest,
        Class::Conflict,
        format!(
            "it belongs to {words}: remove it from one of the two, or take the label {APPLICATION_LABEL} and the \
             annotation {OWNER_ANNOTATION} off the live object to hand it over"
        ),
    ))
}

pub(super) fn refusal(manifest: &Manifest, class: Class, message: String) -> Refusal {
    Refusal { id: manifest.id(), origin: Some(manifest.origin().clone()), class, message }
}

pub(super) fn is_definition(id: &ObjectId) -> bool {
    id.group == "apiextensions.k8s.io" && id.kind == "CustomResourceDefinition"
}

fn namespaces_in(manifests: &[Manifest]) -> BTreeSet<String> {
    manifests
        .iter()
        .filter(|manifest| manifest.gvk().group.is_empty() && manifest.gvk().kind == "Namespace")
        .map(|manifest| manifest.name().to_owned())
        .collect()
}

fn definitions_in(manifests: &[Manifest]) -> BTreeSet<(String, String)> {
    manifests
        .iter()
        .filter(|manifest| is_definition(&manifest.id()))
        .filter_map(|manifest| {
            let spec = manifest.object().get("spec")?;
            let kind = spec.get("names")?.get("kind")?;
            Some((spec.get("group")?.as_str()?.to_owned(), kind.as_str()?.to_owned()))
        })
        .collect()
}
