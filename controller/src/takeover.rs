//! Slots that come and go while this replica works.
//!
//! What the holder before did last is in the API server, but may not have come here yet by the watches. So before the first
//! look at the Applications of a slot, what there is now is listed, and waited for. And before a slot is given away, what
//! its Syncs have done is written down: the next holder goes on with them, and does not begin anew.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kube::api::ListParams;
use kube::{Api, Resource, ResourceExt as _};
use tiphys_api::{Application, Sync};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::application::{SnapshotNames, key_of, write_progress};
use crate::context::Context;
use crate::slots::{Phase, Slot};
use crate::sync_index::ApplicationKey;

/// How long what a list named is waited for before the list is made again: something may have been deleted meanwhile.
const PATIENCE: Duration = Duration::from_secs(3);
/// Time between two looks for what is waited for.
const LOOK: Duration = Duration::from_millis(50);
/// Time between two tries to list.
const RETRY: Duration = Duration::from_secs(1);

/// The versions of objects that a list has named.
#[derive(Debug, Default)]
pub struct Listed {
    /// The version of the list itself.
    version: u64,
    /// By namespace and name.
    versions: HashMap<(String, String), u64>,
}

impl Listed {
    /// Lists everything of a kind, names and versions only.
    async fn list<K>(api: Api<K>) -> Result<Self, kube::Error>
    where
        K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
    {
        let mut listed = Self::default();
        let mut token: Option<String> = None;
        loop {
            let params = ListParams { continue_token: token, ..ListParams::default().limit(1000) };
            let page = api.list_metadata(&params).await?;
            listed.version = number(page.metadata.resource_version.as_deref());
            for object in page.items {
                let key = (object.namespace().unwrap_or_default(), object.name_any());
                listed.versions.insert(key, number(object.metadata.resource_version.as_deref()));
            }
            token = page.metadata.continue_.filter(|it| !it.is_empty());
            if token.is_none() {
                return Ok(listed);
            }
        }
    }

    /// Whether these objects, by namespace, name and version, are what was listed, or newer.
    pub fn is_seen_in<'a>(&self, known: impl Iterator<Item = (&'a str, &'a str, u64)>) -> bool {
        let mut found = 0;
        for (namespace, name, version) in known {
            match self.versions.get(&(namespace.to_owned(), name.to_owned())) {
                Some(listed) if version >= *listed => found += 1,
                // It is newer than the list.
                None if version > self.version => {}
                // We know an older one, or one that is gone.
                Some(_) | None => return false,
            }
        }
        found == self.versions.len()
    }
}

fn number(version: Option<&str>) -> u64 {
    version.and_then(|it| it.parse().ok()).unwrap_or_default()
}

/// Opens the slots that were taken before anything was listed, and attends to all that come and go later.
pub fn begin(ctx: &Arc<Context>, first: &[Slot], tasks: &mut JoinSet<()>) {
    for slot in first {
        ctx.slots.open(*slot);
    }
    count(ctx);
    for slot in 0..ctx.slots.count() {
        tasks.spawn(attend(Arc::clone(ctx), slot));
    }
}

fn count(ctx: &Context) {
    ctx.metrics.slots(ctx.slots.in_phase(Phase::Open).len());
}

/// Takes up a slot when it is ours, and lets go of it when another replica asked for it.
async fn attend(ctx: Arc<Context>, slot: Slot) {
    let mut changes = ctx.slots.subscribe();
    loop {
        match ctx.slots.phase(slot) {
            Phase::Taken => {
                tokio::select! {
                    () = take_up(&ctx, slot) => {}
                    () = ctx.slots.until(slot, Phase::Closing) => {}
                }
            }
            Phase::Closing => {
                ctx.slots.until_idle(slot).await;
                let_go(&ctx, slot).await;
                ctx.slots.empty(slot);
            }
            Phase::Elsewhere | Phase::Open | Phase::Empty => {
                // The sender lives as long as the context.
                let _ = changes.changed().await;
            }
        }
        count(&ctx);
    }
}

/// The Applications of a slot.
fn applications(ctx: &Context, slot: Slot) -> Vec<Arc<Application>> {
    ctx.applications.state().into_iter().filter(|it| ctx.slots.of(&key_of(it)) == slot).collect()
}

