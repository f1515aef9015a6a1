//! All repositories that are tracked.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use tiphys_worker::{Limits, Pool, PoolConfig, Sandbox};
use tokio::sync::{Semaphore, broadcast};

use crate::disk::{self, CacheDirectory};
use crate::error::{Result, describe};
use crate::mirror::{Context, Mirror};
use crate::usage::Usage;
use crate::{Error, ROLE, Remote, RemoteKey, RevisionSpec, Tracked};

/// How many changes a slow listener may be behind.
const CHANGES: usize = 1024;
/// Time between two looks for mirrors that nobody uses.
const COLLECTION: Duration = Duration::from_mins(10);

/// How [`Mirrors`] are kept.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the mirrors lie. Everything in it is a cache and can be lost; nobody else may write there.
    pub directory: PathBuf,
    /// How long a mirror stays on disk that nobody uses.
    pub keep_unused: Duration,
    /// The workers. See [`pool_config`].
    pub workers: PoolConfig,
}

impl Config {
    /// The usual settings, with mirrors in `directory` and workers of `program`.
    pub fn new(directory: PathBuf, program: PathBuf) -> Self {
        Self { directory, keep_unused: Duration::from_hours(1), workers: pool_config(program) }
    }
}

/// The usual pool of Git workers. `program` is a binary that calls [`crate::serve`] for the role [`ROLE`].
pub fn pool_config(program: PathBuf) -> PoolConfig {
    PoolConfig {
        role: ROLE,
        program,
        size: const { NonZeroUsize::new(8).unwrap() },
        limits: Limits {
            memory_bytes: 1 << 30,
            cpu: Duration::from_mins(10),
            wall: Duration::from_mins(1),
            output_bytes: 8 << 20,
        },
        idle: Duration::from_mins(1),
        sandbox: Sandbox::Network,
    }
}

/// The repositories that are tracked, each with one mirror on disk and one task that keeps it up to date.
/// Clones share them.
#[derive(Clone)]
pub struct Mirrors {
    shared: Arc<Shared>,
}

struct Shared {
    directory: CacheDirectory,
    context: Arc<Context>,
    keep_unused: Duration,
    registry: Mutex<HashMap<RemoteKey, Registered>>,
}

#[derive(Default)]
struct Registered {
    mirror: Weak<Mirror>,
    usage: Weak<Usage>,
    unused_since: Option<Instant>,
}

/// Something was pushed to a repository, or its state changed in another way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepositoryChanged {
    /// Which one.
    pub key: RemoteKey,
    /// When it was seen.
    pub at: SystemTime,
}

/// How it stands with a repository.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// When its server last answered.
    pub checked_at: Option<SystemTime>,
    /// When something new was last fetched.
    pub fetched_at: Option<SystemTime>,
    /// Failed looks since the last good one.
    pub failures: u32,
    /// Why the last look failed.
    pub error: Option<Error>,
    pub(crate) refs_digest: Option<String>,
}

/// What was done since the start, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Looks at servers.
    pub looks: u64,
    /// Packs that were fetched.
    pub fetches: u64,
    /// Looks that failed.
    pub failures: u64,
    /// Bytes that were received in packs.
    pub received_bytes: u64,
    /// Worker processes that were started.
    pub workers_started: u64,
    /// Looks that ended with the death of their worker: killed at a deadline, out of memory, crashed.
    pub workers_lost: u64,
    /// Looks that are under way or wait for a worker.
    pub waiting: u64,
}

impl Mirrors {
    /// Opens the directory of the mirrors and starts the task that removes unused ones. Call it inside a Tokio runtime.
    ///
    /// Servers that did not answer the last time, or never yet, can occupy at most half of the workers.
    pub fn open(config: Config) -> Result<Self> {
        let directory = CacheDirectory::open(&config.directory)
            .map_err(|source| disk_error("opening the mirrors", source))?;
        let context = Context {
            doubtful: Semaphore::new((config.workers.size.get() / 2).max(1)),
            pool: Pool::new(config.workers),
            changes: broadcast::Sender::new(CHANGES),
            looks: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            fetches: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            received_bytes: AtomicU64::new(0),
        };
        let shared = Arc::new(Shared {
            directory,
            context: Arc::new(context),
            keep_unused: config.keep_unused,
            registry: Mutex::default(),
        });
        tokio::spawn(collect_regularly(Arc::downgrade(&shared)));
        Ok(Self { shared })
    }

    /// Starts a worker, so that the first repository need not wait for it.
    pub async fn warm(&self) -> Result<()> {
        let warm = self.shared.context.pool.warm().await;
        warm.map_err(|source| Error::Worker {
            url: "the first repository".to_owned(),
            source: Arc::new(source),
        })
    }

