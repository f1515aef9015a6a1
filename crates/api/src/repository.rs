//! A source with its credentials.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::duration::Duration;

/// A Git repository with its credentials.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "tiphys.dev",
    version = "v1alpha1",
    kind = "Repository",
    plural = "repositories",
    category = "tiphys",
    namespaced,
    status = "RepositoryStatus",
    derive = "PartialEq",
    doc = "A Git repository with its credentials.",
    printcolumn(name = "URL", type_ = "string", json_path = ".spec.url"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        priority = 1,
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!self.url.startsWith('http://') || (has(self.insecure) && self.insecure)")
    .message("http:// sends everything in the clear: use https://, or set insecure: true (no credentials are ever sent then unless you do)"))]
pub struct RepositorySpec {
    /// `https://…`, `ssh://…`, `user@host:path`, or with `insecure: true` also `http://…`.
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = Rule::new("self.matches('^(https?|ssh)://[^/]') || self.matches('^[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:[^/:]')")
        .message("url must start with https:// or ssh://, or have the form user@host:path; local paths and other schemes are refused"))]
    #[x_kube(validation = Rule::new("!self.matches('^https?://[^/]*:[^/]*@')")
        .message("do not put a password into the url: put it into a Secret and name it in secretRef"))]
    pub url: String,
    /// Secret in this namespace with the credentials: `username` and `password`, or `bearerToken`, or
    /// `sshPrivateKey` (with `sshPassphrase`) and `knownHosts`; beside them `ca.crt` for a private authority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretReference>,
    /// Allows `http://`, and credentials over it.
    #[serde(default)]
    pub insecure: bool,
    /// Whether submodules are fetched. Otherwise a submodule inside a path that is rendered is an error.
    #[serde(default)]
    pub submodules: bool,
    /// Time between two looks for new revisions when no webhook tells of them.
    #[serde(default = "default_interval")]
    pub interval: Duration,
    /// The longest time that one fetch may take.
    #[serde(default = "default_timeout")]
    pub timeout: Duration,
    /// How large the repository and its files may be.
    #[serde(default)]
    pub limits: Limits,
    /// How webhooks of this repository are verified. Absent: they are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookSpec>,
    /// Lets a rollback propose to take the files back in Git, too: a branch with one commit is pushed, never to a branch
    /// that exists. Absent: nothing is ever written to the repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proposals: Option<ProposalsSpec>,
}

/// How rollbacks are proposed to a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProposalsSpec {
    /// What the names of branches begin with; `rollback/NAMESPACE/APPLICATION/SYNC` follows.
    #[serde(default = "default_prefix")]
    #[schemars(length(min = 1, max = 100))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9_][A-Za-z0-9_-]*(/[A-Za-z0-9_][A-Za-z0-9_-]*)*/$')")
        .message("branchPrefix must be made of letters, digits, - and _, and end with /, such as tiphys/"))]
    pub branch_prefix: String,
    /// Secret in this namespace with the credentials to push with, with the same keys as that of the Repository. Absent: that
    /// of the Repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretReference>,
}

fn default_prefix() -> String {
    "tiphys/".to_owned()
}

fn default_interval() -> Duration {
    Duration::from_secs(180)
}

fn default_timeout() -> Duration {
    Duration::from_secs(60)
}

/// A Secret in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretReference {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// How webhooks are verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookSpec {
    /// Secret in this namespace whose key `token` holds the shared secret.
    pub secret_ref: SecretReference,
}

/// How large a repository and its files may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Limits {
    /// Bytes that one fetch may receive, in MiB.
    #[schemars(range(min = 1, max = 65_536))]
    pub repository_mib: u32,
    /// Size of one file, in MiB.
    #[schemars(range(min = 1, max = 1_024))]
    pub file_mib: u32,
    /// Number of files below the path of an Application.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub files: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { repository_mib: 1_024, file_mib: 10, files: 100_000 }
    }
}

/// What we know about a Repository.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RepositoryStatus {
    /// `Ready`, and `Reconciling` or `Stalled` while true (kstatus).
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The generation of the spec that this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When something new was last fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetched_at: Option<Time>,
}
