//! The current Sync: taken up, told of while it runs, written when it is time.

use std::time::Instant;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use tiphys_api::{Application, ObjectResult, Outcome, Phase, Sync, SyncStatus};

use super::finish::conditions_while_running;
use super::report::{MAX_RESOURCES, shorten};
use super::run::{Stop, note_result};
use super::state::{Current, State};
use super::{Error, key_of, namespace_of};
use crate::context::Context;
use crate::steps::Steps;
use crate::sync_index::SyncRecord;

/// Longest message about one object in a record, in bytes: 200 of them leave room for everything else.
const MAX_OBJECT_MESSAGE: usize = 1024;

/// Makes the Sync the current one, before anything else is done for it.
pub async fn begin(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    record: &SyncRecord,
) -> Result<(), Error> {
    let namespace = namespace_of(application);
    let mut sync = Sync::new(&record.name, record.spec.clone());
    sync.metadata.namespace = Some(namespace.clone());
    sync.metadata.uid = Some(record.uid.clone());
    sync.metadata.resource_version = Some(record.resource_version.to_string());
    if !record.owned {
        let adopted = ctx
            .records
            .adopt_sync(application, &record.name)
            .await
            .map_err(Error::write("own", &record.name))?;
        sync.metadata = adopted.metadata;
    }
    let started_at = record.started_at.clone().unwrap_or_else(|| Time(Timestamp::now()));
    let number = record.number.unwrap_or_else(|| next_number(ctx, application, state, record));
    let before = before(ctx, application, record).await?;
    let status = SyncStatus {
        phase: Phase::Running,
        number: Some(number),
        started_at: Some(started_at),
        by: Some(record.spec.initiated_by.text()),
        ..before
    };
    sync.status = Some(status);
    state.staged = None;
    ctx.syncs.observe_written(&sync);
    state.degraded_since = None;
    let steps = leading_steps(state, record);
    state.current = Some(Box::new(current(ctx, sync, SyncStatus::default(), steps)));
    Ok(())
}

/// A Sync that is taken up now, of which this was written last.
pub fn current(ctx: &Context, sync: Sync, written: SyncStatus, steps: Steps) -> Current {
    let (now, counted) = (Instant::now(), ctx.under_way.enter());
    let (since, told_at, leaving) = (now, now, Vec::new());
    Current { sync, written, since, told_at, missing_since: None, counted, steps, leaving }
}

/// What was fetched and rendered before the Sync was asked for, and led to it.
fn leading_steps(state: &State, record: &SyncRecord) -> Steps {
    let rendered = state.rendered.as_ref().filter(|_| record.spec.rollback_to.is_none());
    rendered.map_or_else(Steps::default, |it| Steps::leading_to(&it.steps, record.created_at.into()))
}

/// What a Sync of several stages did before it was interrupted: nobody but its record knows. Others start anew.
async fn before(ctx: &Context, application: &Application, record: &SyncRecord) -> Result<SyncStatus, Error> {
    if record.stage.is_none() {
        return Ok(SyncStatus::default());
    }
    let read = ctx.records.read_sync_status(&namespace_of(application), &record.name).await;
    read.map_err(Error::write("read", &record.name))
}

/// The number that the next Sync of an Application gets.
pub fn next_number(ctx: &Context, application: &Application, state: &State, itself: &SyncRecord) -> u64 {
    let syncs = ctx.syncs.of(&key_of(application));
    let known = syncs.iter().filter(|it| it.name != itself.name).filter_map(|it| it.number);
    let last = state.status.last_sync.as_ref().map(|it| it.number);
    known.chain(last).max().unwrap_or(0) + 1
}

/// The current Sync of a process before this one, which waits for health.
pub async fn resume(ctx: &Context, application: &Application, record: &SyncRecord) -> Result<Current, Error> {
    let mut sync = Sync::new(&record.name, record.spec.clone());
    sync.metadata.namespace = Some(namespace_of(application));
    sync.metadata.uid = Some(record.uid.clone());
    sync.metadata.resource_version = Some(record.resource_version.to_string());
    let before = before(ctx, application, record).await?;
    let status = SyncStatus {
        phase: record.phase,
        number: record.number,
        started_at: record.started_at.clone(),
        applied_at: record.applied_at.clone(),
        by: Some(record.spec.initiated_by.text()),
        revision: record.revision.clone(),
        rendering: record.rendering.clone(),
        snapshot: record.snapshot.clone(),
        plan: record.plan.clone(),
        ..before
    };
    sync.status = Some(status.clone());
    let steps = Steps::default();
    steps.wait_begins(record.applied_at.as_ref().map(|it| it.0.into()));
    Ok(current(ctx, sync, status, steps))
}

/// Everything is applied, or everything of a stage: from now on events of the objects decide.
pub fn note_waiting(ctx: &Context, state: &mut State) {
    let reason = state.staged.as_ref().and_then(|it| it.reason.clone());
    let message = reason.as_deref().unwrap_or("everything is applied; waiting until it is healthy");
    set_status(state, |status| conditions_while_running(status, message));
    if let Some(current) = &state.current {
        current.steps.wait_begins(None);
        ctx.syncs.observe_written(&current.sync);
    }
}

/// Keeps what a Sync that stopped has to say about objects.
pub fn note_stop(state: &mut State, stop: &Stop) {
    let Stop::Failed { objects, plan, .. } = stop else {
        return;
    };
    set_status(state, |status| {
        // What the stages before have done stays in the record.
        let mut all = if status.stage.is_some() { std::mem::take(&mut status.objects) } else { Vec::new() };
        for object in objects {
            note_result(&mut all, object);
        }
        if !all.is_empty() {
            status.objects = for_record(all);
        }
        if let Some(plan) = plan {
            status.plan = Some(plan.summary());
        }
    });
}

/// The objects of a record: failures first, as many and as long as a status may hold.
pub fn for_record(mut objects: Vec<ObjectResult>) -> Vec<ObjectResult> {
    objects.sort_by_key(|it| it.outcome != Outcome::Failed);
    objects.truncate(MAX_RESOURCES);
    for object in &mut objects {
        object.message = object.message.take().map(|it| shorten(&it, MAX_OBJECT_MESSAGE));
    }
    objects
}

/// Writes the status of the current Sync, if it is not what was written last.
pub async fn write_progress(ctx: &Context, state: &mut State) -> Result<(), Error> {
    let Some(current) = &mut state.current else {
        return Ok(());
    };
    let status = current.sync.status.clone().unwrap_or_default();
    if status == current.written {
        return Ok(());
    }
    let (namespace, name) = (current.sync.namespace().unwrap_or_default(), current.sync.name_any());
    match ctx.records.sync_status(&namespace, &name, &status).await {
        Ok(sync) => {
            ctx.syncs.observe_written(&sync);
            current.written = status;
            current.sync.metadata = sync.metadata;
            Ok(())
        }
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(Error::write("report on", &name)(error)),
    }
}

/// Changes the status of the current Sync, which is written when it is time.
pub fn set_status(state: &mut State, change: impl FnOnce(&mut SyncStatus)) {
    if let Some(current) = &mut state.current {
        change(current.sync.status.get_or_insert_default());
    }
}
