//! Patterns for paths: those of `.Files.Glob`, and those of `--show-only`.

use regex::Regex;

/// A pattern with the rules of gobwas/glob and `/` as its separator.
///
/// `*` and `?` stop at a separator, `**` does not; `[a-z]` and `[!a-z]` are one character, `{a,b}` one of several
/// patterns, and a backslash takes the meaning from what follows. A pattern that is none fits everything, as in Helm.
#[derive(Debug)]
pub(crate) struct Glob(Option<Regex>);

/// More than any pattern of a chart needs, less than makes its automaton large.
const MAX_LENGTH: usize = 1000;

impl Glob {
    pub(crate) fn new(pattern: &str) -> Self {
        if pattern.len() > MAX_LENGTH {
            return Self(None);
        }
        Self(translate(pattern).and_then(|pattern| Regex::new(&pattern).ok()))
    }

    pub(crate) fn is_match(&self, path: &str) -> bool {
        self.0.as_ref().is_none_or(|pattern| pattern.is_match(path))
    }
}

/// The pattern as a regular expression; `None` if it is no pattern.
fn translate(pattern: &str) -> Option<String> {
    let mut regex = String::from("^(?s:");
    let mut characters = pattern.chars().peekable();
    let mut open = 0;
    while let Some(character) = characters.next() {
        match character {
            '*' if characters.next_if_eq(&'*').is_some() => {
                while characters.next_if_eq(&'*').is_some() {}
                regex.push_str(".*");
            }
            '*' => regex.push_str("[^/]*"),
            '?' => regex.push_str("[^/]"),
            '\\' => push_literal(&mut regex, characters.next()?),
            '{' => {
                open += 1;
                regex.push_str("(?:");
            }
            '}' if open > 0 => {
                open -= 1;
                regex.push(')');
            }
            ',' if open > 0 => regex.push('|'),
            '[' => push_class(&mut regex, &mut characters)?,
            other => push_literal(&mut regex, other),
        }
    }
    regex.push_str(")$");
    (open == 0).then_some(regex)
}

fn push_literal(regex: &mut String, character: char) {
    regex.push_str(&regex::escape(character.encode_utf8(&mut [0; 4])));
}

/// A list or a range of characters, up to `]`.
fn push_class(regex: &mut String, characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<()> {
    let negated = characters.next_if_eq(&'!').is_some();
    let mut members: Vec<char> = Vec::new();
    let mut range = None;
    loop {
        match characters.next()? {
            ']' => break,
            '\\' => members.push(characters.next()?),
            '-' if members.len() == 1 && characters.peek().is_some_and(|next| *next != ']') => {
                range = Some((*members.first()?, characters.next()?));
            }
            other => members.push(other),
        }
    }
    regex.push_str(if negated { "[^" } else { "[" });
    match range {
        Some((low, high)) if low <= high && members.len() == 1 => {
            push_literal(regex, low);
            regex.push('-');
            push_literal(regex, high);
        }
        Some(_) => return None,
        None if members.is_empty() => return None,
        None => members.iter().for_each(|member| push_literal(regex, *member)),
    }
    regex.push(']');
    Some(())
}

/// A pattern by the rules of Go's `path/filepath.Match`; `None` if it is malformed, and so fits nothing.
pub(crate) fn path_pattern(pattern: &str) -> Option<Regex> {
    if pattern.len() > MAX_LENGTH {
        return None;
    }
    let mut regex = String::from("^(?s:");
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '*' => regex.push_str("[^/]*"),
            '?' => regex.push_str("[^/]"),
            '\\' => push_literal(&mut regex, characters.next()?),
            '[' => push_ranges(&mut regex, &mut characters)?,
            other => push_literal(&mut regex, other),
        }
    }
    regex.push_str(")$");
    Regex::new(&regex).ok()
}

/// Ranges and single characters of `[...]`, up to `]`.
fn push_ranges(regex: &mut String, characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<()> {
    let negated = characters.next_if_eq(&'^').is_some();
    regex.push_str(if negated { "[^" } else { "[" });
    let mut ranges = 0;
    while ranges == 0 || characters.next_if_eq(&']').is_none() {
        let low = class_member(characters)?;
        let high = if characters.next_if_eq(&'-').is_some() { class_member(characters)? } else { low };
        if low <= high {
            push_literal(regex, low);
            regex.push('-');
            push_literal(regex, high);
        }
        ranges += 1;
    }
    regex.push(']');
    Some(())
}

fn class_member(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<char> {
    match characters.next()? {
        '\\' => characters.next(),
        '-' | ']' => None,
        other => Some(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_files() {
        let cases = [
            ("*.conf", "a.conf", true),
            ("*.conf", "a/b.conf", false),
            ("**.conf", "a/b.conf", true),
            ("conf/{a,b}.*", "conf/b.x", true),
            ("conf/{a,b}.*", "conf/c.x", false),
            ("f[a-c].x", "fb.x", true),
            ("f[!a-c].x", "fb.x", false),
            ("f[xyz].x", "fy.x", true),
            (r"a\*", "a*", true),
            (r"a\*", "ab", false),
            ("{", "anything/at/all", true),
            ("?", "/", false),
        ];
        for (pattern, path, expected) in cases {
            assert_eq!(Glob::new(&pattern.replace(r"\\", r"\")).is_match(path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn patterns_of_templates() {
        let cases = [
            ("templates/*.yaml", "templates/a.yaml", true),
            ("templates/*.yaml", "templates/a/b.yaml", false),
            ("templates/[a-bd].yaml", "templates/d.yaml", true),
            ("templates/[^a].yaml", "templates/a.yaml", false),
        ];
        for (pattern, path, expected) in cases {
            assert_eq!(path_pattern(pattern).unwrap().is_match(path), expected, "{pattern} {path}");
        }
        assert!(path_pattern("a[").is_none());
        assert!(path_pattern("a\\").is_none());
    }
}
