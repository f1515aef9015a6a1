//! Errors, with the texts and positions of Go's.

use std::fmt;

use crate::fmt::quote;
use crate::limits::Limit;

/// What went wrong. The texts are those of Go's `text/template`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A text is not a template.
    #[error("{0}")]
    Parse(ParseError),
    /// A template could not be executed to its end.
    #[error("{0}")]
    Exec(#[source] Box<ExecError>),
    /// A template was asked for that is not in the set.
    #[error("template: no template {} associated with template {}", quote::quoted(.name), quote::quoted(.set))]
    NoTemplate {
        /// The name that was asked for.
        name: String,
        /// The name of the set.
        set: String,
    },
    /// A limit was passed outside of any template.
    #[error("{0}")]
    Limit(#[source] Limit),
    /// A compiled text was added to a set with other functions than it was compiled with.
    #[error(
        "template {name} was compiled with other functions than those of the set; compile it with the set's"
    )]
    OtherFunctions {
        /// The name of the text.
        name: String,
    },
}

impl Error {
    /// The limit that stopped the execution, if it was one, however deep in nested templates.
    pub fn limit(&self) -> Option<Limit> {
        match self {
            Self::Exec(error) => match error.reason {
                Reason::Limit(limit) => Some(limit),
                _ => None,
            },
            Self::Limit(limit) => Some(*limit),
            _ => None,
        }
    }
}

impl From<ExecError> for Error {
    fn from(error: ExecError) -> Self {
        Self::Exec(Box::new(error))
    }
}

/// A text is not a template: `template: name:line: message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The name under which the text was parsed.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "template: {}:{}: {}", self.file, self.line, self.message)
    }
}

/// Where in the source something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The name under which the text was parsed, which is not always the name of the template in it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The byte in the line, from 0.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A template could not be executed to its end. The text is a chain, outermost first, of
/// `template: file:line:column: executing "name" at <node>: error calling include: ` and so on, then the reason.
#[derive(Debug)]
pub struct ExecError {
    frames: Vec<Frame>,
    reason: Reason,
}

impl ExecError {
    pub(crate) fn new(frame: Frame, reason: Reason) -> Self {
        Self { frames: vec![frame], reason }
    }

    /// Notes that the error went through a call in an outer template.
    pub(crate) fn push(&mut self, frame: Frame) {
        self.frames.push(frame);
    }

    /// The templates that were executing, outermost first: each one called a function that executed the next.
    pub fn frames(&self) -> impl DoubleEndedIterator<Item = &Frame> + ExactSizeIterator {
        self.frames.iter().rev()
    }

    /// Why the innermost template stopped.
    pub fn reason(&self) -> &Reason {
        &self.reason
    }
}

impl fmt::Display for ExecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for frame in self.frames() {
            frame.fmt(f)?;
        }
        self.reason.fmt(f)
    }
}

impl std::error::Error for ExecError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.reason {
            Reason::Message(_) => None,
            Reason::Limit(limit) => Some(limit),
            Reason::Other(error) => Some(&**error),
        }
    }
}

/// A template that was executing when an error happened in it or below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The name of the template.
    pub template: String,
    /// Where in its source.
    pub position: Position,
    /// The piece of the template that was being evaluated.
    pub node: String,
    /// The call that failed, if the error came out of a function or method.
    pub call: Option<Call>,
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { template, position, node, call } = self;
        write!(f, "template: {position}: executing {} at <{node}>: ", quote::quoted(template))?;
        match call {
            Some(Call { function, prefix }) => write!(f, "error calling {function}: {prefix}"),
            None => Ok(()),
        }
    }
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The name of the function or method.
    pub function: String,
    /// What the function put before the error of the template that it executed; mostly nothing.
    pub prefix: String,
}

/// Why an execution stopped.
#[derive(Debug)]
#[non_exhaustive]
pub enum Reason {
    /// The template asked for something impossible, or a function refused.
    Message(String),
    /// A limit was passed.
    Limit(Limit),
    /// A function failed with an error of its own.
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(message) => f.write_str(message),
            Self::Limit(limit) => limit.fmt(f),
            Self::Other(error) => error.fmt(f),
        }
    }
}
