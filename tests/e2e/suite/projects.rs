//! The rules of Projects: told before anything is written, and kept when a Project changes in between.

use serde_json::json;
use tiphys_api::{Outcome, Phase, SyncState};
use tiphys_tests::Installation;

use crate::support::accounts::config_maps;
use crate::support::manifests::{Deployment, config_map, secret};
use crate::support::projects::TestProject;
use crate::support::shared::stage;
use crate::support::stage::Stage;
use crate::support::{LONG, phase};

/// What an Application may read that must not be told to others.
const CANARY: &str = "canary-of-the-installation";

#[tokio::test]
async fn kinds_that_are_denied_or_not_allowed_are_refused_before_anything_is_written() {
    let stage = stage("kinds").await;
    let project = TestProject::create(
        &stage,
        json!({
            "namespaces": [stage.ns()],
            "namespacedKinds": [{ "group": "", "kind": "ConfigMap" }, { "group": "", "kind": "Secret" }],
            "deniedKinds": [{ "group": "", "kind": "Secret" }],
        }),
    )
    .await;
    stage
        .push(&[
            ("a.yaml", Some(&config_map("config", "1"))),
            ("secret.yaml", Some(&secret("login", "x"))),
            ("web.yaml", Some(&Deployment::new("web").yaml())),
        ])
        .await;
    stage.create("web", json!({ "project": project.name })).await;
    let message = stage.stalls("web", "nothing was written").await;
    let told = stage.tiphys(&["history", "web", "1"]).await;
    assert!(
        told.stdout.contains("spec.deniedKinds") && told.stdout.contains("spec.namespacedKinds"),
        "{message}: {told}"
    );
    assert_eq!(stage.value("config").await, None);
    // Nobody has to ask again when the Project allows it.
    project.change(json!({ "deniedKinds": [], "namespacedKinds": [{ "kind": "*" }] })).await;
    stage.has_value("config", "1").await;
    stage.says("web", "is live").await;
    // What was allowed once may not even be pruned once it is denied.
    project.change(json!({ "deniedKinds": [{ "group": "apps" }] })).await;
    stage.push(&[("web.yaml", None)]).await;
    stage.stalls("web", "denies apps/Deployment").await;
    stage.namespace.kubectl(&["get", "deployment", "web"]);
    project.change(json!({ "deniedKinds": [], "deniedSources": ["*/deploy"] })).await;
    stage.says("web", "spec.deniedSources").await;
    project.change(json!({ "deniedSources": [] })).await;
    stage.says("web", "is live").await;
}

fn wave(manifest: &str, wave: i32) -> String {
    let lines = format!("metadata:\n  annotations:\n    tiphys.dev/sync-wave: \"{wave}\"\n");
    manifest.replacen("metadata:\n", &lines, 1)
}

async fn waits_in_first_wave(stage: &Stage<'_>) {
    stage
        .wait_sync("web-1", "its first wave waits", LONG, |sync| {
            let stage = sync.status.as_ref()?.stage.as_ref()?;
            (stage.wave == -1 && phase(sync) == Phase::Waiting).then_some(())
        })
        .await;
}

#[tokio::test]
async fn a_project_that_changes_between_two_waves_stops_the_sync() {
    let stage = stage("between").await;
    let project = TestProject::create(&stage, json!({ "namespaces": [stage.ns()] })).await;
    let gate = wave(&Deployment::new("gate").slow("6s").yaml(), -1);
    stage.push(&[("gate.yaml", Some(&gate)), ("last.yaml", Some(&config_map("last", "1")))]).await;
    stage.create("web", json!({ "project": project.name })).await;
    waits_in_first_wave(&stage).await;
    project.change(json!({ "deniedKinds": [{ "group": "", "kind": "ConfigMap" }] })).await;
    let sync = stage.failed("web-1", "nothing more was written").await;
    let objects = sync.status.unwrap().objects;
    let gate = objects.iter().find(|it| it.name == "gate").unwrap();
    assert_eq!(gate.outcome, Outcome::Applied, "{objects:?}");
    assert_eq!(stage.value("last").await, None);
}

