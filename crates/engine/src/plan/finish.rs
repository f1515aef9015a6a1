use std::collections::BTreeMap;

use serde_json::Value;
use tiphys_api::{Action, FIELD_MANAGER, HOOK_DELETE_POLICY_ANNOTATION, RECREATE_ANNOTATION};
use tiphys_manifest::order::Rank;
use tiphys_manifest::{Manifest, ObjectId};

use super::check::{Checked, Creating, Existed};
use super::draft::{Draft, Item, conflict, refusal};
use super::guard::{self, Watched};
use super::prune::Pruned;
use super::{HookRun, Plan, Reason, Refusal, StageName, Step, Tracking, Unchanged};
use crate::diff::Diff;
use crate::digest::Digest;
use crate::error::Class;
use crate::fields::{ProjectionHash, projection};
use crate::hooks;
use crate::migrate;
use crate::modes::Mode;

/// What came of one question.
enum Verdict {
    Step(Box<Step>),
    Unchanged(Unchanged),
    Refuse(Refusal),
    /// It has to exist, and it does.
    Exists,
}

/// Makes the plan. The steps come out in the order of the draft's items, which is the order of applying; prunes follow
/// what is applied last in the phase Sync.
pub(super) fn finish(draft: &Draft, checks: &BTreeMap<ObjectId, Checked>) -> Plan {
    let mut plan = Plan {
        unchanged: draft.unchanged.clone(),
        kept: draft.pruning.kept.clone(),
        gone: draft.pruning.gone.clone(),
        refusals: draft.refusals.clone(),
        stages: stages(draft),
        aside: draft.schedule().aside.clone(),
        warnings: draft.schedule().warnings.iter().chain(&draft.warnings).cloned().collect(),
        ..Plan::default()
    };
    let mut places = Vec::new();
    for item in &draft.items {
        let Some(manifest) = draft.manifests().get(item.index) else {
            continue;
        };
        match judge(&Case { draft, item, manifest }, checks.get(&item.id)) {
            Verdict::Step(step) => {
                plan.steps.push(*step);
                places.push(Place::Apply { stage: item.stage, rank: item.rank });
            }
            Verdict::Unchanged(unchanged) => plan.unchanged.push(unchanged),
            Verdict::Refuse(refusal) => plan.refusals.push(refusal),
            Verdict::Exists if item.known => plan.gone.push(item.id.clone()),
            Verdict::Exists => {}
        }
    }
    plan.gone.extend(draft.foreign.iter().cloned());
    let stage = draft.schedule().last_of_sync().unwrap_or_default();
    let after = plan.steps.partition_point(|step| step.stage <= stage);
    let (refused, prunes): (Vec<_>, Vec<_>) = draft
        .pruning
        .prunes
        .iter()
        .map(|pruned| (pruned, refused_prune(pruned, checks)))
        .partition(|it| it.1.is_some());
    plan.refusals.extend(refused.into_iter().filter_map(|it| it.1));
    let prunes = prunes.iter().map(|it| it.0);
    places.splice(after..after, prunes.clone().map(|pruned| Place::of_prune(pruned, stage)));
    plan.steps.splice(after..after, prunes.map(|pruned| prune_step(pruned, stage)));
    plan.unchanged.sort_by(|left, right| left.id.cmp(&right.id));
    plan.refusals.sort_by(|left, right| left.id.cmp(&right.id));
    number_ranks(&mut plan.steps, &places);
    plan.guards = guard::find(&Watched {
        steps: &plan.steps,
        inventory_size: draft.inventory_size,
        rendering_is_empty: draft.rendering_is_empty,
        has_no_objects: &|id| matches!(checks.get(id), Some(Checked::NoObjects)),
    });
    plan.digest = digest(&plan.steps);
    plan
}

/// The names of the stages, if there is more than one.
fn stages(draft: &Draft) -> Vec<StageName> {
    let stages = draft.schedule().stages.iter();
    let names: Vec<_> = stages.map(|stage| StageName { phase: stage.phase, wave: stage.wave }).collect();
    if draft.schedule().is_staged() { names } else { Vec::new() }
}

