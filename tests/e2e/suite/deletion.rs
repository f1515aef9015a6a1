//! What the deletion of an Application does.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;
use tiphys_api::{APPLICATION_LABEL, OWNER_ANNOTATION};
use tiphys_tests::{GitFault, eventually};

use crate::support::LONG;
use crate::support::manifests::{Deployment, config_map};
use crate::support::shared::{git, stage};
use crate::support::stage::Stage;

async fn delete(stage: &Stage<'_>, name: &str) {
    stage.applications().delete(name, &DeleteParams::default()).await.unwrap();
}

async fn gone(stage: &Stage<'_>, name: &str) {
    eventually("the Application is gone", LONG, || async {
        match stage.applications().get_opt(name).await.unwrap() {
            None => Ok(()),
            Some(it) => Err(crate::support::words(&it)),
        }
    })
    .await;
}

#[tokio::test]
async fn orphaned_objects_stay_without_our_mark_and_history_goes() {
    let stage = stage("orphan").await;
    let commit = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    delete(&stage, "web").await;
    gone(&stage, "web").await;
    let live = stage.namespace.api::<ConfigMap>().get("config").await.unwrap();
    assert!(!live.metadata.labels.unwrap_or_default().contains_key(APPLICATION_LABEL));
    assert!(!live.metadata.annotations.unwrap_or_default().contains_key(OWNER_ANNOTATION));
    eventually("its Syncs are collected", LONG, || async {
        match stage.syncs("web").await.len() {
            0 => Ok(()),
            count => Err(format!("{count} Syncs")),
        }
    })
    .await;
    // Another Application may adopt what was let go.
    stage.create("heir", json!({})).await;
    stage.synced("heir", &commit).await;
}

#[tokio::test]
async fn pruned_objects_go_before_the_application() {
    let stage = stage("prune-all").await;
    let files = [config_map("config", "one"), Deployment::new("web").yaml()].join("---\n");
    let commit = stage.push_file("all.yaml", &files).await;
    stage.create("web", json!({ "deletion": "Prune" })).await;
    stage.synced("web", &commit).await;
    stage.namespace.kubectl(&["create", "configmap", "bystander"]);
    delete(&stage, "web").await;
    gone(&stage, "web").await;
    assert_eq!(stage.value("config").await, None);
    let left = stage.namespace.kubectl(&["get", "deployments,configmaps", "-o", "name"]);
    assert!(!left.contains("deployment") && left.contains("configmap/bystander"), "{left}");
}

#[tokio::test]
async fn a_finalizer_of_an_object_is_waited_for() {
    let stage = stage("finalizer").await;
    let commit = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({ "deletion": "Prune" })).await;
    stage.synced("web", &commit).await;
    let config_maps = stage.namespace.api::<ConfigMap>();
    let finalizers = |list: &[&str]| Patch::Merge(json!({ "metadata": { "finalizers": list } }));
    config_maps.patch("config", &PatchParams::default(), &finalizers(&["example.com/wait"])).await.unwrap();
    delete(&stage, "web").await;
    // It says what it waits for, and goes as soon as that is over.
    let deadline = std::time::Duration::from_secs(90);
    stage
        .wait("web", "it says what is in the way", deadline, |it| {
            let ready = crate::support::condition(&it.status.as_ref()?.conditions, "Ready")?;
            (ready.message.contains("ConfigMap") && ready.message.contains("Orphan")).then_some(())
        })
        .await;
    config_maps.patch("config", &PatchParams::default(), &finalizers(&[])).await.unwrap();
    gone(&stage, "web").await;
    assert_eq!(stage.value("config").await, None);
}

#[tokio::test]
async fn a_repository_that_is_gone_keeps_nobody() {
    let stage = stage("gone-repo").await;
    let commit = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({ "deletion": "Prune" })).await;
    stage.synced("web", &commit).await;
    git().set_fault(&stage.repo, Some(GitFault::Hang));
    std::fs::remove_dir_all(stage.repo.path()).unwrap();
    stage.namespace.kubectl(&["delete", "repository", "deploy"]);
    delete(&stage, "web").await;
    gone(&stage, "web").await;
    assert_eq!(stage.value("config").await, None);
}

#[tokio::test]
async fn an_application_is_deleted_during_a_sync() {
    let stage = stage("during").await;
    stage.push_file("web.yaml", &Deployment::new("web").pod("never-ready").yaml()).await;
    stage.create("web", json!({ "deletion": "Prune" })).await;
    stage
        .wait_sync("web-1", "it waits", LONG, |it| {
            (crate::support::phase(it) == tiphys_api::Phase::Waiting).then_some(())
        })
        .await;
    delete(&stage, "web").await;
    gone(&stage, "web").await;
    let left = stage.namespace.kubectl(&["get", "deployments", "-o", "name"]);
    assert!(!left.contains("deployment"), "{left}");
}

#[tokio::test]
async fn an_application_that_comes_again_under_its_name_starts_anew() {
    let stage = stage("again").await;
    let commit = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    stage.applications().delete("web", &DeleteParams::foreground()).await.unwrap();
    gone(&stage, "web").await;
    stage.create("web", json!({})).await;
    let application = stage.synced("web", &commit).await;
    assert_eq!(application.status.unwrap().last_sync.unwrap().number, 1);
}
