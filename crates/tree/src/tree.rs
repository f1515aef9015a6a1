//! The interface that a storage of files offers.

use crate::{Digest, Result, TreePath};

/// Raw, read-only access to the files of one revision. Use a [`View`](crate::View) to read charts from it.
///
/// Contract for implementations:
/// - The content never changes: the same question has the same answer for as long as the tree lives.
///   (A local directory can break this; nothing here depends on it for safety.)
/// - Symbolic links are never followed: a path through a link does not exist, a link itself is an entry.
/// - The root is a [`Entry::Directory`].
pub trait Tree: Send + Sync {
    /// What lies at `path`, or `None` when nothing does.
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>>;

    /// The entries of the directory at `path`, sorted by the bytes of their names.
    /// Fails with [`Error::NotFound`](crate::Error::NotFound) or
    /// [`Error::NotADirectory`](crate::Error::NotADirectory) when there is none.
    fn list(&self, path: &TreePath) -> Result<Vec<DirEntry>>;

    /// The content of the file at `path`. A file of more than `limit` bytes fails with
    /// [`Error::FileTooLarge`](crate::Error::FileTooLarge) before it is held in memory.
    fn read(&self, path: &TreePath, limit: u64) -> Result<Vec<u8>>;

    /// The content id of what lies at `path` (for a directory, of everything below it), or `None` when nothing does.
    fn digest(&self, path: &TreePath) -> Result<Option<Digest>>;
}

/// What lies at a path of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A regular file.
    File {
        /// Size of the content in bytes.
        size: u64,
    },
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink {
        /// Where it points, as stored: relative to the directory of the link, or absolute.
        target: String,
    },
    /// A Git submodule whose content is not part of this tree.
    Submodule,
}

impl Entry {
    /// The kind of this entry, without its details.
    pub fn kind(&self) -> EntryKind {
        match self {
            Self::File { .. } => EntryKind::File,
            Self::Directory => EntryKind::Directory,
            Self::Symlink { .. } => EntryKind::Symlink,
            Self::Submodule => EntryKind::Submodule,
        }
    }
}

/// The kind of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A Git submodule whose content is not part of this tree.
    Submodule,
}

/// One entry of a directory. Only the kind is given, because sizes and link targets cost a look-up each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// The name, a single path component.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
}
