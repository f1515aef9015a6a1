//! Which kinds the API server serves, and how to reach them.
//!
//! [`Kinds`] holds the last answer of the server's aggregated discovery (two requests for everything) and the
//! server's version. It is asked again when a CustomResourceDefinition or an APIService changes
//! ([`Kinds::follow`]), when somebody asks for a kind that is not there (at most every few seconds), and when
//! somebody knows that something changed ([`Kinds::refresh`]).
//!
//! A kind that cannot be found is not always gone: while an aggregated API server does not answer, its group
//! version is *stale*, and its kinds are [`Lookup::Unknown`]. Whoever prunes must treat these as still there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use kube::client::{APIGroupDiscoveryList, APIResourceDiscovery};
use kube::core::{ApiResource, DynamicObject, Resource as _};
use kube::discovery::verbs;
use parking_lot::RwLock;
use tiphys_manifest::GroupVersionKind;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::error::{Class, Error};
use crate::live::watch::{Selection, Step, Watch};
use crate::requests::failure::Failure;
use crate::task::Task;

/// How long one of the discovery requests may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How often one refresh asks.
const TRIES: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A kind that is not there makes us ask again, but not more often than this.
const MISS_INTERVAL: Duration = Duration::from_secs(5);
/// Changes of definitions come in bursts: wait for the end of one before asking.
const SETTLE: Duration = Duration::from_millis(200);
/// The least time between two refreshes that changes of definitions ask for.
const FOLLOW_INTERVAL: Duration = Duration::from_secs(1);

/// Whether a kind is namespaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Its objects are the cluster's.
    Cluster,
    /// Each of its objects lives in a namespace.
    Namespaced,
}

/// A kind that the API server serves, and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedKind {
    /// Group, version, kind and the plural that paths are made of.
    pub resource: ApiResource,
    /// Whether it is namespaced.
    pub scope: Scope,
    /// The verbs that its objects support, such as `patch`.
    pub verbs: Vec<String>,
}

impl ServedKind {
    /// Group, version and kind.
    pub fn gvk(&self) -> GroupVersionKind {
        GroupVersionKind::new(&self.resource.group, &self.resource.version, &self.resource.kind)
    }

    /// Whether its objects support `verb`.
    pub fn supports(&self, verb: &str) -> bool {
        self.verbs.iter().any(|supported| supported == verb)
    }

    /// The name that permissions use: `deployments.apps`, `configmaps`.
    pub fn resource_name(&self) -> String {
        if self.resource.group.is_empty() {
            self.resource.plural.clone()
        } else {
            format!("{}.{}", self.resource.plural, self.resource.group)
        }
    }

    /// The path of the collection: of one namespace, or of the whole cluster.
    pub fn collection_path(&self, namespace: Option<&str>) -> String {
        DynamicObject::url_path(&self.resource, namespace)
    }
}

/// What discovery says about a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// It is served.
    Served(Arc<ServedKind>),
    /// It is not served.
    NotServed,
    /// Nobody can say: the server behind its group does not answer.
    Unknown,
}

impl Lookup {
    /// The kind, if it is served.
    pub fn served(self) -> Option<Arc<ServedKind>> {
        match self {
            Self::Served(kind) => Some(kind),
            Self::NotServed | Self::Unknown => None,
        }
    }
}

/// What charts may ask about a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Version of the API server, such as `v1.36.3`.
    pub kube_version: String,
    /// Everything that is served: `apps/v1` as well as `apps/v1/Deployment`, sorted.
    pub api_versions: Vec<String>,
}

/// The kinds that an API server serves, as of the last time it was asked.
pub struct Kinds {
    client: Client,
    table: RwLock<Arc<Table>>,
    /// When the last refresh that succeeded began; the lock merges refreshes that are asked for at once.
    refreshed: Mutex<Instant>,
    generation: watch::Sender<u64>,
}

#[derive(Default, PartialEq)]
struct Table {
    served: BTreeMap<GroupVersionKind, Arc<ServedKind>>,
    /// Group versions whose server does not answer.
    stale: BTreeSet<(String, String)>,
    capabilities: Arc<Capabilities>,
}

impl Kinds {
    /// Asks the API server for the first time.
    pub async fn discover(client: Client) -> Result<Arc<Self>, Error> {
        let began = Instant::now();
        let table = fetch(&client, &Table::default()).await?;
        Ok(Arc::new(Self {
            client,
            table: RwLock::new(Arc::new(table)),
            refreshed: Mutex::new(began),
            generation: watch::Sender::new(0),
        }))
    }

    /// What is known about a kind, without asking.
    pub fn lookup(&self, gvk: &GroupVersionKind) -> Lookup {
        self.table.read().lookup(gvk)
    }

    /// What is known about a kind; one that is not served makes us ask the server again, now and then.
    pub async fn resolve(&self, gvk: &GroupVersionKind) -> Result<Lookup, Error> {
        let known = self.lookup(gvk);
        if known != Lookup::NotServed {
            return Ok(known);
        }
        let not_before = Instant::now().checked_sub(MISS_INTERVAL).unwrap_or_else(Instant::now);
        self.refresh_if_older(not_before).await?;
        Ok(self.lookup(gvk))
    }

