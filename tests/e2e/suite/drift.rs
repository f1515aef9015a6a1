//! What happens when somebody edits live objects.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment as LiveDeployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;
use tiphys_api::{SyncState, Trigger};
use tiphys_tests::eventually;

use crate::support::LONG;
use crate::support::manifests::{Deployment, config_map};
use crate::support::shared::stage;
use crate::support::stage::Stage;

/// Changes the value of a ConfigMap as a controller of this name.
async fn edit(stage: &Stage<'_>, name: &str, value: &str, manager: &str) {
    let params = PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
    let patch = Patch::Merge(json!({ "data": { "value": value } }));
    stage.namespace.api::<ConfigMap>().patch(name, &params, &patch).await.unwrap();
}

#[tokio::test]
async fn a_foreign_edit_is_corrected_at_once() {
    let stage = stage("healed").await;
    let commit = stage.push_file("web.yaml", &Deployment::new("web").replicas(1).yaml()).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    stage.namespace.kubectl(&["scale", "deployment", "web", "--replicas=3"]);
    eventually("the replicas are as in Git", Duration::from_secs(10), || async {
        let live = stage.namespace.api::<LiveDeployment>().get("web").await.unwrap();
        match live.spec.unwrap().replicas {
            Some(1) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let healed = stage.succeeded("web-2").await;
    assert_eq!(healed.spec.initiated_by.trigger, Trigger::SelfHeal);
    stage.synced("web", &commit).await;
    let events = stage.namespace.kubectl(&["get", "events", "-o=jsonpath={.items[*].reason}"]);
    assert!(events.contains("DriftCorrected"), "{events}");
}

#[tokio::test]
async fn a_deleted_object_comes_back() {
    let stage = stage("comes-back").await;
    let commit = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    stage.namespace.api::<ConfigMap>().delete("config", &DeleteParams::default()).await.unwrap();
    stage.has_value("config", "one").await;
    stage.synced("web", &commit).await;
}

#[tokio::test]
async fn without_self_heal_drift_is_shown_with_the_name_of_who_did_it() {
    let stage = stage("shown").await;
    let commit = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({ "sync": { "selfHeal": false } })).await;
    stage.synced("web", &commit).await;
    edit(&stage, "config", "two", "night-shift").await;
    let resource = stage.wait("web", "the ConfigMap is out of sync", LONG, |it| {
        let status = it.status.as_ref()?;
        let resource = status.resources.iter().find(|it| it.name == "config")?;
        let out = resource.sync == SyncState::OutOfSync && status.sync == Some(SyncState::OutOfSync);
        out.then(|| resource.clone())
    });
    let message = resource.await.message.unwrap_or_default();
    assert!(message.contains("night-shift") && message.contains("value"), "{message}");
    assert_eq!(stage.value("config").await.as_deref(), Some("two"));
    assert_eq!(stage.syncs("web").await.len(), 1);
    // Put back by hand, nothing is left of it.
    edit(&stage, "config", "one", "day-shift").await;
    stage.synced("web", &commit).await;
}

#[tokio::test]
async fn fields_that_git_does_not_name_are_nobodys_business() {
    let stage = stage("foreign-field").await;
    let commit = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    stage.namespace.kubectl(&["annotate", "configmap", "config", "somebody=wrote-this"]);
    stage.looked_at("web").await;
    stage.synced("web", &commit).await;
    assert_eq!(stage.syncs("web").await.len(), 1);
    let live = stage.namespace.api::<ConfigMap>().get("config").await.unwrap();
    assert!(live.metadata.annotations.unwrap().contains_key("somebody"));
}

#[tokio::test]
async fn ignored_differences_are_left_to_others() {
    let stage = stage("ignored").await;
    let commit = stage.push_file("web.yaml", &Deployment::new("web").replicas(1).yaml()).await;
    let ignore = json!([{ "group": "apps", "kind": "Deployment", "jsonPointers": ["/spec/replicas"] }]);
    stage.create("web", json!({ "ignoreDifferences": ignore })).await;
    stage.synced("web", &commit).await;
    stage.namespace.kubectl(&["scale", "deployment", "web", "--replicas=3"]);
    let replicas = || async {
        let live = stage.namespace.api::<LiveDeployment>().get("web").await.unwrap();
        match live.spec.unwrap().replicas {
            Some(3) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    };
    stage.stays("the replicas", Duration::from_secs(2), replicas).await;
    // A change of something else does not touch them either.
    let deployment = Deployment::new("web").replicas(1).image("registry.example.com/app:2");
    let commit = stage.push_file("web.yaml", &deployment.yaml()).await;
    stage.synced("web", &commit).await;
    replicas().await.unwrap();
}

#[tokio::test]
async fn a_fight_with_another_controller_is_named_and_slowed_down() {
    let stage = stage("fight").await;
    let commit = stage.push_file("config.yaml", &config_map("config", "ours")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    // The other one writes each time that it is corrected, for as long as that happens.
    let mut rounds = 0;
    loop {
        edit(&stage, "config", "theirs", "stubborn-operator").await;
        let corrected = tokio::time::timeout(Duration::from_secs(8), async {
            while stage.value("config").await.as_deref() != Some("ours") {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        if corrected.await.is_err() {
            break;
        }
        rounds += 1;
        assert!(rounds <= 5, "it goes on for ever");
        // However long the other one waits: here until the controller has looked at the object that is right again.
        if rounds % 2 == 0 {
            stage.looked_at("web").await;
        }
    }
    assert!(rounds >= 2, "an edit or two are no fight: {rounds}");
    let message = stage.says("web", "stubborn-operator").await;
    assert!(message.contains("value"), "{message}");
    let events = stage.namespace.kubectl(&["get", "events", "-o=jsonpath={.items[*].reason}"]);
    assert!(events.contains("Fight"), "{events}");
}
