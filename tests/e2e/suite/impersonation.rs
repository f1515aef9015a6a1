//! Applications that work with the rights of a ServiceAccount and not with those of the controller.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;
use tiphys_api::{Application, Outcome, Phase, SyncState};
use tiphys_tests::{TestNamespace, eventually};

use crate::support::accounts::config_maps;
use crate::support::manifests::{Deployment, config_map};
use crate::support::shared::stage;
use crate::support::stage::Stage;
use crate::support::{LONG, message, phase};

/// Nobody may see what is in an object that his account may not write.
const CANARY: &str = "canary-of-somebody-else";

fn with(manifest: &str, annotation: &str, value: &str) -> String {
    let lines = format!("metadata:\n  annotations:\n    {annotation}: {value:?}\n");
    manifest.replacen("metadata:\n", &lines, 1)
}

fn everything_says_nothing_of(stage: &Stage<'_>, words: &str) {
    let seen = stage.namespace.kubectl(&["get", "applications,syncs,events", "-o", "yaml"]);
    assert!(!seen.contains(words), "{seen}");
}

/// T29.
#[tokio::test]
async fn t29_the_plan_shows_what_the_account_may_not_do_and_nothing_is_written() {
    let stage = stage("forbidden").await;
    stage.account("deployer").await;
    let mine = json!([{ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["create"] },
        { "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["config"], "verbs": ["get", "patch"] }]);
    stage.grant("deployer", mine).await;
    // Something that somebody else keeps under a name that is in the repository.
    let foreign = json!({ "metadata": { "name": "foreign" }, "data": { "value": CANARY } });
    let config_maps = stage.namespace.api::<ConfigMap>();
    config_maps.create(&PostParams::default(), &serde_json::from_value(foreign).unwrap()).await.unwrap();
    stage
        .push(&[
            ("a.yaml", Some(&config_map("config", "1"))),
            ("b.yaml", Some(&config_map("foreign", "mine"))),
            ("web.yaml", Some(&Deployment::new("web").yaml())),
        ])
        .await;
    stage.create("web", json!({ "serviceAccountName": "deployer", "sync": { "auto": false } })).await;
    let told = stage.tiphys(&["diff", "web", "-o", "json"]).await;
    assert_eq!(told.code, Some(2), "{told}");
    let refusals = told.json()["refusals"].as_array().unwrap().clone();
    let refused: Vec<_> = refusals.iter().map(|it| it["id"]["name"].as_str().unwrap()).collect();
    assert_eq!(refused, ["foreign", "web"], "{told}");
    let account = format!("system:serviceaccount:{}:deployer", stage.ns());
    assert!(refusals.iter().all(|it| it["message"].as_str().unwrap().contains(&account)), "{told}");
    assert!(!told.to_string().contains(CANARY), "{told}");
    stage.request("web", "now", json!({})).await;
    let sync = stage.failed("now", "nothing was written").await;
    let failed = sync.status.unwrap().objects;
    assert!(failed.iter().all(|it| it.outcome == Outcome::Failed), "{failed:?}");
    assert_eq!(stage.value("config").await, None);
    everything_says_nothing_of(&stage, CANARY);
    // With the rights, here those of all accounts of the namespace, it goes through.
    stage.grant_to_all(&json!([{ "apiGroups": ["", "apps"], "resources": ["configmaps", "deployments"],
        "verbs": ["get", "create", "patch"] }]));
    eventually("the Sync goes through", LONG, || async {
        let name = stage.request("web", &format!("again-{}", fastrand::u64(..)), json!({})).await;
        let sync = stage.ended(&name).await;
        if phase(&sync) == Phase::Succeeded { Ok(()) } else { Err(message(&sync).to_owned()) }
    })
    .await;
    assert_eq!(stage.value("foreign").await.as_deref(), Some("mine"));
    let live = config_maps.get("config").await.unwrap();
    assert!(live.metadata.managed_fields.unwrap().iter().all(|it| it.manager.as_deref() == Some("tiphys")));
}

#[tokio::test]
async fn pruning_without_the_right_is_refused_before_anything_is_written() {
    let stage = stage("no-prune").await;
    stage.account("deployer").await;
    let rules =
        json!([{ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "patch"] }]);
    stage.grant("deployer", rules).await;
    let first =
        stage.push(&[("a.yaml", Some(&config_map("a", "1"))), ("b.yaml", Some(&config_map("b", "1")))]).await;
    stage.create("web", json!({ "serviceAccountName": "deployer" })).await;
    stage.synced("web", &first).await;
    let second = stage.push(&[("a.yaml", Some(&config_map("a", "2"))), ("b.yaml", None)]).await;
    let message = stage.stalls("web", "cannot delete resource \"configmaps\"").await;
    assert!(message.contains("nothing was written") && message.contains("deployer"), "{message}");
    assert_eq!(stage.value("a").await.as_deref(), Some("1"));
    assert_eq!(stage.value("b").await.as_deref(), Some("1"));
    stage
        .grant(
            "deployer",
            json!([{ "apiGroups": [""], "resources": ["configmaps"],
        "verbs": ["delete", "get", "create", "patch"] }]),
        )
        .await;
    stage.request("web", "again", json!({})).await;
    stage.succeeded("again").await;
    stage.synced("web", &second).await;
    assert_eq!(stage.value("b").await, None);
}

#[tokio::test]
async fn an_account_that_does_not_exist_has_no_rights_whatever_is_bound_to_its_name() {
    let stage = stage("no-account").await;
    stage.grant("deployer", config_maps()).await;
    let first = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({ "serviceAccountName": "deployer" })).await;
    stage.stalls("web", "there is no ServiceAccount deployer").await;
    assert_eq!(stage.value("config").await, None);
    // Nobody has to ask again.
    stage.account("deployer").await;
    stage.synced("web", &first).await;
    // It is deleted, and its role stays bound: neither a commit nor drift gets through.
    stage.delete_account("deployer").await;
    let second = stage.push_file("config.yaml", &config_map("config", "two")).await;
    stage.stalls("web", "there is no ServiceAccount deployer").await;
    assert_eq!(stage.value("config").await.as_deref(), Some("one"));
    stage.account("deployer").await;
    stage.synced("web", &second).await;
    stage.delete_account("deployer").await;
    stage.namespace.kubectl(&["patch", "configmap", "config", "-p", r#"{"data":{"value":"drift"}}"#]);
    stage
        .wait("web", "it says that it drifted", LONG, |application| {
            let status = application.status.as_ref()?;
            let drifted = status.resources.iter().find(|it| it.sync == SyncState::OutOfSync)?;
            drifted.message.as_ref().filter(|it| it.contains("there is no ServiceAccount deployer")).cloned()
        })
        .await;
    assert_eq!(stage.value("config").await.as_deref(), Some("drift"));
}

#[tokio::test]
async fn an_account_that_is_deleted_in_the_middle_ends_the_sync() {
    let stage = stage("lost-account").await;
    stage.account("deployer").await;
    stage
        .grant(
            "deployer",
            json!([{ "apiGroups": ["", "apps"], "resources": ["configmaps", "deployments"],
        "verbs": ["get", "create", "patch", "delete"] }]),
        )
        .await;
    waves(&stage).await;
    stage.create("web", json!({ "serviceAccountName": "deployer" })).await;
    at_first_wave(&stage).await;
    stage.delete_account("deployer").await;
    let sync = stage.failed("web-1", "there is no ServiceAccount deployer").await;
    assert_eq!(stage.value("last").await, None, "{sync:?}");
}

#[tokio::test]
async fn a_right_that_is_lost_in_the_middle_ends_the_sync() {
    let stage = stage("lost-right").await;
    stage.account("deployer").await;
    stage
        .grant(
            "deployer",
            json!([{ "apiGroups": ["apps", ""], "resources": ["deployments", "configmaps"],
        "verbs": ["create", "get", "patch", "delete"] }]),
        )
        .await;
    waves(&stage).await;
    stage.create("web", json!({ "serviceAccountName": "deployer" })).await;
    at_first_wave(&stage).await;
    stage.revoke("deployer", "create", "configmaps").await;
    let sync = stage.failed("web-1", "forbidden").await;
    let objects = sync.status.unwrap().objects;
    let outcome = |name: &str| objects.iter().find(|it| it.name == name).map(|it| it.outcome);
    assert_eq!(outcome("gate"), Some(Outcome::Applied), "{objects:?}");
    assert_ne!(outcome("last"), Some(Outcome::Applied), "{objects:?}");
    assert_eq!(stage.value("last").await, None);
}

/// Two waves, of which the first takes a while.
async fn waves(stage: &Stage<'_>) {
    let gate = with(&Deployment::new("gate").slow("6s").yaml(), "tiphys.dev/sync-wave", "-1");
    let hook = with(&config_map("hook", "x"), "tiphys.dev/hook", "PreSync");
    stage
        .push(&[
            ("gate.yaml", Some(&gate)),
            ("hook.yaml", Some(&hook)),
            ("last.yaml", Some(&config_map("last", "1"))),
        ])
        .await;
}

async fn at_first_wave(stage: &Stage<'_>) {
    stage
        .wait_sync("web-1", "its first wave waits", LONG, |sync| {
            let stage = sync.status.as_ref()?.stage.as_ref()?;
            (stage.wave == -1 && phase(sync) == Phase::Waiting).then_some(())
        })
        .await;
}

#[tokio::test]
async fn a_chart_looks_up_what_the_account_may_read() {
    let stage = stage("lookup-as").await;
    stage.account("deployer").await;
    stage.grant("deployer", config_maps()).await;
    stage.secret("database", &[("password", CANARY)]).await;
    let chart = |data: &str| {
        [
            ("Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n".to_owned()),
            (
                "templates/config.yaml",
                format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: config\ndata:\n  {data}\n"),
            ),
        ]
    };
    let lookup = format!(
        r#"value: {{{{ (lookup "v1" "Secret" {:?} "database").data.password | b64dec | upper | quote }}}}"#,
        stage.ns()
    );
    let files = chart(&lookup);
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, Some(text.as_str()))).collect();
    let commit = stage.push(&files).await;
    stage.create("web", json!({ "serviceAccountName": "deployer" })).await;
    let message = stage.stalls("web", "cannot get resource \"secrets\"").await;
    assert!(message.contains("deployer"), "{message}");
    everything_says_nothing_of(&stage, CANARY);
    stage
        .grant(
            "deployer",
            json!([
                { "apiGroups": [""], "resources": ["secrets"], "verbs": ["get"] },
                { "apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "patch"] },
            ]),
        )
        .await;
    stage.change("web", json!({ "source": { "helm": { "releaseName": "again" } } })).await;
    stage.synced("web", &commit).await;
    assert_eq!(stage.value("config").await, Some(CANARY.to_uppercase()));
}

#[tokio::test]
async fn the_objects_are_deleted_with_the_rights_of_the_account() {
    let stage = stage("deletion-as").await;
    stage.account("deployer").await;
    let rules =
        json!([{ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "patch"] }]);
    stage.grant("deployer", rules).await;
    let first = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({ "serviceAccountName": "deployer", "deletion": "Prune" })).await;
    stage
        .create(
            "api",
            json!({ "serviceAccountName": "deployer", "deletion": "Prune",
        "source": { "path": "api" }, "sync": { "auto": false } }),
        )
        .await;
    stage.synced("web", &first).await;
    stage.applications().delete("web", &DeleteParams::default()).await.unwrap();
    stage.says("web", "cannot delete resource \"configmaps\"").await;
    assert_eq!(stage.value("config").await.as_deref(), Some("one"));
    stage.delete_account("deployer").await;
    stage.says("web", "there is no ServiceAccount deployer").await;
    assert_eq!(stage.value("config").await.as_deref(), Some("one"));
    // Back again with the right it missed.
    stage.account("deployer").await;
    stage
        .grant(
            "deployer",
            json!([{ "apiGroups": [""], "resources": ["configmaps"],
        "verbs": ["delete", "get", "create", "patch"] }]),
        )
        .await;
    gone(&stage, "web").await;
    assert_eq!(stage.value("config").await, None);
    // Whoever has no account any more can let go.
    stage.delete_account("deployer").await;
    stage.applications().delete("api", &DeleteParams::default()).await.unwrap();
    stage.says("api", "spec.deletion: Orphan").await;
    stage.change("api", json!({ "deletion": "Orphan" })).await;
    gone(&stage, "api").await;
}

