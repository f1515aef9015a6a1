//! From a directory in a repository to a [`Rendering`]: the manifests that it gives, and their digest.
//!
//! A rendering is a pure function of the files that were read, the options, the release and the capabilities:
//! same inputs, same bytes, always. Three kinds of directories exist: plain manifests, Tera charts, and Helm charts.
//!
//! The entry point is [`Renderer`]. It owns the pool of Tera workers and the render cache.
//!
//! # Tera charts
//! `Chart.yaml`, `values.yaml`, an optional `values.schema.json`, `templates/**/*.tera` and `crds/`. Templates include,
//! extend and call components of each other by their path below `templates/`. Those whose base name starts with `_`
//! give no manifests of their own. The context of a template:
//!
//! | name | content |
//! |---|---|
//! | `values` | `values.yaml`, then the value files in order, then `values`, then `set` |
//! | `release` | `name`, `namespace`, `service` |
//! | `chart` | the content of `Chart.yaml` |
//! | `capabilities` | `kube_version.version`, `.major`, `.minor`; `api_versions` |
//! | `files` | the other files of the chart by path: text, or bytes when they are not UTF-8 |
//!
//! Filters beside Tera's own: `to_yaml`, `to_json`, `to_json_pretty`, `from_yaml`, `from_json`, `nindent`, `quote`,
//! `squote`, `b64encode`, `b64decode`, `sha256`, `required`, `default` (also for null), `merge`, `semver_matches`,
//! `trunc`, `trim_prefix`, `trim_suffix`, `lines`, `glob`, `as_config`, `as_secrets`. The function `fail` ends the
//! rendering with a message. Nothing tells the time, gives chance or reads the environment.
//!
//! # Helm charts
//! What Helm 4.3.1 makes of the chart (`tiphys-helm`), hooks and `crds/` included, in process. `.Release.IsInstall` is
//! always true: a rendering does not depend on what was applied before. `lookup` finds live objects where the request
//! has a [`Lookup`]; such a rendering is not cached. Passwords, keys and the time come from the [`Chance`] of the request.
//!
//! # Guarantees
//! - Tera templates, their value files and schemas are evaluated in a sealed worker process with limits of memory, CPU time,
//!   running time and output; see `tiphys-worker`.
//! - Nothing outside the tree is read.
//! - Errors name the file, the line and the chain of includes. They never show a value, and no line of a Secret.

mod cache;
mod chart;
mod detect;
mod directory;
mod error;
mod excerpt;
mod helm;
mod renderer;
mod rendering;
mod request;
mod tera;
pub mod worker;

pub use chart::{ChartError, Place, TemplateError, Violation};
pub use error::{Class, Error};
pub use renderer::{Counters, Renderer, RendererConfig};
pub use rendering::{Kind, Rendering, RenderingDigest};
pub use tiphys_helm::Lookup;
pub use tiphys_helm::chance::{Chance, Seed};

pub use request::{Capabilities, Options, Release, Request};
