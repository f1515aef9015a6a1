//! Running one Sync: from what is desired to objects that are applied and wait for health.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use parking_lot::Mutex;
use tiphys_api::{
    Action, Application, CONFIRM_ANNOTATION, GuardLimits, ObjectResult, Outcome, Phase, SyncStatus, Trigger,
};
use tiphys_engine::apply::{ApplyOptions, ApplyReport, Deletions, apply};
use tiphys_engine::check::{CheckOptions, check};
use tiphys_engine::hooks::{self, Run};
use tiphys_engine::order::Warning;
use tiphys_engine::place::namespace_to_ensure;
use tiphys_engine::plan::{
    Draft, DraftInput, Moved, Plan, Policy, Prune, Recreate, Refusal, Replace, Selection, Step, Tracking,
};
use tiphys_engine::{Class, Inventory, look};
use tiphys_manifest::{Manifest, ObjectId};

use super::current::{for_record, set_status};
use super::desired::{self, Desired, kinds_of};
use super::progress::Progress;
use super::report::shorten;
use super::state::State;
use super::write_ahead::{keep_plan, write_ahead};
use super::{Error, acting, deadline, heal, key_of, leaving, moves, room, stages};
use crate::context::Context;
use crate::steps::{self, StepKind};
use crate::sync_index::SyncRecord;

/// Why a Sync ended before its objects were applied.
#[derive(Debug)]
pub enum Stop {
    /// It cannot be done; this is said in its record.
    Failed {
        /// What is wrong and what to do next.
        message: String,
        /// Objects that are to blame.
        objects: Vec<ObjectResult>,
        /// What was planned.
        plan: Option<Box<Plan>>,
        /// Whether objects were written.
        written: bool,
    },
    /// Something is in the way that may be gone soon; the Sync is tried again from the top.
    Again(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        if error.is_transient() { Self::Again(error) } else { Self::failed(crate::error::chain(&error)) }
    }
}

impl From<tiphys_engine::Error> for Stop {
    fn from(error: tiphys_engine::Error) -> Self {
        Error::from(error).into()
    }
}

impl Stop {
    /// A failure before anything was planned or written.
    pub fn failed(message: String) -> Self {
        Self::Failed { message, objects: Vec::new(), plan: None, written: false }
    }

    /// What is in the way.
    fn text(&self) -> String {
        match self {
            Self::Failed { message, .. } => message.clone(),
            Self::Again(error) => crate::error::chain(error),
        }
    }
}

/// What became of a run.
#[derive(Debug)]
pub enum Ran {
    /// It was a dry run, and its plan is kept.
    Planned,
    /// Its objects are applied; it waits for health.
    Waiting,
    /// It is over.
    Stopped(Stop),
}

/// Runs the current Sync up to the point where it waits for health.
pub async fn run(ctx: &Context, application: &Application, state: &mut State, record: &SyncRecord) -> Ran {
    let rules = acting::rules(ctx, application);
    match attempt(ctx, application, state, record).await {
        Ok(ran) => ran,
        Err(stop) => {
            if matches!(stop, Stop::Failed { written: false, .. }) && !record.spec.dry_run {
                state.refused_under = Some(rules);
            }
            Ran::Stopped(stop)
        }
    }
}

