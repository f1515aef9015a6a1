//! In which order a Sync runs: phases, waves, turns, ranks. Pure.
//!
//! 1. [`Marks`]: what the annotations of one manifest say: an object of the Application or a hook, and its wave.
//! 2. [`Schedule::new`] puts everything into [`Stage`]s: by phase (PreSync, Sync, PostSync, SyncFail), in a phase by wave,
//!    in a wave by turn. A stage begins when what the one before has to wait for is healthy.
//! 3. Inside a stage, [`Task::rank`] says what comes first: by kind (`tiphys_manifest::order`), but never before what it
//!    needs. What an object needs is what it refers to (`references`) and what `tiphys.dev/depends-on` names; the latter
//!    is waited for, so it starts another turn of the wave.
//!
//! Namespaces and CustomResourceDefinitions come as early as the first that needs them, whatever their own wave.

mod argo;
mod graph;
mod marks;
mod references;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use tiphys_api::{DEPENDS_ON_ANNOTATION, HookPhase};
use tiphys_manifest::order::{Rank, compare_for_apply};
use tiphys_manifest::{GroupVersionKind, Manifest, ObjectId, Origin};

use self::graph::{Edge, Turn};
use crate::definition::{defined_by, is_definition};
use crate::error::Class;
use crate::plan::Refusal;

pub(crate) use marks::wave_of_live;
pub use marks::{DeletePolicy, Marks, Occasion, Role, is_plain};

/// What is applied, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// The stages in the order in which they run. Those of [`HookPhase::SyncFail`] come last, and run when the Sync has
    /// failed. A schedule of a Sync has at least one stage of [`HookPhase::Sync`].
    pub stages: Vec<Stage>,
    /// What is not applied.
    pub aside: Vec<Aside>,
    /// What has no effect.
    pub warnings: Vec<Warning>,
    /// Why it cannot run.
    pub refusals: Vec<Refusal>,
}

/// What is applied without waiting in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Its phase.
    pub phase: HookPhase,
    /// Its wave.
    pub wave: i32,
    /// What is applied, in the order of [`Task::rank`] and then by kind and name.
    pub tasks: Vec<Task>,
    /// What must be healthy, and which hooks must be done, before the next stage begins. Empty for the last stage of a
    /// Sync but for its hooks: what comes after that is for the Sync to say.
    pub awaited: Vec<Awaited>,
}

/// One object that a stage applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Place of its manifest.
    pub manifest: usize,
    /// As what it runs, if it is a hook.
    pub hook: Option<Hook>,
    /// Tasks of a stage run in the order of their ranks; those of one rank may run at the same time.
    pub rank: usize,
}

/// As what an object runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// When.
    pub phase: HookPhase,
    /// When its object is deleted.
    pub policies: BTreeSet<DeletePolicy>,
}

/// What is waited for at the end of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// The object.
    pub id: ObjectId,
    /// Its kind, to watch it.
    pub gvk: GroupVersionKind,
    /// As what it runs, if it is a hook.
    pub hook: Option<Hook>,
}

/// Something that a Sync does not apply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aside {
    /// The object.
    pub id: ObjectId,
    /// Why.
    pub why: String,
}

/// Something in a manifest that has no effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// The object.
    pub id: ObjectId,
    /// Where its manifest was written.
    pub origin: Origin,
    /// What has no effect.
    pub message: String,
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}): {}", self.id, self.origin, self.message)
    }
}

/// Names a wave.
type Key = (HookPhase, i32);

/// A manifest at its place, before turns are known.
struct Entry<'a> {
    index: usize,
    id: ObjectId,
    manifest: &'a Manifest,
    phase: HookPhase,
    wave: i32,
    hook: Option<Hook>,
    depends_on: Vec<ObjectId>,
}

