use serde_json::Value;
use tiphys_api::IgnoreDifference;
use tiphys_engine::ignore;

use crate::data::check_all;
use crate::server::manifest;

/// A file has the `rules`, what is `desired` and what is `live` (absent: nothing), and what is applied in the end as
/// `expected`. Rules that are about another object do nothing.
#[test]
fn what_is_ignored_is_left_alone() {
    check_all("ignore", |case| {
        let rules: Vec<IgnoreDifference> = serde_json::from_value(case["rules"].clone()).unwrap();
        let desired = manifest(&case["desired"]);
        let matching = ignore::matching(&rules, &desired.id());
        let found = ignore::strip(&matching, desired, case.get("live"));
        let found = Value::Object(found.object().clone());
        if found != case["expected"] {
            return Err(format!("expected {}, found {found}", case["expected"]));
        }
        Ok(())
    });
}
