//! One repository that is kept up to date: a task that looks at its server when somebody asks or when it is time.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Instant, SystemTime};

use tiphys_worker::Pool;
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot, watch};
use tokio::time::sleep_until;

use crate::error::{Result, describe};
use crate::git_tree::GitTree;
use crate::usage::Usage;
use crate::wire::{Report, Request, Revert, Upkeep};
use crate::{
    CommitId, Error, Proposed, Remote, RemoteKey, RepositoryChanged, Revision, RevisionSpec, Status, schedule,
};

/// What all mirrors share.
pub(crate) struct Context {
    pub(crate) pool: Pool,
    /// Turns for servers that did not prove to be well: they cannot take all workers.
    pub(crate) doubtful: Semaphore,
    pub(crate) changes: broadcast::Sender<RepositoryChanged>,
    pub(crate) looks: AtomicU64,
    pub(crate) waiting: AtomicU64,
    pub(crate) fetches: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) received_bytes: AtomicU64,
}

/// The answer to a specification, once there is one.
pub(crate) type Answer = Option<Result<Revision>>;

/// A repository that somebody tracks.
pub(crate) struct Mirror {
    pub(crate) remote: Remote,
    pub(crate) key: RemoteKey,
    pub(crate) directory: PathBuf,
    pub(crate) usage: Arc<Usage>,
    pub(crate) status: watch::Sender<Status>,
    asks: mpsc::UnboundedSender<Ask>,
    wants: Mutex<BTreeMap<RevisionSpec, Want>>,
    /// The files of commits, as long as somebody reads them.
    trees: Mutex<BTreeMap<CommitId, Weak<GitTree>>>,
}

/// A wish to look at the server now.
enum Ask {
    /// From somebody who waits or not.
    Look(Option<oneshot::Sender<Result<()>>>),
    /// From somebody who has something to propose.
    Propose(Box<Revert>, oneshot::Sender<Result<Proposed>>),
}

struct Want {
    users: usize,
    answer: watch::Sender<Answer>,
}

impl Mirror {
    /// Makes a mirror and starts its task, which ends when the mirror is dropped.
    pub(crate) fn start(
        remote: Remote,
        key: RemoteKey,
        directory: PathBuf,
        usage: Arc<Usage>,
        context: Arc<Context>,
    ) -> Arc<Self> {
        let (asks, asked) = mpsc::unbounded_channel();
        let mirror = Arc::new(Self {
            remote,
            key,
            directory,
            usage,
            status: watch::Sender::new(Status::default()),
            asks,
            wants: Mutex::default(),
            trees: Mutex::default(),
        });
        tokio::spawn(keep_up(Arc::downgrade(&mirror), asked, context));
        mirror
    }

    /// Adds a user of a specification. The first one makes the task look at the server.
    pub(crate) fn want(&self, spec: &RevisionSpec) -> watch::Sender<Answer> {
        let mut wants = self.wants();
        if let Some(want) = wants.get_mut(spec) {
            want.users += 1;
            return want.answer.clone();
        }
        let answer = watch::Sender::new(None);
        wants.insert(spec.clone(), Want { users: 1, answer: answer.clone() });
        drop(wants);
        self.notify();
        answer
    }

    /// Removes a user of a specification.
    pub(crate) fn release(&self, spec: &RevisionSpec) {
        let mut wants = self.wants();
        if let Some(want) = wants.get_mut(spec) {
            want.users -= 1;
            if want.users == 0 {
                wants.remove(spec);
            }
        }
    }

    /// The files of a commit, if somebody reads them just now: a directory that many Applications lie in is read once.
    pub(crate) fn tree_in_use(&self, commit: CommitId) -> Option<Arc<GitTree>> {
        self.trees().get(&commit)?.upgrade()
    }

    /// Lets others who ask for the same commit have the same files, unless a part of them could not be had.
    pub(crate) fn share(&self, commit: CommitId, tree: &Arc<GitTree>) {
        let mut trees = self.trees();
        trees.retain(|_, it| it.strong_count() > 0);
        if tree.is_whole() {
            trees.insert(commit, Arc::downgrade(tree));
        }
    }

    fn trees(&self) -> MutexGuard<'_, BTreeMap<CommitId, Weak<GitTree>>> {
        // What is kept here is whole at every moment.
        self.trees.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the task look at the server now.
    pub(crate) fn notify(&self) {
        // The task listens for as long as the mirror lives.
        let _ = self.asks.send(Ask::Look(None));
    }

