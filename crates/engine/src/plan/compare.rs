//! What became of a plan: the same question answered at two times.

use std::collections::BTreeMap;

use tiphys_manifest::ObjectId;

use super::{Plan, Refusal, Step};
use crate::diff::FieldChange;

/// One way in which a later plan differs from an earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanChange {
    /// The object.
    pub id: ObjectId,
    /// What is different now, in words.
    pub what: String,
}

impl std::fmt::Display for PlanChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.id, self.what)
    }
}

/// How a later plan differs from an earlier one: objects that come in or drop out, and the fields that changed meanwhile.
pub fn compare(before: &Plan, after: &Plan) -> Vec<PlanChange> {
    let (old, new) = (by_id(before), by_id(after));
    let mut changes = Vec::new();
    let mut note = |id: &ObjectId, what: String| changes.push(PlanChange { id: id.clone(), what });
    for (id, step) in &old {
        match new.get(id) {
            None => note(id, format!("was to be {}; now nothing is done with it", done(step))),
            Some(now) if now.action != step.action => {
                note(id, format!("was to be {}; now it is to be {}", done(step), done(now)));
            }
            Some(now) if now.uid != step.uid => {
                note(id, "the live object is another one of the same name".to_owned());
            }
            Some(now) => {
                let fields = fields(step, now);
                if !fields.is_empty() {
                    note(id, fields.join("; "));
                } else if now.desired != step.desired {
                    note(id, "its manifest changed".to_owned());
                }
            }
        }
    }
    for (id, step) in new.iter().filter(|(id, _)| !old.contains_key(*id)) {
        note(id, format!("is to be {}, which was not planned", done(step)));
    }
    let is_new = |it: &&Refusal| !before.refusals.iter().any(|old| old.id == it.id);
    for refusal in after.refusals.iter().filter(is_new) {
        note(&refusal.id, format!("is refused now: {}", refusal.message));
    }
    changes
}

fn by_id(plan: &Plan) -> BTreeMap<&ObjectId, &Step> {
    plan.steps.iter().map(|step| (&step.id, step)).collect()
}

fn done(step: &Step) -> &'static str {
    use tiphys_api::Action;
    match step.action {
        Action::Create => "created",
        Action::Adopt => "adopted",
        Action::Change => "changed",
        Action::Recreate => "recreated",
        Action::Prune => "pruned",
        Action::Hook => "run",
        Action::Unchanged => "left as it is",
    }
}

fn fields(before: &Step, after: &Step) -> Vec<String> {
    let old: BTreeMap<_, _> = before.diff.fields.iter().map(|it| (&it.path, it)).collect();
    let new: BTreeMap<_, _> = after.diff.fields.iter().map(|it| (&it.path, it)).collect();
    let mut said = Vec::new();
    for (path, field) in &old {
        match new.get(path) {
            None => said.push(format!("{path} was to change {}, and does not any more", words(field))),
            Some(now) if now != field => {
                said.push(format!("{path} was to change {}, now {}", words(field), words(now)));
            }
            Some(_) => {}
        }
    }
    for (path, field) in new.iter().filter(|(path, _)| !old.contains_key(*path)) {
        said.push(format!("{path} changes {}, which was not planned", words(field)));
    }
    said
}

fn words(field: &FieldChange) -> String {
    let value = |it: Option<&crate::diff::Shown>| {
        it.and_then(|it| serde_json::to_string(it).ok()).unwrap_or_else(|| "nothing".to_owned())
    };
    format!("from {} to {}", value(field.before.as_ref()), value(field.after.as_ref()))
}
