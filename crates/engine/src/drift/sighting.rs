use std::fmt;

use serde_json::Value;
use tiphys_api::FIELD_MANAGER;
use tiphys_manifest::ObjectId;

use crate::diff::{compare, normalise};
use crate::fields::{FieldPath, Manager, Operation, managers_of};
use crate::plan::{Reason, Step};

/// Fields of one object that one manager changed, as they are seen now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The object.
    pub id: ObjectId,
    /// The fields. One empty path stands for the whole object, which is gone.
    pub fields: Vec<FieldPath>,
    /// Who changed them.
    pub by: By,
}

/// Who changed something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// A field manager, who owns it now.
    Manager(Manager),
    /// It is still ours by the record of the API server, but has another value: it was changed while a request was
    /// admitted.
    Webhook,
    /// It was removed, and the record of who did that with it.
    Nobody,
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manager(manager) => f.write_str(&manager.name),
            Self::Webhook => f.write_str("a mutating webhook"),
            Self::Nobody => f.write_str("somebody"),
        }
    }
}

impl By {
    /// Whether it is the same one, whenever it wrote.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Manager(one), Self::Manager(other)) => {
                (&one.name, one.operation, &one.subresource)
                    == (&other.name, other.operation, &other.subresource)
            }
            (one, other) => one == other,
        }
    }
}

impl Sighting {
    /// Whether the object itself is gone.
    pub fn is_gone(&self) -> bool {
        self.fields.iter().any(|path| path.segments().is_empty())
    }

    /// The fields for people: the first `limit` of them and how many more.
    pub fn fields_text(&self, limit: usize) -> String {
        if self.is_gone() {
            return "the whole object".to_owned();
        }
        let mut texts: Vec<_> = self.fields.iter().take(limit).map(ToString::to_string).collect();
        if self.fields.len() > limit {
            texts.push(format!("and {} more", self.fields.len() - limit));
        }
        texts.join(", ")
    }
}

/// What a step that corrects drift says about who changed what, grouped by whom.
///
/// `wanted` is what would be applied, `live` the object as it is; none when it is gone. What a webhook makes of each
/// request, the correction included, is on both sides of the step's diff and is no drift. Of several owners of a field
/// the one that wrote last is named.
pub fn sightings(step: &Step, wanted: Option<&Value>, live: Option<&Value>) -> Vec<Sighting> {
    // A field that somebody else wrote as we want it is not ours any more, but it is as it should be.
    if step.reason == Reason::Ownership || step.hook.is_some() {
        return Vec::new();
    }
    let Some(live) = live else {
        return vec![Sighting { id: step.id.clone(), fields: vec![FieldPath::default()], by: By::Nobody }];
    };
    let Some(wanted) = wanted else { return Vec::new() };
    let (wanted, seen) = (normalise(wanted), normalise(live));
    let mut sightings: Vec<Sighting> = Vec::new();
    for change in compare::changes(&wanted, &seen).into_iter().filter(|change| change.before.is_some()) {
        let text = change.path.to_string();
        if !step.diff.fields.iter().any(|field| is_related(&field.path, &text)) {
            continue;
        }
        let by = culprit(live, &change.path, change.after.is_some());
        match sightings.iter_mut().find(|it| it.by.is_same(&by)) {
            Some(sighting) => sighting.fields.push(change.path),
            None => sightings.push(Sighting { id: step.id.clone(), fields: vec![change.path], by }),
        }
    }
    sightings
}

fn culprit(live: &Value, path: &FieldPath, exists: bool) -> By {
    if !exists {
        return By::Nobody;
    }
    let owners = managers_of(live, path);
    let is_ours = |manager: &Manager| manager.name == FIELD_MANAGER && manager.operation == Operation::Apply;
    let others = owners.iter().filter(|manager| manager.name != FIELD_MANAGER);
    match others.max_by_key(|manager| manager.time) {
        Some(manager) => By::Manager(manager.clone()),
        None if owners.iter().any(is_ours) => By::Webhook,
        None => By::Nobody,
    }
}

/// Whether one path is the other, or leads below it.
fn is_related(one: &str, other: &str) -> bool {
    let leads_below = |short: &str, long: &str| {
        long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    leads_below(one, other) || leads_below(other, one)
}
