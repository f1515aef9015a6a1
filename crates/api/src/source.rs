//! Where an Application's manifests come from and how they are rendered.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A directory in a repository at a revision, and how to render it.
///
/// At most one of `helm`, `tera` and `directory` is set. With none the kind is detected: a directory with
/// `Chart.yaml` is a chart, any other is plain manifests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.helm), has(self.tera), has(self.directory)].filter(x, x).size() <= 1")
    .message("set at most one of helm, tera and directory: a source is rendered in one way"))]
pub struct Source {
    /// URL of a Git repository (`https://…` or `ssh://…`), or the name of a Repository in this namespace.
    #[schemars(length(min = 1, max = 1024))]
    pub repo: String,
    /// Branch, tag, commit or semver range over tags (such as `>=1.2 <2`). Absent: the repository's default branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub revision: Option<String>,
    /// Directory inside the repository.
    #[serde(default = "root_path")]
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = Rule::new("!self.startsWith('/') && !self.split('/').exists(part, part == '..')")
        .message("path is relative to the repository and cannot leave it: remove the leading / or the .."))]
    pub path: String,
    /// How to render a Helm chart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub helm: Option<HelmSource>,
    /// How to render a Tera chart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tera: Option<TeraSource>,
    /// How to read plain manifests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<DirectorySource>,
}

fn root_path() -> String {
    ".".to_owned()
}

/// Options of a Helm chart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HelmSource {
    /// `.Release.Name`. Absent: the Application's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 53))]
    pub release_name: Option<String>,
    /// Value files relative to the chart, later ones win. Globs are allowed; they may lie elsewhere in the
    /// repository (`../common.yaml`), never outside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub value_files: Vec<String>,
    /// Whether a value file that does not exist is passed over instead of being an error.
    #[serde(default)]
    pub ignore_missing_value_files: bool,
    /// Values that win over the value files.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schemars(schema_with = "any_object")]
    pub values: Map<String, Value>,
    /// Single values that win over everything, each as `path.to.key=value` in the grammar of `helm --set`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub set: Vec<String>,
    /// Kubernetes version that templates see. Absent: the destination cluster's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kube_version: Option<String>,
    /// API versions that templates see beside those of the destination cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub api_versions: Vec<String>,
    /// Whether the chart's `crds/` are left out.
    #[serde(default)]
    pub skip_crds: bool,
    /// Whether hooks of the event `test` are left out.
    #[serde(default)]
    pub skip_tests: bool,
}

/// Options of a Tera chart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TeraSource {
    /// `release.name`. Absent: the Application's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 53))]
    pub release_name: Option<String>,
    /// Value files relative to the chart, later ones win. They may lie elsewhere in the repository
    /// (`../common.yaml`), never outside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub value_files: Vec<String>,
    /// Values that win over the value files.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schemars(schema_with = "any_object")]
    pub values: Map<String, Value>,
    /// Single values that win over everything, each as `path.to.key=value` in the grammar of `helm --set`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub set: Vec<String>,
}

/// Options of a directory of plain manifests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DirectorySource {
    /// Whether directories below are read too.
    #[serde(default)]
    pub recurse: bool,
    /// Globs of the files to read, relative to the path. Empty: all `*.yaml`, `*.yml` and `*.json`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub include: Vec<String>,
    /// Globs of files to leave out; they win over `include`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub exclude: Vec<String>,
}

fn any_object(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}
