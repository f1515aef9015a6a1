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
        /// What is wrong.
        message: String,
    },
    /// A file is not a template.
    #[error("{message}")]
    Parse {
        /// Where.
        place: Place,
        /// What is wrong, with the place.
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
            Self::Load { place, .. } => place.as_ref(),
            Self::Values { .. } => None,
            Self::Parse { place, .. } | Self::Execute { place, .. } => Some(place),
        }
    }
}
