//! What can be wrong in a chart. These errors cross the pipe from the worker.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is wrong in a chart: its files, its values or its templates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum ChartError {
    /// `Chart.yaml` is not what it must be.
    #[error("{file}: {problem}")]
    Chart {
        /// The path of `Chart.yaml`.
        file: String,
        /// What is wrong and what to write instead.
        problem: String,
    },
    /// A value file, or the values of the Application, cannot be used.
    #[error("{file}: {problem}")]
    Values {
        /// The value file, or the field of the Application.
        file: String,
        /// What is wrong and what to write instead.
        problem: String,
    },
    /// An entry of `set` cannot be used.
    #[error("spec.source.tera.set[{index}]: {problem}")]
    Set {
        /// The place in the list, counted from 0.
        index: usize,
        /// What is wrong and what to write instead.
        problem: String,
    },
    /// `values.schema.json` cannot be used.
    #[error("{file}: {problem}")]
    Schema {
        /// The path of the schema.
        file: String,
        /// What is wrong and what to write instead.
        problem: String,
    },
    /// The values are not what the schema of the chart asks for.
    #[error("the values do not fit {file}:{}", lines(violations))]
    Violations {
        /// The path of the schema.
        file: String,
        /// What does not fit, at most ten of them.
        violations: Vec<Violation>,
    },
    /// Templates cannot be read or ended in an error.
    #[error("{}", paragraphs(errors))]
    Templates {
        /// At least one error.
        errors: Vec<TemplateError>,
    },
    /// A Helm chart: its files, its values, its schema or its templates.
    #[error("{place}{message}")]
    Helm {
        /// The file in the repository and the line, with a colon and a blank after them.
        place: String,
        /// What is wrong, in Helm's words.
        message: String,
        /// Whether it passed a limit.
        limit: bool,
    },
    /// The templates printed too much.
    #[error(
        "{template}: stopped at {} KiB of output (limit of output); look for loops that do not end",
        limit_bytes >> 10
    )]
    OutputTooLarge {
        /// The template that passed the limit.
        template: String,
        /// The limit of all templates together, in bytes.
        limit_bytes: u64,
    },
}

/// One value that does not fit the schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The JSON pointer of the value, such as `/image/tag`.
    pub pointer: String,
    /// What the schema asks for. The value itself is not shown.
    pub message: String,
}

/// An error in a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateError {
    /// What is wrong.
    pub message: String,
    /// Where, as far as known.
    pub place: Option<Place>,
    /// The line of the template with a mark under the place; empty when unknown.
    pub excerpt: String,
    /// By whom the template was included or the component called, the innermost caller first.
    pub callers: Vec<Place>,
}

/// A place in a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The path of the template in the repository.
    pub template: String,
    /// The line, counted from 1, and the column, counted from 1, as far as known.
    pub position: Option<(u32, u32)>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.template)?;
        match self.position {
            Some((line, column)) => write!(f, ":{line}:{column}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.message)?;
        if !self.excerpt.is_empty() {
            write!(f, "\n{}", self.excerpt)?;
        }
        self.callers.iter().try_for_each(|caller| write!(f, "\n  called from {caller}"))
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pointer = if self.pointer.is_empty() { "(the values)" } else { &self.pointer };
        write!(f, "{pointer}: {}", self.message)
    }
}

fn lines(violations: &[Violation]) -> String {
    violations.iter().fold(String::new(), |lines, violation| lines + "\n  " + &violation.to_string())
}

fn paragraphs(errors: &[TemplateError]) -> String {
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    errors.join("\n")
}
