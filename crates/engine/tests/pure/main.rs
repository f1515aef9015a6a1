//! The pure half of the engine against files: a new case is a new file under `tests/data`.

mod data;
mod health;
mod plan;
mod server;
