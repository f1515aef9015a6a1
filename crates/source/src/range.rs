//! Ranges of semantic versions, in the language that Helm and Flux users know (Masterminds/semver), which the `semver`
//! crate cannot express.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use semver::{BuildMetadata, Prerelease, Version};
use serde::{Deserialize, Serialize};

/// A range of versions.
///
/// Alternatives are separated by `||`; in each, all comparisons (separated by blanks or commas) must hold. A comparison
/// is `=`, `!=`, `>`, `<`, `>=`, `<=`, `~` (also `~>`), `^` or nothing before a version; versions may be partial
/// (`1.2`), have wildcards (`1.x`, `*`) and a leading `v`; `1.2 - 1.4.5` is a range with both ends.
///
/// A pre-release lies in a range only if a comparison of the same alternative names a pre-release.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VersionRange {
    text: String,
    alternatives: Vec<Vec<Comparison>>,
}

/// Why a text is not a range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a range of versions: {problem}; write it like \">=1.2 <2\", \"~1.4\" or \"1.x\"")]
pub struct RangeError {
    text: String,
    problem: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    /// Same minor version, at least this.
    Tilde,
    /// Same leftmost non-zero number, at least this.
    Caret,
}

#[derive(Debug, Clone)]
struct Comparison {
    operator: Operator,
    /// The version with zeros for what was left out.
    version: Version,
    /// How many of the three numbers were given: 0 for `*`, 3 for a full version.
    given: u8,
}

/// Reads the name of a tag as a version: a leading `v` and missing numbers are accepted (`v1.2` is 1.2.0).
pub(crate) fn version_of_tag(tag: &str) -> Option<Version> {
    parse_partial(tag).ok().filter(|(_, given)| *given > 0).map(|(version, _)| version)
}

impl VersionRange {
    /// The range as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a version lies in the range.
    pub fn contains(&self, version: &Version) -> bool {
        self.alternatives.iter().any(|comparisons| {
            let names_a_prerelease = comparisons.iter().any(|it| !it.version.pre.is_empty());
            (version.pre.is_empty() || names_a_prerelease)
                && comparisons.iter().all(|it| it.holds_for(version))
        })
    }
}

impl Comparison {
    fn holds_for(&self, version: &Version) -> bool {
        let order = version.cmp_precedence(&self.version);
        match self.operator {
            Operator::Equal => self.same(version, self.given) && (self.given < 3 || order == Ordering::Equal),
            Operator::NotEqual => {
                !(self.same(version, self.given) && (self.given < 3 || order == Ordering::Equal))
            }
            Operator::GreaterOrEqual => order != Ordering::Less,
            Operator::Less => self.given > 0 && order == Ordering::Less,
            // `>1.2` means above all of 1.2.x, and `<=1.2` includes all of it.
            Operator::Greater => {
                order == Ordering::Greater && (self.given == 3 || !self.same(version, self.given))
            }
            Operator::LessOrEqual => {
                order != Ordering::Greater || (self.given < 3 && self.same(version, self.given))
            }
            Operator::Tilde => order != Ordering::Less && self.same(version, self.given.min(2)),
            Operator::Caret => order != Ordering::Less && self.same(version, self.caret_depth()),
        }
    }

    /// Whether the first `count` numbers are equal.
    fn same(&self, version: &Version, count: u8) -> bool {
        let own = [self.version.major, self.version.minor, self.version.patch];
        let other = [version.major, version.minor, version.patch];
        own.iter().zip(other).take(usize::from(count)).all(|(own, other)| *own == other)
    }

    /// How many numbers a caret holds fast: up to the leftmost one that is not zero, of those that were given.
    fn caret_depth(&self) -> u8 {
        let depth = match (self.version.major, self.version.minor) {
            (1.., _) => 1,
            (0, 1..) => 2,
            (0, 0) => 3,
        };
        depth.min(self.given)
    }
}

impl FromStr for VersionRange {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let alternatives = text
            .split("||")
            .map(parse_alternative)
            .collect::<Result<_, _>>()
            .map_err(|problem| RangeError { text: text.to_owned(), problem })?;
        Ok(Self { text: text.trim().to_owned(), alternatives })
    }
}

