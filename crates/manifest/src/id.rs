use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

/// What the API server calls a kind of object, with its API group and version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupVersionKind {
    /// API group, empty for the core group.
    pub group: String,
    /// API version within the group, such as `v1`.
    pub version: String,
    /// Kind in CamelCase, such as `Deployment`.
    pub kind: String,
}

impl GroupVersionKind {
    /// Puts the three parts together as they are.
    pub fn new(group: impl Into<String>, version: impl Into<String>, kind: impl Into<String>) -> Self {
        Self { group: group.into(), version: version.into(), kind: kind.into() }
    }

    /// Splits an `apiVersion` (`v1` or `group/version`) and adds the kind.
    ///
    /// Fails with [`Error::ApiVersion`] when a part is empty or there is more than one slash.
    pub fn parse(api_version: &str, kind: &str) -> Result<Self, Error> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let group_missing = group.is_empty() && api_version.contains('/');
        if group_missing || version.is_empty() || version.contains('/') {
            return Err(Error::ApiVersion { text: api_version.to_owned() });
        }
        if kind.is_empty() {
            return Err(Error::EmptyKind { api_version: api_version.to_owned() });
        }
        Ok(Self::new(group, version, kind))
    }

    /// The `apiVersion` field of an object of this kind.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}

impl fmt::Display for GroupVersionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.group.is_empty() {
            write!(f, "{}/", self.group)?;
        }
        write!(f, "{}/{}", self.version, self.kind)
    }
}

/// Which object of a cluster is meant, whatever version of its API is used to write it.
///
/// Prints as `apps/Deployment web/nginx`, `ConfigMap web/settings` (core group) or `Namespace web`
/// (no namespace), and parses from the same text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectId {
    /// API group, empty for the core group.
    pub group: String,
    /// Kind in CamelCase.
    pub kind: String,
    /// Namespace; `None` for cluster-scoped objects and for manifests that do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// `metadata.name`.
    pub name: String,
}

impl ObjectId {
    /// The same object, in `namespace` where it names none itself.
    ///
    /// Only the API server knows whether a kind is namespaced: the caller decides when to call this.
    #[must_use]
    pub fn in_namespace(mut self, namespace: &str) -> Self {
        self.namespace.get_or_insert_with(|| namespace.to_owned());
        self
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.group.is_empty() {
            write!(f, "{}/", self.group)?;
        }
        write!(f, "{} ", self.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)
    }
}

impl FromStr for ObjectId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = || Error::ObjectId { text: text.to_owned() };
        let (kind, name) = text.split_once(' ').ok_or_else(malformed)?;
        let (group, kind) = kind.split_once('/').unwrap_or(("", kind));
        let (namespace, name) = match name.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, name),
        };
        let bad = |part: &str| part.is_empty() || part.contains(['/', ' ']);
        if bad(kind) || bad(name) || namespace.is_some_and(bad) {
            return Err(malformed());
        }
        Ok(Self {
            group: group.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_versions_split_and_join() {
        for (text, group, version) in
            [("v1", "", "v1"), ("apps/v1", "apps", "v1"), ("a.b/v1beta1", "a.b", "v1beta1")]
        {
            let gvk = GroupVersionKind::parse(text, "Thing").unwrap();
            assert_eq!((gvk.group.as_str(), gvk.version.as_str()), (group, version), "{text}");
            assert_eq!(gvk.api_version(), text);
        }
        for text in ["", "/v1", "apps/", "a/b/c", "/"] {
            assert!(GroupVersionKind::parse(text, "Thing").is_err(), "{text:?}");
        }
        assert!(GroupVersionKind::parse("v1", "").is_err());
    }

    #[test]
    fn object_ids_print_and_parse() {
        for text in ["apps/Deployment web/nginx", "ConfigMap web/a", "Namespace web", "x.io/Kind n:1"] {
            assert_eq!(text.parse::<ObjectId>().unwrap().to_string(), text);
        }
        for text in
            ["", "Deployment", "Deployment ", "/ a", "Deployment /a", "Deployment a/", "a/b/C d", "A b c"]
        {
            assert!(text.parse::<ObjectId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn default_namespace_fills_only_gaps() {
        let id: ObjectId = "ConfigMap a".parse().unwrap();
        assert_eq!(id.clone().in_namespace("web").to_string(), "ConfigMap web/a");
        assert_eq!(id.in_namespace("web").in_namespace("other").to_string(), "ConfigMap web/a");
    }
}
