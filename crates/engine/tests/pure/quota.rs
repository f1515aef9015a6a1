use serde_json::Value;
use tiphys_engine::quota::{Planned, Quota, exceeded};
use tiphys_manifest::ObjectId;

use crate::data::check_all;
use crate::plan::list;
use crate::server::id_of;

/// What the kinds of these tests are called in addresses.
fn plural(id: &ObjectId) -> String {
    format!("{}s", id.kind.to_lowercase())
}

/// A file has the `quotas`, and what is `planned`: objects `before` and `after`. It expects what is `refused`: the object,
/// and the beginning of the sentence about it.
#[test]
fn what_a_plan_adds_up_to_is_held_against_quotas() {
    check_all("quota", |case| {
        let quotas: Vec<Quota> =
            list(case, "quotas").iter().map(|it| serde_json::from_value(it.clone()).unwrap()).collect();
        let planned = list(case, "planned");
        let ids: Vec<_> = planned.iter().map(|it| id_of(&it["after"])).collect();
        let plurals: Vec<_> = ids.iter().map(plural).collect();
        let planned: Vec<_> = planned
            .iter()
            .zip(ids.iter().zip(&plurals))
            .map(|(it, (id, resource))| Planned {
                id,
                resource,
                before: it.get("before"),
                after: &it["after"],
            })
            .collect();
        let found: Vec<_> = exceeded(&quotas, &planned).iter().map(ToString::to_string).collect();
        let expected: Vec<_> = list(case, "refused").iter().filter_map(Value::as_str).collect();
        let fits = found.len() == expected.len()
            && found.iter().zip(&expected).all(|(found, expected)| found.starts_with(expected));
        if fits { Ok(()) } else { Err(format!("expected {expected:?}, found {found:?}")) }
    });
}
