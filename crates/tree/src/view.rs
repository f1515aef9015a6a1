//! What a reader of charts uses: links followed, limits kept, questions recorded.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use globset::GlobBuilder;

use crate::inputs::Question;
use crate::{DirEntry, Entry, EntryKind, Error, Inputs, PathError, Result, Tree, TreePath};

/// Links followed in one look-up before it counts as a loop; Linux uses the same number.
const MAX_LINKS: usize = 40;
/// Nested directories in one walk. Keeps the walk's stack small.
const MAX_DEPTH: usize = 100;
/// The first line of every Git LFS pointer, see the specification of Git LFS, version 1.
const LFS_HEADER: &[u8] = b"version https://git-lfs.github.com/spec/v1\n";
/// The Git LFS specification: a pointer is smaller than this many bytes.
const LFS_POINTER_MAX: usize = 1024;

/// A recording reader over a tree. Cheap to make; make one for each rendering.
///
/// - Symbolic links are followed inside the tree, at any component of a path; a link that is absolute or climbs
///   above the root is refused, loops are errors.
/// - Submodules without content and Git LFS pointers are errors that say what to do.
/// - [`Limits`] hold over the life of the view.
pub struct View {
    tree: Arc<dyn Tree>,
    limits: Limits,
    state: Mutex<State>,
}

/// Upper bounds for one view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Size of one file in bytes.
    pub file_bytes: u64,
    /// Files and directories in one walk, and distinct files read, each at most this many.
    pub files: usize,
    /// Distinct files read, bytes together.
    pub total_bytes: u64,
}

/// What lies at a path once links are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File {
        /// Size of the content in bytes.
        size: u64,
    },
    /// A directory.
    Directory,
}

#[derive(Debug, Default)]
struct State {
    inputs: Inputs,
    /// Sizes of the files that were read, by their real paths: reading a file again is free.
    read: BTreeMap<TreePath, u64>,
    read_bytes: u64,
}

/// The end of a look-up: the path without links, and what lies there.
struct Found {
    path: TreePath,
    kind: Kind,
}

impl View {
    /// A view of `tree` within `limits`, with nothing consulted yet.
    pub fn new(tree: Arc<dyn Tree>, limits: Limits) -> Self {
        Self { tree, limits, state: Mutex::default() }
    }

    /// The limits of this view.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// What lies at `path`, or `None` when nothing does. A link that points nowhere is an error.
    pub fn kind(&self, path: &TreePath) -> Result<Option<Kind>> {
        let found = self.find(path)?;
        if let Some(Found { path, kind: Kind::File { .. } }) = &found {
            self.record(path, Question::Content)?;
        }
        Ok(found.map(|found| found.kind))
    }

    /// The content of the file at `path`.
    pub fn read(&self, path: &TreePath) -> Result<Vec<u8>> {
        self.read_optional(path)?.ok_or_else(|| Error::NotFound { path: path.clone() })
    }

    /// The content of the file at `path`, or `None` when nothing lies there.
    pub fn read_optional(&self, path: &TreePath) -> Result<Option<Vec<u8>>> {
        let Some(found) = self.find(path)? else {
            return Ok(None);
        };
        let Kind::File { size } = found.kind else {
            return Err(Error::NotAFile { path: path.clone() });
        };
        self.record(&found.path, Question::Content)?;
        self.charge(path, &found.path, size)?;
        let content = self.tree.read(&found.path, self.limits.file_bytes)?;
        if content.len() < LFS_POINTER_MAX && content.starts_with(LFS_HEADER) {
            return Err(Error::LfsPointer { path: path.clone() });
        }
        Ok(Some(content))
    }

    /// The entries of the directory at `path`, sorted by name, each [`EntryKind::File`] or
    /// [`EntryKind::Directory`]: links are followed, submodules without content are errors.
    /// Only names and kinds become inputs, not what the entries contain.
    pub fn list(&self, path: &TreePath) -> Result<Vec<DirEntry>> {
        let directory = self.find_directory(path)?;
        self.record(&directory, Question::Listing)?;
        let mut entries = self.tree.list(&directory)?;
        for entry in &mut entries {
            let place = directory.child(&entry.name)?;
            entry.kind = match entry.kind {
                EntryKind::Symlink => match self.find(&place)? {
                    Some(Found { kind: Kind::Directory, .. }) => EntryKind::Directory,
                    Some(_) => EntryKind::File,
                    None => return Err(Error::NotFound { path: place }),
                },
                EntryKind::Submodule => return Err(Error::Submodule { path: place }),
                kind => kind,
            };
        }
        Ok(entries)
    }

