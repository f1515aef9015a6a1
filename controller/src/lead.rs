//! What the leader does: everything is listed, then Applications are brought where they should be, one queue for all.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _};
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{Controller, WatchStreamExt as _, controller};
use kube::{Api, Client, ResourceExt as _};
use parking_lot::{Mutex, RwLock};
use tiphys_api::{Application, Project, Sync};
use tiphys_engine::Cluster;
use tiphys_engine::requests::RequestLimits;
use tiphys_engine::snapshots::SnapshotStore;
use tiphys_jq::Jq;
use tiphys_render::{Renderer, RendererConfig};
use tiphys_source::Mirrors;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::accounts::Accounts;
use crate::application::{Holdings, SnapshotNames, UnderWay, key_of, reconcile};
use crate::context::{Context, Settings};
use crate::events::Events;
use crate::health_checks;
use crate::metrics::Metrics;
use crate::notifications::{self, Feed};
use crate::quotas::Quotas;
use crate::records::Records;
use crate::repositories::Repositories;
use crate::server::Readiness;
use crate::slots::{Phase, Slots};
use crate::standings::Standings;
use crate::sync_index::SyncIndex;
use crate::takeover;
use crate::traces;
use crate::upkeep;
use crate::webhooks::Leader;
use crate::{Error, RunArguments};

/// Requests about objects that are under way at once, all Applications together.
const REQUESTS: usize = 32;

/// What is there before this process leads.
pub struct Parts {
    /// The API server.
    pub client: Client,
    /// What does not change.
    pub settings: Settings,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// Whether this process does its work.
    pub readiness: Arc<Readiness>,
    /// The Repositories, which followers know too.
    pub repositories: Arc<Repositories>,
    /// Becomes true when the Repositories were listed.
    pub repositories_listed: watch::Receiver<bool>,
    /// Where others find the leader's context.
    pub leader: Arc<Leader>,
    /// Which Applications this replica works on.
    pub slots: Arc<Slots>,
}

/// Leads until `stop`: what is under way is finished then.
pub async fn lead(arguments: &RunArguments, parts: Parts, stop: CancellationToken) -> Result<(), Error> {
    let began = std::time::Instant::now();
    let mut tasks = JoinSet::new();
    let (queue, queued) = mpsc::unbounded_channel();
    let (applications, writer) = reflector::store();
    let leader = Arc::clone(&parts.leader);
    let readiness = Arc::clone(&parts.readiness);
    // What is listed from now on is what these begin with; those that are taken later have to catch up.
    let slots = Arc::clone(&parts.slots);
    let first = slots.in_phase(Phase::Taken);
    let (feed, seen) = notifications::feed(&slots);
    let ctx = gather(arguments, parts, (queue, feed), applications.clone(), &mut tasks).await?;
    let ctx = Arc::new(ctx);
    takeover::begin(&ctx, &first, &mut tasks);
    leader.set(Arc::clone(&ctx));
    follow_live(&ctx, &mut tasks);
    follow_sources(&ctx, &mut tasks);
    follow_kinds(&ctx, &mut tasks);
    tasks.spawn(upkeep::run(Arc::clone(&ctx)));
    let told = CancellationToken::new();
    let (list, applications_listed) = watch::channel(false);
    let telling = notifications::run(Arc::clone(&ctx), seen, applications_listed, told.clone());
    let telling = tokio::spawn(telling);
    let telling = AbortOnDropHandle::new(telling);
    readiness.set();
    tracing::info!(took_ms = began.elapsed().as_millis(), "everything is listed");

    let watched = watcher::watcher(Api::<Application>::all(ctx.client.clone()), watcher::Config::default());
    let shared = Arc::clone(&ctx);
    // Who wrote which field nobody asks for here, and it takes memory.
    let watched = watched.default_backoff().modify(|it| it.managed_fields_mut().clear());
    // A store wakes only one of those who wait until it is filled, and that is the queue.
    let watched = watched.reflect(writer).inspect_ok(move |event| {
        if matches!(event, Event::InitDone) {
            list.send_replace(true);
        }
        tell_of_end(&shared, event);
    });
    let watched = watched.applied_objects();
    let queued = tokio_stream(queued);
    let running = Controller::for_stream(watched, applications)
        .with_config(controller::Config::default().concurrency(arguments.concurrency))
        .reconcile_on(queued)
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(reconcile, |_, _, _| controller::Action::await_change(), Arc::clone(&ctx))
        .for_each(|done| async move {
            match done {
                // An Application that is gone while it is still in the queue is no news.
                Ok(_) | Err(controller::Error::ObjectNotFound(_)) => {}
                Err(error) => tracing::warn!(%error, "the queue of applications"),
            }
        });
    running.await;
    leader.clear();
    takeover::note_all(&ctx).await;
    // After the last Sync, so that what is to be told of it is written down.
    told.cancel();
    let _ = telling.await;
    tasks.shutdown().await;
    Ok(())
}

