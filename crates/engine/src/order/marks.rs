//! What the annotations of one manifest say about when it is applied: ours, those of Argo CD, those of Helm.
//!
//! Of several families on one object the first that says something counts: ours, Argo CD's, Helm's. That is decided for
//! each of role, wave and delete policy by itself, as Argo CD does between its own annotations and Helm's.
//!
//! What is wrong in our own annotations is an error, and the plan is refused. What is wrong in those of others is a
//! warning and means what it means there: a wave that is no number is 0, a hook that nobody knows is never applied.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tiphys_api::{
    DEPENDS_ON_ANNOTATION, HOOK_ANNOTATION, HOOK_DELETE_POLICY_ANNOTATION, HookPhase, SYNC_WAVE_ANNOTATION,
};
use tiphys_manifest::{Manifest, ObjectId};

use super::argo;
use crate::modes::{Manner, Mode};

const ARGO_HOOK: &str = "argocd.argoproj.io/hook";
const ARGO_POLICY: &str = "argocd.argoproj.io/hook-delete-policy";
const ARGO_WAVE: &str = "argocd.argoproj.io/sync-wave";
const HELM_HOOK: &str = "helm.sh/hook";
const HELM_POLICY: &str = "helm.sh/hook-delete-policy";
const HELM_WEIGHT: &str = "helm.sh/hook-weight";

/// What a schedule is made for; hooks of Helm depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// No Sync of the Application has succeeded yet.
    Install,
    /// One has.
    Upgrade,
    /// It goes back to what an earlier Sync applied.
    Rollback,
    /// The Application is deleted together with its objects.
    Deletion,
}

/// What a manifest is to a Sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// An object of the Application.
    Plain,
    /// A hook of these phases. None when it is a hook of Helm that does not run on this occasion.
    Hook(BTreeSet<HookPhase>),
    /// Something that a Sync does not apply, and why.
    Aside(&'static str),
}

/// When the object of a hook is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DeletePolicy {
    /// Before it is created anew.
    BeforeHookCreation,
    /// When the Sync has succeeded.
    HookSucceeded,
    /// When the Sync has failed.
    HookFailed,
}

/// Everything that the annotations of one manifest say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marks {
    /// What it is.
    pub role: Role,
    /// Its wave.
    pub wave: i32,
    /// When its object is deleted, if it is a hook.
    pub policies: BTreeSet<DeletePolicy>,
    /// What must be healthy before.
    pub depends_on: Vec<ObjectId>,
    /// What has no effect.
    pub warnings: Vec<String>,
    /// What cannot be understood.
    pub errors: Vec<String>,
}

/// Whether a manifest is an object of the Application: neither a hook nor something that is never applied.
pub fn is_plain(manifest: &Manifest) -> bool {
    Marks::of(manifest, Occasion::Upgrade).role == Role::Plain
}

impl Marks {
    /// Reads the annotations of a manifest.
    pub fn of(manifest: &Manifest, occasion: Occasion) -> Self {
        let mut marks = Self {
            role: Role::Plain,
            wave: 0,
            policies: BTreeSet::new(),
            depends_on: Vec::new(),
            warnings: Vec::new(),
            errors: Vec::new(),
        };
        marks.role = marks.read_role(manifest, occasion);
        marks.wave = marks.read_wave(manifest);
        if matches!(marks.role, Role::Hook(_)) {
            marks.policies = marks.read_policies(manifest);
        }
        marks.read_dependencies(manifest);
        marks.read_manner(manifest);
        marks.warnings.extend(argo::without_effect(manifest));
        marks
    }

    /// How it is applied is for the plan to say, except that it may not be applied at all.
    fn read_manner(&mut self, manifest: &Manifest) {
        let manner = Manner::of(manifest);
        let is_hook = matches!(self.role, Role::Hook(_));
        if manner.mode == Mode::Ignore {
            self.role = Role::Aside("tiphys.dev/mode: Ignore leaves it to others");
        } else if is_hook && !manner.mode.is_default() {
            self.warnings.push(format!(
                "the mode {:?} has no effect on a hook, which is created anew each time that it runs",
                manner.mode
            ));
        }
        self.warnings.extend(manner.warnings);
        self.errors.extend(manner.errors);
    }

    fn read_role(&mut self, manifest: &Manifest, occasion: Occasion) -> Role {
        if let Some(text) = manifest.annotation(HOOK_ANNOTATION) {
            return self.own_hook(text);
        }
        if let Some(text) = manifest.annotation(ARGO_HOOK) {
            return self.argo_hook(text);
        }
        match manifest.annotation(HELM_HOOK) {
            Some(text) => self.helm_hook(text, occasion),
            None => Role::Plain,
        }
    }

