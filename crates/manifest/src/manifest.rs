use serde_json::{Map, Value};

use crate::error::ObjectProblem;
use crate::{Error, GroupVersionKind, ObjectId, Origin};

/// One desired Kubernetes object and where it was written.
///
/// A manifest has non-empty strings in `apiVersion`, `kind` and `metadata.name`, a string in
/// `metadata.namespace` if there is one, and only strings in its labels and annotations. A hook may have
/// `metadata.generateName` instead of a name, until it is given one.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    gvk: GroupVersionKind,
    object: Map<String, Value>,
    origin: Origin,
}

impl Manifest {
    /// Checks that `object` can be applied at all; anything beyond identity is left to the API server.
    pub fn new(object: Map<String, Value>, origin: Origin) -> Result<Self, Error> {
        match check(&object) {
            Ok(gvk) => Ok(Self { gvk, object, origin }),
            Err(problem) => Err(Error::Object { origin, problem }),
        }
    }

    /// Like [`Manifest::new`] for any JSON value; one that is not a mapping is an error.
    pub fn from_value(value: Value, origin: Origin) -> Result<Self, Error> {
        match value {
            Value::Object(object) => Self::new(object, origin),
            other => {
                let problem = ObjectProblem::NotAMapping { found: describe(&other) };
                Err(Error::Object { origin, problem })
            }
        }
    }

    /// Which object this describes; the namespace is what the manifest says, or none.
    pub fn id(&self) -> ObjectId {
        ObjectId {
            group: self.gvk.group.clone(),
            kind: self.gvk.kind.clone(),
            namespace: self.namespace().map(str::to_owned),
            name: self.name().to_owned(),
        }
    }

    /// Group, version and kind.
    pub fn gvk(&self) -> &GroupVersionKind {
        &self.gvk
    }

    /// `metadata.namespace`, if there is a non-empty one.
    pub fn namespace(&self) -> Option<&str> {
        self.metadata_text("namespace").filter(|namespace| !namespace.is_empty())
    }

    /// `metadata.name`, or the start of the name that a hook will be given.
    pub fn name(&self) -> &str {
        let name = self.metadata_text("name").filter(|name| !name.is_empty());
        name.or_else(|| self.metadata_text("generateName")).unwrap_or_default()
    }

    /// `metadata.labels`, sorted by key.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.metadata_texts("labels")
    }

    /// `metadata.annotations`, sorted by key.
    pub fn annotations(&self) -> impl Iterator<Item = (&str, &str)> {
        self.metadata_texts("annotations")
    }

    /// The value of one label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.metadata().and_then(|metadata| metadata.get("labels")?.get(key)?.as_str())
    }

    /// The value of one annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.metadata().and_then(|metadata| metadata.get("annotations")?.get(key)?.as_str())
    }

    /// The object as written.
    pub fn object(&self) -> &Map<String, Value> {
        &self.object
    }

    /// The object as written, without its origin.
    pub fn into_object(self) -> Map<String, Value> {
        self.object
    }

    /// Changes the object; what [`Manifest::new`] checks is checked again.
    pub fn edit(mut self, edit: impl FnOnce(&mut Map<String, Value>)) -> Result<Self, Error> {
        edit(&mut self.object);
        Self::new(self.object, self.origin)
    }

    /// Sets `metadata.namespace`.
    pub fn set_namespace(&mut self, namespace: &str) {
        let mut metadata = take_mapping(&mut self.object, "metadata");
        metadata.insert("namespace".to_owned(), namespace.into());
        self.object.insert("metadata".to_owned(), metadata.into());
    }

    /// Sets one label, replacing an earlier value.
    pub fn set_label(&mut self, key: &str, value: &str) {
        self.set_metadata_text("labels", key, value);
    }

    /// Sets one annotation, replacing an earlier value.
    pub fn set_annotation(&mut self, key: &str, value: &str) {
        self.set_metadata_text("annotations", key, value);
    }

    /// Where the object was written.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    fn metadata(&self) -> Option<&Map<String, Value>> {
        self.object.get("metadata")?.as_object()
    }

    fn metadata_text(&self, key: &str) -> Option<&str> {
        self.metadata()?.get(key)?.as_str()
    }

    fn metadata_texts(&self, field: &str) -> impl Iterator<Item = (&str, &str)> {
        self.metadata()
            .and_then(|metadata| metadata.get(field)?.as_object())
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
    }

    fn set_metadata_text(&mut self, field: &str, key: &str, value: &str) {
        let mut metadata = take_mapping(&mut self.object, "metadata");
        let mut texts = take_mapping(&mut metadata, field);
        texts.insert(key.to_owned(), value.into());
        metadata.insert(field.to_owned(), texts.into());
        self.object.insert("metadata".to_owned(), metadata.into());
    }
}

/// Takes the mapping under `key` out of its parent; an empty one when there is none.
fn take_mapping(parent: &mut Map<String, Value>, key: &str) -> Map<String, Value> {
    match parent.remove(key) {
        Some(Value::Object(mapping)) => mapping,
        _ => Map::new(),
    }
}

