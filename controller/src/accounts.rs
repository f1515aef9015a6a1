//! The ServiceAccounts of the cluster, for Applications that work with the rights of one.
//!
//! The API server lets us act in the name of an account that does not exist, with whatever roles are still bound to its
//! name. So accounts are watched, their names only, from the moment on at which the first Application has one: whoever
//! acts for an account has seen it, and stops when it is deleted.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PartialObjectMeta;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, ResourceExt as _};
use parking_lot::Mutex;
use tiphys_api::Application;
use tiphys_engine::requests::Account;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::Error;

/// How long somebody waits for the first list.
const LISTING: Duration = Duration::from_secs(10);

/// What is known of the accounts.
pub struct Accounts {
    client: Client,
    following: OnceLock<AbortOnDropHandle<()>>,
    shared: Arc<Shared>,
}

struct Shared {
    known: Mutex<Known>,
    listed: watch::Sender<Listed>,
    applications: Store<Application>,
    queue: UnboundedSender<ObjectRef<Application>>,
}

/// Whether the accounts were listed.
#[derive(Clone)]
enum Listed {
    NotYet,
    Yes,
    Failed(String),
}

#[derive(Default)]
struct Known {
    /// Names by namespace.
    names: HashMap<String, HashSet<String>>,
    /// Those in whose name somebody acts, or has acted.
    used: HashMap<(String, String), Account>,
    /// Of a list that is under way: what it has named.
    listing: HashMap<String, HashSet<String>>,
}

impl Accounts {
    /// Watches nothing yet. A change brings `applications` of the account's namespace into the `queue`.
    pub fn new(
        client: Client,
        applications: Store<Application>,
        queue: UnboundedSender<ObjectRef<Application>>,
    ) -> Self {
        let (listed, _) = watch::channel(Listed::NotYet);
        let shared = Shared { known: Mutex::default(), listed, applications, queue };
        Self { client, following: OnceLock::new(), shared: Arc::new(shared) }
    }

    /// The account of this name, in whose name requests may be sent until it is deleted; none when there is no such
    /// account.
    pub async fn find(&self, namespace: &str, name: &str) -> Result<Option<Account>, Error> {
        self.follow();
        let mut listed = self.shared.listed.subscribe();
        let listing = listed.wait_for(|it| !matches!(it, Listed::NotYet));
        let state = match tokio::time::timeout(LISTING, listing).await {
            Ok(Ok(state)) => state.clone(),
            Ok(Err(_)) | Err(_) => Listed::Failed("the API server does not answer".to_owned()),
        };
        match state {
            Listed::Failed(message) => Err(Error::Accounts { message }),
            Listed::NotYet | Listed::Yes => Ok(self.shared.known.lock().find(namespace, name)),
        }
    }

    /// Whether an account is known not to exist, as far as accounts were listed already.
    pub fn is_missing(&self, namespace: &str, name: &str) -> bool {
        let is_listed = matches!(*self.shared.listed.borrow(), Listed::Yes);
        is_listed && !self.shared.known.lock().has(namespace, name)
    }

    fn follow(&self) {
        self.following.get_or_init(|| {
            let api = Api::<PartialObjectMeta<ServiceAccount>>::all(self.client.clone());
            AbortOnDropHandle::new(tokio::spawn(Arc::clone(&self.shared).run(api)))
        });
    }
}

