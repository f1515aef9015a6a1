use std::collections::BTreeMap;

use serde_json::{Value, json};
use tiphys_api::{Action, FIELD_MANAGER, HOOK_DELETE_POLICY_ANNOTATION, RECREATE_ANNOTATION};
use tiphys_manifest::order::Rank;
use tiphys_manifest::{Manifest, ObjectId};

use super::check::{BySchema, Checked, Creating, Existed};
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
use crate::tracking::{self, Claim};

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
    plan.refusals.extend(draft.pruning.prunes.iter().filter_map(|pruned| not_deletable(pruned, checks)));
    let stage = draft.schedule().last_of_sync().unwrap_or_default();
    let after = plan.steps.partition_point(|step| step.stage <= stage);
    let prunes = draft.pruning.prunes.iter();
    places.splice(after..after, prunes.clone().map(|pruned| Place::of_prune(pruned, stage)));
    plan.steps.splice(after..after, prunes.map(|pruned| prune_step(pruned, stage, checks)));
    plan.unchanged.sort_by(|left, right| left.id.cmp(&right.id));
    plan.refusals.sort_by(|left, right| left.id.cmp(&right.id));
    number_ranks(&mut plan.steps, &places);
    plan.guards = guard::find(&Watched {
        steps: &plan.steps,
        kept: &plan.kept,
        inventory_size: draft.inventory_size,
        rendering_is_empty: draft.rendering_is_empty,
        limits: draft.policy.limits,
        moved: draft.policy.moved.as_ref(),
        has_no_objects: &|id| matches!(checks.get(id), Some(Checked::NoObjects)),
        dropped: &|id| match checks.get(id) {
            Some(Checked::Predicted { dropped, .. }) => dropped.clone(),
            _ => Vec::new(),
        },
        asks: &|id| draft.pruning.prunes.iter().any(|pruned| pruned.asks && pruned.live.id == *id),
    });
    plan.digest = digest(draft, &plan.steps);
    plan
}

