//! Helm charts, in process and bounded: what Helm 4.3.1 makes of a chart, byte for byte.
//!
//! No cluster and no repository is known here. A chart is a set of files, a rendering is a pure function of these files,
//! the values, the release, the capabilities, and what [`chance`] and a lookup of live objects give.
//!
//! The template language itself is the crate `gotemplate`; [`functions`] adds what Helm gives its templates.

pub mod chance;
mod chart;
mod engine;
mod error;
mod failure;
pub mod functions;
mod host;
mod lookup;
mod objects;
mod render;
mod tree;
pub mod value;
mod values;

pub use chart::{Chart, Dependency, File, Maintainer, Metadata};
pub use error::{Error, Place};
pub use lookup::Lookup;
pub use objects::capabilities::{Capabilities, KubeVersion};
pub use render::{Options, Release, render_templates};