impl Schedule {
    /// Puts manifests into stages. Without an occasion hooks are left out, as in a correction of drift. Those in
    /// `ensured` only have to exist, and come first.
    pub fn new(manifests: &[Manifest], ensured: &BTreeSet<ObjectId>, occasion: Option<Occasion>) -> Self {
        let mut schedule = Self::default();
        let mut entries: Vec<_> = manifests
            .iter()
            .enumerate()
            .filter(|(_, manifest)| !ensured.contains(&manifest.id()))
            .flat_map(|(index, manifest)| schedule.entries(index, manifest, occasion))
            .collect();
        if occasion != Some(Occasion::Deletion) {
            pull_forward(&mut entries);
        }
        let mut waves: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for entry in entries {
            waves.entry((entry.phase, entry.wave)).or_default().push(entry);
        }
        // What is pruned needs a place, even when nothing is applied.
        if occasion != Some(Occasion::Deletion) && !waves.keys().any(|(phase, _)| *phase == HookPhase::Sync) {
            waves.insert((HookPhase::Sync, 0), Vec::new());
        }
        let places = places(&waves);
        for (key, wave) in &waves {
            schedule.add_wave(*key, wave, &places);
        }
        schedule.put_first(manifests, ensured);
        schedule.wait_for_no_more_than_needed();
        schedule
    }

    /// The place of the last stage in which objects of the Application are applied: what is pruned goes with it.
    pub fn last_of_sync(&self) -> Option<usize> {
        self.stages.iter().rposition(|stage| stage.phase == HookPhase::Sync)
    }

    /// How many stages run when nothing fails.
    pub fn regular(&self) -> usize {
        self.stages.iter().filter(|stage| stage.phase != HookPhase::SyncFail).count()
    }

    /// Whether there is something to wait for, or something to do, beside the objects themselves.
    pub fn is_staged(&self) -> bool {
        self.stages.len() > 1 || self.hooks().next().is_some()
    }

    /// Every hook that may run.
    pub fn hooks(&self) -> impl Iterator<Item = &Awaited> {
        self.stages.iter().flat_map(|stage| &stage.awaited).filter(|awaited| awaited.hook.is_some())
    }

