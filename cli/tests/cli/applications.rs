//! `list` and `get`.

use serde_json::{Value, json};
use tiphys_tests::{Cluster, TestNamespace};

use crate::support::Place;

fn healthy() -> Value {
    json!({
        "observedGeneration": 1,
        "revision": "main@sha1:0123abcd0123abcd0123abcd0123abcd0123abcd",
        "sync": "Synced",
        "health": "Healthy",
        "summary": { "objects": 1, "healthy": 1 },
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "Healthy", "message": "all is well",
            "lastTransitionTime": "2026-03-01T11:00:00Z",
        }],
        "resources": [{
            "group": "apps", "kind": "Deployment", "namespace": "web", "name": "nginx",
            "sync": "Synced", "health": "Healthy",
        }],
    })
}

async fn two(place: &Place) {
    let spec = json!({ "source": { "repo": "https://git.example.com/acme/deploy.git", "path": "apps/web" } });
    place.application("web", spec.clone(), healthy()).await;
    place.application("api", spec, Value::Null).await;
}

#[tokio::test]
async fn an_empty_namespace_lists_nothing_on_stdout() {
    let place = Place::new("list").await;
    place.snapshot("list_empty", &place.tiphys.run(&["list"]));
}

#[tokio::test]
async fn applications_are_listed_in_every_form() {
    let place = Place::new("list").await;
    two(&place).await;
    place.snapshot("list", &place.tiphys.run(&["list"]));
    place.snapshot("list_no_headers", &place.tiphys.run(&["ls", "--no-headers"]));
    place.snapshot("list_name", &place.tiphys.run(&["list", "-o", "name"]));

    let wide = place.tiphys.run(&["list", "-o", "wide"]);
    assert!(wide.stdout.contains("all is well") && wide.stdout.contains("apps/web"), "{wide}");

    let json: Value = serde_json::from_str(&place.tiphys.run(&["list", "-o", "json"]).stdout).unwrap();
    assert_eq!(json["kind"], "List");
    assert_eq!(json["items"][1]["status"]["health"], "Healthy");
    assert_eq!(json["items"][1]["metadata"]["managedFields"], Value::Null);

    let yaml = place.tiphys.run(&["list", "-o", "yaml"]);
    assert!(yaml.stdout.contains("\n    name: web\n"), "{yaml}");
}

#[tokio::test]
async fn all_namespaces_and_labels_choose_what_is_listed() {
    let place = Place::new("list").await;
    let other = TestNamespace::create(Cluster::shared(), "list-other").await;
    let selector = format!("test={}", place.namespace.name());
    for namespace in [place.namespace.name(), other.name()] {
        let created =
            place.tiphys.run(&["create", "web", "--repo", "deploy", "-n", namespace, "-l", &selector]);
        assert_eq!(created.code, Some(0), "{created}");
    }
    let here = place.tiphys.run(&["list", "-l", &selector, "--no-headers"]);
    assert_eq!(here.stdout.lines().count(), 1, "{here}");
    let everywhere = place.tiphys.run(&["list", "-A", "-l", &selector, "--no-headers"]);
    assert_eq!(everywhere.stdout.lines().count(), 2, "{everywhere}");
    assert!(everywhere.stdout.contains(other.name()), "{everywhere}");
    let nobody = place.tiphys.run(&["list", "-A", "-l", "test=nobody"]);
    assert_eq!((nobody.code, nobody.stdout.as_str()), (Some(0), ""), "{nobody}");
}

#[tokio::test]
async fn one_application_is_shown_in_every_form() {
    let place = Place::new("get").await;
    two(&place).await;
    place.snapshot("get", &place.tiphys.run(&["get", "web"]));
    place.snapshot("get_yaml", &place.tiphys.run(&["get", "web", "-o", "yaml"]));
    place.snapshot("get_name", &place.tiphys.run(&["get", "web", "-o", "name"]));
    let json: Value = serde_json::from_str(&place.tiphys.run(&["get", "web", "-o", "json"]).stdout).unwrap();
    assert_eq!(json["kind"], "Application");
    assert_eq!(json["spec"]["source"]["path"], "apps/web");
}

#[tokio::test]
async fn an_application_that_is_not_there_is_an_error_with_a_next_step() {
    let place = Place::new("get").await;
    place.snapshot("get_missing", &place.tiphys.run(&["get", "nothing"]));
    for command in ["diff", "sync", "rollback", "history", "suspend", "resume", "delete"] {
        let output = place.tiphys.run(&[command, "nothing"]);
        let code = if command == "diff" { 2 } else { 1 };
        assert_eq!(output.code, Some(code), "{command}: {output}");
        assert!(output.stderr.contains("there is no Application `nothing`"), "{command}: {output}");
        assert_eq!(output.stdout, "", "{command}");
    }
}