async fn attempt(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    record: &SyncRecord,
) -> Result<Ran, Stop> {
    if record.spec.initiated_by.trigger == Trigger::SelfHeal
        && let Some(found) = state.drift.take()
    {
        heal::note_correction(ctx, state, &found);
        return heal_now(ctx, application, state, *found).await;
    }
    if let Some(stage) = stages::taken_up(ctx, application, state, record) {
        return stages::run_from(ctx, application, state, record, stage, None).await;
    }
    let desired = desired::desire(ctx, application, state, record).await?;
    set_status(state, |status| {
        status.revision = Some(desired.revision.clone());
        status.rendering = Some(desired.rendering.clone());
        status.stage = None;
    });
    heal::ask_anew(state, record, &desired.rendering);
    if !record.spec.dry_run {
        leaving::begin(ctx, state, record, &desired.rendering);
    }
    let hooks = stages::hooks_of(ctx, application, state, record, &desired.rendering);
    let named = hooks::name_all(desired.manifests, hooks.as_ref().map_or("", |run| &run.id));
    let (manifests, refusals) = desired::place(ctx, application, named).await?;
    if !refusals.is_empty() {
        state.unknown_kinds = desired::has_unknown_kinds(ctx, &manifests).then(|| ctx.kinds_version());
        return Err(refused("nothing was written", &refusals, None));
    }
    let desired = Desired { manifests, ..desired };
    claim(ctx, application, state, &desired.manifests).await?;
    watch(ctx, state, &desired.manifests).await?;
    let (draft, plan) =
        plan(ctx, application, state, record, desired.manifests.clone(), (hooks.clone(), None)).await?;
    set_status(state, |status| {
        status.plan = Some(plan.summary());
        status.warnings = warnings(&desired.warnings, &plan.warnings);
    });
    if record.spec.dry_run {
        keep_plan(ctx, state, &plan).await?;
        return Ok(Ran::Planned);
    }
    may_run(application, &plan, record)?;
    write_ahead(ctx, application, state, &desired, &plan).await?;
    if draft.schedule().is_staged() {
        stages::begin(state, record, draft.schedule().clone(), hooks, &plan);
        return stages::run_from(ctx, application, state, record, 0, Some((draft, plan))).await;
    }
    execute(ctx, application, state, &draft, &plan).await?;
    Ok(note_applied(state))
}

/// Everything is applied: from now on its health is waited for.
fn note_applied(state: &mut State) -> Ran {
    set_status(state, |status| {
        status.applied_at = Some(Time(Timestamp::now()));
        status.phase = Phase::Waiting;
    });
    Ran::Waiting
}

/// Most warnings that a record holds, and the longest of them in bytes.
const MAX_WARNINGS: usize = 20;
const MAX_WARNING: usize = 512;

/// What the files and the plan warn of, as much as a record holds.
fn warnings(of_files: &[String], of_plan: &[Warning]) -> Vec<String> {
    let all = of_files.iter().cloned().chain(of_plan.iter().map(Warning::to_string));
    all.take(MAX_WARNINGS).map(|it| shorten(&it, MAX_WARNING)).collect()
}

/// Plans one stage of a Sync from its snapshot and what is live now.
pub async fn plan_stage(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    record: &SyncRecord,
    stage: usize,
) -> Result<(Draft, Plan), Stop> {
    let Some(applied) = &state.applied else {
        return Err(Stop::failed("the snapshot of this Sync is gone; sync again".to_owned()));
    };
    let manifests = applied.snapshot()?.manifests;
    let hooks = state.staged.as_ref().and_then(|it| it.hooks.clone());
    claim(ctx, application, state, &manifests).await?;
    watch(ctx, state, &manifests).await?;
    let (draft, plan) = plan(ctx, application, state, record, manifests, (hooks, Some(stage))).await?;
    let schedule = draft.schedule().stages.get(stage);
    let name = schedule.map_or("Sync", |it| it.phase.as_str());
    let what = format!("stage {} ({name}) cannot be applied", stage + 1);
    if !plan.refusals.is_empty() {
        return Err(refused(&what, &plan.refusals, None));
    }
    // What has come since the Sync began is in no plan that anybody saw, unless a person confirmed the whole.
    if let Some(guard) = plan.guards.first().filter(|_| !is_confirmed(application, state, record)) {
        return Err(Stop::failed(format!(
            "{what}: {}, which was not so when the Sync began; sync again to see the new plan and to confirm it",
            guard.message()
        )));
    }
    Ok((draft, plan))
}

/// Whether somebody confirmed the plan that this Sync began with.
fn is_confirmed(application: &Application, state: &State, record: &SyncRecord) -> bool {
    let status = state.current.as_ref().and_then(|it| it.sync.status.as_ref());
    let digest = status.and_then(|it| it.plan.as_ref()?.digest.as_deref());
    digest.is_some_and(|digest| confirmations(application, record).any(|it| it == digest))
}