impl Shared {
    async fn run(self: Arc<Self>, api: Api<PartialObjectMeta<ServiceAccount>>) {
        let events = watcher::watcher(api, watcher::Config::default()).default_backoff();
        let mut events = std::pin::pin!(events);
        loop {
            match events.try_next().await {
                Ok(Some(event)) => self.take(event),
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(%error, "watching the ServiceAccounts");
                    let message = crate::error::chain(&error);
                    self.listed.send_if_modified(|listed| {
                        let unknown = !matches!(listed, Listed::Yes);
                        if unknown {
                            *listed = Listed::Failed(message);
                        }
                        unknown
                    });
                }
            }
        }
    }

    fn take(&self, event: Event<PartialObjectMeta<ServiceAccount>>) {
        let mut known = self.known.lock();
        let changed: Vec<String> = match event {
            Event::Init => {
                known.listing.clear();
                Vec::new()
            }
            Event::InitApply(account) => {
                let namespace = account.namespace().unwrap_or_default();
                known.listing.entry(namespace).or_default().insert(account.name_any());
                Vec::new()
            }
            Event::InitDone => {
                let first = !matches!(*self.listed.borrow(), Listed::Yes);
                let changed = known.relist();
                self.listed.send_replace(Listed::Yes);
                if first { Vec::new() } else { changed }
            }
            Event::Apply(account) => {
                let namespace = account.namespace().unwrap_or_default();
                let is_new = known.names.entry(namespace.clone()).or_default().insert(account.name_any());
                is_new.then_some(namespace).into_iter().collect()
            }
            Event::Delete(account) => {
                let namespace = account.namespace().unwrap_or_default();
                known.remove(&namespace, &account.name_any());
                vec![namespace]
            }
        };
        drop(known);
        for namespace in changed {
            self.enqueue(&namespace);
        }
    }

    fn enqueue(&self, namespace: &str) {
        for application in self.applications.state() {
            if application.metadata.namespace.as_deref() == Some(namespace) {
                // Nobody listens any more only while the process ends.
                let _ = self.queue.send(ObjectRef::from_obj(application.as_ref()));
            }
        }
    }
}

impl Known {
    fn has(&self, namespace: &str, name: &str) -> bool {
        self.names.get(namespace).is_some_and(|it| it.contains(name))
    }

    fn find(&mut self, namespace: &str, name: &str) -> Option<Account> {
        if !self.has(namespace, name) {
            return None;
        }
        let key = (namespace.to_owned(), name.to_owned());
        Some(self.used.entry(key).or_insert_with(|| Account::new(namespace, name)).clone())
    }

    fn remove(&mut self, namespace: &str, name: &str) {
        if let Some(names) = self.names.get_mut(namespace) {
            names.remove(name);
            if names.is_empty() {
                self.names.remove(namespace);
            }
        }
        if let Some(account) = self.used.remove(&(namespace.to_owned(), name.to_owned())) {
            account.revoke();
        }
    }

    /// Takes over a list that is complete; gives the namespaces in which something is different now.
    fn relist(&mut self) -> Vec<String> {
        let before = std::mem::replace(&mut self.names, std::mem::take(&mut self.listing));
        let gone: Vec<_> = self.used.keys().filter(|(ns, name)| !self.has(ns, name)).cloned().collect();
        for (namespace, name) in gone {
            self.remove(&namespace, &name);
        }
        let namespaces: HashSet<&String> = before.keys().chain(self.names.keys()).collect();
        let differs = |it: &&&String| before.get(**it) != self.names.get(**it);
        namespaces.iter().filter(differs).map(|it| (*it).clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(names: &[(&str, &str)]) -> Known {
        let mut known = Known::default();
        list(&mut known, names);
        known
    }

    fn list(known: &mut Known, names: &[(&str, &str)]) -> Vec<String> {
        for (namespace, name) in names {
            known.listing.entry((*namespace).to_owned()).or_default().insert((*name).to_owned());
        }
        known.relist()
    }

    #[test]
    fn nobody_acts_for_an_account_that_is_gone() {
        let mut known = known(&[("shop", "deployer"), ("shop", "default")]);
        assert!(known.find("shop", "other").is_none());
        assert!(known.find("bank", "deployer").is_none(), "of another namespace");
        let account = known.find("shop", "deployer").unwrap();
        known.remove("shop", "default");
        assert!(!account.is_revoked(), "another one was deleted");
        known.remove("shop", "deployer");
        assert!(account.is_revoked());
        assert!(known.find("shop", "deployer").is_none());
    }

    #[test]
    fn what_a_list_does_not_name_is_gone() {
        let mut known = known(&[("shop", "deployer"), ("bank", "deployer")]);
        let (shop, bank) = (known.find("shop", "deployer").unwrap(), known.find("bank", "deployer").unwrap());
        let changed = list(&mut known, &[("shop", "deployer"), ("post", "deployer")]);
        assert!(!shop.is_revoked() && bank.is_revoked());
        let mut changed = changed;
        changed.sort();
        assert_eq!(changed, ["bank", "post"]);
    }
}
