//! A constraint on versions.

use std::fmt;
use std::str::FromStr;

use crate::version::{Version, compare_pre, is_dotted};

/// Bytes that a constraint may have.
const MAX_LEN: usize = 512;

/// A constraint such as `>=1.30-0 <2 || ~3.1`.
///
/// Alternatives are separated by `||`, conditions that must all hold by blanks or commas. A condition is a version
/// after one of `= != > < >= => <= =< ~ ~> ^` or nothing. Missing numbers and `x`, `X`, `*` stand for any number;
/// `1.2 - 1.4` is a range with both ends. A pre-release fits only where a condition of the same alternative names
/// a pre-release.
#[derive(Debug, Clone)]
pub struct Constraint {
    text: String,
    alternatives: Vec<Vec<Condition>>,
}

/// Why a text is not a constraint. The texts are those of Masterminds/semver.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConstraintError {
    /// It has more than 512 bytes.
    #[error("constraint string is too long (max {MAX_LEN} bytes)")]
    TooLong,
    /// An alternative does not look like one. It is given with its ranges rewritten.
    #[error("improper constraint: {0:?}")]
    Improper(String),
    /// What stands in place of a version is none.
    #[error("constraint parser error")]
    Version,
}

#[derive(Debug, Clone)]
struct Condition {
    operator: Operator,
    version: Version,
    open: Open,
}

/// Which numbers of a condition may be any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Patch,
    Minor,
    Major,
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
    ("=", Operator::Equal),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("~", Operator::Tilde),
    ("^", Operator::Caret),
    ("", Operator::Equal),
];

impl Constraint {
    /// Whether the version fits.
    pub fn matches(&self, version: &Version) -> bool {
        self.alternatives.iter().any(|conditions| {
            let names_pre = conditions.iter().any(|condition| !condition.version.pre.is_empty());
            (version.pre.is_empty() || names_pre)
                && conditions.iter().all(|condition| condition.matches(version))
        })
    }

    /// The constraint as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Constraint {
    type Err = ConstraintError;

    fn from_str(text: &str) -> Result<Self, ConstraintError> {
        if text.len() > MAX_LEN {
            return Err(ConstraintError::TooLong);
        }
        let rewritten = rewrite_ranges(text);
        let alternatives = rewritten.split("||").map(parse_conditions).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), alternatives })
    }
}

impl Condition {
    /// Whether the condition holds, apart from the rule about pre-releases.
    fn matches(&self, version: &Version) -> bool {
        let own = &self.version;
        match self.operator {
            Operator::Equal if self.open == Open::Nothing => version == own,
            Operator::Equal | Operator::Tilde => self.tilde(version),
            Operator::NotEqual => self.differs(version),
            // `>11` begins at 12 and `>11.1` at 11.2, but `>*` right after 0.0.0.
            Operator::Greater => match self.open {
                Open::Minor => version.major > own.major,
                Open::Patch => (version.major, version.minor) > (own.major, own.minor),
                Open::Nothing | Open::Major => version > own,
            },
            Operator::Less => version < own,
            Operator::GreaterOrEqual => version >= own,
            Operator::LessOrEqual => match self.open {
                Open::Nothing => version <= own,
                Open::Minor => version.major <= own.major,
                Open::Patch | Open::Major => (version.major, version.minor) <= (own.major, own.minor),
            },
            Operator::Caret => self.caret(version),
        }
    }

    /// At least this version, and the same major and minor number.
    fn tilde(&self, version: &Version) -> bool {
        let own = &self.version;
        let is_any =
            (own.major, own.minor, own.patch) == (0, 0, 0) && !matches!(self.open, Open::Minor | Open::Patch);
        version >= own
            && (is_any
                || version.major == own.major && (version.minor == own.minor || self.open == Open::Minor))
    }

    fn differs(&self, version: &Version) -> bool {
        let own = &self.version;
        match self.open {
            Open::Minor => version.major != own.major,
            Open::Patch if (version.major, version.minor) == (own.major, own.minor) => {
                compare_pre(&version.pre, &own.pre).is_ne()
            }
            Open::Patch => true,
            Open::Major | Open::Nothing => version != own,
        }
    }

