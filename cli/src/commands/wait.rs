//! `tiphys wait`.

use std::pin::pin;

use clap::{Args, ValueEnum};
use futures::StreamExt as _;
use tiphys_api::{Application, ConditionStatus, Duration, Health, READY, STALLED, SyncState};
use tokio::time::Instant;

use super::Context;
use super::history::find;
use super::sync::follow_to_end;
use crate::arguments::OutputFormat;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::exit::Exit;
use crate::follow::{Seen, at, lost, watch};
use crate::output::application::condition;
use crate::output::style::tame;
use crate::terminal;

/// What to wait for.
#[derive(Args, Debug)]
pub struct WaitArguments {
    /// The Application
    #[arg(value_name = "APPLICATION")]
    application: String,
    /// What it has to be
    #[arg(
        long = "for",
        value_enum,
        default_value = "ready",
        hide_possible_values = true,
        value_name = "ready|synced|healthy|deleted"
    )]
    state: State,
    /// Wait for the end of this Sync instead
    #[arg(long, value_name = "NUMBER|NAME", conflicts_with = "state")]
    sync: Option<String>,
    /// How long to wait
    #[arg(long, default_value = "10m", value_name = "DURATION")]
    timeout: Duration,
}

/// What an Application can be waited to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum State {
    /// The condition Ready is True.
    Ready,
    /// Live is what the source says.
    Synced,
    /// All objects are healthy.
    Healthy,
    /// It is gone.
    Deleted,
}

/// Whether a state is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Reached,
    NotYet(String),
    /// Not without somebody changing something.
    Never(String),
}

/// Waits.
pub async fn run(context: &Context, arguments: &WaitArguments) -> Result<Exit, Error> {
    let cluster = context.connect().await?;
    match &arguments.sync {
        Some(sync) => wait_for_sync(context, &cluster, arguments, sync).await,
        None => wait_for_state(&cluster, arguments).await,
    }
}

async fn wait_for_sync(
    context: &Context,
    cluster: &Cluster,
    arguments: &WaitArguments,
    wanted: &str,
) -> Result<Exit, Error> {
    let syncs = cluster.syncs_of(&arguments.application).await?;
    let sync = find(&arguments.application, &syncs, wanted)?;
    follow_to_end(context, cluster, sync, Some(arguments.timeout), OutputFormat::Table).await
}

async fn wait_for_state(cluster: &Cluster, arguments: &WaitArguments) -> Result<Exit, Error> {
    let name = &arguments.application;
    let mut ctrl_c = pin!(tokio::signal::ctrl_c());
    let mut events = watch(cluster.applications(), name);
    let deadline = Instant::now() + arguments.timeout.get();
    let mut reason = String::from("nothing is known of it yet");
    loop {
        let seen = tokio::select! {
            Some(seen) = events.next() => seen,
            () = at(Some(deadline)) => return Err(Error::NotInTime {
                what: format!("Application `{name}` is not {} after {}", arguments.state.word(), arguments.timeout),
                reason,
                hint: format!("`tiphys get {name}` shows what is missing"),
            }),
            _ = &mut ctrl_c => return Ok(Exit::Interrupted),
        };
        let verdict = match seen {
            Err(error) => {
                terminal::say(&lost(error, &format!("Application `{name}`"))?);
                continue;
            }
            Ok(Seen::Gone) if arguments.state == State::Deleted => Verdict::Reached,
            Ok(Seen::Gone) => {
                return Err(Error::NoApplication {
                    name: name.clone(),
                    namespace: cluster.namespace.clone(),
                });
            }
            Ok(Seen::Now(application)) => judge(&application, arguments.state),
        };
        match verdict {
            Verdict::Reached => {
                terminal::data(&format!("application.tiphys.dev/{name} {}\n", arguments.state.word()))?;
                return Ok(Exit::Done);
            }
            Verdict::Never(message) => {
                return Err(Error::Stalled {
                    application: name.clone(),
                    source: crate::error::Said(message),
                });
            }
            Verdict::NotYet(now) if now != reason => {
                terminal::say(&format!("not {} yet: {now}", arguments.state.word()));
                reason = now;
            }
            Verdict::NotYet(_) => {}
        }
    }
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Synced => "synced",
            Self::Healthy => "healthy",
            Self::Deleted => "deleted",
        }
    }
}

/// Whether an Application is what it is waited to be. What is said of an earlier spec does not count.
fn judge(application: &Application, state: State) -> Verdict {
    let Some(status) = &application.status else {
        return Verdict::NotYet("the controller has not looked at it".to_owned());
    };
    if status.observed_generation < application.metadata.generation {
        return Verdict::NotYet("the controller has not looked at its newest change".to_owned());
    }
    let ready = condition(Some(status), READY);
    let stalled = condition(Some(status), STALLED).filter(|it| it.status == ConditionStatus::True);
    let is_reached = match state {
        State::Ready => ready.is_some_and(|it| it.status == ConditionStatus::True),
        State::Synced => status.sync == Some(SyncState::Synced),
        State::Healthy => status.health == Some(Health::Healthy),
        State::Deleted => false,
    };
    if is_reached {
        return Verdict::Reached;
    }
    if state != State::Deleted
        && let Some(stalled) = stalled
    {
        return Verdict::Never(tame(&stalled.message).into_owned());
    }
    let message = ready.map(|it| tame(&it.message).into_owned());
    Verdict::NotYet(message.unwrap_or_else(|| "its status says nothing".to_owned()))
}
