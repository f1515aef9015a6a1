//! Helm charts, in process and bounded: what Helm 4.3.1 makes of a chart, byte for byte.
//!
//! No cluster and no repository is known here. A chart is a set of files, a rendering is a pure function of these files,
//! the values, the release, the capabilities, and what [`chance`] and a lookup of live objects give.
//!
//! The template language itself is the crate `gotemplate`; [`functions`] adds what Helm gives its templates.

pub mod chance;
pub mod functions;
mod host;
pub mod value;
