//! The pool of workers of one role.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

use crate::PoolConfig;
use crate::error::Error;
use crate::process::Process;

/// The workers of one role. Clones share the same workers.
///
/// Workers are started when they are needed and kept warm. The one that was used last is used next, so the others
/// can grow old and be ended. Dropping the last clone ends all of them.
#[derive(Clone)]
pub struct Pool {
    shared: Arc<Shared>,
}

/// What a pool has done since it was made, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Calls that a worker took up.
    pub calls: u64,
    /// Worker processes that were started.
    pub started: u64,
    /// Calls that failed because the worker passed a limit, crashed or was killed.
    pub failed: u64,
    /// Worker processes that wait for a request now.
    pub idle: usize,
}

struct Shared {
    config: PoolConfig,
    turns: Semaphore,
    idle: Mutex<Idle>,
    calls: AtomicU64,
    started: AtomicU64,
    failed: AtomicU64,
}

/// The warm workers, the one used last at the back.
struct Idle {
    workers: VecDeque<(Instant, Process)>,
    /// Whether a task is waiting to end the ones that are idle for too long.
    reaper: Reaper,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reaper {
    None,
    Waiting,
}

impl Pool {
    /// Makes a pool; no worker is started yet.
    pub fn new(config: PoolConfig) -> Self {
        let idle = Idle { workers: VecDeque::new(), reaper: Reaper::None };
        let turns = Semaphore::new(config.size.get());
        let shared = Shared {
            config,
            turns,
            idle: Mutex::new(idle),
            calls: AtomicU64::new(0),
            started: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Starts one worker if none is waiting, so that the first call finds it warm.
    pub async fn warm(&self) -> Result<(), Error> {
        let process = match self.take_warm() {
            Some(process) => process,
            None => self.start().await?,
        };
        self.put_back(process);
        Ok(())
    }

    /// Sends `request` to a worker and waits for its answer, under the limits of the pool.
    ///
    /// Waits for its turn first; that time does not count. Dropping the future kills the worker that works on it.
    pub async fn call<Request, Response>(&self, request: &Request) -> Result<Response, Error>
    where
        Request: Serialize + ?Sized,
        Response: DeserializeOwned,
    {
        self.call_with_wall(request, self.shared.config.limits.wall).await
    }

    /// As [`Pool::call`], with a wall-clock limit of its own.
    pub async fn call_with_wall<Request, Response>(
        &self,
        request: &Request,
        wall: Duration,
    ) -> Result<Response, Error>
    where
        Request: Serialize + ?Sized,
        Response: DeserializeOwned,
    {
        let role = self.shared.config.role;
        let request = serde_json::to_vec(request).map_err(|source| Error::Encode { role, source })?;
        // The semaphore is never closed, so there is always a turn.
        let _turn = self.shared.turns.acquire().await;
        self.shared.calls.fetch_add(1, Ordering::Relaxed);
        let answer = match self.exchange(wall, &request).await {
            Ok(answer) => answer,
            Err(error) => {
                self.shared.failed.fetch_add(1, Ordering::Relaxed);
                return Err(error);
            }
        };
        let json = answer.get(1..).unwrap_or_default();
        serde_json::from_slice(json).map_err(|source| Error::Decode { role, source })
    }

    /// What the pool has done so far.
    pub fn counters(&self) -> Counters {
        Counters {
            calls: self.shared.calls.load(Ordering::Relaxed),
            started: self.shared.started.load(Ordering::Relaxed),
            failed: self.shared.failed.load(Ordering::Relaxed),
            idle: self.shared.idle().workers.len(),
        }
    }

    /// One request to a warm worker or, when there is none, to a new one.
    async fn exchange(&self, wall: Duration, request: &[u8]) -> Result<Vec<u8>, Error> {
        let config = &self.shared.config;
        if let Some(process) = self.take_warm() {
            match process.call(config, wall, request).await {
                // It may have been killed while it was idle, which is not the fault of this request.
                Err(Error::Killed { .. }) => {}
                other => return self.keep(other),
            }
        }
        let process = self.start().await?;
        self.keep(process.call(config, wall, request).await)
    }

    fn keep(&self, result: Result<(Process, Vec<u8>), Error>) -> Result<Vec<u8>, Error> {
        let (process, answer) = result?;
        self.put_back(process);
        Ok(answer)
    }

    fn take_warm(&self) -> Option<Process> {
        while let Some(mut process) = self.shared.pop_idle() {
            if process.is_alive() {
                return Some(process);
            }
        }
        None
    }

    async fn start(&self) -> Result<Process, Error> {
        let process = Process::start(&self.shared.config).await?;
        self.shared.started.fetch_add(1, Ordering::Relaxed);
        Ok(process)
    }

    fn put_back(&self, process: Process) {
        if process.is_bloated() {
            return;
        }
        let mut idle = self.shared.idle();
        idle.workers.push_back((Instant::now(), process));
        if idle.workers.len() > 1 && idle.reaper == Reaper::None {
            idle.reaper = Reaper::Waiting;
            tokio::spawn(end_idle_workers(Arc::downgrade(&self.shared)));
        }
    }
}

impl Shared {
    fn idle(&self) -> MutexGuard<'_, Idle> {
        // No code that holds the lock can panic, and the list is valid at every moment.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pop_idle(&self) -> Option<Process> {
        self.idle().workers.pop_back().map(|(_, process)| process)
    }

    /// Ends what is idle for too long, except one worker. Gives the time to look again, if there is a reason to.
    fn end_expired(&self) -> Option<Instant> {
        let mut idle = self.idle();
        let now = Instant::now();
        while idle.workers.len() > 1 {
            let Some((since, _)) = idle.workers.front() else {
                break;
            };
            let expiry = *since + self.config.idle;
            if expiry > now {
                return Some(expiry);
            }
            idle.workers.pop_front();
        }
        idle.reaper = Reaper::None;
        None
    }
}

/// Runs only while there is more than one idle worker, so an idle pool costs nothing.
async fn end_idle_workers(shared: Weak<Shared>) {
    while let Some(expiry) = shared.upgrade().and_then(|shared| shared.end_expired()) {
        sleep_until(expiry).await;
    }
}
