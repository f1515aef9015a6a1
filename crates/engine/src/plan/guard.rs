use serde::{Deserialize, Serialize};
use tiphys_api::{Action, CONFIRM_HINT, GuardLimits};
use tiphys_manifest::ObjectId;

use super::{Kept, KeptWhy, Moved, Reason, Step};
use crate::definition::is_definition;

/// Something that a plan would do and that has to be confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Guard {
    /// What.
    pub kind: GuardKind,
    /// Which objects it would hit.
    pub objects: Vec<ObjectId>,
    /// What else there is to say: the limit that is passed, where the objects are, the versions that are dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What has to be confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum GuardKind {
    /// The rendering is empty and everything would be deleted.
    EmptyRendering,
    /// Objects would be deleted that take what they hold with them: Namespaces, PersistentVolumeClaims,
    /// PersistentVolumes, and CustomResourceDefinitions with objects.
    LossOfData,
    /// More objects would be deleted than the limits of the Application and its Project let through.
    MostObjects,
    /// StorageClasses would be deleted, without which new volumes are not provisioned.
    StorageClass,
    /// The destination changed, and objects at the old one would be deleted or left behind.
    Destination,
    /// A CustomResourceDefinition would no longer serve a version though there are objects of its kind.
    DroppedVersion,
    /// Objects would be deleted of which an annotation says that this has to be confirmed.
    Annotated,
}

/// What the guards look at.
pub(super) struct Watched<'a> {
    pub(super) steps: &'a [Step],
    pub(super) kept: &'a [Kept],
    pub(super) inventory_size: usize,
    pub(super) rendering_is_empty: bool,
    /// From how much deleting on somebody has to confirm it.
    pub(super) limits: GuardLimits,
    /// Where the objects were before, if that is elsewhere.
    pub(super) moved: Option<&'a Moved>,
    /// Whether a definition is known to have no objects.
    pub(super) has_no_objects: &'a dyn Fn(&ObjectId) -> bool,
    /// Versions that a definition would no longer serve though it has objects.
    pub(super) dropped: &'a dyn Fn(&ObjectId) -> Vec<String>,
    /// Whether an annotation of an object asks for confirmation before it is deleted.
    pub(super) asks: &'a dyn Fn(&ObjectId) -> bool,
}

/// Everything about a plan that has to be confirmed.
pub(super) fn find(watched: &Watched<'_>) -> Vec<Guard> {
    let prunes = ids(watched.steps, |step| step.action == Action::Prune);
    let mut guards = Vec::new();
    let mut guard = |kind, objects: Vec<ObjectId>, detail| {
        if !objects.is_empty() {
            guards.push(Guard { kind, objects, detail });
        }
    };
    if watched.rendering_is_empty {
        guard(GuardKind::EmptyRendering, prunes.clone(), None);
    } else if watched.limits.asks(prunes.len(), watched.inventory_size) {
        guard(GuardKind::MostObjects, prunes.clone(), Some(share(watched.limits)));
    }
    guard(GuardKind::LossOfData, ids(watched.steps, |step| loses_data(step, watched.has_no_objects)), None);
    guard(
        GuardKind::StorageClass,
        ids(watched.steps, |step| deletes(step) && is_storage_class(&step.id)),
        None,
    );
    if let Some(moved) = watched.moved {
        let left = watched.kept.iter().filter(|kept| kept.why == KeptWhy::PruneDisabled);
        let objects = prunes.iter().cloned().chain(left.map(|kept| kept.id.clone())).collect();
        guard(GuardKind::Destination, objects, Some(format!("from {} to {}", moved.from, moved.to)));
    }
    for step in watched.steps.iter().filter(|step| is_definition(&step.id) && step.action == Action::Change) {
        let versions = (watched.dropped)(&step.id);
        if !versions.is_empty() {
            guard(GuardKind::DroppedVersion, vec![step.id.clone()], Some(versions.join(", ")));
        }
    }
    guard(GuardKind::Annotated, ids(watched.steps, |step| deletes(step) && (watched.asks)(&step.id)), None);
    guards
}

fn ids(steps: &[Step], wanted: impl Fn(&Step) -> bool) -> Vec<ObjectId> {
    steps.iter().filter(|step| wanted(step)).map(|step| step.id.clone()).collect()
}

fn deletes(step: &Step) -> bool {
    match step.action {
        Action::Prune => true,
        // What is being deleted already is lost whatever we do.
        Action::Recreate => step.reason != Reason::Deleting,
        Action::Create | Action::Adopt | Action::Change | Action::Hook | Action::Unchanged => false,
    }
}

fn loses_data(step: &Step, has_no_objects: &dyn Fn(&ObjectId) -> bool) -> bool {
    let holds = match (step.id.group.as_str(), step.id.kind.as_str()) {
        ("", "Namespace" | "PersistentVolumeClaim" | "PersistentVolume") => true,
        _ => is_definition(&step.id) && !has_no_objects(&step.id),
    };
    deletes(step) && holds
}

fn is_storage_class(id: &ObjectId) -> bool {
    id.group == "storage.k8s.io" && id.kind == "StorageClass"
}

/// What the limit is called: the default one needs no number.
fn share(limits: GuardLimits) -> String {
    match limits.percent() {
        50 => "more than half".to_owned(),
        percent => format!("more than {percent} %"),
    }
}

impl Guard {
    /// What would happen, in a sentence.
    pub fn message(&self) -> String {
        let count = self.objects.len();
        let detail = self.detail.as_deref().unwrap_or_default();
        match self.kind {
            GuardKind::EmptyRendering => {
                format!("the source renders no object at all, and all {count} live objects would be deleted")
            }
            GuardKind::MostObjects => {
                let share = if detail.is_empty() { "more than half" } else { detail };
                format!("{count} objects, {share} of the Application, would be deleted")
            }
            GuardKind::LossOfData => {
                format!("deleting {} would delete what is in there too", list(&self.objects))
            }
            GuardKind::StorageClass => {
                format!("without {} no new volumes of it can be provisioned", list(&self.objects))
            }
            GuardKind::Destination => format!(
                "the destination changed {detail}, and what is at the old one would be deleted or left behind: {}",
                list(&self.objects)
            ),
            GuardKind::DroppedVersion => format!(
                "{} would no longer serve {detail}, and there are objects of its kind",
                list(&self.objects)
            ),
            GuardKind::Annotated => {
                format!("an annotation asks for confirmation before {} may be deleted", list(&self.objects))
            }
        }
    }
}

/// Names the first few objects and counts the rest.
pub(super) fn list(ids: &[ObjectId]) -> String {
    const NAMED: usize = 5;
    let named: Vec<_> = ids.iter().take(NAMED).map(ToString::to_string).collect();
    let named = named.join(", ");
    match ids.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// All guards in one sentence, with how to confirm.
pub(super) fn guards_text(guards: &[Guard], digest: &str) -> String {
    let messages: Vec<_> = guards.iter().map(Guard::message).collect();
    format!(
        "{}. If that is what you want, confirm it: {}",
        messages.join("; "),
        CONFIRM_HINT.replace("DIGEST", digest)
    )
}
