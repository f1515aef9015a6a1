//! `sync` and `rollback`; the test plays the controller.

use serde_json::{Value, json};
use tiphys_api::{HoldPolicy, Trigger};

use crate::history::status;
use crate::support::{Place, name};

fn spec() -> Value {
    json!({ "source": { "repo": "deploy" } })
}

fn objects(outcome: &str) -> Value {
    json!([{ "group": "apps", "kind": "Deployment", "namespace": "web", "name": "nginx",
             "action": "Change", "outcome": outcome }])
}

#[tokio::test]
async fn a_sync_is_followed_to_its_end() {
    let place = Place::new("sync").await;
    let application = place.application("web", spec(), Value::Null).await;
    let running =
        place.tiphys.start(&["sync", "web", "--revision", "v1.4.0", "--resource", "apps/Deployment/nginx"]);
    let sync = place.new_sync().await;
    assert_eq!(sync.spec.application, "web");
    assert_eq!(sync.spec.revision.as_deref(), Some("v1.4.0"));
    assert_eq!(sync.spec.resources[0].name, "nginx");
    assert_eq!(sync.spec.initiated_by.trigger, Trigger::User);
    assert_eq!(sync.spec.initiated_by.user.as_deref(), Some("admin"));
    let owner = &sync.metadata.owner_references.as_ref().unwrap()[0];
    assert_eq!((owner.kind.as_str(), Some(&owner.uid)), ("Application", application.metadata.uid.as_ref()));

    let sync = name(&sync);
    let started = "2026-03-01T11:00:00Z";
    let revision = "v1.4.0@sha1:0123abcd0123abcd0123abcd0123abcd0123abcd";
    let running_status = json!({ "phase": "Running", "number": 4, "startedAt": started, "revision": revision,
                                 "objects": objects("Pending") });
    place.sync_status(&sync, running_status).await;
    place.sync_status(&sync, json!({ "phase": "Waiting", "objects": objects("Applied") })).await;
    let resource = |health: &str| {
        json!({ "lastSync": { "name": sync, "number": 4, "phase": "Waiting" }, "resources": [
            { "group": "apps", "kind": "Deployment", "namespace": "web", "name": "nginx", "sync": "Synced",
              "health": health, "message": "1 of 2 replicas" } ] })
    };
    place.application_status("web", resource("Progressing")).await;
    place.application_status("web", resource("Healthy")).await;
    let finished = json!({ "phase": "Succeeded", "finishedAt": "2026-03-01T11:00:05Z",
                           "plan": { "change": 1, "unchanged": 2 } });
    place.sync_status(&sync, finished).await;

    let output = running.end();
    assert_eq!(output.code, Some(0), "{output}");
    assert_eq!(output.stdout, "Sync 4 of web succeeded in 5s: v1.4.0@0123abcd; 1 changed, 2 unchanged\n");
    // States that follow each other fast may be seen as one; the result of the work is always told.
    assert!(output.stderr.contains("changed apps/Deployment web/nginx"), "{output}");
}

#[tokio::test]
async fn a_sync_that_fails_has_its_own_exit_code() {
    let place = Place::new("sync").await;
    place.application("web", spec(), Value::Null).await;
    let mut running = place.tiphys.start(&["sync", "web", "-o", "json"]);
    running.wait_for("waiting for its turn");
    let sync = name(&place.new_sync().await);
    let failed =
        json!({ "phase": "Failed", "number": 4, "message": "apps/Deployment web/nginx: quota exceeded" });
    place.sync_status(&sync, failed).await;
    let output = running.end();
    let json: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(json["status"]["phase"], "Failed");
    place.snapshot("sync_failed", &crate::support::Output { stdout: String::new(), ..output });
}