    /// At least this version, and the same leftmost number that is not zero.
    fn caret(&self, version: &Version) -> bool {
        let own = &self.version;
        if version < own {
            return false;
        }
        if own.major > 0 || self.open == Open::Minor {
            return version.major == own.major;
        }
        if own.minor > 0 || self.open == Open::Patch {
            return (version.major, version.minor) == (0, own.minor);
        }
        (version.major, version.minor, version.patch) == (0, 0, own.patch)
    }
}

/// Writes `1.2 - 1.4` as `>= 1.2, <= 1.4`.
fn rewrite_ranges(text: &str) -> String {
    let mut rewritten = text.to_owned();
    let mut rest = text;
    while let Some((range, after)) = find_range(rest) {
        rewritten = rewritten.replacen(range.whole, &format!(">= {}, <= {} ", range.low, range.high), 1);
        rest = after;
    }
    rewritten
}

struct Range<'a> {
    /// The range with the blanks around it.
    whole: &'a str,
    low: &'a str,
    high: &'a str,
}

/// The first range, wherever it begins, and what follows it.
fn find_range(text: &str) -> Option<(Range<'_>, &str)> {
    text.char_indices().find_map(|(start, _)| {
        let whole = text.get(start..)?;
        let (low, rest) = take_version(trim(whole))?;
        let hyphen = trim(rest);
        let after_hyphen = hyphen.strip_prefix('-')?;
        let high = trim(after_hyphen);
        if hyphen.len() == rest.len() || high.len() == after_hyphen.len() {
            return None;
        }
        let (high, rest) = take_version(high)?;
        let rest = trim(rest);
        let whole = whole.get(..whole.len() - rest.len())?;
        Some((Range { whole, low, high }, rest))
    })
}

/// The conditions of one alternative.
fn parse_conditions(text: &str) -> Result<Vec<Condition>, ConstraintError> {
    let improper = || ConstraintError::Improper(text.to_owned());
    let mut conditions = Vec::new();
    let mut rest = trim(text);
    loop {
        let (operator, after) = OPERATORS
            .iter()
            .find_map(|(sign, operator)| Some((*operator, rest.strip_prefix(sign)?)))
            .ok_or_else(improper)?;
        let (version, after) = take_version(trim(after)).ok_or_else(improper)?;
        conditions.push((operator, version));
        rest = trim(after);
        if rest.is_empty() {
            break;
        }
        match rest.strip_prefix(',') {
            Some(after) => rest = trim(after),
            None if rest.len() == after.len() => return Err(improper()),
            None => {}
        }
    }
    conditions.into_iter().map(|(operator, version)| Condition::parse(operator, version)).collect()
}

impl Condition {
    fn parse(operator: Operator, text: &str) -> Result<Self, ConstraintError> {
        let bare = text.strip_prefix('v').unwrap_or(text);
        let end = bare.find(['-', '+']).unwrap_or(bare.len());
        let (numbers, suffix) = bare.split_at(end);
        // Where numbers are missing, only the pre-release is kept of what follows.
        let pre = suffix.split_once('+').map_or(suffix, |(pre, _)| pre);
        let is_open = |part: Option<&str>| part.is_none_or(|part| matches!(part, "x" | "X" | "*"));
        let mut parts = numbers.split('.');
        let (major, minor, patch) = (parts.next(), parts.next(), parts.next());
        let (open, version) = if is_open(major) {
            (Open::Major, format!("0.0.0{pre}"))
        } else if is_open(minor) {
            (Open::Minor, format!("{}.0.0{pre}", major.unwrap_or_default()))
        } else if is_open(patch) {
            (Open::Patch, format!("{}.{}.0{pre}", major.unwrap_or_default(), minor.unwrap_or_default()))
        } else {
            (Open::Nothing, text.to_owned())
        };
        let version = version.parse().map_err(|_| ConstraintError::Version)?;
        Ok(Self { operator, version, open })
    }
}

