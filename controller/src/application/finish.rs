//! The end of a Sync: its record, and what follows from it for the Application.

use std::time::{Duration, SystemTime};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;
use tiphys_api::{
    Application, Condition, ConditionStatus, Hold, HoldPolicy, InitiatedBy, LastSync, OnFailure, Phase,
    READY, RECONCILING, RetryState, STALLED, SyncSpec, SyncStatus, Trigger, set_conditions,
};

use super::current::set_status;
use super::decide::Candidate;
use super::report::{MAX_MESSAGE, shorten};
use super::run::Stop;
use super::state::{Current, State};
use super::{Error, heal, key_of, namespace_of, proposals, stages};
use crate::context::Context;
use crate::sync_index::SyncRecord;
use crate::traces::SyncTrace;

/// Time between a correction of drift that failed and the next one.
const AFTER_FAILED_HEAL: SignedDuration = SignedDuration::from_mins(1);

/// Why a Sync, and then its Application, is not Ready that left something which it has deleted: see [`Ending::LeftOver`].
pub const NOT_GONE: &str = "NotGone";

/// Why a correction is not Ready that somebody took back: see [`Ending::Undone`].
pub const UNDONE: &str = "Undone";

/// How a Sync ended.
#[derive(Debug)]
pub enum Ending {
    /// Everything is applied and healthy.
    Succeeded,
    /// Its plan is made and kept.
    Planned,
    /// It failed; a sentence says why.
    Failed {
        /// Why.
        message: String,
        /// Whether objects were written.
        written: bool,
    },
    /// Everything is applied and healthy, but something that was deleted is not gone in time.
    LeftOver {
        /// What, and what holds it.
        message: String,
    },
    /// Drift was corrected, and somebody deleted at once what was applied.
    Undone {
        /// What.
        message: String,
    },
    /// Another one takes its place.
    Superseded {
        /// Which one.
        by: String,
    },
}

/// A Sync that ended.
pub struct Ended {
    /// The Sync itself.
    pub current: Current,
    /// Its record.
    pub status: SyncStatus,
    /// What was asked for.
    pub spec: SyncSpec,
}

/// Ends the current Sync: notes it in the state and writes its record. What follows for the Application is in the state,
/// and is written with the next report.
pub async fn finish(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    ending: Ending,
) -> Result<Option<SyncSpec>, Error> {
    if let Ending::Failed { message, .. } | Ending::LeftOver { message } | Ending::Undone { message } =
        &ending
    {
        set_status(state, |status| status.message = Some(shorten(message, MAX_MESSAGE)));
    }
    let Some(current) = &mut state.current else {
        return Ok(None);
    };
    let status = current.sync.status.get_or_insert_default();
    conclude(status, &ending);
    let name = current.sync.metadata.name.clone().unwrap_or_default();
    status.proposal = proposals::due(ctx, application, (&name, &current.sync.spec), &ending);
    let status = status.clone();
    // Nothing is forgotten before the record is written: a failure here is tried again from this point.
    let written = ctx.records.sync_status(&namespace_of(application), &name, &status).await;
    match written {
        Ok(sync) => ctx.syncs.observe_written(&sync),
        // The Sync was deleted while it ran: what it did stays, and there is no record to write.
        Err(kube::Error::Api(status)) if status.is_not_found() => {}
        Err(error) => return Err(Error::write("record", &name)(error)),
    }
    let Some(current) = state.current.take() else {
        return Ok(None);
    };
    let ended = Ended { spec: current.sync.spec.clone(), current: *current, status };
    measure(ctx, application, &ended);
    trace(ctx, application, &ended);
    if ended.spec.dry_run {
        return Ok(None);
    }
    note(application, state, (&ended, application.metadata.generation), &ending);
    heal::note_corrected(state, &ended.status, &ended.current.sync.name_any());
    tell(ctx, application, state, &ended, &ending).await;
    Ok(rollback_after(application, state, &ended, &ending, ctx))
}

/// Ends a Sync that never became the current one.
pub async fn end_unrun(
    ctx: &Context,
    application: &Application,
    record: &SyncRecord,
    ending: &Ending,
) -> Result<(), Error> {
    let mut status = SyncStatus { by: Some(record.spec.initiated_by.text()), ..SyncStatus::default() };
    conclude(&mut status, ending);
    let written = ctx.records.sync_status(&namespace_of(application), &record.name, &status).await;
    let sync = written.map_err(Error::write("record", &record.name))?;
    ctx.syncs.observe_written(&sync);
    Ok(())
}

