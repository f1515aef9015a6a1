//! What Tiphys does when the ground shakes: the controller is killed, the API server fails, replicas change places.
//!
//! Each test has a control plane and controllers of its own.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "two test programs share it, and each uses a part")]
mod support;

mod across_replicas;
mod control_plane;
mod cost;
mod election;
mod ground;
mod hooks;
mod model;
mod notifications;
mod policies;
mod promises;
mod proposals;
mod proxy;
mod replicas;
mod rights;
mod shards;