/// Waits until what the holder before did is known here, and begins to work on the slot.
async fn take_up(ctx: &Context, slot: Slot) {
    let began = Instant::now();
    while let Err(error) = catch_up(ctx, slot).await {
        tracing::warn!(%error, slot, "what there is in a slot that was taken over cannot be listed");
        tokio::time::sleep(RETRY).await;
    }
    let applications = applications(ctx, slot);
    // What was known while another replica worked on them is not how they stand to us.
    for application in &applications {
        ctx.holdings.forget(&key_of(application));
    }
    if ctx.slots.open(slot) {
        for application in &applications {
            ctx.enqueue(&key_of(application));
        }
        let took_ms = began.elapsed().as_millis();
        tracing::info!(slot, applications = applications.len(), took_ms, "took up a slot");
    }
}

async fn catch_up(ctx: &Context, slot: Slot) -> Result<(), kube::Error> {
    loop {
        let (applications, syncs, snapshots) = tokio::try_join!(
            Listed::list(Api::<Application>::all(ctx.client.clone())),
            Listed::list(Api::<Sync>::all(ctx.client.clone())),
            SnapshotNames::list(&ctx.client)
        )?;
        ctx.snapshot_names.take_over(snapshots, |key| ctx.slots.of(key) == slot);
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if ctx.syncs.has_seen(&syncs) && has_seen(ctx, &applications) {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn has_seen(ctx: &Context, listed: &Listed) -> bool {
    let known = ctx.applications.state();
    let versions = known.iter().map(|it| {
        let (namespace, name) = (it.metadata.namespace.as_deref(), it.metadata.name.as_deref());
        let version = number(it.metadata.resource_version.as_deref());
        (namespace.unwrap_or_default(), name.unwrap_or_default(), version)
    });
    listed.is_seen_in(versions)
}

/// Writes down what the Syncs of a slot have done, and forgets its Applications.
async fn let_go(ctx: &Context, slot: Slot) {
    let known: Vec<_> = ctx.states.lock().keys().filter(|it| ctx.slots.of(it) == slot).cloned().collect();
    futures::future::join_all(known.iter().map(|key| note(ctx, key))).await;
    for key in &known {
        ctx.forget(key);
    }
    tracing::info!(slot, applications = known.len(), "let go of a slot");
}

/// Writes down what all Syncs that are under way have done: another process will go on with them.
pub async fn note_all(ctx: &Context) {
    let known: Vec<_> = ctx.states.lock().keys().cloned().collect();
    futures::future::join_all(known.iter().map(|key| note(ctx, key))).await;
}

/// A Sync that is done sooner than a second is written once, when it ends; one that does not end here is written now.
async fn note(ctx: &Context, key: &ApplicationKey) {
    let state = ctx.state(key);
    let mut state = state.lock().await;
    if let Err(error) = write_progress(ctx, &mut state).await {
        tracing::warn!(%error, application = key.1, "what a sync has done so far could not be written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_listed_is_waited_for() {
        let listed = |version: u64, objects: &[(&str, u64)]| Listed {
            version,
            versions: objects.iter().map(|(name, it)| (("ns".to_owned(), (*name).to_owned()), *it)).collect(),
        };
        let cases: [(&[(&str, u64)], bool); 8] = [
            (&[("a", 3), ("b", 7)], true),
            (&[("a", 3), ("b", 9)], true),
            (&[("a", 3), ("b", 6)], false),
            (&[("a", 3)], false),
            (&[], false),
            // Created since.
            (&[("a", 3), ("b", 7), ("c", 11)], true),
            // Deleted, and we do not know it yet.
            (&[("a", 3), ("b", 7), ("c", 5)], false),
            (&[("a", 3), ("c", 11)], false),
        ];
        for (known, expected) in cases {
            let seen = known.iter().map(|(name, version)| ("ns", *name, *version));
            assert_eq!(listed(10, &[("a", 3), ("b", 7)]).is_seen_in(seen), expected, "{known:?}");
        }
        assert!(listed(10, &[]).is_seen_in(std::iter::empty()));
    }
}
