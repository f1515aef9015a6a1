use serde_json::Value;
use tiphys_engine::fields::{ProjectionHash, changed_since, projection};

use crate::data::check_all;

/// A file has two objects, `one` and `other`, whether we own the `same` of both, and what we own of `one`.
#[test]
fn the_projection_is_what_we_own() {
    check_all("projection", |case| {
        let hash = |name: &str| ProjectionHash::of(&case[name], "tiphys");
        let same = case["same"].as_bool().unwrap();
        if (hash("one") == hash("other")) != same {
            return Err(format!("expected same: {same}, found {:?} and {:?}", hash("one"), hash("other")));
        }
        let found = projection(&case["one"], "tiphys").unwrap_or(Value::Null);
        if case.get("projection").is_some_and(|expected| *expected != found) {
            return Err(format!("expected {}, found {found}", case["projection"]));
        }
        Ok(())
    });
}

/// A file has the object that is `wanted`, the `live` one, and the `changes` as `path by manager`.
#[test]
fn who_changed_what_is_known() {
    check_all("changes", |case| {
        let found: Vec<_> = changed_since(&case["wanted"], &case["live"], "tiphys")
            .into_iter()
            .map(|change| match change.manager {
                Some(manager) => format!("{} by {}", change.path, manager.name),
                None => change.path,
            })
            .collect();
        let expected: Vec<_> = case["changes"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        if found != expected {
            return Err(format!("expected {expected:?}, found {found:?}"));
        }
        Ok(())
    });
}
