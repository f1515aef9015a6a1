//! Names of objects as people type them: `apps/Deployment/web`, `ConfigMap/settings`.

use std::str::FromStr;

use tiphys_api::ObjectReference;

/// An object as it is typed: `[GROUP/]KIND/[NAMESPACE/]NAME`, or `GROUP:KIND:[NAMESPACE/]NAME` as with Argo CD. Each
/// part may be a pattern with `*`.
///
/// Kinds start with a capital letter and groups never do, so that both can be told apart. A pattern that begins with
/// `*` is a group when three parts follow it, and a kind when only a name does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypedReference(pub ObjectReference);

/// A text that names no object.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReference {
    /// Too few or too many parts, or an empty one.
    #[error(
        "write [GROUP/]KIND/[NAMESPACE/]NAME, such as apps/Deployment/web, ConfigMap/settings or */*/web-*, or \
         GROUP:KIND:[NAMESPACE/]NAME"
    )]
    Parts,
    /// A kind in lower case.
    #[error("`{0}` is no kind: write it as in manifests, with a capital letter, such as Deployment")]
    Kind(String),
}

impl FromStr for TypedReference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Neither a group nor a kind has a colon in it; some names have.
        let text = match text.splitn(3, ':').collect::<Vec<_>>().as_slice() {
            [group, kind, name] if !group.contains('/') && !kind.contains('/') => {
                format!("{group}/{kind}/{name}")
            }
            _ => text.to_owned(),
        };
        let parts: Vec<&str> = text.split('/').collect();
        let (group, rest) = match parts.as_slice() {
            [first, rest @ ..] if !is_certain_kind(first) && rest.len() >= 2 => (*first, rest),
            all => ("", all),
        };
        let (kind, namespace, name) = match rest {
            [kind, name] => (*kind, None, *name),
            [kind, namespace, name] => (*kind, Some(*namespace), *name),
            _ => return Err(InvalidReference::Parts),
        };
        if !is_kind(kind) {
            return Err(InvalidReference::Kind(kind.to_owned()));
        }
        if name.is_empty() || namespace == Some("") {
            return Err(InvalidReference::Parts);
        }
        Ok(Self(ObjectReference {
            group: group.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        }))
    }
}

/// Whether it can be no group.
fn is_certain_kind(text: &str) -> bool {
    text.starts_with(|it: char| it.is_ascii_uppercase())
}

fn is_kind(text: &str) -> bool {
    is_certain_kind(text) || text.starts_with(['*', '?', '[', '{'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_read_as_people_write_them() {
        for (text, group, kind, namespace, name) in [
            ("apps/Deployment/web", "apps", "Deployment", None, "web"),
            ("apps/Deployment/shop/web", "apps", "Deployment", Some("shop"), "web"),
            ("ConfigMap/settings", "", "ConfigMap", None, "settings"),
            ("ConfigMap/shop/settings", "", "ConfigMap", Some("shop"), "settings"),
            ("/ConfigMap/settings", "", "ConfigMap", None, "settings"),
            ("apps:Deployment:web", "apps", "Deployment", None, "web"),
            ("apps:Deployment:shop/web", "apps", "Deployment", Some("shop"), "web"),
            (":Service:web", "", "Service", None, "web"),
            ("*:*:web", "*", "*", None, "web"),
            ("*/*/web-*", "*", "*", None, "web-*"),
            ("*/*/shop/*", "*", "*", Some("shop"), "*"),
            ("*/web", "", "*", None, "web"),
            ("apps/*/*", "apps", "*", None, "*"),
            (
                "rbac.authorization.k8s.io/ClusterRole/system:web:a",
                "rbac.authorization.k8s.io",
                "ClusterRole",
                None,
                "system:web:a",
            ),
        ] {
            let expected = ObjectReference {
                group: group.to_owned(),
                kind: kind.to_owned(),
                namespace: namespace.map(str::to_owned),
                name: name.to_owned(),
            };
            assert_eq!(text.parse(), Ok(TypedReference(expected)), "{text}");
        }
    }

    #[test]
    fn what_names_no_object_is_refused() {
        for text in ["", "web", "Deployment/", "apps/Deployment", "deployment/web", "a/B/c/d/e", "B//name"] {
            assert!(text.parse::<TypedReference>().is_err(), "{text}");
        }
        let error = "deployment/web".parse::<TypedReference>().unwrap_err();
        assert_eq!(error, InvalidReference::Kind("deployment".to_owned()));
    }
}
