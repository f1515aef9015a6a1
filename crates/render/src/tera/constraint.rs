//! Version constraints as charts write them (Masterminds/semver, which Helm uses).

use std::cmp::Ordering;
use std::str::FromStr;

use semver::Version;

/// A range of versions, such as `>=1.30-0 <2 || ~3.1`.
///
/// Alternatives are separated by `||`, conditions by spaces or commas. A condition is a version after one of
/// `= != > < >= <= ~ ^`; missing parts and `x`, `X`, `*` stand for any number; `1.2 - 1.4` is a range. A pre-release
/// fits only where the condition names one too (`-0` names them all).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Constraint {
    alternatives: Vec<Vec<Condition>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    operator: Operator,
    version: Version,
    /// How many of major, minor and patch are given.
    parts: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    Tilde,
    Caret,
}

/// The operators as written; those that begin with another come first.
const OPERATORS: [(&str, Operator); 12] = [
    ("!=", Operator::NotEqual),
    (">=", Operator::GreaterOrEqual),
    ("=>", Operator::GreaterOrEqual),
    ("<=", Operator::LessOrEqual),
    ("=<", Operator::LessOrEqual),
    ("~>", Operator::Tilde),
    ("==", Operator::Equal),
    ("=", Operator::Equal),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("~", Operator::Tilde),
    ("^", Operator::Caret),
];

impl Constraint {
    /// Whether the version is in the range.
    pub(super) fn matches(&self, version: &Version) -> bool {
        self.alternatives
            .iter()
            .any(|conditions| conditions.iter().all(|condition| condition.matches(version)))
    }
}

/// A version as people write it: with a leading `v`, and with missing parts.
pub(super) fn lenient_version(text: &str) -> Result<Version, String> {
    match partial(text) {
        Some((version, 1..)) => Ok(version),
        _ => Err(format!("{text:?} is not a version such as 1.2.3")),
    }
}

impl FromStr for Constraint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let error = || format!("{text:?} is not a version constraint such as >=1.30-0 <2");
        let alternatives = text.split("||").map(|part| conditions(part).ok_or_else(error));
        Ok(Self { alternatives: alternatives.collect::<Result<_, _>>()? })
    }
}

fn conditions(text: &str) -> Option<Vec<Condition>> {
    if let Some((low, high)) = text.split_once(" - ") {
        let (low, high) = (low.trim(), high.trim());
        return Some(vec![
            condition(Operator::GreaterOrEqual, low)?,
            condition(Operator::LessOrEqual, high)?,
        ]);
    }
    let mut conditions = Vec::new();
    let mut words = text.split([' ', ',', '\t']).filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        let known = OPERATORS.iter().find_map(|(sign, operator)| Some((*operator, word.strip_prefix(sign)?)));
        let (operator, version) = known.unwrap_or((Operator::Equal, word));
        // There may be space between the operator and the version.
        let version = if version.is_empty() { words.next()? } else { version };
        conditions.push(condition(operator, version)?);
    }
    (!conditions.is_empty()).then_some(conditions)
}

fn condition(operator: Operator, text: &str) -> Option<Condition> {
    let (version, parts) = partial(text)?;
    Some(Condition { operator, version, parts })
}

/// A version of which parts may be missing, and how many there are.
fn partial(text: &str) -> Option<(Version, usize)> {
    let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let (text, build) = text.split_once('+').map_or((text, ""), |(text, build)| (text, build));
    let (core, pre) = text.split_once('-').map_or((text, ""), |(core, pre)| (core, pre));
    let mut numbers = [0; 3];
    let mut parts = 0;
    let mut open = false;
    for (index, part) in core.split('.').enumerate() {
        if matches!(part, "x" | "X" | "*") {
            open = true;
        } else if open || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        } else {
            *numbers.get_mut(index)? = part.parse().ok()?;
            parts = index + 1;
        }
    }
    let [major, minor, patch] = numbers;
    let mut version = Version::new(major, minor, patch);
    version.pre = semver::Prerelease::new(pre).ok()?;
    version.build = semver::BuildMetadata::new(build).ok()?;
    Some((version, parts))
}

