//! A tree in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{Digest, DirEntry, Entry, EntryKind, Error, Result, Tree, TreePath};

/// A tree whose files are held in memory: what a worker gets over its pipe, and what tests build.
/// Directories exist because files lie in them. Cloning shares the content.
#[derive(Debug, Clone, Default)]
pub struct MemoryTree {
    nodes: BTreeMap<TreePath, Node>,
}

#[derive(Debug, Clone)]
enum Node {
    File(Arc<[u8]>),
    Symlink(String),
    Submodule,
}

impl MemoryTree {
    /// A tree with an empty root.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a file at `path`, in place of what was there.
    /// Fails when a directory lies there or a file lies where a directory would have to be.
    pub fn insert(&mut self, path: &TreePath, content: impl Into<Arc<[u8]>>) -> Result<()> {
        self.put(path, Node::File(content.into()))
    }

    /// Puts a symbolic link at `path`, under the rules of [`MemoryTree::insert`].
    pub fn insert_symlink(&mut self, path: &TreePath, target: impl Into<String>) -> Result<()> {
        self.put(path, Node::Symlink(target.into()))
    }

    /// Puts a submodule without content at `path`, under the rules of [`MemoryTree::insert`].
    pub fn insert_submodule(&mut self, path: &TreePath) -> Result<()> {
        self.put(path, Node::Submodule)
    }

    /// Builds a tree of files from pairs of path and content.
    pub fn from_files<P, C>(files: impl IntoIterator<Item = (P, C)>) -> Result<Self>
    where
        P: AsRef<str>,
        C: Into<Vec<u8>>,
    {
        let mut tree = Self::new();
        for (path, content) in files {
            tree.insert(&TreePath::parse(path.as_ref())?, content.into())?;
        }
        Ok(tree)
    }

    fn put(&mut self, path: &TreePath, node: Node) -> Result<()> {
        if path.is_root() || self.has_children(path) {
            return Err(Error::NotAFile { path: path.clone() });
        }
        if let Some(path) = path.ancestors().find(|ancestor| self.nodes.contains_key(ancestor)) {
            return Err(Error::NotADirectory { path });
        }
        self.nodes.insert(path.clone(), node);
        Ok(())
    }

    fn has_children(&self, path: &TreePath) -> bool {
        self.below(path).next().is_some()
    }

    /// All nodes below a directory, with their paths relative to it.
    fn below(&self, path: &TreePath) -> impl Iterator<Item = (TreePath, &Node)> {
        self.nodes
            .range(path.clone()..)
            // A name such as `a-b` sorts between `a` and `a/b`, so the range is not ended by the first stranger.
            .take_while(|(key, _)| key.as_str().starts_with(path.as_str()))
            .filter_map(|(key, node)| key.strip_prefix(path).map(|relative| (relative, node)))
            .filter(|(relative, _)| !relative.is_root())
    }
}

impl Node {
    fn kind(&self) -> EntryKind {
        match self {
            Self::File(_) => EntryKind::File,
            Self::Symlink(_) => EntryKind::Symlink,
            Self::Submodule => EntryKind::Submodule,
        }
    }
}

impl Tree for MemoryTree {
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>> {
        Ok(match self.nodes.get(path) {
            Some(Node::File(content)) => Some(Entry::File { size: content.len() as u64 }),
            Some(Node::Symlink(target)) => Some(Entry::Symlink { target: target.clone() }),
            Some(Node::Submodule) => Some(Entry::Submodule),
            None => (path.is_root() || self.has_children(path)).then_some(Entry::Directory),
        })
    }

    fn list(&self, path: &TreePath) -> Result<Vec<DirEntry>> {
        match self.entry(path)? {
            Some(Entry::Directory) => {}
            Some(_) => return Err(Error::NotADirectory { path: path.clone() }),
            None => return Err(Error::NotFound { path: path.clone() }),
        }
        let mut entries = BTreeMap::new();
        for (relative, node) in self.below(path) {
            let mut components = relative.components();
            let (Some(name), deeper) = (components.next(), components.next().is_some()) else {
                continue;
            };
            entries.insert(name.to_owned(), if deeper { EntryKind::Directory } else { node.kind() });
        }
        Ok(entries.into_iter().map(|(name, kind)| DirEntry { name, kind }).collect())
    }

    fn read(&self, path: &TreePath, limit: u64) -> Result<Vec<u8>> {
        match self.nodes.get(path) {
            Some(Node::File(content)) if content.len() as u64 <= limit => Ok(content.to_vec()),
            Some(Node::File(content)) => {
                Err(Error::FileTooLarge { path: path.clone(), size: content.len() as u64, limit })
            }
            Some(_) => Err(Error::NotAFile { path: path.clone() }),
            None if path.is_root() || self.has_children(path) => Err(Error::NotAFile { path: path.clone() }),
            None => Err(Error::NotFound { path: path.clone() }),
        }
    }

    fn digest(&self, path: &TreePath) -> Result<Option<Digest>> {
        Ok(Some(match self.nodes.get(path) {
            Some(Node::File(content)) => Digest::of(EntryKind::File, content),
            Some(Node::Symlink(target)) => Digest::of(EntryKind::Symlink, target.as_bytes()),
            Some(Node::Submodule) => Digest::of(EntryKind::Submodule, b""),
            None if path.is_root() || self.has_children(path) => crate::tree_digest(self, path)?,
            None => return Ok(None),
        }))
    }
}
