//! `suspend` and `resume`.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tiphys_api::Suspension;

use crate::support::Place;

async fn suspension(place: &Place, name: &str) -> Option<Suspension> {
    place.applications().get(name).await.unwrap().spec.suspend
}

#[tokio::test]
async fn an_application_is_suspended_and_resumed() {
    let place = Place::new("suspend").await;
    place.application("web", json!({ "source": { "repo": "deploy" } }), Value::Null).await;
    let before = Timestamp::now();
    let output = place.tiphys.run(&["suspend", "web", "--for", "2h", "--reason", "moving the database"]);
    place.snapshot("suspend", &output);
    let found = suspension(&place, "web").await.unwrap();
    assert_eq!(found.reason.as_deref(), Some("moving the database"));
    let left = found.until.unwrap().0.duration_since(before) - SignedDuration::from_hours(2);
    assert!(left.abs() < SignedDuration::from_secs(60), "{left}");

    // A new suspension says all that holds: nothing of the old one stays.
    place.tiphys.run(&["suspend", "web"]);
    assert_eq!(suspension(&place, "web").await, Some(Suspension::default()));

    place.snapshot("resume", &place.tiphys.run(&["resume", "web"]));
    assert_eq!(suspension(&place, "web").await, None);
    assert_eq!(place.tiphys.run(&["resume", "web"]).code, Some(0), "resuming twice is fine");
}

#[tokio::test]
async fn all_of_a_namespace_at_once() {
    let place = Place::new("suspend").await;
    for name in ["one", "two"] {
        place.application(name, json!({ "source": { "repo": "deploy" } }), Value::Null).await;
    }
    let output = place.tiphys.run(&["suspend", "--all"]);
    assert_eq!(output.stdout.lines().count(), 2, "{output}");
    assert!(suspension(&place, "two").await.is_some());
    place.tiphys.run(&["resume", "--all"]);
    assert!(suspension(&place, "one").await.is_none());
    assert_eq!(place.tiphys.run(&["suspend"]).code, Some(2), "nothing named");
}