    /// All files below the directory at `path`, at any depth, sorted by the bytes of their paths.
    /// Links to files and directories are followed; the paths are those by which they were reached.
    /// The directory becomes one input, with everything below it.
    pub fn walk(&self, path: &TreePath) -> Result<Vec<TreePath>> {
        let directory = self.find_directory(path)?;
        self.record(&directory, Question::Content)?;
        let mut walk = Walk { view: self, top: path, visited: 0, files: Vec::new() };
        walk.visit(path, &mut vec![directory])?;
        walk.files.sort();
        Ok(walk.files)
    }

    /// The files below the directory at `path` whose path relative to it matches `pattern`, as [`View::walk`]
    /// gives them. `*` and `?` stay inside one component, `**` crosses them, `{a,b}` and `[ab]` choose.
    pub fn glob(&self, path: &TreePath, pattern: &str) -> Result<Vec<TreePath>> {
        let matcher = GlobBuilder::new(pattern)
            .literal_separator(true)
            .empty_alternates(true)
            .build()
            .map_err(|source| Error::Pattern { pattern: pattern.to_owned(), source })?
            .compile_matcher();
        let mut files = self.walk(path)?;
        files.retain(|file| {
            file.strip_prefix(path).is_some_and(|relative| matcher.is_match(relative.as_str()))
        });
        Ok(files)
    }

    /// Everything consulted so far.
    pub fn inputs(&self) -> Inputs {
        self.state().inputs.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that holds the lock leaves the state half changed, so a poisoned lock is still good.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, path: &TreePath, question: Question) -> Result<()> {
        self.state().inputs.record(&*self.tree, path, question)
    }

    fn charge(&self, asked: &TreePath, real: &TreePath, size: u64) -> Result<()> {
        if size > self.limits.file_bytes {
            return Err(Error::FileTooLarge { path: asked.clone(), size, limit: self.limits.file_bytes });
        }
        let mut state = self.state();
        if state.read.contains_key(real) {
            return Ok(());
        }
        if state.read.len() >= self.limits.files {
            return Err(Error::TooManyFiles { path: asked.clone(), limit: self.limits.files });
        }
        let total = state.read_bytes.saturating_add(size);
        if total > self.limits.total_bytes {
            return Err(Error::TotalTooLarge { path: asked.clone(), limit: self.limits.total_bytes });
        }
        state.read_bytes = total;
        state.read.insert(real.clone(), size);
        Ok(())
    }

    fn find_directory(&self, path: &TreePath) -> Result<TreePath> {
        match self.find(path)? {
            Some(Found { path, kind: Kind::Directory }) => Ok(path),
            Some(_) => Err(Error::NotADirectory { path: path.clone() }),
            None => Err(Error::NotFound { path: path.clone() }),
        }
    }

    /// Follows links to what `path` means. Records the links on the way, and a directory or an absence at the end;
    /// the content of a file is recorded by those who use it.
    fn find(&self, path: &TreePath) -> Result<Option<Found>> {
        // A raw path never passes a link, so for a file or directory there is nothing to follow.
        let (kind, path) = match self.tree.entry(path)? {
            Some(Entry::File { size }) => (Kind::File { size }, path.clone()),
            Some(Entry::Directory) => (Kind::Directory, path.clone()),
            Some(Entry::Submodule) => return Err(Error::Submodule { path: path.clone() }),
            Some(Entry::Symlink { .. }) | None => match self.follow(path)? {
                Some(Found { path, kind }) => (kind, path),
                None => return Ok(None),
            },
        };
        if kind == Kind::Directory {
            self.record(&path, Question::IsDirectory)?;
        }
        Ok(Some(Found { path, kind }))
    }

