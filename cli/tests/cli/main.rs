//! The program `tiphys` as a person runs it, against a real control plane.
//!
//! No controller runs here: where a command waits for one, the test writes the status that the controller would.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail as tests do"
)]

mod applications;
mod charts;
mod check;
mod create;
mod delete;
mod diff;
mod errors;
mod history;
mod local;
mod plan;
mod render;
mod support;
mod suspend;
mod sync;
mod terminal;
mod wait;
