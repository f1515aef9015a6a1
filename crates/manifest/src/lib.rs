//! A Kubernetes object as data: identity, YAML streams in and out, kind order, quantities, masking of secrets.
//!
//! Nothing here talks to a cluster, a repository or a template engine; everything is a pure function of its
//! arguments, bounded by explicit [`yaml::Limits`].
//!
//! * [`stream::read`] turns a file into [`Manifest`]s that remember their [`Origin`].
//! * [`yaml`] reads and writes YAML the way Kubernetes and Helm do (go-yaml v2 semantics).
//! * [`order`] says in which order kinds are applied and pruned.
//! * [`mask`] makes views of objects that are safe to show and impossible to apply.
//! * [`quantity`] compares resource quantities by value.

mod error;
mod id;
mod manifest;
mod origin;

pub mod mask;
pub mod order;
pub mod quantity;
pub mod stream;
pub mod yaml;

pub use error::{Error, ObjectProblem};
pub use id::{GroupVersionKind, ObjectId};
pub use manifest::Manifest;
pub use origin::Origin;