    /// What one manifest is in this schedule: an object once, a hook as often as it has phases.
    fn entries<'a>(
        &mut self,
        index: usize,
        manifest: &'a Manifest,
        occasion: Option<Occasion>,
    ) -> Vec<Entry<'a>> {
        let marks = Marks::of(manifest, occasion.unwrap_or(Occasion::Upgrade));
        let id = manifest.id();
        let origin = manifest.origin();
        let warning = |message| Warning { id: id.clone(), origin: origin.clone(), message };
        self.warnings.extend(marks.warnings.into_iter().map(warning));
        self.refusals.extend(marks.errors.into_iter().map(|message| refusal(manifest, message)));
        let deletion = occasion == Some(Occasion::Deletion);
        let hooks = match marks.role {
            Role::Plain if deletion => return Vec::new(),
            Role::Plain => vec![(HookPhase::Sync, None)],
            Role::Hook(_) if occasion.is_none() => return Vec::new(),
            Role::Hook(phases) => {
                let at_deletion = |phase: &HookPhase| *phase >= HookPhase::PreDelete;
                let phases = phases.into_iter().filter(|phase| at_deletion(phase) == deletion);
                let hook = |phase| Hook { phase, policies: marks.policies.clone() };
                phases.map(|phase| (phase, Some(hook(phase)))).collect()
            }
            Role::Aside(why) => {
                self.aside.push(Aside { id, why: why.to_owned() });
                return Vec::new();
            }
        };
        let entry = |(phase, hook)| Entry {
            index,
            id: id.clone(),
            manifest,
            phase,
            wave: marks.wave,
            hook,
            depends_on: marks.depends_on.clone(),
        };
        hooks.into_iter().map(entry).collect()
    }

    /// Splits a wave into turns.
    fn add_wave(&mut self, (phase, number): Key, wave: &[Entry<'_>], places: &Places<'_>) {
        let needs: Vec<_> = wave
            .iter()
            .enumerate()
            .map(|(place, entry)| self.needs((phase, number), place, entry, places))
            .collect();
        let ranks: Vec<_> = wave.iter().map(|it| Rank::for_apply(&it.id.group, &it.id.kind)).collect();
        let turns = match graph::turns(&ranks, &needs) {
            Ok(turns) => turns,
            Err(cycle) => {
                let entries: Vec<_> = cycle.iter().filter_map(|place| wave.get(*place)).collect();
                self.refusals.extend(cycle_refusal(&entries));
                return;
            }
        };
        // Something is waited for before the last turn that needs it to be healthy; everything is before the next wave.
        let last = turns.iter().map(|turn| turn.waits).max().unwrap_or(0);
        let mut until = vec![0; wave.len()];
        for (edges, turn) in needs.iter().zip(&turns) {
            for edge in edges.iter().filter(|edge| edge.waits) {
                if let Some(until) = until.get_mut(edge.to) {
                    *until = turn.waits.max(*until);
                }
            }
        }
        for turn in 0..=last {
            let places = || wave.iter().zip(&turns).enumerate();
            let mut members: Vec<_> = places().filter(|(_, (_, it))| it.waits == turn).collect();
            members.sort_by(|(_, (left, left_turn)), (_, (right, right_turn))| {
                left_turn.cmp(right_turn).then_with(|| compare_for_apply(&left.id, &right.id))
            });
            let tasks = tasks(members.iter().map(|(_, member)| *member));
            let is_awaited =
                |place: usize| turn == last || until.get(place).is_some_and(|until| *until > turn);
            let so_far = places().filter(|(place, (_, it))| it.waits <= turn && is_awaited(*place));
            let awaited = so_far.map(|(_, (entry, _))| awaited(entry)).collect();
            self.stages.push(Stage { phase, wave: number, tasks, awaited });
        }
    }

    /// What one entry needs of its own wave.
    fn needs(&mut self, here: Key, place: usize, entry: &Entry<'_>, places: &Places<'_>) -> Vec<Edge> {
        let mut edges = Vec::new();
        for id in references::of(entry.manifest) {
            edges.extend(places.object(here, &id).map(|to| Edge { to, waits: false }));
        }
        edges.extend(places.definition(here, &entry.id).map(|to| Edge { to, waits: false }));
        // An object may name itself, as an account does in its own token.
        edges.retain(|edge| edge.to != place);
        for id in &entry.depends_on {
            match places.find(here, id) {
                Needed::Within(to) => edges.push(Edge { to, waits: true }),
                Needed::Before => {}
                Needed::After(phase, number) => self.refusals.push(refusal(
                    entry.manifest,
                    format!(
                        "it depends on {id} ({DEPENDS_ON_ANNOTATION}), which only comes in {} wave {number}, after it",
                        phase.as_str()
                    ),
                )),
                Needed::Nowhere => self.refusals.push(refusal(
                    entry.manifest,
                    format!(
                        "it depends on {id} ({DEPENDS_ON_ANNOTATION}), which is not in the rendering: correct the name, \
                         with the namespace if it is in another one"
                    ),
                )),
            }
        }
        edges.sort();
        edges.dedup();
        edges
    }

    /// What only has to exist comes before everything else.
    fn put_first(&mut self, manifests: &[Manifest], ensured: &BTreeSet<ObjectId>) {
        let Some(first) = self.stages.first_mut() else { return };
        let indexes = manifests.iter().enumerate().filter(|(_, it)| ensured.contains(&it.id()));
        let ensured: Vec<_> = indexes.map(|(manifest, _)| Task { manifest, hook: None, rank: 0 }).collect();
        if !ensured.is_empty() {
            first.tasks.iter_mut().for_each(|task| task.rank += 1);
            first.tasks.splice(0..0, ensured);
        }
    }

    /// After the last stage nothing comes: only its hooks are waited for here.
    fn wait_for_no_more_than_needed(&mut self) {
        let last = self.regular().checked_sub(1);
        if let Some(stage) = last.and_then(|last| self.stages.get_mut(last)) {
            stage.awaited.retain(|awaited| awaited.hook.is_some());
        }
    }
}

