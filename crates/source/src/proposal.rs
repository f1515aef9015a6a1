//! The only thing that is ever written to a server: a branch that proposes to take files back to what they were.

use serde::{Deserialize, Serialize};

use crate::{CommitId, Revision};

/// Proposes to take files back to what they were at an earlier commit.
///
/// The same proposal for the same commit of the tracked branch is the same commit, so that it can be made again after a
/// crash without making another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// The commit whose files are wanted back.
    pub to: CommitId,
    /// Files and directories that are taken back, as paths in the repository. Empty text: everything.
    pub paths: Vec<String>,
    /// The branch that gets the commit, without `refs/heads/`. It must not exist.
    pub branch: String,
    /// The message of the commit. It tells this proposal from others.
    pub message: String,
    /// The date of the commit, in seconds since 1970.
    pub date: i64,
}

/// What became of a [`Proposal`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Proposed {
    /// Its branch is there, now or since an earlier try.
    Pushed {
        /// The commit on it.
        commit: CommitId,
    },
    /// The tracked branch has the files as they were, so there is nothing to propose.
    Unneeded {
        /// What it holds.
        at: Revision,
    },
}