    fn own_hook(&mut self, text: &str) -> Role {
        let mut phases = BTreeSet::new();
        let mut wrong = None;
        for word in words(text) {
            match phase(word) {
                Some(phase) => drop(phases.insert(phase)),
                None => wrong = Some(word),
            }
        }
        if wrong.is_some() || phases.is_empty() {
            self.errors.push(format!(
                "the annotation {HOOK_ANNOTATION} has the word {:?}: write one of PreSync, Sync, PostSync, SyncFail, \
                 PreDelete, PostDelete, or several with commas",
                wrong.unwrap_or_default()
            ));
        }
        Role::Hook(phases)
    }

    /// Argo CD: an object with `Skip` or unknown words alone is never applied.
    fn argo_hook(&mut self, text: &str) -> Role {
        let mut phases = BTreeSet::new();
        let mut skip = false;
        for word in words(text) {
            match phase(word) {
                Some(phase) => drop(phases.insert(phase)),
                None if word == "Skip" => skip = true,
                None => self.warnings.push(format!(
                    "the annotation {ARGO_HOOK} has the unknown word {word:?}, which has no effect"
                )),
            }
        }
        match (phases.is_empty(), skip) {
            (false, _) => Role::Hook(phases),
            (true, true) => Role::Aside("argocd.argoproj.io/hook: Skip keeps it from being applied"),
            (true, false) => {
                Role::Aside("argocd.argoproj.io/hook names no known phase, so it is never applied")
            }
        }
    }

    /// Helm: one unknown event drops the whole document. Argo CD: what is marked `crd-install`, a hook of Helm 2, is an
    /// ordinary object.
    fn helm_hook(&mut self, text: &str, occasion: Occasion) -> Role {
        let text = text.to_lowercase();
        let events: Vec<_> = text.split(',').map(str::trim).collect();
        if events.contains(&"crd-install") {
            return Role::Plain;
        }
        let mut phases = BTreeSet::new();
        for event in &events {
            match HELM_EVENTS.iter().find(|(known, _)| known == event) {
                Some((_, Some((on, phase)))) if on.is_none_or(|on| on == occasion) => {
                    phases.insert(*phase);
                }
                Some(_) => {}
                None => {
                    self.warnings.push(format!(
                        "the annotation {HELM_HOOK} has the unknown event {event:?}; as with Helm, the object is not \
                         applied at all"
                    ));
                    return Role::Aside("helm.sh/hook names an unknown event, so it is never applied");
                }
            }
        }
        if events.iter().all(|event| event.starts_with("test")) {
            return Role::Aside("it is a test of Helm, which a Sync does not run");
        }
        Role::Hook(phases)
    }

    fn read_wave(&mut self, manifest: &Manifest) -> i32 {
        match wave(&|key| manifest.annotation(key)) {
            None => return 0,
            Some((_, _, Some(wave))) => return wave,
            Some((key, text, None)) if key == SYNC_WAVE_ANNOTATION => {
                self.errors.push(format!("the annotation {key} is {text:?}: write a whole number in quotes"));
            }
            Some((key, text, None)) => self
                .warnings
                .push(format!("the annotation {key} is {text:?}, which is no whole number and counts as 0")),
        }
        0
    }

    fn read_policies(&mut self, manifest: &Manifest) -> BTreeSet<DeletePolicy> {
        let keys = [HOOK_DELETE_POLICY_ANNOTATION, ARGO_POLICY, HELM_POLICY];
        let said = keys.into_iter().find_map(|key| Some((key, manifest.annotation(key)?)));
        let mut policies = BTreeSet::new();
        for (key, word) in said.iter().flat_map(|(key, text)| words(text).map(|word| (*key, word))) {
            let policy = POLICIES.iter().find(|(ours, helms, _)| match key {
                HELM_POLICY => word.eq_ignore_ascii_case(helms),
                _ => word == *ours,
            });
            match policy {
                Some((_, _, policy)) => drop(policies.insert(*policy)),
                None if key == HOOK_DELETE_POLICY_ANNOTATION => self.errors.push(format!(
                    "the annotation {key} has the word {word:?}: write one of BeforeHookCreation, HookSucceeded, \
                     HookFailed, or several with commas"
                )),
                None => self
                    .warnings
                    .push(format!("the annotation {key} has the unknown word {word:?}, which has no effect")),
            }
        }
        let holds = Holds::of(manifest);
        match (holds, policies.is_empty()) {
            (Holds::Everything, _) | (Holds::Data, true) => BTreeSet::new(),
            (Holds::Nothing, true) => BTreeSet::from([DeletePolicy::BeforeHookCreation]),
            (Holds::Data | Holds::Nothing, false) => policies,
        }
    }

