use std::fmt;

/// Why a text was not read, and where.
///
/// Prints as `line 3, column 7: …`; the caller knows the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    line: u32,
    column: u32,
    problem: Problem,
}

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The text is not YAML.
    #[error("{0}")]
    Syntax(String),
    /// The text is YAML, but means nothing that JSON could say.
    #[error("{0}")]
    Meaning(String),
    /// The text is larger than [`super::Limits`] allow.
    #[error("{0}")]
    Limit(String),
}

impl Error {
    pub(crate) fn new(line: u32, column: u32, problem: Problem) -> Self {
        Self { line, column, problem }
    }

    /// The line, counted from 1.
    pub fn line(&self) -> u32 {
        self.line
    }

    /// The same error in a text of which this one is a part that begins at `first_line`, counted from 1.
    #[must_use]
    pub(crate) fn at_line(mut self, first_line: u32) -> Self {
        self.line = self.line.saturating_add(first_line.saturating_sub(1));
        self
    }

    /// The column in characters, counted from 1.
    pub fn column(&self) -> u32 {
        self.column
    }

    /// What is wrong.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.problem)
    }
}

impl std::error::Error for Error {}
