//! Notifications: Syncs that reach a phase, told to whom it may concern.
//!
//! One task sees every Sync and every Notification and decides, by the pure rules of `tiphys-notify`, who is told. Each
//! Notification has a task of its own that delivers, so that a slow destination holds nobody up. What was told and what
//! is still to be told lies in the status of the Notification and survives a restart. An installation without
//! Notifications makes no request for them but one watch.

mod delivery;
mod mailbox;
mod recall;
mod smtp;
mod worker;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt as _;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::ListParams;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::{self, Event};
use kube::{Api, ResourceExt as _};
use tiphys_api::{Application, Notification, Sync, Transition};
use tiphys_notify::{Facts, moment};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use self::mailbox::{Mailbox, Told};
use self::worker::Worker;
use crate::context::Context;
use crate::records::in_time;
use crate::slots::{HOME, Phase, Slots};

/// A Notification: namespace and name.
type Key = (String, String);

/// What happened longer ago is the past, whatever a status says.
const WINDOW: SignedDuration = SignedDuration::from_mins(10);
/// How long what is not written yet may take when the process ends.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Where Syncs are seen.
#[derive(Clone, Debug)]
pub struct Feed {
    sender: UnboundedSender<Arc<Sync>>,
    slots: Arc<Slots>,
}

/// What was seen and not looked at yet.
#[derive(Debug)]
pub struct Seen(UnboundedReceiver<Arc<Sync>>);

/// A feed and its end.
pub fn feed(slots: &Arc<Slots>) -> (Feed, Seen) {
    let (sender, receiver) = unbounded_channel();
    (Feed { sender, slots: Arc::clone(slots) }, Seen(receiver))
}

impl Feed {
    /// Takes in an event of the watch of Syncs. Only what reached a phase lately is kept.
    pub fn observe(&self, event: &Event<Sync>) {
        if let Event::Apply(sync) | Event::InitApply(sync) = event
            && is_news(sync)
            && self.slots.phase(HOME) != Phase::Elsewhere
        {
            // Nobody listens any more only while the process ends.
            let _ = self.sender.send(Arc::new(sync.clone()));
        }
    }
}

fn is_news(sync: &Sync) -> bool {
    !sync.spec.dry_run && moment(sync).is_some_and(|(_, at)| is_recent(at.0))
}

fn is_recent(at: Timestamp) -> bool {
    Timestamp::now().duration_since(at) < WINDOW
}

/// Tells of Syncs from when the Applications are listed until `stop`, while this replica holds the first slot, and then
/// writes down what is to be known by the next one.
pub async fn run(
    ctx: Arc<Context>,
    mut seen: Seen,
    mut applications: watch::Receiver<bool>,
    stop: CancellationToken,
) {
    // A watch that ended says why in the log.
    let _ = applications.wait_for(|it| *it).await;
    // What happened before a slot is taken over is in no watch of ours.
    let mut replays = ctx.slots.phase(HOME) != Phase::Open;
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => return,
            () = ctx.slots.until(HOME, Phase::Open) => {}
        }
        let Some(term) = ctx.slots.enter_slot(HOME) else { continue };
        let ending = stop.child_token();
        let hub = Hub {
            ctx: Arc::clone(&ctx),
            workers: HashMap::new(),
            listing: None,
            looked_at: HashMap::new(),
            replays,
        };
        let asked = async {
            ctx.slots.until(HOME, Phase::Closing).await;
            ending.cancel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = hub.run(&mut seen, ending.clone()) => {}
            () = asked => {}
        }
        drop(term);
        while seen.0.try_recv().is_ok() {}
        replays = true;
    }
}

