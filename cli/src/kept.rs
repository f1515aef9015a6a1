//! What the controller keeps beside a Sync: its snapshot or, of a dry run, its plan.

use std::time::Duration;

use kube::ResourceExt as _;
use tiphys_api::Sync;
use tiphys_engine::plan::Plan;
use tiphys_engine::requests::{RequestLimits, Requests};
use tiphys_engine::snapshot::{Page, Snapshot};
use tiphys_engine::snapshots::SnapshotStore;
use tokio::time::Instant;

use crate::cluster::Cluster;
use crate::error::Error;

/// The longest time that reading may take.
const TIMEOUT: Duration = Duration::from_mins(1);

/// The plan that a dry run has made.
pub async fn plan(cluster: &Cluster, sync: &Sync) -> Result<Plan, Error> {
    let pages = pages(cluster, sync, "plan").await?;
    Plan::unpack(&pages).map_err(|source| unreadable(sync, "plan", source))
}

/// What a Sync has applied.
pub async fn snapshot(cluster: &Cluster, sync: &Sync) -> Result<Snapshot, Error> {
    let pages = pages(cluster, sync, "snapshot").await?;
    Snapshot::unpack(&pages).map_err(|source| unreadable(sync, "snapshot", source))
}

async fn pages(cluster: &Cluster, sync: &Sync, what: &'static str) -> Result<Vec<Page>, Error> {
    let gone = || Error::SnapshotGone { what, sync: sync.name_any() };
    let first = sync.status.as_ref().and_then(|it| it.snapshot.as_deref()).ok_or_else(gone)?;
    let store = SnapshotStore::new(Requests::new(cluster.client.clone(), RequestLimits::default()));
    let read = store.read(&cluster.namespace, first, Instant::now() + TIMEOUT).await;
    read.map_err(|source| unreadable(sync, what, source))?.ok_or_else(gone)
}

fn unreadable(sync: &Sync, what: &'static str, source: tiphys_engine::Error) -> Error {
    Error::Snapshot { what, sync: sync.name_any(), source: Box::new(source) }
}
