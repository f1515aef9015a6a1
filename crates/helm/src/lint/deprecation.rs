//! APIs that go away.

use std::fmt::Write as _;

use super::object::Object;
use crate::objects::capabilities::KubeVersion;

/// API version, kind, the version of Kubernetes since which it is deprecated, the one that no longer has it, and what
/// takes its place: what Kubernetes 1.37 says of its APIs.
const TABLE: &str = include_str!("deprecated.txt");

/// Whether the API of an object is still the one to use.
pub(super) fn check(object: &Object, version: &KubeVersion) -> Result<(), String> {
    let found = TABLE.lines().find_map(|line| {
        let (api_version, rest) = line.split_once(' ')?;
        let (kind, rest) = rest.split_once(' ')?;
        (api_version == object.api_version && kind == object.kind).then_some(rest)
    });
    let Some(rest) = found else { return Ok(()) };
    let mut words = rest.split(' ');
    let (since, until) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let current: (u32, u32) =
        (version.major.parse().unwrap_or_default(), version.minor.parse().unwrap_or_default());
    if numbers(since) > current {
        return Ok(());
    }
    let mut message = format!("{} {} is deprecated in v{since}+", object.api_version, object.kind);
    if until != "-" {
        // Writing to a string does not fail.
        let _ = write!(message, ", unavailable in v{until}+");
    }
    if let (Some(api_version), Some(kind)) = (words.next(), words.next()) {
        let _ = write!(message, "; use {api_version} {kind}");
    }
    Err(message)
}

fn numbers(version: &str) -> (u32, u32) {
    let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
    (major.parse().unwrap_or_default(), minor.parse().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_deprecated_depends_on_the_cluster() {
        let object = |api_version: &str, kind: &str| Object {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            name: String::new(),
        };
        let at = |version: &str| KubeVersion::parse(version).unwrap();
        let ingress = object("extensions/v1beta1", "Ingress");
        assert_eq!(check(&ingress, &at("1.13")), Ok(()));
        assert_eq!(
            check(&ingress, &at("1.14")).unwrap_err(),
            "extensions/v1beta1 Ingress is deprecated in v1.14+, unavailable in v1.22+; use networking.k8s.io/v1 Ingress"
        );
        assert_eq!(check(&object("networking.k8s.io/v1", "Ingress"), &at("1.37")), Ok(()));
        assert_eq!(check(&object("example.org/v1", "Web"), &at("1.37")), Ok(()));
    }

    #[test]
    fn the_table_is_whole() {
        for line in TABLE.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            assert!(matches!(words.len(), 4 | 6), "{line}");
            assert!(numbers(words[2]) > (1, 0), "{line}");
            assert!(words[3] == "-" || numbers(words[3]) > numbers(words[2]), "{line}");
        }
    }
}
