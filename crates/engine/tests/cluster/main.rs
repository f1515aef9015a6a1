//! The engine on a real control plane.

#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of tests may panic as tests may")]

mod app;
mod discovery;
mod hard;
mod hooks;
mod live;
mod ownership;
mod snapshots;
mod structural;
mod support;
mod sync;
mod total;
