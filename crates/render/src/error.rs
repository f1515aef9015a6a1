//! Why a directory could not be rendered.

use tiphys_tree::{PathError, TreePath};

use crate::chart::ChartError;
use crate::rendering::Kind;

/// Why a directory could not be rendered. Everything but a failing storage or worker is the fault of the input.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory could not be read.
    #[error(transparent)]
    Tree(#[from] tiphys_tree::Error),
    /// The directory does not exist.
    #[error("{path} does not exist in the repository at this revision; correct spec.source.path")]
    PathNotFound {
        /// The path that was asked for.
        path: TreePath,
    },
    /// The path is a file.
    #[error("{path} is a file; spec.source.path names a directory")]
    NotADirectory {
        /// The path that was asked for.
        path: TreePath,
    },
    /// The options are those of another kind of directory.
    #[error(
        "spec.source.{options} is set, but {path} is a {found}; remove it, or use the options for a {found}"
    )]
    OtherOptions {
        /// The directory.
        path: TreePath,
        /// The field that is set.
        options: &'static str,
        /// What the directory is.
        found: Kind,
    },
    /// A chart with templates of both languages.
    #[error(
        "{tera} is a Tera template and {go} is not: a chart has templates of one language; Tera templates have names \
         that end in .tera, all others are Helm's"
    )]
    MixedChart {
        /// The first Tera template.
        tera: TreePath,
        /// The first Go template.
        go: TreePath,
    },
    /// A version of Kubernetes that is none.
    #[error(
        "{version:?} is no version of Kubernetes: {problem}; write spec.source.helm.kubeVersion as 1.36.0"
    )]
    KubeVersion {
        /// The version as written.
        version: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A value file that is not a path inside the repository.
    #[error("{name:?} in spec.source.{field}.valueFiles cannot be used")]
    ValueFilePath {
        /// The kind of chart, as the field of the source is called.
        field: &'static str,
        /// The path as written.
        name: String,
        /// What is wrong with it.
        source: PathError,
    },
    /// A value file that does not exist.
    #[error("the value file {path} ({name:?} in spec.source.tera.valueFiles) does not exist")]
    ValueFileNotFound {
        /// The path as written.
        name: String,
        /// The path in the repository.
        path: TreePath,
    },
    /// A value file of a Helm chart that does not exist, or a glob that no file fits.
    #[error(
        "{name:?} in spec.source.helm.valueFiles fits no file; the path is relative to the chart {chart}. Set \
         ignoreMissingValueFiles if it may be missing"
    )]
    ValueFileMissing {
        /// The path or glob as written.
        name: String,
        /// The chart.
        chart: TreePath,
    },
    /// A glob in the list of value files that is not one.
    #[error("{pattern:?} in spec.source.helm.valueFiles is not a glob pattern")]
    ValueFilePattern {
        /// The pattern as written.
        pattern: String,
        /// What is wrong with it.
        source: globset::Error,
    },
    /// A file that must be text is not UTF-8.
    #[error("{path} is not UTF-8 text; save it as UTF-8")]
    NotUtf8 {
        /// The file.
        path: TreePath,
    },
    /// A glob that is not one.
    #[error("{pattern:?} in spec.source.directory is not a glob pattern")]
    Pattern {
        /// The pattern as written.
        pattern: String,
        /// What is wrong with it.
        source: globset::Error,
    },
    /// A Helm chart asks for random values or the time, and they are withheld.
    #[error(
        "the chart {path} draws random values or asks for the time: it needs a seed to render the same every time"
    )]
    ChanceWithheld {
        /// The chart.
        path: TreePath,
    },
    /// The chart itself failed: its values, its schema or its templates.
    #[error(transparent)]
    Chart(#[from] ChartError),
    /// A text that is not YAML.
    #[error("{file}: {place}line {line}, column {column}: {problem}{excerpt}")]
    Yaml {
        /// The file or template.
        file: String,
        /// "output " when the line is one of the output of a template.
        place: &'static str,
        /// The line, counted from 1.
        line: u32,
        /// The column, counted from 1.
        column: u32,
        /// What is wrong.
        problem: String,
        /// The lines around it, each after a line break; lines of Secrets are hidden.
        excerpt: String,
    },
    /// A document that is no object.
    #[error("{place}{problem}{excerpt}")]
    Object {
        /// "in the output of " when the line is one of the output of a template.
        place: &'static str,
        /// What is wrong, after the file and the line.
        problem: String,
        /// The lines around it, each after a line break; lines of Secrets are hidden.
        excerpt: String,
    },
    /// Two documents of one object.
    #[error(transparent)]
    Duplicate(tiphys_manifest::Error),
    /// More objects than one Application may have.
    #[error("{path} gives more than {limit} objects; split it into several Applications")]
    TooManyObjects {
        /// The directory.
        path: TreePath,
        /// The limit.
        limit: usize,
    },
    /// The evaluation of a chart passed a limit and was stopped.
    #[error(
        "the chart {path} was too much to render; look for loops that do not end and for output that grows"
    )]
    Limit {
        /// The chart.
        path: TreePath,
        /// Which limit, and in which template.
        source: tiphys_worker::Error,
    },
    /// The worker failed, not the chart.
    #[error("the chart {path} could not be rendered")]
    Worker {
        /// The chart.
        path: TreePath,
        /// What happened to the worker.
        source: tiphys_worker::Error,
    },
    /// A task of ours ended without a result.
    #[error(
        "rendering {path} was interrupted; please report this as a defect of Tiphys unless it was shutting down"
    )]
    Interrupted {
        /// The directory.
        path: TreePath,
        /// How the task ended.
        source: tokio::task::JoinError,
    },
}

/// What a caller can do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Only another revision or other options help.
    Invalid,
    /// Trying again may help.
    Transient,
    /// A defect of the program.
    Defect,
}

impl Error {
    /// What a caller can do about it.
    pub fn class(&self) -> Class {
        match self {
            Self::Tree(error) => match error.class() {
                tiphys_tree::Class::Transient => Class::Transient,
                tiphys_tree::Class::Invalid => Class::Invalid,
            },
            Self::Worker { source, .. } => match source.class() {
                tiphys_worker::Class::Transient => Class::Transient,
                tiphys_worker::Class::Limit => Class::Invalid,
                tiphys_worker::Class::Defect => Class::Defect,
            },
            Self::Interrupted { .. } => Class::Transient,
            _ => Class::Invalid,
        }
    }

    pub(crate) fn of_worker(path: &TreePath, source: tiphys_worker::Error) -> Self {
        let path = path.clone();
        match source.class() {
            tiphys_worker::Class::Limit => Self::Limit { path, source },
            _ => Self::Worker { path, source },
        }
    }
}
