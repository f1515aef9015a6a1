use serde_json::Value;
use tiphys_engine::modes::replacement;

use crate::data::check_all;

/// A file has what is `desired`, what is `live`, and what it is replaced with as `expected`.
#[test]
fn an_object_is_replaced_with_what_is_desired() {
    check_all("modes", |case| {
        let found = replacement(case["desired"].as_object().unwrap(), &case["live"]);
        let found = Value::Object(found);
        if found != case["expected"] {
            return Err(format!("expected {}, found {found}", case["expected"]));
        }
        Ok(())
    });
}
