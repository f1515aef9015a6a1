//! Objects to text. Nothing here does I/O or looks at a clock, so whole outputs are tested without a cluster.

use std::fmt::Write as _;

pub mod age;
pub mod application;
pub mod documents;
pub mod drift;
pub mod findings;
pub mod plan;
pub mod policy;
pub mod progress;
pub mod reference;
#[cfg(test)]
pub mod samples;
pub mod style;
pub mod sync;
pub mod table;
pub mod then;
pub mod words;

use std::error::Error;
use std::fmt::Display;

use style::{Style, Tone, tame};

/// Things, one a line.
pub fn lines(things: impl Iterator<Item = impl Display>) -> String {
    things.fold(String::new(), |mut text, thing| {
        let _ = writeln!(text, "{thing}");
        text
    })
}

/// Labels and what they say, one a line, lined up.
pub fn facts(facts: &[(&str, String)], style: Style) -> String {
    const WIDTH: usize = 14;
    let line = |(label, value): &(&str, String)| {
        let padding = " ".repeat(WIDTH.saturating_sub(label.len() + 1));
        format!("{}{padding}{value}", style.paint(Tone::Strong, &format!("{label}:")))
    };
    lines(facts.iter().map(line))
}

/// An error with its causes and what to do next, as lines.
pub fn failure_text(error: &dyn Error, hint: Option<&str>, style: Style) -> String {
    let mut text = format!("{} {}\n", style.paint(Tone::Bad, "error:"), indented(&error.to_string()));
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let message = cause.to_string();
        // Many errors of libraries repeat their cause in their own text.
        if !said.contains(&message) {
            let _ = writeln!(text, "  {} {}", style.paint(Tone::Strong, "caused by:"), indented(&message));
            said = message;
        }
        source = cause.source();
    }
    if let Some(hint) = hint {
        let _ = writeln!(text, "{} {hint}", style.paint(Tone::Strong, "hint:"));
    }
    text
}

/// Keeps the lines of a message that has several, indented below the first.
fn indented(message: &str) -> String {
    let indented: Vec<_> = message.trim().lines().map(tame_line).collect();
    indented.join("\n    ")
}

/// As [`tame`], but keeps the indentation that shows where in a file something is.
fn tame_line(line: &str) -> String {
    let indentation = line.len() - line.trim_start().len();
    format!("{}{}", &line[..indentation], tame(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{message}")]
    struct Link {
        message: &'static str,
        source: Option<Box<Link>>,
    }

    #[test]
    fn an_error_is_shown_with_its_causes_and_what_to_do() {
        let error = Link {
            message: "could not create a Sync of `web`",
            source: Some(Box::new(Link {
                message: "syncs.tiphys.dev is forbidden: nope",
                source: Some(Box::new(Link { message: "nope", source: None })),
            })),
        };
        insta::assert_snapshot!(failure_text(&error, Some("ask for the right"), Style::Plain), @r"
        error: could not create a Sync of `web`
          caused by: syncs.tiphys.dev is forbidden: nope
        hint: ask for the right
        ");
    }
}
