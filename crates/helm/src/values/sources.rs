//! The values that a release is given, in all the ways in which `helm template` takes them.

use std::fmt;
use std::sync::Arc;

use gotemplate::{Map, Str, Value};
use serde_json::Value as Json;
use tiphys_manifest::yaml;

use super::set::{self, Kind};
use crate::error::{Error, Place};
use crate::value::map_from_json;

/// A text with values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueFile {
    /// The file, as messages name it.
    pub name: String,
    /// What is in it: one or more YAML documents.
    pub data: Arc<[u8]>,
}

/// Reads a file that `--set-file` names. The error is what stands there instead.
pub type ReadFile = dyn Fn(&str) -> Result<Vec<u8>, String> + Send + Sync;

/// Values that stand above those of the chart. Each kind is applied in the order of the fields here, whatever the order
/// in which they were given, and what comes later wins.
#[derive(Clone, Default)]
pub struct ValueSources {
    /// `-f`, `--values`.
    pub files: Vec<ValueFile>,
    /// Values that are no text, such as those that stand in a custom resource.
    pub inline: serde_json::Map<String, Json>,
    /// `--set-json`: `path=JSON,…`, or an object.
    pub json: Vec<String>,
    /// `--set`: `path=value,…`.
    pub set: Vec<String>,
    /// `--set-string`: `path=text,…`.
    pub strings: Vec<String>,
    /// `--set-file`: `path=file,…`.
    pub file_texts: Vec<String>,
    /// `--set-literal`: `path=text`.
    pub literals: Vec<String>,
    /// Reads what `--set-file` names. Nothing can be read without it.
    pub read_file: Option<Arc<ReadFile>>,
}

impl fmt::Debug for ValueSources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may be secrets.
        f.debug_struct("ValueSources").field("files", &self.files.len()).finish_non_exhaustive()
    }
}

impl ValueSources {
    /// All of them as one map.
    pub(crate) fn merged(&self, limits: &yaml::Limits) -> Result<Map, Error> {
        let mut files = serde_json::Map::new();
        for file in &self.files {
            let entries = super::read(&file.data, limits).map_err(|(line, message)| Error::Values {
                place: Some(Place { file: file.name.clone(), line }),
                message: format!("failed to parse {}: {message}", file.name),
            })?;
            super::merge(&mut files, entries);
        }
        super::merge(&mut files, self.inline.clone());
        let values = map_from_json(&files);
        for text in &self.json {
            merge_json(&values, text)?;
        }
        let read = |path: &str| match &self.read_file {
            Some(read) => read(path),
            None => Err(format!("open {path}: files cannot be read here")),
        };
        let kinds = [
            (&self.set, Kind::Typed, "--set"),
            (&self.strings, Kind::Text, "--set-string"),
            (&self.file_texts, Kind::File(&read), "--set-file"),
            (&self.literals, Kind::Literal, "--set-literal"),
        ];
        for (texts, kind, flag) in kinds {
            for text in texts {
                set::apply(text, kind, &values)
                    .map_err(|message| wrong(format!("failed parsing {flag} data: {message}")))?;
            }
        }
        Ok(values)
    }
}

fn wrong(message: String) -> Error {
    Error::Values { place: None, message }
}

fn merge_json(values: &Map, text: &str) -> Result<(), Error> {
    if text.trim().starts_with('{') {
        let problem = |_| wrong(format!("failed parsing --set-json data JSON: {text}"));
        let entries: serde_json::Map<String, Json> = serde_json::from_str(text.trim()).map_err(problem)?;
        merge_maps(values, &map_from_json(&entries));
        return Ok(());
    }
    set::apply(text, Kind::Json, values).map_err(|_| wrong(format!("failed parsing --set-json data {text}")))
}

/// Merges `above` into `below`: maps are merged, anything else is replaced.
fn merge_maps(below: &Map, above: &Map) {
    above.for_each(|key: &Str, value| match (below.get(key), value) {
        (Some(Value::Map(old)), Value::Map(new)) => merge_maps(&old, new),
        (_, value) => {
            below.insert(key.clone(), value.clone());
        }
    });
}
