//! One cluster, connected: what it serves, what is live in it, and how to write to it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use kube::{Client, Config};
use tiphys_manifest::{GroupVersionKind, Manifest, ObjectId};
use tokio::time::Instant;

use crate::discovery::{Kinds, Lookup};
use crate::error::Error;
use crate::live::{Ensured, LiveCache};
use crate::plan::Live;
use crate::requests::failure::Failure;
use crate::requests::{Account, RequestLimits, Requests};
use crate::task::Task;

/// One cluster, connected. Clones share everything.
#[derive(Clone)]
pub struct Cluster {
    /// What it serves.
    pub kinds: Arc<Kinds>,
    /// What is live in it, of what Tiphys applied.
    pub live: LiveCache,
    /// Reads and writes of single objects.
    pub requests: Requests,
    _following: Arc<Task>,
}

impl Cluster {
    /// Asks the API server what it serves, and starts to follow changes of that.
    pub async fn connect(client: Client, limits: RequestLimits) -> Result<Self, Error> {
        let kinds = Kinds::discover(client.clone()).await?;
        Ok(Self {
            live: LiveCache::new(client.clone(), Arc::clone(&kinds)),
            requests: Requests::new(client, limits),
            _following: Arc::new(kinds.follow()),
            kinds,
        })
    }

    /// The same cluster, in which single objects are read and written in the name of an account. What is live is watched
    /// with our own rights: it holds only what carries a mark of ours.
    #[must_use]
    pub fn acting_as(&self, account: Account) -> Self {
        Self { requests: self.requests.acting_as(account), ..self.clone() }
    }

    /// Makes sure that these kinds are watched and have been listed; a kind that is no longer served in the version
    /// that is asked for, in another one.
    pub async fn watch(
        &self,
        kinds: impl IntoIterator<Item = &GroupVersionKind>,
        deadline: Instant,
    ) -> Result<Ensured, Error> {
        let mut ensured = self.live.ensure(kinds, deadline).await?;
        let others: BTreeMap<_, _> = ensured
            .not_served
            .iter()
            .filter_map(|gvk| {
                Some((gvk.clone(), self.kinds.any_version(&gvk.group, &gvk.kind).served()?.gvk()))
            })
            .collect();
        self.live.ensure(others.values(), deadline).await?;
        ensured.not_served.retain(|gvk| !others.contains_key(gvk));
        Ok(ensured)
    }

    /// What is known about objects, as planning these manifests wants to know it: each object in the version of its
    /// API in which it would be applied, if it is watched in that.
    pub fn view(&self, manifests: &[Manifest]) -> impl Fn(&ObjectId) -> Live + '_ {
        let wanted: HashMap<_, _> =
            manifests.iter().map(|manifest| (manifest.id(), manifest.gvk().clone())).collect();
        move |id| {
            let wanted = wanted.get(id).and_then(|gvk| self.live.get_at(gvk, id));
            wanted.map_or_else(|| self.live(id), Live::Present)
        }
    }

    /// What is known about an object, in whichever version of its API.
    ///
    /// Only an object whose kind is watched and listed, or not served at all, can be known to be absent.
    pub fn live(&self, id: &ObjectId) -> Live {
        if let Some(object) = self.live.get(id) {
            return Live::Present(object);
        }
        if self.live.is_listed(&id.group, &id.kind) {
            return Live::Absent;
        }
        match self.kinds.any_version(&id.group, &id.kind) {
            Lookup::NotServed => Live::Absent,
            Lookup::Served(_) | Lookup::Unknown => Live::Unknown,
        }
    }
}

/// A client for the engine: its own retries, which know no deadline, are off.
pub fn client(mut config: Config) -> Result<Client, Error> {
    config.default_retry = false;
    Client::try_from(config).map_err(|error| Error::Connect { source: Box::new(Failure::from(error)) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::{self, ApplyOptions};
    use crate::check::{self, CheckOptions};
    use crate::delete;
    use crate::inventory::Inventory;
    use crate::plan::{Draft, Plan};
    use crate::tracking::Owner;

    /// Reconcilers run on any thread: the futures must be able to move. It is enough that this compiles.
    #[test]
    fn long_futures_can_move_between_threads() {
        fn is_send<T: Send>(_: T) {}
        #[expect(dead_code, reason = "compiled, never called")]
        fn all(
            cluster: &Cluster,
            draft: &Draft,
            plan: &Plan,
            inventory: &Inventory,
            owner: &Owner,
            (checking, applying): (&CheckOptions, &ApplyOptions),
        ) {
            is_send(check::check(cluster, draft, checking));
            is_send(apply::apply(cluster, plan, &[], inventory, applying, &|_| {}));
            let wishes = delete::DeletionWishes::default();
            is_send(delete::delete_all(cluster, owner, inventory, &wishes, applying, &|_| {}));
        }
    }
}