    /// Some version of a group and kind that is served, where the version does not matter.
    pub fn any_version(&self, group: &str, kind: &str) -> Lookup {
        let table = Arc::clone(&self.table.read());
        let found = table.served.values().rfind(|served| {
            served.resource.group == group && served.resource.kind == kind && served.supports(verbs::PATCH)
        });
        match found {
            Some(served) => Lookup::Served(Arc::clone(served)),
            None if table.stale.iter().any(|(stale, _)| stale == group) => Lookup::Unknown,
            None => Lookup::NotServed,
        }
    }

    /// The kind behind the plural name of a resource, such as `deployments` of the group `apps`.
    pub fn by_resource(&self, group: &str, plural: &str) -> Option<Arc<ServedKind>> {
        let table = Arc::clone(&self.table.read());
        let same = |kind: &&Arc<ServedKind>| kind.resource.group == group && kind.resource.plural == plural;
        table.served.values().rfind(same).map(Arc::clone)
    }

    /// Asks the server now. Callers that come while another one asks wait for an answer that is new enough.
    pub async fn refresh(&self) -> Result<(), Error> {
        self.refresh_if_older(Instant::now()).await
    }

    /// What charts may ask about this cluster.
    pub fn capabilities(&self) -> Arc<Capabilities> {
        Arc::clone(&self.table.read().capabilities)
    }

    /// Tells of every refresh that brought something new.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// Starts to refresh whenever a definition changes, until the task is dropped.
    ///
    /// Without the right to watch these two kinds we still find new kinds, when somebody asks for one.
    pub fn follow(self: &Arc<Self>) -> Task {
        let (changed, refreshes) = watch::channel(());
        let kinds = Arc::clone(self);
        Task::spawn(async move {
            tokio::select! {
                () = kinds.watch_definitions("apiextensions.k8s.io", "CustomResourceDefinition", changed.clone()) => {}
                () = kinds.watch_definitions("apiregistration.k8s.io", "APIService", changed) => {}
                () = kinds.refresh_on_change(refreshes) => {}
            }
        })
    }

    async fn watch_definitions(&self, group: &str, kind: &str, changed: watch::Sender<()>) {
        let gvk = GroupVersionKind::new(group, "v1", kind);
        let Some(kind) = self.lookup(&gvk).served() else {
            return std::future::pending().await;
        };
        let mut listed = false;
        Watch::new(self.client.clone(), kind, Selection::Metadata)
            .run(|step| match step {
                // What the first list tells is what we just asked for; later lists stand for a gap.
                Step::ListDone { .. } if !listed => listed = true,
                Step::ListDone { .. } | Step::Applied(_) | Step::Deleted(_) => {
                    changed.send_replace(());
                }
                Step::ListStarted
                | Step::Listed(_)
                | Step::Resumed
                | Step::Progress { .. }
                | Step::Failed(_) => {}
            })
            .await;
    }

    async fn refresh_on_change(&self, mut changes: watch::Receiver<()>) {
        while changes.changed().await.is_ok() {
            tokio::time::sleep(SETTLE).await;
            changes.mark_unchanged();
            if let Err(error) = self.refresh().await {
                tracing::warn!(error = %error, "kinds changed, but discovery failed; trying again");
                changes.mark_changed();
                tokio::time::sleep(MISS_INTERVAL).await;
            }
            tokio::time::sleep(FOLLOW_INTERVAL).await;
        }
    }

    async fn refresh_if_older(&self, not_before: Instant) -> Result<(), Error> {
        let mut refreshed = self.refreshed.lock().await;
        if *refreshed >= not_before {
            return Ok(());
        }
        let began = Instant::now();
        let before = Arc::clone(&self.table.read());
        let table = fetch(&self.client, &before).await?;
        *refreshed = began;
        if table != *before {
            *self.table.write() = Arc::new(table);
            self.generation.send_modify(|generation| *generation += 1);
        }
        Ok(())
    }
}

impl Table {
    fn lookup(&self, gvk: &GroupVersionKind) -> Lookup {
        if let Some(kind) = self.served.get(gvk) {
            return Lookup::Served(Arc::clone(kind));
        }
        if self.stale.contains(&(gvk.group.clone(), gvk.version.clone())) {
            return Lookup::Unknown;
        }
        Lookup::NotServed
    }

    fn build(lists: Vec<APIGroupDiscoveryList>, kube_version: String, before: &Self) -> Self {
        let mut table = Self::default();
        for group in lists.into_iter().flat_map(|list| list.items) {
            let name = group.metadata.and_then(|metadata| metadata.name).unwrap_or_default();
            for version in group.versions {
                let version_name = version.version.unwrap_or_default();
                if version.freshness.as_deref() == Some("Stale") {
                    table.keep_stale(&name, &version_name, before);
                }
                for resource in version.resources {
                    table.add(&name, &version_name, resource);
                }
            }
        }
        table.capabilities = Arc::new(Capabilities { kube_version, api_versions: table.api_versions() });
        table
    }

