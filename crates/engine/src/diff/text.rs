use serde::{Deserialize, Serialize};

use super::shown::ShownObject;
use super::{Diff, Hunk};

/// One line of a diff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// On which side it is.
    pub kind: LineKind,
    /// Its text, without the end of the line.
    pub text: String,
}

/// On which side of a diff a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LineKind {
    /// On both.
    Context,
    /// Only before.
    Removed,
    /// Only after.
    Added,
}

/// Whether text is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// It is not.
    Plain,
    /// With ANSI escapes.
    Colour,
}

/// The diff as unified text.
pub fn text(diff: &Diff, style: Style) -> String {
    let _ = (diff, style);
    String::new()
}

pub(super) fn hunks(before: Option<&ShownObject>, after: Option<&ShownObject>) -> Vec<Hunk> {
    let _ = (before, after);
    Vec::new()
}