    /// Tracks what `spec` means in `remote`, until the result is dropped. The server is asked at once, then at the
    /// interval of the remote, and whenever [`Mirrors::notify`] or [`Tracked::refresh`] want it.
    pub fn track(&self, remote: &Remote, spec: &RevisionSpec) -> Result<Tracked> {
        remote.validate()?;
        let mirror = self.mirror(remote);
        Ok(Tracked::new(self.clone(), mirror, spec.clone()))
    }

    /// The key under which a remote is known here.
    pub fn key(&self, remote: &Remote) -> RemoteKey {
        remote.key(self.shared.directory.salt())
    }

    /// Looks at the server of a repository now, if anybody tracks it; for webhooks. Returns at once.
    pub fn notify(&self, key: RemoteKey) {
        let mirror = self.shared.registry().get(&key).and_then(|it| it.mirror.upgrade());
        if let Some(mirror) = mirror {
            mirror.notify();
        }
    }

    /// How it stands with a repository, if anybody tracks it.
    pub fn status(&self, key: RemoteKey) -> Option<Status> {
        let mirror = self.shared.registry().get(&key)?.mirror.upgrade()?;
        Some(mirror.status.borrow().clone())
    }

    /// Tells of changes in all repositories. Who falls behind is told so, and should look at everything once.
    pub fn subscribe(&self) -> broadcast::Receiver<RepositoryChanged> {
        self.shared.context.changes.subscribe()
    }

    /// What was done since the start.
    pub fn counters(&self) -> Counters {
        let context = &self.shared.context;
        let workers = context.pool.counters();
        Counters {
            looks: context.looks.load(Ordering::Relaxed),
            fetches: context.fetches.load(Ordering::Relaxed),
            failures: context.failures.load(Ordering::Relaxed),
            received_bytes: context.received_bytes.load(Ordering::Relaxed),
            workers_started: workers.started,
            workers_lost: workers.failed,
            waiting: context.waiting.load(Ordering::Relaxed),
        }
    }

    /// Removes the mirrors that nobody has used for the configured time; gives how many. It runs by itself, too.
    pub async fn collect_garbage(&self) -> Result<usize> {
        let shared = Arc::clone(&self.shared);
        let removed = tokio::task::spawn_blocking(move || shared.collect_garbage()).await;
        removed
            .map_err(io::Error::other)
            .flatten()
            .map_err(|source| disk_error("removing unused mirrors", source))
    }

    fn mirror(&self, remote: &Remote) -> Arc<Mirror> {
        let key = self.key(remote);
        let mut registry = self.shared.registry();
        let registered = registry.entry(key).or_default();
        registered.unused_since = None;
        if let Some(mirror) = registered.mirror.upgrade() {
            return mirror;
        }
        let usage = registered.usage.upgrade().unwrap_or_default();
        registered.usage = Arc::downgrade(&usage);
        let directory = self.shared.directory.mirror(key);
        let mirror = Mirror::start(remote.clone(), key, directory, usage, Arc::clone(&self.shared.context));
        registered.mirror = Arc::downgrade(&mirror);
        mirror
    }
}

impl Shared {
    fn registry(&self) -> MutexGuard<'_, HashMap<RemoteKey, Registered>> {
        // Nothing that holds the lock can leave the registry half changed.
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn collect_garbage(&self) -> io::Result<usize> {
        let mut doomed = Vec::new();
        for key in self.directory.mirrors()? {
            // Under the lock nobody can begin to use the mirror.
            let mut registry = self.registry();
            let registered = registry.entry(key).or_default();
            if registered.usage.strong_count() > 0 {
                continue;
            }
            let since = *registered.unused_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= self.keep_unused {
                doomed.push(self.directory.doom(key)?);
                registry.remove(&key);
            }
        }
        for directory in &doomed {
            disk::remove_doomed(directory)?;
        }
        Ok(doomed.len())
    }
}

impl fmt::Debug for Mirrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirrors").field("directory", &self.shared.directory).finish_non_exhaustive()
    }
}

fn disk_error(operation: &str, source: io::Error) -> Error {
    Error::Disk { operation: operation.to_owned(), source: Arc::new(source) }
}

async fn collect_regularly(shared: Weak<Shared>) {
    loop {
        tokio::time::sleep(COLLECTION).await;
        let Some(shared) = shared.upgrade() else { return };
        let collected = Mirrors { shared }.collect_garbage().await;
        match collected {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "removed mirrors that nobody uses"),
            Err(error) => tracing::warn!(error = describe(&error), "unused mirrors could not be removed"),
        }
    }
}
