//! Fields that others may own: `spec.ignoreDifferences`, and what [`crate::modes::Mode::Merge`] leaves to others.
//!
//! An ignored field is taken out of what we apply, so that server-side apply leaves it to whoever has it. Where that
//! would delete it, because we applied it before and nobody else owns it, we apply the value that it has (as Flux
//! does). An object that does not exist yet is created with the values of the rendering.

mod place;

use std::cmp::Reverse;

use serde_json::{Map, Value};
use tiphys_api::{FIELD_MANAGER, IgnoreDifference};
use tiphys_manifest::Manifest;

use crate::fields::{Element, FieldPath, FieldSet, Items, Manager, managed_fields};
use crate::glob;
use crate::migrate::is_taken_over;
use place::{Place, Side};

/// The rules that are about an object.
pub fn matching<'a>(rules: &'a [IgnoreDifference], manifest: &Manifest) -> Vec<&'a IgnoreDifference> {
    let id = manifest.id();
    let fits = |glob: Option<&str>, text: Option<&str>| match glob {
        None => true,
        Some(glob) => text.is_some_and(|text| glob::matches(glob, text)),
    };
    rules
        .iter()
        .filter(|rule| {
            glob::matches(&rule.group, &id.group)
                && glob::matches(&rule.kind, &id.kind)
                && fits(rule.name.as_deref(), Some(&id.name))
                && fits(rule.namespace.as_deref(), id.namespace.as_deref())
                && rule.labels.iter().all(|(key, glob)| fits(Some(glob), manifest.label(key)))
        })
        .collect()
}

/// The jq expressions of these rules.
pub fn expressions(rules: &[IgnoreDifference]) -> impl Iterator<Item = &String> {
    rules.iter().flat_map(|rule| &rule.jq_path_expressions)
}

/// What is left alone of one object.
#[derive(Clone, Debug, Default)]
pub struct Ignored<'a> {
    /// The rules about it.
    pub rules: Vec<&'a IgnoreDifference>,
    /// What the jq expressions of the rules lead to in what is desired.
    pub in_desired: Vec<FieldPath>,
    /// What they lead to in the live object.
    pub in_live: Vec<FieldPath>,
    /// Fields that are left alone for another reason. Items of lists are found by what tells them apart.
    pub left_alone: Vec<FieldPath>,
    /// Whether everything is left alone that any other manager owns, kubectl included.
    pub all_of_others: bool,
}

impl Ignored<'_> {
    /// Whether nothing is left alone.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.left_alone.is_empty() && !self.all_of_others
    }
}

/// What is desired, without interfering with ignored fields of the live object.
///
/// The identity of the object cannot be ignored, nor can its mark: put that on afterwards.
pub fn strip(ignored: &Ignored<'_>, desired: Manifest, live: Option<&Value>) -> Manifest {
    let Some(live) = live.filter(|_| !ignored.is_empty()) else {
        return desired;
    };
    let object = Value::Object(desired.object().clone());
    let owners = Owners::read(live, ignored.all_of_others);
    let mut places = places(ignored, &object, live);
    places.retain(|place| !place.is_identity());
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

fn places(ignored: &Ignored<'_>, desired: &Value, live: &Value) -> Vec<Place> {
    let pointers = ignored.rules.iter().flat_map(|rule| &rule.json_pointers);
    let named = pointers.filter_map(|pointer| Place::of_pointer(pointer, desired, live));
    let managers: Vec<_> = ignored.rules.iter().flat_map(|rule| &rule.managers).collect();
    let is_theirs = |manager: &Manager| {
        managers.contains(&&manager.name) || (ignored.all_of_others && manager.name != FIELD_MANAGER)
    };
    let in_desired = ignored.in_desired.iter().map(|path| Place::of_desired(path.clone(), desired, live));
    let in_live = ignored.in_live.iter().filter_map(|path| Place::of_live_or_new(path, desired, live));
    let left_alone = ignored.left_alone.iter().filter_map(|path| Place::of_items(path, desired, live));
    named
        .chain(in_desired)
        .chain(in_live)
        .chain(left_alone)
        .chain(places_of_managers(is_theirs, desired, live))
        .collect()
}

/// Everything that some managers own of the live object.
fn places_of_managers(is_theirs: impl Fn(&Manager) -> bool, desired: &Value, live: &Value) -> Vec<Place> {
    managed_fields(live)
        .into_iter()
        .filter(|entry| is_theirs(&entry.manager))
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

/// Who owns what of the live object. Kubectl's fields become ours, unless they are left to it.
struct Owners {
    ours: FieldSet,
    others: FieldSet,
}

impl Owners {
    fn read(live: &Value, kubectl_stays: bool) -> Self {
        let mut owners = Self { ours: FieldSet::default(), others: FieldSet::default() };
        for entry in managed_fields(live) {
            let becomes_ours = !kubectl_stays && is_taken_over(&entry.manager);
            let is_ours = entry.is_applied_by(FIELD_MANAGER) || becomes_ours;
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
