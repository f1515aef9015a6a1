//! What other tools stumbled over, by the numbers of the project's reference. Those that have a better home are there:
//! search for `t18_`.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::support::manifests::{Deployment, config_map};
use crate::support::shared::stage;

/// A prune that a finalizer blocks is told, stays in the inventory, and is done when the finalizer is gone.
#[tokio::test]
async fn t07_an_object_that_cannot_be_pruned_yet_is_not_forgotten() {
    let stage = stage("t07").await;
    let files = [("stays.yaml", config_map("stays", "1")), ("goes.yaml", config_map("goes", "1"))];
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, Some(text.as_str()))).collect();
    let first = stage.push(&files).await;
    stage.create("web", json!({ "sync": { "timeout": "5s" } })).await;
    stage.synced("web", &first).await;
    let config_maps = stage.namespace.api::<ConfigMap>();
    let finalizers = |list: &[&str]| Patch::Merge(json!({ "metadata": { "finalizers": list } }));
    config_maps.patch("goes", &PatchParams::default(), &finalizers(&["example.com/wait"])).await.unwrap();
    stage.push(&[("goes.yaml", None)]).await;
    // Its deletion is asked for, and the record says why it is still there.
    let record = stage.succeeded("web-2").await.status.unwrap();
    let pruned = record.objects.iter().find(|it| it.name == "goes").unwrap();
    assert!(pruned.message.as_ref().is_some_and(|it| it.contains("finalizers")), "{pruned:?}");
    assert!(stage.value("goes").await.is_some());
    // Another commit meanwhile goes through: nothing more can be done about the one that is being deleted.
    let third = stage.push_file("stays.yaml", &config_map("stays", "2")).await;
    stage.synced("web", &third).await;
    config_maps.patch("goes", &PatchParams::default(), &finalizers(&[])).await.unwrap();
    stage.namespace.kubectl(&["wait", "--for=delete", "configmap/goes", "--timeout=30s"]);
    // Under its old name it may come again, and is ours.
    let fourth = stage.push_file("goes.yaml", &config_map("goes", "2")).await;
    stage.synced("web", &fourth).await;
    assert_eq!(stage.value("goes").await.as_deref(), Some("2"));
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
