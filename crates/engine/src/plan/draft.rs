use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use tiphys_api::{APPLICATION_LABEL, IgnoreDifference, OWNER_ANNOTATION};
use tiphys_manifest::{GroupVersionKind, Manifest, ObjectId};

use super::arrange::{arrange, definitions_in, namespaces_in};
use super::check::{Checked, Question, Surroundings};
use super::prune::{Pruning, Removal};
use super::{HookRun, Plan, Policy, Recreate, Refusal, Replace, Tracking, Unchanged, finish};
use crate::definition::is_definition;
use crate::digest::Digest;
use crate::error::Class;
use crate::fields::FieldPath;
use crate::ignore::{self, Ignored};
use crate::inventory::Inventory;
use crate::live_object::LiveObject;
use crate::modes::{Manner, Mode};
use crate::order::{Schedule, Task, Warning};
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
    schedule: Schedule,
    pub(super) items: Vec<Item>,
    pub(super) unchanged: Vec<Unchanged>,
    pub(super) refusals: Vec<Refusal>,
    /// What in the rules of the Application has no effect.
    pub(super) warnings: Vec<Warning>,
    /// What is only to be created, was in the inventory, and does not belong to the Application any more.
    pub(super) foreign: Vec<ObjectId>,
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
    /// Place of its stage in the schedule.
    pub(super) stage: usize,
    /// When it comes in that stage.
    pub(super) rank: usize,
    pub(super) hook: Option<HookRun>,
    pub(super) tracking: Tracking,
    pub(super) live: Option<Arc<LiveObject>>,
    pub(super) desired: Digest,
    pub(super) recreate: bool,
    /// Whether it was applied before.
    pub(super) known: bool,
    /// How it is applied.
    pub(super) mode: Mode,
    /// Whether nothing of ours changed since it was last applied.
    pub(super) settled: bool,
    /// Fields that others may own.
    ignore: Vec<IgnoreDifference>,
    /// Fields that are left alone.
    left_alone: Vec<FieldPath>,
    /// The live object, when its ignored fields are not taken out yet: jq has to say first which they are.
    undecided: Option<Value>,
}

/// Asks which fields of an object the jq expressions of `ignoreDifferences` lead to.
#[derive(Debug)]
pub struct JqQuestion<'a> {
    /// The object.
    pub id: &'a ObjectId,
    /// The expressions.
    pub expressions: Vec<String>,
    /// What is desired.
    pub desired: Value,
    /// What is live.
    pub live: &'a Value,
}

/// What comparing one manifest with what is known says.
enum Verdict {
    Unchanged(Unchanged),
    Ask(Box<Item>),
    Refuse(Refusal),
    NotSelected,
}

impl Draft {
    /// Compares the rendering with what is known, without asking the API server.
    pub fn new(input: DraftInput<'_>) -> Self {
        let arranged = arrange(input.manifests, input.ensure, input.owner);
        let occasion = input.policy.hooks.as_ref().map(|run| run.occasion);
        let schedule = Schedule::new(&arranged.manifests, &arranged.ensured, occasion);
        let mut draft = Self {
            owner: input.owner.clone(),
            policy: input.policy,
            items: Vec::new(),
            unchanged: Vec::new(),
            refusals: schedule.refusals.clone(),
            warnings: Vec::new(),
            foreign: Vec::new(),
            pruning: Pruning::default(),
            inventory_size: input.inventory.len(),
            rendering_is_empty: arranged.owned.is_empty(),
            namespaces: namespaces_in(&arranged.manifests),
            definitions: definitions_in(&arranged.manifests),
            manifests: arranged.manifests,
            schedule: Schedule::default(),
        };
        let is_wanted = |stage: &usize| draft.policy.stage.is_none_or(|only| only == *stage);
        let stages = (0..schedule.stages.len()).filter(is_wanted).collect::<Vec<_>>();
        for stage in &stages {
            for task in schedule.stages.get(*stage).into_iter().flat_map(|it| &it.tasks) {
                draft.add(*stage, task, input.ignore, input.live, input.inventory);
            }
        }
        if schedule.last_of_sync().is_some_and(|last| stages.contains(&last)) {
            let uids = live_uids(&arranged.owned, input.live);
            draft.pruning = Pruning::find(&Removal {
                owner_label: &draft.owner.label_value(),
                policy: &draft.policy,
                inventory: input.inventory,
                live: input.live,
                rendering: &arranged.owned,
                hooks: &arranged.hooks,
                uids: &uids,
            });
        }
        draft.schedule = schedule;
        draft
    }

