//! Fields that others may own: `spec.ignoreDifferences`.
//!
//! An ignored field is taken out of what we apply, so that server-side apply leaves it to whoever has it. Where that
//! would delete it, because we applied it before and nobody else owns it, we apply the value that it has (as Flux
//! does). An object that does not exist yet is created with the values of the rendering.

mod place;

use std::cmp::Reverse;

use serde_json::{Map, Value};
use tiphys_api::{FIELD_MANAGER, IgnoreDifference};
use tiphys_manifest::{Manifest, ObjectId};

use crate::fields::{Element, FieldPath, FieldSet, Items, managed_fields};
use crate::glob;
use crate::migrate::is_taken_over;
use place::{Place, Side};

/// The rules that are about an object.
pub fn matching<'a>(rules: &'a [IgnoreDifference], id: &ObjectId) -> Vec<&'a IgnoreDifference> {
    let fits = |glob: Option<&str>, text: Option<&str>| match glob {
        None => true,
        Some(glob) => text.is_some_and(|text| glob::matches(glob, text)),
    };
    rules
        .iter()
        .filter(|rule| {
            (rule.group == "*" || rule.group == id.group)
                && (rule.kind == "*" || rule.kind == id.kind)
                && fits(rule.name.as_deref(), Some(&id.name))
                && fits(rule.namespace.as_deref(), id.namespace.as_deref())
        })
        .collect()
}

/// What is desired, without interfering with ignored fields of the live object.
///
/// The identity of the object cannot be ignored, nor can its mark: put that on afterwards.
pub fn strip(rules: &[&IgnoreDifference], desired: Manifest, live: Option<&Value>) -> Manifest {
    let Some(live) = live.filter(|_| !rules.is_empty()) else {
        return desired;
    };
    let object = Value::Object(desired.object().clone());
    let owners = Owners::read(live);
    let mut places: Vec<_> = rules
        .iter()
        .flat_map(|rule| {
            let pointers = rule.json_pointers.iter();
            let named = pointers.filter_map(|pointer| Place::of_pointer(pointer, &object, live));
            named.chain(places_of_managers(&rule.managers, &object, live))
        })
        .filter(|place| !place.is_identity())
        .collect();
    // From the end, so that removing an item of a list does not move those still to come.
    places.sort_by_cached_key(|place| Reverse(place.desired.clone()));
    places.dedup();
    let mut result = object;
    for place in places {
        let adopted = place.live.as_ref().and_then(|path| owners.only_ours(live, path));
        place::put(&mut result, place.desired.segments(), adopted);
    }
    match result {
        Value::Object(fields) => desired.clone().edit(|object| *object = fields).unwrap_or(desired),
        _ => desired,
    }
}

/// Everything that the named managers own of the live object.
fn places_of_managers(managers: &[String], desired: &Value, live: &Value) -> Vec<Place> {
    managed_fields(live)
        .into_iter()
        .filter(|entry| managers.contains(&entry.manager.name))
        .flat_map(|entry| {
            let mut paths = Vec::new();
            leaves(&entry.fields, live, &FieldPath::default(), &mut paths);
            paths
        })
        .filter_map(|path| Place::of_live(path, desired, live))
        .collect()
}

/// The paths of a live object that are in a set, as far down as the set goes.
fn leaves(set: &FieldSet, value: &Value, path: &FieldPath, found: &mut Vec<FieldPath>) {
    if set.children.is_empty() {
        found.push(path.clone());
        return;
    }
    match value {
        Value::Object(fields) => {
            for (field, _, child) in set.fields() {
                if let Some(value) = fields.get(field) {
                    leaves(child, value, &path.field(field), found);
                }
            }
        }
        Value::Array(items) => {
            let owned = Items::of(set);
            for (index, item) in items.iter().enumerate() {
                if let Some((_, child)) = owned.get(index, item) {
                    leaves(child, item, &path.index(index), found);
                }
            }
        }
        _ => {}
    }
}

/// Who owns what of the live object, once kubectl's fields are ours.
struct Owners {
    ours: FieldSet,
    others: FieldSet,
}

impl Owners {
    fn read(live: &Value) -> Self {
        let mut owners = Self { ours: FieldSet::default(), others: FieldSet::default() };
        for entry in managed_fields(live) {
            let is_ours = entry.is_applied_by(FIELD_MANAGER) || is_taken_over(&entry.manager);
            let side = if is_ours { &mut owners.ours } else { &mut owners.others };
            side.extend(&entry.fields);
        }
        owners
    }

    /// What would go with us if we did not apply what `path` leads to.
    fn only_ours(&self, live: &Value, path: &FieldPath) -> Option<Value> {
        let value = path.resolve(live)?;
        match (self.ours.at(live, path), self.others.at(live, path)) {
            (Side::Nothing, _) | (Side::Part(_), Side::Whole) => None,
            // A list or map that is owned as one is applied as one: the value in it has to be what it is.
            (Side::Whole, _) => Some(value.clone()),
            (Side::Part(ours), Side::Part(others)) => only_in(value, ours, Some(others)),
            (Side::Part(ours), Side::Nothing) => only_in(value, ours, None),
        }
    }
}

/// The parts of a value that are in one set and not in the other.
fn only_in(value: &Value, ours: &FieldSet, others: Option<&FieldSet>) -> Option<Value> {
    let others = others.filter(|others| !others.is_empty());
    if ours.children.is_empty() {
        return others.is_none().then(|| value.clone());
    }
    let below = |name: &str| others.and_then(|others| others.children.get(name));
    match value {
        Value::Object(fields) => {
            let parts: Map<_, _> = ours
                .fields()
                .filter_map(|(field, name, child)| {
                    Some((field.to_owned(), only_in(fields.get(field)?, child, below(name))?))
                })
                .collect();
            (!parts.is_empty()).then_some(Value::Object(parts))
        }
        Value::Array(items) => {
            let owned = Items::of(ours);
            let parts: Vec<_> = items
                .iter()
                .enumerate()
                .filter_map(|(index, item)| {
                    let (name, child) = owned.get(index, item)?;
                    let part = only_in(item, child, below(name))?;
                    Some(with_key(name, part))
                })
                .collect();
            (!parts.is_empty()).then_some(Value::Array(parts))
        }
        _ => None,
    }
}

/// An item of a list keeps the fields that tell it apart, whoever owns them.
fn with_key(name: &str, mut part: Value) -> Value {
    if let (Some(Element::Key(key)), Value::Object(fields)) = (Element::parse(name), &mut part) {
        fields.extend(key);
    }
    part
}
