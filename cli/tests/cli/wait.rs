//! `wait`.

use serde_json::{Value, json};

use crate::support::Place;

fn spec() -> Value {
    json!({ "source": { "repo": "deploy" } })
}

fn condition(type_: &str, status: &str, message: &str) -> Value {
    json!({ "type": type_, "status": status, "reason": "Test", "message": message,
            "lastTransitionTime": "2026-03-01T11:00:00Z" })
}

#[tokio::test]
async fn it_waits_until_the_application_is_ready() {
    let place = Place::new("wait").await;
    place.application("web", spec(), Value::Null).await;
    let running = place.tiphys.start(&["wait", "web"]);
    let progressing =
        json!({ "observedGeneration": 1, "conditions": [condition("Ready", "False", "1 of 2 ready")] });
    place.application_status("web", progressing).await;
    place
        .application_status("web", json!({ "conditions": [condition("Ready", "True", "all is well")] }))
        .await;
    let output = running.end();
    assert_eq!(output.code, Some(0), "{output}");
    assert_eq!(output.stdout, "application.tiphys.dev/web ready\n");
}

#[tokio::test]
async fn what_was_said_of_an_earlier_spec_does_not_count() {
    let place = Place::new("wait").await;
    let ready =
        json!({ "observedGeneration": 0, "conditions": [condition("Ready", "True", "all was well")] });
    place.application("web", spec(), ready).await;
    place.snapshot("wait_timeout", &place.tiphys.run(&["wait", "web", "--timeout", "3s"]));
}

#[tokio::test]
async fn an_application_that_cannot_get_there_is_not_waited_for() {
    let place = Place::new("wait").await;
    let stalled = json!({ "observedGeneration": 1, "sync": "OutOfSync", "health": "Healthy", "conditions": [
        condition("Ready", "False", "there is no path apps/web"),
        condition("Stalled", "True", "there is no path apps/web"),
    ]});
    place.application("web", spec(), stalled).await;
    place.snapshot("wait_stalled", &place.tiphys.run(&["wait", "web"]));
    assert_eq!(place.tiphys.run(&["wait", "web", "--for", "synced"]).code, Some(3));
    assert_eq!(place.tiphys.run(&["wait", "web", "--for", "healthy"]).code, Some(0));
}

#[tokio::test]
async fn deletion_can_be_waited_for() {
    let place = Place::new("wait").await;
    place.application("web", spec(), Value::Null).await;
    assert_eq!(place.tiphys.run(&["wait", "web", "--for", "deleted", "--timeout", "1s"]).code, Some(4));
    place.tiphys.run(&["delete", "web"]);
    let output = place.tiphys.run(&["wait", "web", "--for", "deleted"]);
    assert_eq!(output.stdout, "application.tiphys.dev/web deleted\n", "{output}");
    place.snapshot("wait_missing", &place.tiphys.run(&["wait", "web"]));
}

#[tokio::test]
async fn a_sync_can_be_waited_for_by_its_number() {
    let place = Place::new("wait").await;
    place.application("web", spec(), Value::Null).await;
    place
        .past_sync("web-a", json!({ "application": "web" }), json!({ "phase": "Running", "number": 7 }))
        .await;
    let running = place.tiphys.start(&["wait", "web", "--sync", "7"]);
    place.sync_status("web-a", json!({ "phase": "Succeeded" })).await;
    let output = running.end();
    assert_eq!((output.code, output.stdout.as_str()), (Some(0), "Sync 7 of web succeeded\n"), "{output}");
    place.snapshot("wait_no_such_sync", &place.tiphys.run(&["wait", "web", "--sync", "8"]));
}

#[tokio::test]
async fn ctrl_c_ends_the_waiting() {
    let place = Place::new("wait").await;
    place.application("web", spec(), Value::Null).await;
    let mut running = place.tiphys.start(&["wait", "web"]);
    running.wait_for("not ready yet");
    running.interrupt();
    let output = running.end();
    assert_eq!(output.code, Some(130), "{output}");
}
