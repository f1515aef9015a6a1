//! Plans as text.

use tiphys_api::Sync;

use super::documents;
use super::style::Style;
use crate::arguments::OutputFormat;
use crate::error::Error;

/// What a Sync would do.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The question, with the summary of its answer.
    pub sync: Sync,
}

impl Planned {
    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        true
    }

    /// The plan in the form that was asked for.
    pub fn text(&self, _output: OutputFormat, style: Style) -> Result<String, Error> {
        let _ = documents::value(&self.sync)?;
        Ok(self.summary_and_changes(style))
    }

    /// The plan for people.
    pub fn summary_and_changes(&self, _style: Style) -> String {
        String::new()
    }
}
