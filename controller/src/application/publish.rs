//! The status of an Application, written when it changed and when it is time for it.

use std::time::{Duration, Instant};

use kube::ResourceExt as _;
use tiphys_api::{Application, ApplicationStatus, LastSync, Phase};

use super::current::write_progress;
use super::gather::ObjectState;
use super::report::{Report, SourceReport};
use super::state::{Current, State, Unsaid};
use super::{Error, desired, gates, gather, key_of, leaving, name_of};
use crate::context::Context;

/// What there is to say beside what the source and the objects say.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// Whether a rollback keeps the source's present content away.
    pub held: bool,
    /// Whether somebody paused it.
    pub suspended: bool,
    /// What keeps back a Sync that would start by itself.
    pub waits: Option<tiphys_api::Wait>,
    /// What somebody has to mend in what it says about when it is synced.
    pub problem: Option<gates::Problem>,
}

/// Writes what is to be said when it is time for it. Says when to look again for that.
pub async fn report(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    objects: &[ObjectState],
    said: Said,
) -> Result<Option<Duration>, Error> {
    // A Sync that is done sooner than this is written once, when it ends.
    if let Some(current) = &mut state.current {
        state.unsaid = None;
        let left = current.counted.period().saturating_sub(current.told_at.elapsed());
        if !left.is_zero() {
            return Ok(Some(left));
        }
        current.told_at = Instant::now();
    }
    write_progress(ctx, state).await?;
    if let Some(left) = first_word(ctx, state) {
        return Ok(Some(left));
    }
    let source = match state.rendered.as_ref().map(|it| it.report.clone()) {
        Some(SourceReport::Rendered { digest, .. }) => SourceReport::Rendered { digest, held: said.held },
        Some(other) => other,
        None => SourceReport::Pending,
    };
    let resources = gather::resources(ctx, objects, state);
    publish(ctx, application, state, source, resources, said).await?;
    Ok(None)
}

/// How long there is nothing to say yet of an Application that nothing was ever said of. Its source is fetched in less as
/// a rule, and then the first word is that it runs, or how it ended; where many are new at once, that takes longer.
fn first_word(ctx: &Context, state: &mut State) -> Option<Duration> {
    let rendered = state.rendered.as_ref().map(|it| &it.report);
    let is_new = state.status.observed_generation.is_none() && state.current.is_none();
    if !is_new || rendered.is_some_and(|it| *it != SourceReport::Pending) {
        state.unsaid = None;
        return None;
    }
    let unsaid =
        state.unsaid.get_or_insert_with(|| Unsaid { since: Instant::now(), counted: ctx.under_way.enter() });
    Some(unsaid.counted.period().saturating_sub(unsaid.since.elapsed())).filter(|left| !left.is_zero())
}

/// Writes the status of the Application when it changed.
pub async fn publish(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    source: SourceReport,
    resources: Vec<tiphys_api::ResourceStatus>,
    said: Said,
) -> Result<(), Error> {
    let mut before = state.status.clone();
    if let Some(current) = &state.current {
        before.last_sync = Some(running(current, application));
    }
    let namespace = desired::destination(application);
    let left_over = leaving::left_over(ctx, state);
    let after = super::report::status(
        &before,
        Report {
            spec: &application.spec,
            generation: application.metadata.generation.unwrap_or_default(),
            namespace: &namespace,
            source,
            resources,
            suspended: said.suspended,
            waits: said.waits,
            problem: said.problem,
            fight: state.fights.text(),
            left_over,
        },
    );
    let after = ApplicationStatus {
        inventory: state.applied.as_ref().map(|it| it.sync.clone()),
        installation: Some(ctx.settings.installation.0.clone()),
        ..after
    };
    let is_written = state.published.as_ref().or(application.status.as_ref()) == Some(&after);
    if is_written && state.published.is_some() {
        return Ok(());
    }
    // Before it is written: whoever sees that finds the metrics as it says, and where it cannot be written they say it.
    ctx.metrics.application(&key_of(application), &application.spec.project, &after);
    if is_written {
        // A process before this one did.
        state.published = Some(after);
        return Ok(());
    }
    write(ctx, application, state, after).await
}

async fn write(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    after: ApplicationStatus,
) -> Result<(), Error> {
    let key = key_of(application);
    match ctx.records.application_status(&key.0, &key.1, &after).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(()),
        Err(error) => return Err(Error::write("report", &name_of(application))(error)),
    }
    let last_sync = state.status.last_sync.take();
    state.status = after.clone();
    if state.current.is_some() {
        // What ended before is what decisions go by; what runs is only shown.
        state.status.last_sync = last_sync;
    }
    state.published = Some(after);
    Ok(())
}

fn running(current: &Current, application: &Application) -> LastSync {
    let status = current.sync.status.clone().unwrap_or_default();
    let doing = match status.phase {
        Phase::Waiting => "is applied and waits for health",
        _ => "is running",
    };
    let name = current.sync.name_any();
    LastSync {
        number: status.number.unwrap_or_default(),
        phase: status.phase,
        revision: status.revision,
        rendering: status.rendering,
        generation: application.metadata.generation,
        by: status.by,
        finished_at: None,
        message: Some(status.message.unwrap_or_else(|| format!("{name} {doing}"))),
        name,
    }
}
