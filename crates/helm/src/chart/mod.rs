//! A chart as it was loaded.

mod archive;
mod budget;
mod compiled;
mod decode;
mod directory;
mod ignore;
mod kept;
mod load;
mod metadata;

use std::sync::Arc;

pub(crate) use archive::files_of_archive;
pub use archive::write_archive;
pub(crate) use compiled::Place as CompiledPlace;
pub(crate) use decode::Fields;
use serde_json::{Map, Value};

pub use directory::files_of_directory;
pub use ignore::IgnoreRules;
pub use metadata::{Dependency, Maintainer, Metadata};

use crate::schema::Schema;

/// A file of a chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The path in the chart, with `/` between its parts.
    pub path: Arc<str>,
    /// What is in it.
    pub data: Arc<[u8]>,
}

impl File {
    /// A file with its path in the chart.
    pub fn new(path: impl Into<Arc<str>>, data: impl Into<Arc<[u8]>>) -> Self {
        Self { path: path.into(), data: data.into() }
    }
}

/// A chart with its subcharts.
///
/// Clones are cheap and share everything, also between threads.
#[derive(Clone, Debug)]
pub struct Chart {
    data: Arc<Data>,
}

#[derive(Debug, Default)]
struct Data {
    metadata: Metadata,
    values: Map<String, Value>,
    values_text: Option<Arc<[u8]>>,
    schema: Option<Schema>,
    templates: Vec<File>,
    files: Vec<File>,
    dependencies: Vec<Chart>,
    compiled: compiled::Compiled,
}

impl Chart {
    /// What the chart says of itself.
    pub fn metadata(&self) -> &Metadata {
        &self.data.metadata
    }

    /// The default values, from `values.yaml`.
    pub fn values(&self) -> &Map<String, Value> {
        &self.data.values
    }

    /// The text of `values.yaml`.
    pub fn values_text(&self) -> Option<&Arc<[u8]>> {
        self.data.values_text.as_ref()
    }

    /// What `values.schema.json` says.
    pub(crate) fn schema(&self) -> Option<&Schema> {
        self.data.schema.as_ref()
    }

    /// The files below `templates/`.
    pub fn templates(&self) -> &[File] {
        &self.data.templates
    }

    /// The files below `templates/` under the path that the chart has in a rendering, as they were compiled so far.
    pub(crate) fn compiled_at(&self, path: &str) -> Arc<CompiledPlace> {
        self.data.compiled.at(path, &self.data.templates)
    }

    /// The files that have no other meaning, which templates see as `.Files`.
    pub fn files(&self) -> &[File] {
        &self.data.files
    }

    /// The charts in `charts/`, sorted by the names of their folders and archives.
    pub fn dependencies(&self) -> &[Chart] {
        &self.data.dependencies
    }

    /// The names of the charts that this one declares as dependencies and that are not in its `charts/`.
    pub fn missing_dependencies(&self) -> impl Iterator<Item = &str> {
        let is_there = |name: &str| self.dependencies().iter().any(|found| found.metadata().name == name);
        let declared = self.metadata().dependencies.iter().flatten();
        declared.map(|dependency| dependency.name.as_str()).filter(move |name| !is_there(name))
    }
}
