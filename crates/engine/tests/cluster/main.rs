//! The engine on a real control plane.

mod app;
mod discovery;
mod live;
mod ownership;
mod snapshots;
mod support;
mod sync;