/// Connects to everything and lists what was there before, all at once.
async fn gather(
    arguments: &RunArguments,
    parts: Parts,
    (queue, feed): (mpsc::UnboundedSender<ObjectRef<Application>>, Feed),
    applications: reflector::Store<Application>,
    tasks: &mut JoinSet<()>,
) -> Result<Context, Error> {
    let client = parts.client.clone();
    let program = std::env::current_exe().map_err(Error::OwnProgram)?;
    let mirrors =
        Mirrors::open(tiphys_source::Config::new(arguments.data_dir.join("mirrors"), program.clone()))?;
    let jq = Jq::new(program.clone());
    let renderer = Renderer::new(RendererConfig::new(program));

    let syncs = Arc::new(SyncIndex::default());
    let syncs_listed = follow_syncs(&client, Arc::clone(&syncs), (queue.clone(), feed), tasks);
    let (projects, projects_listed) = follow_projects(&client, queue.clone(), applications.clone(), tasks);
    let events = Events::new(client.clone(), &arguments.identity);
    let told = (events.clone(), Arc::clone(&parts.slots));
    let (reading, mut checks) = health_checks::follow(&client, &parts.settings.namespace, told);
    tasks.spawn(reading);
    let limits = RequestLimits { concurrency: REQUESTS, ..RequestLimits::default() };
    let list_error = |what| move |error| Error::List { what, source: Box::new(error) };
    let (cluster, snapshot_names, (), ()) = tokio::try_join!(
        async { Cluster::connect(client.clone(), limits).await.map_err(Error::from) },
        async { SnapshotNames::list(&client).await.map_err(list_error("snapshots")) },
        async {
            listed(syncs_listed).await;
            listed(parts.repositories_listed.clone()).await;
            // Health that is told without the installation's own checks would be told wrong first.
            let _ = checks.wait_for(Option::is_some).await;
            // A store whose watch ended is as good as an empty one; the watch says why in the log.
            let _ = projects_listed.wait_until_ready().await;
            Ok(())
        },
        async {
            // Only to be faster later: a worker that cannot start is told where it is needed.
            let _ = renderer.warm().await;
            Ok(())
        },
    )?;
    if let Some(checks) = checks.borrow().as_ref() {
        cluster.live.set_checks(checks);
    }
    tasks.spawn(health_checks::apply(checks, cluster.live.clone()));
    Ok(Context {
        records: Records::new(client.clone()),
        accounts: Accounts::new(client.clone(), applications.clone(), queue.clone()),
        quotas: Quotas::new(client.clone()),
        snapshots: SnapshotStore::new(cluster.requests.clone()),
        events,
        settings: parts.settings,
        slots: parts.slots,
        client,
        applications,
        syncs,
        under_way: UnderWay::default(),
        projects,
        repositories: parts.repositories,
        mirrors,
        renderer,
        cluster,
        jq,
        snapshot_names,
        claims: Mutex::default(),
        traces: traces::start(arguments, &parts.metrics, tasks)?,
        holdings: Holdings::default(),
        metrics: parts.metrics,
        queue,
        states: Mutex::default(),
        labels: RwLock::default(),
        readers: Mutex::default(),
        webhooks: Mutex::default(),
        standings: Standings::default(),
    })
}

/// Whoever depends on an Application that is gone learns of it when it is in no list any more.
fn tell_of_end(ctx: &Context, event: &Event<Application>) {
    if let Event::Delete(application) = event {
        let key = key_of(application);
        ctx.standings.forget(&key).iter().for_each(|it| ctx.enqueue(it));
        if !ctx.slots.holds(&key) {
            ctx.holdings.forget(&key);
        }
    }
}

