//! `.helmignore`: which files of a directory are no part of the chart.

use std::collections::HashMap;

use crate::error::{Error, Place};
use crate::glob::PathPattern;
use crate::value::lossy;

/// The rules of a `.helmignore`, with the one that Helm adds.
///
/// They are not those of Git: the first rule that fits decides, and what a rule with `!` does *not* fit is ignored.
#[derive(Debug)]
pub struct IgnoreRules {
    rules: Vec<Rule>,
    /// What was decided of directories.
    directories: HashMap<String, bool>,
}

#[derive(Debug)]
struct Rule {
    pattern: PathPattern,
    negated: bool,
    only_directories: bool,
    /// Whether the pattern is for the last part of paths.
    base_name: bool,
}

impl IgnoreRules {
    /// Reads the rules; the text may be empty.
    pub fn parse(text: &[u8]) -> Result<Self, Error> {
        let text = lossy(text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text));
        let mut rules = Vec::new();
        for line in text.lines().chain(["templates/.?*"]) {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                rules.push(Rule::parse(line).map_err(|message| {
                    let place = Some(Place { file: ".helmignore".to_owned(), line: 0 });
                    Error::Load { place, message: message.to_owned() }
                })?);
            }
        }
        Ok(Self { rules, directories: HashMap::new() })
    }

    /// Whether a file, by its path in the chart, or one of the directories that it is in, is ignored.
    pub fn ignore_file(&mut self, path: &str) -> bool {
        let mut slashes = path.match_indices('/').map(|(index, _)| index);
        slashes.any(|end| self.ignore_directory(path.get(..end).unwrap_or_default()))
            || self.ignore(path, false)
    }

    /// Whether a directory is ignored, with all that is in it.
    fn ignore_directory(&mut self, path: &str) -> bool {
        if let Some(ignored) = self.directories.get(path) {
            return *ignored;
        }
        let ignored = self.ignore(path, true);
        self.directories.insert(path.to_owned(), ignored);
        ignored
    }

    /// Whether a path is ignored, if none of the directories that it is in is.
    pub(super) fn ignore(&self, path: &str, is_directory: bool) -> bool {
        let base_name = path.rsplit('/').next().unwrap_or_default();
        self.rules.iter().any(|rule| {
            let fits = (is_directory || !rule.only_directories)
                && rule.pattern.is_match(if rule.base_name { base_name } else { path });
            fits != rule.negated
        })
    }
}

impl Rule {
    fn parse(rule: &str) -> Result<Self, &'static str> {
        if rule.contains("**") {
            return Err("double-star (**) syntax is not supported");
        }
        let (negated, rest) = rule.strip_prefix('!').map_or((false, rule), |rest| (true, rest));
        let (only_directories, rest) = rest.strip_suffix('/').map_or((false, rest), |rest| (true, rest));
        let base_name = !rest.contains('/');
        let rest = rest.strip_prefix('/').unwrap_or(rest);
        let pattern = PathPattern::new(rest).ok_or("syntax error in pattern")?;
        Ok(Self { pattern, negated, only_directories, base_name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_helms_own() {
        let cases = [
            ("*.txt", "a/b.txt", true),
            ("*.txt", "a/b.yaml", false),
            ("/*.txt", "b.txt", true),
            ("/*.txt", "a/b.txt", false),
            ("a/*.txt", "a/b.txt", true),
            ("docs/", "docs/a.md", true),
            ("docs/", "x/docs/a.md", true),
            ("docs/", "docs", false),
            ("!*.yaml", "a.txt", true),
            ("!*.yaml", "a.yaml", false),
            ("# *.yaml\n\n", "a.yaml", false),
            ("", "templates/.hidden", true),
            ("", "templates/a/.hidden", false),
            ("", "charts/x/templates/.hidden", false),
        ];
        for (rules, path, ignored) in cases {
            assert_eq!(
                IgnoreRules::parse(rules.as_bytes()).unwrap().ignore_file(path),
                ignored,
                "{rules:?} {path}"
            );
        }
        assert!(IgnoreRules::parse(b"a/**").is_err());
        assert!(IgnoreRules::parse(b"a[").is_err());
    }
}
