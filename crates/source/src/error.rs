//! What can go wrong between us and a Git server.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::UrlError;

/// The result of working with a repository.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a repository, a revision or its files could not be had. No variant carries credentials, and texts that come
/// from a server are stripped of control characters, of known secrets, and of anything over a few hundred characters.
///
/// Cheap to clone, because one fetch answers many.
#[derive(Debug, Clone, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Error {
    /// The address is not one that Tiphys talks to.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The settings of the repository do not fit together.
    #[error("the Repository for {url} is not usable: {problem}")]
    Configuration {
        /// The repository.
        url: String,
        /// What is wrong, and what to do about it.
        problem: String,
    },
    /// No such branch, tag or version.
    #[error("{url} has no {revision}; {hint}")]
    RevisionNotFound {
        /// The repository.
        url: String,
        /// What was asked for.
        revision: String,
        /// What to check.
        hint: String,
    },
    /// The repository has no commit.
    #[error("{url} is empty; push a first commit")]
    Empty {
        /// The repository.
        url: String,
    },
    /// A name that does not lead to a commit.
    #[error("{revision} of {url} is not a commit but a {kind}; name a branch, or a tag of a commit")]
    NotACommit {
        /// The repository.
        url: String,
        /// What was asked for.
        revision: String,
        /// What it is.
        kind: String,
    },
    /// The server does not have the repository, or does not admit it.
    #[error("{url} does not exist, or these credentials may not see it; check the address and the Secret")]
    RepositoryNotFound {
        /// The repository.
        url: String,
    },
    /// Credentials are missing or wrong.
    #[error(
        "{url} refused the credentials: {detail}; check the Secret that secretRef of the Repository names"
    )]
    Authentication {
        /// The repository.
        url: String,
        /// What the server said.
        detail: String,
    },
    /// The private key cannot be used.
    #[error(
        "the private key for {url} cannot be used: {detail}; check sshPrivateKey and sshPassphrase in the Secret"
    )]
    PrivateKey {
        /// The repository.
        url: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The ssh server is not one that we trust.
    #[error("{problem}; {advice}")]
    HostKey {
        /// What was found.
        problem: String,
        /// What to do.
        advice: String,
    },
    /// The certificate of the server is not one that we trust.
    #[error(
        "the certificate of {host} is not trusted: {detail}; \
         if the server uses a private authority, put its certificate into ca.crt of the Secret"
    )]
    Certificate {
        /// The server.
        host: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The server sends us elsewhere.
    #[error(
        "{url} redirects to another server ({detail}), which is not followed; \
         put the final address into the Repository if you trust it"
    )]
    Redirected {
        /// The repository.
        url: String,
        /// From where to where.
        detail: String,
    },
    /// More bytes than allowed.
    #[error(
        "{url} sent more than {} MiB, the limit of this Repository; \
         raise limits.repositoryMib or make the repository smaller", limit >> 20
    )]
    TooLarge {
        /// The repository.
        url: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// More branches and tags than we look at.
    #[error("{url} has more than {limit} branches and tags; delete some")]
    TooManyRefs {
        /// The repository.
        url: String,
        /// The limit, a count.
        limit: usize,
    },
    /// The server took too long.
    #[error(
        "{url} did not answer in full within {} s{}; check the server, or raise timeout of the Repository",
        limit.as_secs(),
        during.as_ref().map(|during| format!(" ({during})")).unwrap_or_default()
    )]
    TimedOut {
        /// The repository.
        url: String,
        /// The limit.
        limit: Duration,
        /// What it was about to do.
        during: Option<String>,
    },
    /// The worker that fetched needed more memory or CPU time than it may have.
    #[error("fetching {url} was stopped: {detail}")]
    Budget {
        /// The repository.
        url: String,
        /// Which limit.
        detail: String,
    },
    /// The server cannot be reached.
    #[error("{url} cannot be reached: {detail}; it will be tried again")]
    Unreachable {
        /// The repository.
        url: String,
        /// What the network said.
        detail: String,
    },
    /// The server answered with an error or with something that is not Git.
    #[error("{url} gave an answer that cannot be used: {detail}; it will be tried again")]
    Server {
        /// The repository.
        url: String,
        /// What it was.
        detail: String,
    },
    /// The mirror on our own disk cannot be read or written.
    #[error(
        "the mirror of {url} on disk failed: {detail}; check the volume of the cache, it will be tried again"
    )]
    Mirror {
        /// The repository.
        url: String,
        /// What failed.
        detail: String,
    },
    /// The directory of the mirrors cannot be read or written.
    #[serde(skip)]
    #[error("{operation} in the cache directory failed; check its volume and permissions")]
    Disk {
        /// What was tried.
        operation: String,
        /// What the operating system said.
        source: Arc<io::Error>,
    },
    /// The worker process failed.
    #[serde(skip)]
    #[error("the worker that talks to {url} failed")]
    Worker {
        /// The repository.
        url: String,
        /// What happened to it.
        source: Arc<tiphys_worker::Error>,
    },
    /// A proposal that is against the rules.
    #[error("no proposal was pushed to {url}: {problem}")]
    NotProposed {
        /// The repository.
        url: String,
        /// What is in the way, and what to do about it.
        problem: String,
    },
    /// The server does not take a branch.
    #[error("{url} did not take the branch {branch}: {detail}; check what it lets these credentials push")]
    PushRefused {
        /// The repository.
        url: String,
        /// The branch.
        branch: String,
        /// What the server said.
        detail: String,
    },
    /// A submodule could not be had.
    #[error("submodule {path}: {detail}")]
    Submodule {
        /// Where it lies.
        path: String,
        /// What went wrong.
        detail: String,
    },
}

/// What kind of trouble an [`Error`] is: whether, when and by whom it can be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// May be gone at the next attempt.
    Transient,
    /// The server or its administrator says no; new credentials or trust are needed.
    Forbidden,
    /// What was asked for is not there now; a push can change that.
    NotFound,
    /// The settings are wrong, or a limit is too low; only a change of them helps.
    Invalid,
}

impl Error {
    /// What kind of trouble this is.
    pub fn class(&self) -> Class {
        match self {
            Self::Url(_)
            | Self::Configuration { .. }
            | Self::PrivateKey { .. }
            | Self::Redirected { .. }
            | Self::TooLarge { .. }
            | Self::TooManyRefs { .. }
            | Self::Budget { .. }
            | Self::NotProposed { .. }
            | Self::Submodule { .. } => Class::Invalid,
            Self::RevisionNotFound { .. } | Self::Empty { .. } | Self::NotACommit { .. } => Class::NotFound,
            Self::RepositoryNotFound { .. }
            | Self::Authentication { .. }
            | Self::HostKey { .. }
            | Self::PushRefused { .. }
            | Self::Certificate { .. } => Class::Forbidden,
            Self::TimedOut { .. }
            | Self::Unreachable { .. }
            | Self::Server { .. }
            | Self::Mirror { .. }
            | Self::Disk { .. }
            | Self::Worker { .. } => Class::Transient,
        }
    }
}

/// An error with its causes in one line, for those that are kept as text.
pub(crate) fn describe(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |it| it.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
