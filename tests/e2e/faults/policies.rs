//! Policies that outlive the process.

use std::time::Duration;

use http::StatusCode;
use k8s_openapi::jiff::SignedDuration;
use serde_json::json;
use tiphys_api::Phase;
use tiphys_tests::{Fault, FaultProxy, Rule, Verb};

use crate::ground::Ground;
use crate::support::controller::Endpoints;
use crate::support::manifests::{Deployment, config_map};
use crate::support::stage::Stage;
use crate::support::{LONG, phase};

#[tokio::test]
async fn further_tries_go_on_where_they_were_after_a_kill() {
    let ground = Ground::prepare().await;
    let controller = ground.installation.controller(&ground).start().await;
    let mut stage = ground.stage(Endpoints::of(&controller), "retry-kill").await;
    stage.push_file("web.yaml", &Deployment::new("web").image("registry.invalid/app:2").yaml()).await;
    let retry = json!({ "limit": 2, "backoff": { "duration": "8s", "factor": 2, "max": "10m" } });
    stage.create("web", json!({ "sync": { "onFailure": "Retry", "retry": retry, "timeout": "3s" } })).await;
    let first =
        stage.wait("web", "a further try is planned", LONG, |it| it.status.as_ref()?.retry.clone()).await;
    assert_eq!(first.attempt, 1);
    controller.kill();
    let controller = ground.installation.controller(&ground).start().await;
    stage.endpoints = Endpoints::of(&controller);
    let second = stage.ended("web-2").await;
    assert_eq!(phase(&second), Phase::Failed);
    let started = second.status.unwrap().started_at.unwrap().0;
    let late = started.duration_since(first.next_at.0);
    // Times are written in whole seconds.
    let fits = late > SignedDuration::from_secs(-1) && late < SignedDuration::from_secs(10);
    assert!(fits, "it was due at {}, and started at {started}", first.next_at.0);
    let next = stage
        .wait("web", "the second further try is planned", LONG, |it| {
            it.status.as_ref()?.retry.clone().filter(|it| it.attempt == 2)
        })
        .await;
    let ended = stage.last_sync("web").await.status.unwrap().finished_at.unwrap().0;
    let pause = next.next_at.0.duration_since(ended).as_secs();
    assert!((15..=18).contains(&pause), "the pause grows on: {pause} s");
    controller.kill();
    let controller = ground.installation.controller(&ground).start().await;
    stage.endpoints = Endpoints::of(&controller);
    assert_eq!(phase(&stage.ended("web-3").await), Phase::Failed);
    // That was the last one.
    stage.stalls("web", "web").await;
    stage.looked_at("web").await;
    assert_eq!(stage.syncs("web").await.len(), 3);
    drop(controller);
}

#[tokio::test]
async fn what_waits_for_a_window_or_for_another_application_goes_on_after_a_kill() {
    let ground = Ground::prepare().await;
    let controller = ground.installation.controller(&ground).start().await;
    let mut stage = ground.stage(Endpoints::of(&controller), "gates-kill").await;
    let both = |web: &str| {
        let commit = stage.repo.commit("main").write("app/web.yaml", config_map("web", web));
        commit.write("db/db.yaml", Deployment::new("db").yaml()).finish()
    };
    let first = both("one");
    stage.tell(&first).await;
    stage.create("web", json!({ "dependsOn": [{ "name": "db" }] })).await;
    stage.says("web", "does not exist").await;
    controller.kill();
    let controller = ground.installation.controller(&ground).start().await;
    stage.endpoints = Endpoints::of(&controller);
    stage.create("db", json!({ "source": { "path": "db" } })).await;
    stage.synced("web", &first).await;
    controller.kill();
    // What was Ready before is known to be so again without anything being written.
    let controller = ground.installation.controller(&ground).start().await;
    stage.endpoints = Endpoints::of(&controller);
    let second = stage.push_file("web.yaml", &config_map("web", "two")).await;
    stage.has_value_within("web", "two", Duration::from_secs(20)).await;
    stage.synced("web", &second).await;
    assert_eq!(stage.syncs("db").await.len(), 1);
    drop(controller);
}

/// Two objects are live, and a finalizer of somebody else holds the second.
async fn goes_not(stage: &Stage<'_>, timeout: &str) {
    let (stays, goes) = (config_map("stays", "1"), config_map("goes", "1"));
    let first = stage.push(&[("stays.yaml", Some(&stays)), ("goes.yaml", Some(&goes))]).await;
    stage.create("web", json!({ "sync": { "timeout": timeout } })).await;
    stage.synced("web", &first).await;
    let hold = r#"{"metadata":{"finalizers":["example.com/wait"]}}"#;
    stage.namespace.kubectl(&["patch", "configmap", "goes", "-p", hold]);
}

/// Another try waits for it again, and when it goes the Application is live.
async fn is_waited_for_until_it_goes(stage: &Stage<'_>, commit: &str) {
    stage.request("web", "again", json!({})).await;
    stage.failed("again", "example.com/wait").await;
    let release = r#"{"metadata":{"finalizers":null}}"#;
    stage.namespace.kubectl(&["patch", "configmap", "goes", "--type=merge", "-p", release]);
    stage.synced("web", commit).await;
}

/// What a Sync deletes and what does not go is known to the process after the one that deleted it, and what a Sync left is
/// known to the next.
#[tokio::test]
async fn t07_what_does_not_go_is_known_after_a_kill() {
    let ground = Ground::prepare().await;
    let controller = ground.installation.controller(&ground).start().await;
    let mut stage = ground.stage(Endpoints::of(&controller), "t07-kill").await;
    goes_not(&stage, "20s").await;
    let second = stage.push(&[("goes.yaml", None)]).await;
    stage.wait_sync("web-2", "it waits", LONG, |it| (phase(it) == Phase::Waiting).then_some(())).await;
    controller.kill();
    let controller = ground.installation.controller(&ground).start().await;
    stage.endpoints = Endpoints::of(&controller);
    stage.failed("web-2", "it waits for the finalizers example.com/wait").await;
    stage.says("web", "example.com/wait").await;
    controller.kill();
    let controller = ground.installation.controller(&ground).start().await;
    stage.endpoints = Endpoints::of(&controller);
    stage.looked_at("web").await;
    stage.says("web", "example.com/wait").await;
    is_waited_for_until_it_goes(&stage, &second).await;
    drop(controller);
}

/// The record of a Sync is written before the status of its Application, and a process may end in between.
#[tokio::test]
async fn t07_what_does_not_go_is_known_from_the_record_alone() {
    let ground = Ground::prepare().await;
    let proxy = FaultProxy::start(&ground, 1);
    let controller = ground.installation.controller(&proxy).start().await;
    let mut stage = ground.stage(Endpoints::of(&controller), "t07-record").await;
    goes_not(&stage, "5s").await;
    let refused = Fault::Status(StatusCode::SERVICE_UNAVAILABLE);
    proxy.add(Rule::new(refused).verbs(&[Verb::Patch]).path("/applications/web/status"));
    let second = stage.push(&[("goes.yaml", None)]).await;
    stage.failed("web-2", "it waits for the finalizers example.com/wait").await;
    controller.kill();
    let controller = ground.installation.controller(&ground).start().await;
    stage.endpoints = Endpoints::of(&controller);
    stage.says("web", "example.com/wait").await;
    is_waited_for_until_it_goes(&stage, &second).await;
    drop(controller);
}
