//! What was applied before this process started: found from the snapshots.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{ListParams, PartialObjectMeta};
use kube::{Api, Client, ResourceExt as _};
use parking_lot::Mutex;
use tiphys_api::{Application, SNAPSHOT_TYPE};
use tiphys_engine::Inventory;
use tiphys_engine::order;
use tiphys_engine::snapshot::Snapshot;
use tiphys_engine::snapshots::SNAPSHOT_LABEL;
use tiphys_manifest::{Manifest, ObjectId};

use super::done_jobs;
use super::state::{Applied, State};
use super::{Error, deadline, key_of, namespace_of};
use crate::context::Context;
use crate::sync_index::{ApplicationKey, SyncRecord};

/// The snapshots that were there at the start, as names of their first Secrets by Application and Sync.
#[derive(Debug, Default)]
pub struct SnapshotNames {
    names: Mutex<HashMap<ApplicationKey, HashMap<String, Vec<String>>>>,
}

impl SnapshotNames {
    /// Lists them, once, for all Applications.
    pub async fn list(client: &Client) -> Result<Self, kube::Error> {
        let secrets: Api<Secret> = Api::all(client.clone());
        let params =
            ListParams::default().labels(SNAPSHOT_LABEL).fields(&format!("type={SNAPSHOT_TYPE}")).limit(1000);
        let mut names: HashMap<ApplicationKey, HashMap<String, Vec<String>>> = HashMap::new();
        let mut token: Option<String> = None;
        loop {
            let page = secrets.list_metadata(&ListParams { continue_token: token, ..params.clone() }).await?;
            page.items.iter().for_each(|it| note(&mut names, it));
            token = page.metadata.continue_.filter(|it| !it.is_empty());
            if token.is_none() {
                return Ok(Self { names: Mutex::new(names) });
            }
        }
    }

    /// Takes over those of the Applications of which `concerns` says so, in place of what was known of these.
    pub fn take_over(&self, newer: Self, concerns: impl Fn(&ApplicationKey) -> bool) {
        let mut names = self.names.lock();
        names.retain(|key, _| !concerns(key));
        names.extend(newer.names.into_inner().into_iter().filter(|(key, _)| concerns(key)));
    }

    /// The snapshots of an Application's Syncs; asked for once.
    fn take(&self, key: &ApplicationKey) -> HashMap<String, Vec<String>> {
        self.names.lock().remove(key).unwrap_or_default()
    }
}

fn note(
    names: &mut HashMap<ApplicationKey, HashMap<String, Vec<String>>>,
    secret: &PartialObjectMeta<Secret>,
) {
    let application = secret.labels().get(SNAPSHOT_LABEL).cloned().unwrap_or_default();
    let Some(sync) = secret.owner_references().first().map(|it| it.name.clone()) else {
        return;
    };
    let key = (secret.namespace().unwrap_or_default(), application);
    names.entry(key).or_default().entry(sync).or_default().push(secret.name_any());
}

/// Finds out what was applied, when that is not known: by the newest Sync that wrote a snapshot.
///
/// That Sync may have been interrupted, and its snapshot may have been written twice with different content; then
/// everything that either names is in the inventory.
pub async fn load(ctx: &Context, application: &Application, state: &mut State) -> Result<(), Error> {
    let key = key_of(application);
    let mut by_sync = ctx.snapshot_names.take(&key);
    let syncs = ctx.syncs.of(&key);
    for (sync, snapshot) in syncs.iter().filter_map(|it| Some((&it.name, it.snapshot.as_ref()?))) {
        // A Sync that changed nothing names the snapshot of another one.
        if snapshot.starts_with(sync.as_str()) {
            let names = by_sync.entry(sync.clone()).or_default();
            if !names.contains(snapshot) {
                names.push(snapshot.clone());
            }
        }
    }
    let counts = |it: &&SyncRecord| {
        let untouched = it.stage.as_ref().is_some_and(|stage| stage.untouched);
        !it.spec.dry_run && !untouched && by_sync.contains_key(&it.name)
    };
    let newest = syncs.iter().rev().find(counts);
    let Some(newest) = newest else {
        state.applied = None;
        return Ok(());
    };
    let mut applied: Option<Applied> = None;
    let mut kinds = BTreeSet::new();
    for name in first_pages(&by_sync[&newest.name]) {
        let read = ctx.snapshots.read(&namespace_of(application), name, deadline(super::CHECK_TIME)).await?;
        let Some(pages) = read else { continue };
        let snapshot = Snapshot::unpack(&pages)?;
        let noted = newest.snapshot.as_deref() == Some(name);
        let rendered = Arc::new(rendered(&snapshot.manifests));
        let destination = snapshot.destination;
        kinds.extend(snapshot.manifests.iter().filter(|it| !order::is_plain(it)).map(|it| it.gvk().clone()));
        let inventory = merged(applied.as_ref().map(|it| &it.inventory), snapshot.inventory, noted);
        match &mut applied {
            Some(applied) if !noted => applied.inventory = inventory,
            _ => {
                let (name, sync) = (name.clone(), newest.name.clone());
                applied = Some(Applied { name, sync, pages, inventory, rendered, destination });
            }
        }
    }
    // Hooks are looked at only while a Sync is at work.
    if newest.phase.is_finished() {
        kinds.clear();
    }
    kinds.extend(applied.iter().flat_map(|it| it.inventory.kinds()));
    ctx.cluster.watch(kinds.iter(), deadline(super::WATCH_TIME)).await?;
    let owner = ctx.owner(&key);
    if let Some(applied) = &applied {
        let ids: Vec<_> = applied.inventory.iter().map(|(id, _)| id).collect();
        // What another Application took over meanwhile is told when this one is synced.
        let _ = ctx.claims.lock().claim_all(&owner, ids);
    }
    state.applied = applied;
    done_jobs::note_loaded(state, newest.phase)
}

/// The objects of a rendering that belong to the Application: all but hooks.
pub fn rendered(manifests: &[Manifest]) -> BTreeSet<ObjectId> {
    manifests.iter().filter(|it| order::is_plain(it)).map(Manifest::id).collect()
}

/// Of `a`, `a-2`, `a-3`, `b`: `a` and `b`. Further pages are named after the first.
fn first_pages(names: &[String]) -> Vec<&String> {
    let is_further = |name: &String| {
        name.rsplit_once('-').is_some_and(|(first, number)| {
            number.parse::<u32>().is_ok() && names.iter().any(|it| it == first)
        })
    };
    let mut first: Vec<_> = names.iter().filter(|it| !is_further(it)).collect();
    first.sort();
    first
}

fn merged(before: Option<&Inventory>, mut now: Inventory, now_wins: bool) -> Inventory {
    for (id, entry) in before.into_iter().flat_map(Inventory::iter) {
        if !now_wins || !now.contains(id) {
            now.insert(id.clone(), entry.clone());
        }
    }
    now
}
