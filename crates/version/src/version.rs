//! A version.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// Bytes that a version may have.
const MAX_LEN: usize = 256;

/// A version: three numbers, a pre-release and build metadata.
///
/// It may have a leading `v`; minor and patch may be missing and then are 0; numbers may have leading zeros.
/// Order and equality are those of precedence (Semantic Versioning 2.0, section 11): metadata does not count.
#[derive(Debug, Clone, Default)]
pub struct Version {
    /// The first number.
    pub major: u64,
    /// The second number.
    pub minor: u64,
    /// The third number.
    pub patch: u64,
    /// What stands after the hyphen; empty for a release.
    pub pre: String,
    /// What stands after the plus sign.
    pub metadata: String,
    original: String,
}

/// Why a text is not a version. The texts are those of Masterminds/semver.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VersionError {
    /// It does not look like one.
    #[error("invalid semantic version")]
    Invalid,
    /// It has more than 256 bytes.
    #[error("version string is too long (max {MAX_LEN} bytes)")]
    TooLong,
    /// A number needs more than 64 bits.
    #[error("error parsing version segment: strconv.ParseUint: parsing \"{0}\": value out of range")]
    OutOfRange(String),
    /// A number in the pre-release starts with 0.
    #[error("version segment starts with 0")]
    LeadingZero,
    /// What is to become the pre-release is none.
    #[error("invalid prerelease string")]
    Prerelease,
    /// What is to become the metadata is none.
    #[error("invalid metadata string")]
    Metadata,
}

impl Version {
    /// A release of three numbers.
    pub fn new(major: u64, minor: u64, patch: u64) -> Self {
        let mut version = Self { major, minor, patch, ..Self::default() };
        version.original = version.to_string();
        version
    }

    /// The text that the version was read from.
    pub fn original(&self) -> &str {
        &self.original
    }

    /// Whether the text had a leading `v`.
    fn original_prefix(&self) -> &'static str {
        if self.original.starts_with('v') { "v" } else { "" }
    }

    /// The version as if it had been read from its own text, with the prefix of the original.
    #[must_use]
    fn renamed(mut self) -> Self {
        self.original = format!("{}{}", self.original_prefix(), self);
        self
    }

    /// The next version with another patch number; that of a pre-release is the release.
    #[must_use]
    pub fn next_patch(&self) -> Self {
        let mut next = self.clone();
        // A pre-release comes before the patch that it is for.
        if self.pre.is_empty() {
            next.patch = self.patch.wrapping_add(1);
        }
        next.pre.clear();
        next.metadata.clear();
        next.renamed()
    }

    /// The next version with another minor number.
    #[must_use]
    pub fn next_minor(&self) -> Self {
        let next = Self { minor: self.minor.wrapping_add(1), major: self.major, ..Self::default() };
        Self { original: self.original.clone(), ..next }.renamed()
    }

    /// The next version with another major number.
    #[must_use]
    pub fn next_major(&self) -> Self {
        let next = Self { major: self.major.wrapping_add(1), ..Self::default() };
        Self { original: self.original.clone(), ..next }.renamed()
    }

    /// The version with another pre-release.
    pub fn with_pre(&self, pre: &str) -> Result<Self, VersionError> {
        if !pre.is_empty() {
            check_pre(pre)?;
        }
        Ok(Self { pre: pre.to_owned(), ..self.clone() }.renamed())
    }

    /// The version with other metadata.
    pub fn with_metadata(&self, metadata: &str) -> Result<Self, VersionError> {
        if !metadata.is_empty() && !is_dotted(metadata) {
            return Err(VersionError::Metadata);
        }
        Ok(Self { metadata: metadata.to_owned(), ..self.clone() }.renamed())
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        if text.len() > MAX_LEN {
            return Err(VersionError::TooLong);
        }
        let bare = text.strip_prefix('v').unwrap_or(text);
        // A pre-release has no plus sign, and numbers have neither.
        let (rest, metadata) = match bare.split_once('+') {
            Some((rest, metadata)) => (rest, Some(metadata)),
            None => (bare, None),
        };
        let (numbers, pre) = match rest.split_once('-') {
            Some((numbers, pre)) => (numbers, Some(pre)),
            None => (rest, None),
        };
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let parts: Vec<&str> = numbers.split('.').collect();
        let looks_right = parts.len() <= 3
            && parts.iter().copied().all(is_number)
            && [metadata, pre].into_iter().flatten().all(is_dotted);
        if !looks_right {
            return Err(VersionError::Invalid);
        }
        let number = |index: usize| -> Result<u64, VersionError> {
            let Some(part) = parts.get(index) else { return Ok(0) };
            part.parse().map_err(|_| VersionError::OutOfRange((*part).to_owned()))
        };
        let version = Self {
            major: number(0)?,
            minor: number(1)?,
            patch: number(2)?,
            pre: pre.unwrap_or_default().to_owned(),
            metadata: metadata.unwrap_or_default().to_owned(),
            original: text.to_owned(),
        };
        if !version.pre.is_empty() {
            check_pre(&version.pre)?;
        }
        Ok(version)
    }
}

