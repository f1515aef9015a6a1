use serde_json::Value;
use tiphys_engine::quota::pods::{Around, Judge};
use tiphys_engine::quota::{Planned, Quota, exceeded};
use tiphys_manifest::ObjectId;

use crate::data::{check_all, text};
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
        let found = judged(case, |quotas, planned| texts(&exceeded(quotas, planned)));
        compare(case, "refused", &found)
    });
}

/// A file has besides what is `around`: `limitRanges`, `pods` and `priorityClass`. What of workloads is `incomplete` is
/// expected like what is `refused`. A file with `nobodyCanSay` expects no judgement at all.
#[test]
fn what_the_pods_of_a_plan_ask_for_is_held_against_quotas() {
    check_all("quota-pods", |case| {
        let around = case.get("around").cloned().unwrap_or_default();
        let around = Around {
            limit_ranges: list(&around, "limitRanges").to_vec(),
            pods: around.get("pods").map(|_| list(&around, "pods").to_vec()),
            priority_class: Some(text(&around, "priorityClass").to_owned()).filter(|it| !it.is_empty()),
        };
        let found = judged(case, |quotas, planned| {
            let judge = Judge::new("web", quotas, planned, &around)?;
            let incomplete: Vec<_> = judge.incomplete().into_iter().map(|it| it.refusal).collect();
            Some((texts(&judge.exceeded()), texts(&incomplete)))
        });
        let nobody_can_say = case.get("nobodyCanSay").is_some();
        assert_eq!(found.is_none(), nobody_can_say, "{case}");
        let (refused, incomplete) = found.unwrap_or_default();
        compare(case, "refused", &refused)?;
        compare(case, "incomplete", &incomplete)
    });
}

fn texts(refusals: &[tiphys_engine::plan::Refusal]) -> Vec<String> {
    refusals.iter().map(ToString::to_string).collect()
}

fn compare(case: &Value, field: &str, found: &[String]) -> Result<(), String> {
    let expected: Vec<_> = list(case, field).iter().filter_map(Value::as_str).collect();
    let fits = found.len() == expected.len()
        && found.iter().zip(&expected).all(|(found, expected)| found.starts_with(expected));
    if fits { Ok(()) } else { Err(format!("expected {expected:?}, found {found:?}")) }
}

/// Judges the quotas and what is planned of a file.
fn judged<T>(case: &Value, judge: impl FnOnce(&[Quota], &[Planned<'_>]) -> T) -> T {
    let quotas: Vec<Quota> =
        list(case, "quotas").iter().map(|it| serde_json::from_value(it.clone()).unwrap()).collect();
    let planned = list(case, "planned");
    let ids: Vec<_> =
        planned.iter().map(|it| id_of(it.get("after").unwrap_or_else(|| &it["before"]))).collect();
    let plurals: Vec<_> = ids.iter().map(plural).collect();
    let planned: Vec<_> = planned
        .iter()
        .zip(ids.iter().zip(&plurals))
        .map(|(it, (id, resource))| Planned {
            id,
            resource,
            before: it.get("before"),
            after: it.get("after"),
            recreated: it.get("recreated").is_some(),
        })
        .collect();
    judge(&quotas, &planned)
}

#[test]
fn a_pod_to_be_tried_has_what_its_workload_gives_it() {
    let workload = serde_json::json!({ "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": { "name": "db", "namespace": "web" },
        "spec": {
            "volumeClaimTemplates": [{ "metadata": { "name": "data" } }],
            "template": { "metadata": { "labels": { "app": "db" } }, "spec": {
                "containers": [{ "name": "a" }], "volumes": [{ "name": "tmp" }] } } } });
    let quota = Quota {
        namespace: "web".to_owned(),
        name: "small".to_owned(),
        hard: [("limits.cpu".to_owned(), "1".to_owned())].into(),
        ..Quota::default()
    };
    let id = id_of(&workload);
    let planned = [Planned {
        id: &id,
        resource: "statefulsets",
        before: None,
        after: Some(&workload),
        recreated: false,
    }];
    let around = Around::default();
    let judge = Judge::new("web", std::slice::from_ref(&quota), &planned, &around).unwrap();
    let incomplete = judge.incomplete();
    let expected = serde_json::json!({ "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "db", "namespace": "web", "labels": { "app": "db" } },
        "spec": { "containers": [{ "name": "a" }], "volumes": [
            { "name": "tmp" }, { "name": "data", "persistentVolumeClaim": { "claimName": "data" } }] } });
    assert_eq!(incomplete.iter().map(|it| it.pod.clone()).collect::<Vec<_>>(), [expected]);
}
