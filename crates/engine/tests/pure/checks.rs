use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tiphys_api::Health;
use tiphys_engine::health::checks::{CheckSource, Checks, shipped};
use tiphys_engine::health::{self, HealthStatus};

use crate::data::{cases, check_all, text};

/// A file of `shipped-checks` has cases by kind: `is` is the expected health and reason, `says` a part of the message,
/// `conditions` are `[status, reason, message]` by type; `annotations`, `spec` and `status` are parts of the object.
#[test]
fn shipped_checks_say_what_their_file_says() {
    check_all("shipped-checks", |file| {
        let failures: Vec<_> = shipped_cases(file)
            .filter_map(|(name, case, object)| {
                Some(format!("{name}: {}", compare(case, &health::assess(&object)).err()?))
            })
            .collect();
        if failures.is_empty() { Ok(()) } else { Err(failures.join("\n    ")) }
    });
}

/// Each health that a check of ours can give is that of some case of one of its kinds.
#[test]
fn every_shipped_check_has_cases() {
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in cases("shipped-checks") {
        for (_, case, object) in shipped_cases(&file.value) {
            let group = text(&object, "apiVersion").split_once('/').unwrap().0;
            let health = text(case, "is").split(' ').next().unwrap().to_owned();
            seen.entry(format!("{group}/{}", text(&object, "kind"))).or_default().insert(health);
        }
    }
    let mut missing = Vec::new();
    for check in shipped() {
        let globs: Vec<_> =
            check.kinds.iter().map(|it| globset::Glob::new(it).unwrap().compile_matcher()).collect();
        let matching = seen.iter().filter(|(kind, _)| globs.iter().any(|glob| glob.is_match(kind)));
        let found: BTreeSet<_> = matching.flat_map(|(_, healths)| healths.clone()).collect();
        let wanted = check.healths.iter().map(|it| format!("{it:?}"));
        missing.extend(wanted.filter(|it| !found.contains(it)).map(|it| format!("{:?} {it}", check.kinds)));
    }
    assert!(missing.is_empty(), "no cases for\n{}", missing.join("\n"));
}

/// The page for people names every kind.
#[test]
fn the_documentation_names_every_shipped_kind() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/health.md");
    let page = std::fs::read_to_string(page).unwrap();
    let kinds = shipped().into_iter().flat_map(|check| check.kinds);
    let missing: Vec<_> = kinds.filter(|kind| !page.contains(&format!("`{kind}`"))).collect();
    assert!(missing.is_empty(), "docs/health.md does not name {missing:?}");
}

/// A file of `own-checks` has `checks`, the data of a ConfigMap, and the `object`; what is expected stands as in
/// `shipped-checks`; `problems` are parts of what is said of the ConfigMap.
#[test]
fn checks_of_an_installation_say_what_their_file_says() {
    check_all("own-checks", |case| {
        let sources: Vec<_> = case["checks"].as_object().into_iter().flatten().map(source).collect();
        let (checks, problems) = Checks::new(&sources);
        let said: Vec<_> = problems.iter().map(ToString::to_string).collect();
        let expected: Vec<_> =
            case["problems"].as_array().into_iter().flatten().map(|it| it.as_str().unwrap()).collect();
        if said.len() != expected.len() || !said.iter().zip(&expected).all(|(said, part)| said.contains(part))
        {
            return Err(format!("expected the problems {expected:?}, found {said:?}"));
        }
        let began = Instant::now();
        let found = health::assess_with(&case["object"], &checks);
        // Far more than any bound of a check, and far less than what none would take.
        let took = began.elapsed();
        if took > Duration::from_secs(5) { Err(format!("it took {took:?}")) } else { compare(case, &found) }
    });
}

/// What an expression may do to a naive interpreter.
#[test]
fn strange_expressions_fail_by_themselves() {
    for expression in [
        "-9223372036854775807 - 2 == 0",
        "(-9223372036854775807 - 1) / -1 == 0",
        "(-9223372036854775807 - 1) % -1 == 0",
        "-(-9223372036854775807 - 1) == 0",
        "9223372036854775807 * 2 == 0",
        "int(1e300) == 0",
        "int('99999999999999999999') == 0",
        "uint(-1) == 0u",
        "0u - 1u == 0u",
        "1 / 0 == 0",
        "1.0 / 0.0 == 0.0",
        "[1][9223372036854775807] == 1",
        "[1][-1] == 1",
        "{1: 2, 1: 3}[1] == 2",
        "string(b'\\xff') == ''",
        "'a'.matches('(') || false",
        "Thing{a: 1} == null",
        "optional.none().value() == 1",
        "object == object && object.spec == null",
        "has(object.spec.a.b.c.d)",
        "object.map(k, object[k])[0] == 1",
        "type(object) == map && dyn(1) == 1.0",
    ] {
        let health = judged(&json!([{"when": expression, "health": "Degraded"}]), &thing(&json!({"a": 1})));
        assert!(!health.message.contains("interpreter failed"), "{expression}: {}", health.message);
    }
}

