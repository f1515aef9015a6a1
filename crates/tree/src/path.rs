//! Paths inside a tree.

use std::fmt;
use std::sync::Arc;

/// A normalised path relative to the root of a tree.
///
/// Guarantees: UTF-8, components separated by one `/`, no empty component, no `.` and no `..`, never absolute,
/// no NUL. The root is the empty path. Ordering is by bytes.
///
/// `Display` escapes control characters, so that a hostile file name cannot write to a terminal or a log line.
/// [`TreePath::as_str`] gives the path as it is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreePath(Arc<str>);

/// Why a text is not a path inside a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The path starts with `/`.
    #[error("path {path:?} is absolute; give a path relative to the root of the repository")]
    Absolute {
        /// The path as given.
        path: String,
    },
    /// The path has a `..` that is not allowed here, or that climbs above the root.
    #[error("path {path:?} leaves the repository; remove the \"..\" that climbs out")]
    Leaves {
        /// The path as given.
        path: String,
    },
    /// The path contains a NUL character.
    #[error("path {path:?} contains a NUL character")]
    Nul {
        /// The path as given.
        path: String,
    },
    /// A single name was expected, and this one is empty, `.`, `..` or contains a `/`.
    #[error("{name:?} is not a file name")]
    Name {
        /// The name as given.
        name: String,
    },
}

impl TreePath {
    /// The root of the tree: the empty path.
    pub fn root() -> Self {
        Self(Arc::from(""))
    }

    /// Parses a relative path. Empty components and `.` are dropped; `..` and a leading `/` are errors.
    pub fn parse(path: &str) -> std::result::Result<Self, PathError> {
        Self::root().join(path)
    }

    /// This path followed by `relative`, under the same rules as [`TreePath::parse`].
    pub fn join(&self, relative: &str) -> std::result::Result<Self, PathError> {
        if relative.split('/').any(|component| component == "..") {
            return Err(PathError::Leaves { path: relative.to_owned() });
        }
        self.resolve(relative)
    }

    /// This path followed by `relative`, where `..` goes up one directory by text alone (links are not looked at).
    /// Climbing above the root of the tree is an error.
    pub fn resolve(&self, relative: &str) -> std::result::Result<Self, PathError> {
        if relative.starts_with('/') {
            return Err(PathError::Absolute { path: relative.to_owned() });
        }
        if relative.contains('\0') {
            return Err(PathError::Nul { path: relative.to_owned() });
        }
        let mut components: Vec<&str> = self.components().collect();
        for component in relative.split('/') {
            match component {
                "" | "." => {}
                ".." => {
                    if components.pop().is_none() {
                        return Err(PathError::Leaves { path: relative.to_owned() });
                    }
                }
                name => components.push(name),
            }
        }
        Ok(Self(components.join("/").into()))
    }

    /// The path of the entry `name` of this directory. The name must be a single, ordinary component.
    pub fn child(&self, name: &str) -> std::result::Result<Self, PathError> {
        if matches!(name, "" | "." | "..") || name.contains(['/', '\0']) {
            return Err(PathError::Name { name: name.to_owned() });
        }
        Ok(if self.is_root() { Self(name.into()) } else { Self(format!("{}/{name}", self.0).into()) })
    }

    /// The path as text; empty for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the root of the tree.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The components from the root down; none for the root.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/').filter(|component| !component.is_empty())
    }

    /// The last component; `None` for the root.
    pub fn name(&self) -> Option<&str> {
        self.components().next_back()
    }

    /// The directory that contains this path; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        Some(match self.0.rfind('/') {
            Some(at) => Self(self.0[..at].into()),
            None => Self::root(),
        })
    }

    /// All directories above this path, the nearest first, the root last.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(self.parent(), Self::parent)
    }

    /// Whether this path is `directory` or lies below it.
    pub fn starts_with(&self, directory: &Self) -> bool {
        self.strip_prefix(directory).is_some()
    }

    /// This path relative to `directory`; `None` when it does not lie below it. Equal paths give the root.
    pub fn strip_prefix(&self, directory: &Self) -> Option<Self> {
        if directory.is_root() {
            return Some(self.clone());
        }
        let rest = self.0.strip_prefix(&*directory.0)?;
        if rest.is_empty() {
            Some(Self::root())
        } else {
            rest.strip_prefix('/').map(|rest| Self(rest.into()))
        }
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str(".");
        }
        for character in self.0.chars() {
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::str::FromStr for TreePath {
    type Err = PathError;

    fn from_str(path: &str) -> std::result::Result<Self, PathError> {
        Self::parse(path)
    }
}
