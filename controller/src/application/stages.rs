//! A Sync of several stages: hooks before and after, waves, and what follows a failure.
//!
//! Which stage it is at stands in its status, written before anything of the stage is. Everything else follows from the
//! snapshot, which is written before the first stage: the [`Schedule`], and which run of the hooks this is. So a Sync is
//! taken up where it was after a crash, and the objects of hooks say themselves that they were created by this very run.
//!
//! Each stage is planned anew from what is live when it begins, for the stages before may have changed that.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use std::sync::Arc;
use tiphys_api::{Action, Application, HookPhase, ObjectResult, Outcome, Phase, StageStatus, Trigger};
use tiphys_engine::discovery::{Lookup, ServedKind};
use tiphys_engine::hooks::{self, Run};
use tiphys_engine::order::{Awaited, DeletePolicy, Occasion, Schedule};
use tiphys_engine::plan::{Draft, Live, Plan, StageName};
use tiphys_engine::requests::failure::Failure;
use tiphys_engine::{Cluster, LiveObject};

use super::current::{set_status, write_progress};
use super::decide::Verdict;
use super::finish::{Ending, conditions_while_running};
use super::report::{MAX_MESSAGE, shorten};
use super::run::{self, Ran, Stop};
use super::state::{Applied, State};
use super::verdict::{Judged, judge};
use super::{CHECK_TIME, Error, acting, deadline, key_of};
use crate::context::Context;
use crate::sync_index::SyncRecord;

/// The stages of the current Sync.
#[derive(Clone, Debug)]
pub struct Staged {
    /// Uid of the Sync.
    pub sync: String,
    /// What comes when.
    pub schedule: Schedule,
    /// The run of its hooks. None when hooks are left out.
    pub hooks: Option<Run>,
    /// What the present stage waits for, or what failed in it.
    pub reason: Option<String>,
}

impl Staged {
    /// What is waited for at the end of a stage.
    fn awaited(&self, stage: usize) -> &[Awaited] {
        self.schedule.stages.get(stage).map_or(&[], |it| &it.awaited)
    }

    fn name(&self, stage: usize) -> StageName {
        let stage = self.schedule.stages.get(stage);
        stage.map_or(StageName { phase: HookPhase::Sync, wave: 0 }, |it| StageName {
            phase: it.phase,
            wave: it.wave,
        })
    }

    /// The place after the last stage that belongs together with this one.
    fn end(&self, stage: usize) -> usize {
        let regular = self.schedule.regular();
        if stage < regular { regular } else { self.schedule.stages.len() }
    }

    fn status(&self, stage: usize, failure: Option<String>) -> StageStatus {
        let name = self.name(stage);
        let number = |it: usize| u32::try_from(it).unwrap_or(u32::MAX);
        StageStatus {
            number: number(stage + 1),
            of: number(self.end(stage)),
            phase: name.phase,
            wave: name.wave,
            since: Time(Timestamp::now()),
            done: false,
            failure,
            untouched: false,
        }
    }
}

/// The hooks that a Sync runs. One that is about some objects only, or corrects drift, runs none, as in Argo CD.
pub fn hooks_of(
    ctx: &Context,
    application: &Application,
    state: &State,
    record: &SyncRecord,
    rendering: &str,
) -> Option<Run> {
    if !record.spec.resources.is_empty() || record.spec.initiated_by.trigger == Trigger::SelfHeal {
        return None;
    }
    let succeeded = |it: &SyncRecord| it.phase == Phase::Succeeded && !it.spec.dry_run;
    let is_installed =
        state.status.revision.is_some() || ctx.syncs.of(&key_of(application)).iter().any(succeeded);
    let occasion = match (&record.spec.rollback_to, is_installed) {
        (Some(_), _) => Occasion::Rollback,
        (None, true) => Occasion::Upgrade,
        (None, false) => Occasion::Install,
    };
    // A Sync that starts anew may find another rendering, whose hooks have not run.
    let rendering: String = rendering.chars().take(8).collect();
    Some(Run { occasion, id: format!("{}.{rendering}", record.uid) })
}