struct Hub {
    ctx: Arc<Context>,
    workers: HashMap<Key, Running>,
    /// What the list that is under way has named.
    listing: Option<Vec<Key>>,
    /// The transitions of the last minutes that were looked at: uid and phase, and when that was.
    looked_at: HashMap<(String, &'static str), Timestamp>,
    /// Whether what happened lately has to be listed.
    replays: bool,
}

/// The worker of one Notification.
struct Running {
    uid: String,
    mailbox: Arc<Mailbox>,
    stop: CancellationToken,
    task: AbortOnDropHandle<()>,
}

impl Hub {
    async fn run(mut self, seen: &mut Seen, stop: CancellationToken) {
        let api = Api::<Notification>::all(self.ctx.client.clone());
        let mut events = std::pin::pin!(watcher::watcher(api, watcher::Config::default()).default_backoff());
        let mut listed = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                event = events.try_next() => match event {
                    Ok(Some(event)) => {
                        listed |= matches!(event, Event::InitDone);
                        self.take(event);
                        if listed && std::mem::take(&mut self.replays) {
                            self.replay().await;
                        }
                    }
                    Ok(None) => break,
                    Err(error) => {
                        tracing::warn!(%error, "watching notifications");
                        // What is seen must not pile up for Notifications that cannot be read.
                        listed = true;
                    }
                },
                Some(sync) = seen.0.recv(), if listed => self.look(&sync),
            }
        }
        self.end().await;
    }

    /// Looks at what happened lately, when no watch has told of it.
    async fn replay(&mut self) {
        let syncs: Api<Sync> = Api::all(self.ctx.client.clone());
        let mut token: Option<String> = None;
        loop {
            let params = ListParams { continue_token: token, ..ListParams::default().limit(200) };
            match in_time(syncs.list(&params)).await {
                Ok(page) => {
                    page.items.iter().filter(|it| is_news(it)).for_each(|it| self.look(it));
                    token = page.metadata.continue_.filter(|it| !it.is_empty());
                }
                Err(error) => {
                    tracing::warn!(%error, "what was told before this replica tells cannot be listed");
                    return;
                }
            }
            if token.is_none() {
                return;
            }
        }
    }

    fn take(&mut self, event: Event<Notification>) {
        match event {
            Event::Init => self.listing = Some(Vec::new()),
            Event::InitApply(notification) => {
                self.listing.get_or_insert_default().push(key(&notification));
                self.apply(&notification);
            }
            Event::InitDone => {
                let listed = self.listing.take().unwrap_or_default();
                let gone: Vec<_> = self.workers.keys().filter(|it| !listed.contains(it)).cloned().collect();
                for key in &gone {
                    self.remove(key);
                }
            }
            Event::Apply(notification) => self.apply(&notification),
            Event::Delete(notification) => self.remove(&key(&notification)),
        }
    }

    fn apply(&mut self, notification: &Notification) {
        let key = key(notification);
        let uid = notification.uid().unwrap_or_default();
        if let Some(running) = self.workers.get(&key).filter(|it| it.uid == uid) {
            running.mailbox.configure(notification);
            return;
        }
        self.remove(&key);
        let mailbox = Arc::new(Mailbox::new(notification, &self.ctx.settings.namespace));
        let stop = CancellationToken::new();
        let worker = Worker::new(Arc::clone(&self.ctx), Arc::clone(&mailbox), stop.clone());
        let task = AbortOnDropHandle::new(tokio::spawn(worker.run()));
        self.workers.insert(key, Running { uid, mailbox, stop, task });
    }

    fn remove(&mut self, key: &Key) {
        if self.workers.remove(key).is_some() {
            self.ctx.metrics.forget_notification(key);
        }
    }

    /// Offers a Sync that reached a phase to every Notification, once.
    fn look(&mut self, sync: &Sync) {
        let Some((phase, at)) = moment(sync) else { return };
        let now = Timestamp::now();
        let uid = sync.uid().unwrap_or_default();
        if !is_recent(at.0) || self.looked_at.insert((uid.clone(), phase.as_str()), now).is_some() {
            return;
        }
        self.looked_at.retain(|_, at| now.duration_since(*at) < WINDOW + WINDOW);
        if self.workers.is_empty() {
            return;
        }
        let namespace = sync.namespace().unwrap_or_default();
        let Some(application) = self.application(&namespace, &sync.spec.application) else { return };
        let Ok(facts) = Facts::new(&application, sync, phase) else { return };
        let transition = Transition {
            application: format!("{namespace}/{}", sync.spec.application),
            sync: sync.name_any(),
            uid,
            phase,
            at,
        };
        let repository = self.ctx.address_of(&namespace, &application.spec.source.repo);
        let told = Told { application: &application, sync, facts: &facts, repository: &repository };
        for running in self.workers.values() {
            running.mailbox.offer(&told, &transition);
        }
    }

    fn application(&self, namespace: &str, name: &str) -> Option<Arc<Application>> {
        self.ctx.applications.get(&ObjectRef::new(name).within(namespace))
    }

    /// Lets every worker write down what the next process has to know.
    async fn end(self) {
        for running in self.workers.values() {
            running.stop.cancel();
        }
        let tasks = self.workers.into_values().map(|it| it.task);
        // Those that are not done in time are ended here.
        let _ = tokio::time::timeout(LAST_WORDS, futures::future::join_all(tasks)).await;
    }
}

fn key(notification: &Notification) -> Key {
    (notification.namespace().unwrap_or_default(), notification.name_any())
}