/// The digests of the plans that somebody confirmed: whoever asked for the Sync, and whoever wrote it into the Application.
fn confirmations<'a>(application: &'a Application, record: &'a SyncRecord) -> impl Iterator<Item = &'a str> {
    let annotation = application.annotations().get(CONFIRM_ANNOTATION);
    record.spec.confirm.iter().chain(annotation).map(String::as_str)
}

/// Makes sure that no other Application of this controller works on these objects, but for those that it has let go.
async fn claim(
    ctx: &Context,
    application: &Application,
    state: &State,
    manifests: &[Manifest],
) -> Result<(), Stop> {
    let owner = ctx.owner(&key_of(application));
    let ids: Vec<_> = manifests.iter().map(Manifest::id).collect();
    let claimed = {
        let mut claims = ctx.claims.lock();
        // What left both the rendering and the inventory may be taken by others.
        claims.retain(&owner, |id| {
            ids.contains(id) || state.applied.as_ref().is_some_and(|it| it.inventory.contains(id))
        });
        claims.claim_all(&owner, &ids)
    };
    let Err(conflicts) = claimed else {
        return Ok(());
    };
    let mut refusals = Vec::new();
    for conflict in conflicts {
        let other = moves::named(ctx, &conflict.owner.label_value());
        let has_let_go = match other {
            Some(other) => Box::pin(moves::has_let_go(ctx, &other, &conflict.id)).await?,
            None => true,
        };
        if !has_let_go {
            let message = conflict.to_string();
            refusals.push(Refusal { message, id: conflict.id, origin: None, class: Class::Conflict });
        }
    }
    if !refusals.is_empty() {
        return Err(refused("nothing was written", &refusals, None));
    }
    ctx.claims.lock().take_over(&owner, &ids);
    Ok(())
}

/// An API server that just started forbids everything until it has read its roles, so what it forbids counts only when it
/// still does after this time.
const FORBIDDEN_GRACE: Duration = Duration::from_secs(5);

/// Whether the current Sync began so lately that a refusal may be one of a server that just started.
fn is_young(state: &State) -> bool {
    state.current.as_ref().is_some_and(|it| it.since.elapsed() < FORBIDDEN_GRACE)
}

/// Watches every kind that is applied or may be pruned.
async fn watch(ctx: &Context, state: &State, manifests: &[Manifest]) -> Result<(), Stop> {
    let mut kinds = kinds_of(manifests);
    kinds.extend(state.applied.iter().flat_map(|it| it.inventory.kinds()));
    match ctx.cluster.watch(kinds.iter(), deadline(super::WATCH_TIME)).await {
        Ok(_) => Ok(()),
        Err(error) if error.class() == Class::Forbidden && is_young(state) => Err(Stop::Again(error.into())),
        Err(error) => Err(error.into()),
    }
}

async fn plan(
    ctx: &Context,
    application: &Application,
    state: &State,
    record: &SyncRecord,
    manifests: Vec<Manifest>,
    stage: (Option<Run>, Option<usize>),
) -> Result<(Draft, Plan), Stop> {
    let step = steps::begin(StepKind::Plan);
    let planned = make_plan(ctx, application, state, record, manifests, stage).await;
    if let Some(current) = &state.current {
        let failure = match &planned {
            Ok((_, plan)) => plan.refusals.first().map(|it| format!("{}: {}", it.id, it.message)),
            Err(stop) => Some(stop.text()),
        };
        current.steps.end(step, &ctx.metrics, failure);
    }
    planned
}

