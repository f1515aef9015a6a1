use serde_json::Value;
use tiphys_api::IgnoreDifference;
use tiphys_engine::fields::{FieldPath, Segment};
use tiphys_engine::ignore::{self, Ignored};
use tiphys_jq::{Job, Step, evaluate};

use crate::data::check_all;
use crate::server::manifest;

/// A file has the `rules`, what is `desired` and what is `live` (absent: nothing), and what is applied in the end as
/// `expected`. Rules that are about another object do nothing. With `merge`, everything that others own is left to them.
#[test]
fn what_is_ignored_is_left_alone() {
    check_all("ignore", |case| {
        let rules: Vec<IgnoreDifference> = serde_json::from_value(case["rules"].clone()).unwrap();
        let desired = manifest(&case["desired"]);
        let matching = ignore::matching(&rules, &desired);
        let of_jq = |object: Option<&Value>| -> Vec<FieldPath> {
            let expressions = matching.iter().flat_map(|rule| &rule.jq_path_expressions).cloned().collect();
            let job = Job { expressions, objects: object.into_iter().cloned().collect() };
            let found = evaluate(&job, &|_| {}).unwrap();
            found.iter().flat_map(|it| &it.paths).map(|path| path.iter().map(segment).collect()).collect()
        };
        let ignored = Ignored {
            in_desired: of_jq(Some(&case["desired"])),
            in_live: of_jq(case.get("live")),
            all_of_others: case.get("merge").is_some(),
            rules: matching.clone(),
            ..Ignored::default()
        };
        let found = ignore::strip(&ignored, desired, case.get("live"));
        let found = Value::Object(found.object().clone());
        if found != case["expected"] {
            return Err(format!("expected {}, found {found}", case["expected"]));
        }
        Ok(())
    });
}

fn segment(step: &Step) -> Segment {
    match step {
        Step::Field(name) => Segment::Field(name.clone()),
        Step::Index(index) => Segment::Index(*index),
    }
}
