//! A bare repository that a test fills.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::run;
use crate::kit;

/// A bare repository on disk. Everything that changes it does so at once, as if it had been pushed.
///
/// `HEAD` is `main`. Commits have a fixed author; their dates go up by a second each, so the same steps give the same
/// commit ids. Like the big forges it serves any commit by its id, and partial clones.
pub struct TestRepo {
    path: PathBuf,
    url: String,
    _scratch: Option<TempDir>,
}

impl TestRepo {
    /// Makes an empty repository in a temporary folder, served by nobody.
    pub fn create() -> Self {
        let scratch = kit::scratch("repo");
        let path = scratch.path().join("repo.git");
        let url = format!("file://{}", path.display());
        Self { _scratch: Some(scratch), ..Self::create_at(path, url) }
    }

    /// Makes an empty repository in a folder of a server.
    pub(super) fn create_at(path: PathBuf, url: String) -> Self {
        std::fs::create_dir_all(&path).expect("a folder can be made");
        run(&path, &["init", "--quiet", "--bare", "--template=", "--initial-branch=main", "."], b"");
        for (key, value) in [
            ("uploadpack.allowAnySHA1InWant", "true"),
            ("uploadpack.allowFilter", "true"),
            ("http.receivepack", "true"),
            ("gc.auto", "0"),
        ] {
            run(&path, &["config", key, value], b"");
        }
        Self { path, url, _scratch: None }
    }

    /// The bare repository on disk.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a client finds it: `http://127.0.0.1:…/acme/deploy.git` for a repository of a
    /// [`GitServer`](crate::GitServer), `file://…` for one that nobody serves.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Begins a commit on top of this branch, which is made when it is not there yet.
    pub fn commit(&self, branch: &str) -> Commit<'_> {
        Commit {
            repo: self,
            branch: branch.to_owned(),
            message: "Change".to_owned(),
            author: "Test Author <author@example.com>".to_owned(),
            orphan: false,
            changes: Vec::new(),
        }
    }

    /// Commits one file to a branch and gives the commit id: the shortest way to a change.
    pub fn commit_file(&self, branch: &str, path: &str, content: impl AsRef<[u8]>) -> String {
        self.commit(branch).write(path, content).finish()
    }

    /// The commit id of a branch, tag or any other revision. Panics when there is none.
    #[track_caller]
    pub fn id(&self, revision: &str) -> String {
        run(&self.path, &["rev-parse", "--verify", &format!("{revision}^{{commit}}")], b"")
    }

    /// Makes a branch or moves it to any revision, forced: what `git push --force` does.
    pub fn set_branch(&self, branch: &str, revision: &str) {
        let id = self.id(revision);
        run(&self.path, &["update-ref", &format!("refs/heads/{branch}"), &id], b"");
    }

    /// Deletes a branch.
    pub fn delete_branch(&self, branch: &str) {
        run(&self.path, &["update-ref", "-d", &format!("refs/heads/{branch}")], b"");
    }

    /// Makes a lightweight tag, or moves it.
    pub fn tag(&self, tag: &str, revision: &str) {
        let id = self.id(revision);
        run(&self.path, &["update-ref", &format!("refs/tags/{tag}"), &id], b"");
    }

    /// Makes an annotated tag, or replaces it, and gives the id of the tag object (not of the commit).
    pub fn annotated_tag(&self, tag: &str, revision: &str, message: &str) -> String {
        let identity = ["-c", "user.name=Test Author", "-c", "user.email=author@example.com"];
        let arguments = ["tag", "--force", "--annotate", "--message", message, tag, revision];
        run(&self.path, &[&identity[..], &arguments[..]].concat(), b"");
        run(&self.path, &["rev-parse", &format!("refs/tags/{tag}")], b"")
    }

    /// Deletes a tag.
    pub fn delete_tag(&self, tag: &str) {
        run(&self.path, &["update-ref", "-d", &format!("refs/tags/{tag}")], b"");
    }

    /// Lets `HEAD` name another branch, there or not.
    pub fn set_head(&self, branch: &str) {
        run(&self.path, &["symbolic-ref", "HEAD", &format!("refs/heads/{branch}")], b"");
    }

    /// Packs objects and refs, as a forge does when it tidies up.
    pub fn pack(&self) {
        run(&self.path, &["gc", "--quiet"], b"");
    }

    /// Runs any other git command in the repository and gives what it printed.
    #[track_caller]
    pub fn git(&self, arguments: &[&str]) -> String {
        run(&self.path, arguments, b"")
    }

    /// The date of the next commit, in seconds since 1970: one second after the newest on any branch.
    fn next_date(&self) -> u64 {
        let format = [
            "for-each-ref",
            "--sort=-committerdate",
            "--count=1",
            "--format=%(committerdate:unix)",
            "refs/heads",
        ];
        run(&self.path, &format, b"").parse().map_or(1_700_000_000, |newest: u64| newest + 1)
    }
}