    /// A server that does not answer is taken to serve what it served before.
    fn keep_stale(&mut self, group: &str, version: &str, before: &Self) {
        let same = |gvk: &GroupVersionKind| gvk.group == group && gvk.version == version;
        let known = before.served.iter().filter(|(gvk, _)| same(gvk));
        self.served.extend(known.map(|(gvk, kind)| (gvk.clone(), Arc::clone(kind))));
        self.stale.insert((group.to_owned(), version.to_owned()));
    }

    fn add(&mut self, group: &str, version: &str, found: APIResourceDiscovery) {
        let kind = found.response_kind.and_then(|gvk| gvk.kind).unwrap_or_default();
        let gvk = GroupVersionKind::new(group, version, kind);
        let resource = ApiResource {
            group: gvk.group.clone(),
            version: gvk.version.clone(),
            api_version: gvk.api_version(),
            kind: gvk.kind.clone(),
            plural: found.resource.unwrap_or_default(),
        };
        let scope = match found.scope.as_deref() {
            Some("Namespaced") => Scope::Namespaced,
            _ => Scope::Cluster,
        };
        let served = ServedKind { resource, scope, verbs: found.verbs };
        // Of two resources of one kind, the one that can be written is meant.
        let taken = self.served.get(&gvk).is_some_and(|other| other.supports(verbs::PATCH));
        if !taken {
            self.served.insert(gvk, Arc::new(served));
        }
    }

    fn api_versions(&self) -> Vec<String> {
        let mut versions = BTreeSet::new();
        for gvk in self.served.keys() {
            let api_version = gvk.api_version();
            versions.insert(format!("{api_version}/{}", gvk.kind));
            versions.insert(api_version);
        }
        versions.into_iter().collect()
    }
}

/// Asks until there is an answer; a failure that may pass is given a few chances.
async fn fetch(client: &Client, before: &Table) -> Result<Table, Error> {
    let mut pauses = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    for _ in 1..TRIES {
        match fetch_once(client, before).await {
            Err(error) if error.class() == Class::Transient => tokio::time::sleep(pauses.next()).await,
            other => return other,
        }
    }
    fetch_once(client, before).await
}

async fn fetch_once(client: &Client, before: &Table) -> Result<Table, Error> {
    let asked = async {
        tokio::try_join!(
            client.list_core_api_versions_aggregated(),
            client.list_api_groups_aggregated(),
            client.apiserver_version(),
        )
    };
    let (core, groups, version) = tokio::time::timeout(TIMEOUT, asked)
        .await
        .map_err(|_| Error::DiscoveryTimedOut { limit: TIMEOUT })?
        .map_err(|error| Error::Discovery { source: Box::new(Failure::from(error)) })?;
    // A server that does not know aggregated discovery answers in its old format, which reads as empty.
    if core.items.is_empty() {
        return Err(Error::NoAggregatedDiscovery { version: version.git_version });
    }
    Ok(Table::build(vec![core, groups], version.git_version, before))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn list(version: &str, freshness: &str, kinds: &[&str]) -> APIGroupDiscoveryList {
        let resources: Vec<_> = kinds
            .iter()
            .map(|kind| {
                json!({
                    "resource": kind.to_lowercase() + "s", "scope": "Namespaced", "verbs": ["get", "patch", "watch"],
                    "responseKind": {"group": "example.com", "version": version, "kind": kind},
                })
            })
            .collect();
        serde_json::from_value(json!({"items": [{
            "metadata": {"name": "example.com"},
            "versions": [{"version": version, "freshness": freshness, "resources": resources}],
        }]}))
        .unwrap()
    }

    fn gvk(kind: &str) -> GroupVersionKind {
        GroupVersionKind::new("example.com", "v1", kind)
    }

    #[test]
    fn kinds_are_found_with_their_path_and_verbs() {
        let table =
            Table::build(vec![list("v1", "Current", &["Thing"])], "v1.36.3".into(), &Table::default());
        let thing = table.lookup(&gvk("Thing")).served().unwrap();
        assert_eq!(thing.scope, Scope::Namespaced);
        assert_eq!(thing.resource_name(), "things.example.com");
        assert_eq!(thing.collection_path(Some("web")), "/apis/example.com/v1/namespaces/web/things");
        assert!(thing.supports("watch") && !thing.supports("create"));
        assert_eq!(table.lookup(&gvk("Other")), Lookup::NotServed);
        assert_eq!(table.capabilities.api_versions, ["example.com/v1", "example.com/v1/Thing"]);
        assert_eq!(table.capabilities.kube_version, "v1.36.3");
    }

    #[test]
    fn a_server_that_does_not_answer_makes_nothing_disappear() {
        let before = Table::build(vec![list("v1", "Current", &["Thing"])], String::new(), &Table::default());
        let now = Table::build(vec![list("v1", "Stale", &[])], String::new(), &before);
        assert!(now.lookup(&gvk("Thing")).served().is_some());
        assert_eq!(now.lookup(&gvk("Other")), Lookup::Unknown);
        let after = Table::build(vec![list("v1", "Current", &[])], String::new(), &now);
        assert_eq!(after.lookup(&gvk("Thing")), Lookup::NotServed);
    }
}