    fn read_dependencies(&mut self, manifest: &Manifest) {
        for word in manifest.annotation(DEPENDS_ON_ANNOTATION).into_iter().flat_map(words) {
            match dependency(word, manifest.namespace()) {
                Some(id) => self.depends_on.push(id),
                None => self.errors.push(format!(
                    "the annotation {DEPENDS_ON_ANNOTATION} has {word:?}: write group/kind/name or \
                     group/kind/namespace/name, without the group for Secret/name and other kinds of the core group"
                )),
            }
        }
    }
}

/// What deleting an object takes along. Helm never deletes a CustomResourceDefinition that is a hook; neither do we, nor
/// a Namespace, and volumes only when their policy is written down.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Nothing,
    Data,
    Everything,
}

impl Holds {
    fn of(manifest: &Manifest) -> Self {
        match (manifest.gvk().group.as_str(), manifest.gvk().kind.as_str()) {
            ("apiextensions.k8s.io", "CustomResourceDefinition") | ("", "Namespace") => Self::Everything,
            ("", "PersistentVolumeClaim" | "PersistentVolume") => Self::Data,
            _ => Self::Nothing,
        }
    }
}

/// On which occasion a hook of Helm comes, if not on all, and when that is.
type HelmTime = (Option<Occasion>, HookPhase);

/// The events of Helm. Tests come never.
const HELM_EVENTS: &[(&str, Option<HelmTime>)] = &[
    ("pre-install", Some((Some(Occasion::Install), HookPhase::PreSync))),
    ("post-install", Some((Some(Occasion::Install), HookPhase::PostSync))),
    ("pre-upgrade", Some((Some(Occasion::Upgrade), HookPhase::PreSync))),
    ("post-upgrade", Some((Some(Occasion::Upgrade), HookPhase::PostSync))),
    ("pre-rollback", Some((Some(Occasion::Rollback), HookPhase::PreSync))),
    ("post-rollback", Some((Some(Occasion::Rollback), HookPhase::PostSync))),
    ("pre-delete", Some((None, HookPhase::PreDelete))),
    ("post-delete", Some((None, HookPhase::PostDelete))),
    ("test", None),
    ("test-success", None),
];

const POLICIES: &[(&str, &str, DeletePolicy)] = &[
    ("BeforeHookCreation", "before-hook-creation", DeletePolicy::BeforeHookCreation),
    ("HookSucceeded", "hook-succeeded", DeletePolicy::HookSucceeded),
    ("HookFailed", "hook-failed", DeletePolicy::HookFailed),
];

fn phase(word: &str) -> Option<HookPhase> {
    HookPhase::ALL.into_iter().find(|phase| phase.as_str() == word)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

/// `group/kind/[namespace/]name`. Kinds begin with a capital letter and groups do not, so the core group may be absent.
fn dependency(text: &str, namespace: Option<&str>) -> Option<ObjectId> {
    let text = text.trim_start_matches('/');
    let is_core = text.starts_with(|first: char| first.is_ascii_uppercase());
    let (group, rest) = if is_core { ("", text) } else { text.split_once('/')? };
    let parts: Vec<_> = rest.split('/').collect();
    let (kind, namespace, name) = match parts.as_slice() {
        [kind, name] => (kind, namespace, name),
        [kind, namespace, name] => (kind, Some(*namespace), name),
        _ => return None,
    };
    let complete = !kind.is_empty() && !name.is_empty() && namespace != Some("");
    complete.then(|| ObjectId {
        group: group.to_owned(),
        kind: (*kind).to_owned(),
        namespace: namespace.map(str::to_owned),
        name: (*name).to_owned(),
    })
}

/// The wave that a live object had when it was applied.
pub(crate) fn wave_of_live(object: &serde_json::Value) -> i32 {
    let annotations = object.pointer("/metadata/annotations");
    wave(&|key| annotations?.get(key)?.as_str()).map_or(0, |(_, _, wave)| wave.unwrap_or(0))
}

/// The annotation that says the wave, its text, and the number if it is one.
fn wave<'a>(annotation: &dyn Fn(&str) -> Option<&'a str>) -> Option<(&'static str, &'a str, Option<i32>)> {
    let keys = [SYNC_WAVE_ANNOTATION, ARGO_WAVE, HELM_WEIGHT];
    let (key, text) = keys.into_iter().find_map(|key| Some((key, annotation(key)?)))?;
    Some((key, text, text.trim().parse().ok()))
}
