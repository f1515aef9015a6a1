//! Ranges of versions, by a table.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a step that fails here is a test that fails")]

use proptest::prelude::*;
use semver::Version;
use tiphys_source::{RevisionSpec, VersionRange};

#[test]
fn the_table_holds() {
    let table = include_str!("data/ranges.txt");
    let mut count = 0;
    for line in table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        // A range may itself contain `||`, so the columns are taken from the end.
        let mut columns = line.rsplitn(3, " | ");
        let (outside, inside, text) =
            (columns.next().unwrap(), columns.next().unwrap(), columns.next().unwrap());
        let range: VersionRange = text.parse().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(range.as_str(), text);
        for (versions, expected) in [(inside, true), (outside, false)] {
            for version in versions.split(' ') {
                let parsed = Version::parse(version.trim_start_matches('v')).unwrap();
                assert_eq!(range.contains(&parsed), expected, "{version} in {text:?}");
                count += 1;
            }
        }
    }
    assert!(count > 150, "{count}");
}

#[test]
fn what_is_no_range_is_refused() {
    for (text, expected) in [
        ("", "an empty part"),
        ("||", "an empty part"),
        (">=1 ||", "an empty part"),
        (">=", "a version is missing"),
        (">>1", "\">>\" is not a comparison"),
        ("1.2.3.4", "\"1.2.3.4\" is not a version"),
        ("main", "\"main\" is not a version"),
        ("1.x.3", "\"1.x.3\" is not a version"),
        ("1.2-", "\"1.2-\" is not a version"),
        ("1..2", "\"1..2\" is not a version"),
        ("99999999999999999999", "is not a version"),
        ("- 2", "a hyphen without a version"),
        (">1 - 2", "a hyphen without a version"),
        ("1 -", "is not a version"),
    ] {
        let error = text.parse::<VersionRange>().unwrap_err().to_string();
        assert!(error.contains(expected), "{text:?}: {error}");
    }
}

#[test]
fn revisions_as_people_write_them() {
    let commit = "0123456789abcdef0123456789abcdef01234567";
    for (text, shown) in [
        ("", "HEAD"),
        (" HEAD ", "HEAD"),
        ("main", "\"main\""),
        ("refs/heads/a/b", "branch \"a/b\""),
        ("refs/tags/v1", "tag \"v1\""),
        (commit, "commit 0123456789abcdef0123456789abcdef01234567"),
        (&commit.to_uppercase(), "commit 0123456789abcdef0123456789abcdef01234567"),
        ("semver:^1", "version range \"^1\""),
        ("semver:nonsense", "\"semver:nonsense\""),
        ("^1", "\"^1\""),
    ] {
        assert_eq!(RevisionSpec::parse(text).to_string(), shown, "{text}");
    }
    for text in [
        "main@sha1:",
        "sha1:12",
        "@sha1:0123456789abcdef0123456789abcdef01234567",
        "main",
        "sha1:+123456789abcdef0123456789abcdef01234567",
    ] {
        assert!(text.parse::<tiphys_source::Revision>().is_err(), "{text}");
    }
    let revision: tiphys_source::Revision = format!("a@sha1:b@sha1:{commit}").parse().unwrap();
    assert_eq!((revision.name(), revision.short().as_str()), (Some("a@sha1:b"), "a@sha1:b@01234567"));
    let json = serde_json::to_string(&revision).unwrap();
    assert_eq!(serde_json::from_str::<tiphys_source::Revision>(&json).unwrap(), revision);
}

proptest! {
    #[test]
    fn nothing_panics(text in "[0-9vx.*<>=~^|, -]{0,24}", major in 0_u64..4, minor in 0_u64..4) {
        if let Ok(range) = text.parse::<VersionRange>() {
            range.contains(&Version::new(major, minor, 0));
        }
    }
}
