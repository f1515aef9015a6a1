//! The health checks of this installation: ConfigMaps in its namespace that carry [`CHECKS_LABEL`].
//!
//! They are watched, so a change counts at once and nothing is asked for otherwise. What cannot be used is said in an
//! Event on the ConfigMap and in the log; the other checks go on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, Resource as _, ResourceExt as _};
use tiphys_engine::health::checks::{CHECKS_LABEL, CheckProblem, CheckSource, Checks};
use tiphys_engine::live::LiveCache;
use tokio::sync::watch;

use crate::events::Events;
use crate::slots::{HOME, Phase, Slots};

/// The task that reads the checks, and what it has read; nothing before it has listed.
pub fn follow(
    client: &Client,
    namespace: &str,
    (events, slots): (Events, Arc<Slots>),
) -> (impl Future<Output = ()> + Send + 'static, watch::Receiver<Option<Checks>>) {
    let (sender, receiver) = watch::channel(None);
    let api = Api::namespaced(client.clone(), namespace);
    let follower = Follower {
        events,
        slots,
        sender,
        config_maps: BTreeMap::new(),
        listing: None,
        problems: BTreeSet::new(),
    };
    (follower.run(api), receiver)
}

/// Waits until the checks are known, and hands them and all later ones to the live objects.
pub async fn apply(mut checks: watch::Receiver<Option<Checks>>, live: LiveCache) {
    loop {
        let newest = checks.borrow_and_update().clone();
        if let Some(newest) = newest {
            let live = live.clone();
            // Every live object of the kinds in question is judged anew: that can take a while.
            let judged = tokio::task::spawn_blocking(move || live.set_checks(&newest)).await;
            if let Err(error) = judged {
                tracing::error!(%error, "the health checks could not be applied");
            }
        }
        if checks.changed().await.is_err() {
            return;
        }
    }
}

/// A ConfigMap as far as it matters.
struct Known {
    reference: ObjectReference,
    sources: Vec<CheckSource>,
}

struct Follower {
    events: Events,
    slots: Arc<Slots>,
    sender: watch::Sender<Option<Checks>>,
    config_maps: BTreeMap<String, Known>,
    /// What the list that is under way has named.
    listing: Option<BTreeMap<String, Known>>,
    /// What was said already.
    problems: BTreeSet<CheckProblem>,
}

impl Follower {
    async fn run(mut self, api: Api<ConfigMap>) {
        let config = watcher::Config::default().labels(CHECKS_LABEL);
        let mut events = std::pin::pin!(watcher::watcher(api, config).default_backoff());
        loop {
            match events.try_next().await {
                Ok(Some(event)) => self.take(event).await,
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(%error, "watching the ConfigMaps with health checks");
                    // Nobody waits for checks that cannot be read.
                    self.sender.send_if_modified(|checks| {
                        let first = checks.is_none();
                        checks.get_or_insert_default();
                        first
                    });
                }
            }
        }
    }

    async fn take(&mut self, event: Event<ConfigMap>) {
        match event {
            Event::Init => self.listing = Some(BTreeMap::new()),
            Event::InitApply(config_map) => {
                self.listing.get_or_insert_default().insert(config_map.name_any(), known(&config_map));
            }
            Event::InitDone => {
                self.config_maps = self.listing.take().unwrap_or_default();
                self.compile().await;
            }
            Event::Apply(config_map) => {
                self.config_maps.insert(config_map.name_any(), known(&config_map));
                self.compile().await;
            }
            Event::Delete(config_map) => {
                self.config_maps.remove(&config_map.name_any());
                self.compile().await;
            }
        }
    }

    async fn compile(&mut self) {
        let sources: Vec<_> = self.config_maps.values().flat_map(|it| it.sources.clone()).collect();
        let (checks, problems) = Checks::new(&sources);
        self.sender.send_replace(Some(checks));
        let problems: BTreeSet<_> = problems.into_iter().collect();
        for problem in problems.difference(&self.problems) {
            tracing::warn!(%problem, "a health check cannot be used");
            // All replicas read them, and one tells of them.
            if self.slots.phase(HOME) == Phase::Elsewhere {
                continue;
            }
            let name = problem.config_map.rsplit('/').next().unwrap_or_default();
            if let Some(known) = self.config_maps.get(name) {
                let note = format!("key {}: {}", problem.key, problem.message);
                self.events.warn_of(&known.reference, "InvalidHealthCheck", "ReadHealthChecks", &note).await;
            }
        }
        self.problems = problems;
    }
}

fn known(config_map: &ConfigMap) -> Known {
    let name = format!("{}/{}", config_map.namespace().unwrap_or_default(), config_map.name_any());
    let data = config_map.data.iter().flatten();
    Known {
        reference: config_map.object_ref(&()),
        sources: data
            .map(|(key, text)| CheckSource { config_map: name.clone(), key: key.clone(), text: text.clone() })
            .collect(),
    }
}
