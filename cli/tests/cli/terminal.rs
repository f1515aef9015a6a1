//! What a person at a terminal sees, through a real pseudo-terminal.

use kube::api::ListParams;
use serde_json::{Value, json};
use tiphys_engine::plan::Plan;

use crate::history::status;
use crate::support::{Place, name};

#[tokio::test]
async fn a_sync_is_drawn_as_a_tree() {
    let place = Place::new("terminal").await;
    place.application("web", json!({ "source": { "repo": "deploy" } }), Value::Null).await;
    let mut running = place.tiphys.start_in_terminal(&["sync", "web"]);
    running.wait_for("waiting for its turn");
    let sync = name(&place.new_sync().await);
    let objects = |outcome: &str| {
        json!([
            { "kind": "ConfigMap", "namespace": "web", "name": "settings", "action": "Change", "outcome": "Applied" },
            { "group": "apps", "kind": "Deployment", "namespace": "web", "name": "nginx", "action": "Change",
              "outcome": outcome },
        ])
    };
    place.sync_status(&sync, json!({ "phase": "Running", "number": 4, "objects": objects("Pending") })).await;
    running.wait_for("└─ · apps/Deployment web/nginx");
    running.wait_for("applying, 1 of 2 done");
    place.sync_status(&sync, json!({ "phase": "Succeeded", "objects": objects("Applied") })).await;
    running.wait_for("✓ succeeded");
    let (code, text) = running.end();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.ends_with("Sync 4 of web succeeded\n"), "{text}");
}

#[tokio::test]
async fn ctrl_c_takes_a_question_back() {
    let place = Place::new("terminal").await;
    place.application("web", json!({ "source": { "repo": "deploy" } }), Value::Null).await;
    let mut running = place.tiphys.start_in_terminal(&["diff", "web"]);
    running.wait_for("waiting for its turn");
    running.type_in("\u{3}");
    let (code, text) = running.end();
    assert_eq!(code, Some(130), "{text}");
    assert!(text.contains("interrupted, nothing was done"), "{text}");
    assert!(place.syncs().list(&ListParams::default()).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn a_rollback_shows_its_plan_and_asks() {
    let place = Place::new("terminal").await;
    place.application("web", json!({ "source": { "repo": "deploy" } }), Value::Null).await;
    place.past_sync("web-a", json!({ "application": "web" }), status(1, "Succeeded", 60)).await;
    place.past_sync("web-b", json!({ "application": "web" }), status(2, "Failed", 30)).await;

    for (typed, code) in [("n\n", Some(1)), ("\u{3}", Some(130))] {
        let mut running = place.tiphys.start_in_terminal(&["rollback", "web"]);
        answer(&place).await;
        running.wait_for("Roll back `web`? [y/N]");
        running.type_in(typed);
        let (ended, text) = running.end();
        assert_eq!(ended, code, "{text}");
        assert!(text.contains("Back to Sync 1") && text.contains("Nothing to do."), "{text}");
    }
    let mut running = place.tiphys.start_in_terminal(&["rollback", "web", "--no-wait"]);
    answer(&place).await;
    running.wait_for("Roll back `web`? [y/N]");
    running.type_in("y\n");
    let sync = place.new_sync().await;
    assert_eq!((sync.spec.rollback_to.as_deref(), sync.spec.dry_run), (Some("web-a"), false));
    assert_eq!(running.end().0, Some(0));
}

/// Plays the controller for one question.
async fn answer(place: &Place) {
    let question = place.new_sync().await;
    assert_eq!((question.spec.rollback_to.as_deref(), question.spec.dry_run), (Some("web-a"), true));
    let first = place.keep_plan(&question, &Plan::default()).await;
    place.sync_status(&name(&question), json!({ "phase": "Succeeded", "snapshot": first })).await;
}
