//! The directory of the mirrors: who may look into it, what lies where.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::RemoteKey;

/// Begins the names of directories that are being removed.
const DOOMED: &str = "removing-";

/// Makes a directory that only we can enter, with those above it.
pub(crate) fn create_private(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// The bare repository of a mirror.
pub(crate) fn repository_in(mirror: &Path) -> PathBuf {
    mirror.join("git")
}

/// The directory that contains all mirrors.
#[derive(Debug)]
pub(crate) struct CacheDirectory {
    path: PathBuf,
    /// Mixed into the names of the mirrors. It lives as long as they do.
    salt: Vec<u8>,
}

impl CacheDirectory {
    /// Opens the directory, making it when there is none, and finishes removals that were interrupted.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        create_private(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
        for (name, path) in directories(path)? {
            if name.starts_with(DOOMED) {
                fs::remove_dir_all(path)?;
            }
        }
        Ok(Self { path: path.to_owned(), salt: read_salt(&path.join("salt"))? })
    }

    pub(crate) fn salt(&self) -> &[u8] {
        &self.salt
    }

    pub(crate) fn mirror(&self, key: RemoteKey) -> PathBuf {
        self.path.join(key.to_string())
    }

    /// The mirrors that are there.
    pub(crate) fn mirrors(&self) -> io::Result<Vec<RemoteKey>> {
        Ok(directories(&self.path)?.into_iter().filter_map(|(name, _)| RemoteKey::parse(&name)).collect())
    }

    /// Takes a mirror away; what is left to do is [`remove_doomed`], which takes longer.
    pub(crate) fn doom(&self, key: RemoteKey) -> io::Result<PathBuf> {
        let doomed = self.path.join(format!("{DOOMED}{key}"));
        if doomed.exists() {
            fs::remove_dir_all(&doomed)?;
        }
        fs::rename(self.mirror(key), &doomed)?;
        Ok(doomed)
    }
}

/// Removes what [`CacheDirectory::doom`] took away.
pub(crate) fn remove_doomed(doomed: &Path) -> io::Result<()> {
    fs::remove_dir_all(doomed)
}

fn directories(path: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
        }
    }
    Ok(found)
}

fn read_salt(path: &Path) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Ok(salt) if salt.len() == 32 => return Ok(salt),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut salt = vec![0; 32];
    fs::File::open("/dev/urandom")?.read_exact(&mut salt)?;
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?.write_all(&salt)?;
    Ok(salt)
}