/// One object and all that is known about it before the answer.
struct Case<'a> {
    draft: &'a Draft,
    item: &'a Item,
    manifest: &'a Manifest,
}

fn judge(case: &Case<'_>, answer: Option<&Checked>) -> Verdict {
    match answer {
        Some(answer) if case.item.hook.is_some() => case.hook(answer),
        Some(Checked::Predicted { object, existed: Existed::No, warnings, .. }) => {
            case.create(Some(object), warnings)
        }
        Some(Checked::Predicted { object, existed: Existed::Yes, live, warnings }) => {
            case.existing(live.as_ref(), |live| case.change(live, object, warnings))
        }
        Some(Checked::Immutable { message, live, creating }) => {
            case.existing(live.as_ref(), |live| case.recreate(live, message, creating))
        }
        Some(Checked::Refused { class, message }) => case.refuse(*class, message.clone()),
        Some(Checked::Unverifiable { why }) => case.unverified(why),
        Some(Checked::NoObjects) | None => {
            case.refuse(Class::Transient, "the API server was not asked about it; try again".to_owned())
        }
    }
}

impl Case<'_> {
    fn refuse(&self, class: Class, message: String) -> Verdict {
        Verdict::Refuse(refusal(self.manifest, class, message))
    }

    /// Goes on with the live object, from the answer or else from the cache, if it is ours or nobody's.
    fn existing(&self, answered: Option<&Value>, go_on: impl Fn(&Value) -> Verdict) -> Verdict {
        if self.item.tracking == Tracking::Unowned || self.item.mode == Mode::IfNotPresent {
            return Verdict::Exists;
        }
        let cached;
        let live = match (answered, &self.item.live) {
            (Some(live), _) => live,
            (None, Some(live)) => match live.object() {
                Ok(object) => {
                    cached = object;
                    &cached
                }
                Err(error) => return self.refuse(error.class(), error.to_string()),
            },
            (None, None) => {
                return self.refuse(
                    Class::Transient,
                    "it exists, but the live object could not be read; try again".to_owned(),
                );
            }
        };
        match conflict(&self.draft.owner, self.manifest, live) {
            Some(refusal) => Verdict::Refuse(refusal),
            None => go_on(live),
        }
    }

    fn step(&self, action: Action, reason: Reason) -> Step {
        Step {
            id: self.item.id.clone(),
            version: self.manifest.gvk().version.clone(),
            action,
            rank: 0,
            stage: self.item.stage,
            reason,
            mode: self.item.mode,
            hook: self.item.hook.clone(),
            manifest: Some(self.item.index),
            origin: Some(self.manifest.origin().clone()),
            uid: None,
            diff: Diff::default(),
            tracking: self.item.tracking,
            desired: Some(self.item.desired),
            predicted: None,
            migration: None,
            warnings: Vec::new(),
        }
    }

    /// What is desired is shown, not what was foretold: that has defaults and allocated values, which change.
    fn create(&self, predicted: Option<&Value>, warnings: &[String]) -> Verdict {
        let reason = if self.item.known { Reason::Missing } else { Reason::New };
        let mut step = self.step(Action::Create, reason);
        step.diff = Diff::between(None, Some(&self.desired()));
        step.predicted = predicted.and_then(ProjectionHash::of_live);
        step.warnings = warnings.to_vec();
        Verdict::Step(Box::new(step))
    }

    fn change(&self, live: &Value, predicted: &Value, warnings: &[String]) -> Verdict {
        // Merge leaves to kubectl what is kubectl's; what is replaced needs no owners of fields.
        let migration = if self.item.mode.is_default() { migrate::plan(live) } else { None };
        let becomes = match &migration {
            Some(migration) => migrate::predict(migration, predicted),
            None => predicted.clone(),
        };
        let diff = Diff::between(Some(live), Some(&becomes));
        let now = ProjectionHash::of_live(live);
        let then = ProjectionHash::of_live(predicted);
        // Nothing of ours would change: what differs is written by a webhook at each request, and would be for ever.
        let by_others =
            now.is_some() && now == then && migration.is_none() && self.item.mode != Mode::Replace;
        let (action, reason) = if is_deleting(live) {
            (Action::Recreate, Reason::Deleting)
        } else if !is_marked(live) {
            (Action::Adopt, Reason::Unmarked)
        } else if !diff.is_empty() && !by_others {
            (Action::Change, Reason::Differs)
        } else if now != then && self.item.mode != Mode::Replace {
            (Action::Change, Reason::Ownership)
        } else {
            return Verdict::Unchanged(Unchanged {
                id: self.item.id.clone(),
                version: self.manifest.gvk().version.clone(),
                desired: self.item.desired,
                live: now,
            });
        };
        let mut step = self.step(action, reason);
        step.uid = uid(live);
        step.diff = diff;
        step.predicted = then.filter(|_| action != Action::Recreate);
        step.migration = migration.filter(|_| action != Action::Recreate);
        step.warnings = warnings.to_vec();
        Verdict::Step(Box::new(step))
    }

    fn recreate(&self, live: &Value, message: &str, creating: &Creating) -> Verdict {
        match creating {
            Creating::NotAsked => self.refuse(
                Class::Invalid,
                format!(
                    "{message}. A field that cannot be changed was changed: change it back, or let the object be \
                     deleted and created again with the annotation {RECREATE_ANNOTATION}: Allowed or with \
                     tiphys sync --recreate"
                ),
            ),
            Creating::Refused { message: refused } => self.refuse(
                Class::Invalid,
                format!("{message}. Deleting and creating it again would not help: {refused}"),
            ),
            Creating::Accepted => {
                let mut step = self.step(
                    Action::Recreate,
                    Reason::Immutable {
                        message: message.to_owned(),
                    },
                );
                step.uid = uid(live);
                let before = projection(live, FIELD_MANAGER).unwrap_or_else(|| live.clone());
                step.diff = Diff::between(Some(&before), Some(&self.desired()));
                Verdict::Step(Box::new(step))
            }
        }
    }

    /// A hook runs, unless what is there must not be touched.
    fn hook(&self, answer: &Checked) -> Verdict {
        match answer {
            Checked::Predicted { existed: Existed::No, warnings, .. } => self.run(Reason::New, None, warnings),
            Checked::Predicted { existed: Existed::Yes, live, warnings, .. } => {
                self.existing(live.as_ref(), |live| match self.left_over(live) {
                    Ok(reason) => self.run(reason, uid(live), warnings),
                    Err(message) => self.refuse(Class::Conflict, message),
                })
            }
            Checked::Immutable { message, live, creating } => self.existing(live.as_ref(), |live| {
                match (self.left_over(live), creating) {
                    (Err(message), _) => self.refuse(Class::Conflict, message),
                    (Ok(_), Creating::Refused { message }) => self.refuse(Class::Invalid, message.clone()),
                    (Ok(Reason::Reused), _) if !self.is_under_way(live) => self.refuse(
                        Class::Invalid,
                        format!(
                            "{message}. An earlier run left it, and its delete policy does not let it be deleted \
                             first: add BeforeHookCreation to {HOOK_DELETE_POLICY_ANNOTATION}"
                        ),
                    ),
                    (Ok(reason), _) => self.run(reason, uid(live), &[]),
                }
            }),
            Checked::Refused { class, message } => self.refuse(*class, message.clone()),
            Checked::Unverifiable { why } => self.run(Reason::Unverified { why: why.clone() }, None, &[]),
            Checked::NoObjects => self.refuse(Class::Transient, "it was not asked about; try again".to_owned()),
        }
    }

    fn run(&self, reason: Reason, uid: Option<String>, warnings: &[String]) -> Verdict {
        let mut step = self.step(Action::Hook, reason);
        step.uid = uid;
        step.diff = Diff::between(None, Some(&self.desired()));
        step.warnings = warnings.to_vec();
        Verdict::Step(Box::new(step))
    }

    /// What becomes of an object that is there already. Nobody's object is deleted for a hook of the same name, unless
    /// it says that it is a hook itself: another tool may have run it.
    fn left_over(&self, live: &Value) -> Result<Reason, String> {
        if !self.deletes_first() {
            return Ok(Reason::Reused);
        }
        if is_marked(live) || hooks::is_hook(live) {
            return Ok(Reason::LeftOver);
        }
        Err("it exists, is no hook, and would be deleted before the hook is created: give the hook another name, or \
             delete the object"
            .to_owned())
    }

    fn deletes_first(&self) -> bool {
        self.item.hook.as_ref().is_some_and(HookRun::deletes_first)
    }

    /// Whether the live object is that of this very run.
    fn is_under_way(&self, live: &Value) -> bool {
        let mark = self.item.hook.as_ref().map(|HookRun { mark, .. }| mark.as_str());
        mark.is_some() && hooks::mark_of(live) == mark
    }

    fn unverified(&self, why: &str) -> Verdict {
        let reason = Reason::Unverified { why: why.to_owned() };
        let mut step = self.step(Action::Create, reason);
        if let Some(live) = &self.item.live {
            step.action = Action::Change;
            step.uid = Some(live.uid.clone());
        }
        step.diff = Diff::between(None, Some(&self.desired()));
        Verdict::Step(Box::new(step))
    }

    fn desired(&self) -> Value {
        Value::Object(self.manifest.object().clone())
    }
}

