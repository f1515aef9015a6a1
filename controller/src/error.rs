//! What can go wrong in the controller.

use std::path::PathBuf;

/// What can go wrong in the controller, one variant for each operation.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    WriteFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Our own YAML cannot be written.
    #[error("cannot write YAML")]
    WriteYaml(#[source] serde_yaml::Error),
}
