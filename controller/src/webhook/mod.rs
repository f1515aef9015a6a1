//! Webhooks of forges: a push is told, a repository is looked at at once.
//!
//! A webhook is never believed: it only chooses which of the repositories that Applications name is fetched now, and
//! only after its signature or token was checked against the Repository's Secret.

mod provider;
mod server;

pub use provider::{Proof, Provider, Push, Unreadable, parse, repository_name};
pub use server::{MAX_BODY, Receiver, Verdict, router};
