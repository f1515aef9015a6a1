//! Fields that others may own, by jq and beside other Apply managers (T3, T4 of the reference).

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment as LiveDeployment;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tiphys_api::STALLED;

use crate::support::LONG;
use crate::support::condition;
use crate::support::manifests::{Deployment, config_map};
use crate::support::shared::stage;
use crate::support::stage::Stage;

/// Another manager applies a part of the Deployment `web`.
async fn apply_as(stage: &Stage<'_>, manager: &str, spec: Value) {
    let part =
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" }, "spec": spec });
    let params = PatchParams::apply(manager).force();
    stage.namespace.api::<LiveDeployment>().patch("web", &params, &Patch::Apply(&part)).await.unwrap();
}

async fn live(stage: &Stage<'_>) -> Value {
    serde_json::to_value(stage.namespace.api::<LiveDeployment>().get("web").await.unwrap()).unwrap()
}

async fn is(stage: &Stage<'_>, pointer: &str, wanted: Value) -> Result<(), String> {
    let live = live(stage).await;
    match live.pointer(pointer) {
        Some(found) if *found == wanted => Ok(()),
        other => Err(format!("{pointer} is {other:?}, not {wanted}")),
    }
}

fn replicas_are_theirs() -> Value {
    json!({ "ignoreDifferences": [{ "group": "apps", "kind": "Deployment", "jqPathExpressions": [".spec.replicas"] }] })
}

#[tokio::test]
async fn t03_what_another_apply_manager_has_is_never_applied() {
    let stage = stage("t03").await;
    let commit = stage.push_file("web.yaml", &Deployment::new("web").replicas(1).yaml()).await;
    stage.create("web", replicas_are_theirs()).await;
    stage.synced("web", &commit).await;
    for replicas in [3, 2, 4, 2, 3, 1, 2, 3, 4, 2] {
        apply_as(&stage, "keda", json!({ "replicas": replicas })).await;
        stage.looked_at("web").await;
        is(&stage, "/spec/replicas", json!(replicas)).await.unwrap();
    }
    stage.synced("web", &commit).await;
    assert_eq!(stage.syncs("web").await.len(), 1, "nothing was applied again");
    // A change of something else does not touch it.
    let changed = Deployment::new("web").replicas(1).image("registry.example.com/app:2");
    let commit = stage.push_file("web.yaml", &changed.yaml()).await;
    let synced = stage.synced("web", &commit).await;
    is(&stage, "/spec/replicas", json!(2)).await.unwrap();
    assert_eq!(synced.status.unwrap().drifts, [], "it is no drift");
}

#[tokio::test]
async fn t04_what_we_alone_applied_and_somebody_edited_is_kept() {
    let stage = stage("t04").await;
    let commit = stage.push_file("web.yaml", &Deployment::new("web").replicas(1).yaml()).await;
    stage.create("web", replicas_are_theirs()).await;
    stage.synced("web", &commit).await;
    stage.namespace.kubectl(&["scale", "deployment", "web", "--replicas=3"]);
    stage.looked_at("web").await;
    is(&stage, "/spec/replicas", json!(3)).await.unwrap();
    // It leaves the rendering, and stays.
    let yaml =
        Deployment::new("web").image("registry.example.com/app:2").yaml().replace("  replicas: 1\n", "");
    let commit = stage.push_file("web.yaml", &yaml).await;
    stage.synced("web", &commit).await;
    is(&stage, "/spec/replicas", json!(3)).await.unwrap();
}

#[tokio::test]
async fn a_value_that_only_we_have_stays_when_it_leaves_the_rendering() {
    let stage = stage("sole-owner").await;
    let commit = stage.push_file("web.yaml", &Deployment::new("web").replicas(2).yaml()).await;
    stage.create("web", replicas_are_theirs()).await;
    stage.synced("web", &commit).await;
    let yaml =
        Deployment::new("web").image("registry.example.com/app:2").yaml().replace("  replicas: 1\n", "");
    let commit = stage.push_file("web.yaml", &yaml).await;
    stage.synced("web", &commit).await;
    is(&stage, "/spec/replicas", json!(2)).await.unwrap();
}

