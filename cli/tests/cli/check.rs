//! `check`, of what is ours.

use serde_json::{Value, json};
use tiphys_tests::Cluster;

use crate::support::{Place, Tiphys};

/// The findings of `check -o json` about something.
fn findings(tiphys: &Tiphys, about: &str) -> Vec<Value> {
    let output = tiphys.run(&["check", "-o", "json"]);
    let all: Vec<Value> =
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output}"));
    all.into_iter().filter(|it| it["check"].as_str().is_some_and(|it| it.contains(about))).collect()
}

#[tokio::test]
async fn applications_that_need_somebody_are_found() {
    let place = Place::new("check").await;
    assert_eq!(findings(&place.tiphys, "Applications")[0]["detail"], "none yet");
    let status = json!({ "conditions": [
        { "type": "Ready", "status": "False", "reason": "InvalidPath", "message": "there is no path apps/web",
          "lastTransitionTime": "2026-03-01T11:00:00Z" },
        { "type": "Stalled", "status": "True", "reason": "InvalidPath", "message": "there is no path apps/web",
          "lastTransitionTime": "2026-03-01T11:00:00Z" },
    ]});
    place.application("web", json!({ "source": { "repo": "deploy" } }), status).await;
    let found = findings(&place.tiphys, "Application");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["verdict"], "Bad");
    assert_eq!(found[0]["detail"], "there is no path apps/web");
    assert_eq!(place.tiphys.run(&["check"]).code, Some(1));
}

#[tokio::test]
async fn rights_are_those_of_the_person_who_asks() {
    let place = Place::new("check").await;
    assert_eq!(findings(&place.tiphys, "rights")[0]["verdict"], "Good");
    let cluster = Cluster::shared();
    let alice = Tiphys::new(cluster, &cluster.user("alice"), place.namespace.name());
    let found = findings(&alice, "rights");
    assert_eq!(found[0]["verdict"], "Notice");
    assert!(found[0]["detail"].as_str().unwrap().contains("create syncs (for `tiphys sync`)"), "{found:?}");
    assert_eq!(findings(&alice, "controller")[0]["verdict"], "Unseen");
}
