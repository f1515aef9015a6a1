use std::fmt::Write as _;
use std::time::Duration;

use anstyle::AnsiColor;
use serde::{Deserialize, Serialize};
use similar::{ChangeTag, TextDiff};
use tiphys_manifest::yaml;

use super::shown::ShownObject;
use super::{Diff, Hunk};

/// Lines that are shown around a change.
const CONTEXT: usize = 3;
/// Texts that are so long and so different that no smallest diff is found in this time get a larger one.
const LIMIT: Duration = Duration::from_secs(1);

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

impl Style {
    /// The text in a colour, or as it is.
    pub(crate) fn paint(self, colour: AnsiColor, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Colour => {
                let style = colour.on_default();
                format!("{style}{text}{style:#}")
            }
        }
    }
}

/// The diff as unified text: hunks of YAML, each under a line that says where it is.
pub fn text(diff: &Diff, style: Style) -> String {
    let mut out = String::new();
    for hunk in &diff.hunks {
        let count = |side| hunk.lines.iter().filter(|line| line.kind != side).count();
        let header = format!(
            "@@ -{},{} +{},{} @@",
            hunk.before,
            count(LineKind::Added),
            hunk.after,
            count(LineKind::Removed)
        );
        out.push_str(&style.paint(AnsiColor::Cyan, &header));
        out.push('\n');
        for line in &hunk.lines {
            let painted = match line.kind {
                LineKind::Context => format!(" {}", line.text),
                LineKind::Removed => style.paint(AnsiColor::Red, &format!("-{}", line.text)),
                LineKind::Added => style.paint(AnsiColor::Green, &format!("+{}", line.text)),
            };
            // Writing into a string cannot fail.
            let _ = writeln!(out, "{painted}");
        }
    }
    out
}

pub(super) fn hunks(before: Option<&ShownObject>, after: Option<&ShownObject>) -> Vec<Hunk> {
    let write = |object: Option<&ShownObject>| object.map(|it| yaml::write(it.value())).unwrap_or_default();
    let (before, after) = (write(before), write(after));
    let diff = TextDiff::configure().timeout(LIMIT).diff_lines(&before, &after);
    diff.grouped_ops(CONTEXT)
        .iter()
        .map(|group| {
            let changes: Vec<_> = group.iter().flat_map(|op| diff.iter_changes(op)).collect();
            Hunk {
                before: first_line(changes.iter().find_map(similar::Change::old_index)),
                after: first_line(changes.iter().find_map(similar::Change::new_index)),
                lines: changes
                    .iter()
                    .map(|change| Line {
                        kind: match change.tag() {
                            ChangeTag::Equal => LineKind::Context,
                            ChangeTag::Delete => LineKind::Removed,
                            ChangeTag::Insert => LineKind::Added,
                        },
                        text: change.value().trim_end_matches('\n').to_owned(),
                    })
                    .collect(),
            }
        })
        .collect()
}

fn first_line(index: Option<usize>) -> u32 {
    index.map_or(0, |index| u32::try_from(index + 1).unwrap_or(u32::MAX))
}
