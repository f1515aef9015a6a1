//! What the tests of this crate share.
#![allow(dead_code, reason = "every test program uses a part")]

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;
use tiphys_source::{Config, Mirrors, Remote, RemoteUrl, Revision, RevisionSpec, Tracked, Transport};
use tiphys_tests::TestRepo;
use tiphys_tree::{Tree, TreePath};

/// Mirrors in a directory of their own.
pub struct Fixture {
    pub mirrors: Mirrors,
    pub directory: TempDir,
}

pub fn config(directory: &TempDir) -> Config {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_tiphys-source-probe"));
    Config { keep_unused: Duration::ZERO, ..Config::new(directory.path().join("mirrors"), program) }
}

impl Fixture {
    pub fn new() -> Self {
        Self::with_workers(8)
    }

    pub fn with_workers(size: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = config(&directory);
        config.workers.size = NonZeroUsize::new(size).unwrap();
        Self { mirrors: Mirrors::open(config).unwrap(), directory }
    }

    pub fn track(&self, repo: &TestRepo, spec: &str) -> Tracked {
        self.mirrors.track(&remote(repo), &RevisionSpec::parse(spec)).unwrap()
    }

    /// The mirrors on disk.
    pub fn on_disk(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.directory.path().join("mirrors")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.is_dir()).collect()
    }

    /// The packs of the only mirror.
    pub fn packs(&self) -> Vec<PathBuf> {
        let [mirror] = self.on_disk().try_into().unwrap();
        let entries = std::fs::read_dir(mirror.join("git/objects/pack")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.extension().is_some_and(|it| it == "pack")).collect()
    }
}

/// A remote that is asked only when a test wants it.
pub fn remote(repo: &TestRepo) -> Remote {
    Remote {
        transport: Transport::Insecure,
        interval: Duration::from_hours(1),
        timeout: Duration::from_secs(20),
        ..Remote::new(RemoteUrl::parse(repo.url()).unwrap())
    }
}

pub fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

/// The content of a file at a revision.
pub async fn read(tracked: &Tracked, revision: &Revision, file: &str) -> String {
    let tree = tracked.tree(revision).await.unwrap();
    String::from_utf8(tree.read(&path(file), 1 << 20).unwrap()).unwrap()
}

/// Refreshes, and reads a file of what was found.
pub async fn refreshed(tracked: &Tracked, file: &str) -> String {
    let revision = tracked.refresh().await.unwrap();
    read(tracked, &revision, file).await
}
