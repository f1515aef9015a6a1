//! The worker that talks to Git servers: a process that can be killed when a server hangs, because libgit2 cannot be
//! interrupted and has no time limits that could be set safely.
//!
//! One request is one look at one server and, on the same connection, a fetch of what is wanted and not there.

mod authority;
mod failure;
mod propose;
mod refs;
mod session;
mod store;

use std::env;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use tiphys_worker::{Sandbox, ServeError};

use crate::wire::{Report, Request, Upkeep};
use crate::{CommitId, Error, Revision};

pub(crate) use authority::Authority;

use authority::Chains;
use failure::Failure;
use refs::{Refs, Resolved};
use session::{Depth, Session};
use store::Store;

/// The role of Git workers, as their binary is told it.
pub const ROLE: &str = "git";

/// All branches and tags. What stands after the colon is a form that a pattern needs; nothing is written there.
const EVERYTHING: [&str; 2] = ["refs/heads/*:refs/tiphys-all/heads/*", "refs/tags/*:refs/tiphys-all/tags/*"];

/// The home directory of a worker: its working directory, whatever that is at the moment. libgit2 looks for
/// `~/.ssh/known_hosts` to choose the type of host key that it asks a server for, so each request gets its own.
/// There is nothing else in it: no configuration and no keys of the user.
const HOME: &str = "/proc/self/cwd";

/// Serves Git requests until the owner closes the pipe. Call it from the `main` of a binary whose
/// [`tiphys_worker::worker_role`] is [`ROLE`], before anything else.
pub fn serve() -> Result<(), ServeError> {
    if env::var_os("HOME").is_none_or(|home| home != HOME) {
        // The environment cannot be changed safely in a running process, so this one replaces itself, once.
        let mut again = Command::new("/proc/self/exe");
        again.args(env::args_os().skip(1)).env_clear().env("HOME", HOME);
        return Err(ServeError::Pipe(again.exec()));
    }
    let chains = Chains::default();
    tiphys_worker::serve(Sandbox::Network, move |request: Request| look(&request, &chains))
}

/// Answers one request. A mirror that turns out to be damaged is made anew once.
fn look(request: &Request, chains: &Chains) -> Result<Report, Error> {
    let first = Store::open(&request.directory).and_then(|store| attempt(request, &store, chains));
    let result = match first {
        Err(Failure::Damaged(_)) => {
            Store::create_anew(&request.directory).and_then(|store| attempt(request, &store, chains))
        }
        other => other,
    };
    result.map_err(|failure| failure.into_error(request))
}

