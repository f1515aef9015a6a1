//! One Application, from event to record: gather, decide, execute, report.

mod acting;
mod catch_up;
mod current;
pub mod decide;
mod delete;
mod desired;
mod done_jobs;
mod finish;
mod gates;
mod gather;
mod heal;
mod leaving;
mod load;
mod lookup;
mod moves;
mod pause;
mod progress;
mod proposals;
mod publish;
pub mod report;
mod room;
mod run;
mod seed;
mod stages;
mod state;
mod verdict;
mod write_ahead;

pub use current::write_progress;
pub use gates::Standing;
pub use gather::RenderFailure;
pub use load::SnapshotNames;
pub use moves::Holdings;
pub use progress::UnderWay;
pub use state::State;

use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use futures::future::BoxFuture;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;
use kube::runtime::controller::Action;
use tiphys_api::{Application, CONFIRM_ANNOTATION, FINALIZER, Health, Phase, SyncSpec, Trigger};
use tokio::time::Instant;

use self::current::{begin, note_stop, note_waiting, resume, set_status};
use self::decide::{
    Candidate, Decision, End, Facts, Gates, Waiting, caught_up, decide, is_held, is_suspended, waits,
};
use self::finish::{Ending, conditions_while_running, end_unrun, finish};
use self::gather::ObjectState;
use self::publish::{Said, publish, report};
use self::report::SourceReport;
use self::run::{Ran, Stop, run};
use crate::context::Context;
use crate::sync_index::{ApplicationKey, SyncRecord};

pub use crate::error::Error;

/// How long a kind may take until it is watched.
const WATCH_TIME: Duration = Duration::from_secs(30);
/// How long the dry runs of one plan may take.
const CHECK_TIME: Duration = Duration::from_mins(1);
/// Decisions in one reconciliation; more would be a loop.
const MAX_STEPS: usize = 32;
/// How long an Application waits for the end of the history of another one that had its name.
const SUCCESSION: Duration = Duration::from_secs(10);
/// An unchanged Application is looked at this often even when nothing happens, from memory alone.
const REST: Duration = Duration::from_hours(1);

/// Namespace and name of an Application.
pub fn key_of(application: &Application) -> ApplicationKey {
    (namespace_of(application), name_of(application))
}

fn namespace_of(application: &Application) -> String {
    application.namespace().unwrap_or_default()
}

fn name_of(application: &Application) -> String {
    application.name_any()
}

fn deadline(within: Duration) -> Instant {
    Instant::now() + within
}

/// Brings an Application as far as it gets now, and says when to look again without being told.
pub fn reconcile(
    application: Arc<Application>,
    ctx: Arc<Context>,
) -> BoxFuture<'static, Result<Action, Error>> {
    Box::pin(reconcile_one(application, ctx))
}

async fn reconcile_one(application: Arc<Application>, ctx: Arc<Context>) -> Result<Action, Error> {
    let began = Clock::now();
    let key = key_of(&application);
    let Some(_term) = ctx.slots.enter(&key) else {
        // Something happened to it, and another replica works on it: whoever waits for it here looks.
        ctx.standings.followers(&key).iter().for_each(|it| ctx.enqueue(it));
        return Ok(Action::await_change());
    };
    let state = ctx.state(&key);
    // Two reconciliations of one Application never run at the same time, so nobody waits here.
    let mut state = state.lock().await;
    let done = Box::pin(advance(&ctx, &application, &mut state)).await;
    ctx.metrics.reconciled(began.elapsed());
    match done {
        Ok(action) => {
            state.failures = 0;
            state.again_at = None;
            proposals::go_on(&ctx, &application, &mut state);
            Ok(action)
        }
        Err(error) => {
            ctx.metrics.reconcile_failed(if error.is_transient() { "transient" } else { "permanent" });
            let pause = pause::next_try(&mut state, Clock::now());
            tracing::warn!(
                application = key.1,
                namespace = key.0,
                error = crate::error::chain(&error),
                again_in_s = pause.as_secs_f32(),
                "reconciliation failed"
            );
            Ok(Action::requeue(pause))
        }
    }
}

