//! Which commits of a mirror somebody may still read.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use crate::CommitId;

/// Former revisions that stay readable, for Syncs that are under way.
const RECENT: usize = 16;

/// The use of one mirror. As long as anybody holds it, the mirror stays on disk.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    live: Mutex<BTreeMap<CommitId, usize>>,
    recent: Mutex<VecDeque<CommitId>>,
}

/// The use of one commit, until it is dropped.
#[derive(Debug)]
pub(crate) struct InUse {
    usage: Arc<Usage>,
    commit: CommitId,
}

impl Usage {
    /// Begins to use a commit.
    pub(crate) fn begin(self: &Arc<Self>, commit: CommitId) -> InUse {
        *lock(&self.live).entry(commit).or_default() += 1;
        InUse { usage: Arc::clone(self), commit }
    }

    /// Notes a commit that somebody was told about, and so may come to read.
    pub(crate) fn note(&self, commit: CommitId) {
        let mut recent = lock(&self.recent);
        recent.retain(|it| *it != commit);
        recent.push_back(commit);
        while recent.len() > RECENT {
            recent.pop_front();
        }
    }

    /// The commits that must stay.
    pub(crate) fn commits(&self) -> Vec<CommitId> {
        lock(&self.live).keys().chain(lock(&self.recent).iter()).copied().collect()
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        let mut live = lock(&self.usage.live);
        if let Some(count) = live.get_mut(&self.commit) {
            *count -= 1;
            if *count == 0 {
                live.remove(&self.commit);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nothing that holds these locks can leave them half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