/// Why an object may not be pruned.
fn refused_prune(pruned: &Pruned, checks: &BTreeMap<ObjectId, Checked>) -> Option<Refusal> {
    let Some(Checked::Refused { class, message }) = checks.get(&pruned.live.id) else {
        return None;
    };
    Some(Refusal { id: pruned.live.id.clone(), origin: None, class: *class, message: message.clone() })
}

fn prune_step(pruned: &Pruned, stage: usize) -> Step {
    let live = &pruned.live;
    Step {
        id: live.id.clone(),
        version: live.gvk.version.clone(),
        action: Action::Prune,
        rank: 0,
        stage,
        reason: Reason::NotInRendering,
        mode: Mode::Override,
        hook: None,
        manifest: None,
        origin: None,
        uid: Some(live.uid.clone()),
        diff: Diff::default(),
        tracking: Tracking::Owned,
        desired: None,
        predicted: None,
        migration: None,
        warnings: Vec::new(),
    }
}

/// Where a step is; steps at equal places may run at the same time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Apply { stage: usize, rank: usize },
    Prune { stage: usize, wave: i32, rank: Rank },
}

impl Place {
    fn of_prune(pruned: &Pruned, stage: usize) -> Self {
        let id = &pruned.live.id;
        Self::Prune { stage, wave: pruned.wave, rank: Rank::for_prune(&id.group, &id.kind) }
    }
}

