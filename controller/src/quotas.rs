//! The ResourceQuotas of the cluster, for plans.
//!
//! One watch for the whole process, from the first plan on that adds something to a namespace: a plan costs no request for
//! them, whether there are any or not. Only where Pods seem not to fit there is more to ask (`application::room`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::ResourceQuota;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, ResourceExt as _};
use parking_lot::Mutex;
use tiphys_engine::quota::{Quota, Scope};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// How long a plan waits for the first list. Without it, the API server still judges object by object.
const LISTING: Duration = Duration::from_secs(5);

/// What is known of the quotas.
pub struct Quotas {
    client: Client,
    following: OnceLock<AbortOnDropHandle<()>>,
    shared: Arc<Shared>,
}

struct Shared {
    known: Mutex<Known>,
    listed: watch::Sender<bool>,
}

/// A quota: namespace and name.
type Key = (String, String);

#[derive(Default)]
struct Known {
    quotas: BTreeMap<Key, Quota>,
    /// Of a list that is under way: what it has named.
    listing: BTreeMap<Key, Quota>,
}

impl Quotas {
    /// Watches nothing yet.
    pub fn new(client: Client) -> Self {
        let (listed, _) = watch::channel(false);
        let shared = Shared { known: Mutex::default(), listed };
        Self { client, following: OnceLock::new(), shared: Arc::new(shared) }
    }

    /// The quotas of these namespaces, as far as they can be seen.
    pub async fn of(&self, namespaces: &BTreeSet<String>) -> Vec<Quota> {
        self.follow();
        let mut listed = self.shared.listed.subscribe();
        // Who may not see quotas does without.
        let _ = tokio::time::timeout(LISTING, listed.wait_for(|it| *it)).await;
        let known = self.shared.known.lock();
        known.quotas.values().filter(|it| namespaces.contains(&it.namespace)).cloned().collect()
    }

    fn follow(&self) {
        self.following.get_or_init(|| {
            let api = Api::<ResourceQuota>::all(self.client.clone());
            AbortOnDropHandle::new(tokio::spawn(Arc::clone(&self.shared).run(api)))
        });
    }
}

impl Shared {
    async fn run(self: Arc<Self>, api: Api<ResourceQuota>) {
        let events = watcher::watcher(api, watcher::Config::default()).default_backoff();
        let mut events = std::pin::pin!(events);
        loop {
            match events.try_next().await {
                Ok(Some(event)) => self.take(event),
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(%error, "watching the ResourceQuotas");
                    // Nobody waits for what cannot be had.
                    self.listed.send_replace(true);
                }
            }
        }
    }

    fn take(&self, event: Event<ResourceQuota>) {
        let mut known = self.known.lock();
        match event {
            Event::Init => known.listing.clear(),
            Event::InitApply(quota) => {
                let (key, quota) = (key(&quota), read(&quota));
                known.listing.extend(quota.map(|quota| (key, quota)));
            }
            Event::InitDone => {
                known.quotas = std::mem::take(&mut known.listing);
                self.listed.send_replace(true);
            }
            Event::Apply(quota) => {
                let key = key(&quota);
                match read(&quota) {
                    Some(quota) => drop(known.quotas.insert(key, quota)),
                    None => drop(known.quotas.remove(&key)),
                }
            }
            Event::Delete(quota) => drop(known.quotas.remove(&key(&quota))),
        }
    }
}

fn key(quota: &ResourceQuota) -> Key {
    (quota.namespace().unwrap_or_default(), quota.name_any())
}

/// What of a quota plans are held against.
fn read(quota: &ResourceQuota) -> Option<Quota> {
    let spec = quota.spec.as_ref()?;
    // The short form means that the scope applies.
    let short = spec.scopes.iter().flatten().map(|name| Scope {
        scope_name: name.clone(),
        operator: "Exists".to_owned(),
        values: Vec::new(),
    });
    let long = spec.scope_selector.iter().flat_map(|it| it.match_expressions.iter().flatten());
    let long = long.map(|it| Scope {
        scope_name: it.scope_name.clone(),
        operator: it.operator.clone(),
        values: it.values.clone().unwrap_or_default(),
    });
    let status = quota.status.clone().unwrap_or_default();
    let texts = |it: Option<BTreeMap<String, _>>| {
        it.unwrap_or_default()
            .into_iter()
            .map(|(name, k8s_openapi::apimachinery::pkg::api::resource::Quantity(text))| (name, text))
            .collect()
    };
    let (namespace, name) = key(quota);
    let (hard, used) = (texts(spec.hard.clone()), texts(status.used));
    Some(Quota { namespace, name, hard, used, scopes: short.chain(long).collect() })
}