fn check(object: &Map<String, Value>) -> Result<GroupVersionKind, ObjectProblem> {
    let api_version = required_text(object, "apiVersion", "apiVersion")?;
    let kind = required_text(object, "kind", "kind")?;
    let metadata = match object.get("metadata") {
        Some(Value::Object(metadata)) => metadata,
        None | Some(Value::Null) => {
            return Err(ObjectProblem::Missing { field: "metadata.name" });
        }
        Some(other) => return Err(wrong_type("metadata", "a mapping", other)),
    };
    check_name(metadata)?;
    if let Some(namespace) = metadata.get("namespace")
        && !namespace.is_string()
        && !namespace.is_null()
    {
        return Err(wrong_type("metadata.namespace", "a string", namespace));
    }
    check_texts(metadata, "labels")?;
    check_texts(metadata, "annotations")?;
    GroupVersionKind::parse(api_version, kind)
        .map_err(|_| ObjectProblem::ApiVersion { text: api_version.to_owned() })
}

fn check_name(metadata: &Map<String, Value>) -> Result<(), ObjectProblem> {
    match required_text(metadata, "name", "metadata.name") {
        Err(ObjectProblem::Missing { .. }) if metadata.contains_key("generateName") => {
            if is_hook(metadata) {
                required_text(metadata, "generateName", "metadata.generateName").map(drop)
            } else {
                Err(ObjectProblem::GenerateName)
            }
        }
        other => other.map(|_| ()),
    }
}

/// Annotations that make an object a hook: it is created anew in each run, and may have a new name each time.
const HOOKS: &[&str] = &["tiphys.dev/hook", "argocd.argoproj.io/hook", "helm.sh/hook"];

fn is_hook(metadata: &Map<String, Value>) -> bool {
    let annotations = metadata.get("annotations").and_then(Value::as_object);
    annotations.is_some_and(|it| HOOKS.iter().any(|key| it.contains_key(*key)))
}

fn check_texts(metadata: &Map<String, Value>, field: &str) -> Result<(), ObjectProblem> {
    match metadata.get(field) {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Object(texts)) => {
            match texts.iter().find(|(_, value)| !value.is_string() && !value.is_null()) {
                Some((key, value)) => Err(wrong_type(&format!("metadata.{field}.{key}"), "a string", value)),
                None => Ok(()),
            }
        }
        Some(other) => Err(wrong_type(&format!("metadata.{field}"), "a mapping of strings", other)),
    }
}

fn required_text<'a>(
    object: &'a Map<String, Value>,
    key: &str,
    field: &'static str,
) -> Result<&'a str, ObjectProblem> {
    match object.get(key) {
        None | Some(Value::Null) => Err(ObjectProblem::Missing { field }),
        Some(Value::String(text)) if text.is_empty() => Err(ObjectProblem::Missing { field }),
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(wrong_type(field, "a string", other)),
    }
}

fn wrong_type(field: &str, expected: &'static str, found: &Value) -> ObjectProblem {
    let scalar = matches!(found, Value::Bool(_) | Value::Number(_));
    let hint = if expected == "a string" && scalar { "; put it in quotes" } else { "" };
    ObjectProblem::WrongType { field: field.to_owned(), expected, found: describe(found), hint }
}

/// What a value is, for a sentence; the content of texts is never repeated, it may be a secret.
pub(crate) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => format!("the boolean {flag}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(_) => "a string".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest(object: Value) -> Result<Manifest, Error> {
        Manifest::from_value(object, Origin::new("a.yaml", 3))
    }

    #[test]
    fn what_cannot_be_applied_is_refused_with_its_place() {
        let cases = [
            (json!([]), "this is a list"),
            (json!({"kind": "A", "metadata": {"name": "a"}}), "apiVersion is missing"),
            (json!({"apiVersion": "v1", "metadata": {"name": "a"}}), "kind is missing"),
            (json!({"apiVersion": "v1", "kind": "A"}), "metadata.name is missing"),
            (json!({"apiVersion": "v1", "kind": "A", "metadata": {"name": ""}}), "metadata.name is missing"),
            (json!({"apiVersion": "v1", "kind": "A", "metadata": {"generateName": "a-"}}), "generateName"),
            (json!({"apiVersion": "v1", "kind": "A", "metadata": {"name": 12}}), "put it in quotes"),
            (json!({"apiVersion": 1, "kind": "A", "metadata": {"name": "a"}}), "apiVersion must be a string"),
            (json!({"apiVersion": "a/b/c", "kind": "A", "metadata": {"name": "a"}}), "\"a/b/c\""),
            (json!({"apiVersion": "v1", "kind": "A", "metadata": []}), "metadata must be a mapping"),
            (
                json!({"apiVersion": "v1", "kind": "A", "metadata": {"name": "a", "labels": {"x": true}}}),
                "metadata.labels.x must be a string, not the boolean true; put it in quotes",
            ),
        ];
        for (object, expected) in cases {
            let message = manifest(object.clone()).unwrap_err().to_string();
            assert!(message.starts_with("a.yaml:3: "), "{message}");
            assert!(message.contains(expected), "{object}: {message}");
        }
    }

    #[test]
    fn metadata_can_be_read_and_set() {
        let mut web = manifest(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "annotations": null, "labels": {"b": "2", "a": "1"}},
        }))
        .unwrap();
        assert_eq!(web.id().to_string(), "apps/Deployment web");
        assert_eq!(web.labels().collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
        web.set_namespace("prod");
        web.set_annotation("note", "x");
        web.set_label("a", "3");
        assert_eq!(web.id().to_string(), "apps/Deployment prod/web");
        assert_eq!(
            (web.annotation("note"), web.label("a"), web.label("b")),
            (Some("x"), Some("3"), Some("2"))
        );
        let renamed = web.edit(|object| object["metadata"]["name"] = "other".into()).unwrap();
        assert_eq!(renamed.name(), "other");
        assert!(renamed.edit(|object| drop(object.remove("kind"))).is_err());
    }
}
