//! The guard rails of a tenant.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::guards::GuardLimits;
use crate::window::ProjectWindow;

/// The guard rails of a tenant: what Applications of this Project may read and where they may write.
///
/// Lives in the installation's own namespace. Without an object named `default` the Project `default` is open
/// to Applications of the installation's namespace; with one it allows what that says.
///
/// What it grants is for Applications of the installation's namespace and of `namespaces`. What it takes away (`denied…`
/// and the rules about ServiceAccounts) holds for every Application that names it.
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
    /// Namespaced kinds that may be written. Empty: none.
    #[schemars(length(max = 200))]
    pub namespaced_kinds: Vec<AllowedKind>,
    /// Globs of repository URLs that may not be read, whatever `sources` says.
    #[schemars(length(max = 200))]
    pub denied_sources: Vec<String>,
    /// Where nothing may be written, whatever `destinations` says.
    #[schemars(length(max = 200))]
    pub denied_destinations: Vec<AllowedDestination>,
    /// Kinds that may not be written, whatever `clusterKinds` and `namespacedKinds` say.
    #[schemars(length(max = 200))]
    pub denied_kinds: Vec<AllowedKind>,
    /// Globs of other namespaces whose Applications may use this Project, and so get what it grants.
    #[schemars(length(max = 200))]
    pub namespaces: Vec<String>,
    /// When Syncs of its Applications run by themselves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub sync_windows: Vec<ProjectWindow>,
    /// Globs of Applications of other namespaces, as `namespace/name`, that its Applications may name in
    /// `spec.dependsOn`. Whoever may name an Application learns whether it exists, whether it is ready, and its status.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub dependencies: Vec<String>,
    /// The ServiceAccount, in the namespace of the Application, whose rights an Application has that names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"))]
    pub default_service_account_name: Option<String>,
    /// Globs of the names of ServiceAccounts that Applications may use.
    #[schemars(length(max = 200))]
    pub service_accounts: Vec<String>,
    /// Whether an Application must use a ServiceAccount, its own or the default one, and never has the rights of the
    /// controller.
    pub require_service_account: bool,
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
            namespaced_kinds: vec![AllowedKind::default()],
            denied_sources: Vec::new(),
            denied_destinations: Vec::new(),
            denied_kinds: Vec::new(),
            namespaces: Vec::new(),
            sync_windows: Vec::new(),
            dependencies: Vec::new(),
            default_service_account_name: None,
            service_accounts: vec!["*".to_owned()],
            require_service_account: false,
            guards: GuardLimits::default(),
        }
    }
}

/// Clusters and namespaces.
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

/// Kinds of objects.
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
