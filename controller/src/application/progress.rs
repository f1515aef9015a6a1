//! What is said of an Application while it is under way: now and then, and nothing when its Sync is done before that.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt as _;
use parking_lot::Mutex;
use tiphys_api::{Sync, SyncStatus};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::records::Records;

/// Shortest and longest time between two words about one Sync, and until the first about a new Application.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(10);
/// What each that is under way adds to it. A word is two writes that cost the API server several milliseconds each,
/// and where hundreds of Applications begin at once they would take from the work what nobody can read so fast.
const SHARE: Duration = Duration::from_millis(50);

/// Counts the Applications that are new or whose Sync is under way, and says how often each may be told of.
#[derive(Clone, Default)]
pub struct UnderWay(Arc<()>);

/// One that is counted, until this is dropped.
pub struct Counted(UnderWay);

impl UnderWay {
    /// Counts one more.
    pub fn enter(&self) -> Counted {
        Counted(self.clone())
    }
}

impl Counted {
    /// Time between two words about it.
    pub fn period(&self) -> Duration {
        // One reference is that of the counter itself.
        let count = Arc::strong_count(&self.0.0).saturating_sub(1);
        let share = SHARE.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX));
        share.clamp(SHORTEST, LONGEST)
    }

    /// How long what nobody waits for is put off: not at all where nothing else is under way.
    pub fn delay(&self) -> Duration {
        // Neither the counter itself nor this one.
        let others = Arc::strong_count(&self.0.0).saturating_sub(2);
        SHARE.saturating_mul(u32::try_from(others).unwrap_or(u32::MAX)).min(LONGEST)
    }
}

/// Writes the status of a running Sync now and then.
pub struct Progress {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Progress {
    /// Starts to write `status` whenever it changed, once in a period.
    pub fn start(records: Records, sync: &Sync, status: Arc<Mutex<SyncStatus>>, period: Duration) -> Self {
        let stop = CancellationToken::new();
        let (namespace, name) = (sync.namespace().unwrap_or_default(), sync.name_any());
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let mut written = None;
            loop {
                tokio::select! {
                    () = stopped.cancelled() => return,
                    () = tokio::time::sleep(period) => {}
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_are_under_way_the_less_is_said_of_each() {
        let under_way = UnderWay::default();
        let first = under_way.enter();
        assert_eq!((first.period(), first.delay()), (SHORTEST, Duration::ZERO));
        let many: Vec<_> = (1..100).map(|_| under_way.enter()).collect();
        assert_eq!((first.period(), first.delay()), (SHARE * 100, SHARE * 99));
        let more: Vec<_> = (100..1_000).map(|_| under_way.enter()).collect();
        assert_eq!((first.period(), first.delay()), (LONGEST, LONGEST));
        drop((many, more));
        assert_eq!(first.period(), SHORTEST);
    }
}
