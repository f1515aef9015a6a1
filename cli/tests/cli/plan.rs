//! `plan`, and `sync --plan`; the test plays the controller.

use serde_json::{Value, json};
use tiphys_engine::diff::Diff;
use tiphys_engine::plan::Plan;

use crate::support::{Place, Running, name};

fn settings(before: &str, digest: &str) -> Plan {
    let object = |colour: &str| {
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "settings", "namespace": "web" },
                "data": { "colour": colour } })
    };
    let id = json!({ "group": "", "kind": "ConfigMap", "namespace": "web", "name": "settings" });
    let mut plan: Plan = serde_json::from_value(json!({
        "steps": [{ "id": id, "version": "v1", "action": "Change", "rank": 1, "reason": { "type": "differs" },
                    "tracking": "Owned" }],
        "unchanged": [], "kept": [], "gone": [], "refusals": [], "digest": digest,
        "guards": [{ "kind": "MostObjects", "objects": [id] }],
    }))
    .unwrap();
    plan.steps[0].diff = Diff::between(Some(&object(before)), Some(&object("green")));
    plan
}

async fn answer(place: &Place, plan: &Plan) {
    let sync = place.new_sync().await;
    assert!(sync.spec.dry_run);
    let first = place.keep_plan(&sync, plan).await;
    place.sync_status(&name(&sync), json!({ "phase": "Succeeded", "snapshot": first })).await;
}

async fn answered(place: &Place, running: Running, plan: &Plan) -> crate::support::Output {
    answer(place, plan).await;
    running.end()
}

#[tokio::test]
async fn a_plan_is_saved_and_only_that_plan_is_run() {
    let place = Place::new("plan").await;
    place.application("web", json!({ "source": { "repo": "deploy" } }), Value::Null).await;
    place.application("other", json!({ "source": { "repo": "deploy" } }), Value::Null).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("web.plan");
    let file = file.to_str().unwrap();
    let planned = settings("blue", "d1d2d3d4");
    let running = place.tiphys.start(&["plan", "web", "--revision", "v1", "-o", file]);
    let output = answered(&place, running, &planned).await;
    assert_eq!(output.code, Some(0), "{output}");
    assert!(output.stdout.contains(&format!("tiphys sync web --plan {file} --confirm d1d2d3d4")), "{output}");
    assert!(output.stdout.contains("Needs confirmation"), "{output}");

    let output = place.tiphys.run(&["sync", "other", "--plan", file]);
    assert!(
        output.code == Some(1) && output.stderr.contains("it is the plan of Application `web`"),
        "{output}"
    );
    let output = place.tiphys.run(&["sync", "web", "--plan", file, "--revision", "v2"]);
    assert_eq!(output.code, Some(2), "the plan says what: {output}");

    let running = place.tiphys.start(&["sync", "web", "--plan", file, "--confirm", "d1d2d3d4"]);
    let sync = place.new_sync().await;
    assert_eq!(sync.spec.plan.as_deref(), Some("d1d2d3d4"));
    assert_eq!(sync.spec.confirm.as_deref(), Some("d1d2d3d4"));
    assert_eq!(sync.spec.revision.as_deref(), Some("v1"));
    let failed = json!({ "phase": "Failed", "number": 2, "plan": { "change": 1, "digest": "e1e2e3e4" },
                         "message": "the plan is not d1d2d3d4 any more but e1e2e3e4" });
    place.sync_status(&name(&sync), failed).await;
    answer(&place, &settings("red", "e1e2e3e4")).await;
    let output = running.end();
    assert_eq!(output.code, Some(3), "{output}");
    let difference = "data.colour was to change from \"blue\" to \"green\", now from \"red\" to \"green\"";
    assert!(output.stderr.contains(difference), "{output}");
    assert!(output.stderr.contains("saves what the plan is now"), "{output}");
}

#[tokio::test]
async fn what_is_no_plan_is_not_run() {
    let place = Place::new("plan").await;
    place.application("web", json!({ "source": { "repo": "deploy" } }), Value::Null).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plan");
    std::fs::write(&file, "kind: Other\n").unwrap();
    let output = place.tiphys.run(&["sync", "web", "--plan", file.to_str().unwrap()]);
    assert!(output.code == Some(1) && output.stderr.contains("no plan"), "{output}");
    let output = place.tiphys.run(&["plan", "web", "-o", "jsno"]);
    assert!(output.code == Some(2) && output.stderr.contains("--out jsno"), "{output}");
    assert!(place.syncs().list(&kube::api::ListParams::default()).await.unwrap().items.is_empty());
}