/// Takes what looks like a version, or one with wildcards, from the start of a text.
fn take_version(text: &str) -> Option<(&str, &str)> {
    // Masterminds takes `|` for a digit here and refuses it later.
    let is_digit = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'x' | b'X' | b'*' | b'|');
    let bytes = text.as_bytes();
    let run = |from: usize, fits: &dyn Fn(&u8) -> bool| {
        let count = bytes.get(from..).unwrap_or_default().iter().take_while(|byte| fits(byte)).count();
        from + count
    };
    let start = usize::from(text.starts_with('v'));
    let mut end = run(start, &is_digit);
    if end == start {
        return None;
    }
    for _ in 0..2 {
        let next = run(end + 1, &is_digit);
        if bytes.get(end) != Some(&b'.') || next == end + 1 {
            break;
        }
        end = next;
    }
    for sign in [b'-', b'+'] {
        if bytes.get(end) == Some(&sign) {
            let fits = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
            let suffix = text.get(end + 1..run(end + 1, &fits)).unwrap_or_default();
            end += longest_dotted(suffix).map_or(0, |length| length + 1);
        }
    }
    Some(text.split_at(end))
}

/// The length of the longest start of a text that is identifiers with dots between them.
fn longest_dotted(text: &str) -> Option<usize> {
    let end = text.find("..").unwrap_or(text.len());
    let start = text.get(..end)?.trim_end_matches('.');
    is_dotted(start).then_some(start.len())
}

/// The text without blanks at its start.
fn trim(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\n', '\u{c}', '\r'])
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
            (">11", "12.0.0", "11.1.0"),
            ("<=1.2", "1.2.9 1.0.0", "1.3.0"),
            ("<1.2", "1.1.9", "1.2.0"),
            ("=>1", "1.0.0 2.0.0", "0.9.0"),
            ("=<1", "1.0.0 1.9.0", "2.0.0"),
            (">=1.2 <1.4, !=1.3.1", "1.2.0 1.3.0", "1.3.1 1.4.0"),
            ("<1 || >=2", "0.9.0 2.0.0", "1.0.0 1.9.9"),
            ("1.2 - 1.4", "1.2.0 1.4.9", "1.5.0 1.1.9"),
            ("1 - 2 || 4 - 5", "1.2.0 2.4.9 5.0.0", "3.0.0 6.0.0"),
            ("~1.2.3", "1.2.3 1.2.9", "1.2.2 1.3.0"),
            ("~1", "1.0.0 1.9.0", "2.0.0"),
            ("~*", "0.0.0 1.9.0", "1.0.0-a"),
            ("~>1.2", "1.2.9", "1.3.0"),
            ("^1.2.3", "1.2.3 1.9.0", "1.2.2 2.0.0"),
            ("^0.2.3", "0.2.3 0.2.9", "0.3.0"),
            ("^0.0.3", "0.0.3", "0.0.4"),
            ("^0", "0.0.1 0.9.0", "1.0.0"),
            ("^*", "0.0.0", "0.0.1 1.0.0"),
            ("!=1.2", "1.3.0", "1.2.3"),
            ("!=*", "1.3.0", "0.0.0"),
            ("1.2.x-alpha", "1.2.3 1.2.3-a", "1.3.0 1.2.0-a"),
            ("v1", "1.2.3", "2.0.0"),
        ];
        for (text, fitting, others) in cases {
            let constraint: Constraint = text.parse().unwrap();
            assert_eq!(constraint.to_string(), text);
            for (versions, expected) in [(fitting, true), (others, false)] {
                for version in versions.split(' ') {
                    assert_eq!(constraint.matches(&version.parse().unwrap()), expected, "{text}: {version}");
                }
            }
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            " ",
            "a",
            ">=",
            "1.2.3.4",
            "1.-2",
            ">= || 1",
            "1..2",
            "==1",
            "!1",
            ">1,",
            ",1",
            "1,,2",
            "1<2",
            "1||",
            "1 -2",
            "1- 2",
            ">1 - 2",
            "1 - 2 - 3",
            "V1",
            ">v",
            "1.2.3-",
            "1.2.3-a..b",
            "1é",
        ] {
            assert!(matches!(text.parse::<Constraint>(), Err(ConstraintError::Improper(_))), "{text}");
        }
        for text in ["1|2", "1x", "1 | 2", "99999999999999999999", "1.2.3-01"] {
            assert_eq!(text.parse::<Constraint>().unwrap_err(), ConstraintError::Version, "{text}");
        }
        assert_eq!(" ".repeat(513).parse::<Constraint>().unwrap_err(), ConstraintError::TooLong);
        assert_eq!(
            "1.2.3.4 - 5".parse::<Constraint>().unwrap_err().to_string(),
            "improper constraint: \"1.>= 2.3.4, <= 5 \"",
        );
    }
}