async fn advance(ctx: &Context, application: &Application, state: &mut State) -> Result<Action, Error> {
    if awaits_end_of_another(ctx, application) {
        return Ok(Action::requeue(SUCCESSION));
    }
    let mut application = application.clone();
    prepare(ctx, &mut application, state).await?;
    follow_up(ctx, &application, state).await?;
    for _ in 0..MAX_STEPS {
        let now = Timestamp::now();
        retry_with_other_kinds(ctx, state);
        retry_under_other_rules(ctx, &application, state);
        ctx.holdings.note(&key_of(&application), state.applied.as_ref().map(|it| &it.rendered));
        if run::moved(&application, state).is_some() {
            // The same rendering at another destination is something else.
            state.status.rendering = None;
        }
        gather::look(ctx, &application, state).await?;
        let objects = gather::objects(ctx, &application, state);
        let waiting = waiting(ctx, &application, state, &objects, now).await?;
        let drift = match waiting {
            Some(_) => heal::look_meanwhile(ctx, &application, state, &objects).await?,
            None => heal::look(ctx, &application, state, &objects).await?,
        };
        let syncs = ctx.syncs.of(&key_of(&application));
        let (gates, problem) = Box::pin(gates::look(ctx, &application, state, now)).await?;
        let unknown = Candidate::Unknown;
        let facts = Facts {
            now,
            name: &name_of(&application),
            spec: &application.spec,
            generation: application.metadata.generation.unwrap_or_default(),
            deleting: application.metadata.deletion_timestamp.is_some(),
            status: &state.status,
            syncs: &syncs,
            candidate: state.rendered.as_ref().map_or(&unknown, |it| &it.candidate),
            cause: state.cause.unwrap_or(Trigger::Auto),
            gates: &gates,
            waiting: waiting.as_ref().map(WaitingFor::view),
            drift,
            confirmed: application.annotations().get(CONFIRM_ANNOTATION).map(String::as_str),
        };
        let decision = decide(&facts);
        let said =
            Said { held: is_held(&facts), suspended: is_suspended(&facts), waits: waits(&facts), problem };
        let caught_up = caught_up(&facts);
        tracing::debug!(application = %name_of(&application), ?decision, "decided");
        if caught_up.is_some() {
            state.status.revision = caught_up;
            state.status.hold = None;
        }
        if !matches!(decision, Decision::Idle { .. }) {
            gates::leave_word(ctx, &application, state, true);
        }
        if let Some(action) =
            execute(ctx, &application, state, &syncs, decision, &objects, (&gates, said)).await?
        {
            return Ok(action);
        }
    }
    Err(Error::TooManySteps)
}

/// Whether a new Application has to wait until the Syncs of one of the same name are gone, which was deleted a moment ago:
/// names and numbers of its own begin anew. Each that goes is an event. What somebody's finalizer holds is not waited for.
fn awaits_end_of_another(ctx: &Context, application: &Application) -> bool {
    let is_new = application.status.as_ref().is_none_or(|it| it.observed_generation.is_none());
    let age = application.creation_timestamp().map(|it| Timestamp::now().duration_since(it.0));
    is_new
        && application.metadata.deletion_timestamp.is_none()
        && age.is_some_and(|age| age.unsigned_abs() < SUCCESSION)
        && ctx.syncs.has_of_another(&key_of(application), &application.uid().unwrap_or_default())
}

/// Reads what is needed once: the status, what was applied, the finalizer.
async fn prepare(ctx: &Context, application: &mut Application, state: &mut State) -> Result<(), Error> {
    let uid = application.uid().unwrap_or_default();
    if state.uid != uid {
        *state = State { uid, ..State::default() };
    }
    let key = key_of(application);
    if !state.loaded {
        state.status = application.status.clone().unwrap_or_default();
        ctx.labels.write().insert(ctx.owner(&key).label_value(), key);
        load::load(ctx, application, state).await?;
        catch_up::catch_up(ctx, application, state).await?;
        leaving::load(ctx, state);
        state.loaded = true;
    }
    if state.reload {
        load::load(ctx, application, state).await?;
        state.reload = false;
    }
    let finalizers = application.finalizers();
    if application.metadata.deletion_timestamp.is_none()
        && !state.finalizer
        && !finalizers.iter().any(|it| it == FINALIZER)
    {
        let written = ctx.records.add_finalizer(application).await;
        *application = written.map_err(Error::write("protect", &name_of(application)))?;
    }
    state.finalizer = true;
    Ok(())
}

