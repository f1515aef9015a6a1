//! What an Application waits for before it goes on.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Another Application that must be ready before a new revision of this one is synced by itself.
///
/// When both read the same branch of the same repository, the other one must also have applied the revision that is
/// to be synced, or that revision must not have changed it. What a person asks for, rollbacks and corrections of
/// drift do not wait. It is an order of Syncs only: nothing is deleted in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Dependency {
    /// Its name.
    #[schemars(length(min = 1, max = 52))]
    pub name: String,
    /// Its namespace. Absent: this one. Another namespace must be allowed by the Project, in `spec.dependencies`,
    /// unless this Application is in the installation's own namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
    /// When it counts as ready, in CEL over the two Applications: `dep` is the other one, `self` is this one, each
    /// with `metadata`, `spec` and `status`; of one in another namespace there is no `spec`. A field that is not there
    /// makes it not hold. Absent: it is Ready, which it is when it is synced and healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub ready: Option<String>,
}
