//! The test kit: real parts to test Tiphys against, started on free ports and gone when the test ends.
//!
//! - [`Cluster`]: a real Kubernetes control plane, one for all tests; [`OwnCluster`] for tests that break it.
//! - [`TestNamespace`]: a namespace of this test alone.
//! - [`GitServer`], [`SshServer`], [`TestRepo`]: real Git over http, https and ssh, with faults and counters.
//! - [`Receiver`]: takes what it is sent over HTTP, and answers as a test says.
//! - [`FaultProxy`]: stands in front of the API server, counts requests and spoils those that a [`Rule`] names.
//! - [`Installation`], [`Controller`]: Tiphys as it is shipped, with exactly its rights.
//! - [`Process`]: a program of ours (or any other) under test.
//! - [`eventually`]: waits for a condition, with a deadline and a text that says what was seen last.
//!
//! Everything in here fails by panicking, as an assertion does: a test has nothing better to do with an error of its
//! own tools. Servers run on threads of the kit, so they also answer while a test blocks its own thread.
#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test kit fails the way an assertion does"
)]

mod access;
mod cluster;
mod git;
mod http;
mod installation;
mod kit;
mod namespace;
mod process;
mod proxy;
mod receiver;
mod serve;
mod tls;
mod wait;

pub use crate::access::{Access, Identity};
pub use crate::cluster::{Cluster, ClusterOptions, Component, OwnCluster};
pub use crate::git::repo::{Commit, TestRepo};
pub use crate::git::server::{Auth, GitFault, GitRequest, GitServer, Service};
pub use crate::git::ssh::{SshKey, SshKeyKind, SshServer};
pub use crate::git::webhook::Webhook;
pub use crate::http::{HttpResponse, http_get, http_post};
pub use crate::installation::{
    Controller, ControllerBuilder, Installation, WEBHOOK_SECRET, repository_manifests,
};
pub use crate::kit::blocking;
pub use crate::namespace::TestNamespace;
pub use crate::process::{Process, ProcessBuilder, Usage, program, usage_of};
pub use crate::proxy::FaultProxy;
pub use crate::proxy::record::{RecordedRequest, Verb};
pub use crate::proxy::rule::{After, Fault, Rule, RuleId, WatchEnd};
pub use crate::receiver::{Received, Receiver};
pub use crate::tls::{CertificateFor, TestCertificate};
pub use crate::wait::{NotInTime, eventually, eventually_blocking, within};
