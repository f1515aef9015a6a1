//! The pure half of the engine against files: a new case is a new file under `tests/data`.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests may panic as tests may"
)]

mod checks;
mod compare;
mod data;
mod dependencies;
mod diff;
mod drift;
mod fields;
mod health;
mod hooks;
mod ignore;
mod laws;
mod migrate;
mod modes;
mod order;
mod plan;
mod quota;
mod scope;
mod server;
mod snapshot;
mod structural;
mod tracking;
mod windows;
