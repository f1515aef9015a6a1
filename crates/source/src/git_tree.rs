//! The files of one commit, read straight from the mirror.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tiphys_tree::{Digest, DirEntry, Entry, EntryKind, Error as TreeError, Result, Tree, TreePath};

use crate::pack::{Kind, ObjectId, Objects, ReadError};
use crate::usage::InUse;
use crate::{CommitId, Error, disk};

/// Bytes of one directory in Git's form; some 700 000 entries. What is over it is not read.
const MAX_DIRECTORY_BYTES: u64 = 32 << 20;
/// Bytes of a commit with its message.
const MAX_COMMIT_BYTES: u64 = 1 << 20;
/// Bytes of the target of a link; Linux allows no more either.
const MAX_LINK_BYTES: u64 = 4096;
/// Entries of directories that are kept at hand. Reading file after file of one directory parses it once.
const MAX_CACHED_ENTRIES: usize = 50_000;

/// A [`Tree`] over a commit of a mirror. The mirror stays on disk for as long as it lives.
pub struct GitTree {
    commit: CommitId,
    root: ObjectId,
    /// Where this tree lies in the one that was asked for: not at the root if it is a submodule. For messages.
    place: TreePath,
    objects: Objects,
    directories: Mutex<HashMap<ObjectId, Arc<[RawEntry]>>>,
    submodules: BTreeMap<TreePath, Result<Arc<Self>, Error>>,
    _in_use: InUse,
}

#[derive(Debug, Clone)]
struct RawEntry {
    name: Box<[u8]>,
    kind: EntryKind,
    id: ObjectId,
}

impl GitTree {
    /// Opens the tree of a commit; `None` when the mirror does not have the commit.
    pub(crate) fn open(
        mirror: &Path,
        commit: CommitId,
        place: TreePath,
        in_use: InUse,
    ) -> Result<Option<Self>> {
        let objects = Objects::new(&disk::repository_in(mirror));
        let content = match objects.kind(commit.as_bytes()) {
            Ok(Kind::Commit) => objects.read(commit.as_bytes(), MAX_COMMIT_BYTES),
            Ok(_) | Err(ReadError::Missing) => return Ok(None),
            Err(error) => Err(error),
        };
        let content = content.map_err(|error| TreeError::storage(&place, error))?;
        let root = root_of(&content).ok_or_else(|| TreeError::Unreadable {
            path: place.clone(),
            reason: format!("commit {commit} is malformed in Git; check the repository with `git fsck`"),
        })?;
        Ok(Some(Self {
            commit,
            root,
            place,
            objects,
            directories: Mutex::default(),
            submodules: BTreeMap::new(),
            _in_use: in_use,
        }))
    }

    /// The commit that this is the tree of.
    pub fn commit(&self) -> CommitId {
        self.commit
    }

    /// The commit that a submodule at `path` stands for; `None` when there is no submodule.
    pub(crate) fn submodule_commit(&self, path: &TreePath) -> Result<Option<CommitId>> {
        let found = self.find(path)?.filter(|it| it.kind == EntryKind::Submodule);
        Ok(found.map(|it| CommitId::from_bytes(it.id)))
    }

    /// Puts the files of a submodule, or the reason why they are not there, at its place.
    pub(crate) fn mount(&mut self, path: TreePath, tree: Result<Arc<Self>, Error>) {
        self.submodules.insert(path, tree);
    }

    /// Whether everything that belongs to it is there.
    pub(crate) fn is_whole(&self) -> bool {
        self.submodules.values().all(|it| it.as_ref().is_ok_and(|tree| tree.is_whole()))
    }

    /// The submodule that `path` leads into, with the path inside it.
    fn submodule(&self, path: &TreePath) -> Result<Option<(&Self, TreePath)>> {
        for (place, tree) in &self.submodules {
            let Some(inside) = path.strip_prefix(place) else {
                continue;
            };
            return match tree {
                Ok(tree) => Ok(Some((tree, inside))),
                Err(error) => Err(TreeError::storage(&self.shown(place), error.clone())),
            };
        }
        Ok(None)
    }

