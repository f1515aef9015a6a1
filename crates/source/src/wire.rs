//! What the controller and its Git workers say to each other.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::credentials::Authentication;
use crate::{CommitId, Error, Proposal, Proposed, Revision, RevisionSpec, Scheme};

/// One look at a server, with a fetch of what is wanted and not there.
#[derive(Serialize, Deserialize)]
pub(crate) struct Request {
    /// The directory of the mirror; nobody else works in it meanwhile.
    pub(crate) directory: PathBuf,
    /// The address for libgit2.
    pub(crate) address: String,
    /// The address for people.
    pub(crate) url: String,
    pub(crate) scheme: Scheme,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) authentication: Authentication,
    pub(crate) known_hosts: Option<String>,
    pub(crate) certificate_authority: Option<String>,
    pub(crate) max_bytes: u64,
    /// What the Applications ask for.
    pub(crate) wants: Vec<RevisionSpec>,
    /// Commits that must stay readable, whatever the server has now.
    pub(crate) keep: Vec<CommitId>,
    pub(crate) upkeep: Upkeep,
    /// What is to be pushed, beside all that.
    pub(crate) revert: Option<Revert>,
}

/// A proposal, and what is tracked: its branch is what the proposal is made for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Revert {
    pub(crate) tracked: RevisionSpec,
    pub(crate) proposal: Proposal,
}

/// Whether the worker may also tidy up the mirror, which takes time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Upkeep {
    /// Somebody waits for the answer.
    No,
    /// There is time.
    IfNeeded,
}

/// What was found and fetched.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    /// A hash over the names and ids of all branches and tags.
    pub(crate) refs_digest: String,
    /// One answer for each of the wants. The commits of the good ones are in the mirror.
    pub(crate) answers: Vec<Result<Revision, Error>>,
    /// Bytes that were received in packs.
    pub(crate) received_bytes: u64,
    /// Packs that were fetched.
    pub(crate) fetches: u32,
    /// What became of the proposal, if there was one.
    pub(crate) proposed: Option<Result<Proposed, Error>>,
}

impl Request {
    /// Settings that the owner should have refused already.
    pub(crate) fn configuration_error(&self, problem: &str) -> Error {
        Error::Configuration { url: self.url.clone(), problem: problem.to_owned() }
    }
}
