//! Comparing with outputs that are not the same every time.
//!
//! Two outputs of Helm for the same case show what depends on chance and time: where they differ, anything goes; where
//! they agree, ours has to agree too.

use std::collections::HashMap;

use serde::Serialize;
use similar::{Algorithm, DiffOp, capture_diff_slices};

use crate::difference::{Difference, lines};

/// How ours agrees with two outputs that differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Agreement {
    /// Equal but for what differs between the two.
    Masked,
    /// As many lines and words, and every word that both have, but not at the same places: the order depends on chance.
    Reordered,
}

/// Compares ours with two outputs of Helm that differ.
pub fn compare(ours: &[u8], one: &[u8], two: &[u8]) -> Result<Agreement, Difference> {
    let (our_lines, one_lines, two_lines) = (lines(ours), lines(one), lines(two));
    if Pattern::of(&one_lines, &two_lines).matches(&our_lines) {
        return Ok(Agreement::Masked);
    }
    let same_length = our_lines.len() == one_lines.len() && our_lines.len() == two_lines.len();
    if same_length && same_words(ours, one, two) {
        return Ok(Agreement::Reordered);
    }
    Err(first_difference(&our_lines, &one_lines, &two_lines))
}

/// What a line has to be.
#[derive(Clone, Copy, Debug)]
enum Line<'a> {
    Exactly(&'a [u8]),
    /// A line in which the two outputs differ.
    Like(&'a [u8], &'a [u8]),
}

impl Line<'_> {
    fn matches(self, line: &[u8]) -> bool {
        match self {
            Line::Exactly(text) => line == text,
            Line::Like(one, two) => like(line, one, two),
        }
    }
}

/// Runs of lines with any number of lines between one and the next.
struct Pattern<'a>(Vec<Vec<Line<'a>>>);

impl<'a> Pattern<'a> {
    fn of(one: &[&'a [u8]], two: &[&'a [u8]]) -> Self {
        if one.len() == two.len() {
            let line = |(one, two): (&&'a [u8], &&'a [u8])| {
                if one == two { Line::Exactly(one) } else { Line::Like(one, two) }
            };
            return Self(vec![one.iter().zip(two).map(line).collect()]);
        }
        let mut runs = vec![Vec::new()];
        for operation in capture_diff_slices(Algorithm::Myers, one, two) {
            let run = runs.last_mut().expect("there is always one");
            match operation {
                DiffOp::Equal { old_index, len, .. } => {
                    run.extend(one[old_index..old_index + len].iter().map(|line| Line::Exactly(line)));
                }
                DiffOp::Replace { old_index, old_len, new_index, new_len } if old_len == new_len => {
                    let pairs =
                        one[old_index..old_index + old_len].iter().zip(&two[new_index..new_index + new_len]);
                    run.extend(pairs.map(|(one, two)| Line::Like(one, two)));
                }
                DiffOp::Replace { .. } | DiffOp::Delete { .. } | DiffOp::Insert { .. } => {
                    runs.push(Vec::new());
                }
            }
        }
        Self(runs)
    }

    /// The first run has to be at the start, the last at the end, and those between in their order.
    fn matches(&self, ours: &[&[u8]]) -> bool {
        let fits = |run: &[Line<'_>], at: usize| {
            at + run.len() <= ours.len() && run.iter().zip(&ours[at..]).all(|(line, text)| line.matches(text))
        };
        let [first, rest @ ..] = &self.0[..] else { return ours.is_empty() };
        if !fits(first, 0) {
            return false;
        }
        let mut at = first.len();
        let [between @ .., last] = rest else { return at == ours.len() };
        for run in between {
            match (at..=ours.len()).find(|at| fits(run, *at)) {
                Some(found) => at = found + run.len(),
                None => return false,
            }
        }
        ours.len() >= at + last.len() && fits(last, ours.len() - last.len())
    }
}

/// Whether a line is like two others: word by word, and where these differ, anything. When they have different numbers
/// of words, what both begin and end with is compared.
fn like(line: &[u8], one: &[u8], two: &[u8]) -> bool {
    let (line, one, two) = (words(line), words(one), words(two));
    if one.len() == two.len() {
        let same = |((ours, one), two): ((&&[u8], &&[u8]), &&[u8])| one != two || ours == one;
        return line.len() == one.len() && line.iter().zip(&one).zip(&two).all(same);
    }
    let start = one.iter().zip(&two).take_while(|(one, two)| one == two).count();
    let longest = one.len().min(two.len()) - start;
    let end = one.iter().rev().zip(two.iter().rev()).take_while(|(one, two)| one == two).count().min(longest);
    line.len() >= start + end
        && line[..start] == one[..start]
        && line[line.len() - end..] == one[one.len() - end..]
}

/// The words of a text, and what separates them byte by byte.
fn words(text: &[u8]) -> Vec<&[u8]> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.first() {
        let length =
            if separates(*first) { 1 } else { rest.iter().take_while(|byte| !separates(**byte)).count() };
        let (word, after) = rest.split_at(length);
        words.push(word);
        rest = after;
    }
    words
}