async fn make_plan(
    ctx: &Context,
    application: &Application,
    state: &State,
    record: &SyncRecord,
    manifests: Vec<Manifest>,
    (hooks, stage): (Option<Run>, Option<usize>),
) -> Result<(Draft, Plan), Stop> {
    let prune = record.spec.prune.unwrap_or(application.spec.sync.prune);
    let policy = Policy {
        prune: if prune { Prune::Enabled } else { Prune::Disabled },
        recreate: if record.spec.recreate { Recreate::All } else { Recreate::Annotated },
        replace: if record.spec.replace { Replace::All } else { Replace::Annotated },
        selection: match record.spec.resources.as_slice() {
            [] => Selection::All,
            some => Selection::Only(some.to_vec()),
        },
        done: state.done_jobs.ids(),
        hooks,
        stage,
        left_alone: state.fights.fields(),
        handover: Box::pin(moves::handover(ctx, application, state, &manifests, prune)).await?,
        limits: limits(ctx, application),
        moved: moved(application, state),
        ..Policy::default()
    };
    let namespace = desired::destination(application);
    let ensure = namespace_to_ensure(&application.spec, &namespace);
    let empty = Inventory::default();
    let view = ctx.cluster.view(&manifests);
    let mut draft = Draft::new(DraftInput {
        owner: &ctx.owner(&key_of(application)),
        manifests,
        ensure: ensure.filter(|_| !state.namespace_exists).into_iter().collect(),
        ignore: &application.spec.ignore_differences,
        live: &view,
        inventory: state.applied.as_ref().map_or(&empty, |it| &it.inventory),
        policy,
    });
    let options = CheckOptions {
        concurrency: ctx.settings.apply_concurrency,
        deadline: deadline(super::CHECK_TIME),
        stand_in: acting::stand_in(ctx, application),
    };
    let cluster = acting::cluster(ctx, application).await?;
    look::look(&cluster, &ctx.jq, &mut draft, options.deadline).await?;
    let checks = check(&cluster, &draft, &options).await;
    let mut plan = draft.finish(&checks);
    plan.refusals.extend(forbidden_prunes(ctx, application, &plan));
    plan.refusals.extend(room::refusals(ctx, &draft, &plan, &checks, room::extent(record, stage)).await);
    let passing = |it: &&Refusal| {
        it.class == Class::Transient
            || (it.class == Class::Forbidden && is_young(state) && !record.spec.dry_run)
    };
    if let Some(refusal) = plan.refusals.iter().find(passing) {
        return Err(Stop::Again(Error::Check { message: format!("{}: {}", refusal.id, refusal.message) }));
    }
    Ok((draft, plan))
}

/// What a plan would delete though the Project does not let the Application write there any more.
fn forbidden_prunes(ctx: &Context, application: &Application, plan: &Plan) -> Vec<Refusal> {
    let prunes: Vec<_> = plan.steps.iter().filter(|it| it.action == Action::Prune).map(|it| &it.id).collect();
    let violations = desired::violations(ctx, application, &[], prunes.iter().copied().cloned());
    // What the Application may not do at all was said before anything was planned.
    violations.into_iter().filter(|it| prunes.contains(&&it.id)).collect()
}

/// Whether what is written now may be written by the rules of now: since it was planned, the Project may have changed.
fn still_allowed(ctx: &Context, application: &Application, draft: &Draft, plan: &Plan) -> Result<(), Stop> {
    let written = plan.steps.iter().filter(|it| it.tracking != Tracking::Unowned).map(|it| it.id.clone());
    let violations = desired::violations(ctx, application, draft.manifests(), written);
    if violations.is_empty() {
        return Ok(());
    }
    Err(refused("nothing more was written", &violations, None))
}

/// From how much deleting on a plan has to be confirmed.
fn limits(ctx: &Context, application: &Application) -> GuardLimits {
    let project = ctx.project(&application.spec.project).map(|it| it.spec.guards);
    application.spec.sync.guards.within(project.unwrap_or_default())
}

/// Where the objects were applied before, if that is elsewhere.
pub fn moved(application: &Application, state: &State) -> Option<Moved> {
    let from = state.applied.as_ref()?.destination.clone()?;
    let to = destination_words(application);
    (from != to).then_some(Moved { from, to })
}

pub fn destination_words(application: &Application) -> String {
    format!("{}/{}", application.spec.destination.cluster, desired::destination(application))
}