/// Notes the stages of the current Sync before the first of them begins.
pub fn begin(state: &mut State, record: &SyncRecord, schedule: Schedule, hooks: Option<Run>, plan: &Plan) {
    // What only runs when the Sync fails is not something that is left to do.
    let regular = |it: &ObjectResult| it.hook != Some(HookPhase::SyncFail);
    let objects: Vec<_> = run::pending(plan).into_iter().filter(regular).collect();
    set_status(state, |status| status.objects = objects);
    state.staged = Some(Box::new(Staged { sync: record.uid.clone(), schedule, hooks, reason: None }));
}

/// Where the current Sync goes on, if it has begun its stages.
pub fn taken_up(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    record: &SyncRecord,
) -> Option<usize> {
    let (stage, done) = present(ctx, application, state, record)?;
    Some(if done { stage + 1 } else { stage })
}

/// The stage that the current Sync is at, and whether it is done.
fn present(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    record: &SyncRecord,
) -> Option<(usize, bool)> {
    let stage = state.current.as_ref()?.sync.status.as_ref()?.stage.clone()?;
    if state.staged.as_ref().is_none_or(|it| it.sync != record.uid) {
        state.staged = rebuild(ctx, application, state, record).map(Box::new);
    }
    let staged = state.staged.as_ref()?;
    let place = usize::try_from(stage.number).ok()?.checked_sub(1)?;
    // Another version of this program may order differently: then it starts anew, and no hook of this run runs twice.
    let same = staged.name(place) == StageName { phase: stage.phase, wave: stage.wave };
    (same && place < staged.schedule.stages.len()).then_some((place, stage.done))
}

/// The stages, from the snapshot that this Sync wrote before the first of them.
fn rebuild(ctx: &Context, application: &Application, state: &State, record: &SyncRecord) -> Option<Staged> {
    let is_its_own = |it: &&Applied| it.sync == record.name || record.snapshot.as_ref() == Some(&it.name);
    let applied = state.applied.as_ref().filter(is_its_own)?;
    let snapshot = applied.snapshot().ok()?;
    let hooks = hooks_of(ctx, application, state, record, &snapshot.rendering);
    let occasion = hooks.as_ref().map(|it| it.occasion);
    let schedule = Schedule::new(&snapshot.manifests, &std::collections::BTreeSet::new(), occasion);
    Some(Staged { sync: record.uid.clone(), schedule, hooks, reason: None })
}

/// Applies stage after stage, up to one that has to be waited for. `first` is the plan of the whole Sync when the first
/// stage begins; the others are planned when it is their turn.
pub async fn run_from(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    record: &SyncRecord,
    mut stage: usize,
    mut first: Option<(Draft, Plan)>,
) -> Result<Ran, Stop> {
    loop {
        let Some(staged) = state.staged.clone() else {
            return Err(Stop::failed(
                "the stages of this Sync are not known any more; sync again".to_owned(),
            ));
        };
        let (draft, plan) = match first.take() {
            Some((draft, plan)) => (draft, plan.of_stage(stage)),
            None => run::plan_stage(ctx, application, state, record, stage).await?,
        };
        enter(ctx, state, &staged, stage, !plan.steps.is_empty()).await?;
        run::execute(ctx, application, state, &draft, &plan).await?;
        let is_last = stage + 1 >= staged.end(stage);
        let judged = judge_stage(ctx, state, &staged, stage);
        if is_last || judged.verdict != Verdict::Healthy {
            if let Some(staged) = &mut state.staged {
                staged.reason = judged.reason;
            }
            set_status(state, |status| status.phase = Phase::Waiting);
            if is_last && stage < staged.schedule.regular() {
                set_status(state, |status| status.applied_at = Some(Time(Timestamp::now())));
            }
            return Ok(Ran::Waiting);
        }
        stage += 1;
    }
}