    /// In which order everything is applied.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
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
        // A hook of several phases is one object.
        let mut seen = BTreeSet::new();
        self.items.iter().filter(move |item| seen.insert(item.index)).filter_map(|item| {
            let manifest = self.manifests.get(item.index)?;
            let namespace = item.id.namespace.as_ref();
            Some(Question {
                id: &item.id,
                manifest,
                index: item.index,
                tracking: item.tracking,
                mode: item.mode,
                live: item.live.as_ref(),
                surroundings: Surroundings {
                    namespace: namespace.is_some_and(|it| self.namespaces.contains(it)),
                    definition: self.definitions.contains(&(item.id.group.clone(), item.id.kind.clone())),
                },
                deletes_first: item.hook.as_ref().is_some_and(HookRun::deletes_first),
                try_creating: item.recreate,
            })
        })
    }

    /// Objects that are about to be asked about, have fields that others may own, and are not in the live cache. They
    /// may exist without our mark: tell the draft with [`Draft::see`] what is there, before asking.
    pub fn unseen(&self) -> impl Iterator<Item = (&ObjectId, &GroupVersionKind)> {
        self.items
            .iter()
            .filter(|item| item.live.is_none() && item.leaves_fields())
            .filter_map(|item| Some((&item.id, self.manifests.get(item.index)?.gvk())))
    }

    /// Takes note of a live object that carries nobody's mark: its ignored fields are left alone.
    pub fn see(&mut self, id: &ObjectId, live: &Value) {
        let Some(item) = self.items.iter_mut().find(|item| item.id == *id) else {
            return;
        };
        if item.needs_jq() {
            item.undecided = Some(live.clone());
        } else if let Some(manifest) = self.manifests.get_mut(item.index) {
            leave_alone(manifest, &item.ignored(), live, &self.owner);
        }
    }

    /// What jq has to be asked, before the API server is.
    pub fn jq_questions(&self) -> impl Iterator<Item = JqQuestion<'_>> {
        self.items.iter().filter_map(|item| {
            let live = item.undecided.as_ref()?;
            let desired = Value::Object(self.manifests.get(item.index)?.object().clone());
            let expressions = ignore::expressions(&item.ignore).cloned().collect();
            Some(JqQuestion { id: &item.id, expressions, desired, live })
        })
    }

    /// Takes in what jq said about one of [`Draft::jq_questions`]: the fields in what is desired and in what is live.
    pub fn jq_answer(&mut self, id: &ObjectId, in_desired: Vec<FieldPath>, in_live: Vec<FieldPath>) {
        let Some(item) = self.items.iter_mut().find(|item| item.id == *id) else {
            return;
        };
        let (Some(live), Some(manifest)) = (item.undecided.take(), self.manifests.get_mut(item.index)) else {
            return;
        };
        let ignored = Ignored { in_desired, in_live, ..item.ignored() };
        leave_alone(manifest, &ignored, &live, &self.owner);
    }

    /// Takes note that a rule of `ignoreDifferences` did not do all that it may have been meant to do.
    pub fn warn(&mut self, id: &ObjectId, message: String) {
        let manifest = self.items.iter().find(|item| item.id == *id);
        if let Some(manifest) = manifest.and_then(|item| self.manifests.get(item.index)) {
            let origin = manifest.origin().clone();
            self.warnings.push(Warning { id: id.clone(), origin, message });
        }
    }

    /// Refuses an object, of which it cannot be said what may be written.
    pub fn refuse(&mut self, id: &ObjectId, class: Class, message: String) {
        let Some(place) = self.items.iter().position(|item| item.id == *id) else {
            return;
        };
        let item = self.items.remove(place);
        if let Some(manifest) = self.manifests.get(item.index) {
            self.refusals.push(refusal(manifest, class, message));
        }
    }

    /// CustomResourceDefinitions that would be pruned. Unless the answer about one is [`Checked::NoObjects`], pruning
    /// it has to be confirmed.
    pub fn definitions_to_prune(&self) -> impl Iterator<Item = &ObjectId> {
        self.pruning.prunes.iter().map(|prune| &prune.live.id).filter(|id| is_definition(id))
    }

    /// Everything that would be pruned, in the version of its API in which it is live.
    pub fn objects_to_prune(&self) -> impl Iterator<Item = &Arc<LiveObject>> {
        self.pruning.prunes.iter().map(|prune| &prune.live)
    }

    /// Makes the plan, given what the API server said about each of [`Draft::questions`].
    pub fn finish(&self, checks: &BTreeMap<ObjectId, Checked>) -> Plan {
        finish::finish(self, checks)
    }

    /// Adds one task of the schedule.
    fn add(
        &mut self,
        stage: usize,
        task: &Task,
        rules: &[IgnoreDifference],
        live: &dyn Fn(&ObjectId) -> Live,
        inventory: &Inventory,
    ) {
        let Some(manifest) = self.manifests.get(task.manifest) else { return };
        let id = manifest.id();
        let is_ensured = tracking::is_unmarked(manifest);
        let tracking = match &task.hook {
            Some(_) => Tracking::Hook,
            None if is_ensured => Tracking::Unowned,
            None => Tracking::Owned,
        };
        if tracking == Tracking::Owned && !self.policy.selection.includes(&id) {
            return;
        }
        let live = live(&id).present().cloned();
        let rules = ignore::matching(rules, manifest);
        let manner = Manner::of(manifest);
        let left_alone = self.policy.left_alone.get(&id).cloned().unwrap_or_default();
        let item = Item {
            index: task.manifest,
            stage,
            rank: task.rank,
            hook: None,
            tracking,
            desired: digest(manifest, &rules, &left_alone),
            recreate: true,
            known: false,
            mode: self.mode_of(tracking, manner.mode),
            settled: false,
            ignore: Vec::new(),
            left_alone,
            undecided: None,
            live,
            id,
        };
        let verdict = match tracking {
            Tracking::Hook => self.judge_hook(item, task),
            Tracking::Unowned if item.live.is_some() => Verdict::NotSelected,
            Tracking::Unowned | Tracking::Owned => self.judge(item, manner.force, &rules, inventory),
        };
        match verdict {
            Verdict::Unchanged(unchanged) => self.unchanged.push(unchanged),
            Verdict::Ask(item) => self.items.push(*item),
            Verdict::Refuse(refusal) => self.refusals.push(refusal),
            Verdict::NotSelected => {}
        }
    }

    /// How an object is applied.
    fn mode_of(&self, tracking: Tracking, mode: Mode) -> Mode {
        match (tracking, self.policy.replace) {
            (Tracking::Owned, Replace::All) => mode.asked_to_replace(),
            (Tracking::Owned, Replace::Annotated) => mode,
            (Tracking::Unowned | Tracking::Hook, _) => Mode::Override,
        }
    }

    /// A hook always runs: there is nothing to compare it with.
    fn judge_hook(&self, item: Item, task: &Task) -> Verdict {
        let (Some(hook), Some(run)) = (&task.hook, &self.policy.hooks) else {
            return Verdict::NotSelected;
        };
        let hook = HookRun { hook: hook.clone(), mark: run.mark(hook.phase) };
        Verdict::Ask(Box::new(Item { hook: Some(hook), ..item }))
    }

    fn judge(
        &mut self,
        mut item: Item,
        force: bool,
        rules: &[&IgnoreDifference],
        inventory: &Inventory,
    ) -> Verdict {
        let Some(manifest) = self.manifests.get_mut(item.index) else {
            return Verdict::NotSelected;
        };
        item.known = inventory.contains(&item.id);
        if let Some(live) = &item.live {
            if item.mode == Mode::IfNotPresent {
                return if_not_present(&self.owner, manifest, &item, live, &mut self.foreign);
            }
            let is_released = self.policy.handover.released.contains_key(&item.id);
            if let Some(refusal) = foreign(&self.owner, manifest, live).filter(|_| !is_released) {
                return Verdict::Refuse(refusal);
            }
            item.settled = is_settled(inventory, manifest, live, item.desired);
            // What others added does not show in what is compared here.
            if item.settled && item.mode != Mode::ReplaceOnce {
                return Verdict::Unchanged(Unchanged {
                    version: manifest.gvk().version.clone(),
                    id: item.id,
                    desired: item.desired,
                    live: live.projection,
                });
            }
        }
        if item.live.is_none()
            && self.policy.done.contains(&item.id)
            && let Some(entry) = inventory.get(&item.id).filter(|it| it.desired == item.desired)
        {
            return Verdict::Unchanged(Unchanged {
                version: entry.version.clone(),
                id: item.id,
                desired: item.desired,
                live: entry.live,
            });
        }
        item.recreate = self.policy.recreate == Recreate::All || force;
        // What is replaced as a whole, or only created, leaves no field to anybody.
        if matches!(item.mode, Mode::Override | Mode::Merge) {
            item.ignore = rules.iter().map(|rule| (*rule).clone()).collect();
        } else {
            item.left_alone.clear();
        }
        if item.leaves_fields()
            && let Some(live) = &item.live
        {
            match live.object() {
                Ok(object) if item.needs_jq() => item.undecided = Some(object),
                Ok(object) => leave_alone(manifest, &item.ignored(), &object, &self.owner),
                Err(error) => return Verdict::Refuse(refusal(manifest, error.class(), error.to_string())),
            }
        }
        Verdict::Ask(Box::new(item))
    }
}

