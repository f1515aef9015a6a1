//! What `template`, `lint` and `show` have in common. Their options, outputs, errors and exit codes are those of Helm.

pub mod arguments;
pub mod batch;
pub mod chart;
mod dependencies;
mod ignored;
pub mod template;
pub mod usage;

use tiphys_helm::output::error_text;

/// What Helm prints behind `Error: `.
pub type Message = String;

/// An error of a chart in Helm's words.
pub fn message(error: &tiphys_helm::Error) -> Message {
    let text = error_text(error);
    text.strip_prefix("Error: ").map(str::to_owned).unwrap_or(text)
}

/// An error of the operating system in Go's words.
pub fn reason(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => "no such file or directory".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::IsADirectory => "is a directory".to_owned(),
        ErrorKind::NotADirectory => "not a directory".to_owned(),
        _ => error.to_string(),
    }
}
