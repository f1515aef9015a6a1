//! Notifications across a restart: nothing is told twice, nothing is forgotten.

use std::time::Duration;

use serde_json::json;
use tiphys_tests::{FaultProxy, Receiver, Verb};

use crate::ground::Ground;
use crate::support::LONG;
use crate::support::controller::Endpoints;
use crate::support::manifests::config_map;

#[tokio::test]
async fn a_restart_tells_nothing_twice_and_forgets_nothing() {
    let ground = Ground::prepare().await;
    let proxy = FaultProxy::start(&ground, 1);
    let start = || ground.installation.controller(&proxy).arg("--notification-network=127.0.0.0/8").start();
    let controller = start().await;
    let mut stage = ground.stage(Endpoints::of(&controller), "tell-on").await;
    let receiver = Receiver::start();
    let spec = json!({ "webhook": { "url": receiver.url("/"), "insecure": true } });
    stage.notification("tell", spec).await;
    // Nothing is told of what ended before it was seen.
    stage.wait_notification("tell", "it is seen", |it| (!it.conditions.is_empty()).then_some(())).await;
    let first = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &first).await;
    receiver.wait_for(1, LONG).await;
    stage.wait_notification("tell", "it is delivered", |it| (it.delivered == 1).then_some(())).await;

    // In good order: what was told is not told again.
    controller.terminate();
    controller.wait(Duration::from_secs(30));
    let controller = start().await;
    stage.endpoints = Endpoints::of(&controller);
    receiver.answer_always(503);
    let second = stage.push_file("config.yaml", &config_map("config", "two")).await;
    stage.synced("web", &second).await;
    stage.wait_notification("tell", "one waits", |it| (it.pending.len() == 1).then_some(())).await;

    // In the middle of it: what waited is told, and only that.
    controller.kill();
    receiver.answer_always(200);
    let controller = start().await;
    stage.endpoints = Endpoints::of(&controller);
    stage
        .wait_notification("tell", "it is delivered", |it| {
            (it.delivered == 2 && it.pending.is_empty()).then_some(())
        })
        .await;
    stage.looked_at("web").await;
    let taken: Vec<_> = receiver.received().into_iter().filter(|it| it.status == 200).collect();
    let told: Vec<_> = taken.iter().map(|it| it.json()["sync"]["name"].clone()).collect();
    assert_eq!(told, [json!("web-1"), json!("web-2")]);

    // Many Syncs in a row are few writes of its status.
    proxy.forget();
    let began = std::time::Instant::now();
    for number in 0..8 {
        let commit = stage.push_file("config.yaml", &config_map("config", &number.to_string())).await;
        stage.synced("web", &commit).await;
    }
    stage.wait_notification("tell", "all are delivered", |it| (it.delivered == 10).then_some(())).await;
    let period = began.elapsed().as_secs() / 3 + 2;
    let requests = proxy.requests();
    let about =
        |it: &&tiphys_tests::RecordedRequest| it.resource == "notifications" && it.verb != Verb::Watch;
    let written = requests.iter().filter(about).count();
    assert!(written as u64 <= period, "{written} writes in {:?}", began.elapsed());
}