#[tokio::test]
async fn drift_is_corrected_by_the_rules_of_now_and_not_of_when_it_was_seen() {
    let stage = stage("heal-rules").await;
    let project = TestProject::create(&stage, json!({ "namespaces": [stage.ns()] })).await;
    let first = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({ "project": project.name, "sync": { "selfHeal": false } })).await;
    stage.synced("web", &first).await;
    stage.namespace.kubectl(&["patch", "configmap", "config", "-p", r#"{"data":{"value":"drift"}}"#]);
    // From here on the plan that puts it right is in memory.
    stage
        .wait("web", "its drift is seen", LONG, |application| {
            (application.status.as_ref()?.sync == Some(SyncState::OutOfSync)).then_some(())
        })
        .await;
    project.change(json!({ "deniedKinds": [{ "group": "", "kind": "ConfigMap" }] })).await;
    stage.looked_at("web").await;
    stage.change("web", json!({ "sync": { "selfHeal": true } })).await;
    let sync = stage.failed("web-2", "spec.deniedKinds").await;
    assert_eq!(sync.spec.initiated_by.trigger, tiphys_api::Trigger::SelfHeal);
    assert_eq!(stage.value("config").await.as_deref(), Some("drift"));
}

#[tokio::test]
async fn a_rollback_goes_by_the_rules_of_now() {
    let stage = stage("back-rules").await;
    let project = TestProject::create(&stage, json!({ "namespaces": [stage.ns()] })).await;
    let first = stage.push_file("secret.yaml", &secret("login", "x")).await;
    stage.create("web", json!({ "project": project.name })).await;
    stage.synced("web", &first).await;
    let second =
        stage.push(&[("secret.yaml", None), ("config.yaml", Some(&config_map("config", "two")))]).await;
    stage.synced("web", &second).await;
    project.change(json!({ "deniedKinds": [{ "group": "", "kind": "Secret" }] })).await;
    stage.looked_at("web").await;
    stage.request("web", "back", json!({ "rollbackTo": "web-1" })).await;
    stage.failed("back", "spec.deniedKinds").await;
    assert_eq!(stage.value("config").await.as_deref(), Some("two"));
    let (found, _) = stage.access.try_kubectl(
        &stage.access.admin_identity(),
        ["get", "secret", "login", "-n", stage.ns()],
        "",
    );
    assert!(!found);
}

#[tokio::test]
async fn a_project_says_with_whose_rights_its_applications_work() {
    let stage = stage("accounts").await;
    let project = TestProject::create(
        &stage,
        json!({ "namespaces": [stage.ns()], "requireServiceAccount": true, "serviceAccounts": ["team-*"] }),
    )
    .await;
    let first = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({ "project": project.name })).await;
    stage.stalls("web", "name one of your namespace in spec.serviceAccountName").await;
    for name in ["deployer", "team-deployer"] {
        stage.account(name).await;
        stage.grant(name, config_maps()).await;
    }
    stage.change("web", json!({ "serviceAccountName": "deployer" })).await;
    stage.stalls("web", "does not allow ServiceAccount deployer").await;
    assert_eq!(stage.value("config").await, None);
    stage.change("web", json!({ "serviceAccountName": null })).await;
    project.change(json!({ "defaultServiceAccountName": "team-deployer" })).await;
    stage.synced("web", &first).await;
    // It is the account's rights that count.
    stage.push_file("web.yaml", &Deployment::new("web").yaml()).await;
    stage.stalls("web", "deployments.apps").await;
}

#[tokio::test]
async fn an_application_that_may_not_deploy_may_not_look_around() {
    let stage = stage("look-around").await;
    let name = format!("canary-{}", stage.ns());
    let canary = json!({ "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": name, "namespace": Installation::NAMESPACE }, "data": { "value": CANARY } });
    stage.access.kubectl_with_input(["apply", "-f", "-"], &canary.to_string());
    let template = format!(
        "{{{{ fail (lookup \"v1\" \"ConfigMap\" {:?} {name:?}).data.value }}}}\n",
        Installation::NAMESPACE
    );
    stage
        .push(&[
            ("Chart.yaml", Some("apiVersion: v2\nname: web\nversion: 1.0.0\n")),
            ("templates/config.yaml", Some(&template)),
        ])
        .await;
    // A Project that does not exist gives no rights, and neither does one of others.
    let project = TestProject::create(&stage, json!({ "namespaces": ["somebody-else"] })).await;
    for (application, project) in [("unknown", "of-nobody"), ("foreign", &project.name), ("own", "default")] {
        stage.create(application, json!({ "project": project })).await;
        let message = stage.stalls(application, "lookup of").await;
        assert!(!message.contains(CANARY), "{message}");
    }
    stage.access.kubectl(["delete", "configmap", "-n", Installation::NAMESPACE, &name]);
}

#[tokio::test]
async fn a_local_plan_is_checked_against_the_project_too() {
    let stage = stage("local-rules").await;
    let project = TestProject::create(&stage, json!({ "namespaces": [stage.ns()] })).await;
    let first = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({ "project": project.name })).await;
    stage.synced("web", &first).await;
    let folder = tempfile::tempdir().unwrap();
    let app = folder.path().join("app");
    std::fs::create_dir_all(&app).unwrap();
    std::fs::write(app.join("config.yaml"), config_map("config", "one")).unwrap();
    let local = folder.path().to_str().unwrap();
    let told = stage.tiphys(&["diff", "web", "--local", local]).await;
    assert_eq!(told.code, Some(0), "what is live carries our own mark: {told}");
    std::fs::write(app.join("secret.yaml"), secret("login", "x")).unwrap();
    project.change(json!({ "deniedKinds": [{ "group": "", "kind": "Secret" }] })).await;
    let told = stage.tiphys(&["diff", "web", "--local", local]).await;
    assert_eq!(told.code, Some(2), "{told}");
    assert!(told.stdout.contains("spec.deniedKinds"), "{told}");
    // Who may not read the Project is told that nobody checked.
    let user = format!("reader-of-{}", stage.ns());
    stage.namespace.kubectl(&[
        "create",
        "rolebinding",
        "reader",
        "--clusterrole=admin",
        &format!("--user={user}"),
    ]);
    let reader = stage.access.impersonate(&user, &[]);
    let told = stage.tiphys_as(&reader, &["diff", "web", "--local", local]).await;
    assert!(told.stderr.contains("you may not read Project"), "{told}");
    assert!(!told.stdout.contains("spec.deniedKinds"), "{told}");
}
