//! `diff` and `sync --dry-run`; the test plays the controller.

use serde_json::{Value, json};
use tiphys_engine::diff::Diff;
use tiphys_engine::plan::Plan;

use crate::support::{Place, Running, name};

fn spec() -> Value {
    json!({ "source": { "repo": "deploy", "path": "apps/web", "directory": {} } })
}

/// A plan that changes one object and has two that are as they should be.
fn changes() -> Plan {
    let settings = |colour: &str| {
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "settings", "namespace": "web" },
                "data": { "colour": colour } })
    };
    let id = |kind: &str, name: &str| json!({ "group": "", "kind": kind, "namespace": "web", "name": name });
    let mut plan: Plan = serde_json::from_value(json!({
        "steps": [{
            "id": id("ConfigMap", "settings"), "version": "v1", "action": "Change", "rank": 1,
            "reason": { "type": "differs" }, "tracking": "Owned",
        }],
        "unchanged": [], "kept": [], "gone": [], "refusals": [], "guards": [], "digest": "d1d2d3d4",
    }))
    .unwrap();
    plan.steps[0].diff = Diff::between(Some(&settings("blue")), Some(&settings("green")));
    plan
}

/// Answers the question that a running program asks.
async fn answer(place: &Place, running: Running, plan: &Plan) -> crate::support::Output {
    let sync = place.new_sync().await;
    assert!(sync.spec.dry_run);
    let first = place.keep_plan(&sync, plan).await;
    place.sync_status(&name(&sync), json!({ "phase": "Succeeded", "snapshot": first })).await;
    let output = running.end();
    let left = place.syncs().get_opt(&name(&sync)).await.unwrap();
    assert!(left.is_none(), "the question leaves nothing behind");
    output
}

#[tokio::test]
async fn differences_are_shown_and_have_their_exit_code() {
    let place = Place::new("diff").await;
    place.application("web", spec(), Value::Null).await;
    let output = answer(&place, place.tiphys.start(&["diff", "web"]), &changes()).await;
    place.snapshot("diff", &output);
    let output = answer(&place, place.tiphys.start(&["diff", "web", "-o", "json"]), &changes()).await;
    let json: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!((output.code, &json["steps"][0]["action"]), (Some(1), &json!("Change")));
    let output = answer(&place, place.tiphys.start(&["diff", "web", "-o", "name"]), &changes()).await;
    assert_eq!(output.stdout, "ConfigMap web/settings\n");
    let output = answer(&place, place.tiphys.start(&["sync", "web", "--dry-run"]), &changes()).await;
    assert_eq!(output.code, Some(0), "a plan was asked for and made: {output}");
}

#[tokio::test]
async fn without_differences_the_exit_code_is_zero() {
    let place = Place::new("diff").await;
    place.application("web", spec(), Value::Null).await;
    let output = answer(&place, place.tiphys.start(&["diff", "web"]), &Plan::default()).await;
    place.snapshot("diff_none", &output);
}

#[tokio::test]
async fn a_plan_that_cannot_run_is_shown_and_is_an_error() {
    let place = Place::new("diff").await;
    place.application("web", spec(), Value::Null).await;
    let mut plan = changes();
    plan.refusals = serde_json::from_value(json!([{
        "id": { "group": "apps", "kind": "Deployment", "namespace": "web", "name": "nginx" },
        "class": "Invalid", "message": "spec.replicas: Invalid value: -1",
    }]))
    .unwrap();
    let output = answer(&place, place.tiphys.start(&["diff", "web"]), &plan).await;
    place.snapshot("diff_refused", &output);
}

#[tokio::test]
async fn what_keeps_the_controller_from_planning_is_an_error() {
    let place = Place::new("diff").await;
    place.application("web", spec(), Value::Null).await;
    let running = place.tiphys.start(&["diff", "web"]);
    let sync = name(&place.new_sync().await);
    place.sync_status(&sync, json!({ "phase": "Failed", "message": "there is no path apps/web" })).await;
    place.snapshot("diff_failed", &running.end());
    assert!(place.syncs().get_opt(&sync).await.unwrap().is_none());
}

#[tokio::test]
async fn a_question_that_nobody_answers_leaves_nothing_behind() {
    let place = Place::new("diff").await;
    place.application("web", spec(), Value::Null).await;
    place.snapshot("diff_timeout", &place.tiphys.run(&["diff", "web", "--timeout", "3s"]));
    let left = place.syncs().list(&kube::api::ListParams::default()).await.unwrap();
    assert!(left.items.is_empty());
}

/// The working copy on disk against the real API server, with nobody's help.
#[tokio::test]
async fn a_local_directory_is_compared_with_the_cluster() {
    let place = Place::new("diff-local").await;
    place.application("web", spec(), Value::Null).await;
    let folder = tempfile::tempdir().unwrap();
    let web = folder.path().join("apps/web");
    std::fs::create_dir_all(&web).unwrap();
    let settings = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {colour: green}\n";
    std::fs::write(web.join("settings.yaml"), settings).unwrap();
    let folder = folder.path().to_str().unwrap();
    let arguments = ["diff", "web", "--local", folder, "--installation", place.namespace.name()];

    place.snapshot("diff_local_create", &place.tiphys.run(&arguments));

    place.namespace.apply(&settings.replace("green", "blue"));
    let before =
        place.namespace.kubectl(&["get", "configmap", "settings", "-o", "yaml", "--show-managed-fields"]);
    place.snapshot("diff_local_adopt", &place.tiphys.run(&arguments));
    let after =
        place.namespace.kubectl(&["get", "configmap", "settings", "-o", "yaml", "--show-managed-fields"]);
    assert_eq!(before, after, "a plan changes nothing");
    assert!(place.syncs().list(&kube::api::ListParams::default()).await.unwrap().items.is_empty());

    std::fs::write(web.join("broken.yaml"), "apiVersion: v1\nkind: [\n").unwrap();
    let broken = place.tiphys.run(&arguments);
    assert_eq!(broken.code, Some(2), "{broken}");
    assert!(broken.stderr.contains("apps/web/broken.yaml"), "{broken}");
}