fn attempt(request: &Request, store: &Store, chains: &Chains) -> Result<Report, Failure> {
    store.write_known_hosts(request)?;
    let mut fetches = Fetches { request, store, chains, count: 0, received_bytes: 0 };
    let session = fetches.connect()?;
    let refs = Refs::read(session.list()?, &request.url).map_err(Failure::Error)?;
    let resolved: Vec<_> = request.wants.iter().map(|spec| refs.resolve(spec, &request.url)).collect();

    let mut missing: Vec<&str> = resolved
        .iter()
        .flatten()
        .filter(|it| !store.has(it.revision.commit()))
        .filter_map(|it| it.reference.as_deref())
        .collect();
    missing.sort_unstable();
    missing.dedup();
    if missing.is_empty() {
        drop(session);
    } else {
        fetches.by_name(session, &missing)?;
    }

    let answers = resolved
        .into_iter()
        .map(|resolved| match resolved {
            Ok(resolved) => fetches.secure(resolved),
            Err(error) => Ok(Err(error)),
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    let proposed = match &request.revert {
        Some(revert) => Some(match propose::propose(&mut fetches, &refs, revert) {
            Ok(proposed) => proposed,
            Err(failure @ Failure::Damaged(_)) => return Err(failure),
            // The look itself went well.
            Err(failure) => Err(failure.into_error(request)),
        }),
        None => None,
    };
    let (count, received_bytes) = (fetches.count, fetches.received_bytes);
    if request.upkeep == Upkeep::IfNeeded {
        let current = answers.iter().flatten().map(Revision::commit);
        store.tidy(&current.chain(request.keep.iter().copied()).collect())?;
    }
    Ok(Report { refs_digest: refs.digest(), answers, received_bytes, fetches: count, proposed })
}

/// The fetches of one request.
struct Fetches<'a> {
    request: &'a Request,
    store: &'a Store,
    chains: &'a Chains,
    count: u32,
    received_bytes: u64,
}

impl<'a> Fetches<'a> {
    fn connect(&mut self) -> Result<Session<'a>, Failure> {
        let connect = || Session::connect(self.store.repository(), self.request, self.chains);
        match connect() {
            // Without our preference the server shows the key that it has, and the refusal can name it.
            Err(Failure::NoSsh(_)) => {
                self.store.forget_known_hosts()?;
                connect()
            }
            other => other,
        }
    }

    /// Fetches references by their names: without history where the server can do that, else with all of it.
    fn by_name(&mut self, session: Session<'a>, names: &[&str]) -> Result<(), Failure> {
        let depth = self.store.depth();
        match self.download(session, names, depth) {
            Err(Failure::NoShallow) => {
                let session = self.connect()?;
                self.download(session, names, Depth::Full)
            }
            // A branch was forced to another commit between the list and the fetch: the next list is right.
            Err(Failure::NotOurRef(_)) => {
                let session = self.connect()?;
                self.download(session, names, depth)
            }
            other => other,
        }
    }

    /// Makes sure that the commit is in the mirror, fetching it by its reference if it has one.
    fn fetch(&mut self, resolved: Resolved) -> Result<Result<Revision, Error>, Failure> {
        let reference = resolved.reference.as_deref().filter(|_| !self.store.has(resolved.revision.commit()));
        if let Some(reference) = reference {
            let session = self.connect()?;
            self.by_name(session, &[reference])?;
        }
        self.secure(resolved)
    }

    /// A proposal that is against the rules.
    fn not_proposed(&self, problem: String) -> Error {
        Error::NotProposed { url: self.request.url.clone(), problem }
    }

    /// Makes sure that the commit is in the mirror and stays there.
    fn secure(&mut self, resolved: Resolved) -> Result<Result<Revision, Error>, Failure> {
        let commit = resolved.revision.commit();
        if self.store.has(commit) {
            return Ok(Ok(resolved.revision));
        }
        if resolved.reference.is_none() {
            match self.by_commit(commit) {
                Ok(()) => {}
                Err(failure @ (Failure::Damaged(_) | Failure::Disk(_))) => return Err(failure),
                // Whoever names a commit that cannot be had is told so; all others get their answers.
                Err(failure) => return Ok(Err(failure.into_error(self.request))),
            }
        }
        let revision = resolved.revision;
        Ok(match self.store.kind(commit)? {
            Some(git2::ObjectType::Commit) => {
                self.store.pin(commit)?;
                Ok(revision)
            }
            Some(kind) => Err(Error::NotACommit {
                url: self.request.url.clone(),
                revision: revision.short(),
                kind: kind.str().to_owned(),
            }),
            None => Err(Error::RevisionNotFound {
                url: self.request.url.clone(),
                revision: format!("commit {commit}"),
                hint: "push a branch or tag that contains it".to_owned(),
            }),
        })
    }

    /// Fetches a commit that no branch or tag points at: alone where the server can do that, else with everything.
    fn by_commit(&mut self, commit: CommitId) -> Result<(), Failure> {
        if self.store.kind(commit)?.is_some() && self.store.depth() == Depth::Full {
            return Ok(());
        }
        let session = self.connect()?;
        match self.download(session, &[&commit.to_string()], self.store.depth()) {
            Ok(()) => return Ok(()),
            // A server that would give any commit may hang up when it does not have this one.
            Err(
                Failure::NoShallow
                | Failure::NoSingleCommit
                | Failure::NotOurRef(_)
                | Failure::Error(Error::Server { .. }),
            ) => {}
            Err(other) => return Err(other),
        }
        let session = self.connect()?;
        let depth = if self.store.is_shallow() { Depth::Unshallow } else { Depth::Full };
        self.download(session, &EVERYTHING, depth)
    }

    fn download(&mut self, mut session: Session<'a>, names: &[&str], depth: Depth) -> Result<(), Failure> {
        let result = session.download(names, depth);
        self.received_bytes += session.received_bytes();
        self.count += 1;
        result
    }
}
