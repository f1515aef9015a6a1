//! Patterns for paths: those of `.Files.Glob`, and those of `--show-only`.

use std::rc::Rc;

use regex::Regex;

use crate::recent::Recent;

/// A pattern with the rules of gobwas/glob and `/` as its separator.
///
/// `*` and `?` stop at a separator, `**` does not; `[a-z]` and `[!a-z]` are one character, `{a,b}` one of several
/// patterns, and a backslash takes the meaning from what follows. A pattern that is none fits everything, as in Helm.
#[derive(Debug)]
pub(crate) struct Glob(Option<Regex>);

/// More than any pattern of a chart needs, less than makes its automaton large.
const MAX_LENGTH: usize = 1000;

/// The length up to which patterns are kept for the next call.
const KEPT_LENGTH: usize = 100;

thread_local! {
    static RECENT: Recent<Glob> = Recent::default();
}

impl Glob {
    /// The pattern, compiled. That takes longer than it takes to look through a whole chart with it.
    pub(crate) fn of(pattern: &str) -> Rc<Self> {
        RECENT.with(|recent| {
            recent.find(pattern.as_bytes()).unwrap_or_else(|| {
                let glob = Rc::new(Self::new(pattern));
                if pattern.len() <= KEPT_LENGTH {
                    recent.keep(pattern.as_bytes(), &glob);
                }
                glob
            })
        })
    }

    fn new(pattern: &str) -> Self {
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

/// A pattern by the rules of Go's `path/filepath.Match`.
///
/// A chart has dozens of them in its `.helmignore`, so they are read and matched without a regular expression.
#[derive(Debug)]
pub(crate) enum PathPattern {
    /// The path itself.
    Exact(String),
    /// A star and what stands behind it: most of a `.helmignore` is of this kind, such as `*.swp`.
    Ending(String),
    /// Everything else.
    Tokens(Vec<Token>),
}

#[derive(Debug)]
pub(crate) enum Token {
    /// Any characters but `/`.
    Star,
    /// One character but `/`.
    Any,
    Literal(char),
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl PathPattern {
    /// Reads a pattern; `None` if it is malformed, and so fits nothing.
    pub(crate) fn new(pattern: &str) -> Option<Self> {
        const SPECIAL: [char; 4] = ['*', '?', '\\', '['];
        if !pattern.contains(SPECIAL) {
            return Some(Self::Exact(pattern.to_owned()));
        }
        if let Some(ending) = pattern.strip_prefix('*').filter(|ending| !ending.contains(SPECIAL)) {
            return Some(Self::Ending(ending.to_owned()));
        }
        let mut tokens = Vec::new();
        let mut characters = pattern.chars().peekable();
        while let Some(character) = characters.next() {
            tokens.push(match character {
                '*' => Token::Star,
                '?' => Token::Any,
                '\\' => Token::Literal(characters.next()?),
                '[' => class(&mut characters)?,
                other => Token::Literal(other),
            });
        }
        Some(Self::Tokens(tokens))
    }

    /// Whether it fits the whole path.
    pub(crate) fn is_match(&self, path: &str) -> bool {
        match self {
            Self::Exact(whole) => path == whole,
            Self::Ending(ending) => {
                path.strip_suffix(ending.as_str()).is_some_and(|rest| !rest.contains('/'))
            }
            Self::Tokens(tokens) => is_match(tokens, path),
        }
    }
}

/// Whether tokens fit a whole path. As in Go, an earlier `*` takes as little as it can and is not tried again once a
/// later one is reached.
fn is_match(tokens: &[Token], path: &str) -> bool {
    let (mut tokens, mut rest) = (tokens, path);
    // What follows the last star, and what is left of the path behind what the star has taken so far.
    let mut last_star: Option<(&[Token], &str)> = None;
    loop {
        match tokens.split_first() {
            Some((Token::Star, after)) => {
                last_star = Some((after, rest));
                tokens = after;
                continue;
            }
            Some((token, after)) => {
                if let Some(behind) = token.take(rest) {
                    (tokens, rest) = (after, behind);
                    continue;
                }
            }
            None if rest.is_empty() => return true,
            None => {}
        }
        let Some((after, behind)) = last_star else { return false };
        let Some(behind) = Token::Any.take(behind) else { return false };
        last_star = Some((after, behind));
        (tokens, rest) = (after, behind);
    }
}

impl Token {
    /// What is left of a text behind the character that this stands for; `None` if it is another one.
    fn take<'a>(&self, text: &'a str) -> Option<&'a str> {
        let mut characters = text.chars();
        let character = characters.next()?;
        let fits = match self {
            Self::Star => false,
            Self::Any => character != '/',
            Self::Literal(literal) => character == *literal,
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&character)) != *negated
            }
        };
        fits.then_some(characters.as_str())
    }
}

/// Ranges and single characters of `[...]`, up to `]`.
fn class(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Token> {
    let negated = characters.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    while ranges.is_empty() || characters.next_if_eq(&']').is_none() {
        let low = class_member(characters)?;
        let high = if characters.next_if_eq(&'-').is_some() { class_member(characters)? } else { low };
        ranges.push((low, high));
    }
    Some(Token::Class { negated, ranges })
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
            ("*", "", true),
            ("*", "a/b", false),
            ("*", "a", true),
            ("*.swp", ".a.swp", true),
            ("*.swp", ".swp", true),
            ("*.swp", "a.swpx", false),
            ("*.swp", "a/b.swp", false),
            ("*/b", "a/b", true),
            ("*/b", "a/a/b", false),
            (".git", ".git", true),
            (".git", ".gitx", false),
            ("a]", "a]", true),
            ("*a*b", "xaxab", true),
            ("*a*b", "xaxabc", false),
            ("a*/*c", "ab/bc", true),
            (r"\*?", "*a", true),
            ("[b-a]", "a", false),
            ("?", "\u{e4}", true),
            ("?", "/", false),
        ];
        for (pattern, path, expected) in cases {
            assert_eq!(PathPattern::new(pattern).unwrap().is_match(path), expected, "{pattern} {path}");
        }
        assert!(PathPattern::new("a[").is_none());
        assert!(PathPattern::new("a\\").is_none());
    }
}
