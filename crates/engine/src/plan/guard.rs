use serde::{Deserialize, Serialize};
use tiphys_api::{Action, CONFIRM_HINT};
use tiphys_manifest::ObjectId;

use super::{Reason, Step};
use crate::definition::is_definition;

/// Something that a plan would do and that has to be confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Guard {
    /// What.
    pub kind: GuardKind,
    /// Which objects it would hit.
    pub objects: Vec<ObjectId>,
}

/// What has to be confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum GuardKind {
    /// The rendering is empty and everything would be deleted.
    EmptyRendering,
    /// Objects would be deleted that take what they hold with them: Namespaces, PersistentVolumeClaims,
    /// PersistentVolumes, and CustomResourceDefinitions with objects.
    LossOfData,
    /// More than half of ten or more objects would be deleted.
    MostObjects,
}

/// From this many objects on, deleting more than half of them has to be confirmed.
const MANY: usize = 10;

/// What the guards look at.
pub(super) struct Watched<'a> {
    pub(super) steps: &'a [Step],
    pub(super) inventory_size: usize,
    pub(super) rendering_is_empty: bool,
    /// Whether a definition is known to have no objects.
    pub(super) has_no_objects: &'a dyn Fn(&ObjectId) -> bool,
}

/// Everything about a plan that has to be confirmed.
pub(super) fn find(watched: &Watched<'_>) -> Vec<Guard> {
    let prunes = ids(watched.steps, |step| step.action == Action::Prune);
    let losses = ids(watched.steps, |step| loses_data(step, watched.has_no_objects));
    let mut guards = Vec::new();
    let mut guard = |kind, objects: &[ObjectId]| {
        guards.push(Guard { kind, objects: objects.to_vec() });
    };
    if watched.rendering_is_empty && !prunes.is_empty() {
        guard(GuardKind::EmptyRendering, &prunes);
    } else if watched.inventory_size >= MANY && prunes.len() * 2 > watched.inventory_size {
        guard(GuardKind::MostObjects, &prunes);
    }
    if !losses.is_empty() {
        guard(GuardKind::LossOfData, &losses);
    }
    guards
}

fn ids(steps: &[Step], wanted: impl Fn(&Step) -> bool) -> Vec<ObjectId> {
    steps.iter().filter(|step| wanted(step)).map(|step| step.id.clone()).collect()
}

fn loses_data(step: &Step, has_no_objects: &dyn Fn(&ObjectId) -> bool) -> bool {
    let deletes = match step.action {
        Action::Prune => true,
        // What is being deleted already is lost whatever we do.
        Action::Recreate => step.reason != Reason::Deleting,
        Action::Create | Action::Adopt | Action::Change | Action::Hook | Action::Unchanged => false,
    };
    let holds = match (step.id.group.as_str(), step.id.kind.as_str()) {
        ("", "Namespace" | "PersistentVolumeClaim" | "PersistentVolume") => true,
        _ => is_definition(&step.id) && !has_no_objects(&step.id),
    };
    deletes && holds
}

impl Guard {
    /// What would happen, in a sentence.
    pub fn message(&self) -> String {
        let count = self.objects.len();
        match self.kind {
            GuardKind::EmptyRendering => {
                format!("the source renders no object at all, and all {count} live objects would be deleted")
            }
            GuardKind::MostObjects => {
                format!("{count} objects, more than half of the Application, would be deleted")
            }
            GuardKind::LossOfData => {
                format!("deleting {} would delete what is in there too", list(&self.objects))
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