fn separates(byte: u8) -> bool {
    byte.is_ascii_whitespace() || b"\"',;{}[]()".contains(&byte)
}

/// Whether ours has every word that both others have, as often, and as many words as one of them.
fn same_words(ours: &[u8], one: &[u8], two: &[u8]) -> bool {
    let (ours, one, two) = (count(ours), count(one), count(two));
    let total = |counts: &HashMap<&[u8], usize>| counts.values().sum::<usize>();
    let has = |word: &[u8], times: usize| ours.get(word).is_some_and(|ours| *ours >= times);
    let common = |(word, times): (&&[u8], &usize)| {
        let times = two.get(word).map_or(0, |other| *times.min(other));
        times == 0 || has(word, times)
    };
    [total(&one), total(&two)].contains(&total(&ours)) && one.iter().all(common)
}

fn count(text: &[u8]) -> HashMap<&[u8], usize> {
    let mut counts = HashMap::new();
    for word in words(text) {
        *counts.entry(word).or_default() += 1;
    }
    counts
}

/// The first line that is not like the line of the same number in the two outputs.
fn first_difference(ours: &[&[u8]], one: &[&[u8]], two: &[&[u8]]) -> Difference {
    let fits = |at: &usize| match (ours.get(*at), one.get(*at), two.get(*at)) {
        (Some(ours), Some(one), Some(two)) => like(ours, one, two),
        (ours, one, _) => ours == one,
    };
    let at = (0..ours.len().max(one.len())).find(|at| !fits(at)).unwrap_or_default();
    Difference::at(at + 1, ours.get(at).copied(), one.get(at).copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(ours: &str, one: &str, two: &str) -> Result<Agreement, usize> {
        compare(ours.as_bytes(), one.as_bytes(), two.as_bytes()).map_err(|difference| difference.line)
    }

    #[test]
    fn a_word_that_differs_between_two_runs_may_be_anything() {
        let one = "a: 1\npassword: \"aaaa\"\nz: 1\n";
        let two = "a: 1\npassword: \"bbbb\"\nz: 1\n";
        assert_eq!(compared("a: 1\npassword: \"cccccc\"\nz: 1\n", one, two), Ok(Agreement::Masked));
        assert_eq!(compared("a: 1\npassword: 'cccc'\nz: 1\n", one, two), Err(2), "the quotes are not chance");
        assert_eq!(compared("a: 2\npassword: \"cccc\"\nz: 1\n", one, two), Err(1));
        assert_eq!(compared("a: 1\npasswort: \"cccc\"\nz: 1\n", one, two), Err(2));
        assert_eq!(compared("a: 1\npassword: \"c\"\n", one, two), Err(3), "a line is missing");
        assert_eq!(
            compared("a: 1\npassword: \"c\"\nz: 1\nmore: 1\n", one, two),
            Err(4),
            "a line is too much"
        );
    }

    #[test]
    fn lines_of_which_there_are_more_or_fewer_may_be_any() {
        let one = "start\nx1\nx2\nmiddle\ny1\nend\n";
        let two = "start\nx3\nx4\nx5\nmiddle\ny2\nend\n";
        assert_eq!(compared("start\nq\nmiddle\ny9\nend\n", one, two), Ok(Agreement::Masked));
        assert_eq!(compared("start\nq\nr\ns\nt\nmiddle\ny9\nend\n", one, two), Ok(Agreement::Masked));
        assert!(compared("start\nq\ny9\nend\n", one, two).is_err(), "the middle is missing");
        assert!(compared("begin\nq\nmiddle\ny9\nend\n", one, two).is_err());
        assert!(compared("start\nq\nmiddle\ny9\nend\nmore\n", one, two).is_err());
    }

    #[test]
    fn an_order_of_chance_is_told_apart_from_other_words() {
        let one = "- a\n- b\n- c\n- d: 1\n";
        let two = "- b\n- a\n- c\n- d: 1\n";
        assert_eq!(compared("- c\n- b\n- a\n- d: 1\n", one, two), Ok(Agreement::Reordered));
        assert!(compared("- c\n- b\n- x\n- d: 1\n", one, two).is_err(), "a is missing");
        assert!(compared("- c\n- b\n- a\n- d: 1\n- a\n", one, two).is_err(), "one a too much");
    }

    #[test]
    fn numbers_of_words_may_differ_within_a_line() {
        let one = "key: \"p q\" # end\n";
        let two = "key: \"r\" # end\n";
        assert_eq!(compared("key: \"x y z\" # end\n", one, two), Ok(Agreement::Masked));
        assert_eq!(compared("key: \"x y z\" # other\n", one, two), Err(1));
    }

    #[test]
    fn empty_texts_are_no_trouble() {
        assert!(compare(b"", b"a\n", b"b\n").is_err());
        assert_eq!(compare(b"", b"", b"b\n"), Ok(Agreement::Masked));
    }
}
