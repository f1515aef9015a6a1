//! The few fields of an object that the rules look at, and what they may be.

use tiphys_manifest::yaml;

use super::ensure;
use crate::chart::Fields;

/// An object.
#[derive(Debug, Default)]
pub(super) struct Object {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) name: String,
}

/// The documents of a text, as the reader of Kubernetes cuts it: a line that begins with `---` ends one.
pub(super) fn documents(text: &[u8]) -> impl Iterator<Item = Result<Vec<u8>, String>> {
    let mut lines = text.split_inclusive(|byte| *byte == b'\n');
    let mut failed = false;
    std::iter::from_fn(move || {
        let mut document = Vec::new();
        while !failed {
            let Some(line) = lines.next() else { break };
            if let Some(rest) = line.strip_prefix(b"---") {
                let rest = rest.trim_ascii();
                if !rest.is_empty() && !rest.starts_with(b"#") {
                    failed = true;
                    let rest = String::from_utf8_lossy(rest);
                    return Some(Err(format!("invalid Yaml document separator: {rest}")));
                }
                if !document.is_empty() {
                    return Some(Ok(document));
                }
            }
            // A separator with nothing before it belongs to what follows, which counts for the lines of errors.
            document.extend_from_slice(line);
        }
        (!document.is_empty()).then_some(Ok(document))
    })
}

impl Object {
    /// Reads a document; `None` if it is empty.
    pub(super) fn read(document: &[u8]) -> Result<Option<Self>, String> {
        let document = yaml::read_document(document, &yaml::Limits::default())
            .map_err(|error| format!("error converting YAML to JSON: yaml: {error}"))?;
        let Some(fields) = Fields::of(&document.value, "rules.k8sYamlStruct", "")? else {
            return Ok(None);
        };
        let mut object = Self::default();
        fields.string("apiVersion", &mut object.api_version)?;
        fields.string("Kind", &mut object.kind)?;
        if let Some(metadata) = fields.inner("Metadata", "rules.k8sYamlMetadata")? {
            let mut namespace = String::new();
            metadata.string("Namespace", &mut namespace)?;
            metadata.string("Name", &mut object.name)?;
        }
        Ok(Some(object))
    }

    /// Whether the name is one that Kubernetes takes for the kind.
    pub(super) fn check_name(&self) -> Result<(), String> {
        let problems = match self.kind.to_lowercase().as_str() {
            "service" => service_name(&self.name),
            "namespace" => namespace_name(&self.name),
            "certificatesigningrequest" => Vec::new(),
            "role" | "clusterrole" | "rolebinding" | "clusterrolebinding" => path_segment(&self.name),
            _ => subdomain(&self.name),
        };
        let name = gotemplate::quote(&self.name);
        let mut problems: Vec<String> = problems
            .into_iter()
            .map(|problem| format!("metadata.name: Invalid value: {name}: {problem}"))
            .collect();
        let text = match problems.len() {
            0 => return Ok(()),
            1 => problems.remove(0),
            _ => format!("[{}]", problems.join(", ")),
        };
        Err(format!("object name does not conform to Kubernetes naming requirements: {name}: {text}"))
    }

    /// Whether what needs a selector has one, somewhere in the text of its file.
    pub(super) fn check_selector(&self, text: &[u8]) -> Result<(), String> {
        let selects = matches!(self.kind.as_str(), "Deployment" | "ReplicaSet" | "DaemonSet" | "StatefulSet");
        let has = |word: &str| memchr::memmem::find(text, word.as_bytes()).is_some();
        ensure(!selects || has("matchLabels") || has("matchExpressions"), || {
            let name = gotemplate::quote(&self.name);
            format!("a {} must contain matchLabels or matchExpressions, and {name} does not", self.kind)
        })
    }

    /// Whether a list asks to keep objects of its own, which nobody hears.
    pub(super) fn check_list(&self, text: &[u8]) -> Result<(), String> {
        if self.kind != "List" {
            return Ok(());
        }
        let list = yaml::read_document(text, &yaml::Limits::default())
            .map_err(|error| format!("unable to parse YAML: error converting YAML to JSON: yaml: {error}"))?;
        let items = list.value.get("items").and_then(serde_json::Value::as_array);
        let keeps = |item: &serde_json::Value| {
            item.pointer("/metadata/annotations/helm.sh~1resource-policy").is_some()
        };
        ensure(!items.into_iter().flatten().any(keeps), || {
            "annotation 'helm.sh/resource-policy' within List objects are ignored".to_owned()
        })
    }
}

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";

fn is_letter_or_digit(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn is_label(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'-' || is_letter_or_digit(byte))
        && text.bytes().next().is_some_and(is_letter_or_digit)
        && text.bytes().next_back().is_some_and(is_letter_or_digit)
}

fn too_long(name: &str, length: usize) -> Vec<String> {
    if name.len() > length { vec![format!("must be no more than {length} bytes")] } else { Vec::new() }
}

fn subdomain(name: &str) -> Vec<String> {
    let mut problems = too_long(name, 253);
    if !name.split('.').all(is_label) {
        problems.push(format!(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
             start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
             '{LABEL}(\\.{LABEL})*')"
        ));
    }
    problems
}

fn namespace_name(name: &str) -> Vec<String> {
    let mut problems = too_long(name, 63);
    if !is_label(name) {
        problems.push(if name.split('.').all(is_label) {
            "must not contain dots".to_owned()
        } else {
            format!(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start \
                 and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
                 '{LABEL}')"
            )
        });
    }
    problems
}

fn service_name(name: &str) -> Vec<String> {
    let mut problems = too_long(name, 63);
    if !(is_label(name) && name.starts_with(|it: char| it.is_ascii_lowercase())) {
        problems.push(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
             character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for \
             validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
                .to_owned(),
        );
    }
    problems
}

/// What stands between two slashes of a path. Roles may be named like that.
fn path_segment(name: &str) -> Vec<String> {
    if name == "." || name == ".." {
        return vec![format!("may not be '{name}'")];
    }
    let forbidden = ["/", "%"].into_iter().filter(|text| name.contains(text));
    forbidden.map(|text| format!("may not contain '{text}'")).collect()
}
