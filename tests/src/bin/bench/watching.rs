//! Seeing a change the moment the API server tells of it.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::pin::Pin;
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt as _};
use kube::ResourceExt;
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use serde::de::DeserializeOwned;

type Events<Kind> = Pin<Box<dyn Stream<Item = kube::Result<WatchEvent<Kind>>> + Send>>;

/// The changes of objects from a certain moment on.
pub struct Watching<Kind> {
    api: Api<Kind>,
    params: WatchParams,
    /// The version that was seen last.
    version: String,
    events: Events<Kind>,
}

impl<Kind: ResourceExt + Clone + Debug + DeserializeOwned + Send + 'static> Watching<Kind> {
    /// Changes of one object from now on.
    pub async fn one(api: &Api<Kind>, name: &str) -> Self {
        Self::from(api, WatchParams::default().fields(&format!("metadata.name={name}"))).await
    }

    /// Changes of all objects with these labels from now on.
    pub async fn all(api: &Api<Kind>, labels: &str) -> Self {
        let params = WatchParams::default();
        Self::from(api, if labels.is_empty() { params } else { params.labels(labels) }).await
    }

    async fn from(api: &Api<Kind>, params: WatchParams) -> Self {
        let now = api.list(&ListParams::default().limit(1)).await.expect("objects can be listed");
        let version = now.metadata.resource_version.unwrap_or_default();
        let params = params.timeout(290);
        let events = watch(api, &params, &version).await;
        Self { api: api.clone(), params, version, events }
    }

    /// The next state of an object.
    async fn next(&mut self) -> Kind {
        loop {
            let Some(event) = self.events.next().await else {
                // The API server ends every watch after a while.
                self.events = watch(&self.api, &self.params, &self.version).await;
                continue;
            };
            match event.expect("the watch works") {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    self.version = object.resource_version().unwrap_or_default();
                    return object;
                }
                WatchEvent::Deleted(object) => self.version = object.resource_version().unwrap_or_default(),
                WatchEvent::Bookmark(mark) => self.version = mark.metadata.resource_version,
                WatchEvent::Error(status) => panic!("the watch ended: {status:?}"),
            }
        }
    }

    /// The moment when an object was seen that is so.
    pub async fn until(&mut self, what: &str, limit: Duration, is_so: impl Fn(&Kind) -> bool) -> Instant {
        let mut last = None;
        let seen = tokio::time::timeout(limit, async {
            loop {
                let object = self.next().await;
                if is_so(&object) {
                    return Instant::now();
                }
                last = Some(object);
            }
        })
        .await;
        seen.unwrap_or_else(|_| panic!("not within {limit:?}: {what}; last seen: {last:#?}"))
    }

    /// The moment when the last of so many objects was seen to be so.
    pub async fn until_all(
        &mut self,
        what: &str,
        count: usize,
        limit: Duration,
        is_so: impl Fn(&Kind) -> bool,
    ) -> Instant {
        let mut there = BTreeSet::new();
        let mut last = None;
        let seen = tokio::time::timeout(limit, async {
            while there.len() < count {
                let object = self.next().await;
                let key = (object.namespace(), object.name_any());
                if is_so(&object) {
                    there.insert(key);
                } else {
                    there.remove(&key);
                    last = Some(object);
                }
            }
            Instant::now()
        })
        .await;
        seen.unwrap_or_else(|_| {
            panic!(
                "not within {limit:?}: {count} {what}, only {}; last seen otherwise: {last:#?}",
                there.len()
            )
        })
    }
}

async fn watch<Kind>(api: &Api<Kind>, params: &WatchParams, version: &str) -> Events<Kind>
where
    Kind: Clone + Debug + DeserializeOwned + Send + 'static,
{
    api.watch(params, version).await.expect("objects can be watched").boxed()
}