    /// Looks at the server. An answer is never older than the question: who asks during a look waits for the next one,
    /// together with all others who ask meanwhile.
    pub(crate) async fn refresh(&self) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        let _ = self.asks.send(Ask::Look(Some(reply)));
        answer.await.unwrap_or_else(|_| Err(self.interrupted()))
    }

    /// Looks at the server and pushes a proposal. Only one worker at a time works in a mirror, so it waits for its turn.
    pub(crate) async fn propose(&self, revert: Revert) -> Result<Proposed> {
        let (reply, answer) = oneshot::channel();
        let _ = self.asks.send(Ask::Propose(Box::new(revert), reply));
        answer.await.unwrap_or_else(|_| Err(self.interrupted()))
    }

    fn interrupted(&self) -> Error {
        Error::Unreachable {
            url: self.remote.url.to_string(),
            detail: "Tiphys is being shut down".to_owned(),
        }
    }

    fn wants(&self) -> MutexGuard<'_, BTreeMap<RevisionSpec, Want>> {
        self.wants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the server. Gives what became of the proposal, if there is one.
    async fn look(
        &self,
        context: &Context,
        upkeep: Upkeep,
        revert: Option<Revert>,
    ) -> Result<Option<Result<Proposed>>> {
        let specs: Vec<RevisionSpec> = self.wants().keys().cloned().collect();
        let started = Instant::now();
        context.waiting.fetch_add(1, Ordering::Relaxed);
        let result = self.ask_worker(context, &specs, upkeep, revert).await;
        context.waiting.fetch_sub(1, Ordering::Relaxed);
        context.looks.fetch_add(1, Ordering::Relaxed);
        let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let url = &self.remote.url;
        match &result {
            Ok(report) => {
                context.fetches.fetch_add(report.fetches.into(), Ordering::Relaxed);
                context.received_bytes.fetch_add(report.received_bytes, Ordering::Relaxed);
                tracing::debug!(%url, milliseconds, fetches = report.fetches, bytes = report.received_bytes, "looked at a repository");
            }
            Err(error) => {
                context.failures.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(%url, milliseconds, error = describe(error), "a look at a repository failed");
            }
        }
        let changed = self.hand_out(&specs, &result);
        self.note_status(&result);
        if changed {
            // Nobody listening is fine.
            let _ = context.changes.send(RepositoryChanged { key: self.key, at: SystemTime::now() });
        }
        result.map(|report| report.proposed)
    }

    async fn ask_worker(
        &self,
        context: &Context,
        specs: &[RevisionSpec],
        upkeep: Upkeep,
        revert: Option<Revert>,
    ) -> Result<Report> {
        self.remote.validate()?;
        let request = Request { revert, ..self.request(specs, upkeep)? };
        // The semaphore is never closed.
        let _turn = if self.is_doubtful() { context.doubtful.acquire().await.ok() } else { None };
        let answer: Result<Result<Report>, _> =
            context.pool.call_with_wall(&request, self.remote.timeout).await;
        answer.map_err(|error| self.explain(error))?
    }

    /// Whether the server may be one that hangs: it never answered, or not the last time.
    fn is_doubtful(&self) -> bool {
        let status = self.status.borrow();
        status.checked_at.is_none() || matches!(status.error, Some(Error::TimedOut { .. }))
    }

    fn request(&self, specs: &[RevisionSpec], upkeep: Upkeep) -> Result<Request> {
        let remote = &self.remote;
        let url = remote.url.to_string();
        let authentication = remote
            .authentication()
            .map_err(|problem| Error::Configuration { url: url.clone(), problem: problem.to_owned() })?;
        Ok(Request {
            directory: self.directory.clone(),
            address: remote.url.to_libgit2(),
            url,
            scheme: remote.url.scheme(),
            host: remote.url.host(),
            port: remote.url.port(),
            authentication,
            known_hosts: remote.known_hosts.clone(),
            certificate_authority: remote.certificate_authority.clone(),
            max_bytes: remote.max_bytes,
            wants: specs.to_vec(),
            keep: self.usage.commits(),
            upkeep,
            revert: None,
        })
    }

    fn explain(&self, error: tiphys_worker::Error) -> Error {
        let url = self.remote.url.to_string();
        match error {
            tiphys_worker::Error::TimedOut { limit, during } => Error::TimedOut { url, limit, during },
            error if error.class() == tiphys_worker::Class::Limit => {
                Error::Budget { url, detail: error.to_string() }
            }
            error => Error::Worker { url, source: Arc::new(error) },
        }
    }

    /// Gives everybody the new answer. Who has a good one keeps it when the server cannot be asked.
    fn hand_out(&self, specs: &[RevisionSpec], result: &Result<Report>) -> bool {
        let mut changed = match result {
            Ok(report) => self.status.borrow().refs_digest.as_ref() != Some(&report.refs_digest),
            Err(_) => false,
        };
        let wants = self.wants();
        for (index, spec) in specs.iter().enumerate() {
            let Some(want) = wants.get(spec) else { continue };
            let answer = match result {
                Ok(report) => report.answers.get(index).cloned(),
                Err(error) => Some(Err(error.clone())),
            };
            let Some(answer) = answer else { continue };
            if let Ok(revision) = &answer {
                self.usage.note(revision.commit());
            }
            changed |= want.answer.send_if_modified(|known| {
                let keeps = result.is_err() && matches!(known, Some(Ok(_)));
                let is_news = !keeps && !same(known.as_ref(), &answer);
                if is_news {
                    *known = Some(answer);
                }
                is_news
            });
        }
        changed
    }

    fn note_status(&self, result: &Result<Report>) {
        self.status.send_modify(|status| match result {
            Ok(report) => {
                let now = SystemTime::now();
                status.checked_at = Some(now);
                if report.fetches > 0 {
                    status.fetched_at = Some(now);
                }
                status.failures = 0;
                status.error = None;
                status.refs_digest = Some(report.refs_digest.clone());
            }
            Err(error) => {
                status.failures = status.failures.saturating_add(1);
                status.error = Some(error.clone());
            }
        });
    }
}

