//! What a Sync applied, packed to be kept.
//!
//! A [`Snapshot`] (or, of a dry run, a [`Plan`]) is written as JSON, compressed with zstd, and cut into [`Page`]s of
//! which each fits into a Secret of less than 512 KiB. Every page carries the digest of the whole, so that pages of
//! different snapshots, missing ones and changed ones are found when they are read.

pub mod compare;
mod pages;

use std::fmt;

use serde::{Deserialize, Serialize};
use tiphys_manifest::{Manifest, Origin};

use crate::error::Error;
use crate::inventory::Inventory;
use crate::plan::Plan;
use pages::Content;

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
    /// Where it was applied, as `cluster/namespace`. Absent in snapshots of older versions.
    pub destination: Option<String>,
    /// What was read of the source that does not lie below the path of the Application, as paths in the repository. Empty in
    /// snapshots of older versions.
    pub files: Vec<String>,
}

/// What templates saw of the cluster when a snapshot was rendered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Capabilities {
    /// Version of the API server, such as `v1.36.3`.
    pub kube_version: String,
}

/// A snapshot as it is written. Its parts are owned when read and borrowed when written.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored<Text, Manifests, Inventory, Capabilities, Files> {
    application: Text,
    number: u64,
    revision: Text,
    rendering: Text,
    manifests: Manifests,
    inventory: Inventory,
    capabilities: Capabilities,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    destination: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    files: Option<Files>,
}

#[derive(Serialize, Deserialize)]
struct StoredManifest<Origin, Object> {
    origin: Origin,
    object: Object,
}

impl Snapshot {
    /// Packs it into pages, each small enough for one Secret.
    pub fn pack(&self) -> Result<Vec<Page>, Error> {
        let manifests: Vec<_> = self
            .manifests
            .iter()
            .map(|manifest| StoredManifest { origin: manifest.origin(), object: manifest.object() })
            .collect();
        let stored = Stored {
            application: &self.application,
            number: self.number,
            revision: &self.revision,
            rendering: &self.rendering,
            manifests,
            inventory: &self.inventory,
            capabilities: &self.capabilities,
            destination: self.destination.as_ref(),
            files: Some(&self.files).filter(|it| !it.is_empty()),
        };
        pages::write(Content::Snapshot, &stored)
    }

    /// Reads it back from its pages, in any order.
    pub fn unpack(pages: &[Page]) -> Result<Self, Error> {
        type Manifests = Vec<StoredManifest<Origin, serde_json::Value>>;
        type Owned = Stored<String, Manifests, Inventory, Capabilities, Vec<String>>;
        let stored: Owned = pages::read(Content::Snapshot, pages)?;
        let manifests: Result<_, _> =
            stored.manifests.into_iter().map(|it| Manifest::from_value(it.object, it.origin)).collect();
        Ok(Self {
            application: stored.application,
            number: stored.number,
            revision: stored.revision,
            rendering: stored.rendering,
            manifests: manifests.map_err(|error| {
                Content::Snapshot.unreadable(PageProblem::Unreadable { problem: error.to_string() })
            })?,
            inventory: stored.inventory,
            capabilities: stored.capabilities,
            destination: stored.destination,
            files: stored.files.unwrap_or_default(),
        })
    }
}

impl Plan {
    /// Packs it into pages, each small enough for one Secret.
    pub fn pack(&self) -> Result<Vec<Page>, Error> {
        pages::write(Content::Plan, self)
    }

    /// Reads it back from its pages, in any order.
    pub fn unpack(pages: &[Page]) -> Result<Self, Error> {
        pages::read(Content::Plan, pages)
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
