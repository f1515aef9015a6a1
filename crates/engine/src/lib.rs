//! Brings a cluster to a rendering: live cache, diff, plan, apply, prune, health, snapshots.
//!
//! One half of this crate is pure and knows no client: [`tracking`], [`fields`], [`health`], [`ignore`], [`modes`],
//! [`migrate`], [`diff`], [`order`], [`plan`], [`hooks`], [`quota`], [`scope`], [`snapshot`], [`drift`], [`history`], [`windows`],
//! [`dependencies`]. The other half talks to the API server.

pub mod apply;
mod backoff;
pub mod cel;
pub mod check;
mod cluster;
mod compressed;
mod definition;
pub mod delete;
pub mod dependencies;
pub mod diff;
mod digest;
pub mod discovery;
pub mod drift;
mod error;
pub mod fields;
pub mod glob;
pub mod health;
pub mod history;
pub mod hooks;
pub mod ignore;
mod inventory;
pub mod live;
mod live_object;
pub mod look;
pub mod migrate;
pub mod modes;
pub mod order;
pub mod place;
pub mod plan;
pub mod quota;
pub mod requests;
pub mod scope;
pub mod snapshot;
pub mod snapshots;
pub mod structural;
mod task;
pub mod tracking;
pub mod windows;

pub use cluster::{Cluster, client};
pub use digest::{Digest, InvalidDigest};
pub use error::{Class, Error, Operation};
pub use inventory::{Inventory, InventoryEntry};
pub use live_object::{LiveObject, identify};
pub use task::Task;
