//! A Tera chart as data: what goes to the worker and what comes back.

mod error;
mod gather;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::request::{Capabilities, Release};

pub use error::{ChartError, Place, TemplateError, Violation};
pub(crate) use gather::{Chart, gather};

/// Everything that the evaluation of a chart depends on.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    /// `Chart.yaml`.
    pub(crate) chart: TextFile,
    /// `values.yaml`.
    pub(crate) values: Option<TextFile>,
    /// The value files of the options, in order.
    pub(crate) value_files: Vec<TextFile>,
    /// `values` of the options.
    pub(crate) inline_values: Map<String, Value>,
    /// `set` of the options.
    pub(crate) set: Vec<String>,
    /// `values.schema.json`.
    pub(crate) schema: Option<TextFile>,
    /// The path of `templates/`, to which the names that templates use for each other are relative.
    pub(crate) templates_directory: String,
    /// All templates, sorted by path.
    pub(crate) templates: Vec<TextFile>,
    /// The paths of those that give manifests, sorted.
    pub(crate) rendered: Vec<String>,
    /// The other files of the chart by their path in the chart; none when no template asks for them.
    pub(crate) files: BTreeMap<String, Content>,
    pub(crate) release: Release,
    pub(crate) capabilities: Capabilities,
    /// How many bytes all templates together may print.
    pub(crate) output_bytes: u64,
}

/// A text with its path in the repository.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TextFile {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The content of a file.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Content {
    Text(String),
    /// The bytes of a file that is not UTF-8, in base64.
    Base64(String),
}

/// What a chart gives.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Output {
    /// What each template printed.
    pub(crate) texts: Vec<Printed>,
    pub(crate) warnings: Vec<String>,
}

/// What one template printed.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Printed {
    pub(crate) template: String,
    pub(crate) text: String,
}
