//! The mirror on disk, from the side that writes it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use git2::{ErrorCode, ObjectType, Repository, RepositoryInitOptions};

use super::Failure;
use super::session::Depth;
use crate::wire::Request;
use crate::{CommitId, disk};

/// Every commit that is wanted has a reference `refs/tiphys/<commit>`: it says that the commit is there completely, and
/// tells the server what we have.
const PINS: &str = "refs/tiphys/";
/// From so many packs on, they are put together.
const MAX_PACKS: usize = 32;

/// One mirror: a bare repository without branches, and beside it the home directory of the worker.
pub(super) struct Store {
    repository: Repository,
    home: PathBuf,
}

impl Store {
    /// Opens the mirror, making it when there is none, and removes what a killed worker has left.
    pub(super) fn open(directory: &Path) -> Result<Self, Failure> {
        let git = disk::repository_in(directory);
        let home = directory.join("home");
        disk::create_private(&home).map_err(|error| Failure::disk(&error))?;
        if git.join("HEAD").is_file() {
            remove_leftovers(&git).map_err(|error| Failure::disk(&error))?;
            let repository = Repository::open_bare(&git).map_err(|error| Failure::damaged(&error))?;
            return Ok(Self { repository, home });
        }
        disk::create_private(&git).map_err(|error| Failure::disk(&error))?;
        let mut options = RepositoryInitOptions::new();
        options.bare(true).external_template(false).no_reinit(false);
        let repository = Repository::init_opts(&git, &options).map_err(|error| Failure::local(&error))?;
        Ok(Self { repository, home })
    }

