use serde_json::{Value, json};
use tiphys_engine::structural::{Definition, Verdict};

use crate::data::check_all;
use crate::plan::list;

/// The definition that a file of cases gives the schema of.
fn definition(case: &Value) -> Definition {
    let definition = json!({ "spec": {
        "group": "example.com", "names": { "kind": "Gadget", "plural": "gadgets" },
        "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": case["schema"] } }],
    } });
    Definition::new(&definition).unwrap()
}

/// A whole object of what a case says about one.
fn whole(case: &Value, content: &Value) -> Value {
    let mut object = content.clone();
    let name = case.get("id").and_then(Value::as_str).unwrap_or("a");
    object["apiVersion"] = "example.com/v1".into();
    object["kind"] = "Gadget".into();
    object["metadata"] = json!({ "name": name, "namespace": "web" });
    if let Some(labels) = case.get("labels") {
        object["metadata"]["labels"] = labels.clone();
    }
    object
}

fn judge(definition: &Definition, case: &Value) -> Verdict {
    let old = case.get("old").map(|old| whole(case, old));
    definition.judge("v1", &whole(case, &case["object"]), old.as_ref(), true)
}

/// A file gives a `schema` and `cases`: what becomes of an `object`, its `problems` and what is `unverified`. An API server
/// says the same: `cluster::structural`.
#[test]
fn objects_are_judged_as_their_files_say() {
    check_all("structural", |file| {
        let definition = definition(file);
        let mut failures = Vec::new();
        for case in list(file, "cases") {
            let verdict = judge(&definition, case);
            let problems: Vec<_> = verdict.problems.iter().map(ToString::to_string).collect();
            let fields: Vec<_> = verdict.problems.iter().map(|it| it.path.clone()).collect();
            let texts = |field: &str| {
                list(case, field).iter().map(|it| it.as_str().unwrap().to_owned()).collect::<Vec<_>>()
            };
            let name = case["name"].as_str().unwrap();
            if case.get("fields").is_none() && problems != texts("problems") {
                failures.push(format!("{name}: problems are {problems:#?}"));
            }
            if case.get("fields").is_some() && fields != texts("fields") {
                failures.push(format!("{name}: fields are {fields:?}"));
            }
            if verdict.unverified != texts("unverified") {
                failures.push(format!("{name}: unverified is {:?}", verdict.unverified));
            }
            if let Some(becomes) = case.get("becomes")
                && verdict.object != whole(case, becomes)
            {
                failures.push(format!("{name}: it becomes {}", verdict.object));
            }
        }
        if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
    });
}

/// Rules that cost too much are not evaluated to their end, and say so.
#[test]
fn a_rule_that_never_ends_is_not_checked() {
    let file = json!({ "schema": { "type": "object", "properties": { "spec": { "type": "object", "properties": {
        "names": { "type": "array", "items": { "type": "string" }, "x-kubernetes-validations": [
            { "rule": "self.all(a, self.all(b, self.all(c, self.all(d, a + b + c + d != ''))))" }
        ] } } } } } });
    let names: Vec<_> = (0..200).map(|it| it.to_string()).collect();
    let began = std::time::Instant::now();
    let verdict = judge(&definition(&file), &json!({ "object": { "spec": { "names": names } } }));
    assert_eq!(verdict.problems, []);
    assert!(verdict.unverified[0].contains("cost too much"), "{:?}", verdict.unverified);
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}