/// One alternative: comparisons with blanks or commas between them.
fn parse_alternative(text: &str) -> Result<Vec<Comparison>, String> {
    let mut comparisons: Vec<Comparison> = Vec::new();
    let mut rest = text.trim_start_matches(is_separator);
    if rest.is_empty() {
        return Err("an empty part".to_owned());
    }
    while !rest.is_empty() {
        if let Some(upper) = rest.strip_prefix("- ") {
            let lower = comparisons.last_mut().filter(|it| it.operator == Operator::Equal);
            let Some(lower) = lower else {
                return Err("a hyphen without a version before it".to_owned());
            };
            lower.operator = Operator::GreaterOrEqual;
            let (version, after) = take_version(upper.trim_start())?;
            comparisons.push(Comparison { operator: Operator::LessOrEqual, ..version });
            rest = after;
            continue;
        }
        let end = rest.find(|it: char| !"=!<>~^".contains(it)).unwrap_or(rest.len());
        let (operator, after) = rest.split_at(end);
        let operator = match operator {
            "" | "=" | "==" => Operator::Equal,
            "!=" => Operator::NotEqual,
            ">" => Operator::Greater,
            ">=" | "=>" => Operator::GreaterOrEqual,
            "<" => Operator::Less,
            "<=" | "=<" => Operator::LessOrEqual,
            "~" | "~>" => Operator::Tilde,
            "^" => Operator::Caret,
            other => return Err(format!("{other:?} is not a comparison")),
        };
        let (version, after) = take_version(after.trim_start())?;
        comparisons.push(Comparison { operator, ..version });
        rest = after;
    }
    Ok(comparisons)
}

fn is_separator(character: char) -> bool {
    character.is_whitespace() || character == ','
}

fn take_version(text: &str) -> Result<(Comparison, &str), String> {
    let end = text.find(|it: char| is_separator(it) || "=!<>~^".contains(it)).unwrap_or(text.len());
    let (version, rest) = text.split_at(end);
    let (version, given) = parse_partial(version)?;
    Ok((Comparison { operator: Operator::Equal, version, given }, rest.trim_start_matches(is_separator)))
}

/// A version in which numbers may be missing or wildcards; also gives how many numbers were there.
fn parse_partial(text: &str) -> Result<(Version, u8), String> {
    let problem = || {
        if text.is_empty() { "a version is missing".to_owned() } else { format!("{text:?} is not a version") }
    };
    let bare = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let (bare, build) = bare.split_once('+').map_or((bare, ""), |(bare, build)| (bare, build));
    let (numbers, pre) = bare.split_once('-').map_or((bare, ""), |(numbers, pre)| (numbers, pre));
    let mut version = Version::new(0, 0, 0);
    let mut given = 0;
    let mut wildcard = false;
    let parts: Vec<&str> = numbers.split('.').collect();
    let slots = [&mut version.major, &mut version.minor, &mut version.patch];
    if parts.len() > slots.len() {
        return Err(problem());
    }
    for (part, slot) in parts.into_iter().zip(slots) {
        if matches!(part, "x" | "X" | "*") {
            wildcard = true;
        } else if wildcard || part.is_empty() || !part.chars().all(|it| it.is_ascii_digit()) {
            return Err(problem());
        } else {
            *slot = part.parse().map_err(|_| problem())?;
            given += 1;
        }
    }
    if !pre.is_empty() {
        version.pre = Prerelease::new(pre).map_err(|_| problem())?;
    }
    if !build.is_empty() {
        version.build = BuildMetadata::new(build).map_err(|_| problem())?;
    }
    let dangling = (bare.ends_with('-') && pre.is_empty()) || (wildcard && !pre.is_empty());
    if dangling { Err(problem()) } else { Ok((version, given)) }
}

impl TryFrom<String> for VersionRange {
    type Error = RangeError;

    fn try_from(text: String) -> Result<Self, RangeError> {
        text.parse()
    }
}

impl From<VersionRange> for String {
    fn from(range: VersionRange) -> Self {
        range.text
    }
}

impl fmt::Debug for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VersionRange({:?})", self.text)
    }
}

// Two ranges are the same when they are written the same: what they mean follows from that.
impl PartialEq for VersionRange {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for VersionRange {}

impl PartialOrd for VersionRange {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for VersionRange {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl std::hash::Hash for VersionRange {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}
