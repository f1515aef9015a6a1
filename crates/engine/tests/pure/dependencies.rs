use std::collections::BTreeMap;

use serde_json::{Value, json};
use tiphys_api::{ApplicationStatus, ProjectSpec};
use tiphys_engine::dependencies::{Check, Other, Readiness, Seen, cycle, may_name, wait};

use crate::data::{check_all, text};

/// A file has what is known of the `other` Application `db` (absent: it does not exist), the `revision` that both read
/// if they do, the expression `ready` of `web`, and what it `waits` for or with what it `fails`.
#[test]
fn applications_wait_for_each_other() {
    check_all("dependencies", |case| {
        let known = case.get("other");
        let status: ApplicationStatus = known
            .and_then(|it| it.get("status"))
            .map_or_else(Default::default, |it| serde_json::from_value(it.clone()).unwrap());
        let seen = known.and_then(|it| it.get("seen")).map(|it| Seen {
            revision: text(it, "revision").to_owned(),
            rendering: it.get("rendering").and_then(Value::as_str).map(str::to_owned),
        });
        let is = |field: &str| known.and_then(|it| it.get(field)).and_then(Value::as_bool).unwrap_or(false);
        let other = known.map(|it| Other {
            generation: it["generation"].as_i64(),
            deleting: is("deleting"),
            status: &status,
            busy: is("busy"),
            seen: seen.as_ref(),
        });
        let labelled = |name: &str| json!({ "name": name, "labels": { "version": "7" } });
        let readiness = case.get("ready").map(|it| Readiness::new(it.as_str().unwrap()).unwrap());
        let check = readiness.as_ref().map(|readiness| Check {
            readiness,
            own: json!({ "metadata": labelled("web") }),
            other: json!({ "metadata": labelled("db"), "status": status }),
        });
        let revision = case.get("revision").and_then(Value::as_str);
        let field = |field: &str| case.get(field).and_then(Value::as_str).map(str::to_owned);
        let expected = field("fails").map_or_else(|| Ok(field("waits")), Err);
        let found = wait("db", revision, other.as_ref(), check.as_ref());
        if found == expected { Ok(()) } else { Err(format!("expected {expected:?}, found {found:?}")) }
    });
}

#[test]
fn what_is_no_expression_is_refused() {
    for text in ["dep.", "dep.status.health = 'x'", &"(".repeat(5_000), &"dep.a".repeat(2_000)] {
        assert!(Readiness::new(text).is_err(), "{}", &text[..text.len().min(40)]);
    }
}

#[test]
fn a_circle_is_found_by_its_shortest_way() {
    let path = |edges: &[(&str, &[&str])], start: &str| {
        let edges: BTreeMap<String, Vec<String>> = edges
            .iter()
            .map(|(from, to)| ((*from).to_owned(), to.iter().map(|it| (*it).to_owned()).collect()))
            .collect();
        let found = cycle(&start.to_owned(), |key| edges.get(key).cloned().unwrap_or_default());
        found.map(|it| it.join(" -> "))
    };
    assert_eq!(path(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[])], "a"), None);
    assert_eq!(path(&[("a", &["a"])], "a").as_deref(), Some("a -> a"));
    let edges: &[(&str, &[&str])] = &[("a", &["b", "x"]), ("b", &["c"]), ("c", &["a"]), ("x", &["a"])];
    assert_eq!(path(edges, "a").as_deref(), Some("a -> x -> a"));
    assert_eq!(path(edges, "c").as_deref(), Some("c -> a -> b -> c"));
    // One that leads into a circle is in none.
    assert_eq!(path(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])], "a"), None);
}

#[test]
fn who_may_be_named_is_said_by_the_project() {
    let project = |namespaces: &[&str], dependencies: &[&str]| ProjectSpec {
        namespaces: namespaces.iter().map(|it| (*it).to_owned()).collect(),
        dependencies: dependencies.iter().map(|it| (*it).to_owned()).collect(),
        ..ProjectSpec::default()
    };
    let granted = project(&["team-*"], &["platform/*"]);
    let named = |from: &str, project: Option<&ProjectSpec>, other| may_name(from, "tiphys", project, other);
    assert!(named("team-a", None, ("team-a", "db")), "its own namespace");
    assert!(named("tiphys", None, ("team-a", "db")), "the installation's namespace");
    assert!(!named("team-a", None, ("team-b", "db")));
    assert!(!named("team-a", Some(&ProjectSpec::default()), ("team-b", "db")), "nothing is granted unasked");
    assert!(named("team-a", Some(&granted), ("platform", "dns")));
    assert!(!named("team-a", Some(&granted), ("team-b", "db")));
    assert!(!named("other", Some(&granted), ("platform", "dns")), "the Project may not be used from there");
}
