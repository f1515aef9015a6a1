//! What happens when a commit does not work.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment as LiveDeployment;
use serde_json::json;
use tiphys_api::{Health, Phase, Trigger};

use crate::support::manifests::{Deployment, config_map};
use crate::support::shared::stage;
use crate::support::{LONG, message, phase};

const BROKEN: &str = "registry.invalid/app:2";

async fn image(stage: &crate::support::stage::Stage<'_>) -> String {
    let live = stage.namespace.api::<LiveDeployment>().get("web").await.unwrap();
    live.spec.unwrap().template.spec.unwrap().containers[0].image.clone().unwrap()
}

#[tokio::test]
async fn a_failed_sync_stops_and_says_why() {
    let stage = stage("stop").await;
    let good = stage.push_file("web.yaml", &Deployment::new("web").yaml()).await;
    stage.create("web", json!({ "sync": { "timeout": "20s" } })).await;
    stage.synced("web", &good).await;
    stage.push_file("web.yaml", &Deployment::new("web").image(BROKEN).yaml()).await;
    let message = stage.stalls("web", "web").await;
    assert!(message.contains("Deployment"), "{message}");
    assert_eq!(image(&stage).await, BROKEN, "Stop leaves what was applied");
    let failed = stage.last_sync("web").await;
    assert_eq!(phase(&failed), Phase::Failed);
    // The same revision is not tried again by itself.
    stage.looked_at("web").await;
    assert_eq!(stage.syncs("web").await.len(), 2);
    // A commit that mends it is.
    let mended =
        stage.push_file("web.yaml", &Deployment::new("web").image("registry.example.com/app:3").yaml()).await;
    stage.synced("web", &mended).await;
}

#[tokio::test]
async fn a_failed_sync_is_rolled_back_and_the_old_version_holds() {
    let stage = stage("goes-back").await;
    let good = stage.push_file("web.yaml", &Deployment::new("web").yaml()).await;
    stage.create("web", json!({ "sync": { "onFailure": "Rollback", "timeout": "20s" } })).await;
    stage.synced("web", &good).await;
    let bad = stage.push_file("web.yaml", &Deployment::new("web").image(BROKEN).yaml()).await;
    let back = stage.succeeded("web-3").await;
    assert_eq!(back.spec.initiated_by.trigger, Trigger::Rollback);
    assert_eq!(back.spec.rollback_to.as_deref(), Some("web-1"));
    assert_eq!(image(&stage).await, "registry.example.com/app:1");
    let failed = stage.all_syncs().get("web-2").await.unwrap();
    assert_eq!(phase(&failed), Phase::Failed);
    assert!(failed.status.unwrap().revision.unwrap().ends_with(&bad));
    let health = stage.wait("web", "it is held and healthy", LONG, |it| {
        let status = it.status.as_ref()?;
        status.hold.as_ref()?;
        status.revision.as_ref().filter(|it| it.ends_with(&good))?;
        status.health.filter(|it| *it == Health::Healthy)
    });
    health.await;
    stage.looked_at("web").await;
    assert_eq!(stage.syncs("web").await.len(), 3, "the broken revision is not tried again");
    let mended =
        stage.push_file("web.yaml", &Deployment::new("web").image("registry.example.com/app:3").yaml()).await;
    stage.synced("web", &mended).await;
}

#[tokio::test]
async fn a_first_sync_that_fails_has_nothing_to_go_back_to() {
    let stage = stage("nowhere-back").await;
    stage.push_file("web.yaml", &Deployment::new("web").image(BROKEN).yaml()).await;
    stage.create("web", json!({ "sync": { "onFailure": "Rollback", "timeout": "5s" } })).await;
    stage.stalls("web", "web").await;
    assert_eq!(stage.syncs("web").await.len(), 1);
}

#[tokio::test]
async fn a_failed_sync_is_retried_with_growing_pauses() {
    let stage = stage("retry").await;
    stage.push_file("web.yaml", &Deployment::new("web").image(BROKEN).yaml()).await;
    let retry = json!({ "limit": 2, "backoff": { "duration": "1s", "factor": 2, "max": "10s" } });
    stage.create("web", json!({ "sync": { "onFailure": "Retry", "retry": retry, "timeout": "3s" } })).await;
    // One attempt and two more; then somebody has to do something.
    let third = stage.ended("web-3").await;
    assert_eq!(phase(&third), Phase::Failed, "{}", message(&third));
    stage.stalls("web", "web").await;
    stage.looked_at("web").await;
    let syncs = stage.syncs("web").await;
    assert_eq!(syncs.len(), 3);
    let spans: Vec<_> = syncs.iter().map(|it| it.status.clone().unwrap()).collect();
    let pauses: Vec<_> = spans
        .windows(2)
        .map(|it| it[1].started_at.clone().unwrap().0.duration_since(it[0].finished_at.clone().unwrap().0))
        .map(|it| it.as_secs_f64())
        .collect();
    // Times are written in whole seconds.
    assert!(pauses[0] >= 0.0 && pauses[1] >= 1.0, "{pauses:?}");
}

#[tokio::test]
async fn a_newer_revision_ends_a_retry() {
    let stage = stage("retry-ends").await;
    stage.push_file("web.yaml", &Deployment::new("web").image(BROKEN).yaml()).await;
    let retry = json!({ "limit": 5, "backoff": { "duration": "10m", "max": "10m" } });
    stage.create("web", json!({ "sync": { "onFailure": "Retry", "retry": retry, "timeout": "3s" } })).await;
    stage.wait("web", "a retry is planned", LONG, |it| it.status.as_ref()?.retry.clone()).await;
    let good = stage.push_file("web.yaml", &Deployment::new("web").yaml()).await;
    let application = stage.synced("web", &good).await;
    assert_eq!(application.status.unwrap().retry, None);
}

#[tokio::test]
async fn what_cannot_be_planned_is_not_retried_for_ever_and_leaves_the_old_version() {
    let stage = stage("refused").await;
    let good = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &good).await;
    stage
        .push_file("config.yaml", "kind: ConfigMap\napiVersion: v1\nmetadata: {name: config}\ndata: [1]\n")
        .await;
    stage.stalls("web", "config.yaml").await;
    assert_eq!(stage.value("config").await.as_deref(), Some("one"));
    stage
        .stays("the failure", Duration::from_secs(2), || async {
            match stage.syncs("web").await.len() {
                2 => Ok(()),
                count => Err(format!("{count} Syncs")),
            }
        })
        .await;
}
