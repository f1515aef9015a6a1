//! Where two texts begin to differ.

use serde::Serialize;

/// How much of a line is shown, in characters.
const SHOWN: usize = 160;

/// The first line in which two texts differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The number of the line, from 1.
    pub line: usize,
    /// Ours, or nothing when our text has ended.
    pub ours: Option<String>,
    /// Helm's, or nothing when its text has ended.
    pub helm: Option<String>,
}

impl Difference {
    /// That in a line of this number.
    pub fn at(line: usize, ours: Option<&[u8]>, helm: Option<&[u8]>) -> Self {
        let common =
            ours.unwrap_or_default().iter().zip(helm.unwrap_or_default()).take_while(|(a, b)| a == b).count();
        Self { line, ours: ours.map(|text| shown(text, common)), helm: helm.map(|text| shown(text, common)) }
    }

    /// The first one, if there is one.
    pub fn between(ours: &[u8], helm: &[u8]) -> Option<Self> {
        let (mut ours, mut helm) = (lines(ours).into_iter(), lines(helm).into_iter());
        for number in 1.. {
            let (our_line, helm_line) = (ours.next(), helm.next());
            if our_line != helm_line {
                return Some(Self::at(number, our_line, helm_line));
            }
            if our_line.is_none() {
                break;
            }
        }
        None
    }
}

/// The lines of a text, each with its line feed.
pub fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

/// A line with its white space made visible, cut to what is around the byte at which the lines differ.
fn shown(line: &[u8], common: usize) -> String {
    let text: String = String::from_utf8_lossy(line)
        .escape_debug()
        .collect::<String>()
        .replace("\\\"", "\"")
        .replace("\\'", "'");
    let skipped = common.saturating_sub(SHOWN / 2);
    let kept: String = text.chars().skip(skipped).take(SHOWN).collect();
    let before = if skipped > 0 { "…" } else { "" };
    let after = if text.chars().count() > skipped + SHOWN { "…" } else { "" };
    format!("{before}{kept}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(ours: &str, helm: &str) -> Option<(usize, Option<String>, Option<String>)> {
        Difference::between(ours.as_bytes(), helm.as_bytes()).map(|it| (it.line, it.ours, it.helm))
    }

    #[test]
    fn the_first_line_that_differs_is_named() {
        let line = |text: &str| Some(text.to_owned());
        assert_eq!(between("a\nb\n", "a\nb\n"), None);
        assert_eq!(between("", ""), None);
        assert_eq!(between("a\nb\nc\n", "a\nx\ny\n"), Some((2, line("b\\n"), line("x\\n"))));
        assert_eq!(between("a\n", "a\nb\n"), Some((2, None, line("b\\n"))));
        assert_eq!(between("a\nb\n", "a\n"), Some((2, line("b\\n"), None)));
        assert_eq!(between("a\n", "a"), Some((1, line("a\\n"), line("a"))), "the last line feed counts");
        assert_eq!(between("a\r\n", "a\n"), Some((1, line("a\\r\\n"), line("a\\n"))));
    }

    #[test]
    fn of_long_lines_the_part_that_differs_is_shown() {
        let long = "x".repeat(5000);
        let (_, ours, helm) = between(&format!("{long}1{long}"), &format!("{long}2{long}")).unwrap();
        let (ours, helm) = (ours.unwrap(), helm.unwrap());
        assert!(ours.contains('1') && helm.contains('2'), "{ours} {helm}");
        assert!(ours.chars().count() < 200, "{ours}");
    }

    #[test]
    fn bytes_that_are_no_text_differ_too() {
        assert!(Difference::between(b"a\xff\n", b"a\xfe\n").is_some());
    }
}