/// A Sync that failed because the cluster did not know a kind counts as not tried when the cluster knows other ones.
fn retry_with_other_kinds(ctx: &Context, state: &mut State) {
    let kinds = ctx.kinds_version();
    if state.unknown_kinds.take_if(|it| *it != kinds).is_some()
        && let Some(last) = state.status.last_sync.as_mut().filter(|it| it.phase == Phase::Failed)
    {
        last.generation = None;
    }
}

/// A Sync that was refused before it wrote anything counts as not tried when its Project or its account is another one.
fn retry_under_other_rules(ctx: &Context, application: &Application, state: &mut State) {
    if state.refused_under.is_none() {
        return;
    }
    let rules = acting::rules(ctx, application);
    if state.refused_under.take_if(|it| *it != rules).is_some()
        && let Some(last) = state.status.last_sync.as_mut().filter(|it| it.phase == Phase::Failed)
    {
        last.generation = None;
    }
}

/// A Sync that waits for health, with the names that a view borrows.
struct WaitingFor {
    record: SyncRecord,
    deadline: Timestamp,
    verdict: decide::Verdict,
    last: bool,
    busy: bool,
}

impl WaitingFor {
    fn view(&self) -> Waiting<'_> {
        Waiting {
            name: &self.record.name,
            pinned: self.record.spec.rollback_to.is_some() || self.record.spec.revision.is_some(),
            rendering: self.record.rendering.as_deref(),
            deadline: self.deadline,
            verdict: self.verdict,
            last: self.last,
            busy: self.busy,
        }
    }
}

/// The Sync that waits for health, if there is one. After a restart it is taken up where it was.
async fn waiting(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    objects: &[ObjectState],
    now: Timestamp,
) -> Result<Option<WaitingFor>, Error> {
    let syncs = ctx.syncs.of(&key_of(application));
    let Some(record) = syncs.into_iter().rev().find(|it| it.phase == Phase::Waiting) else {
        // The Sync was deleted while it waited: there is no record any more that could be finished.
        state.current.take_if(|it| it.sync.status.as_ref().is_some_and(|it| it.phase == Phase::Waiting));
        return Ok(None);
    };
    if state.current.is_none() {
        state.current = Some(Box::new(resume(ctx, application, &record).await?));
        leaving::resume(ctx, application, state, &record).await?;
    }
    let timeout =
        SignedDuration::try_from(application.spec.sync.timeout.get()).unwrap_or(SignedDuration::MAX);
    let within = |start: Timestamp| start.saturating_add(timeout).unwrap_or(Timestamp::MAX);
    let deadline = within(record.started_at.as_ref().map_or(record.created_at, |it| it.0));
    let Some((judged, position)) = stages::waited_for(ctx, application, state, &record) else {
        let verdict = at_the_end(ctx, state, &record, objects, now);
        return Ok(Some(WaitingFor { record, deadline, verdict, last: true, busy: false }));
    };
    let mut waiting = WaitingFor {
        record,
        // What follows a failure has its own time: that of the Sync may be over.
        deadline: if position.failing { within(position.since) } else { deadline },
        verdict: judged.verdict,
        last: position.last,
        // A failure is followed to its end.
        busy: judged.busy || (position.failing && !position.done),
    };
    // In the end everything must be healthy, and not only what the last stage applied.
    if position.last && !position.failing && !position.done && judged.verdict == decide::Verdict::Healthy {
        waiting.verdict = at_the_end(ctx, state, &waiting.record, objects, now);
    }
    Ok(Some(waiting))
}

/// What a Sync waits for when everything is applied: health, and that what it deleted is gone.
fn at_the_end(
    ctx: &Context,
    state: &mut State,
    record: &SyncRecord,
    objects: &[ObjectState],
    now: Timestamp,
) -> decide::Verdict {
    if heal::undone(state, record.spec.initiated_by.trigger, objects).is_some() {
        return decide::Verdict::Degraded;
    }
    match gather::verdict(objects, state, now) {
        decide::Verdict::Healthy if leaving::waits(ctx, state).is_some() => {
            decide::Verdict::Progressing(None)
        }
        verdict => verdict,
    }
}