/// Whether a text is one or more identifiers with dots between them.
pub(crate) fn is_dotted(text: &str) -> bool {
    text.split('.')
        .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'))
}

fn check_pre(pre: &str) -> Result<(), VersionError> {
    if !is_dotted(pre) {
        return Err(VersionError::Prerelease);
    }
    let has_leading_zero = |part: &str| {
        part.len() > 1 && part.starts_with('0') && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    if pre.split('.').any(has_leading_zero) { Err(VersionError::LeadingZero) } else { Ok(()) }
}

/// The version in full, without a leading `v`.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.pre.is_empty() {
            write!(f, "-{}", self.pre)?;
        }
        if !self.metadata.is_empty() {
            write!(f, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let numbers = |version: &Self| (version.major, version.minor, version.patch);
        numbers(self).cmp(&numbers(other)).then_with(|| compare_pre(&self.pre, &other.pre))
    }
}

/// The order of two pre-releases; a release comes after all of them.
pub(crate) fn compare_pre(one: &str, other: &str) -> Ordering {
    match (one.is_empty(), other.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let (mut one, mut other) = (one.split('.'), other.split('.'));
    loop {
        let order = match (one.next(), other.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(one), Some(other)) => compare_identifiers(one, other),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Numbers come before words. A number that needs more than 64 bits is a word.
fn compare_identifiers(one: &str, other: &str) -> Ordering {
    match (one.parse::<u64>().ok(), other.parse::<u64>().ok()) {
        (Some(one), Some(other)) => one.cmp(&other),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => one.cmp(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_leniently() {
        let cases = [
            ("1", "1.0.0"),
            ("v1.2", "1.2.0"),
            ("01.2.3", "1.2.3"),
            ("1.2-5", "1.2.0-5"),
            ("1+b", "1.0.0+b"),
            ("1.2.3--", "1.2.3--"),
            ("1.2.3-00a.0+01", "1.2.3-00a.0+01"),
            ("1.2.3-18446744073709551616", "1.2.3-18446744073709551616"),
        ];
        for (text, full) in cases {
            let version: Version = text.parse().unwrap();
            assert_eq!((version.to_string().as_str(), version.original()), (full, text));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "v",
            "x",
            "1.x",
            "1.2.3.4",
            "1..2",
            "V1",
            " 1",
            "1 ",
            "1.2.3-",
            "1.2.3+",
            "1.2.3-a_b",
            "1.2.3beta",
        ] {
            assert_eq!(text.parse::<Version>().unwrap_err(), VersionError::Invalid, "{text}");
        }
        assert_eq!("1.2.3-01".parse::<Version>().unwrap_err(), VersionError::LeadingZero);
        assert!(matches!("1.99999999999999999999".parse::<Version>(), Err(VersionError::OutOfRange(_))));
        assert_eq!("1".repeat(257).parse::<Version>().unwrap_err(), VersionError::TooLong);
    }

    #[test]
    fn order_is_that_of_precedence() {
        let ascending = [
            "1.0.0-1",
            "1.0.0-2",
            "1.0.0-10",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.1",
            "1.1.0",
            "2.0.0",
        ];
        let versions: Vec<Version> = ascending.iter().map(|text| text.parse().unwrap()).collect();
        assert!(versions.is_sorted_by(|one, other| one < other));
        assert_eq!("1.0.0+a".parse::<Version>().unwrap(), "1.0.0+b".parse::<Version>().unwrap());
    }

    #[test]
    fn next_versions_keep_the_prefix() {
        let version: Version = "v1.2.3-rc.1+b".parse().unwrap();
        let nexts = [version.next_patch(), version.next_minor(), version.next_major()];
        assert_eq!(nexts.map(|next| next.original().to_owned()), ["v1.2.3", "v1.3.0", "v2.0.0"]);
        assert_eq!(version.with_pre("a").unwrap().original(), "v1.2.3-a+b");
        assert_eq!(version.with_pre("a_").unwrap_err(), VersionError::Prerelease);
        assert_eq!(version.with_metadata("_").unwrap_err(), VersionError::Metadata);
        assert_eq!(Version::new(1, 2, 3).original(), "1.2.3");
    }
}