/// Notes that a stage begins. It is written down before anything of it is.
async fn enter(
    ctx: &Context,
    state: &mut State,
    staged: &Staged,
    stage: usize,
    has_steps: bool,
) -> Result<(), Stop> {
    let name = staged.name(stage);
    state.degraded_since = None;
    set_status(state, |status| {
        let again =
            status.stage.as_ref().filter(|it| usize::try_from(it.number) == Ok(stage + 1) && !it.done);
        if again.is_none() {
            let failure = status.stage.as_ref().and_then(|it| it.failure.clone());
            status.stage = Some(staged.status(stage, failure));
        }
        status.phase = Phase::Running;
        conditions_while_running(
            status,
            &format!("{name}: {} of {} is applied", stage + 1, staged.end(stage)),
        );
    });
    if has_steps {
        write_progress(ctx, state).await?;
    }
    Ok(())
}

/// What is waited for at the end of a stage, and how it is.
fn judge_stage(ctx: &Context, state: &mut State, staged: &Staged, stage: usize) -> Judged {
    let name = staged.name(stage);
    let mark = |phase| staged.hooks.as_ref().map(|run| run.mark(phase)).unwrap_or_default();
    let judged = judge(
        staged.awaited(stage),
        &mark,
        &|id| ctx.cluster.live(id),
        &mut state.degraded_since,
        Timestamp::now(),
    );
    Judged { reason: judged.reason.map(|reason| format!("{name}: {reason}")), ..judged }
}

/// How the stage is that the current Sync waits for, and whether it is the last. None: it has no stages.
pub fn waited_for(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    record: &SyncRecord,
) -> Option<(Judged, Position)> {
    let status = state.current.as_ref()?.sync.status.as_ref()?.stage.clone()?;
    let position =
        |last| Position { last, failing: status.failure.is_some(), done: status.done, since: status.since.0 };
    let Some((stage, done)) = present(ctx, application, state, record) else {
        let reason = "the snapshot of this Sync is gone, and with it what was still to be done".to_owned();
        return Some((Judged::failed(reason), position(true)));
    };
    let staged = state.staged.clone()?;
    let judged = if done { Judged::healthy() } else { judge_stage(ctx, state, &staged, stage) };
    if let Some(staged) = &mut state.staged {
        staged.reason.clone_from(&judged.reason);
    }
    Some((judged, position(stage + 1 >= staged.end(stage))))
}

/// Where a waiting Sync is.
#[derive(Clone, Copy, Debug)]
pub struct Position {
    /// Whether no stage follows.
    pub last: bool,
    /// Whether it has failed, and what follows from that runs.
    pub failing: bool,
    /// Whether it has ended but for its record.
    pub done: bool,
    /// When the stage began.
    pub since: Timestamp,
}

/// Notes that the present stage is done: the next run of the Sync begins the one after it.
pub fn pass(state: &mut State) {
    set_status(state, |status| {
        if let Some(stage) = &mut status.stage {
            stage.done = true;
        }
        status.phase = Phase::Running;
    });
}

/// What has to happen before the current Sync ends as it is about to: hooks of SyncFail, and deleting what hooks left.
/// None: it does not end yet.
pub async fn before_end(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    ending: Ending,
) -> Result<Option<Ending>, Error> {
    let status = state.current.as_ref().and_then(|it| it.sync.status.clone()).unwrap_or_default();
    let Some(stage) = status.stage else {
        return Ok(Some(ending));
    };
    let first = stage.failure.clone();
    let written = has_written(&status.objects);
    let (ending, failing) = match (ending, first) {
        (Ending::Superseded { by }, _) => (Ending::Superseded { by }, false),
        (Ending::Failed { message, .. }, Some(first)) => {
            let message = format!("{first}; then {message}");
            (Ending::Failed { message, written }, true)
        }
        (_, Some(first)) => (Ending::Failed { message: first, written }, true),
        (Ending::Failed { message, .. }, None) => (Ending::Failed { message, written }, false),
        (other, None) => (other, false),
    };
    let name = state.current.as_ref().and_then(|it| it.sync.metadata.name.clone());
    let syncs = ctx.syncs.of(&key_of(application));
    let record = syncs.iter().find(|it| Some(&it.name) == name.as_ref());
    let (Some(staged), Some(record)) = (state.staged.clone(), record) else {
        return Ok(Some(ending));
    };
    let policy = match &ending {
        Ending::Planned => return Ok(Some(ending)),
        Ending::Superseded { .. } => {
            release_hooks(ctx, application, &staged).await?;
            return Ok(Some(ending));
        }
        Ending::Succeeded => DeletePolicy::HookSucceeded,
        // There is nothing that hooks of SyncFail could mend: what was applied works.
        Ending::LeftOver { .. } | Ending::Undone { .. } => DeletePolicy::HookFailed,
        Ending::Failed { message, .. } => {
            let follows = !failing && !stage.done;
            if follows && follow_failure(ctx, application, state, record, &staged, message).await? {
                return Ok(None);
            }
            DeletePolicy::HookFailed
        }
    };
    note_done(ctx, state, &staged, &ending).await?;
    if policy == DeletePolicy::HookFailed {
        stop_running(ctx, application, &staged).await?;
    }
    clean_up(ctx, application, &staged, policy).await?;
    release_hooks(ctx, application, &staged).await?;
    Ok(Some(ending))
}

