//! Paths of objects, safe whatever stands in a manifest.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::failure::Failure;
use crate::discovery::{Scope, ServedKind};

/// Everything that has a meaning in a URL, or none in a path segment.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The path of one object. A namespace is ignored for kinds of the cluster.
///
/// A name comes from a manifest and could otherwise lead elsewhere (`../../nodes/a`, `a?force=false`).
pub(super) fn object(kind: &ServedKind, namespace: Option<&str>, name: &str) -> Result<String, Failure> {
    // The rule of the API server (path segment names), said before the name gets into a path.
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '%']) {
        return Err(Failure::Name {
            problem: format!(
                "metadata.name {name:?} cannot be a name: it must not be empty, \".\" or \"..\", nor contain \"/\" or \"%\""
            ),
        });
    }
    let collection = collection(kind, namespace)?;
    Ok(format!("{collection}/{}", utf8_percent_encode(name, ESCAPED)))
}

/// The path of all objects of a kind in a namespace.
pub(super) fn collection(kind: &ServedKind, namespace: Option<&str>) -> Result<String, Failure> {
    match (kind.scope, namespace) {
        (Scope::Cluster, _) => Ok(kind.collection_path(None)),
        (Scope::Namespaced, Some(namespace)) if is_label(namespace) => {
            Ok(kind.collection_path(Some(namespace)))
        }
        (Scope::Namespaced, Some(namespace)) => Err(Failure::Name {
            problem: format!(
                "metadata.namespace {namespace:?} cannot be a namespace: use lower case letters, digits and \"-\", at most 63"
            ),
        }),
        (Scope::Namespaced, None) => {
            Err(Failure::Name { problem: format!("a {} needs a namespace", kind.resource.kind) })
        }
    }
}

fn is_label(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use kube::core::ApiResource;
    use tiphys_manifest::GroupVersionKind;

    use super::*;

    fn kind(scope: Scope) -> ServedKind {
        let gvk = GroupVersionKind::new("rbac.authorization.k8s.io", "v1", "Role");
        ServedKind {
            resource: ApiResource {
                api_version: gvk.api_version(),
                group: gvk.group,
                version: gvk.version,
                kind: gvk.kind,
                plural: "roles".to_owned(),
            },
            scope,
            verbs: Vec::new(),
        }
    }

    #[test]
    fn names_stay_in_their_segment() {
        let root = "/apis/rbac.authorization.k8s.io/v1";
        let role = kind(Scope::Namespaced);
        assert_eq!(
            object(&role, Some("web"), "system:a b?x#é").unwrap(),
            format!("{root}/namespaces/web/roles/system:a%20b%3Fx%23%C3%A9")
        );
        assert_eq!(object(&kind(Scope::Cluster), Some("web"), "a").unwrap(), format!("{root}/roles/a"));
        for name in ["", ".", "..", "a/b", "../../x", "a%2fb"] {
            assert!(object(&role, Some("web"), name).is_err(), "{name:?}");
        }
        for namespace in [None, Some(""), Some("a/b"), Some(".."), Some("A"), Some("a?b")] {
            assert!(object(&role, namespace, "a").is_err(), "{namespace:?}");
        }
    }
}
