//! The result of a rendering.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tiphys_manifest::Manifest;
use tiphys_tree::Inputs;

/// The manifests that a directory gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendering {
    /// The manifests: those of `crds/` first, then by file, then by place in the file. No object comes twice.
    pub manifests: Vec<Manifest>,
    /// Equal for equal manifests in equal order.
    pub digest: RenderingDigest,
    /// What was read of the tree. A tree in which none of it has changed gives the same rendering.
    pub inputs: Inputs,
    /// What the directory turned out to be.
    pub kind: Kind,
    /// What is allowed but hardly meant, one sentence each.
    pub warnings: Vec<String>,
}

/// What a directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Plain manifests.
    Directory,
    /// A chart with Tera templates.
    Tera,
    /// A chart with Go templates.
    Helm,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Directory => "directory",
            Self::Tera => "Tera chart",
            Self::Helm => "Helm chart",
        })
    }
}

/// The SHA-256 over the canonical JSON of all manifests, in order. Where they come from is not part of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RenderingDigest([u8; 32]);

impl RenderingDigest {
    /// The digest of `manifests`.
    pub fn of(manifests: &[Manifest]) -> Self {
        let mut hasher = Sha256::new();
        for manifest in manifests {
            // The mappings of serde_json are sorted by key in this workspace, which makes the text canonical.
            // `Display` cannot fail on a value that JSON can express.
            let json = serde_json::to_vec(manifest.object()).unwrap_or_default();
            hasher.update((json.len() as u64).to_le_bytes());
            hasher.update(&json);
        }
        Self(hasher.finalize().into())
    }
}

impl fmt::Display for RenderingDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", Hex(&self.0))
    }
}

/// Bytes as hexadecimal digits.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RenderingDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