/// Says of a Sync that is not done what a person can wait for.
pub fn conditions_while_running(status: &mut SyncStatus, message: &str) {
    let ready = Condition::new(READY, ConditionStatus::False, "Running", message, Some(1));
    let reconciling = Condition::new(RECONCILING, ConditionStatus::True, "Running", message, Some(1));
    set_conditions(&mut status.conditions, vec![ready, reconciling]);
    status.observed_generation = Some(1);
    status.message = Some(message.to_owned());
}

fn conclude(status: &mut SyncStatus, ending: &Ending) {
    let now = Timestamp::now();
    let (phase, reason, message) = match ending {
        Ending::Succeeded => (Phase::Succeeded, "Succeeded", success(status)),
        Ending::Planned => (Phase::Succeeded, "Planned", planned(status)),
        Ending::Failed { message, .. } => (Phase::Failed, "Failed", shorten(message, MAX_MESSAGE)),
        Ending::LeftOver { message } => (Phase::Failed, NOT_GONE, shorten(message, MAX_MESSAGE)),
        Ending::Undone { message } => (Phase::Failed, UNDONE, shorten(message, MAX_MESSAGE)),
        Ending::Superseded { by } => (Phase::Superseded, "Superseded", format!("{by} took its place")),
    };
    status.phase = phase;
    status.finished_at = Some(Time(now));
    if let Some(started) = &status.started_at {
        status.duration = Some(readable(now.duration_since(started.0)));
    }
    status.message = Some(message.clone());
    status.observed_generation = Some(1);
    let ready = if phase == Phase::Succeeded { ConditionStatus::True } else { ConditionStatus::False };
    let mut conditions = vec![Condition::new(READY, ready, reason, message.clone(), Some(1))];
    if phase != Phase::Succeeded {
        conditions.push(Condition::new(STALLED, ConditionStatus::True, reason, message, Some(1)));
    }
    set_conditions(&mut status.conditions, conditions);
}

fn success(status: &SyncStatus) -> String {
    let revision = status.revision.as_deref().unwrap_or("the snapshot");
    format!("{revision} is live and healthy: {}", counts(status))
}

fn planned(status: &SyncStatus) -> String {
    format!("nothing was written; the plan: {}", counts(status))
}

fn counts(status: &SyncStatus) -> String {
    let Some(plan) = &status.plan else {
        return "nothing to do".to_owned();
    };
    let parts = [
        (plan.create, "created"),
        (plan.adopt, "adopted"),
        (plan.change, "changed"),
        (plan.recreate, "recreated"),
        (plan.prune, "pruned"),
        (plan.hooks, "hooks run"),
        (plan.unchanged, "unchanged"),
    ];
    let parts: Vec<_> =
        parts.iter().filter(|it| it.0 > 0).map(|(count, word)| format!("{count} {word}")).collect();
    if parts.is_empty() { "no objects".to_owned() } else { parts.join(", ") }
}

/// A duration for people: `0.4s`, `12s`, `3m5s`.
fn readable(duration: SignedDuration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(0);
    if millis < 10_000 {
        return format!("{}.{}s", millis / 1_000, millis % 1_000 / 100);
    }
    tiphys_api::Duration::from(Duration::from_secs(millis / 1_000)).to_string()
}

fn measure(ctx: &Context, application: &Application, ended: &Ended) {
    let trigger = ended.spec.initiated_by.trigger;
    ctx.metrics.sync(&key_of(application), ended.status.phase, trigger, ended.current.since.elapsed());
    tracing::info!(
        application = %super::name_of(application),
        namespace = %namespace_of(application),
        sync = ended.current.sync.metadata.name,
        revision = ended.status.revision,
        phase = ended.status.phase.as_str(),
        by = ended.status.by,
        message = ended.status.message,
        "sync ended"
    );
}

/// Ends what the Sync waited for, and sends its trace if somebody wants it.
fn trace(ctx: &Context, application: &Application, ended: &Ended) {
    let status = &ended.status;
    let failure = (status.phase == Phase::Failed).then(|| status.message.clone()).flatten();
    ended.current.steps.wait_ends(&ctx.metrics, failure.clone());
    let Some(traces) = &ctx.traces else { return };
    let now = SystemTime::now();
    traces.send(SyncTrace {
        uid: ended.current.sync.metadata.uid.clone().unwrap_or_default(),
        application: super::name_of(application),
        namespace: namespace_of(application),
        sync: ended.current.sync.metadata.name.clone().unwrap_or_default(),
        revision: status.revision.clone(),
        phase: status.phase.as_str(),
        trigger: ended.spec.initiated_by.trigger.as_str(),
        failure,
        began: status.started_at.as_ref().map_or(now, |it| it.0.into()),
        ended: now,
        steps: ended.current.steps.take(),
    });
}

