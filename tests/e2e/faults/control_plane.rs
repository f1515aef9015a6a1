//! The control plane itself fails.

use std::time::Duration;

use serde_json::json;
use tiphys_tests::{Component, eventually};

use crate::ground::Ground;
use crate::support::LONG;
use crate::support::controller::Endpoints;
use crate::support::manifests::{Deployment, config_map};

async fn survives(component: Component) {
    let ground = Ground::prepare().await;
    let controller = ground.installation.controller(&ground).start().await;
    let stage = ground.stage(Endpoints::of(&controller), "shaken").await;
    let files = |value: &str| {
        let maps: Vec<_> = (0..30).map(|it| config_map(&format!("config-{it}"), value)).collect();
        [
            maps.join("---\n"),
            Deployment::new("web").slow("1s").image(&format!("registry.example.com/app:{value}")).yaml(),
        ]
        .join("---\n")
    };
    let first = stage.push_file("all.yaml", &files("1")).await;
    stage.create("web", json!({ "sync": { "timeout": "5m" } })).await;
    stage.synced("web", &first).await;
    for (round, pause) in [20, 120, 400].into_iter().enumerate() {
        let value = (round + 2).to_string();
        let commit = stage.push_file("all.yaml", &files(&value)).await;
        tokio::time::sleep(Duration::from_millis(pause)).await;
        ground.kill(component);
        assert!(controller.is_running());
        ground.restart(component);
        eventually("the API server answers", LONG, || async {
            stage.applications().get("web").await.map(drop)
        })
        .await;
        stage.synced("web", &commit).await;
        stage.has_value("config-29", &value).await;
        assert!(controller.is_running());
    }
    // What happened meanwhile is seen, too.
    stage.namespace.kubectl(&["patch", "configmap", "config-0", "-p", r#"{"data":{"value":"drift"}}"#]);
    stage.has_value("config-0", "4").await;
}

#[tokio::test]
async fn etcd_is_killed_and_comes_back() {
    survives(Component::Etcd).await;
}

#[tokio::test]
async fn the_api_server_is_killed_and_comes_back() {
    survives(Component::ApiServer).await;
}

#[tokio::test]
async fn an_api_server_that_hangs_is_waited_for() {
    let ground = Ground::prepare().await;
    let controller = ground.installation.controller(&ground).start().await;
    let stage = ground.stage(Endpoints::of(&controller), "hangs").await;
    let first = stage.push_file("config.yaml", &config_map("config", "1")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &first).await;
    let second = stage.repo.commit_file("main", "app/config.yaml", config_map("config", "2"));
    ground.pause(Component::ApiServer);
    stage.tell(&second).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(controller.is_running());
    ground.resume(Component::ApiServer);
    stage.synced("web", &second).await;
}
