//! Names of content: what a person asks for, and what it turned out to be.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::range::VersionRange;

/// The id of a Git commit: 40 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitId([u8; 20]);

impl CommitId {
    /// The id as bytes.
    pub fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// The id with these bytes.
    pub fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    pub(crate) fn from_oid(oid: git2::Oid) -> Option<Self> {
        oid.as_bytes().try_into().ok().map(Self)
    }

    pub(crate) fn to_oid(self) -> Result<git2::Oid, git2::Error> {
        git2::Oid::from_bytes(&self.0)
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct ParseError {
    text: String,
    expected: &'static str,
}

impl FromStr for CommitId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError { text: text.to_owned(), expected: "a commit id of 40 hexadecimal digits" };
        if text.len() != 40 || !text.is_ascii() {
            return Err(error());
        }
        let mut bytes = [0; 20];
        for (index, byte) in bytes.iter_mut().enumerate() {
            // `from_str_radix` would take a sign.
            let digits =
                text.get(index * 2..index * 2 + 2).filter(|it| it.chars().all(|it| it.is_ascii_hexdigit()));
            *byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).ok_or_else(error)?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for CommitId {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<CommitId> for String {
    fn from(id: CommitId) -> Self {
        id.to_string()
    }
}

/// An immutable name of content: the commit, and the branch or tag by which it was found.
///
/// Written `main@sha1:<40 digits>`, or `sha1:<40 digits>` when it was asked for by its id.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Revision {
    name: Option<String>,
    commit: CommitId,
}

impl Revision {
    /// A revision found under the name of a branch or tag.
    pub fn named(name: impl Into<String>, commit: CommitId) -> Self {
        Self { name: Some(name.into()).filter(|it| !it.is_empty()), commit }
    }

    /// A revision without a name.
    pub fn of_commit(commit: CommitId) -> Self {
        Self { name: None, commit }
    }

    /// The branch or tag by which it was found.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The commit.
    pub fn commit(&self) -> CommitId {
        self.commit
    }

    /// A short form for people: `main@0123abcd`.
    pub fn short(&self) -> String {
        let digits = self.commit.to_string();
        let digits = &digits[..8];
        match &self.name {
            Some(name) => format!("{name}@{digits}"),
            None => digits.to_owned(),
        }
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name}@sha1:{}", self.commit),
            None => write!(f, "sha1:{}", self.commit),
        }
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Revision {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error =
            || ParseError { text: text.to_owned(), expected: "a revision like main@sha1:<40 digits>" };
        if let Some(commit) = text.strip_prefix("sha1:") {
            return commit.parse().map(Self::of_commit).map_err(|_| error());
        }
        // The name of a branch may itself contain an `@`.
        let (name, commit) = text.rsplit_once("@sha1:").ok_or_else(error)?;
        if name.is_empty() {
            return Err(error());
        }
        commit.parse().map(|commit| Self::named(name, commit)).map_err(|_| error())
    }
}

impl TryFrom<String> for Revision {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<Revision> for String {
    fn from(revision: Revision) -> Self {
        revision.to_string()
    }
}

/// What an Application asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum RevisionSpec {
    /// Whatever the server calls its HEAD, as a rule the main branch.
    #[default]
    Default,
    /// A branch, by its name without `refs/heads/`.
    Branch(String),
    /// A tag, by its name without `refs/tags/`.
    Tag(String),
    /// A commit, by its full id.
    Commit(CommitId),
    /// The highest version among the tags that lies in a range.
    Range(VersionRange),
    /// A word that is looked up on the server: a branch of this name, else a tag, else a range of versions.
    Name(String),
}

impl RevisionSpec {
    /// Understands what a person writes into `spec.source.revision`. Every text has a meaning; whether the server has
    /// such a thing is found out when it is asked.
    ///
    /// Empty or `HEAD` is the default; `refs/heads/…` and `refs/tags/…` are taken at their word; 40 hexadecimal digits
    /// are a commit, `semver:` announces a range, the rest is a [`RevisionSpec::Name`].
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        if text.is_empty() || text == "HEAD" {
            Self::Default
        } else if let Some(branch) = text.strip_prefix("refs/heads/") {
            Self::Branch(branch.to_owned())
        } else if let Some(tag) = text.strip_prefix("refs/tags/") {
            Self::Tag(tag.to_owned())
        } else if let Ok(commit) = text.parse() {
            Self::Commit(commit)
        } else if let Some(Ok(range)) = text.strip_prefix("semver:").map(str::parse) {
            Self::Range(range)
        } else {
            Self::Name(text.to_owned())
        }
    }
}

impl fmt::Display for RevisionSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("HEAD"),
            Self::Branch(name) => write!(f, "branch {name:?}"),
            Self::Tag(name) => write!(f, "tag {name:?}"),
            Self::Commit(commit) => write!(f, "commit {commit}"),
            Self::Range(range) => write!(f, "version range {:?}", range.as_str()),
            Self::Name(name) => write!(f, "{name:?}"),
        }
    }
}