/// Objects as large as etcd takes them are judged; what is larger is not.
#[test]
fn large_objects_are_judged_in_time() {
    let items = |count| thing(&json!({"items": vec![json!({"name": "x".repeat(50), "ready": true}); count]}));
    let rules = json!([
        {"when": "object.spec.items.exists(it, it.ready == false)", "health": "Degraded"},
        {"when": "object.spec.items.all(it, it.ready)", "health": "Healthy"},
    ]);
    let began = Instant::now();
    assert_eq!(judged(&rules, &items(10_000)).health, Health::Healthy);
    let everything_with_everything = json!([
        {"when": "object.spec.items.exists(a, object.spec.items.exists(b, a.name != b.name))", "health": "Degraded"},
    ]);
    assert_eq!(judged(&everything_with_everything, &items(10_000)).reason, "CheckStopped");
    let took = began.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert_eq!(judged(&rules, &items(50_000)).reason, "ObjectTooLarge");
    let script =
        [source((&"example.com_Thing.lua".to_owned(), &json!("return {status = obj.spec.items[1].name}")))];
    let (checks, _) = Checks::new(&script);
    assert_eq!(health::assess_with(&items(50_000), &checks).reason, "ObjectTooLarge");
}

fn thing(spec: &Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "one"}, "spec": spec})
}

fn judged(rules: &Value, object: &Value) -> HealthStatus {
    let checks = json!([{"kinds": ["example.com/Thing"], "rules": rules}]).to_string();
    let (checks, problems) = Checks::new(&[source((&"things.yaml".to_owned(), &json!(checks)))]);
    let status = health::assess_with(object, &checks);
    assert!(problems.is_empty() || status.reason == "CheckFailed", "{problems:?}");
    status
}

fn source((key, text): (&String, &Value)) -> CheckSource {
    CheckSource {
        config_map: "tiphys/checks".to_owned(),
        key: key.clone(),
        text: text.as_str().unwrap().to_owned(),
    }
}

fn compare(case: &Value, found: &HealthStatus) -> Result<(), String> {
    let short = format!("{:?} {}", found.health, found.reason);
    let (expected, part) = (text(case, "is"), text(case, "says"));
    if short.trim() != expected || !found.message.contains(part) {
        return Err(format!("expected {expected:?} and {part:?}, found {short:?} and {:?}", found.message));
    }
    Ok(())
}

fn shipped_cases(file: &Value) -> impl Iterator<Item = (String, &Value, Value)> {
    file.as_object().unwrap().iter().flat_map(|(kind, cases)| {
        cases
            .as_object()
            .unwrap()
            .iter()
            .map(move |(name, case)| (format!("{kind}, {name}"), case, object(kind, case)))
    })
}

fn object(kind: &str, case: &Value) -> Value {
    let (version, kind) = kind.split_once(' ').unwrap();
    let mut object =
        json!({"apiVersion": version, "kind": kind, "metadata": {"name": "one", "generation": 2}});
    for (field, pointer) in [("spec", "/spec"), ("status", "/status")] {
        if let Some(value) = case.get(field) {
            object[&pointer[1..]] = value.clone();
        }
    }
    if let Some(annotations) = case.get("annotations") {
        object["metadata"]["annotations"] = annotations.clone();
    }
    if let Some(conditions) = case.get("conditions") {
        object["status"]["conditions"] = conditions.as_object().unwrap().iter().map(condition).collect();
    }
    object
}

fn condition((kind, value): (&String, &Value)) -> Value {
    let mut condition = Map::from_iter([("type".to_owned(), json!(kind))]);
    let fields = ["status", "reason", "message", "severity"];
    for (field, value) in fields.iter().zip(value.as_array().unwrap()) {
        condition.insert((*field).to_owned(), value.clone());
    }
    condition.into()
}
