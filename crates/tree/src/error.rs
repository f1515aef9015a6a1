//! What can go wrong when a tree is read.

use crate::{PathError, TreePath};

/// The result of reading a tree.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something could not be read from a tree.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A text is not a path inside a tree.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Nothing lies at this path.
    #[error("{path} does not exist")]
    NotFound {
        /// The path that was asked for.
        path: TreePath,
    },
    /// A directory was expected.
    #[error("{path} is not a directory")]
    NotADirectory {
        /// The path that was asked for.
        path: TreePath,
    },
    /// A file was expected.
    #[error("{path} is not a file")]
    NotAFile {
        /// The path that was asked for.
        path: TreePath,
    },
    /// A device, socket or pipe in a local directory.
    #[error("{path} is neither a regular file, a directory nor a symbolic link; remove it")]
    NotRegular {
        /// Where it lies.
        path: TreePath,
    },
    /// A name that is not UTF-8.
    #[error("a file name in {directory} is not UTF-8: {name:?}; rename the file")]
    NameNotUtf8 {
        /// The directory that contains it.
        directory: TreePath,
        /// The name with its invalid bytes replaced.
        name: String,
    },
    /// A symbolic link that points out of the tree.
    #[error(
        "symbolic link {link} points to {target:?}, which is outside the repository; links are followed only inside it"
    )]
    LinkLeaves {
        /// The link.
        link: TreePath,
        /// Its target as stored.
        target: String,
    },
    /// A symbolic link whose target does not exist.
    #[error("symbolic link {link} points to {target:?}, which does not exist")]
    LinkDangles {
        /// The link.
        link: TreePath,
        /// Its target as stored.
        target: String,
    },
    /// Symbolic links that lead back to themselves, or more of them in a row than anyone means.
    #[error("symbolic link {link} is part of a loop of links")]
    LinkLoop {
        /// The link where the loop was noticed.
        link: TreePath,
    },
    /// A submodule whose content is not part of the tree.
    #[error(
        "{path} is a Git submodule and its content was not fetched; \
         enable submodules on the Repository, or put the files into this repository"
    )]
    Submodule {
        /// Where the submodule lies.
        path: TreePath,
    },
    /// A Git LFS pointer instead of the content.
    #[error(
        "{path} is a Git LFS pointer, not the content itself, and Tiphys does not download LFS objects; \
         store this file in Git directly (`git lfs untrack`, then commit it again)"
    )]
    LfsPointer {
        /// The file.
        path: TreePath,
    },
    /// A file over the limit.
    #[error("{path} has {size} bytes, more than the limit of {limit} bytes for one file")]
    FileTooLarge {
        /// The file.
        path: TreePath,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// Too many files.
    #[error("{path} has more than {limit} files and directories; point the source to a smaller directory")]
    TooManyFiles {
        /// The directory that was walked, or the file that was one too many.
        path: TreePath,
        /// The limit, a count.
        limit: usize,
    },
    /// All files that were read together are over the limit.
    #[error("with {path} the files that were read exceed the limit of {limit} bytes in total")]
    TotalTooLarge {
        /// The file that was too much.
        path: TreePath,
        /// The limit in bytes.
        limit: u64,
    },
    /// Directories nested deeper than anyone means.
    #[error("{path} is nested more than {limit} directories deep")]
    TooDeep {
        /// The directory where the walk stopped.
        path: TreePath,
        /// The limit, a count of directories.
        limit: usize,
    },
    /// A pattern that is not a glob.
    #[error("{pattern:?} is not a valid glob pattern")]
    Pattern {
        /// The pattern as given.
        pattern: String,
        /// What is wrong with it.
        source: globset::Error,
    },
    /// Content that can never be read, whatever the limits.
    #[error("{path} cannot be read: {reason}")]
    Unreadable {
        /// What was being read.
        path: TreePath,
        /// Why, and what to do about it.
        reason: String,
    },
    /// The storage below the tree failed.
    #[error("cannot read {path}")]
    Storage {
        /// What was being read.
        path: TreePath,
        /// What the storage said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// What kind of trouble an [`Error`] is, for the decision whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The storage failed; the same question may be answered later.
    Transient,
    /// The content itself is not acceptable; only another revision helps.
    Invalid,
}

impl Error {
    /// Wraps an error of the storage.
    pub fn storage(path: &TreePath, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Storage { path: path.clone(), source: source.into() }
    }

    /// Whether trying again can help.
    pub fn class(&self) -> Class {
        match self {
            Self::Storage { .. } => Class::Transient,
            _ => Class::Invalid,
        }
    }
}
