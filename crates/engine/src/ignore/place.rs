use serde_json::Value;

use crate::diff::compare::{key_text, list_key};
use crate::fields::{FieldPath, FieldSet, Segment};

/// A field, where it is in what is desired and where in the live object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) desired: FieldPath,
    /// Absent when the live object has no such field.
    pub(super) live: Option<FieldPath>,
}

impl Place {
    /// The place that a JSON pointer (RFC 6901) names. Its indices count in what is desired.
    pub(super) fn of_pointer(pointer: &str, desired: &Value, live: &Value) -> Option<Self> {
        let tokens: Vec<_> = pointer
            .strip_prefix('/')?
            .split('/')
            .map(|token| token.replace("~1", "/").replace("~0", "~"))
            .collect();
        let mut path = FieldPath::default();
        let mut value = Some(desired);
        let mut other = Some(live);
        for token in &tokens {
            // Where what is desired ends, the live object says what is a list.
            let is_list = value.or(other).is_some_and(Value::is_array);
            let segment =
                if is_list { Segment::Index(token.parse().ok()?) } else { Segment::Field(token.clone()) };
            value = value.and_then(|value| segment.resolve(value));
            other = other.and_then(|value| segment.resolve(value));
            path = path.join(segment);
        }
        let live = translate(&path, desired, live);
        Some(Self { desired: path, live })
    }

    /// The place of something in the live object. None when what is desired has nothing like it.
    pub(super) fn of_live(path: FieldPath, desired: &Value, live: &Value) -> Option<Self> {
        let found = translate(&path, live, desired)?;
        Some(Self { desired: found, live: Some(path) })
    }

    /// The place of something in what is desired.
    pub(super) fn of_desired(path: FieldPath, desired: &Value, live: &Value) -> Self {
        let live = translate(&path, desired, live);
        Self { desired: path, live }
    }

    /// The place of something in the live object. Where what is desired has nothing like it, it is named by the same
    /// fields, and an item by the place after the last one: it may have left the rendering, and only we may have it. None
    /// when a list has no such item, of which only a part is meant.
    pub(super) fn of_live_or_new(path: &FieldPath, desired: &Value, live: &Value) -> Option<Self> {
        let mut found = FieldPath::default();
        let (mut here, mut there) = (Some(live), Some(desired));
        let mut segments = path.segments().iter().peekable();
        while let Some(original) = segments.next() {
            let segment = match (original, here, there) {
                (Segment::Index(index), Some(Value::Array(from)), Some(Value::Array(to))) => {
                    match same_item(from, to, *index) {
                        Some(index) => Segment::Index(index),
                        None if segments.peek().is_none() => Segment::Index(to.len()),
                        None => return None,
                    }
                }
                // A list that what is desired does not have cannot be begun with one of its items.
                (Segment::Index(_), _, _) => return None,
                (segment, ..) => segment.clone(),
            };
            here = here.and_then(|value| original.resolve(value));
            there = there.and_then(|value| segment.resolve(value));
            found = found.join(segment);
        }
        Some(Self { desired: found, live: Some(path.clone()) })
    }

    /// The place of a path whose items are named by what tells them apart. None when what is desired has no such place.
    pub(super) fn of_items(path: &FieldPath, desired: &Value, live: &Value) -> Option<Self> {
        let in_desired = locate(path, desired)?;
        Some(Self { desired: in_desired, live: locate(path, live) })
    }

    /// Whether this is what makes an object the object that it is.
    pub(super) fn is_identity(&self) -> bool {
        let path = self.desired.to_string();
        ["", "apiVersion", "kind", "metadata", "metadata.name", "metadata.namespace"].contains(&path.as_str())
    }
}

/// The path in `to` of what `path` leads to in `from`: items of lists are found by what tells them apart.
fn translate(path: &FieldPath, from: &Value, to: &Value) -> Option<FieldPath> {
    let mut translated = FieldPath::default();
    let (mut here, mut there) = (Some(from), to);
    for original in path.segments() {
        let segment = match (original, here, there) {
            (Segment::Index(index), Some(Value::Array(here)), Value::Array(there)) => {
                Segment::Index(same_item(here, there, *index)?)
            }
            (segment, ..) => segment.clone(),
        };
        here = here.and_then(|value| original.resolve(value));
        there = segment.resolve(there)?;
        translated = translated.join(segment);
    }
    Some(translated)
}

/// The path with the places of its items in this very object.
fn locate(path: &FieldPath, object: &Value) -> Option<FieldPath> {
    let mut located = FieldPath::default();
    let mut value = object;
    for segment in path.segments() {
        let segment = match segment {
            Segment::Item { key, value: wanted, .. } => {
                let is_wanted = |item: &Value| key_text(item, key).as_ref() == Some(wanted);
                Segment::Index(value.as_array()?.iter().position(is_wanted)?)
            }
            other => other.clone(),
        };
        value = segment.resolve(value)?;
        located = located.join(segment);
    }
    Some(located)
}

fn same_item(from: &[Value], to: &[Value], index: usize) -> Option<usize> {
    match list_key(from, to) {
        None => (index < to.len()).then_some(index),
        Some(key) => {
            let wanted = from.get(index)?.get(key)?;
            to.iter().position(|item| item.get(key) == Some(wanted))
        }
    }
}

/// Sets the value at a path, or removes what is there. What a new value needs above it is created; what is in the
/// way stays.
pub(super) fn put(value: &mut Value, path: &[Segment], new: Option<Value>) {
    let Some((first, rest)) = path.split_first() else {
        if let Some(new) = new {
            *value = new;
        }
        return;
    };
    match (first, value) {
        (Segment::Field(name), Value::Object(fields)) => match (rest.is_empty(), new) {
            (true, None) => {
                fields.remove(name);
            }
            (_, Some(new)) => put(fields.entry(name.clone()).or_insert(Value::Null), rest, Some(new)),
            (false, None) => {
                if let Some(below) = fields.get_mut(name) {
                    put(below, rest, None);
                }
            }
        },
        (Segment::Field(_), null @ Value::Null) if new.is_some() => {
            *null = Value::Object(serde_json::Map::new());
            put(null, path, new);
        }
        (Segment::Index(index) | Segment::Item { index, .. }, Value::Array(items)) => {
            if rest.is_empty() && new.is_none() {
                if *index < items.len() {
                    items.remove(*index);
                }
            } else if let Some(item) = items.get_mut(*index) {
                put(item, rest, new);
            } else if let Some(new) = new.filter(|_| rest.is_empty()) {
                items.push(new);
            }
        }
        _ => {}
    }
}

/// What a set has at a place.
pub(super) enum Side<'a> {
    /// Nothing.
    Nothing,
    /// The whole of something that the place is in.
    Whole,
    /// This.
    Part(&'a FieldSet),
}

impl FieldSet {
    /// What the set has at a place of an object.
    pub(super) fn at(&self, object: &Value, path: &FieldPath) -> Side<'_> {
        let (mut set, mut value) = (self, object);
        for segment in path.segments() {
            let Some(below) = set.below(value, segment) else {
                let whole = set.member && set.children.is_empty();
                return if whole { Side::Whole } else { Side::Nothing };
            };
            let Some(next) = segment.resolve(value) else {
                return Side::Nothing;
            };
            (set, value) = (below, next);
        }
        if set.is_empty() { Side::Nothing } else { Side::Part(set) }
    }
}
