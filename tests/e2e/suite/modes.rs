//! How single objects are applied: `docs/modes.md` on a real API server.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment as LiveDeployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;
use tiphys_api::APPLICATION_LABEL;
use tiphys_tests::eventually;

use crate::support::manifests::{Deployment, config_map};
use crate::support::shared::stage;
use crate::support::stage::Stage;

/// A ConfigMap with this annotation and this data.
fn annotated(name: &str, annotation: &str, data: &[(&str, &str)]) -> String {
    let data: Vec<_> = data.iter().map(|(key, value)| format!("  {key}: {value:?}\n")).collect();
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  annotations:\n    {annotation}\ndata:\n{}",
        data.join("")
    )
}

fn in_mode(name: &str, mode: &str, data: &[(&str, &str)]) -> String {
    annotated(name, &format!("tiphys.dev/mode: {mode}"), data)
}

async fn read(stage: &Stage<'_>, name: &str) -> ConfigMap {
    stage.namespace.api::<ConfigMap>().get(name).await.unwrap()
}

async fn data(stage: &Stage<'_>, name: &str) -> BTreeMap<String, String> {
    read(stage, name).await.data.unwrap_or_default()
}

fn map(data: &[(&str, &str)]) -> BTreeMap<String, String> {
    data.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Sets a value as a manager of this name.
async fn edit(stage: &Stage<'_>, name: &str, (key, value): (&str, &str), manager: &str) {
    let params = PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
    let patch = Patch::Merge(json!({ "data": { key: value } }));
    stage.namespace.api::<ConfigMap>().patch(name, &params, &patch).await.unwrap();
}

fn is_ours(object: &ConfigMap) -> bool {
    object.metadata.labels.as_ref().is_some_and(|it| it.contains_key(APPLICATION_LABEL))
}

#[tokio::test]
async fn merge_adds_to_what_others_have_and_takes_nothing() {
    let stage = stage("mode-merge").await;
    stage.namespace.apply(&config_map("config", "theirs"));
    let ours = |extra: &str| in_mode("config", "Merge", &[("value", "ours"), ("extra", extra)]);
    let commit = stage.push_file("config.yaml", &ours("1")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    assert_eq!(data(&stage, "config").await, map(&[("value", "theirs"), ("extra", "1")]));
    assert!(is_ours(&read(&stage, "config").await));
    // What somebody takes from us is theirs then.
    edit(&stage, "config", ("extra", "taken"), "another").await;
    stage.looked_at("web").await;
    assert_eq!(data(&stage, "config").await, map(&[("value", "theirs"), ("extra", "taken")]));
    let commit = stage.push_file("config.yaml", &ours("2")).await;
    stage.synced("web", &commit).await;
    assert_eq!(data(&stage, "config").await, map(&[("value", "theirs"), ("extra", "taken")]));
}

#[tokio::test]
async fn if_not_present_creates_and_then_leaves_alone() {
    let stage = stage("mode-create").await;
    stage.namespace.apply(&config_map("theirs", "theirs"));
    let ours = |value: &str| {
        let object = |name: &str| in_mode(name, "IfNotPresent", &[("value", value)]);
        format!("{}---\n{}", object("theirs"), object("new"))
    };
    let commit = stage.push_file("both.yaml", &ours("one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    assert_eq!(data(&stage, "theirs").await, map(&[("value", "theirs")]));
    assert!(!is_ours(&read(&stage, "theirs").await), "what others created stays theirs");
    assert_eq!(data(&stage, "new").await, map(&[("value", "one")]));
    edit(&stage, "new", ("value", "edited"), "somebody").await;
    stage.looked_at("web").await;
    let commit = stage.push_file("both.yaml", &ours("two")).await;
    let synced = stage.synced("web", &commit).await;
    assert_eq!(data(&stage, "new").await, map(&[("value", "edited")]));
    assert_eq!(synced.status.unwrap().drifts, []);
    stage.namespace.api::<ConfigMap>().delete("new", &DeleteParams::default()).await.unwrap();
    stage.has_value("new", "two").await;
    stage.synced("web", &commit).await;
    let commit = stage.push(&[("both.yaml", None), ("other.yaml", Some(&config_map("other", "x")))]).await;
    stage.synced("web", &commit).await;
    assert_eq!(stage.value("new").await, None, "what we created is pruned");
    assert_eq!(stage.value("theirs").await.as_deref(), Some("theirs"));
}

#[tokio::test]
async fn ignore_lets_go_of_an_object_without_touching_it() {
    let stage = stage("mode-ignore").await;
    let both = |config: &str| format!("{config}---\n{}", config_map("other", "x"));
    let commit = stage.push_file("all.yaml", &both(&config_map("config", "one"))).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    let before = read(&stage, "config").await.metadata.resource_version;
    let commit = stage.push_file("all.yaml", &both(&in_mode("config", "Ignore", &[("value", "two")]))).await;
    let synced = stage.synced("web", &commit).await;
    assert_eq!(read(&stage, "config").await.metadata.resource_version, before, "it was not touched");
    let status = synced.status.unwrap();
    assert!(
        status.resources.iter().all(|it| it.name != "config"),
        "it is not tracked: {:?}",
        status.resources
    );
    let commit = stage.push_file("all.yaml", &config_map("other", "y")).await;
    stage.synced("web", &commit).await;
    assert_eq!(stage.value("config").await.as_deref(), Some("one"), "nor is it pruned");
}

#[tokio::test]
async fn replace_replaces_the_whole_object() {
    let stage = stage("mode-replace").await;
    let ours = |value: &str| {
        annotated("config", "argocd.argoproj.io/sync-options: Replace=true", &[("value", value)])
    };
    let commit = stage.push_file("config.yaml", &ours("one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    edit(&stage, "config", ("theirs", "x"), "another").await;
    eventually("what somebody added is gone", Duration::from_secs(20), || async {
        let found = data(&stage, "config").await;
        if found == map(&[("value", "one")]) { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
    let synced = stage.synced("web", &commit).await;
    let syncs = stage.syncs("web").await.len();
    assert_eq!(syncs, 2, "{:?}", synced.status.map(|it| it.drifts));
    stage.namespace.kubectl(&["annotate", "configmap", "config", "theirs=stays"]);
    let commit = stage.push_file("config.yaml", &ours("two")).await;
    stage.synced("web", &commit).await;
    let live = read(&stage, "config").await;
    assert_eq!(live.data, Some(map(&[("value", "two")])));
    assert_eq!(
        live.metadata.annotations.unwrap()["theirs"],
        "stays",
        "annotations of others are not about the object"
    );
}

#[tokio::test]
async fn a_workload_that_is_replaced_settles() {
    let stage = stage("mode-replace-web").await;
    let ours = |image: &str| {
        let yaml = Deployment::new("web").image(image).yaml();
        yaml.replace("  name: web\nspec:", "  name: web\n  annotations:\n    tiphys.dev/mode: Replace\nspec:")
    };
    let commit = stage.push_file("web.yaml", &ours("registry.example.com/app:1")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    let commit = stage.push_file("web.yaml", &ours("registry.example.com/app:2")).await;
    stage.synced("web", &commit).await;
    stage.looked_at("web").await;
    let synced = stage.synced("web", &commit).await;
    let drifts = synced.status.unwrap().drifts;
    assert_eq!(
        stage.syncs("web").await.len(),
        2,
        "its controller writes to it, and that is no drift: {drifts:?}"
    );
    let live = stage.namespace.api::<LiveDeployment>().get("web").await.unwrap();
    let annotations = live.metadata.annotations.unwrap();
    assert!(annotations.contains_key("deployment.kubernetes.io/revision"), "{annotations:?}");
}

#[tokio::test]
async fn force_recreates_only_what_cannot_be_changed() {
    let stage = stage("mode-force").await;
    let ours = |mode: &str, value: &str, extra: &str| {
        format!("{}immutable: true\n", in_mode("config", mode, &[("value", value), ("extra", extra)]))
    };
    let commit = stage.push_file("config.yaml", &ours("Force", "one", "x")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    let first = read(&stage, "config").await.metadata.uid;
    let commit = stage.push_file("config.yaml", &ours("Force", "two", "x")).await;
    stage.synced("web", &commit).await;
    let second = read(&stage, "config").await;
    assert_eq!(second.data, Some(map(&[("value", "two"), ("extra", "x")])));
    assert_ne!(second.metadata.uid, first);
    // Something that is wrong for another reason deletes nothing.
    let wrong = ours("Force", "three", "x").replace("kind: ConfigMap", "kind: ConfigMap\nunheard: of");
    stage.push_file("config.yaml", &wrong).await;
    stage.stalls("web", "unheard").await;
    assert_eq!(read(&stage, "config").await.metadata.uid, second.metadata.uid);
}

#[tokio::test]
async fn a_mode_that_nobody_knows_is_refused_with_its_place() {
    let stage = stage("mode-wrong").await;
    stage.push_file("config.yaml", &in_mode("config", "Replaced", &[("value", "one")])).await;
    stage.create("web", json!({})).await;
    let message = stage.stalls("web", "tiphys.dev/mode").await;
    assert!(message.contains("config.yaml:1") && message.contains("IfNotPresent"), "{message}");
    assert_eq!(stage.value("config").await, None);
}

/// Who owns fields of an object, and by which operation.
async fn owners(stage: &Stage<'_>, name: &str) -> Vec<(String, String)> {
    let entries = read(stage, name).await.metadata.managed_fields.unwrap_or_default();
    let mut owners: Vec<_> = entries
        .into_iter()
        .map(|it| (it.manager.unwrap_or_default(), it.operation.unwrap_or_default()))
        .collect();
    owners.sort();
    owners
}

#[tokio::test]
async fn a_sync_may_replace_for_once_and_the_next_one_applies_as_ever() {
    let stage = stage("replace-once").await;
    let ours = |data: &[(&str, &str)]| annotated("config", "ours: stays", data);
    stage.push_file("config.yaml", &ours(&[("value", "one"), ("extra", "x")])).await;
    stage.create("web", json!({ "sync": { "auto": false, "selfHeal": false } })).await;
    stage.request("web", "first", json!({})).await;
    stage.succeeded("first").await;
    edit(&stage, "config", ("theirs", "x"), "another").await;
    edit(&stage, "config", ("extra", "taken"), "another").await;
    // An ordinary Sync takes back what is ours and leaves what others added.
    stage.request("web", "ordinary", json!({})).await;
    stage.succeeded("ordinary").await;
    let with_theirs = map(&[("value", "one"), ("extra", "x"), ("theirs", "x")]);
    assert_eq!(data(&stage, "config").await, with_theirs);
    let told = stage.tiphys(&["sync", "web", "--replace", "--dry-run"]).await;
    assert_eq!(told.code, Some(0), "{told}");
    assert!(told.stdout.contains("replaced as a whole; data.theirs"), "{told}");
    assert_eq!(data(&stage, "config").await, with_theirs, "a plan changes nothing");
    // With a change of ours in the same Sync, which the replacement writes.
    stage.push_file("config.yaml", &ours(&[("value", "two"), ("extra", "x")])).await;
    let told = stage.tiphys(&["sync", "web", "--resource", "ConfigMap/config", "--replace"]).await;
    assert_eq!(told.code, Some(0), "{told}");
    assert_eq!(data(&stage, "config").await, map(&[("value", "two"), ("extra", "x")]));
    assert_eq!(owners(&stage, "config").await, [("tiphys".to_owned(), "Apply".to_owned())]);
    // It was for that once: what others add stays again, and nothing is left to do.
    edit(&stage, "config", ("theirs", "y"), "another").await;
    stage.request("web", "as-ever", json!({})).await;
    let plan = stage.succeeded("as-ever").await.status.unwrap().plan.unwrap();
    assert_eq!((plan.change, plan.unchanged), (0, 1));
    assert_eq!(data(&stage, "config").await["theirs"], "y");
    // What was replaced is ours as what is applied: it leaves the object with the rendering.
    stage.push_file("config.yaml", &ours(&[("extra", "x")])).await;
    stage.request("web", "less", json!({})).await;
    stage.succeeded("less").await;
    assert_eq!(data(&stage, "config").await, map(&[("extra", "x"), ("theirs", "y")]));
}

#[tokio::test]
async fn a_sync_that_replaces_is_refused_where_a_field_cannot_be_changed() {
    let stage = stage("replace-immutable").await;
    let ours = |value: &str| format!("{}immutable: true\n", config_map("config", value));
    let both = |value: &str| format!("{}---\n{}", ours(value), config_map("other", value));
    let commit = stage.push_file("all.yaml", &both("one")).await;
    stage.create("web", json!({ "sync": { "auto": false } })).await;
    stage.request("web", "first", json!({})).await;
    stage.succeeded("first").await;
    stage.synced("web", &commit).await;
    let uid = read(&stage, "config").await.metadata.uid;
    stage.push_file("all.yaml", &both("two")).await;
    stage.request("web", "replace", json!({ "replace": true })).await;
    stage.failed("replace", "immutable").await;
    assert_eq!(stage.value("other").await.as_deref(), Some("one"), "nothing was written");
    stage.request("web", "both", json!({ "replace": true, "recreate": true })).await;
    stage.succeeded("both").await;
    assert_eq!(stage.value("config").await.as_deref(), Some("two"));
    assert_ne!(read(&stage, "config").await.metadata.uid, uid);
}