fn may_run(application: &Application, plan: &Plan, record: &SyncRecord) -> Result<(), Stop> {
    if let Some(wanted) = record.spec.plan.as_ref().filter(|it| **it != plan.digest) {
        return Err(Stop::Failed {
            message: format!(
                "nothing was written: the plan is not {wanted} any more but {}, because the rendering or a live object \
                 that it touches changed; `tiphys plan {}` shows what it is now",
                plan.digest,
                super::name_of(application)
            ),
            objects: Vec::new(),
            plan: Some(Box::new(plan.clone())),
            written: false,
        });
    }
    if !plan.refusals.is_empty() {
        return Err(refused("nothing was written", &plan.refusals, Some(plan)));
    }
    plan.may_run(confirmations(application, record)).map_err(|blocked| Stop::Failed {
        message: blocked.to_string(),
        objects: Vec::new(),
        plan: Some(Box::new(plan.clone())),
        written: false,
    })
}

fn refused(what: &str, refusals: &[Refusal], plan: Option<&Plan>) -> Stop {
    let objects: Vec<_> = refusals.iter().map(|it| refused_object(it, plan)).collect();
    let first = refusals.first().map(|it| {
        let origin = it.origin.as_ref().map(|it| format!(" ({it})")).unwrap_or_default();
        format!("{}{origin}: {}", it.id, it.message)
    });
    let more = match refusals.len() {
        0 | 1 => String::new(),
        count => format!(" (and {} more objects are refused)", count - 1),
    };
    let message = format!("{what}: {}{more}", first.unwrap_or_default());
    Stop::Failed { message, objects, plan: plan.cloned().map(Box::new), written: false }
}

fn refused_object(refusal: &Refusal, plan: Option<&Plan>) -> ObjectResult {
    let step = plan.and_then(|it| it.steps.iter().find(|step| step.id == refusal.id));
    result(
        &refusal.id,
        step.map_or(Action::Change, |it| it.action),
        Outcome::Failed,
        Some(refusal.message.clone()),
    )
}

fn result(id: &ObjectId, action: Action, outcome: Outcome, message: Option<String>) -> ObjectResult {
    ObjectResult {
        group: id.group.clone(),
        kind: id.kind.clone(),
        namespace: id.namespace.clone(),
        name: id.name.clone(),
        hook: None,
        action,
        outcome,
        message,
    }
}

/// Puts drifted objects right with the plan that was made when they were seen.
async fn heal_now(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    found: super::state::DriftFound,
) -> Result<Ran, Stop> {
    let applied = state.applied.as_ref();
    let (revision, rendering) = (state.status.revision.clone(), state.status.rendering.clone());
    let snapshot = applied.map(|it| it.name.clone());
    set_status(state, |status| {
        status.revision = revision;
        status.rendering = rendering;
        status.snapshot = snapshot;
        status.plan = Some(found.plan.summary());
    });
    if !found.plan.refusals.is_empty() {
        return Err(refused("nothing was written", &found.plan.refusals, Some(&found.plan)));
    }
    execute(ctx, application, state, &found.draft, &found.plan).await?;
    Ok(note_applied(state))
}

/// Brings back what somebody deleted while the current Sync waits for health.
pub async fn restore(ctx: &Context, application: &Application, state: &mut State) -> Ran {
    let Some(found) = state.drift.take() else { return Ran::Waiting };
    heal::note_correction(ctx, state, &found);
    let restored = if found.plan.refusals.is_empty() {
        execute(ctx, application, state, &found.draft, &found.plan).await
    } else {
        Err(refused("what was deleted meanwhile was not brought back", &found.plan.refusals, None))
    };
    state.current.iter_mut().for_each(|it| it.missing_since = None);
    match restored {
        Ok(()) => {
            let name = state.current.as_ref().map(|it| it.sync.name_any()).unwrap_or_default();
            heal::tell_of_restored(ctx, application, &name, &found).await;
            Ran::Waiting
        }
        // The Sync itself has written what it applied.
        Err(Stop::Failed { message, objects, .. }) => {
            Ran::Stopped(Stop::Failed { message, objects, plan: None, written: true })
        }
        Err(stop) => Ran::Stopped(stop),
    }
}

