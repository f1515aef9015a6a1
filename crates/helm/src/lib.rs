//! Helm charts, in process and bounded: what Helm 4.3.1 makes of a chart, byte for byte.
//!
//! No cluster and no repository is known here. A chart is a set of files, a rendering is a pure function of these files,
//! the values, the release, the capabilities, and what [`chance`] and a lookup of live objects give.
//!
//! The template language itself is the crate `gotemplate`; [`functions`] adds what Helm gives its templates.

mod assembly;
pub mod chance;
mod chart;
mod engine;
mod error;
mod failure;
pub mod functions;
mod glob;
mod host;
mod limits;
pub mod lint;
mod lock;
mod lookup;
mod objects;
pub mod output;
mod recent;
pub mod release_name;
mod render;
mod schema;
pub mod show;
mod tree;
pub mod value;
mod values;

pub use assembly::{DeletePolicy, Event, HelmVersion, Hook, Manifest, OutputLogPolicy};
pub use chart::{
    Chart, Dependency, File, IgnoreRules, Maintainer, Metadata, files_of_directory, write_archive,
};
pub use error::{Error, Place};
pub use limits::Limits;
pub use lock::Lock;
pub use lookup::Lookup;
pub use objects::capabilities::{Capabilities, KubeVersion};
pub use render::{Options, Release, Rendering, Used, render, render_templates};
pub use values::{ReadFile, ValueFile, ValueSources};

/// Versions and constraints on them, as `semverCompare`, dependencies and `kubeVersion` read them.
pub use tiphys_version as semver;
