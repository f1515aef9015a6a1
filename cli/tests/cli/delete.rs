//! `delete`.

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tiphys_api::Deletion;
use tiphys_tests::eventually;

use crate::support::{Place, SOON};

fn spec() -> Value {
    json!({ "source": { "repo": "deploy" } })
}

#[tokio::test]
async fn deleting_leaves_the_objects_unless_asked() {
    let place = Place::new("delete").await;
    place.application("web", spec(), Value::Null).await;
    place.snapshot("delete", &place.tiphys.run(&["delete", "web"]));
    assert!(place.applications().get_opt("web").await.unwrap().is_none());
}

#[tokio::test]
async fn pruning_needs_a_yes() {
    let place = Place::new("delete").await;
    place.application("web", spec(), json!({ "summary": { "objects": 12 } })).await;
    place.snapshot("delete_prune_unanswered", &place.tiphys.run(&["delete", "web", "--prune"]));
    assert_eq!(
        place.applications().get("web").await.unwrap().spec.deletion,
        Deletion::Orphan,
        "nothing was done"
    );
}

#[tokio::test]
async fn pruning_is_written_into_the_application_and_waited_for() {
    let place = Place::new("delete").await;
    place.application("web", spec(), Value::Null).await;
    finalizers(&place, &["tiphys.dev/finalizer"]).await;
    let running = place.tiphys.start(&["delete", "web", "--prune", "--yes"]);
    eventually("the Application is being deleted", SOON, || async {
        let application = place.applications().get("web").await.map_err(|it| it.to_string())?;
        match application.metadata.deletion_timestamp {
            Some(_) if application.spec.deletion == Deletion::Prune => Ok(()),
            _ => Err(format!("{:?}", application.spec.deletion)),
        }
    })
    .await;
    let ready = json!({ "type": "Ready", "status": "False", "reason": "Deleting", "message": "3 objects are left",
                        "lastTransitionTime": "2026-03-01T11:00:00Z" });
    place.application_status("web", json!({ "conditions": [ready] })).await;
    finalizers(&place, &[]).await;
    let output = running.end();
    assert_eq!(output.code, Some(0), "{output}");
    assert_eq!(output.stdout, "application.tiphys.dev/web deleted\n");
}

#[tokio::test]
async fn ctrl_c_leaves_the_deletion_going_on() {
    let place = Place::new("delete").await;
    place.application("web", spec(), Value::Null).await;
    finalizers(&place, &["tiphys.dev/finalizer"]).await;
    let ready = json!({ "type": "Ready", "status": "False", "reason": "Deleting", "message": "3 objects are left",
                        "lastTransitionTime": "2026-03-01T11:00:00Z" });
    place.application_status("web", json!({ "conditions": [ready] })).await;
    let mut running = place.tiphys.start(&["delete", "web"]);
    running.wait_for("3 objects are left");
    running.interrupt();
    place.snapshot("delete_interrupted", &running.end());
    let without_wait = place.tiphys.run(&["delete", "web", "--no-wait"]);
    assert_eq!(without_wait.code, Some(0), "{without_wait}");
    finalizers(&place, &[]).await;
}

async fn finalizers(place: &Place, finalizers: &[&str]) {
    let patch = Patch::Merge(json!({ "metadata": { "finalizers": finalizers } }));
    place.applications().patch("web", &PatchParams::default(), &patch).await.unwrap();
}