/// Gives the steps, which are in order already, the numbers of their ranks.
fn number_ranks(steps: &mut [Step], places: &[Place]) {
    let mut rank = 0;
    let mut before = None;
    for (step, place) in steps.iter_mut().zip(places) {
        if before.is_some_and(|before| before != place) {
            rank += 1;
        }
        before = Some(place);
        step.rank = rank;
    }
}

/// Names the plan: what is done to which objects, and what it takes them to. The same plan made again has the same
/// name; a live object that changed meanwhile, or another rendering, makes another.
fn digest(steps: &[Step]) -> String {
    let essence: Vec<_> = steps
        .iter()
        .map(|step| {
            (
                &step.id,
                step.action,
                &step.uid,
                step.desired.map(|desired| desired.to_string()),
                &step.diff.fields,
            )
        })
        .collect();
    Digest::of_json(&essence).to_string()
}

fn is_marked(live: &Value) -> bool {
    live.pointer("/metadata/labels")
        .and_then(|labels| labels.get(tiphys_api::APPLICATION_LABEL)?.as_str())
        .is_some_and(|label| !label.is_empty())
}

fn is_deleting(live: &Value) -> bool {
    live.pointer("/metadata/deletionTimestamp").is_some_and(Value::is_string)
}

fn uid(live: &Value) -> Option<String> {
    live.pointer("/metadata/uid")?.as_str().map(str::to_owned)
}

/// All refusals, one a line.
pub(super) fn refusals_text(refusals: &[Refusal]) -> String {
    let lines: Vec<_> = refusals.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.origin {
            Some(origin) => write!(f, "{} ({origin}): {}", self.id, self.message),
            None => write!(f, "{}: {}", self.id, self.message),
        }
    }
}
