//! Content ids.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::EntryKind;

/// An opaque id of the content of one entry: a file, a link, or a directory with everything below it.
///
/// Two entries of trees of one kind with equal digests have equal content. Digests of different kinds of trees
/// (Git and local directory) never compare equal, even for equal content: that costs a rendering, never correctness.
/// The kind of the entry is part of the digest, because a Git blob has one id whether it is a file or a link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    kind: EntryKind,
    scheme: Scheme,
    /// Shorter ids are padded with zeros; `scheme` says how many bytes count.
    bytes: [u8; 32],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Scheme {
    GitSha1,
    Sha256,
}

impl Digest {
    /// The digest of a Git object of the given kind, by its SHA-1 object id.
    pub fn git_sha1(kind: EntryKind, id: [u8; 20]) -> Self {
        let mut bytes = [0; 32];
        bytes[..20].copy_from_slice(&id);
        Self { kind, scheme: Scheme::GitSha1, bytes }
    }

    /// The digest of content that was hashed with SHA-256.
    pub fn sha256(kind: EntryKind, bytes: [u8; 32]) -> Self {
        Self { kind, scheme: Scheme::Sha256, bytes }
    }

    /// The kind of the entry that this is the digest of.
    pub fn kind(&self) -> EntryKind {
        self.kind
    }

    /// The bytes of the id itself: 20 for Git, 32 for SHA-256.
    pub fn as_bytes(&self) -> &[u8] {
        match self.scheme {
            Scheme::GitSha1 => &self.bytes[..20],
            Scheme::Sha256 => &self.bytes,
        }
    }

    /// The SHA-256 digest of `content`.
    pub(crate) fn of(kind: EntryKind, content: &[u8]) -> Self {
        Self::sha256(kind, Sha256::digest(content).into())
    }

    /// The digest of a list of digests by name: how a directory gets its own from those of its entries.
    pub(crate) fn of_children<'a>(
        kind: EntryKind,
        children: impl IntoIterator<Item = (&'a str, Option<Self>)>,
    ) -> Self {
        let mut hasher = Sha256::new();
        for (name, digest) in children {
            hasher.update((name.len() as u64).to_le_bytes());
            hasher.update(name);
            match digest {
                Some(digest) => {
                    hasher.update([digest.kind as u8 + 1, digest.scheme as u8]);
                    hasher.update(digest.bytes);
                }
                None => hasher.update([0, 0]),
            }
        }
        Self::sha256(kind, hasher.finalize().into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.scheme {
            Scheme::GitSha1 => "git:",
            Scheme::Sha256 => "sha256:",
        })?;
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {self}", self.kind)
    }
}