/// Notes how the Sync ends. It is written down before the objects of hooks are deleted, since these say until then that
/// the hooks have run.
async fn note_done(ctx: &Context, state: &mut State, staged: &Staged, ending: &Ending) -> Result<(), Error> {
    set_status(state, |status| {
        if let (Some(stage), Ending::Failed { message, .. } | Ending::LeftOver { message }) =
            (&mut status.stage, ending)
        {
            stage.failure = Some(shorten(message, MAX_MESSAGE));
        }
        if let Some(stage) = &mut status.stage {
            stage.done = true;
        }
        status.phase = Phase::Waiting;
        skip_pending(&mut status.objects);
    });
    if staged.schedule.hooks().next().is_some() {
        write_progress(ctx, state).await?;
    }
    Ok(())
}

/// Begins the hooks of SyncFail, if there are any and anything was done that they can be about.
async fn follow_failure(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    record: &SyncRecord,
    staged: &Staged,
    failure: &str,
) -> Result<bool, Error> {
    let first = staged.schedule.regular();
    let objects = state.current.as_ref().and_then(|it| Some(&it.sync.status.as_ref()?.objects));
    let anything = objects.is_some_and(|it| it.iter().any(|it| it.outcome == Outcome::Applied));
    if !anything || first >= staged.schedule.stages.len() {
        return Ok(false);
    }
    set_status(state, |status| {
        status.stage = Some(staged.status(first, Some(shorten(failure, MAX_MESSAGE))));
        status.phase = Phase::Running;
        skip_pending(&mut status.objects);
    });
    write_progress(ctx, state).await?;
    stop_running(ctx, application, staged).await?;
    match run_from(ctx, application, state, record, first, None).await {
        Ok(_) => {
            super::current::note_waiting(ctx, state);
            Ok(true)
        }
        Err(Stop::Again(error)) => Err(error),
        Err(Stop::Failed { message, .. }) => {
            tracing::warn!(message, "the hooks of SyncFail cannot be run");
            Ok(false)
        }
    }
}

/// Notes in the record whether the Sync ends before anything but hooks was applied. Then what was live before still is,
/// and nobody can go back to what this Sync would have applied.
pub fn note_untouched(state: &mut State, ending: &Ending) -> bool {
    let status = state.current.as_ref().and_then(|it| it.sync.status.as_ref());
    let ends = matches!(ending, Ending::Failed { .. } | Ending::Superseded { .. });
    let untouched = ends && status.is_some_and(|it| it.stage.is_some() && !has_written(&it.objects));
    if untouched {
        set_status(state, |status| {
            status.snapshot = None;
            if let Some(stage) = &mut status.stage {
                stage.untouched = true;
            }
        });
    }
    untouched
}

/// Whether objects of the Application were written, and not only hooks run.
pub fn has_written(objects: &[ObjectResult]) -> bool {
    let written = |it: &ObjectResult| {
        it.hook.is_none() && it.outcome == Outcome::Applied && it.action != Action::Unchanged
    };
    objects.iter().any(written)
}

/// What is not tried any more.
fn skip_pending(objects: &mut [ObjectResult]) {
    for object in objects.iter_mut().filter(|it| it.outcome == Outcome::Pending) {
        object.outcome = Outcome::Skipped;
    }
}