#[tokio::test]
async fn an_item_of_a_list_is_found_by_jq() {
    let stage = stage("jq-item").await;
    let commit = stage.push_file("web.yaml", &Deployment::new("web").yaml()).await;
    let rule = r#".spec.template.spec.containers[] | select(.name == "app") | .image"#;
    let ignore = json!([{ "group": "app*", "kind": "Deploy*", "jqPathExpressions": [rule] }]);
    stage.create("web", json!({ "ignoreDifferences": ignore })).await;
    stage.synced("web", &commit).await;
    stage.namespace.kubectl(&["set", "image", "deployment", "web", "app=registry.example.com/app:9"]);
    stage.looked_at("web").await;
    let image = "/spec/template/spec/containers/0/image";
    is(&stage, image, json!("registry.example.com/app:9")).await.unwrap();
    let changed = Deployment::new("web").replicas(2).image("registry.example.com/app:2");
    let commit = stage.push_file("web.yaml", &changed.yaml()).await;
    stage.synced("web", &commit).await;
    is(&stage, "/spec/replicas", json!(2)).await.unwrap();
    is(&stage, image, json!("registry.example.com/app:9")).await.unwrap();
}

#[tokio::test]
async fn a_rule_that_cannot_be_compiled_stalls_with_its_place_until_it_is_mended() {
    let stage = stage("jq-broken").await;
    let commit = stage.push_file("config.yaml", &config_map("config", "one")).await;
    let rule =
        |rule: &str| json!({ "ignoreDifferences": [{ "kind": "ConfigMap", "jqPathExpressions": [rule] }] });
    stage.create("web", rule(".data | nonsense")).await;
    let message = stage.stalls("web", "character 9: there is no filter nonsense").await;
    assert!(message.contains("spec.ignoreDifferences") && message.contains(".data | nonsense"), "{message}");
    let application = stage.get("web").await;
    let conditions = application.status.unwrap().conditions;
    assert_eq!(condition(&conditions, STALLED).unwrap().reason, "InvalidSpec");
    assert_eq!(stage.value("config").await, None, "nothing was applied");
    stage.change("web", rule(".data.other")).await;
    stage.synced("web", &commit).await;
}

#[tokio::test]
async fn a_rule_that_never_ends_is_stopped_and_nobody_else_waits() {
    let stage = stage("jq-endless").await;
    let commit = stage.push_file("config.yaml", &config_map("config", "one")).await;
    let ignore = json!([{ "kind": "ConfigMap", "jqPathExpressions": ["def f: f; f"] }]);
    stage.create("web", json!({ "ignoreDifferences": ignore })).await;
    // Nothing is live yet, so nothing is asked.
    stage.synced("web", &commit).await;
    stage.push_file("config.yaml", &config_map("config", "two")).await;
    let message = stage.stalls("web", "def f: f; f").await;
    assert!(message.contains("limit"), "{message}");
    assert_eq!(stage.value("config").await.as_deref(), Some("one"));
    stage.change("web", json!({ "ignoreDifferences": [] })).await;
    stage.has_value_within("config", "two", LONG).await;
}

#[tokio::test]
async fn a_rule_that_ends_in_an_error_is_named_in_the_sync_without_values() {
    let stage = stage("jq-warns").await;
    let manifest = |key: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: key\nstringData:\n  password: hush-hush\n  {key}: x\n"
        )
    };
    let commit = stage.push_file("key.yaml", &manifest("a")).await;
    let ignore = json!([{ "kind": "Secret", "jqPathExpressions": [".data.password | error"] }]);
    stage.create("web", json!({ "ignoreDifferences": ignore })).await;
    stage.synced("web", &commit).await;
    let commit = stage.push_file("key.yaml", &manifest("b")).await;
    stage.synced("web", &commit).await;
    let warnings = stage.last_sync("web").await.status.unwrap().warnings;
    let told = warnings.iter().find(|it| it.contains(".data.password | error")).expect("it is told");
    assert!(told.contains("ended in an error") && !told.contains("aHVzaC1odXNo"), "{told}");
    let stays = || async { stage.value("nothing").await.map_or(Ok(()), Err) };
    stage.stays("nothing else happens", Duration::from_millis(200), stays).await;
}
