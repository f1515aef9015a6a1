use std::fmt;

/// A place in a file of a chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file as Helm names it: the names of the charts, then the path, such as `web/templates/service.yaml`.
    pub file: String,
    /// The line, from 1; 0 if it is not known.
    pub line: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}", self.file),
        }
    }
}

/// Why a chart gave no rendering. Where Helm has words for it, the texts are Helm's, without its `Error: `.
///
/// All of this is the fault of the input and does not go away by trying again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The files are not a chart.
    #[error("{message}")]
    Load {
        /// The file that is wrong, if it is one.
        place: Option<Place>,
        /// What is wrong with it.
        message: String,
    },
    /// The values of the chart and the given ones do not fit together.
    #[error("{message}")]
    Values {
        /// The file that is wrong, if it is one.
        place: Option<Place>,
        /// What is wrong.
        message: String,
    },
    /// The chart cannot be installed here: a library, or a dependency that is missing.
    #[error("{message}")]
    Chart {
        /// What is wrong.
        message: String,
    },
    /// The release cannot have this name.
    #[error("release name check failed: release name {}: {problem}", gotemplate::quote(.name))]
    Release {
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The chart does not fit the version of Kubernetes.
    #[error("chart requires kubeVersion: {wanted} which is incompatible with Kubernetes {version}")]
    KubeVersion {
        /// The versions that the chart fits.
        wanted: String,
        /// The version of Kubernetes.
        version: String,
    },
    /// The values are not what `values.schema.json` of a chart says.
    #[error("{message}")]
    Schema {
        /// What is wrong, by chart.
        message: String,
    },
    /// The chart asks for random values or the time, and [`Chance::Withheld`](crate::chance::Chance::Withheld) was given.
    #[error("the chart draws random values or asks for the time, and has nothing to draw them from")]
    ChanceWithheld,
    /// Nothing comes from the files that `--show-only` asks for.
    #[error("could not find template {pattern} in chart")]
    Show {
        /// The pattern for the files.
        pattern: String,
    },
    /// A file is not a template.
    #[error("{message}")]
    Parse {
        /// Where.
        place: Place,
        /// What is wrong, with the place.
        message: String,
    },
    /// What a template printed is not a Kubernetes object.
    #[error("{message}")]
    Document {
        /// The template file, and the line in its output.
        place: Place,
        /// What is wrong, with the file.
        message: String,
    },
    /// A template could not be executed to its end.
    #[error("{message}")]
    Execute {
        /// Where the innermost template stopped.
        place: Place,
        /// The places of all templates and what is wrong.
        message: String,
        /// The limit that was passed, if it was one.
        limit: Option<gotemplate::Limit>,
    },
}

impl Error {
    /// Where the error is, if it is in a file of the chart.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Load { place, .. } | Self::Values { place, .. } => place.as_ref(),
            Self::Chart { .. }
            | Self::Release { .. }
            | Self::KubeVersion { .. }
            | Self::Schema { .. }
            | Self::ChanceWithheld
            | Self::Show { .. } => None,
            Self::Parse { place, .. } | Self::Execute { place, .. } | Self::Document { place, .. } => {
                Some(place)
            }
        }
    }

    /// Whether Helm had begun with the templates; its program gives a hint then.
    pub fn is_of_templates(&self) -> bool {
        matches!(
            self,
            Self::Parse { .. } | Self::Document { .. } | Self::Execute { .. } | Self::KubeVersion { .. }
        )
    }
}