/// What follows for the Application's status. `generation` is that of the spec that the Sync ran under, where it is known.
pub fn note(
    application: &Application,
    state: &mut State,
    (ended, generation): (&Ended, Option<i64>),
    ending: &Ending,
) {
    let status = &ended.status;
    let held_off = source_content(state);
    state.status.last_sync = Some(LastSync {
        name: ended.current.sync.metadata.name.clone().unwrap_or_default(),
        number: status.number.unwrap_or_default(),
        phase: status.phase,
        revision: status.revision.clone(),
        rendering: status.rendering.clone(),
        generation,
        by: status.by.clone(),
        finished_at: status.finished_at.clone(),
        message: status.message.clone(),
    });
    let partial = !ended.spec.resources.is_empty();
    match ending {
        Ending::Succeeded | Ending::LeftOver { .. } => {
            state.status.retry = None;
            if !partial {
                state.status.revision.clone_from(&status.revision);
                state.status.rendering.clone_from(&status.rendering);
            }
        }
        // What is live is neither the old nor the new: nothing must be taken for synced.
        Ending::Failed { written: true, .. } => state.status.rendering = None,
        Ending::Superseded { .. } if status.applied_at.is_some() => {
            state.status.revision.clone_from(&status.revision);
            state.status.rendering.clone_from(&status.rendering);
        }
        // Some waves are applied, others are not.
        Ending::Superseded { .. } if stages::has_written(&status.objects) => state.status.rendering = None,
        Ending::Failed { .. } | Ending::Superseded { .. } | Ending::Undone { .. } | Ending::Planned => {}
    }
    if ended.spec.initiated_by.trigger == Trigger::SelfHeal {
        // A correction that is refused will be refused again: not at once.
        if matches!(ending, Ending::Failed { .. }) {
            state.slowed_until = Timestamp::now().saturating_add(AFTER_FAILED_HEAL).ok();
        }
        return;
    }
    note_hold(state, ended, ending, held_off);
    note_retry(application, state, ended, ending);
}

/// The revision that the source holds and the digest of its rendering. While nobody can look (the process has just
/// started, Git is down), what was last known: what a hold keeps away, else what was last tried.
fn source_content(state: &State) -> (Option<String>, Option<String>) {
    match (state.rendered.as_ref().map(|it| &it.candidate), &state.status.hold, &state.status.last_sync) {
        (Some(Candidate::Rendered { revision, digest }), ..) => {
            (Some(revision.clone()), Some(digest.clone()))
        }
        (Some(Candidate::Broken { revision, .. }), ..) => (Some(revision.clone()), None),
        (_, Some(hold), _) => (hold.revision.clone(), hold.rendering.clone()),
        (_, None, Some(last)) => (last.revision.clone(), last.rendering.clone()),
        (_, None, None) => (None, None),
    }
}

/// A rollback holds; anything else that a person asks for ends a hold, and so does a newer revision.
fn note_hold(
    state: &mut State,
    ended: &Ended,
    ending: &Ending,
    (revision, rendering): (Option<String>, Option<String>),
) {
    if matches!(ending, Ending::Failed { .. }) && ended.spec.rollback_to.is_none() {
        return;
    }
    let goes_back = ended.spec.rollback_to.clone();
    let pinned = ended.spec.revision.is_some();
    if goes_back.is_none() && !pinned {
        state.status.hold = None;
        return;
    }
    let policy = ended.spec.hold.unwrap_or_default();
    if policy == HoldPolicy::None {
        state.status.hold = None;
        return;
    }
    let name = ended.current.sync.metadata.name.clone().unwrap_or_default();
    state.status.hold = Some(Hold {
        policy,
        rolled_back_to: goes_back.unwrap_or_else(|| name.clone()),
        by: name,
        revision,
        rendering,
        since: Time(Timestamp::now()),
    });
}

