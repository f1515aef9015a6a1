use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::items::Items;
use super::path::{FieldPath, Segment};

/// A set of places in an object, as `managedFields` writes it (`FieldsV1`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet {
    /// Whether this very place is in the set; what lies below is in it only as `children` say.
    pub(crate) member: bool,
    /// Places below, under their name in `FieldsV1` (`f:spec`, `k:{"name":"web"}`). The API server writes these
    /// names canonically, so equal places have equal names.
    pub(crate) children: BTreeMap<String, FieldSet>,
}

/// Name of a place below another, read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Element<'a> {
    Field(&'a str),
    Key(Map<String, Value>),
    Value(Value),
    Index(usize),
}

impl<'a> Element<'a> {
    pub(crate) fn parse(name: &'a str) -> Option<Self> {
        let (tag, rest) = name.split_once(':')?;
        match tag {
            "f" => Some(Self::Field(rest)),
            "k" => serde_json::from_str(rest).ok().map(Self::Key),
            "v" => serde_json::from_str(rest).ok().map(Self::Value),
            "i" => rest.parse().ok().map(Self::Index),
            _ => None,
        }
    }
}

impl FieldSet {
    /// Reads `FieldsV1`. Whatever is not as it should be is left out.
    pub fn parse(fields: &Value) -> Self {
        let Value::Object(fields) = fields else {
            return Self::default();
        };
        let mut children = BTreeMap::new();
        for (name, below) in fields.iter().filter(|(name, _)| *name != ".") {
            let mut child = Self::parse(below);
            child.member |= child.children.is_empty();
            children.insert(name.clone(), child);
        }
        Self { member: fields.contains_key("."), children }
    }

    /// Writes `FieldsV1`.
    pub fn to_value(&self) -> Value {
        let mut fields = Map::new();
        if self.member && !self.children.is_empty() {
            fields.insert(".".to_owned(), Value::Object(Map::new()));
        }
        for (name, child) in &self.children {
            fields.insert(name.clone(), child.to_value());
        }
        Value::Object(fields)
    }

    /// The places right below that are fields of a map: the field, its name as written, and what is below it.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &str, &Self)> {
        self.children
            .iter()
            .filter_map(|(name, child)| Some((name.strip_prefix("f:")?, name.as_str(), child)))
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        !self.member && self.children.values().all(Self::is_empty)
    }

    /// Adds all places of another set.
    pub fn extend(&mut self, other: &Self) {
        self.member |= other.member;
        for (name, child) in &other.children {
            self.children.entry(name.clone()).or_default().extend(child);
        }
    }

    /// The part of the set below one place of a value.
    pub(crate) fn below(&self, value: &Value, segment: &Segment) -> Option<&Self> {
        match segment {
            Segment::Field(name) => self.children.get(&format!("f:{name}")),
            Segment::Index(index) | Segment::Item { index, .. } => {
                let (_, child) = Items::of(self).get(*index, value.get(*index)?)?;
                Some(child)
            }
        }
    }

    /// Whether the place that `path` leads to in `object` is in the set, or something below it, or all of
    /// something above it.
    pub fn covers(&self, object: &Value, path: &FieldPath) -> bool {
        let mut set = self;
        let mut value = object;
        for (depth, segment) in path.segments().iter().enumerate() {
            // A member without children stands for its whole value: lists and maps that are owned as one.
            if depth > 0 && set.member && set.children.is_empty() {
                return true;
            }
            let Some(below) = set.below(value, segment) else {
                return false;
            };
            set = below;
            match segment.resolve(value) {
                Some(next) => value = next,
                None => return !set.is_empty() && depth + 1 == path.segments().len(),
            }
        }
        !set.is_empty()
    }
}

/// How a field manager wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Operation {
    /// By server-side apply.
    Apply,
    /// By any other request.
    Update,
}

/// Who wrote fields, how and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manager {
    /// Name of the field manager.
    pub name: String,
    /// How it wrote.
    pub operation: Operation,
    /// Through which subresource, such as `scale`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subresource: Option<String>,
    /// When it last wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
}

/// The fields of one manager.
#[derive(Clone, Debug, PartialEq)]
pub struct ManagedFields {
    /// Who.
    pub manager: Manager,
    /// What.
    pub fields: FieldSet,
}

