//! CustomResourceDefinitions among manifests.

use serde_json::{Map, Value};
use tiphys_manifest::ObjectId;

/// Whether an object is a CustomResourceDefinition.
pub(crate) fn is_definition(id: &ObjectId) -> bool {
    id.group == "apiextensions.k8s.io" && id.kind == "CustomResourceDefinition"
}

/// Group and kind that a CustomResourceDefinition defines.
pub(crate) fn defined_by(definition: &Map<String, Value>) -> Option<(String, String)> {
    let spec = definition.get("spec")?;
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    Some((text(spec.get("group"))?, text(spec.get("names")?.get("kind"))?))
}
