use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tiphys_api::FIELD_MANAGER;

use super::items::Items;
use super::set::{FieldSet, managed_fields};
use crate::digest::Digest;
use crate::modes::{Manner, Mode, replaced_part};

/// Hash of what one field manager owns of a live object: which fields, and their values.
///
/// It stays the same whatever others do with fields of theirs, and changes when one of ours gets another value,
/// disappears, or is taken from us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProjectionHash(Digest);

impl ProjectionHash {
    /// The hash of what `manager` applied; none when it never applied to this object.
    pub fn of(object: &Value, manager: &str) -> Option<Self> {
        let owned = Owned::read(object, manager)?;
        let fields = Digest::of_json(&owned.ours.to_value());
        let values = Digest::of_json(&owned.project(object));
        Some(Self(Digest::of(&[fields.as_bytes(), values.as_bytes()])))
    }
}

impl ProjectionHash {
    /// The hash of what is ours of a live object, in the mode that the object says it is applied in: one that is replaced
    /// as a whole is ours as a whole.
    pub fn of_live(object: &Value) -> Option<Self> {
        match Manner::of_live(object).mode {
            Mode::Replace => Some(Self(Digest::of_json(&replaced_part(object)))),
            _ => Self::of(object, FIELD_MANAGER),
        }
    }
}

impl From<Digest> for ProjectionHash {
    fn from(digest: Digest) -> Self {
        Self(digest)
    }
}

impl fmt::Display for ProjectionHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The part of a live object that `manager` applied; none when it never applied to this object.
pub fn projection(object: &Value, manager: &str) -> Option<Value> {
    Owned::read(object, manager).map(|owned| owned.project(object))
}

/// What one manager owns, and what all others do.
struct Owned {
    ours: FieldSet,
    others: FieldSet,
}

impl Owned {
    fn read(object: &Value, manager: &str) -> Option<Self> {
        let mut ours = None;
        let mut others = FieldSet::default();
        for entry in managed_fields(object) {
            if entry.is_applied_by(manager) {
                ours.get_or_insert_with(FieldSet::default).extend(&entry.fields);
            } else {
                others.extend(&entry.fields);
            }
        }
        Some(Self { ours: ours?, others })
    }

    fn project(&self, object: &Value) -> Value {
        project(object, &self.ours, Some(&self.others))
    }
}

fn project(value: &Value, ours: &FieldSet, others: Option<&FieldSet>) -> Value {
    if ours.children.is_empty() {
        return others.map_or_else(|| value.clone(), |others| without(value, others));
    }
    let below = |name: &str| others.and_then(|others| others.children.get(name));
    match value {
        Value::Object(fields) => {
            let mut projected = Map::new();
            for (field, name, child) in ours.fields() {
                if let Some(value) = fields.get(field) {
                    projected.insert(field.to_owned(), project(value, child, below(name)));
                }
            }
            Value::Object(projected)
        }
        Value::Array(items) => {
            let owned = Items::of(ours);
            let projected = items.iter().enumerate().filter_map(|(index, item)| {
                let (name, child) = owned.get(index, item)?;
                Some(project(item, child, below(name)))
            });
            Value::Array(projected.collect())
        }
        // A map or list became a scalar: that is a change whatever the set says.
        scalar => scalar.clone(),
    }
}

/// A value that is owned as one, without what others own inside it (they added to a map that was applied empty).
fn without(value: &Value, others: &FieldSet) -> Value {
    if others.children.is_empty() {
        return value.clone();
    }
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter_map(|(field, value)| match others.children.get(&format!("f:{field}")) {
                None => Some((field.clone(), value.clone())),
                Some(child) if child.children.is_empty() => None,
                Some(child) => Some((field.clone(), without(value, child))),
            })
            .collect(),
        Value::Array(items) => {
            let foreign = Items::of(others);
            items
                .iter()
                .enumerate()
                .filter(|(index, item)| foreign.get(*index, item).is_none())
                .map(|(_, item)| item.clone())
                .collect()
        }
        scalar => scalar.clone(),
    }
}