/// Does what was decided. `None`: decide again, for the world is another one now.
async fn execute(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    syncs: &[SyncRecord],
    decision: Decision,
    objects: &[ObjectState],
    (gates, said): (&Gates, Said),
) -> Result<Option<Action>, Error> {
    match decision {
        Decision::Delete => return end(ctx, application, state).await.map(Some),
        Decision::Run { name } => run_named(ctx, application, state, syncs, &name, gates).await?,
        Decision::Request { spec } => {
            let trigger = spec.initiated_by.trigger;
            request(ctx, application, state, *spec).await?;
            // Whatever it is that starts the next one, it is not this push.
            state.cause.take_if(|it| *it == trigger);
        }
        Decision::Refuse { name, message } => {
            if let Some(record) = syncs.iter().find(|it| it.name == name) {
                end_unrun(ctx, application, record, &Ending::Failed { message, written: false }).await?;
            }
        }
        Decision::Supersede { name, by } => supersede(ctx, application, state, syncs, &name, by).await?,
        Decision::Advance { name } => {
            state.current.iter().for_each(|it| it.steps.wait_ends(&ctx.metrics, None));
            stages::pass(state);
            run_named(ctx, application, state, syncs, &name, gates).await?;
        }
        Decision::Restore => {
            let ran = run::restore(ctx, application, state).await;
            follow(ctx, application, state, ran).await?;
        }
        Decision::Finish { end } => {
            let ending = ending(ctx, state, objects, end);
            conclude(ctx, application, state, ending).await?;
        }
        Decision::Idle { until } => {
            let again = report(ctx, application, state, objects, said).await?;
            gates::leave_word(ctx, application, state, state.current.is_some());
            return Ok(Some(Action::requeue(next_look(until, again))));
        }
    }
    Ok(None)
}

fn next_look(until: Option<Timestamp>, again: Option<Duration>) -> Duration {
    let until = until.map(|at| Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default());
    // A moment more, so that the time has really come when we look.
    let until = until.map(|it| it + Duration::from_millis(5));
    [until, again, Some(REST)].into_iter().flatten().min().unwrap_or(REST)
}

async fn end(ctx: &Context, application: &Application, state: &mut State) -> Result<Action, Error> {
    match delete::delete(ctx, application, state).await? {
        delete::Gone::Yes => {
            ctx.metrics.forget(&key_of(application));
            Ok(Action::await_change())
        }
        delete::Gone::NotYet(message) => {
            ctx.events.warn(application, "DeletionWaits", "Delete", &message).await;
            let source = SourceReport::Failed { stalled: false, reason: "Deleting", message };
            publish(ctx, application, state, source, Vec::new(), Said::default()).await?;
            Ok(Action::requeue(Duration::from_secs(5)))
        }
    }
}

async fn run_named(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    syncs: &[SyncRecord],
    name: &str,
    gates: &Gates,
) -> Result<(), Error> {
    let Some(record) = syncs.iter().find(|it| it.name == name) else {
        return Ok(());
    };
    // A question may be asked while another Sync waits for health: that one is taken up again afterwards.
    let put_aside = if record.spec.dry_run { state.current.take() } else { None };
    let is_current = state.current.as_ref().is_some_and(|it| it.sync.metadata.name.as_deref() == Some(name));
    if !is_current {
        begin(ctx, application, state, record).await?;
        if let Some(closed) = gates.window.as_ref().filter(|_| record.spec.override_window) {
            let words = closed.to_string();
            set_status(state, |status| status.overrode = Some(words));
        }
    }
    let done = run_to_wait(ctx, application, state, record).await;
    if record.spec.dry_run {
        state.current = put_aside;
    }
    done
}

async fn run_to_wait(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    record: &SyncRecord,
) -> Result<(), Error> {
    let ran = run(ctx, application, state, record).await;
    follow(ctx, application, state, ran).await
}

/// What follows from how far a run came.
async fn follow(ctx: &Context, application: &Application, state: &mut State, ran: Ran) -> Result<(), Error> {
    match ran {
        Ran::Waiting => {
            note_waiting(ctx, state);
            done_jobs::note(state)?;
            Ok(())
        }
        Ran::Planned => conclude(ctx, application, state, Ending::Planned).await,
        Ran::Stopped(Stop::Again(error)) if !is_overdue(application, state) => {
            let text = format!("{}; trying again", crate::error::chain(&error));
            set_status(state, |status| conditions_while_running(status, &text));
            write_progress(ctx, state).await?;
            // It may go on like this for minutes, and nobody must take the Application for Ready meanwhile.
            let objects = gather::objects(ctx, application, state);
            report(ctx, application, state, &objects, Said::default()).await?;
            Err(error)
        }
        Ran::Stopped(stop) => {
            note_stop(state, &stop);
            conclude(ctx, application, state, stop.into()).await
        }
    }
}