/// Deletes the objects of hooks of this run whose policy says so.
async fn clean_up(
    ctx: &Context,
    application: &Application,
    staged: &Staged,
    policy: DeletePolicy,
) -> Result<(), Error> {
    let wanted = |hook: &Awaited, _: &hooks::Outcome| {
        hook.hook.as_ref().is_some_and(|it| it.policies.contains(&policy))
    };
    delete_hooks(ctx, application, staged, wanted).await
}

/// Deletes the objects of hooks of this run that are not done: nobody waits for them any more.
async fn stop_running(ctx: &Context, application: &Application, staged: &Staged) -> Result<(), Error> {
    let running = |_: &Awaited, outcome: &hooks::Outcome| matches!(outcome, hooks::Outcome::Running(_));
    delete_hooks(ctx, application, staged, running).await
}

async fn delete_hooks(
    ctx: &Context,
    application: &Application,
    staged: &Staged,
    wanted: impl Fn(&Awaited, &hooks::Outcome) -> bool,
) -> Result<(), Error> {
    for (hook, live, outcome) in live_hooks(ctx, staged)? {
        if wanted(hook, &outcome) {
            unless_refused(&live, delete_hook(ctx, application, &live).await)?;
        }
    }
    Ok(())
}

/// A hook that may not be touched any more stays: the Sync ends nevertheless.
fn unless_refused(hook: &LiveObject, done: Result<(), Error>) -> Result<(), Error> {
    match done {
        Err(error) if !error.is_transient() => {
            tracing::warn!(error = crate::error::chain(&error), object = %hook.id, "a hook stays");
            Ok(())
        }
        other => other,
    }
}

/// Lets go of the objects of hooks that would have vanished already.
async fn release_hooks(ctx: &Context, application: &Application, staged: &Staged) -> Result<(), Error> {
    for (_, live, _) in live_hooks(ctx, staged)? {
        if let Lookup::Served(kind) = ctx.cluster.kinds.resolve(&live.gvk).await? {
            let released = match acting::cluster(ctx, application).await {
                Ok(cluster) => {
                    release_hook(&cluster, &kind, &live, &live.object()?).await.map_err(Error::from)
                }
                Err(error) => Err(error),
            };
            unless_refused(&live, released)?;
        }
    }
    Ok(())
}

/// A hook, its object, and what became of it.
type LiveHook<'a> = (&'a Awaited, Arc<LiveObject>, hooks::Outcome);

/// The hooks of this run whose objects are there.
fn live_hooks<'a>(ctx: &Context, staged: &'a Staged) -> Result<Vec<LiveHook<'a>>, Error> {
    let mut found = Vec::new();
    for awaited in staged.schedule.hooks() {
        let (Some(run), Some(hook)) = (&staged.hooks, &awaited.hook) else { continue };
        let mark = run.mark(hook.phase);
        let live = ctx.cluster.live(&awaited.id);
        let outcome = hooks::outcome(&mark, &live);
        if let Live::Present(live) = live
            && hooks::mark_of(&live.object()?) == Some(&mark)
        {
            found.push((awaited, live, outcome));
        }
    }
    Ok(found)
}

/// Deletes a hook's object.
pub async fn delete_hook(ctx: &Context, application: &Application, live: &LiveObject) -> Result<(), Error> {
    let Lookup::Served(kind) = ctx.cluster.kinds.resolve(&live.gvk).await? else {
        return Ok(());
    };
    let cluster = acting::cluster(ctx, application).await?;
    cluster.requests.delete(&kind, &live.id, Some(&live.uid), deadline(CHECK_TIME)).await?;
    Ok(release_hook(&cluster, &kind, live, &live.object()?).await?)
}

/// Lets go of a hook's object that we hold.
pub async fn release_hook(
    cluster: &Cluster,
    kind: &ServedKind,
    live: &LiveObject,
    object: &Value,
) -> Result<(), tiphys_engine::Error> {
    let Some(patch) = hooks::release(object) else { return Ok(()) };
    let released = cluster.requests.json_patch(kind, &live.id, &patch, deadline(CHECK_TIME)).await;
    match released {
        Err(error) if !error.failure().is_some_and(Failure::is_not_found) => Err(error),
        _ => Ok(()),
    }
}
