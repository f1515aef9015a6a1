//! Several replicas, one writer.

use std::time::{Duration, Instant};

use serde_json::json;
use tiphys_tests::{Controller, FaultProxy, Installation, RecordedRequest, eventually};

use crate::ground::Ground;
use crate::support::LONG;
use crate::support::controller::Endpoints;
use crate::support::manifests::config_map;

/// Time until a Lease that nobody renews is taken, and some more for a busy machine.
const TAKEOVER: Duration = Duration::from_secs(30);

fn holder(ground: &Ground) -> String {
    let arguments = [
        "get",
        "lease",
        "-n",
        Installation::NAMESPACE,
        "tiphys-controller",
        "--ignore-not-found",
        "-o",
        "jsonpath={.spec.holderIdentity}",
    ];
    ground.kubectl(arguments)
}

async fn is_held_by(ground: &Ground, name: &str, within: Duration) {
    eventually(&format!("{name} leads"), within, || async {
        match holder(ground) {
            it if it == name => Ok(()),
            other => Err(other),
        }
    })
    .await;
}

/// What a replica wrote, but for the Lease itself.
fn writes(proxy: &FaultProxy) -> Vec<RecordedRequest> {
    let done = |it: &RecordedRequest| {
        it.is_write() && it.resource != "leases" && it.status.is_some_and(|it| it < 300)
    };
    proxy.requests().into_iter().filter(done).collect()
}

struct Replica {
    proxy: FaultProxy,
    controller: Controller,
}

impl Replica {
    async fn start(ground: &Ground, name: &str) -> Self {
        let proxy = FaultProxy::start(ground, 2);
        let controller = ground.installation.controller(&proxy).elected_as(name).start().await;
        Self { proxy, controller }
    }
}

#[tokio::test]
async fn a_leader_that_is_told_to_stop_hands_over_in_seconds() {
    let ground = Ground::prepare().await;
    let first = Replica::start(&ground, "first").await;
    is_held_by(&ground, "first", LONG).await;
    let second = Replica::start(&ground, "second").await;
    let stage = ground.stage(Endpoints::of(&first.controller), "hand-over").await;
    let commit = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    assert!(writes(&second.proxy).is_empty(), "a follower writes nothing: {:?}", writes(&second.proxy));
    let told = Instant::now();
    first.controller.terminate();
    let status = first.controller.wait(Duration::from_secs(10));
    assert!(status.success(), "{status:?}");
    is_held_by(&ground, "second", Duration::from_secs(6)).await;
    assert!(told.elapsed() < Duration::from_secs(8), "{:?}", told.elapsed());
    let mut stage = stage;
    stage.endpoints = Endpoints::of(&second.controller);
    let commit = stage.push_file("config.yaml", &config_map("config", "two")).await;
    stage.synced("web", &commit).await;
    assert_eq!(stage.syncs("web").await.len(), 2);
}

#[tokio::test]
async fn a_leader_that_dies_is_followed() {
    let ground = Ground::prepare().await;
    let first = Replica::start(&ground, "first").await;
    is_held_by(&ground, "first", LONG).await;
    let second = Replica::start(&ground, "second").await;
    let mut stage = ground.stage(Endpoints::of(&first.controller), "dies").await;
    let commit = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    first.controller.kill();
    let commit = stage.repo.commit_file("main", "app/config.yaml", config_map("config", "two"));
    is_held_by(&ground, "second", TAKEOVER).await;
    stage.endpoints = Endpoints::of(&second.controller);
    stage.tell(&commit).await;
    stage.synced("web", &commit).await;
}

#[tokio::test]
async fn there_are_never_two_writers() {
    let ground = Ground::prepare().await;
    let first = Replica::start(&ground, "first").await;
    is_held_by(&ground, "first", LONG).await;
    let second = Replica::start(&ground, "second").await;
    let mut stage = ground.stage(Endpoints::of(&first.controller), "two-writers").await;
    let commit = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    // The leader hangs for longer than its Lease, wakes up in the middle of things and believes that it leads.
    first.controller.pause();
    stage.endpoints = Endpoints::of(&second.controller);
    is_held_by(&ground, "second", TAKEOVER).await;
    let commit = stage.push_file("config.yaml", &config_map("config", "two")).await;
    stage.synced("web", &commit).await;
    let before = writes(&first.proxy).len();
    // There is something to do when it wakes up.
    stage.namespace.kubectl(&["patch", "configmap", "config", "-p", r#"{"data":{"value":"drift"}}"#]);
    first.controller.resume();
    let status = first.controller.wait(Duration::from_secs(15));
    assert!(!status.success(), "it ends because it lost the Lease: {status:?}");
    stage.has_value("config", "two").await;
    let after = writes(&first.proxy);
    assert_eq!(after.len(), before, "it wrote after it had lost the Lease: {:?}", &after[before..]);
    let last_of_first = after.iter().map(|it| it.at).max();
    let first_of_second = writes(&second.proxy).iter().map(|it| it.at).min();
    assert!(last_of_first < first_of_second);
}

#[tokio::test]
async fn a_leader_that_is_cut_off_stops_before_its_lease_is_over() {
    let ground = Ground::prepare().await;
    let first = Replica::start(&ground, "first").await;
    is_held_by(&ground, "first", LONG).await;
    let second = Replica::start(&ground, "second").await;
    // It cannot renew, and could still write everything else.
    let rule = tiphys_tests::Rule::new(tiphys_tests::Fault::Hang).resource("leases.coordination.k8s.io");
    first.proxy.add(rule);
    let status = first.controller.wait(TAKEOVER);
    assert!(!status.success(), "{status:?}");
    assert_eq!(holder(&ground), "first", "it ended while the Lease was its own");
    is_held_by(&ground, "second", TAKEOVER).await;
    drop(second);
}

#[tokio::test]
async fn a_follower_passes_webhooks_on() {
    let ground = Ground::prepare().await;
    let first = Replica::start(&ground, "first").await;
    is_held_by(&ground, "first", LONG).await;
    let second = Replica::start(&ground, "second").await;
    let stage = ground.stage(Endpoints::of(&second.controller), "passed-on").await;
    let commit = stage.repo.commit_file("main", "app/config.yaml", config_map("config", "one"));
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    // The webhook goes to the follower.
    let commit = stage.push_file("config.yaml", &config_map("config", "two")).await;
    stage.synced("web", &commit).await;
    assert_eq!(holder(&ground), "first");
    drop(first);
}