async fn gone(stage: &Stage<'_>, name: &str) {
    let applications: Api<Application> = stage.applications();
    eventually(&format!("{name} is gone"), LONG, || async {
        applications.get_opt(name).await.unwrap().map_or(Ok(()), |it| Err(crate::support::words(&it)))
    })
    .await;
}

#[tokio::test]
async fn a_namespace_is_deleted_though_the_account_goes_first() {
    let stage = stage("ending").await;
    stage.account("deployer").await;
    stage.grant("deployer", config_maps()).await;
    let first = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({ "serviceAccountName": "deployer", "deletion": "Prune" })).await;
    stage.synced("web", &first).await;
    let namespaces: Api<Namespace> = Api::all(stage.client());
    stage.delete_account("deployer").await;
    namespaces.delete(stage.ns(), &DeleteParams::default()).await.unwrap();
    eventually("the namespace is gone", LONG, || async {
        namespaces.get_opt(stage.ns()).await.unwrap().map_or(Ok(()), |_| Err("still there"))
    })
    .await;
}

#[tokio::test]
async fn accounts_of_other_namespaces_are_out_of_reach() {
    let stage = stage("foreign-account").await;
    let other = TestNamespace::create(stage.access, "account-owner").await;
    other.kubectl(&["create", "serviceaccount", "powerful"]);
    stage.grant("powerful", config_maps()).await;
    stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({ "serviceAccountName": "powerful" })).await;
    stage.stalls("web", &format!("there is no ServiceAccount powerful in namespace {}", stage.ns())).await;
    for name in ["account-owner:powerful", "account-owner/powerful", "system:admin", "a b", ""] {
        let refused = stage.try_create("bad", json!({ "serviceAccountName": name })).await;
        assert!(refused.is_err(), "{name}");
    }
}

#[tokio::test]
async fn drift_that_the_account_may_not_look_at_is_asked_about_again() {
    let stage = stage("drift-as").await;
    stage.account("deployer").await;
    stage.grant("deployer", config_maps()).await;
    let first = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({ "serviceAccountName": "deployer" })).await;
    stage.synced("web", &first).await;
    stage.revoke("deployer", "patch", "configmaps").await;
    stage.namespace.kubectl(&[
        "patch",
        "configmap",
        "config",
        "-p",
        &format!(r#"{{"data":{{"value":{CANARY:?}}}}}"#),
    ]);
    stage
        .wait("web", "it says that it drifted", LONG, |application| {
            let status = application.status.as_ref()?;
            let drifted = status.resources.iter().find(|it| it.sync == SyncState::OutOfSync)?;
            drifted.message.as_ref().filter(|it| it.contains("cannot patch resource")).cloned()
        })
        .await;
    everything_says_nothing_of(&stage, CANARY);
    stage.grant("deployer", config_maps()).await;
    stage.has_value_within("config", "one", Duration::from_mins(2)).await;
}