enum Change {
    File { path: String, mode: &'static str, content: Vec<u8> },
    Link { path: String, commit: String },
    Delete { path: String },
    DeleteAll,
}

/// A commit in the making; [`Self::finish`] makes it.
#[must_use = "nothing is committed before finish()"]
pub struct Commit<'a> {
    repo: &'a TestRepo,
    branch: String,
    message: String,
    author: String,
    orphan: bool,
    changes: Vec<Change>,
}

impl Commit<'_> {
    /// Writes a file. The path may hold any character but NUL.
    pub fn write(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.file(path, "100644", content.as_ref())
    }

    /// Writes an executable file.
    pub fn write_executable(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.file(path, "100755", content.as_ref())
    }

    /// Writes a symlink with any target, good or bad.
    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.file(path, "120000", target.as_bytes())
    }

    /// Writes a submodule entry; `.gitmodules` is a file to be written like any other.
    pub fn submodule(mut self, path: &str, commit: &str) -> Self {
        self.changes.push(Change::Link { path: path.to_owned(), commit: commit.to_owned() });
        self
    }

    /// Writes all files below a folder of this machine to a folder of the repository (`""` is its top).
    pub fn write_folder(mut self, path: &str, folder: impl AsRef<Path>) -> Self {
        let folder = folder.as_ref();
        let entries =
            std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut entries: Vec<_> = entries.map(|it| it.expect("a folder can be read").path()).collect();
        entries.sort();
        for entry in entries {
            let name = entry.file_name().expect("an entry has a name").to_string_lossy().into_owned();
            let target = if path.is_empty() { name } else { format!("{path}/{name}") };
            self = if entry.is_dir() {
                self.write_folder(&target, &entry)
            } else {
                let content =
                    std::fs::read(&entry).unwrap_or_else(|error| panic!("{}: {error}", entry.display()));
                self.write(&target, content)
            };
        }
        self
    }

    /// Deletes a file or a folder.
    pub fn delete(mut self, path: &str) -> Self {
        self.changes.push(Change::Delete { path: path.to_owned() });
        self
    }

    /// Deletes everything that is there; what is written after this stays.
    pub fn delete_all(mut self) -> Self {
        self.changes.push(Change::DeleteAll);
        self
    }

    /// Sets the message, by default `Change`.
    pub fn message(mut self, message: &str) -> Self {
        message.clone_into(&mut self.message);
        self
    }

    /// Sets author and committer, in the form `Name <mail>`.
    pub fn author(mut self, author: &str) -> Self {
        author.clone_into(&mut self.author);
        self
    }

    /// Makes it the only commit of its branch: history is rewritten, as by a force-push.
    pub fn orphan(mut self) -> Self {
        self.orphan = true;
        self
    }

    /// Makes the commit, moves the branch, and gives the commit id.
    #[track_caller]
    pub fn finish(self) -> String {
        let reference = format!("refs/heads/{}", self.branch);
        let exists = !run(&self.repo.path, &["for-each-ref", &reference], b"").is_empty();
        let date = self.repo.next_date();
        let mut stream = Vec::new();
        let mut text = |line: String| stream.extend_from_slice(line.as_bytes());
        text(format!("commit {reference}\ncommitter {} {date} +0000\n", self.author));
        text(format!("data {}\n{}\n", self.message.len(), self.message));
        if exists && !self.orphan {
            text(format!("from {reference}^0\n"));
        }
        for change in &self.changes {
            write_change(&mut stream, change);
        }
        if !exists || self.orphan {
            // fast-import goes on from the branch in the repository unless it is told otherwise.
            let reset = format!("reset {reference}\n\n").into_bytes();
            stream.splice(0..0, reset);
        }
        run(&self.repo.path, &["fast-import", "--quiet", "--force", "--date-format=raw"], &stream);
        self.repo.id(&reference)
    }

    fn file(mut self, path: &str, mode: &'static str, content: &[u8]) -> Self {
        self.changes.push(Change::File { path: path.to_owned(), mode, content: content.to_owned() });
        self
    }
}

fn write_change(stream: &mut Vec<u8>, change: &Change) {
    let line = match change {
        Change::File { path, mode, content } => {
            let head = format!("M {mode} inline {}\ndata {}\n", quoted(path), content.len());
            stream.extend_from_slice(head.as_bytes());
            stream.extend_from_slice(content);
            "\n".to_owned()
        }
        Change::Link { path, commit } => format!("M 160000 {commit} {}\n", quoted(path)),
        Change::Delete { path } => format!("D {}\n", quoted(path)),
        Change::DeleteAll => "deleteall\n".to_owned(),
    };
    stream.extend_from_slice(line.as_bytes());
}

/// A path as fast-import reads it, in C style.
fn quoted(path: &str) -> String {
    let escaped = path.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}
