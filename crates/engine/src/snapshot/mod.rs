//! What a Sync applied, packed to be kept.

mod pages;

use std::fmt;

use serde::{Deserialize, Serialize};
use tiphys_manifest::Manifest;

use crate::error::Error;
use crate::inventory::Inventory;
use crate::plan::Plan;

pub use pages::{PAGE_BYTES, Page, PageProblem};

/// The rendering that a Sync applied and the inventory after it: enough to go back without Git or a registry.
#[derive(Clone, PartialEq)]
pub struct Snapshot {
    /// Name of the Application.
    pub application: String,
    /// Number of the Sync.
    pub number: u64,
    /// Revision that was rendered.
    pub revision: String,
    /// Digest of the rendering.
    pub rendering: String,
    /// The objects.
    pub manifests: Vec<Manifest>,
    /// What was applied by this Sync and those before it, and not pruned yet.
    pub inventory: Inventory,
    /// What templates saw of the cluster.
    pub capabilities: Capabilities,
}

/// What templates saw of the cluster when a snapshot was rendered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    /// Version of the API server, such as `v1.36.3`.
    pub kube_version: String,
}

impl Snapshot {
    /// Packs it into pages, each small enough for one Secret.
    pub fn pack(&self) -> Result<Vec<Page>, Error> {
        todo!()
    }

    /// Reads it back from its pages, in any order.
    pub fn unpack(pages: &[Page]) -> Result<Self, Error> {
        let _ = pages;
        todo!()
    }
}

impl Plan {
    /// Packs it into pages, each small enough for one Secret.
    pub fn pack(&self) -> Result<Vec<Page>, Error> {
        todo!()
    }

    /// Reads it back from its pages, in any order.
    pub fn unpack(pages: &[Page]) -> Result<Self, Error> {
        let _ = pages;
        todo!()
    }
}

impl fmt::Debug for Snapshot {
    /// Says whose it is; manifests may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("application", &self.application)
            .field("number", &self.number)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}