/// A Namespace comes as early as the first object in it, a CustomResourceDefinition as the first object of its kind.
fn pull_forward(entries: &mut [Entry<'_>]) {
    let mut first: HashMap<ObjectId, Key> = HashMap::new();
    let mut kinds: HashMap<(String, String), Key> = HashMap::new();
    for entry in entries.iter().filter(|entry| entry.phase != HookPhase::SyncFail) {
        let at = (entry.phase, entry.wave);
        if let Some(namespace) = &entry.id.namespace {
            let place = first.entry(namespace_id(namespace)).or_insert(at);
            *place = at.min(*place);
        }
        let place = kinds.entry((entry.id.group.clone(), entry.id.kind.clone())).or_insert(at);
        *place = at.min(*place);
    }
    for entry in entries.iter_mut().filter(|entry| entry.hook.is_none()) {
        let defines = defined_by(entry.manifest.object()).filter(|_| is_definition(&entry.id));
        let needed = defines.and_then(|kind| kinds.get(&kind)).or_else(|| first.get(&entry.id));
        if let Some(needed) = needed.filter(|needed| **needed < (entry.phase, entry.wave)) {
            (entry.phase, entry.wave) = *needed;
        }
    }
}

fn namespace_id(name: &str) -> ObjectId {
    ObjectId { group: String::new(), kind: "Namespace".to_owned(), namespace: None, name: name.to_owned() }
}

/// Where objects are: their waves, and their places in these.
#[derive(Default)]
struct Places<'a> {
    objects: HashMap<&'a ObjectId, Vec<(Key, usize)>>,
    /// CustomResourceDefinitions by the group and kind that they define.
    definitions: HashMap<(String, String), Vec<(Key, usize)>>,
}

/// Where something is that an object depends on.
enum Needed {
    Within(usize),
    Before,
    After(HookPhase, i32),
    Nowhere,
}

fn places<'a>(waves: &'a BTreeMap<Key, Vec<Entry<'_>>>) -> Places<'a> {
    let mut places = Places::default();
    for (key, wave) in waves {
        for (place, entry) in wave.iter().enumerate() {
            places.objects.entry(&entry.id).or_default().push((*key, place));
            if let Some(kind) = defined_by(entry.manifest.object()).filter(|_| is_definition(&entry.id)) {
                places.definitions.entry(kind).or_default().push((*key, place));
            }
        }
    }
    places
}

fn in_wave(places: &[(Key, usize)], wave: Key) -> Option<usize> {
    places.iter().find(|(key, _)| *key == wave).map(|(_, place)| *place)
}

impl Places<'_> {
    fn object(&self, wave: Key, id: &ObjectId) -> Option<usize> {
        in_wave(self.objects.get(id)?, wave)
    }

    /// The definition of the kind of `id`.
    fn definition(&self, wave: Key, id: &ObjectId) -> Option<usize> {
        if self.definitions.is_empty() {
            return None;
        }
        in_wave(self.definitions.get(&(id.group.clone(), id.kind.clone()))?, wave)
    }

    /// A name without a namespace may also be that of a cluster-wide object.
    fn find(&self, wave: Key, id: &ObjectId) -> Needed {
        let cluster_wide = ObjectId { namespace: None, ..id.clone() };
        let Some(places) = self.objects.get(id).or_else(|| self.objects.get(&cluster_wide)) else {
            return Needed::Nowhere;
        };
        if let Some(place) = in_wave(places, wave) {
            return Needed::Within(place);
        }
        match places.iter().map(|(key, _)| *key).min() {
            Some(first) if first < wave => Needed::Before,
            Some((phase, number)) => Needed::After(phase, number),
            None => Needed::Nowhere,
        }
    }
}

/// The members of one turn, in order, as tasks.
fn tasks<'a>(members: impl Iterator<Item = (&'a Entry<'a>, &'a Turn)>) -> Vec<Task> {
    let mut rank = 0;
    let mut before = None;
    members
        .map(|(entry, turn)| {
            if before.is_some_and(|before| before != turn) {
                rank += 1;
            }
            before = Some(turn);
            Task { manifest: entry.index, hook: entry.hook.clone(), rank }
        })
        .collect()
}

fn awaited(entry: &Entry<'_>) -> Awaited {
    Awaited { id: entry.id.clone(), gvk: entry.manifest.gvk().clone(), hook: entry.hook.clone() }
}

fn cycle_refusal(cycle: &[&Entry<'_>]) -> Option<Refusal> {
    let first = cycle.first()?;
    let path: Vec<_> = cycle.iter().chain([first]).map(|entry| entry.id.to_string()).collect();
    Some(refusal(
        first.manifest,
        format!(
            "objects need each other in a circle: {}; take one of these out of {DEPENDS_ON_ANNOTATION}",
            path.join(" -> ")
        ),
    ))
}

fn refusal(manifest: &Manifest, message: String) -> Refusal {
    Refusal { id: manifest.id(), origin: Some(manifest.origin().clone()), class: Class::Invalid, message }
}
