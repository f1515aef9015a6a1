//! From arguments to a running controller: connect, stand for election, lead, end in good order.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, Config, ResourceExt as _};
use tiphys_engine::tracking::InstallationId;
use tiphys_notify::Networks;
use tokio_util::sync::CancellationToken;

use crate::application::report;
use crate::context::Settings;
use crate::fence::Fence;
use crate::lease::{Candidate, Timing};
use crate::metrics::Metrics;
use crate::repositories::Repositories;
use crate::request_count::counted;
use crate::server::{self, Readiness};
use crate::slots::{Phase, Slots};
use crate::webhook;
use crate::webhooks::{Deliveries, Leader};
use crate::{Error, RunArguments, election, lead, logging, repository_watch};

/// Runs until told to stop, or until the Lease is lost.
pub async fn run(arguments: RunArguments) -> Result<(), Error> {
    logging::start(&arguments);
    // A second installation in one process (in tests) finds a provider in place, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = Config::infer().await.map_err(|error| Error::Config(Box::new(error)))?;
    let metrics = Arc::new(Metrics::new());
    let client = counted(tiphys_engine::client(config)?, Arc::clone(&metrics));
    let stop = stop_on_signal();
    let readiness = Arc::new(Readiness::default());
    let repositories = Arc::new(Repositories::default());
    let leader = Arc::new(Leader::default());
    let deliveries = Deliveries::new(client.clone(), Arc::clone(&repositories), Arc::clone(&leader));

    let health = server::bind(arguments.metrics_address).await?;
    let webhooks = server::bind(arguments.webhook_address).await?;
    let health_routes = server::health(Arc::clone(&metrics), Arc::clone(&readiness));
    let webhook_routes = webhook::router(Arc::new(deliveries), Arc::clone(&metrics));
    let mut servers = tokio::task::JoinSet::new();
    servers.spawn(server::serve(health, health_routes, stop.clone()));
    servers.spawn(server::serve(webhooks, webhook_routes, stop.clone()));

    let settings = settings(&client, &arguments).await?;
    let (watching, repositories_listed) =
        repository_watch::start(client.clone(), Arc::clone(&repositories), Arc::clone(&leader));
    servers.spawn(watching);
    let slots = Arc::new(Slots::new(arguments.shards));
    let parts = lead::Parts {
        client,
        settings,
        metrics,
        readiness,
        repositories,
        repositories_listed,
        leader,
        slots,
    };
    let led = if arguments.no_leader_election {
        (0..parts.slots.count()).for_each(|slot| parts.slots.take(slot));
        lead::lead(&arguments, parts, stop.clone()).await
    } else {
        lead_in_turn(&arguments, parts, stop.clone()).await
    };
    stop.cancel();
    servers.shutdown().await;
    led
}

/// Waits for the Lease of a slot, leads while slots are held, and gives them back.
async fn lead_in_turn(
    arguments: &RunArguments,
    parts: lead::Parts,
    stop: CancellationToken,
) -> Result<(), Error> {
    let candidate = Candidate {
        namespace: arguments.namespace.clone(),
        identity: arguments.identity.clone(),
        timing: Timing::default(),
    };
    let metrics = Arc::clone(&parts.metrics);
    // A follower is ready when it knows the Repositories: that is all it needs to pass webhooks on.
    let (mut known, readiness) = (parts.repositories_listed.clone(), Arc::clone(&parts.readiness));
    let following = tokio::spawn(async move {
        if known.wait_for(|it| *it).await.is_ok() {
            readiness.set();
        }
    });
    // The election outlives the work: the Leases are given back after the last write.
    let (election_over, lost) = (CancellationToken::new(), CancellationToken::new());
    let (fence, slots) = (Arc::new(Fence::default()), Arc::clone(&parts.slots));
    let shared = (Arc::clone(&slots), Arc::clone(&fence));
    let election =
        election::stand(parts.client.clone(), candidate, shared, election_over.clone(), lost.clone());
    let election = tokio::spawn(election);
    let parts = lead::Parts { client: fence.client(parts.client.clone()), ..parts };
    let mut changes = slots.subscribe();
    let elected = async {
        while slots.in_phase(Phase::Taken).is_empty() {
            let _ = changes.changed().await;
        }
    };
    let elected = tokio::select! {
        () = stop.cancelled() => false,
        () = elected => true,
    };
    following.abort();
    let mut led = Ok(());
    if elected && !stop.is_cancelled() {
        metrics.leads(true);
        tracing::info!(identity = arguments.identity, slots = ?slots.in_phase(Phase::Taken), "leading");
        let work = stop.child_token();
        let leading = lead::lead(arguments, parts, work.clone());
        led = tokio::select! {
            led = leading => led,
            // Fail-stop: everything under way is dropped, and the process ends.
            () = lost.cancelled() => Err(Error::LostLease),
        };
        metrics.leads(false);
    }
    election_over.cancel();
    if let Err(error) = election.await {
        tracing::error!(%error, "the election failed");
    }
    led
}

async fn settings(client: &Client, arguments: &RunArguments) -> Result<Settings, Error> {
    let installation = if let Some(installation) = &arguments.installation {
        installation.clone()
    } else {
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let namespace = namespaces.get(&arguments.namespace).await.map_err(|source| Error::Namespace {
            namespace: arguments.namespace.clone(),
            source: Box::new(source),
        })?;
        namespace.uid().unwrap_or_default()
    };
    Ok(Settings {
        namespace: arguments.namespace.clone(),
        installation: InstallationId(installation),
        apply_concurrency: usize::from(arguments.apply_concurrency),
        notification_networks: Networks::new(arguments.notification_networks.clone()),
    })
}

/// A token that the first SIGTERM or SIGINT cancels; the second one ends the process as the system does by default.
fn stop_on_signal() -> CancellationToken {
    use tokio::signal::unix::{SignalKind, signal};
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        let (Ok(mut terminate), Ok(mut interrupt)) =
            (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            tracing::error!("signals cannot be received; the process can only be killed");
            return;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: Syncs under way are finished or left for the next start");
        token.cancel();
    });
    stop
}

/// An error for the log and for the person who started us.
pub fn explain(error: &Error) -> String {
    report::shorten(&crate::error::chain(error), report::MAX_MESSAGE)
}
