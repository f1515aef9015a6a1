//! A read-only view of files at one moment, independent of where they come from.
//!
//! `tiphys-source` produces trees (from Git objects), the CLI produces them from a local directory, and
//! `tiphys-render` reads them. This crate knows neither Git nor charts.
//!
//! - [`Tree`] is the raw interface that a storage offers: it never follows symbolic links.
//! - [`View`] is what a reader uses: it follows links inside the tree, refuses those that leave it, refuses
//!   Git LFS pointers and submodules without content, enforces [`Limits`], and records what was consulted.
//! - [`Inputs`] is that record. It answers "would the same inputs be read from this other tree?" without
//!   reading any file, which is how a commit that does not touch an Application renders nothing.
//! - [`MemoryTree`] and [`DirectoryTree`] are the trees that need nothing beside the standard library.

mod digest;
mod directory;
mod error;
mod inputs;
mod memory;
mod path;
mod tree;
mod view;

pub use digest::Digest;
pub use directory::DirectoryTree;
pub use error::{Class, Error, Result};
pub use inputs::Inputs;
pub use memory::MemoryTree;
pub use path::{PathError, TreePath};
pub use tree::{DirEntry, Entry, EntryKind, Tree};
pub use view::{Kind, Limits, View};

/// The digest of a directory of a tree that has no ids of its own: a Merkle hash over its entries.
pub(crate) fn tree_digest(tree: &dyn Tree, path: &TreePath) -> Result<Digest> {
    let mut children = Vec::new();
    for entry in tree.list(path)? {
        let digest = tree.digest(&path.child(&entry.name)?)?;
        children.push((entry.name, digest));
    }
    let children = children.iter().map(|(name, digest)| (name.as_str(), *digest));
    Ok(Digest::of_children(EntryKind::Directory, children))
}