/// What is to be done, for the record.
pub fn pending(plan: &Plan) -> Vec<ObjectResult> {
    let pending = |step: &Step| {
        let hook = step.hook.as_ref().map(|it| it.hook.phase);
        ObjectResult { hook, ..result(&step.id, step.action, Outcome::Pending, None) }
    };
    plan.steps.iter().map(pending).collect()
}

/// Applies a plan, or one stage of it, and notes in the record what came of it.
pub async fn execute(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    draft: &Draft,
    plan: &Plan,
) -> Result<(), Stop> {
    let Some(current) = &state.current else {
        return Err(Stop::failed("no Sync is current".to_owned()));
    };
    still_allowed(ctx, application, draft, plan)?;
    let cluster = acting::cluster(ctx, application).await?;
    let status = current.sync.status.clone().unwrap_or_default();
    let adds = state.staged.is_some() || status.phase == Phase::Waiting;
    let mut objects = if adds { status.objects.clone() } else { Vec::new() };
    for step in pending(plan) {
        note_result(&mut objects, &step);
    }
    let shared = Arc::new(Mutex::new(SyncStatus { objects, ..status }));
    let period = current.counted.period();
    let progress = Progress::start(ctx.records.clone(), &current.sync, Arc::clone(&shared), period);
    let told = Arc::clone(&shared);
    let note = move |done: &ObjectResult| note_result(&mut told.lock().objects, done);
    let options = ApplyOptions {
        concurrency: ctx.settings.apply_concurrency,
        deadline: deadline(application.spec.sync.timeout.get()),
        deletions: Deletions::InOrder,
    };
    let before = state.applied.as_ref().map(|it| it.inventory.clone()).unwrap_or_default();
    let (steps, step) = (current.steps.clone(), steps::begin(StepKind::Apply));
    let report = apply(&cluster, plan, draft.manifests(), &before, &options, &note).await;
    steps.end(step, &ctx.metrics, (!report.succeeded()).then(|| failures(&report)));
    progress.stop().await;
    if let Some(applied) = &mut state.applied {
        applied.inventory = report.inventory.clone();
    }
    leaving::note(state, report.leaving.clone());
    state.namespace_exists |= application.spec.destination.create_namespace && report.succeeded();
    let objects = for_record(shared.lock().objects.clone());
    set_status(state, |status| status.objects.clone_from(&objects));
    if report.succeeded() {
        return Ok(());
    }
    Err(Stop::Failed {
        message: failures(&report),
        objects,
        // That of a stage is not the plan of the Sync.
        plan: state.staged.is_none().then(|| Box::new(plan.clone())),
        written: report.results.iter().any(|it| it.outcome == Outcome::Applied),
    })
}

/// Notes what became of an object. A hook of several phases has a line for each.
pub fn note_result(objects: &mut Vec<ObjectResult>, done: &ObjectResult) {
    let same = |it: &&mut ObjectResult| {
        (&it.group, &it.kind, &it.namespace, &it.name, it.hook)
            == (&done.group, &done.kind, &done.namespace, &done.name, done.hook)
    };
    match objects.iter_mut().find(same) {
        Some(object) => *object = done.clone(),
        None => objects.push(done.clone()),
    }
}

fn failures(report: &ApplyReport) -> String {
    let failed: Vec<_> = report.failures().collect();
    let first = failed.first().map(|it| {
        let place = it.namespace.as_ref().map(|ns| format!("{ns}/")).unwrap_or_default();
        format!("{} {place}{}: {}", it.kind, it.name, it.message.clone().unwrap_or_default())
    });
    match failed.len() {
        0 => "not everything was applied".to_owned(),
        1 => format!("could not be applied: {}", first.unwrap_or_default()),
        count => format!("{count} objects could not be applied, first {}", first.unwrap_or_default()),
    }
}