impl Condition {
    fn matches(&self, version: &Version) -> bool {
        if !version.pre.is_empty() && self.version.pre.is_empty() {
            return false;
        }
        let order = version.cmp_precedence(&self.version);
        match self.operator {
            Operator::Equal if self.parts < 3 => self.has_given_parts(version, self.parts),
            Operator::NotEqual if self.parts < 3 => !self.has_given_parts(version, self.parts),
            Operator::Equal => order == Ordering::Equal,
            Operator::NotEqual => order != Ordering::Equal,
            // `>1.2` means beyond all of 1.2, and `<=1.2` all of it.
            Operator::Greater => order == Ordering::Greater && !self.has_given_parts_if_open(version),
            Operator::LessOrEqual => order != Ordering::Greater || self.has_given_parts_if_open(version),
            Operator::Less => order == Ordering::Less,
            Operator::GreaterOrEqual => order != Ordering::Less,
            // At least this one, and the same minor (or major, when there is no minor).
            Operator::Tilde => order != Ordering::Less && self.has_given_parts(version, self.parts.min(2)),
            Operator::Caret => order != Ordering::Less && self.has_given_parts(version, self.caret_parts()),
        }
    }

    fn has_given_parts_if_open(&self, version: &Version) -> bool {
        self.parts < 3 && self.has_given_parts(version, self.parts)
    }

    fn has_given_parts(&self, version: &Version, count: usize) -> bool {
        let numbers = |version: &Version| [version.major, version.minor, version.patch];
        numbers(version)[..count] == numbers(&self.version)[..count]
    }

    /// The parts up to the first that is not zero.
    fn caret_parts(&self) -> usize {
        let numbers = [self.version.major, self.version.minor, self.version.patch];
        let first = numbers.iter().position(|number| *number > 0).map_or(3, |at| at + 1);
        first.min(self.parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints_match_as_charts_expect() {
        // The constraint, versions that fit, versions that do not.
        let cases = [
            ("1.2.3", "1.2.3 v1.2.3 1.2.3+b", "1.2.4 1.2.3-rc1"),
            ("=1.2", "1.2.0 1.2.9", "1.3.0"),
            ("1.x", "1.0.0 1.9.9", "2.0.0"),
            ("*", "0.0.1 9.0.0", "1.0.0-rc1"),
            (">=1.30-0", "1.30.0 1.36.3 1.36.3-gke.100 2.0.0", "1.29.9"),
            (">= 1.30", "1.30.0 1.36.3", "1.36.3-gke.100 1.29.9"),
            (">1.2", "1.3.0 2.0.0", "1.2.0 1.2.9"),
            ("<=1.2", "1.2.9 1.0.0", "1.3.0"),
            ("<1.2", "1.1.9", "1.2.0"),
            (">=1.2 <1.4, !=1.3.1", "1.2.0 1.3.0", "1.3.1 1.4.0"),
            ("<1 || >=2", "0.9.0 2.0.0", "1.0.0 1.9.9"),
            ("1.2 - 1.4", "1.2.0 1.4.9", "1.5.0 1.1.9"),
            ("~1.2.3", "1.2.3 1.2.9", "1.2.2 1.3.0"),
            ("~1", "1.0.0 1.9.0", "2.0.0"),
            ("~>1.2", "1.2.9", "1.3.0"),
            ("^1.2.3", "1.2.3 1.9.0", "1.2.2 2.0.0"),
            ("^0.2.3", "0.2.3 0.2.9", "0.3.0"),
            ("^0.0.3", "0.0.3", "0.0.4"),
            ("^0", "0.0.1 0.9.0", "1.0.0"),
            ("!=1.2", "1.3.0", "1.2.3"),
        ];
        for (text, fitting, others) in cases {
            let constraint: Constraint = text.parse().unwrap();
            for (versions, expected) in [(fitting, true), (others, false)] {
                for version in versions.split(' ') {
                    assert_eq!(
                        constraint.matches(&lenient_version(version).unwrap()),
                        expected,
                        "{text}: {version}"
                    );
                }
            }
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "a", ">=", "1.2.3.4", "1.x.3", "1.-2", ">= || 1", "1..2"] {
            assert!(text.parse::<Constraint>().is_err(), "{text}");
        }
        for text in ["", "v", "x", "1.2.3.4", "1.a"] {
            assert!(lenient_version(text).is_err(), "{text}");
        }
    }
}