    /// Goes down to `path`, without following links.
    fn find(&self, path: &TreePath) -> Result<Option<RawEntry>> {
        let mut found = RawEntry { name: Box::default(), kind: EntryKind::Directory, id: self.root };
        for component in path.components() {
            if found.kind != EntryKind::Directory {
                return Ok(None);
            }
            let directory = self.directory(found.id, path)?;
            match directory.binary_search_by(|it| (*it.name).cmp(component.as_bytes())) {
                Ok(index) => found = directory[index].clone(),
                Err(_) => return Ok(None),
            }
        }
        Ok(Some(found))
    }

    /// The entries of a directory object, sorted by the bytes of their names.
    fn directory(&self, id: ObjectId, path: &TreePath) -> Result<Arc<[RawEntry]>> {
        let lock = || self.directories.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entries) = lock().get(&id) {
            return Ok(Arc::clone(entries));
        }
        let content = self.object(id, path, MAX_DIRECTORY_BYTES)?;
        let reason = || "the directory is malformed in Git; check the repository with `git fsck`".to_owned();
        let malformed = || TreeError::Unreadable { path: self.shown(path), reason: reason() };
        let entries: Arc<[RawEntry]> = parse_directory(&content).ok_or_else(malformed)?.into();
        let mut cache = lock();
        if cache.values().map(|it| it.len()).sum::<usize>() + entries.len() > MAX_CACHED_ENTRIES {
            cache.clear();
        }
        cache.insert(id, Arc::clone(&entries));
        Ok(entries)
    }

    fn object(&self, id: ObjectId, path: &TreePath, limit: u64) -> Result<Vec<u8>> {
        self.objects.read(&id, limit).map_err(|error| self.explain(error, path, limit))
    }

    fn size(&self, id: ObjectId, path: &TreePath) -> Result<u64> {
        self.objects.size(&id).map_err(|error| self.explain(error, path, 0))
    }

    fn explain(&self, error: ReadError, path: &TreePath, limit: u64) -> TreeError {
        let path = self.shown(path);
        match error {
            ReadError::TooLarge { size } => TreeError::FileTooLarge { path, size, limit },
            ReadError::TooCostly { .. } => TreeError::Unreadable {
                path,
                reason: format!("{error}, too large to be held in memory; commit it anew in another form"),
            },
            ReadError::Missing | ReadError::Malformed { .. } | ReadError::Disk(_) => {
                TreeError::storage(&path, error)
            }
        }
    }

    fn shown(&self, path: &TreePath) -> TreePath {
        self.place.join(path.as_str()).unwrap_or_else(|_| path.clone())
    }
}

impl Tree for GitTree {
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>> {
        if let Some((tree, inside)) = self.submodule(path)? {
            return tree.entry(&inside);
        }
        let Some(found) = self.find(path)? else {
            return Ok(None);
        };
        Ok(Some(match found.kind {
            EntryKind::File => Entry::File { size: self.size(found.id, path)? },
            EntryKind::Directory => Entry::Directory,
            EntryKind::Submodule => Entry::Submodule,
            EntryKind::Symlink => {
                let target = self.object(found.id, path, MAX_LINK_BYTES)?;
                let target = String::from_utf8(target)
                    .map_err(|error| not_utf8(self.shown(path), error.as_bytes()))?;
                Entry::Symlink { target }
            }
        }))
    }

    fn list(&self, path: &TreePath) -> Result<Vec<DirEntry>> {
        if let Some((tree, inside)) = self.submodule(path)? {
            return tree.list(&inside);
        }
        let found = self.find(path)?.ok_or_else(|| TreeError::NotFound { path: self.shown(path) })?;
        if found.kind != EntryKind::Directory {
            return Err(TreeError::NotADirectory { path: self.shown(path) });
        }
        let directory = self.directory(found.id, path)?;
        let entries = directory.iter().map(|entry| {
            let name =
                std::str::from_utf8(&entry.name).map_err(|_| not_utf8(self.shown(path), &entry.name))?;
            let is_mounted =
                entry.kind == EntryKind::Submodule && self.submodules.contains_key(&path.child(name)?);
            let kind = if is_mounted { EntryKind::Directory } else { entry.kind };
            Ok(DirEntry { name: name.to_owned(), kind })
        });
        entries.collect()
    }