fn note_retry(application: &Application, state: &mut State, ended: &Ended, ending: &Ending) {
    let sync = &application.spec.sync;
    let failed = matches!(ending, Ending::Failed { .. } | Ending::LeftOver { .. });
    if !failed || sync.on_failure != OnFailure::Retry || ended.spec.rollback_to.is_some() {
        state.status.retry = None;
        return;
    }
    let same = state.status.retry.as_ref().filter(|it| it.revision == ended.status.revision);
    let attempt = same.map_or(0, |it| it.attempt) + 1;
    state.status.retry = (attempt <= sync.retry.limit).then(|| {
        let delay =
            SignedDuration::try_from(sync.retry.backoff.delay(attempt)).unwrap_or(SignedDuration::MAX);
        let next_at = Timestamp::now().saturating_add(delay).unwrap_or(Timestamp::MAX);
        RetryState { attempt, next_at: Time(next_at), revision: ended.status.revision.clone() }
    });
}

/// The Sync that goes back, when this one failed after it had written and the Application asks for that.
pub fn rollback_after(
    application: &Application,
    state: &State,
    ended: &Ended,
    ending: &Ending,
    ctx: &Context,
) -> Option<SyncSpec> {
    let written = matches!(ending, Ending::Failed { written: true, .. });
    let goes_back = ended.spec.rollback_to.is_some();
    if goes_back {
        return without_pruning(ended, ending);
    }
    if !written || application.spec.sync.on_failure != OnFailure::Rollback {
        return None;
    }
    let syncs = ctx.syncs.of(&key_of(application));
    let ended_rendering = &ended.status.rendering;
    let good = syncs.iter().rev().find(|it| {
        it.phase == Phase::Succeeded
            && !it.spec.dry_run
            && it.snapshot.is_some()
            && it.rendering.as_ref() != ended_rendering.as_ref()
    })?;
    tracing::info!(application = %super::name_of(application), to = good.name, failed = ?state.status.last_sync.as_ref().map(|it| &it.name), "rolling back");
    Some(SyncSpec {
        application: super::name_of(application),
        rollback_to: Some(good.name.clone()),
        initiated_by: InitiatedBy { user: None, trigger: Trigger::Rollback },
        ..SyncSpec::default()
    })
}

/// The rollback that follows from a failure once more, without what it would have deleted, when a guard rail stopped it
/// for that: nobody is there to confirm it, and what works again counts for more than what is left over.
fn without_pruning(ended: &Ended, ending: &Ending) -> Option<SyncSpec> {
    let stopped = matches!(ending, Ending::Failed { written: false, .. });
    let prunes = ended.status.plan.as_ref().is_some_and(|it| it.prune > 0);
    let by_itself = ended.spec.initiated_by.trigger == Trigger::Rollback && ended.spec.prune.is_none();
    (stopped && prunes && by_itself).then(|| SyncSpec { prune: Some(false), ..ended.spec.clone() })
}

/// Tells of what somebody should look at.
async fn tell(ctx: &Context, application: &Application, state: &State, ended: &Ended, ending: &Ending) {
    let name = ended.current.sync.metadata.name.clone().unwrap_or_default();
    let by = ended.status.by.clone().unwrap_or_default();
    let delay = ended.current.counted.delay();
    match ending {
        Ending::Failed { message, .. } | Ending::LeftOver { message } | Ending::Undone { message } => {
            let note = format!("{name} (by {by}) failed: {message}");
            ctx.events.warn(application, "SyncFailed", "Sync", &note).await;
        }
        Ending::Succeeded if ended.spec.rollback_to.is_some() => {
            let note = format!(
                "{name} (by {by}) went back to {}",
                ended.spec.rollback_to.clone().unwrap_or_default()
            );
            ctx.events.note(application, "RolledBack", "Rollback", &note).await;
        }
        Ending::Succeeded if ended.spec.initiated_by.trigger == Trigger::SelfHeal => {
            let note =
                format!("{name} corrected drift of {}", heal::corrected_text(state, &ended.status, &name));
            ctx.events.note(application, "DriftCorrected", "SelfHeal", &note).await;
        }
        Ending::Succeeded => {
            let note = format!("{name} (by {by}): {}", ended.status.message.clone().unwrap_or_default());
            ctx.events.note_soon(application, "SyncSucceeded", "Sync", note, delay);
        }
        Ending::Superseded { by: other } => {
            let note = format!("{name} (by {by}) ended before it was done: {other} took its place");
            ctx.events.note_soon(application, "SyncSuperseded", "Sync", note, delay);
        }
        Ending::Planned => {}
    }
}

impl From<Stop> for Ending {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Failed { message, written, .. } => Self::Failed { message, written },
            Stop::Again(error) => Self::Failed { message: crate::error::chain(&error), written: false },
        }
    }
}
