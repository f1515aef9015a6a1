//! Git repositories to trees of files: one fetch per repository and change, however many Applications use it.
//!
//! - A [`Remote`] describes a repository with all that decides about access and trust; equal remotes share one mirror.
//! - [`Mirrors`] keeps a bare mirror on disk for every remote that is [tracked](Mirrors::track), asks its server at an
//!   interval, after a [`Mirrors::notify`], or when a [`Tracked`] is refreshed, and says what changed.
//! - A [`RevisionSpec`] (branch, tag, commit, range of versions) becomes a [`Revision`], and that a [`GitTree`], which
//!   is a [`tiphys_tree::Tree`] read straight from Git objects. There is no checkout.
//!
//! # Guarantees
//! - libgit2 runs in worker processes only: a server that hangs, sends one byte a second or attacks the library
//!   occupies a worker, which is killed at the deadline. Servers that do not answer cannot occupy all workers.
//! - Objects are read from the packs by code of our own, in memory that is bounded whatever the packs contain.
//! - http in the clear, unknown ssh hosts and invalid certificates are refused; redirects to another host are not
//!   followed; other schemes are errors.
//! - Credentials travel through the pipe of a worker only. No type that carries them prints them.
//! - A look at a server is one connection: what is wanted and new is fetched on it, without history where the server
//!   can do that.
//! - Nothing is pushed but a [`Proposal`], and that never to a branch that exists.
//!
//! # Invariants
//! This crate knows neither charts nor clusters.

mod credentials;
mod disk;
mod error;
mod git_tree;
mod known_hosts;
mod mirror;
mod mirrors;
mod pack;
mod proposal;
mod range;
mod remote;
mod revision;
mod schedule;
mod submodules;
mod tracked;
mod url;
mod usage;
mod wire;
mod worker;

pub use credentials::{Credentials, Secret};
pub use error::{Class, Error, Result};
pub use git_tree::GitTree;
pub use mirrors::{Config, Counters, Mirrors, RepositoryChanged, Status, pool_config};
pub use proposal::{Proposal, Proposed};
pub use range::{RangeError, VersionRange};
pub use remote::{Remote, RemoteKey, Submodules, Transport};
pub use revision::{CommitId, ParseError, Revision, RevisionSpec};
pub use tracked::Tracked;
pub use url::{RemoteUrl, Scheme, UrlError};
pub use worker::{ROLE, serve};
