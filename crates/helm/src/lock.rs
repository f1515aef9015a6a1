//! `Chart.lock`: the versions that the dependencies of a chart were found in.

use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tiphys_manifest::yaml;

use crate::chart::Dependency;
use crate::functions::encoding::hex;

/// What was found for the dependencies that a chart declares.
#[derive(Clone, Debug, PartialEq)]
pub struct Lock {
    found: Vec<Dependency>,
    digest: String,
}

impl Lock {
    /// A lock on what was `found` for what is `declared`, in the same order. Only name, version and repository of what
    /// was found count.
    pub fn new(declared: &[Dependency], found: Vec<Dependency>) -> Self {
        let text = format!("[{},{}]", list(declared), list(&found));
        let digest = format!("sha256:{}", hex(&Sha256::digest(text)));
        Self { found, digest }
    }

    /// Whether a file locks the same: it was made of the same declarations, and the same was found for them.
    pub fn is_in(&self, file: &[u8]) -> bool {
        let document = yaml::read_document(file, &yaml::Limits::default());
        document.is_ok_and(|document| {
            document.value.get("digest").and_then(Value::as_str) == Some(self.digest.as_str())
        })
    }

    /// The file, as of the time when it is made.
    pub fn write(&self, generated: Timestamp) -> String {
        let dependency =
            |it: &Dependency| json!({"name": it.name, "version": it.version, "repository": it.repository});
        yaml::write(&json!({
            "dependencies": self.found.iter().map(dependency).collect::<Vec<_>>(),
            "digest": self.digest,
            "generated": generated.to_string(),
        }))
    }
}

/// Dependencies as Go's `encoding/json` writes them, of which the digest is made.
fn list(dependencies: &[Dependency]) -> String {
    let items: Vec<String> = dependencies.iter().map(item).collect();
    format!("[{}]", items.join(","))
}

fn item(dependency: &Dependency) -> String {
    let text = |text: &str| Some(Value::from(text)).filter(|_| !text.is_empty());
    let fields = [
        ("name", Some(dependency.name.as_str().into())),
        ("version", text(&dependency.version)),
        ("repository", Some(dependency.repository.as_str().into())),
        ("condition", text(&dependency.condition)),
        ("tags", Some(json!(dependency.tags)).filter(|_| !dependency.tags.is_empty())),
        ("enabled", Some(Value::from(true)).filter(|_| dependency.enabled)),
        (
            "import-values",
            Some(json!(dependency.import_values)).filter(|_| !dependency.import_values.is_empty()),
        ),
        ("alias", text(&dependency.alias)),
    ];
    let fields: Vec<String> = fields
        .into_iter()
        .filter_map(|(name, value)| Some(format!("\"{name}\":{}", escaped(&value?))))
        .collect();
    format!("{{{}}}", fields.join(","))
}

/// JSON with the characters as Go escapes them, which stand only in texts.
fn escaped(value: &Value) -> String {
    const ESCAPES: [(char, &str); 5] = [
        ('<', "\\u003c"),
        ('>', "\\u003e"),
        ('&', "\\u0026"),
        ('\u{2028}', "\\u2028"),
        ('\u{2029}', "\\u2029"),
    ];
    let text = value.to_string();
    ESCAPES.iter().fold(text, |text, (character, escape)| text.replace(*character, escape))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dependency(name: &str, version: &str, repository: &str) -> Dependency {
        let [name, version, repository] = [name, version, repository].map(str::to_owned);
        Dependency { name, version, repository, ..Dependency::default() }
    }

    /// The digest is that of the real Helm for the same charts.
    #[test]
    fn digests_are_those_of_helm() {
        let declared = [
            Dependency {
                condition: "foo.enabled".to_owned(),
                tags: vec!["a".to_owned()],
                alias: "foo".to_owned(),
                ..dependency("lib", ">=0.1.0", "file://../lib")
            },
            dependency("other", "1.x", "file:///tmp/du/other"),
        ];
        let found = vec![
            dependency("lib", "0.2.0", "file://../lib"),
            dependency("other", "1.2.3", "file:///tmp/du/other"),
        ];
        let lock = Lock::new(&declared, found);
        let text = lock.write("2026-12-01T02:03:04.5Z".parse().unwrap());
        assert_eq!(
            text,
            "dependencies:\n- name: lib\n  repository: file://../lib\n  version: 0.2.0\n\
             - name: other\n  repository: file:///tmp/du/other\n  version: 1.2.3\n\
             digest: sha256:8bd29881857b70e003e928cd8e7e114717162baad0992839e877b0bcfbd82038\n\
             generated: \"2026-12-01T02:03:04.5Z\"\n"
        );
        assert!(lock.is_in(text.as_bytes()));
        assert!(!Lock::new(&declared[..1], Vec::new()).is_in(text.as_bytes()));
        assert!(!lock.is_in(b"digest: [") && !lock.is_in(b""));
    }
}
