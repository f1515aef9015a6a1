use serde_json::{Value, json};
use tiphys_engine::fields::{FieldSet, managed_fields};
use tiphys_engine::migrate;

use crate::data::{cases, check_all};

/// A file has the `live` object, the `managers` that are taken over, the answer to a dry-run as `predicted`, and what
/// the object `becomes` without its managedFields.
#[test]
fn fields_of_kubectl_are_taken_over() {
    check_all("migrate", |case| {
        let migration = migrate::plan(&case["live"]);
        let managers = migration.as_ref().map(|it| json!(it.managers)).unwrap_or(json!([]));
        if managers != case["managers"] {
            return Err(format!("expected {}, found {managers}", case["managers"]));
        }
        let Some(migration) = migration else {
            return Ok(());
        };
        let mut becomes = migrate::predict(&migration, &case["predicted"]);
        becomes["metadata"].as_object_mut().unwrap().remove("managedFields");
        if becomes != case["becomes"] {
            return Err(format!("expected {}, found {becomes}", case["becomes"]));
        }
        Ok(())
    });
}

/// The patch leaves nothing to take over, keeps what others own, and is bound to the version that was read.
#[test]
fn the_patch_only_moves_ownership() {
    for case in cases("migrate") {
        let live = &case.value["live"];
        let Some(migration) = migrate::plan(live) else {
            continue;
        };
        let patched = patch(live, &migration.json_patch);
        assert_eq!(migrate::plan(&patched), None, "{}", case.name);
        let owned = |object: &Value| {
            let mut all = FieldSet::default();
            for entry in managed_fields(object) {
                all.extend(&entry.fields);
            }
            all
        };
        assert_eq!(owned(&patched), owned(live), "{}", case.name);
        let without_fields = |object: &Value| {
            let mut object = object.clone();
            object["metadata"].as_object_mut().unwrap().remove("managedFields");
            object
        };
        assert_eq!(without_fields(&patched), without_fields(live), "{}", case.name);
    }
}

/// Replaces, as the patch says; it says nothing else.
fn patch(object: &Value, patch: &Value) -> Value {
    let mut object = object.clone();
    for operation in patch.as_array().unwrap() {
        assert_eq!(operation["op"], "replace");
        *object.pointer_mut(operation["path"].as_str().unwrap()).unwrap() = operation["value"].clone();
    }
    object
}
