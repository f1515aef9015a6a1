//! Taking over the fields that `kubectl` wrote, so that what leaves the rendering really leaves the object.
//!
//! Server-side apply removes a field only from its last owner. Fields that `kubectl apply`, `create` or `replace`
//! wrote are owned by kubectl's own managers, and would stay for ever. Before the first apply their entries in
//! `managedFields` are folded into ours, as Flux and Argo CD do. Fields that somebody edited or patched by hand are
//! not: that is a change of the live object, not its origin.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tiphys_api::FIELD_MANAGER;

use crate::fields::{FieldSet, Items, ManagedFields, Manager, Operation, managed_fields};

/// How to take over ownership of fields, and what that lets go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Migration {
    /// A JSON patch (RFC 6902) of `managedFields` alone. It fails with a conflict when the object changed since.
    pub json_patch: Value,
    /// The managers whose fields are taken over.
    pub managers: Vec<String>,
    /// The fields of these managers (`FieldsV1`): what of them nobody else owns after the apply is removed.
    pub fields: Value,
}

/// Managers of kubectl that write whole objects. Before 1.18 all of kubectl was one manager; `before-first-apply` is
/// what the API server calls whoever wrote before field management was on.
const MANAGERS: &[&str] = &[
    "before-first-apply",
    "kubectl",
    "kubectl-autoscale",
    "kubectl-client-side-apply",
    "kubectl-create",
    "kubectl-expose",
    "kubectl-replace",
    "kubectl-run",
];

/// Whether a manager's fields are taken over. What we wrote otherwise than by server-side apply (an object that was
/// replaced or only created, see [`crate::modes`]) is ours, too.
pub(crate) fn is_taken_over(manager: &Manager) -> bool {
    let ours = manager.name == FIELD_MANAGER && manager.operation == Operation::Update;
    (ours || MANAGERS.contains(&manager.name.as_str())) && manager.subresource.is_none()
}

/// What has to be taken over, if anything.
pub fn plan(live: &Value) -> Option<Migration> {
    let entries = managed_fields(live);
    let mut taken = FieldSet::default();
    let mut ours = FieldSet::default();
    let mut managers = Vec::new();
    for entry in &entries {
        if is_taken_over(&entry.manager) {
            taken.extend(&entry.fields);
            managers.push(entry.manager.name.clone());
        } else if entry.is_applied_by(FIELD_MANAGER) {
            ours.extend(&entry.fields);
        }
    }
    if managers.is_empty() {
        return None;
    }
    ours.extend(&taken);
    Some(Migration { json_patch: patch(live, &ours)?, managers, fields: taken.to_value() })
}

/// `managedFields` without the entries that are taken over, and with ours for all of them.
fn patch(live: &Value, ours: &FieldSet) -> Option<Value> {
    let metadata = live.get("metadata")?;
    let entries = metadata.get("managedFields")?.as_array()?;
    let taken_over = |entry: &&Value| {
        ManagedFields::parse(entry)
            .is_some_and(|entry| is_taken_over(&entry.manager) || entry.is_applied_by(FIELD_MANAGER))
    };
    let model = entries.iter().find(taken_over)?;
    let mut own = Map::new();
    own.insert("manager".to_owned(), FIELD_MANAGER.into());
    own.insert("operation".to_owned(), "Apply".into());
    own.insert("fieldsType".to_owned(), "FieldsV1".into());
    own.insert("fieldsV1".to_owned(), ours.to_value());
    for field in ["apiVersion", "time"] {
        if let Some(value) = model.get(field) {
            own.insert(field.to_owned(), value.clone());
        }
    }
    let mut changed: Vec<_> = entries.iter().filter(|entry| !taken_over(entry)).cloned().collect();
    changed.push(Value::Object(own));
    Some(json!([
        {"op": "replace", "path": "/metadata/managedFields", "value": changed},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": metadata.get("resourceVersion")?},
    ]))
}

/// What a live object becomes by migration and apply.
///
/// `predicted` is the answer to a dry-run of the apply without the migration; it knows what we will own. Fields that
/// the API server would set to a default when they are removed are shown as removed.
pub fn predict(migration: &Migration, predicted: &Value) -> Value {
    let taken = FieldSet::parse(&migration.fields);
    let mut kept = FieldSet::default();
    for entry in managed_fields(predicted) {
        if !is_taken_over(&entry.manager) {
            kept.extend(&entry.fields);
        }
    }
    remove(predicted, &taken, Some(&kept)).unwrap_or_else(|| predicted.clone())
}

/// What is left of a value when the fields in `taken` go that are not in `kept`; none when nothing is left.
fn remove(value: &Value, taken: &FieldSet, kept: Option<&FieldSet>) -> Option<Value> {
    let Some(kept) = kept.filter(|kept| !kept.is_empty()) else {
        // Nobody else has anything here: what was owned as such goes as a whole, with the defaults in it.
        return if taken.member { None } else { prune(value, taken, None) };
    };
    if taken.children.is_empty() || (kept.member && kept.children.is_empty()) {
        return Some(value.clone());
    }
    prune(value, taken, Some(kept))
}

/// Removes below a value; a map or list that becomes empty goes, unless somebody has it as such.
fn prune(value: &Value, taken: &FieldSet, kept: Option<&FieldSet>) -> Option<Value> {
    let below = |name: &str| kept.and_then(|kept| kept.children.get(name));
    let stays = kept.is_some_and(|kept| kept.member);
    match value {
        Value::Object(fields) => {
            let left: Map<_, _> = fields
                .iter()
                .filter_map(|(field, value)| {
                    let name = format!("f:{field}");
                    let left = match taken.children.get(&name) {
                        Some(child) => remove(value, child, below(&name))?,
                        None => value.clone(),
                    };
                    Some((field.clone(), left))
                })
                .collect();
            (stays || !left.is_empty() || fields.is_empty()).then_some(Value::Object(left))
        }
        Value::Array(items) => {
            let owned = Items::of(taken);
            let left: Vec<_> = items
                .iter()
                .enumerate()
                .filter_map(|(index, item)| match owned.get(index, item) {
                    Some((name, child)) => remove(item, child, below(name)),
                    None => Some(item.clone()),
                })
                .collect();
            (stays || !left.is_empty() || items.is_empty()).then_some(Value::Array(left))
        }
        scalar => Some(scalar.clone()),
    }
}
