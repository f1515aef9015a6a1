//! A few lines of a text around a place, for error messages.

use std::fmt::Write;

/// Lines before and after the one in question.
const CONTEXT: usize = 2;
/// Characters of a line that are shown.
const WIDTH: usize = 120;

/// The lines around `line`, each after a line break, the line itself marked. The text begins at `first_line`; both are
/// counted from 1.
///
/// When they belong to a document that looks like a Secret, only their keys are shown.
pub(crate) fn excerpt(text: &str, first_line: u32, line: u32) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let before = (first_line as usize).saturating_sub(1);
    let index = (line as usize).saturating_sub(before + 1).min(lines.len().saturating_sub(1));
    let first = index.saturating_sub(CONTEXT);
    let last = (index + CONTEXT + 1).min(lines.len());
    let secret = is_secret(&lines, index);
    let mut excerpt = String::new();
    for (offset, line) in lines[first..last].iter().enumerate() {
        let number = first + offset;
        let marker = if number == index { '>' } else { ' ' };
        let shown = if secret { hidden(line) } else { line.chars().take(WIDTH).collect() };
        // Writing to a string cannot fail.
        let _ = write!(excerpt, "\n{marker} {:>4} | {shown}", before + number + 1);
    }
    excerpt
}

/// Whether the document around the line may be a Secret. Errs on the side of yes.
fn is_secret(lines: &[&str], index: usize) -> bool {
    let is_separator = |line: &&str| line.starts_with("---");
    let start = lines[..index].iter().rposition(is_separator).unwrap_or(0);
    let end = lines[index..].iter().skip(1).position(is_separator).map_or(lines.len(), |at| index + 1 + at);
    lines[start..end].iter().any(|line| {
        line.split_once("kind").is_some_and(|(_, rest)| rest.to_ascii_lowercase().contains("secret"))
    })
}

/// The line with everything hidden but its indentation and its key.
fn hidden(line: &str) -> String {
    let is_key = |character: char| character.is_ascii_alphanumeric() || "-_./\" ".contains(character);
    match line.split_once(':') {
        Some((key, "")) if key.chars().all(is_key) => format!("{key}:"),
        Some((key, _)) if key.chars().all(is_key) => format!("{key}: (hidden)"),
        _ if line.trim().is_empty() || line.starts_with("---") => line.to_owned(),
        _ => "(hidden)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_marked_between_its_neighbours() {
        let text = "a: 1\nb: 2\nc: 3\nd: 4\ne: 5\nf: 6\n";
        assert_eq!(excerpt(text, 1, 1), "\n>    1 | a: 1\n     2 | b: 2\n     3 | c: 3");
        assert!(excerpt(text, 1, 4).starts_with("\n     2 | b: 2\n     3 | c: 3\n>    4 | d: 4"));
        assert!(excerpt(text, 1, 99).ends_with(">    6 | f: 6"));
        assert_eq!(excerpt("", 1, 1), "");
    }

    #[test]
    fn lines_of_a_secret_are_hidden() {
        let text = "kind: ConfigMap\n---\nkind: Secret\nstringData:\n  password: hunter2\n  pem: |\n    MIIB\n  bad\n---\na: 1";
        for line in 3..=8 {
            let shown = excerpt(text, 1, line);
            assert!(!shown.contains("hunter2") && !shown.contains("MIIB"), "{shown}");
        }
        assert!(excerpt(text, 1, 5).contains("password: (hidden)"));
        assert!(excerpt(text, 1, 10).contains("a: 1"));
    }
}
