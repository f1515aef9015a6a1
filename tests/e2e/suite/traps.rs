//! What other tools stumbled over, by the numbers of the project's reference. Those that have a better home are there:
//! search for `t18_`.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tiphys_api::{Phase, Sync, Trigger};

use crate::support::manifests::{Deployment, config_map};
use crate::support::shared::stage;
use crate::support::stage::Stage;
use crate::support::{LONG, is_ready, message, phase};

/// Sets the finalizers of a ConfigMap.
async fn hold(stage: &Stage<'_>, name: &str, finalizers: &[&str]) {
    let patch = Patch::Merge(json!({ "metadata": { "finalizers": finalizers } }));
    stage.namespace.api::<ConfigMap>().patch(name, &PatchParams::default(), &patch).await.unwrap();
}

/// Two objects are live, and the second commit takes away one that somebody's finalizer holds. Gives that commit.
async fn blocked_prune(stage: &Stage<'_>, sync: Value) -> String {
    let (stays, goes) = (config_map("stays", "1"), config_map("goes", "1"));
    let first = stage.push(&[("stays.yaml", Some(&stays)), ("goes.yaml", Some(&goes))]).await;
    stage.create("web", json!({ "sync": sync })).await;
    stage.synced("web", &first).await;
    hold(stage, "goes", &["example.com/wait"]).await;
    stage.push(&[("goes.yaml", None)]).await
}

/// A prune that a finalizer blocks is waited for, told, stays in the inventory, and is noticed when the finalizer is gone.
#[tokio::test]
async fn t07_an_object_that_cannot_be_pruned_yet_is_not_forgotten() {
    let stage = stage("t07").await;
    let second = blocked_prune(&stage, json!({ "timeout": "5s" })).await;
    let held = format!(
        "ConfigMap {}/goes was deleted and is still there: it waits for the finalizers example.com/wait",
        stage.ns()
    );
    let waiting = |sync: &Sync| message(sync).contains(&held).then(|| phase(sync));
    let phase = stage.wait_sync("web-2", "it says what it waits for", LONG, waiting).await;
    assert!(matches!(phase, Phase::Waiting | Phase::Failed), "{phase:?}");
    let record = stage.failed("web-2", &held).await.status.unwrap();
    assert!(record.applied_at.is_some() && record.message.unwrap().contains("is live, but not in time"));
    stage.says("web", &held).await;
    // Whoever tries again waits again.
    stage.request("web", "again", json!({})).await;
    stage.failed("again", &held).await;
    // It is noticed when it goes, and nothing has to be done for that.
    hold(&stage, "goes", &[]).await;
    stage.synced("web", &second).await;
    assert_eq!(stage.syncs("web").await.len(), 3);
    // Under its old name it may come again, and is ours.
    let third = stage.push_file("goes.yaml", &config_map("goes", "2")).await;
    stage.synced("web", &third).await;
    assert_eq!(stage.value("goes").await.as_deref(), Some("2"));
}

/// What comes after a prune that is blocked does not wait for it.
#[tokio::test]
async fn t07_another_commit_goes_past_a_prune_that_is_blocked() {
    let stage = stage("t07-next").await;
    blocked_prune(&stage, json!({})).await;
    stage.wait_sync("web-2", "it waits", LONG, |it| (phase(it) == Phase::Waiting).then_some(())).await;
    let third = stage.push_file("stays.yaml", &config_map("stays", "2")).await;
    stage.synced("web", &third).await;
    assert_eq!(phase(&stage.ended("web-2").await), Phase::Superseded);
    assert!(stage.value("goes").await.is_some());
    hold(&stage, "goes", &[]).await;
    stage.namespace.kubectl(&["wait", "--for=delete", "configmap/goes", "--timeout=30s"]);
    let fourth = stage.push_file("goes.yaml", &config_map("goes", "2")).await;
    stage.synced("web", &fourth).await;
    assert_eq!(stage.value("goes").await.as_deref(), Some("2"));
}

/// What is left over is no reason to go back: everything else works, and is healed as ever.
#[tokio::test]
async fn t07_a_prune_that_is_blocked_leads_to_no_rollback() {
    let stage = stage("t07-back").await;
    blocked_prune(&stage, json!({ "timeout": "5s", "onFailure": "Rollback" })).await;
    stage.failed("web-2", "example.com/wait").await;
    stage.namespace.kubectl(&["patch", "configmap", "stays", "-p", r#"{"data":{"value":"edited"}}"#]);
    stage.has_value("stays", "1").await;
    let healed = stage.succeeded("web-3").await;
    assert_eq!(healed.spec.initiated_by.trigger, Trigger::SelfHeal);
    stage.says("web", "example.com/wait").await;
    hold(&stage, "goes", &[]).await;
    stage.wait("web", "it is Ready", LONG, |it| is_ready(it).then_some(())).await;
}

/// A Deployment that goes back finds the configuration that it had then, though that was pruned meanwhile.
#[tokio::test]
async fn t20_a_rollback_brings_back_the_configuration_of_then() {
    let stage = stage("t20").await;
    let version = |name: &str| {
        let web = Deployment::new("web").yaml();
        let volumes = format!("      volumes:\n      - name: config\n        configMap: {{name: {name}}}\n");
        format!("{}---\n{web}{volumes}", config_map(name, name))
    };
    let first = stage.push_file("web.yaml", &version("config-1")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &first).await;
    let second = stage.push_file("web.yaml", &version("config-2")).await;
    stage.synced("web", &second).await;
    assert_eq!(stage.value("config-1").await, None);
    stage.request("web", "back", json!({ "rollbackTo": "web-1" })).await;
    stage.succeeded("back").await;
    assert_eq!(stage.value("config-1").await.as_deref(), Some("config-1"));
    let mounted =
        ["get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.volumes[0].configMap.name}"];
    assert_eq!(stage.namespace.kubectl(&mounted), "config-1");
}