    /// Throws away what is there and begins again.
    pub(super) fn create_anew(directory: &Path) -> Result<Self, Failure> {
        match fs::remove_dir_all(disk::repository_in(directory)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Failure::disk(&error)),
            _ => Self::open(directory),
        }
    }

    pub(super) fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Gives libgit2 the host keys of this request to choose by, and makes them its home. See [`super::HOME`].
    /// Whether the key is trusted is decided elsewhere.
    pub(super) fn write_known_hosts(&self, request: &Request) -> Result<(), Failure> {
        std::env::set_current_dir(&self.home).map_err(|error| Failure::disk(&error))?;
        let Some(known_hosts) = &request.known_hosts else {
            return Ok(());
        };
        let known_hosts = crate::known_hosts::KnownHosts::parse(known_hosts)
            .map_err(|problem| Failure::Error(request.configuration_error(&problem)))?;
        disk::create_private(Path::new(".ssh")).map_err(|error| Failure::disk(&error))?;
        fs::write(".ssh/known_hosts", known_hosts.plain_lines(&request.host, request.port))
            .map_err(|error| Failure::disk(&error))
    }

    /// Lets libgit2 take whatever key the server has.
    pub(super) fn forget_known_hosts(&self) -> Result<(), Failure> {
        fs::write(self.home.join(".ssh/known_hosts"), "").map_err(|error| Failure::disk(&error))
    }

    /// Whether the mirror has only the tips of histories.
    pub(super) fn is_shallow(&self) -> bool {
        self.repository.is_shallow()
    }

    /// How the next fetch goes: a mirror that once needed the whole history stays that way.
    pub(super) fn depth(&self) -> Depth {
        let has_pins = self.repository.path().join(PINS).read_dir().is_ok_and(|mut it| it.next().is_some());
        if has_pins && !self.is_shallow() { Depth::Full } else { Depth::Tip }
    }

    /// Whether a commit is there completely.
    pub(super) fn has(&self, commit: CommitId) -> bool {
        self.repository.find_reference(&format!("{PINS}{commit}")).is_ok()
    }

    /// The type of an object, or `None` when it is not there.
    pub(super) fn kind(&self, id: CommitId) -> Result<Option<ObjectType>, Failure> {
        let oid = id.to_oid().map_err(|error| Failure::local(&error))?;
        let odb = self.repository.odb().map_err(|error| Failure::damaged(&error))?;
        match odb.read_header(oid) {
            Ok((_, kind)) => Ok(Some(kind)),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(Failure::damaged(&error)),
        }
    }

    /// Notes that a commit is there completely.
    pub(super) fn pin(&self, commit: CommitId) -> Result<(), Failure> {
        let oid = commit.to_oid().map_err(|error| Failure::local(&error))?;
        self.repository
            .reference(&format!("{PINS}{commit}"), oid, true, "")
            .map_err(|error| Failure::damaged(&error))?;
        Ok(())
    }

    /// Puts the packs together when there are many, and forgets all commits but those in `keep`.
    ///
    /// The new pack is complete before the first old one goes, so a reader always finds its objects.
    pub(super) fn tidy(&self, keep: &BTreeSet<CommitId>) -> Result<(), Failure> {
        let old = packs(self.repository.path()).map_err(|error| Failure::disk(&error))?;
        if old.len() < MAX_PACKS {
            return Ok(());
        }
        let kept: Vec<_> = keep.iter().copied().filter(|commit| self.has(*commit)).collect();
        let new = self.write_pack(&kept).map_err(|error| Failure::damaged(&error))?;
        for reference in
            self.repository.references_glob(&format!("{PINS}*")).map_err(|error| Failure::damaged(&error))?
        {
            let mut reference = reference.map_err(|error| Failure::damaged(&error))?;
            let commit = reference.name().ok().and_then(|it| it.strip_prefix(PINS)?.parse::<CommitId>().ok());
            if !commit.is_some_and(|it| keep.contains(&it)) {
                reference.delete().map_err(|error| Failure::damaged(&error))?;
            }
        }
        for index in old.into_iter().filter(|it| Some(it) != new.as_ref()) {
            // The index goes first: without it nobody looks into the pack.
            fs::remove_file(&index).map_err(|error| Failure::disk(&error))?;
            fs::remove_file(index.with_extension("pack")).map_err(|error| Failure::disk(&error))?;
        }
        Ok(())
    }

    /// Writes a pack with the commits and all that they need; gives the path of its index.
    fn write_pack(&self, commits: &[CommitId]) -> Result<Option<PathBuf>, git2::Error> {
        let mut builder = self.repository.packbuilder()?;
        builder.set_threads(1);
        if self.is_shallow() {
            for commit in commits {
                builder.insert_commit(commit.to_oid()?)?;
            }
        } else {
            let mut walk = self.repository.revwalk()?;
            for commit in commits {
                walk.push(commit.to_oid()?)?;
            }
            builder.insert_walk(&mut walk)?;
        }
        if builder.object_count() == 0 {
            return Ok(None);
        }
        let directory = self.repository.path().join("objects/pack");
        builder.write(&directory, 0o400)?;
        let name = builder.name()?.unwrap_or_default().to_owned();
        Ok(Some(directory.join(format!("pack-{name}.idx"))))
    }
}

/// The indexes of all packs.
fn packs(git: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(git.join("objects/pack")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let paths = entries.map(|entry| entry.map(|it| it.path())).collect::<io::Result<Vec<_>>>()?;
    Ok(paths.into_iter().filter(|it| it.extension().is_some_and(|it| it == "idx")).collect())
}

/// Removes locks and half-written packs. Only one worker at a time works in a mirror, so all of them are stale.
fn remove_leftovers(git: &Path) -> io::Result<()> {
    for directory in ["", "refs/tiphys", "objects/pack"] {
        let entries = match fs::read_dir(git.join(directory)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_lock = path.extension().is_some_and(|it| it == "lock");
            // A pack without an index was cut off, or is an old one whose removal was.
            let is_lone_pack =
                path.extension().is_some_and(|it| it == "pack") && !path.with_extension("idx").exists();
            if is_lock || is_lone_pack || name.contains("_git2_") {
                fs::remove_file(&path)?;
            }
        }
    }
    Ok(())
}
