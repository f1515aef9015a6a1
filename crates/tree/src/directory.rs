//! A local directory as a tree.

use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::{Digest, DirEntry, Entry, EntryKind, Error, Result, Tree, TreePath};

/// A local directory, for `tiphys render DIR` and `tiphys diff --local DIR`.
///
/// Nothing outside the root is ever read: links are entries, not followed, and a path through a link does not
/// exist. Entries named `.git` are invisible. The directory belongs to the person at the keyboard; somebody who
/// swaps files while it is read gets what he asked for.
#[derive(Debug, Clone)]
pub struct DirectoryTree {
    root: PathBuf,
}

impl DirectoryTree {
    /// The tree below `root`, which must be an existing directory; it may itself be reached through links.
    pub fn open(root: &Path) -> Result<Self> {
        let at = TreePath::root();
        let root = fs::canonicalize(root).map_err(|source| Error::storage(&at, with_place(&source, root)))?;
        if !root.is_dir() {
            return Err(Error::NotADirectory { path: at });
        }
        Ok(Self { root })
    }

    /// Where `path` lies on disk and what is there, or `None` when nothing is, without following any link.
    fn locate(&self, path: &TreePath) -> Result<Option<(PathBuf, Metadata)>> {
        let mut place = self.root.clone();
        let mut metadata = metadata(&place, path)?;
        for component in path.components() {
            if component == ".git" || !metadata.as_ref().is_some_and(Metadata::is_dir) {
                return Ok(None);
            }
            place.push(component);
            metadata = self::metadata(&place, path)?;
        }
        Ok(metadata.map(|metadata| (place, metadata)))
    }
}

impl Tree for DirectoryTree {
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>> {
        let Some((place, metadata)) = self.locate(path)? else {
            return Ok(None);
        };
        Ok(Some(match kind_of(&metadata) {
            Some(EntryKind::Symlink) => Entry::Symlink { target: link_target(&place, path)? },
            Some(EntryKind::Directory) => Entry::Directory,
            Some(_) => Entry::File { size: metadata.len() },
            None => return Err(Error::NotRegular { path: path.clone() }),
        }))
    }

    fn list(&self, path: &TreePath) -> Result<Vec<DirEntry>> {
        let Some((place, metadata)) = self.locate(path)? else {
            return Err(Error::NotFound { path: path.clone() });
        };
        if !metadata.is_dir() {
            return Err(Error::NotADirectory { path: path.clone() });
        }
        let mut entries = Vec::new();
        for entry in fs::read_dir(&place).map_err(|source| Error::storage(path, source))? {
            let entry = entry.map_err(|source| Error::storage(path, source))?;
            let name = entry.file_name().into_string().map_err(|name| Error::NameNotUtf8 {
                directory: path.clone(),
                name: name.to_string_lossy().into_owned(),
            })?;
            if name == ".git" {
                continue;
            }
            let metadata = entry.metadata().map_err(|source| Error::storage(path, source))?;
            let Some(kind) = kind_of(&metadata) else {
                return Err(Error::NotRegular { path: path.child(&name)? });
            };
            entries.push(DirEntry { name, kind });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn read(&self, path: &TreePath, limit: u64) -> Result<Vec<u8>> {
        let Some((place, metadata)) = self.locate(path)? else {
            return Err(Error::NotFound { path: path.clone() });
        };
        if !metadata.is_file() {
            return Err(Error::NotAFile { path: path.clone() });
        }
        let too_large = |size| Error::FileTooLarge { path: path.clone(), size, limit };
        if metadata.len() > limit {
            return Err(too_large(metadata.len()));
        }
        let file = fs::File::open(&place).map_err(|source| Error::storage(path, source))?;
        let mut content = Vec::new();
        // One byte more than allowed, to notice a file that grew since its size was taken.
        file.take(limit.saturating_add(1))
            .read_to_end(&mut content)
            .map_err(|source| Error::storage(path, source))?;
        if content.len() as u64 > limit {
            return Err(too_large(content.len() as u64));
        }
        Ok(content)
    }

    fn digest(&self, path: &TreePath) -> Result<Option<Digest>> {
        let Some((place, metadata)) = self.locate(path)? else {
            return Ok(None);
        };
        Ok(Some(match kind_of(&metadata) {
            Some(EntryKind::Symlink) => Digest::of(EntryKind::Symlink, link_target(&place, path)?.as_bytes()),
            Some(EntryKind::Directory) => crate::tree_digest(self, path)?,
            Some(_) => {
                let mut file = fs::File::open(&place).map_err(|source| Error::storage(path, source))?;
                let mut hasher = Sha256::new();
                let mut buffer = vec![0; 64 * 1024];
                loop {
                    let count = file.read(&mut buffer).map_err(|source| Error::storage(path, source))?;
                    if count == 0 {
                        break;
                    }
                    hasher.update(&buffer[..count]);
                }
                Digest::sha256(EntryKind::File, hasher.finalize().into())
            }
            None => return Err(Error::NotRegular { path: path.clone() }),
        }))
    }
}

fn metadata(place: &Path, path: &TreePath) -> Result<Option<Metadata>> {
    match fs::symlink_metadata(place) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(source) => Err(Error::storage(path, source)),
    }
}

/// The kind of a file on disk; `None` for devices, sockets and pipes.
fn kind_of(metadata: &Metadata) -> Option<EntryKind> {
    let file_type = metadata.file_type();
    if file_type.is_file() {
        Some(EntryKind::File)
    } else if file_type.is_dir() {
        Some(EntryKind::Directory)
    } else if file_type.is_symlink() {
        Some(EntryKind::Symlink)
    } else {
        None
    }
}

fn link_target(place: &Path, path: &TreePath) -> Result<String> {
    let target = fs::read_link(place).map_err(|source| Error::storage(path, source))?;
    target.into_os_string().into_string().map_err(|target| Error::NameNotUtf8 {
        directory: path.clone(),
        name: target.to_string_lossy().into_owned(),
    })
}

fn with_place(source: &io::Error, place: &Path) -> io::Error {
    io::Error::new(source.kind(), format!("{}: {source}", place.display()))
}