    /// Goes down component by component, as the operating system would.
    fn follow(&self, path: &TreePath) -> Result<Option<Found>> {
        let mut pending: Vec<String> = path.components().rev().map(str::to_owned).collect();
        let mut here = TreePath::root();
        let mut last_link: Option<(TreePath, String)> = None;
        let mut links = 0;
        let nothing = |last_link: Option<(TreePath, String)>| match last_link {
            Some((link, target)) => Err(Error::LinkDangles { link, target }),
            None => Ok(None),
        };
        while let Some(component) = pending.pop() {
            if component == ".." {
                here = match (here.parent(), last_link.as_ref()) {
                    (Some(parent), _) => parent,
                    (None, Some((link, target))) => {
                        return Err(Error::LinkLeaves { link: link.clone(), target: target.clone() });
                    }
                    (None, None) => {
                        return Err(PathError::Leaves { path: path.as_str().to_owned() }.into());
                    }
                };
                continue;
            }
            let next = here.child(&component)?;
            match self.tree.entry(&next)? {
                Some(Entry::Directory) => here = next,
                Some(Entry::File { size }) if pending.is_empty() => {
                    return Ok(Some(Found { path: next, kind: Kind::File { size } }));
                }
                Some(Entry::File { .. }) | None => {
                    self.record(&next, Question::Content)?;
                    return nothing(last_link);
                }
                Some(Entry::Submodule) => return Err(Error::Submodule { path: next }),
                Some(Entry::Symlink { target }) => {
                    self.record(&next, Question::Content)?;
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Error::LinkLoop { link: next });
                    }
                    if target.starts_with('/') || target.contains('\0') {
                        return Err(Error::LinkLeaves { link: next, target });
                    }
                    let components = target.split('/').filter(|part| !matches!(*part, "" | "."));
                    pending.extend(components.rev().map(str::to_owned));
                    last_link = Some((next, target));
                }
            }
        }
        Ok(Some(Found { path: here, kind: Kind::Directory }))
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// One walk through a directory.
struct Walk<'a> {
    view: &'a View,
    top: &'a TreePath,
    visited: usize,
    files: Vec<TreePath>,
}

impl Walk<'_> {
    /// Visits the directory that is reached as `shown` and really is the last of `open`. The others are the real
    /// paths of the directories above it, in which a link to any of them would be a loop.
    fn visit(&mut self, shown: &TreePath, open: &mut Vec<TreePath>) -> Result<()> {
        let Some(directory) = open.last().cloned() else {
            return Ok(());
        };
        if open.len() > MAX_DEPTH {
            return Err(Error::TooDeep { path: shown.clone(), limit: MAX_DEPTH });
        }
        for entry in self.view.tree.list(&directory)? {
            self.visited += 1;
            let limit = self.view.limits.files;
            if self.visited > limit {
                return Err(Error::TooManyFiles { path: self.top.clone(), limit });
            }
            let shown = shown.child(&entry.name)?;
            let real = directory.child(&entry.name)?;
            let real = match entry.kind {
                EntryKind::File => None,
                EntryKind::Directory => Some(real),
                EntryKind::Submodule => return Err(Error::Submodule { path: shown }),
                EntryKind::Symlink => self.through_link(&shown, &real, open)?,
            };
            let Some(real) = real else {
                self.files.push(shown);
                continue;
            };
            open.push(real);
            self.visit(&shown, open)?;
            open.pop();
        }
        Ok(())
    }

    /// The real directory behind a link, or `None` when it leads to a file.
    fn through_link(&self, shown: &TreePath, link: &TreePath, open: &[TreePath]) -> Result<Option<TreePath>> {
        let Some(found) = self.view.find(link)? else {
            return Err(Error::NotFound { path: shown.clone() });
        };
        if let Kind::File { .. } = found.kind {
            // The link itself is covered by the walked directory, its target may lie elsewhere.
            self.view.record(&found.path, Question::Content)?;
            return Ok(None);
        }
        if open.contains(&found.path) {
            return Err(Error::LinkLoop { link: shown.clone() });
        }
        self.view.record(&found.path, Question::Content)?;
        Ok(Some(found.path))
    }
}
