//! Field by field: what differs between two JSON values.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tiphys_manifest::quantity::Quantity;

use crate::fields::{FieldPath, Segment};

/// One place where two values differ.
pub(crate) struct Change<'a> {
    pub(crate) path: FieldPath,
    pub(crate) before: Option<&'a Value>,
    pub(crate) after: Option<&'a Value>,
}

/// All places where `after` differs from `before`, in the order of the fields' names and of the lists.
pub(crate) fn changes<'a>(before: &'a Value, after: &'a Value) -> Vec<Change<'a>> {
    let mut changes = Vec::new();
    walk(&FieldPath::default(), before, after, &mut changes);
    changes
}

fn walk<'a>(path: &FieldPath, before: &'a Value, after: &'a Value, changes: &mut Vec<Change<'a>>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
            for name in names {
                pair(&path.field(name), old.get(name), new.get(name), changes);
            }
        }
        (Value::Array(old), Value::Array(new)) => walk_lists(path, old, new, changes),
        (old, new) if equal(path, old, new) => {}
        (old, new) => changes.push(Change { path: path.clone(), before: Some(old), after: Some(new) }),
    }
}

fn pair<'a>(
    path: &FieldPath,
    before: Option<&'a Value>,
    after: Option<&'a Value>,
    changes: &mut Vec<Change<'a>>,
) {
    match (before, after) {
        (Some(before), Some(after)) => walk(path, before, after, changes),
        (None, None) => {}
        (before, after) => changes.push(Change { path: path.clone(), before, after }),
    }
}

fn walk_lists<'a>(path: &FieldPath, before: &'a [Value], after: &'a [Value], changes: &mut Vec<Change<'a>>) {
    let Some(key) = list_key(before, after) else {
        walk_places(path, before, after, changes);
        return;
    };
    let by_key = |list: &'a [Value]| -> BTreeMap<String, &'a Value> {
        list.iter().filter_map(|item| Some((key_text(item, key)?, item))).collect()
    };
    let (old, new) = (by_key(before), by_key(after));
    let step = |index: usize, value: String| path.join(Segment::Item { key: key.to_owned(), value, index });
    let start = changes.len();
    for (index, item) in after.iter().enumerate() {
        let value = key_text(item, key).unwrap_or_default();
        let before = old.get(&value).copied();
        pair(&step(index, value), before, Some(item), changes);
    }
    for (index, item) in before.iter().enumerate() {
        let value = key_text(item, key).unwrap_or_default();
        if !new.contains_key(&value) {
            pair(&step(index, value), Some(item), None, changes);
        }
    }
    let order = |list: &[Value]| -> Vec<_> { list.iter().map(|item| key_text(item, key)).collect() };
    // The same items in another order still differ, as environment variables do that refer to earlier ones.
    if changes.len() == start && order(before) != order(after) {
        walk_places(path, before, after, changes);
    }
}

/// Compares items of lists that are in the same place.
fn walk_places<'a>(path: &FieldPath, before: &'a [Value], after: &'a [Value], changes: &mut Vec<Change<'a>>) {
    for index in 0..before.len().max(after.len()) {
        pair(&path.index(index), before.get(index), after.get(index), changes);
    }
}

/// Fields that tell the items of Kubernetes' lists apart, the most telling first.
const KEYS: &[&str] =
    &["name", "key", "type", "mountPath", "devicePath", "containerPort", "port", "ip", "uid", "topologyKey"];

/// A field that every item of both lists has, with another value in each item of a list.
pub(crate) fn list_key(before: &[Value], after: &[Value]) -> Option<&'static str> {
    let distinct = |list: &[Value], key: &str| {
        let mut seen = BTreeSet::new();
        list.iter().all(|item| key_text(item, key).is_some_and(|value| seen.insert(value)))
    };
    if before.is_empty() && after.is_empty() {
        return None;
    }
    KEYS.iter().copied().find(|key| distinct(before, key) && distinct(after, key))
}

pub(crate) fn key_text(item: &Value, key: &str) -> Option<String> {
    match item.as_object()?.get(key)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Fields whose values, or whose values' values, are quantities.
const QUANTITIES: &[&str] = &[
    "requests",
    "limits",
    "capacity",
    "hard",
    "default",
    "defaultRequest",
    "min",
    "max",
    "maxLimitRequestRatio",
    "overhead",
    "podFixed",
    "sizeLimit",
    "divisor",
    "averageValue",
    "allocatedResources",
];

/// Whether two values mean the same at `path`: `500m` and `0.5` do where quantities stand.
fn equal(path: &FieldPath, before: &Value, after: &Value) -> bool {
    if before == after {
        return true;
    }
    let near = path.segments().iter().rev().take(2);
    let is_quantity = near
        .filter_map(|segment| match segment {
            Segment::Field(name) => Some(name.as_str()),
            Segment::Index(_) | Segment::Item { .. } => None,
        })
        .any(|name| QUANTITIES.contains(&name));
    // Labels and data may be called like that and are never quantities.
    let is_text = [&["metadata"][..], &["data"], &["stringData"], &["binaryData"]]
        .iter()
        .any(|start| path.starts_with(start));
    is_quantity && !is_text && same_quantity(before, after)
}

fn same_quantity(before: &Value, after: &Value) -> bool {
    match (Quantity::from_json(before), Quantity::from_json(after)) {
        (Ok(before), Ok(after)) => before == after,
        _ => false,
    }
}