impl Item {
    /// Whether some of its fields may be left to others.
    fn leaves_fields(&self) -> bool {
        !self.ignored().is_empty()
    }

    /// Whether jq has to say which ones.
    fn needs_jq(&self) -> bool {
        ignore::expressions(&self.ignore).next().is_some()
    }

    fn ignored(&self) -> Ignored<'_> {
        Ignored {
            rules: self.ignore.iter().collect(),
            left_alone: self.left_alone.clone(),
            all_of_others: self.mode == Mode::Merge,
            ..Ignored::default()
        }
    }
}

/// Names what is asked for: the manifest, and what of it is not. Rules that are absent must change nothing.
fn digest(manifest: &Manifest, rules: &[&IgnoreDifference], left_alone: &[FieldPath]) -> Digest {
    if left_alone.is_empty() {
        return Digest::of_json(&(manifest.object(), rules));
    }
    let paths: Vec<_> = left_alone.iter().map(ToString::to_string).collect();
    Digest::of_json(&(manifest.object(), rules, paths))
}

/// What exists and is only to be created is as it should be, however it is. It is the Application's if that created it.
fn if_not_present(
    owner: &Owner,
    manifest: &Manifest,
    item: &Item,
    live: &LiveObject,
    foreign: &mut Vec<ObjectId>,
) -> Verdict {
    if live.owner_label.as_deref() != Some(owner.label_value().as_str()) {
        if item.known {
            foreign.push(item.id.clone());
        }
        return Verdict::NotSelected;
    }
    Verdict::Unchanged(Unchanged {
        version: manifest.gvk().version.clone(),
        id: item.id.clone(),
        desired: item.desired,
        live: live.projection,
    })
}

/// The objects of the rendering, by the uids of their live objects.
fn live_uids(owned: &BTreeSet<ObjectId>, live: &dyn Fn(&ObjectId) -> Live) -> BTreeMap<String, ObjectId> {
    owned.iter().filter_map(|id| Some((live(id).present()?.uid.clone(), id.clone()))).collect()
}

/// Takes out of a manifest what others may own of the live object; the mark stays on.
fn leave_alone(manifest: &mut Manifest, ignored: &Ignored<'_>, live: &Value, owner: &Owner) {
    *manifest = ignore::strip(ignored, manifest.clone(), Some(live));
    tracking::mark(manifest, owner);
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
