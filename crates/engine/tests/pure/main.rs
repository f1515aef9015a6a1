//! The pure half of the engine against files: a new case is a new file under `tests/data`.

mod data;
mod diff;
mod fields;
mod health;
mod ignore;
mod laws;
mod migrate;
mod plan;
mod scope;
mod server;
mod snapshot;
mod tracking;
