//! Objects as kubectl prints them with `-o json|yaml|name`.

use kube::ResourceExt as _;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::lines;
use crate::error::Error;

/// A form for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// JSON, indented.
    Json,
    /// YAML.
    Yaml,
    /// `kind.group/name`, one a line.
    Name,
}

/// One object.
pub fn one(mut object: DynamicObject, form: Form) -> Result<String, Error> {
    object.metadata.managed_fields = None;
    match form {
        Form::Name => Ok(format!("{}\n", name(&object))),
        _ => document(&value(&object)?, form),
    }
}

/// A list of objects, in kubectl's `v1/List`.
pub fn list(objects: Vec<DynamicObject>, form: Form) -> Result<String, Error> {
    if form == Form::Name {
        return Ok(lines(objects.iter().map(name)));
    }
    let mut items = Vec::with_capacity(objects.len());
    for mut object in objects {
        object.metadata.managed_fields = None;
        items.push(value(&object)?);
    }
    let list = json!({
        "apiVersion": "v1",
        "kind": "List",
        "metadata": { "resourceVersion": "" },
        "items": items,
    });
    document(&list, form)
}

/// A value that is no Kubernetes object; there is no name to print then, so names come out as JSON.
pub fn document(value: &Value, form: Form) -> Result<String, Error> {
    match form {
        Form::Yaml => Ok(tiphys_manifest::yaml::write(value)),
        Form::Json | Form::Name => {
            let mut text = serde_json::to_string_pretty(value).map_err(|it| Error::Write(it.into()))?;
            text.push('\n');
            Ok(text)
        }
    }
}

/// `kind.group/name`, as kubectl names an object.
pub fn name(object: &DynamicObject) -> String {
    let (group, kind) = object.types.as_ref().map_or((None, String::new()), |types| {
        let group = types.api_version.split_once('/').map(|(group, _)| group);
        (group, types.kind.to_lowercase())
    });
    match group {
        Some(group) => format!("{kind}.{group}/{}", object.name_any()),
        None => format!("{kind}/{}", object.name_any()),
    }
}

/// An object of ours as a value with its type.
pub fn value<T: serde::Serialize>(object: &T) -> Result<Value, Error> {
    serde_json::to_value(object).map_err(|it| Error::Write(it.into()))
}