/// Why an object that left the rendering cannot be deleted.
fn not_deletable(pruned: &Pruned, checks: &BTreeMap<ObjectId, Checked>) -> Option<Refusal> {
    let id = &pruned.live.id;
    let Some(Checked::Refused { class, message }) = checks.get(id) else {
        return None;
    };
    let message = format!("it is no longer in the rendering, and may not be deleted: {message}");
    Some(Refusal { id: id.clone(), origin: None, class: *class, message })
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
        Some(Checked::Predicted { object, existed: Existed::Yes, live, warnings, .. }) => {
            case.existing(live.as_ref(), |live| case.change(live, object, warnings))
        }
        Some(Checked::Immutable { message, live, creating }) => {
            case.existing(live.as_ref(), |live| case.recreate(live, message, creating))
        }
        Some(Checked::Refused { class, message }) => case.refuse(*class, message.clone()),
        Some(Checked::Unverifiable { why }) => case.unverified(why),
        Some(Checked::BySchema(by_schema)) => case.by_schema(by_schema),
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
            Some(refusal) if self.released().is_none() => Verdict::Refuse(refusal),
            Some(_) | None => go_on(live),
        }
    }

    /// Who had it before, if another Application hands it over.
    fn released(&self) -> Option<&String> {
        self.draft.policy.handover.released.get(&self.item.id)
    }

    /// Who hands a live object over, if it still carries the mark of that Application.
    fn handed_over(&self, live: &Value) -> Option<Reason> {
        let from = self.released()?.clone();
        let is_other = matches!(tracking::claim(live, &self.draft.owner), Claim::Other { .. });
        is_other.then_some(Reason::HandedOver { from })
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
            by_schema: false,
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
        let by_others = now.is_some() && now == then && migration.is_none() && !self.item.mode.replaces();
        let takes_back = match self.item.mode {
            Mode::Replace => false,
            Mode::ReplaceOnce => !self.item.settled,
            Mode::Override | Mode::Merge | Mode::IfNotPresent | Mode::Ignore => now != then,
        };
        let (action, reason) = if is_deleting(live) {
            (Action::Recreate, Reason::Deleting)
        } else if let Some(reason) = self.handed_over(live) {
            (Action::Adopt, reason)
        } else if !is_marked(live) {
            (Action::Adopt, Reason::Unmarked)
        } else if !diff.is_empty() && !by_others {
            (Action::Change, Reason::Differs)
        } else if takes_back {
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
        // What is replaced for once is applied after that, which is not dry-run.
        step.predicted = then.filter(|_| action != Action::Recreate && self.item.mode != Mode::ReplaceOnce);
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
            Checked::BySchema(BySchema { unverified: Some(why), .. }) => {
                self.run(Reason::Unverified { why: why.clone() }, None, &[])
            }
            Checked::BySchema(_) => self.run_by_schema(),
            Checked::NoObjects => self.refuse(Class::Transient, "it was not asked about; try again".to_owned()),
        }
    }

    /// A hook whose kind comes with the same plan.
    fn run_by_schema(&self) -> Verdict {
        match self.run(Reason::New, None, &[]) {
            Verdict::Step(step) => Verdict::Step(Box::new(Step { by_schema: true, ..*step })),
            other => other,
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

    /// What the schema foretells that comes with the same plan: the object with its defaults.
    fn by_schema(&self, answer: &BySchema) -> Verdict {
        let becomes = Value::Object(self.manifest.object().clone());
        let go_on = |live: Option<&Value>| {
            let (action, reason) = match live {
                None if self.item.known => (Action::Create, Reason::Missing),
                None => (Action::Create, Reason::New),
                Some(live) if is_deleting(live) => (Action::Recreate, Reason::Deleting),
                Some(live) => match self.handed_over(live) {
                    Some(reason) => (Action::Adopt, reason),
                    None if is_marked(live) => (Action::Change, Reason::Differs),
                    None => (Action::Adopt, Reason::Unmarked),
                },
            };
            let reason = match &answer.unverified {
                Some(why) => Reason::Unverified { why: why.clone() },
                None => reason,
            };
            let mut step = self.step(action, reason);
            step.by_schema = true;
            step.uid = live.and_then(uid);
            let before = live.map(|live| projection(live, FIELD_MANAGER).unwrap_or_else(|| live.clone()));
            step.diff = Diff::between(before.as_ref(), Some(&becomes));
            step.warnings.clone_from(&answer.warnings);
            Verdict::Step(Box::new(step))
        };
        match &answer.live {
            None if self.item.live.is_none() => go_on(None),
            live => self.existing(live.as_ref(), |live| go_on(Some(live))),
        }
    }

    fn desired(&self) -> Value {
        Value::Object(self.manifest.object().clone())
    }
}

fn prune_step(pruned: &Pruned, stage: usize, checks: &BTreeMap<ObjectId, Checked>) -> Step {
    let live = &pruned.live;
    let warnings = match checks.get(&live.id) {
        Some(Checked::Unverifiable { why }) => vec![format!("not checked whether it may be deleted: {why}")],
        _ => Vec::new(),
    };
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
        warnings,
        by_schema: false,
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
/// name; a live object that changed meanwhile, or another rendering, makes another. Differences of Secrets are hidden, so
/// their version stands for them. Hooks without a name of their own
/// (`generateName`) are called differently in each run, and count without it.
fn digest(draft: &Draft, steps: &[Step]) -> String {
    let essence: Vec<_> = steps
        .iter()
        .map(|step| {
            let manifest = step.manifest.and_then(|place| draft.manifests().get(place));
            if let Some(unnamed) = manifest.and_then(hooks::without_drawn_name) {
                return json!([step.action, Digest::of_json(&unnamed).to_string()]);
            }
            let desired = step.desired.map(|desired| desired.to_string());
            let is_secret = step.id.group.is_empty() && step.id.kind == "Secret";
            let item = draft.items.iter().find(|item| is_secret && item.id == step.id);
            let version = item.and_then(|item| Some(&item.live.as_ref()?.resource_version));
            json!([step.id, step.action, step.uid, desired, step.diff.fields, version])
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
