//! Tiphys as a whole: real control plane, real Git server, the real controller under the rights that are shipped.
//!
//! One controller serves all tests of this program; each test has namespaces and a repository of its own. Tests that
//! break the control plane or the controller are in `../faults`.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "two test programs share it, and each uses a part")]
mod support;

mod admission;
mod bad_input;
mod bad_sources;
mod bystander;
mod charts;
mod deletion;
mod depends_on;
mod drift;
mod failure;
mod fields;
mod fights;
mod flows;
mod guards;
mod handover;
mod health;
mod hooks;
mod impersonation;
mod modes;
mod notifications;
mod plan;
mod policies;
mod projects;
mod promises;
mod proposals;
mod secrets;
mod tenancy;
mod time_travel;
mod traces;
mod traps;
mod webhooks;
mod windows;
