//! Repositories as they come and go: their Secrets are read, and the Applications that use them are told.

use std::sync::Arc;

use futures::TryStreamExt as _;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, ResourceExt as _};
use tiphys_api::Repository;
use tokio::sync::watch;

use crate::records::REFRESH_ANNOTATION;
use crate::repositories::{Entry, Repositories, RepositoryKey, remote_of};
use crate::repository_status;
use crate::webhooks::{Leader, refresh};

/// The task that follows the Repositories, and whether it has listed them.
pub fn start(
    client: Client,
    repositories: Arc<Repositories>,
    leader: Arc<Leader>,
) -> (impl Future<Output = ()> + Send + 'static, watch::Receiver<bool>) {
    let (listed, receiver) = watch::channel(false);
    let follower = Follower { client, repositories, leader, seen: Vec::new() };
    (follower.run(listed), receiver)
}

struct Follower {
    client: Client,
    repositories: Arc<Repositories>,
    leader: Arc<Leader>,
    /// Named by the list that is under way.
    seen: Vec<RepositoryKey>,
}

impl Follower {
    async fn run(mut self, listed: watch::Sender<bool>) {
        let api = Api::<Repository>::all(self.client.clone());
        let mut events = std::pin::pin!(watcher::watcher(api, watcher::Config::default()).default_backoff());
        loop {
            match events.try_next().await {
                Ok(Some(Event::Init)) => self.seen.clear(),
                Ok(Some(Event::InitApply(repository))) => {
                    self.seen.push(key(&repository));
                    self.apply(&repository).await;
                }
                Ok(Some(Event::InitDone)) => {
                    for (key, _) in self.repositories.all() {
                        if !self.seen.contains(&key) {
                            self.remove(&key);
                        }
                    }
                    listed.send_replace(true);
                }
                Ok(Some(Event::Apply(repository))) => self.apply(&repository).await,
                Ok(Some(Event::Delete(repository))) => self.remove(&key(&repository)),
                Ok(None) => return,
                Err(error) => tracing::warn!(%error, "watching repositories"),
            }
        }
    }

    async fn apply(&self, repository: &Repository) {
        let key = key(repository);
        let generation = repository.metadata.generation.unwrap_or_default();
        let requested = repository.annotations().get(REFRESH_ANNOTATION).cloned();
        let uid = repository.uid().unwrap_or_default();
        let known = self.repositories.get(&key);
        if let Some(known) = known.filter(|it| it.uid == uid && it.generation == generation) {
            if known.refresh_requested != requested {
                self.repositories
                    .insert(key.clone(), Entry { refresh_requested: requested, ..known.clone() });
                self.leader.get().iter().for_each(|ctx| refresh(ctx, &known));
            }
            // What another replica says is what we go by when it is our turn to tell.
            if self.leader.get().is_none_or(|ctx| !repository_status::is_ours(&ctx, &key)) {
                self.repositories.note_status(&key, repository.status.clone().unwrap_or_default());
            }
            return;
        }
        let remote = remote_of(&self.client, &key.0, &repository.spec).await;
        let status = repository.status.clone().unwrap_or_default();
        let spec = repository.spec.clone();
        let entry = Entry { uid, generation, spec, remote, refresh_requested: requested, status };
        self.repositories.insert(key.clone(), entry.clone());
        self.tell_users(&key);
        if let Some(ctx) = self.leader.get() {
            repository_status::report(&ctx, &key, &entry).await;
        }
    }

    fn remove(&self, key: &RepositoryKey) {
        self.repositories.remove(key);
        self.tell_users(key);
    }

    /// Applications name a Repository by its name or by its address, always in their own namespace.
    fn tell_users(&self, key: &RepositoryKey) {
        if let Some(ctx) = self.leader.get() {
            ctx.enqueue_namespace(&key.0);
        }
    }
}

fn key(repository: &Repository) -> RepositoryKey {
    (repository.namespace().unwrap_or_default(), repository.name_any())
}