/// Whether the current Sync has been tried for as long as a Sync may take.
fn is_overdue(application: &Application, state: &State) -> bool {
    state.current.as_ref().is_some_and(|it| it.since.elapsed() >= application.spec.sync.timeout.get())
}

/// Creates a Sync; it is run by the next decision.
async fn request(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    spec: SyncSpec,
) -> Result<(), Error> {
    let syncs = ctx.syncs.of(&key_of(application));
    let last = state.status.last_sync.as_ref().map_or(0, |it| it.number);
    let next = syncs.iter().filter_map(|it| it.number).chain([last]).max().unwrap_or(0) + 1;
    // A person may have given a Sync this name.
    for number in next..next + 100 {
        let name = format!("{}-{number}", name_of(application));
        let created = ctx.records.create_sync(application, &name, spec.clone()).await;
        if let Some(sync) = created.map_err(Error::write("create", &name))? {
            ctx.syncs.observe_written(&sync);
            return Ok(());
        }
    }
    Err(Error::NoName)
}

async fn supersede(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    syncs: &[SyncRecord],
    name: &str,
    by: String,
) -> Result<(), Error> {
    let is_current = state.current.as_ref().is_some_and(|it| it.sync.metadata.name.as_deref() == Some(name));
    if is_current {
        return conclude(ctx, application, state, Ending::Superseded { by }).await;
    }
    match syncs.iter().find(|it| it.name == name) {
        Some(record) => end_unrun(ctx, application, record, &Ending::Superseded { by }).await,
        None => Ok(()),
    }
}

fn ending(ctx: &Context, state: &mut State, objects: &[ObjectState], end: End) -> Ending {
    let worst = objects.iter().max_by_key(|it| it.health);
    let culprit = worst.map(|it| format!("{} is {:?}: {}", it.id, it.health, it.message)).unwrap_or_default();
    let revision =
        state.current.as_ref().and_then(|it| it.sync.status.as_ref()?.revision.clone()).unwrap_or_default();
    if let Some(reason) = state.staged.as_ref().and_then(|it| it.reason.clone()) {
        let message = match end {
            End::Healthy => return Ending::Succeeded,
            End::Degraded => reason,
            End::TimedOut => format!("not done in time (spec.sync.timeout): {reason}"),
        };
        return Ending::Failed { message, written: true };
    }
    let trigger = state.current.as_ref().map(|it| it.sync.spec.initiated_by.trigger).unwrap_or_default();
    if let Some(undone) = heal::undone(state, trigger, objects) {
        return Ending::Undone { message: format!("{undone} was deleted again as soon as it was applied") };
    }
    let is_healthy = worst.is_none_or(|it| matches!(it.health, Health::Healthy | Health::Suspended));
    if end == End::TimedOut
        && is_healthy
        && let Some(why) = leaving::waits(ctx, state)
    {
        leaving::leave(state);
        let message = format!("{revision} is live, but not in time (spec.sync.timeout): {why}");
        return Ending::LeftOver { message };
    }
    match end {
        End::Healthy => Ending::Succeeded,
        End::Degraded => Ending::Failed {
            message: format!("{revision} was applied but does not work: {culprit}"),
            written: true,
        },
        End::TimedOut => Ending::Failed {
            message: format!(
                "{revision} was applied but was not healthy in time (spec.sync.timeout): {culprit}"
            ),
            written: true,
        },
    }
}

/// Ends the current Sync, unless something has to be done before, and requests the rollback that may follow from it.
async fn conclude(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    ending: Ending,
) -> Result<(), Error> {
    let Some(ending) = stages::before_end(ctx, application, state, ending).await? else {
        return Ok(());
    };
    let untouched = stages::note_untouched(state, &ending);
    state.follow_up = finish(ctx, application, state, ending).await?;
    state.staged = None;
    if untouched {
        state.applied = None;
        state.reload = true;
        prepare(ctx, &mut application.clone(), state).await?;
    }
    follow_up(ctx, application, state).await
}

/// Creates the Sync that follows from one that ended. It is kept until that has succeeded.
async fn follow_up(ctx: &Context, application: &Application, state: &mut State) -> Result<(), Error> {
    let deleting = application.metadata.deletion_timestamp.is_some();
    if let Some(spec) = state.follow_up.clone().filter(|_| !deleting) {
        request(ctx, application, state, spec).await?;
        state.follow_up = None;
    }
    Ok(())
}