async fn listed(mut listed: watch::Receiver<bool>) {
    // The sender lives as long as its watch; an end of it ends the process anyway.
    let _ = listed.wait_for(|it| *it).await;
}

/// Keeps the index of Syncs and brings their Applications into the queue.
fn follow_syncs(
    client: &Client,
    index: Arc<SyncIndex>,
    (queue, feed): (mpsc::UnboundedSender<ObjectRef<Application>>, Feed),
    tasks: &mut JoinSet<()>,
) -> watch::Receiver<bool> {
    let (listed, receiver) = watch::channel(false);
    let events =
        watcher::watcher(Api::<Sync>::all(client.clone()), watcher::Config::default()).default_backoff();
    tasks.spawn(async move {
        let mut events = std::pin::pin!(events);
        loop {
            match events.try_next().await {
                Ok(Some(event)) => {
                    feed.observe(&event);
                    for (namespace, name) in index.observe(&event) {
                        let _ = queue.send(ObjectRef::new(&name).within(&namespace));
                    }
                    if matches!(event, Event::InitDone) {
                        listed.send_replace(true);
                    }
                }
                Ok(None) => return,
                Err(error) => tracing::warn!(%error, "watching syncs"),
            }
        }
    });
    receiver
}

/// Keeps the Projects; a change of one may concern every Application.
fn follow_projects(
    client: &Client,
    queue: mpsc::UnboundedSender<ObjectRef<Application>>,
    applications: reflector::Store<Application>,
    tasks: &mut JoinSet<()>,
) -> (reflector::Store<Project>, reflector::Store<Project>) {
    let (store, writer) = reflector::store();
    let events = watcher::watcher(Api::<Project>::all(client.clone()), watcher::Config::default());
    let events = events.default_backoff().reflect(writer).touched_objects();
    tasks.spawn(async move {
        let mut events = std::pin::pin!(events);
        loop {
            match events.try_next().await {
                Ok(Some(project)) => {
                    let name = project.metadata.name.as_deref().unwrap_or_default();
                    for application in applications.state().iter().filter(|it| it.spec.project == name) {
                        let _ = queue.send(ObjectRef::from_obj(application.as_ref()));
                    }
                }
                Ok(None) => return,
                Err(error) => tracing::warn!(%error, "watching projects"),
            }
        }
    });
    (store.clone(), store)
}

/// A change of a live object brings its Application into the queue.
fn follow_live(ctx: &Arc<Context>, tasks: &mut JoinSet<()>) {
    let ctx = Arc::clone(ctx);
    let mut events = ctx.cluster.live.events();
    tasks.spawn(async move {
        loop {
            let event = events.next().await;
            let key = ctx.labels.read().get(&event.owner_label).cloned();
            if let Some(key) = key {
                ctx.enqueue(&key);
            }
        }
    });
}

/// Other kinds, and a watch that works again, bring every Application into the queue: what could not be applied, rendered or
/// seen may be possible now.
fn follow_kinds(ctx: &Arc<Context>, tasks: &mut JoinSet<()>) {
    let ctx = Arc::clone(ctx);
    let (mut kinds, mut watches) = (ctx.cluster.kinds.subscribe(), ctx.cluster.live.recoveries());
    tasks.spawn(async move {
        while let Ok(()) = tokio::select! {
            changed = kinds.changed() => changed,
            recovered = watches.changed() => recovered,
        } {
            ctx.applications.state().iter().for_each(|it| ctx.enqueue(&key_of(it)));
        }
    });
}

/// A change of a repository brings the Applications that read it into the queue.
fn follow_sources(ctx: &Arc<Context>, tasks: &mut JoinSet<()>) {
    let ctx = Arc::clone(ctx);
    let mut changes = ctx.mirrors.subscribe();
    tasks.spawn(async move {
        loop {
            match changes.recv().await {
                Ok(change) => {
                    ctx.metrics.fetched("changed");
                    ctx.note_change(change.key);
                    ctx.enqueue_readers(change.key);
                }
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    let all: Vec<_> = ctx.readers.lock().keys().copied().collect();
                    for remote in all {
                        ctx.enqueue_readers(remote);
                    }
                }
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    });
}

fn tokio_stream(
    mut queued: mpsc::UnboundedReceiver<ObjectRef<Application>>,
) -> impl futures::Stream<Item = ObjectRef<Application>> + Send {
    futures::stream::poll_fn(move |cx| queued.poll_recv(cx))
}
