//! The few fields of a document that Helm reads.

use serde_json::Value;
use tiphys_manifest::yaml;

use crate::chart::Fields;
use crate::value::lossy;

/// What Helm reads of a document.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) annotations: Vec<(String, String)>,
}

impl Head {
    /// Reads a document. An error is a line in it, from 1, and a message in the words of Helm.
    pub(super) fn read(document: &[u8]) -> Result<(Self, String), (u32, String)> {
        let parsed = yaml::read_parts(document, &yaml::Limits::default(), is_read)
            .map_err(|error| (error.line(), format!("error converting YAML to JSON: yaml: {error}")))?;
        let text = lossy(document).into_owned();
        match Self::of(&parsed.value) {
            Ok(head) => Ok((head, text)),
            Err(message) => Err((parsed.line, message)),
        }
    }

    fn of(document: &Value) -> Result<Self, String> {
        let mut head = Self::default();
        let Some(fields) = Fields::of(document, "util.SimpleHead", "")? else {
            return Ok(head);
        };
        fields.string("apiVersion", &mut head.api_version)?;
        fields.string("kind", &mut head.kind)?;
        if let Some(metadata) = fields.inner("metadata", METADATA)? {
            metadata.string("name", &mut head.name)?;
            let mut annotations = None;
            metadata.string_map("annotations", &mut annotations)?;
            head.annotations = annotations.unwrap_or_default();
        }
        Ok(head)
    }
}

/// Whether Helm looks at what is below this key.
fn is_read(depth: usize, key: &str) -> bool {
    let among = |names: &[&str]| names.iter().any(|name| key.eq_ignore_ascii_case(name));
    match depth {
        1 => among(&["apiVersion", "kind", "metadata"]),
        2 => among(&["name", "annotations"]),
        _ => true,
    }
}

/// The type of the field, as Go writes it.
const METADATA: &str =
    r#"struct { Name string "json:\"name\""; Annotations map[string]string "json:\"annotations\"" }"#;
