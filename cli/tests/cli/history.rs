//! `history`.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::Place;

/// A Sync that started so many hours ago and took a minute.
pub fn status(number: u64, phase: &str, hours_ago: i64) -> Value {
    let started = Timestamp::now() - SignedDuration::from_hours(hours_ago) - SignedDuration::from_mins(1);
    json!({
        "phase": phase,
        "number": number,
        "startedAt": started,
        "finishedAt": started + SignedDuration::from_mins(30),
        "revision": format!("main@sha1:{number:040x}"),
        "rendering": format!("sha256:{number}"),
        "message": format!("ended {phase}"),
        "snapshot": format!("web-{number}-snapshot"),
        "objects": [
            { "kind": "ConfigMap", "namespace": "web", "name": "settings", "action": "Change", "outcome": "Applied" },
        ],
    })
}

#[tokio::test]
async fn history_is_told_in_order_without_what_was_only_asked() {
    let place = Place::new("history").await;
    place.application("web", json!({ "source": { "repo": "deploy" } }), Value::Null).await;
    place.snapshot("history_none", &place.tiphys.run(&["history", "web"]));
    let by = json!({ "application": "web", "initiatedBy": { "user": "jane" } });
    place.past_sync("web-b", by.clone(), status(2, "Failed", 30)).await;
    place.past_sync("web-a", json!({ "application": "web" }), status(1, "Succeeded", 60)).await;
    place
        .past_sync("web-c", json!({ "application": "web", "dryRun": true }), status(3, "Succeeded", 1))
        .await;
    place.past_sync("api-a", json!({ "application": "api" }), status(1, "Succeeded", 1)).await;

    place.snapshot("history", &place.tiphys.run(&["history", "web"]));
    place.snapshot("history_name", &place.tiphys.run(&["history", "web", "-o", "name"]));
    let limited = place.tiphys.run(&["history", "web", "--limit", "1", "--no-headers"]);
    assert!(limited.stdout.starts_with("2 ") && limited.stdout.lines().count() == 1, "{limited}");
    let json: Value =
        serde_json::from_str(&place.tiphys.run(&["history", "web", "-o", "json"]).stdout).unwrap();
    assert_eq!(json["items"][1]["status"]["phase"], "Failed");

    let one = place.tiphys.run(&["history", "web", "2"]);
    assert!(one.stdout.contains("ConfigMap web/settings   change   Applied"), "{one}");
    let json: Value =
        serde_json::from_str(&place.tiphys.run(&["history", "web", "2", "-o", "json"]).stdout).unwrap();
    assert_eq!(json["kind"], "Sync");
    place.snapshot("history_no_such_number", &place.tiphys.run(&["history", "web", "9"]));
}
