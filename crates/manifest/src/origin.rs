use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Where a manifest came from; prints as `file:line`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// Path of the file or template, as a person would name it.
    #[serde(with = "file_name")]
    pub file: Arc<str>,
    /// Line of the first content of the document, counted from 1.
    pub line: u32,
}

impl Origin {
    /// An origin at `line` (counted from 1) of `file`.
    pub fn new(file: impl Into<Arc<str>>, line: u32) -> Self {
        Self { file: file.into(), line }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// `Arc<str>` as a plain string, without serde's `rc` feature for the whole workspace.
mod file_name {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(file: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(file)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
        String::deserialize(deserializer).map(Arc::from)
    }
}
