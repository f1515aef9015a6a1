//! The guard rails of a tenant.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::guards::GuardLimits;

/// The guard rails of a tenant: what Applications of this Project may read and where they may write.
///
/// Lives in the installation's own namespace. Without an object named `default` the Project `default` is open
/// to Applications of the installation's namespace.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "tiphys.dev",
    version = "v1alpha1",
    kind = "Project",
    plural = "projects",
    category = "tiphys",
    namespaced,
    derive = "PartialEq",
    doc = "The guard rails of a tenant: what Applications of this Project may read and where they may write.",
    printcolumn(name = "Description", type_ = "string", json_path = ".spec.description"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase", default)]
pub struct ProjectSpec {
    /// What it is for.
    #[schemars(length(max = 1024))]
    pub description: String,
    /// Globs of repository URLs that may be read.
    #[schemars(length(max = 200))]
    pub sources: Vec<String>,
    /// Where objects may be written.
    #[schemars(length(max = 200))]
    pub destinations: Vec<AllowedDestination>,
    /// Cluster-wide kinds that may be written. Empty: none.
    #[schemars(length(max = 200))]
    pub cluster_kinds: Vec<AllowedKind>,
    /// Globs of other namespaces whose Applications may use this Project, and so get what it grants.
    #[schemars(length(max = 200))]
    pub namespaces: Vec<String>,
    /// From how much deleting on a Sync has to be confirmed. Applications can be stricter, not looser.
    #[serde(skip_serializing_if = "GuardLimits::is_default")]
    pub guards: GuardLimits,
}

impl Default for ProjectSpec {
    fn default() -> Self {
        Self {
            description: String::new(),
            sources: vec!["*".to_owned()],
            destinations: vec![AllowedDestination::default()],
            cluster_kinds: vec![AllowedKind::default()],
            namespaces: Vec::new(),
            guards: GuardLimits::default(),
        }
    }
}

/// Clusters and namespaces that may be written to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AllowedDestination {
    /// Glob of cluster names.
    #[schemars(length(max = 63))]
    pub cluster: String,
    /// Glob of namespaces.
    #[schemars(length(max = 63))]
    pub namespace: String,
}

impl Default for AllowedDestination {
    fn default() -> Self {
        Self { cluster: "*".to_owned(), namespace: "*".to_owned() }
    }
}

/// Kinds that may be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AllowedKind {
    /// Glob of API groups; empty is the core group.
    #[schemars(length(max = 253))]
    pub group: String,
    /// Glob of kinds.
    #[schemars(length(max = 63))]
    pub kind: String,
}

impl Default for AllowedKind {
    fn default() -> Self {
        Self { group: "*".to_owned(), kind: "*".to_owned() }
    }
}