impl ManagedFields {
    /// Whether this is what `manager` applied to the object itself, not to a subresource.
    pub fn is_applied_by(&self, manager: &str) -> bool {
        self.manager.name == manager
            && self.manager.operation == Operation::Apply
            && self.manager.subresource.is_none()
    }

    pub(crate) fn parse(entry: &Value) -> Option<Self> {
        let text = |field: &str| entry.get(field).and_then(Value::as_str);
        let operation = match text("operation")? {
            "Apply" => Operation::Apply,
            "Update" => Operation::Update,
            _ => return None,
        };
        Some(Self {
            manager: Manager {
                name: text("manager").unwrap_or_default().to_owned(),
                operation,
                subresource: text("subresource")
                    .filter(|subresource| !subresource.is_empty())
                    .map(str::to_owned),
                time: text("time").and_then(|time| time.parse().ok()),
            },
            fields: FieldSet::parse(entry.get("fieldsV1").unwrap_or(&Value::Null)),
        })
    }
}

/// All entries of an object's `managedFields`, in their order. Malformed ones are left out.
pub fn managed_fields(object: &Value) -> Vec<ManagedFields> {
    object
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(ManagedFields::parse)
        .collect()
}

/// Everybody who owns what `path` leads to, or something below it.
pub fn managers_of(object: &Value, path: &FieldPath) -> Vec<Manager> {
    managed_fields(object)
        .into_iter()
        .filter(|entry| entry.fields.covers(object, path))
        .map(|entry| entry.manager)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(text: &str) -> FieldPath {
        text.split('.')
            .map(|part| part.parse().map_or_else(|_| Segment::Field(part.to_owned()), Segment::Index))
            .collect()
    }

    #[test]
    fn sets_are_read_and_written_alike() {
        let fields = json!({
            "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
            "f:spec": {"f:ports": {"k:{\"port\":80}": {".": {}, "f:port": {}}}, "f:finalizers": {"v:\"a\"": {}}},
        });
        assert_eq!(FieldSet::parse(&fields).to_value(), fields);
        assert!(FieldSet::parse(&json!({})).is_empty());
        assert!(FieldSet::parse(&json!([1])).is_empty());
    }

    #[test]
    fn covers_what_is_owned_and_nothing_else() {
        let object = json!({
            "metadata": {"labels": {"app": "a", "other": "b"}},
            "spec": {
                "selector": {"matchLabels": {"app": "a"}},
                "ports": [{"port": 443, "name": "s"}, {"port": 80, "name": "p"}],
                "finalizers": ["b", "a"],
            },
        });
        let set = FieldSet::parse(&json!({
            "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
            "f:spec": {
                "f:selector": {},
                "f:ports": {"k:{\"port\":80}": {".": {}, "f:port": {}}},
                "f:finalizers": {"v:\"a\"": {}},
            },
        }));
        for (text, expected) in [
            ("metadata.labels.app", true),
            ("metadata.labels", true),
            ("metadata.labels.other", false),
            ("spec.selector.matchLabels.app", true),
            ("spec.ports.1.port", true),
            ("spec.ports.1.name", false),
            ("spec.ports.0", false),
            ("spec.finalizers.1", true),
            ("spec.finalizers.0", false),
            ("spec.replicas", false),
            ("status", false),
        ] {
            assert_eq!(set.covers(&object, &path(text)), expected, "{text}");
        }
    }

    #[test]
    fn managers_of_a_field_are_named() {
        let object = json!({
            "metadata": {"managedFields": [
                {"manager": "tiphys", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}, "f:paused": {}}}},
                {"manager": "hpa", "operation": "Update", "subresource": "scale", "time": "2026-01-02T03:04:05Z",
                 "fieldsV1": {"f:spec": {"f:replicas": {}}}},
                {"manager": "broken"}, 7,
            ]},
            "spec": {"replicas": 2, "paused": true},
        });
        let names = |text: &str| -> Vec<_> {
            managers_of(&object, &path(text))
                .into_iter()
                .map(|manager| (manager.name, manager.operation, manager.subresource))
                .collect()
        };
        let ours = ("tiphys".to_owned(), Operation::Apply, None);
        assert_eq!(names("spec.paused"), std::slice::from_ref(&ours));
        assert_eq!(
            names("spec.replicas"),
            [ours, ("hpa".to_owned(), Operation::Update, Some("scale".to_owned()))]
        );
        assert!(names("spec.other").is_empty());
    }
}