    fn read(&self, path: &TreePath, limit: u64) -> Result<Vec<u8>> {
        if let Some((tree, inside)) = self.submodule(path)? {
            return tree.read(&inside, limit);
        }
        let found = self.find(path)?.ok_or_else(|| TreeError::NotFound { path: self.shown(path) })?;
        if found.kind != EntryKind::File {
            return Err(TreeError::NotAFile { path: self.shown(path) });
        }
        self.object(found.id, path, limit)
    }

    fn digest(&self, path: &TreePath) -> Result<Option<Digest>> {
        if let Some((tree, inside)) = self.submodule(path)? {
            return tree.digest(&inside);
        }
        let found = self.find(path)?;
        Ok(found.map(|it| Digest::git_sha1(it.kind, it.id)))
    }
}

impl fmt::Debug for GitTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitTree").field("commit", &self.commit).finish_non_exhaustive()
    }
}

/// The directory that a commit is of. A commit begins with the line `tree <40 digits>`.
fn root_of(commit: &[u8]) -> Option<ObjectId> {
    let digits = commit.strip_prefix(b"tree ")?.get(..40)?;
    let id: CommitId = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(*id.as_bytes())
}

fn not_utf8(directory: TreePath, name: &[u8]) -> TreeError {
    TreeError::NameNotUtf8 { directory, name: String::from_utf8_lossy(name).into_owned() }
}

/// Reads a tree object: entries of `<mode in octal> <name>\0<20 bytes of id>`.
fn parse_directory(mut content: &[u8]) -> Option<Vec<RawEntry>> {
    let mut entries = Vec::new();
    while !content.is_empty() {
        let end_of_mode = content.iter().position(|it| *it == b' ')?;
        let mode = u32::from_str_radix(std::str::from_utf8(&content[..end_of_mode]).ok()?, 8).ok()?;
        content = &content[end_of_mode + 1..];
        let end_of_name = content.iter().position(|it| *it == 0)?;
        let (name, rest) = content.split_at(end_of_name);
        let id = *rest.get(1..21)?.first_chunk()?;
        content = &rest[21..];
        let kind = match mode & 0o170_000 {
            0o040_000 => EntryKind::Directory,
            0o120_000 => EntryKind::Symlink,
            0o160_000 => EntryKind::Submodule,
            0o100_000 => EntryKind::File,
            _ => return None,
        };
        entries.push(RawEntry { name: name.into(), kind, id });
    }
    // Git sorts directories as if their names ended with a slash.
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directory_objects() {
        let mut content = b"100644 a-b\0".to_vec();
        content.extend([1; 20]);
        content.extend(b"40000 a\0");
        content.extend([2; 20]);
        content.extend(b"120000 l\xff\0");
        content.extend([3; 20]);
        let entries = parse_directory(&content).unwrap();
        let shown: Vec<_> = entries.iter().map(|it| (&*it.name, it.kind)).collect();
        let expected: [(&[u8], EntryKind); 3] =
            [(b"a", EntryKind::Directory), (b"a-b", EntryKind::File), (b"l\xff", EntryKind::Symlink)];
        assert_eq!(shown, expected);
        for length in 1..content.len() {
            let whole = [31, 31 + 28].contains(&length);
            assert_eq!(parse_directory(&content[..length]).is_some(), whole, "{length}");
        }
        assert!(parse_directory(b"777 x\0aaaaaaaaaaaaaaaaaaaa").is_none());
        assert_eq!(parse_directory(b"").unwrap().len(), 0);
    }
}
