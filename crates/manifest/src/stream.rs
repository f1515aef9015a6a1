//! Files of many objects to [`Manifest`]s.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::yaml::{self, Limits, LocatedDocument};
use crate::{Error, Manifest, ObjectId, Origin};

/// The content of one file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stream {
    /// The objects, in their order.
    pub manifests: Vec<Manifest>,
    /// What is read without an error, though it is hardly meant, such as a key that comes twice.
    pub warnings: Vec<(Origin, String)>,
}

/// Reads every object of a YAML stream or of JSON texts one after the other.
///
/// Empty documents are dropped; the items of `kind: List` (and of `ConfigMapList` and the like) count as objects of
/// their own, at their own lines. Like kubectl, a text that starts with a bracket is tried as JSON first.
pub fn read(file: &str, bytes: &[u8], limits: &Limits) -> Result<Stream, Error> {
    read_part(file, 1, bytes, limits)
}

/// [`read`] for a part of a file that begins at its line `first_line`, counted from 1.
pub fn read_part(file: &str, first_line: u32, bytes: &[u8], limits: &Limits) -> Result<Stream, Error> {
    let documents = read_documents(bytes, limits)
        .map_err(|error| Error::Read { file: file.to_owned(), source: error.at_line(first_line) })?;
    let file: Arc<str> = file.into();
    let before = first_line.saturating_sub(1);
    let place = |line: u32| Origin { file: Arc::clone(&file), line: line.saturating_add(before) };
    let mut stream = Stream { manifests: Vec::with_capacity(documents.len()), warnings: Vec::new() };
    for LocatedDocument { document, mut item_lines } in documents {
        stream.warnings.extend(document.warnings.into_iter().map(|it| (place(it.line), it.message)));
        for line in &mut item_lines {
            *line = line.saturating_add(before);
        }
        unroll(document.value, place(document.line), &item_lines, &mut stream.manifests)?;
    }
    Ok(stream)
}

/// kubectl decides by the first character; it takes the text for YAML after all when it is not JSON throughout.
fn read_documents(bytes: &[u8], limits: &Limits) -> Result<Vec<LocatedDocument>, yaml::Error> {
    if let Some(documents) = yaml::read_json(bytes, limits)? {
        return Ok(documents);
    }
    yaml::read_located(bytes, limits, usize::MAX)
}

/// Refuses two manifests of one object.
///
/// Whether a kind has namespaces is not known here: a manifest without one is taken to mean `default_namespace`.
pub fn reject_duplicates(manifests: &[Manifest], default_namespace: &str) -> Result<(), Error> {
    let mut seen: HashMap<ObjectId, &Origin> = HashMap::with_capacity(manifests.len());
    for manifest in manifests {
        let id = manifest.id().in_namespace(default_namespace);
        if let Some(first) = seen.insert(id, manifest.origin()) {
            return Err(Error::Duplicate {
                id: Box::new(manifest.id()),
                first: first.clone(),
                second: manifest.origin().clone(),
            });
        }
    }
    Ok(())
}

/// Adds the object, or the objects of a list, to `manifests`. Lists in lists have the depth of the reader's limits.
fn unroll(
    value: Value,
    origin: Origin,
    item_lines: &[u32],
    manifests: &mut Vec<Manifest>,
) -> Result<(), Error> {
    match value {
        Value::Null => Ok(()),
        Value::Object(mut list) if is_list(&list) => {
            let Some(Value::Array(items)) = list.remove("items") else {
                return Ok(());
            };
            for (index, mut item) in items.into_iter().enumerate() {
                let line = item_lines.get(index).copied().unwrap_or(origin.line);
                inherit_type(&list, &mut item);
                unroll(item, Origin { file: Arc::clone(&origin.file), line }, &[], manifests)?;
            }
            Ok(())
        }
        value => {
            manifests.push(Manifest::from_value(value, origin)?);
            Ok(())
        }
    }
}

/// A list has a kind that says so and items; a custom resource called `AllowList` without items is none.
fn is_list(object: &Map<String, Value>) -> bool {
    object.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List"))
        && matches!(object.get("items"), Some(Value::Array(_) | Value::Null))
}

/// Items of a typed list may leave out their type, as the API server does (apimachinery: `UnstructuredList`).
fn inherit_type(list: &Map<String, Value>, item: &mut Value) {
    let (Value::Object(item), Some(kind)) = (item, list.get("kind").and_then(Value::as_str)) else {
        return;
    };
    let item_kind = kind.strip_suffix("List").unwrap_or(kind);
    if item_kind.is_empty() || item.contains_key("kind") || item.contains_key("apiVersion") {
        return;
    }
    item.insert("kind".to_owned(), item_kind.into());
    if let Some(api_version) = list.get("apiVersion") {
        item.insert("apiVersion".to_owned(), api_version.clone());
    }
}
