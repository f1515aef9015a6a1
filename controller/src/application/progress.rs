//! What a running Sync says while it runs: at most once a second, and nothing when it is faster than that.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt as _;
use parking_lot::Mutex;
use tiphys_api::{Sync, SyncStatus};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::records::Records;

/// Time between two writes of a status.
pub const PERIOD: Duration = Duration::from_secs(1);

/// Writes the status of a running Sync now and then.
pub struct Progress {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Progress {
    /// Starts to write `status` whenever it changed.
    pub fn start(records: Records, sync: &Sync, status: Arc<Mutex<SyncStatus>>) -> Self {
        let stop = CancellationToken::new();
        let (namespace, name) = (sync.namespace().unwrap_or_default(), sync.name_any());
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let mut written = None;
            loop {
                tokio::select! {
                    () = stopped.cancelled() => return,
                    () = tokio::time::sleep(PERIOD) => {}
                }
                let mut now = status.lock().clone();
                now.objects = super::current::for_record(now.objects);
                if written.as_ref() == Some(&now) {
                    continue;
                }
                if let Err(error) = records.sync_status(&namespace, &name, &now).await {
                    tracing::debug!(%error, sync = name, "the progress of a sync could not be written");
                }
                written = Some(now);
            }
        });
        Self { stop, task }
    }

    /// Stops, after a write that is under way: what is written next comes later.
    pub async fn stop(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "writing progress failed");
        }
    }
}