#[tokio::test]
async fn a_refused_plan_is_confirmed_by_its_digest() {
    let place = Place::new("sync").await;
    place.application("web", spec(), Value::Null).await;
    let mut running = place.tiphys.start(&["sync", "web"]);
    running.wait_for("waiting for its turn");
    let sync = name(&place.new_sync().await);
    let refused = json!({ "phase": "Failed", "number": 4, "plan": { "prune": 9, "digest": "d1d2d3d4" },
                          "message": "this would prune all 9 objects: confirm it with the digest d1d2d3d4" });
    place.sync_status(&sync, refused).await;
    place.snapshot("sync_refused", &running.end());

    let running = place.tiphys.start(&["sync", "web", "--confirm", "d1d2d3d4", "--prune=false", "--no-wait"]);
    let sync = place.new_sync().await;
    assert_eq!((sync.spec.confirm.as_deref(), sync.spec.prune), (Some("d1d2d3d4"), Some(false)));
    place.snapshot("sync_no_wait", &running.end());
}

#[tokio::test]
async fn ctrl_c_leaves_the_sync_running_and_says_so() {
    let place = Place::new("sync").await;
    place.application("web", spec(), Value::Null).await;
    let mut running = place.tiphys.start(&["sync", "web"]);
    running.wait_for("waiting for its turn");
    let sync = name(&place.new_sync().await);
    place.sync_status(&sync, json!({ "phase": "Running", "number": 4 })).await;
    running.wait_for("Sync 4 of web");
    running.interrupt();
    place.snapshot("sync_interrupted", &running.end());
    assert!(place.syncs().get_opt(&sync).await.unwrap().is_some());
}

#[tokio::test]
async fn a_sync_that_takes_too_long_is_left_alone() {
    let place = Place::new("sync").await;
    place.application("web", spec(), Value::Null).await;
    place.snapshot("sync_timeout", &place.tiphys.run(&["sync", "web", "--timeout", "3s"]));
}

#[tokio::test]
async fn a_sync_that_is_deleted_is_not_waited_for() {
    let place = Place::new("sync").await;
    place.application("web", spec(), Value::Null).await;
    let mut running = place.tiphys.start(&["sync", "web"]);
    running.wait_for("waiting for its turn");
    let sync = name(&place.new_sync().await);
    place.syncs().delete(&sync, &kube::api::DeleteParams::default()).await.unwrap();
    place.snapshot("sync_deleted", &running.end());
}

#[tokio::test]
async fn a_suspended_application_is_remarked_on() {
    let place = Place::new("sync").await;
    place.application("web", json!({ "source": { "repo": "deploy" }, "suspend": {} }), Value::Null).await;
    place.snapshot("sync_suspended", &place.tiphys.run(&["sync", "web", "--no-wait"]));
}

#[tokio::test]
async fn a_rollback_names_the_sync_to_go_back_to() {
    let place = Place::new("rollback").await;
    place.application("web", spec(), Value::Null).await;
    place.snapshot("rollback_nothing", &place.tiphys.run(&["rollback", "web"]));
    place.past_sync("web-a", json!({ "application": "web" }), status(1, "Succeeded", 60)).await;
    place.past_sync("web-b", json!({ "application": "web" }), status(2, "Failed", 30)).await;

    let mut running = place.tiphys.start(&["rollback", "web", "--yes", "--hold", "indefinite"]);
    running.wait_for("waiting for its turn");
    let sync = place.new_sync().await;
    assert_eq!(sync.spec.rollback_to.as_deref(), Some("web-a"));
    assert_eq!(sync.spec.hold, Some(HoldPolicy::Indefinite));
    assert!(!sync.spec.dry_run);
    place.sync_status(&name(&sync), json!({ "phase": "Succeeded", "number": 3 })).await;
    place.snapshot("rollback", &running.end());

    let chosen = place.tiphys.run(&["rollback", "web", "2", "--yes", "--no-wait", "-o", "json"]);
    let json: Value = serde_json::from_str(&chosen.stdout).unwrap();
    assert_eq!(json["spec"]["rollbackTo"], "web-b");
    assert_eq!(json["spec"]["hold"], "UntilNewRevision");
    place.snapshot("rollback_no_such_number", &place.tiphys.run(&["rollback", "web", "9", "--yes"]));
}