fn same(known: Option<&Result<Revision>>, new: &Result<Revision>) -> bool {
    match (known, new) {
        (Some(Ok(known)), Ok(new)) => known == new,
        (Some(Err(known)), Err(new)) => known.to_string() == new.to_string(),
        _ => false,
    }
}

/// The task of a mirror. It holds the mirror only while it works, so that it can be dropped.
async fn keep_up(mirror: Weak<Mirror>, mut asked: mpsc::UnboundedReceiver<Ask>, context: Arc<Context>) {
    let mut next_look = None;
    loop {
        let mut asks = Vec::new();
        let upkeep = tokio::select! {
            ask = asked.recv() => match ask {
                Some(ask) => {
                    asks.push(ask);
                    Upkeep::No
                }
                None => return,
            },
            () = sleep_until(next_look.unwrap_or_else(tokio::time::Instant::now)), if next_look.is_some() => Upkeep::IfNeeded,
        };
        while let Ok(ask) = asked.try_recv() {
            asks.push(ask);
        }
        let Some(mirror) = mirror.upgrade() else { return };
        let (mut waiting, mut proposals) = (Vec::new(), Vec::new());
        for ask in asks {
            match ask {
                Ask::Look(reply) => waiting.push(reply),
                Ask::Propose(revert, reply) => proposals.push((revert, reply)),
            }
        }
        // Each proposal is a look of its own, made for what the branch holds then.
        let only_proposals = waiting.is_empty() && !proposals.is_empty();
        for (revert, reply) in proposals {
            let proposed = mirror.look(&context, Upkeep::No, Some(*revert)).await;
            let proposed = proposed.and_then(|it| it.unwrap_or_else(|| Err(mirror.interrupted())));
            // Who does not wait any more needs no answer.
            let _ = reply.send(proposed);
        }
        if only_proposals {
            continue;
        }
        let result = mirror.look(&context, upkeep, None).await.map(|_| ());
        let (failures, class) = {
            let status = mirror.status.borrow();
            (status.failures, status.error.as_ref().map(Error::class))
        };
        let wait = schedule::next_look(mirror.remote.interval, failures, class, schedule::chance());
        next_look = Some(tokio::time::Instant::now() + wait);
        for reply in waiting.into_iter().flatten() {
            // Who does not wait any more needs no answer.
            let _ = reply.send(result.clone());
        }
    }
}
