//! What every reconciliation shares.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::Client;
use kube::runtime::reflector::{ObjectRef, Store};
use parking_lot::{Mutex, RwLock};
use tiphys_api::{Application, Project, Trigger};
use tiphys_engine::Cluster;
use tiphys_engine::snapshots::SnapshotStore;
use tiphys_engine::tracking::{Claims, InstallationId, Owner};
use tiphys_jq::Jq;
use tiphys_notify::Networks;
use tiphys_render::Renderer;
use tiphys_source::{Mirrors, RemoteKey};
use tokio::sync::Mutex as AsyncMutex;
use tokio::sync::mpsc::UnboundedSender;

use crate::accounts::Accounts;
use crate::application::{Holdings, SnapshotNames, State, UnderWay, key_of};
use crate::events::Events;
use crate::metrics::Metrics;
use crate::quotas::Quotas;
use crate::records::Records;
use crate::repositories::{Lookup, Repositories};
use crate::slots::Slots;
use crate::standings::Standings;
use crate::sync_index::{ApplicationKey, SyncIndex};
use crate::traces::Traces;

/// A change that is seen so long after a webhook is put down to it.
const WEBHOOK_MEMORY: Duration = Duration::from_secs(30);

/// What does not change while the process runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Namespace of this installation.
    pub namespace: String,
    /// Identity of this installation in the marks on objects.
    pub installation: InstallationId,
    /// How many objects of one Application are written at the same time.
    pub apply_concurrency: usize,
    /// Where Notifications of tenants may send to.
    pub notification_networks: Networks,
}

/// What every reconciliation shares.
pub struct Context {
    /// What does not change.
    pub settings: Settings,
    /// The API server, for our own resources.
    pub client: Client,
    /// Our own resources, written.
    pub records: Records,
    /// Which Applications this replica works on.
    pub slots: Arc<Slots>,
    /// The Applications.
    pub applications: Store<Application>,
    /// Their Syncs.
    pub syncs: Arc<SyncIndex>,
    /// How many of these are under way.
    pub under_way: UnderWay,
    /// The Projects.
    pub projects: Store<Project>,
    /// The Repositories.
    pub repositories: Arc<Repositories>,
    /// Their content.
    pub mirrors: Mirrors,
    /// Renderings.
    pub renderer: Renderer,
    /// The destination.
    pub cluster: Cluster,
    /// Evaluates the jq expressions of `ignoreDifferences`.
    pub jq: Jq,
    /// In whose name something may be done there.
    pub accounts: Accounts,
    /// How much may be there.
    pub quotas: Quotas,
    /// Snapshots and plans.
    pub snapshots: SnapshotStore,
    /// The snapshots that were there when this process started.
    pub snapshot_names: SnapshotNames,
    /// Which Application works on which object.
    pub claims: Mutex<Claims>,
    /// What each Application has, for the others.
    pub holdings: Holdings,
    /// Kubernetes Events.
    pub events: Events,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// Traces of Syncs, if somebody wants them.
    pub traces: Option<Traces>,
    /// Brings an Application into the queue.
    pub queue: UnboundedSender<ObjectRef<Application>>,
    /// What is remembered of each Application.
    pub states: Mutex<HashMap<ApplicationKey, Arc<AsyncMutex<State>>>>,
    /// Whose label value is whose.
    pub labels: RwLock<HashMap<String, ApplicationKey>>,
    /// Which Applications read which repository.
    pub readers: Mutex<HashMap<RemoteKey, HashSet<ApplicationKey>>>,
    /// Repositories of which a webhook told lately.
    pub webhooks: Mutex<HashMap<RemoteKey, Told>>,
    /// How those Applications stand that others depend on.
    pub standings: Standings,
}

/// What a webhook told of.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// When.
    at: Instant,
    /// Whether the change that it told of was seen.
    seen: bool,
}

impl Context {
    /// The owner that marks the objects of an Application.
    pub fn owner(&self, (namespace, name): &ApplicationKey) -> Owner {
        Owner {
            installation: self.settings.installation.clone(),
            namespace: namespace.clone(),
            name: name.clone(),
        }
    }

    /// A Project of this installation.
    pub fn project(&self, name: &str) -> Option<Arc<Project>> {
        self.projects.get(&ObjectRef::new(name).within(&self.settings.namespace))
    }

    /// A number that is another one whenever the destination has other kinds.
    pub fn kinds_version(&self) -> u64 {
        *self.cluster.kinds.subscribe().borrow()
    }

    /// What is remembered of an Application.
    pub fn state(&self, key: &ApplicationKey) -> Arc<AsyncMutex<State>> {
        Arc::clone(self.states.lock().entry(key.clone()).or_default())
    }

    /// Forgets an Application that is gone.
    pub fn forget(&self, key: &ApplicationKey) {
        self.states.lock().remove(key);
        self.metrics.forget(key);
        let owner = self.owner(key);
        self.labels.write().remove(&owner.label_value());
        self.claims.lock().release(&owner);
        self.holdings.forget(key);
        let mut readers = self.readers.lock();
        readers.retain(|_, it| {
            it.remove(key);
            !it.is_empty()
        });
        drop(readers);
        self.standings.forget(key).iter().for_each(|it| self.enqueue(it));
    }

    /// The address that `repo` of a source stands for, for the rules of Projects.
    pub fn address_of(&self, namespace: &str, repo: &str) -> String {
        match self.repositories.lookup(namespace, repo) {
            Lookup::Found { remote, .. } => remote.url.to_string(),
            Lookup::Unusable(_) => repo.to_owned(),
        }
    }

    /// Brings an Application into the queue. One that another replica works on does nothing there but wake those that wait
    /// for it.
    pub fn enqueue(&self, (namespace, name): &ApplicationKey) {
        // Nobody listens any more only while the process ends.
        let _ = self.queue.send(ObjectRef::new(name).within(namespace));
    }

    /// Brings every Application of a namespace into the queue.
    pub fn enqueue_namespace(&self, namespace: &str) {
        for application in self.applications.state() {
            if application.metadata.namespace.as_deref() == Some(namespace) {
                self.enqueue(&key_of(&application));
            }
        }
    }

    /// Brings every Application that reads a repository into the queue.
    pub fn enqueue_readers(&self, remote: RemoteKey) {
        let readers: Vec<_> = self.readers.lock().get(&remote).into_iter().flatten().cloned().collect();
        for reader in &readers {
            self.enqueue(reader);
        }
    }

    /// A webhook told of this repository.
    pub fn told_by_webhook(&self, remote: RemoteKey) {
        let mut webhooks = self.webhooks.lock();
        webhooks.retain(|_, told| told.at.elapsed() < WEBHOOK_MEMORY);
        webhooks.insert(remote, Told { at: Instant::now(), seen: false });
    }

    /// A repository was seen to change. Only the first change after a webhook is what it told of.
    pub fn note_change(&self, remote: RemoteKey) {
        let mut webhooks = self.webhooks.lock();
        match webhooks.get_mut(&remote) {
            Some(told) if !told.seen => told.seen = true,
            _ => drop(webhooks.remove(&remote)),
        }
    }

    /// What made a repository change just now.
    pub fn cause(&self, remote: RemoteKey) -> Trigger {
        let told = self.webhooks.lock().get(&remote).is_some_and(|told| told.at.elapsed() < WEBHOOK_MEMORY);
        if told { Trigger::Webhook } else { Trigger::Auto }
    }
}
