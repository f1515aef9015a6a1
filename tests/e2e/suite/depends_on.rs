//! Applications that wait for each other.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment as LiveDeployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tiphys_api::{Application, Project, Trigger, WaitReason};
use tiphys_tests::{Installation, TestNamespace};

use crate::support::manifests::{Deployment, config_map};
use crate::support::shared::stage;
use crate::support::stage::Stage;
use crate::support::{LONG, is_ready};

/// Commits files to `main` and tells the controller.
async fn push(stage: &Stage<'_>, files: &[(&str, String)]) -> String {
    let commit =
        files.iter().fold(stage.repo.commit("main"), |commit, (path, text)| commit.write(path, text));
    let id = commit.finish();
    stage.tell(&id).await;
    id
}

fn of(path: &str, depends_on: &Value) -> Value {
    json!({ "source": { "path": path }, "dependsOn": depends_on })
}

/// The version in which a Deployment is ready as it is now, as a number that grows.
async fn version_of_deployment(stage: &Stage<'_>, name: &str) -> u64 {
    let live = stage.namespace.api::<LiveDeployment>().get(name).await.unwrap();
    live.resource_version().unwrap().parse().unwrap()
}

async fn version_of_config(stage: &Stage<'_>, name: &str) -> u64 {
    let live = stage.namespace.api::<ConfigMap>().get(name).await.unwrap();
    live.resource_version().unwrap().parse().unwrap()
}

#[tokio::test]
async fn t08_one_commit_that_changes_both_goes_in_order() {
    let stage = stage("in-order").await;
    let db = |image: &str| {
        Deployment::new("db").image(&format!("registry.example.com/db:{image}")).slow("3s").yaml()
    };
    let first = push(&stage, &[("db/db.yaml", db("1")), ("web/web.yaml", config_map("web", "one"))]).await;
    stage.create("web", of("web", &json!([{ "name": "db" }]))).await;
    let said = stage.says("web", "Application db").await;
    assert!(said.contains("does not exist"), "{said}");
    let waits = stage.get("web").await.status.unwrap().waits.unwrap();
    assert_eq!((waits.reason, waits.until), (WaitReason::Dependency, None));
    assert_eq!(stage.value("web").await, None);
    stage.create("db", of("db", &json!([]))).await;
    stage.synced("web", &first).await;
    stage.synced("db", &first).await;
    assert!(version_of_deployment(&stage, "db").await < version_of_config(&stage, "web").await);
    // Both are Ready as what they were when the next commit comes.
    let second = push(&stage, &[("db/db.yaml", db("2")), ("web/web.yaml", config_map("web", "two"))]).await;
    stage.synced("web", &second).await;
    stage.synced("db", &second).await;
    assert!(version_of_deployment(&stage, "db").await < version_of_config(&stage, "web").await);
    let sync = stage.last_sync("web").await;
    assert_eq!(
        sync.spec.initiated_by.trigger,
        Trigger::Webhook,
        "it waited, and is still what the push brought"
    );
    // A commit that is nothing to the other one does not wait for a Sync of it.
    let syncs = stage.syncs("db").await.len();
    push(&stage, &[("web/web.yaml", config_map("web", "three"))]).await;
    stage.has_value_within("web", "three", Duration::from_secs(5)).await;
    assert_eq!(stage.syncs("db").await.len(), syncs);
}

#[tokio::test]
async fn what_depends_on_a_broken_application_waits_until_it_is_mended() {
    let stage = stage("broken-other").await;
    let db = |image: &str| Deployment::new("db").image(image).yaml();
    let good = "registry.example.com/db:1";
    let first = push(&stage, &[("db/db.yaml", db(good)), ("web/web.yaml", config_map("web", "one"))]).await;
    stage.create("db", json!({ "source": { "path": "db" }, "sync": { "timeout": "8s" } })).await;
    stage.create("web", of("web", &json!([{ "name": "db" }]))).await;
    stage.synced("web", &first).await;
    let bad = db("registry.invalid/db:2");
    push(&stage, &[("db/db.yaml", bad), ("web/web.yaml", config_map("web", "two"))]).await;
    stage.says("web", "waits for Application db").await;
    stage.stalls("db", "not healthy in time").await;
    stage.looked_at("web").await;
    assert_eq!(stage.value("web").await.as_deref(), Some("one"));
    // Drift is corrected all the same, and a person need not wait.
    stage.namespace.kubectl(&["patch", "configmap", "web", "-p", r#"{"data":{"value":"drift"}}"#]);
    stage.has_value("web", "one").await;
    stage.request("web", "mine", json!({})).await;
    stage.succeeded("mine").await;
    stage.has_value("web", "two").await;
    let mended =
        push(&stage, &[("db/db.yaml", db(good)), ("web/web.yaml", config_map("web", "three"))]).await;
    stage.synced("web", &mended).await;
    stage.synced("db", &mended).await;
}

#[tokio::test]
async fn t19_a_circle_is_refused_with_its_path() {
    let stage = stage("circle").await;
    let first = push(&stage, &[("a/a.yaml", config_map("a", "x")), ("b/b.yaml", config_map("b", "x"))]).await;
    stage.create("a", of("a", &json!([{ "name": "b" }]))).await;
    stage.create("b", of("b", &json!([{ "name": "c" }]))).await;
    stage.create("c", of("a", &json!([{ "name": "a" }]))).await;
    stage.stalls("a", "a -> b -> c -> a").await;
    stage.stalls("b", "b -> c -> a -> b").await;
    stage.stalls("c", "c -> a -> b -> c").await;
    assert_eq!(stage.value("a").await, None);
    stage.create("itself", of("a", &json!([{ "name": "itself" }]))).await;
    stage.stalls("itself", "itself -> itself").await;
    stage.change("b", json!({ "dependsOn": [] })).await;
    stage.synced("b", &first).await;
    stage.applications().delete("c", &kube::api::DeleteParams::default()).await.unwrap();
    stage.synced("a", &first).await;
}

#[tokio::test]
async fn an_expression_says_when_the_other_one_is_ready() {
    let stage = stage("expression").await;
    let files = [("db/db.yaml", config_map("db", "x")), ("web/web.yaml", config_map("web", "one"))];
    let first = push(&stage, &files).await;
    stage.create("db", of("db", &json!([]))).await;
    stage.synced("db", &first).await;
    let ready = |text: &str| json!([{ "name": "db", "ready": text }]);
    stage.create("web", of("web", &ready("dep.metadata.labels.phase == 'open'"))).await;
    stage.says("web", "`ready`").await;
    assert_eq!(stage.value("web").await, None);
    // It goes on at once when that holds: by an event and not by looking again.
    let patch = Patch::Merge(json!({ "metadata": { "labels": { "phase": "open" } } }));
    stage.applications().patch("db", &PatchParams::default(), &patch).await.unwrap();
    stage.has_value_within("web", "one", Duration::from_secs(3)).await;
    for (text, words) in [
        ("dep.status.", "makes no sense"),
        ("dep.metadata.name", "not true or false"),
        ("[1, 2].map(a, dep.spec)", "not true or false"),
        ("object == dep", "an expression sees `self` and `dep`"),
    ] {
        stage.change("web", json!({ "dependsOn": ready(text) })).await;
        stage.stalls("web", words).await;
    }
    stage
        .change(
            "web",
            json!({ "dependsOn": ready("dep.status.sync == 'Synced' && self.spec.project == 'default'") }),
        )
        .await;
    stage.wait("web", "it is Ready", LONG, |it| is_ready(it).then_some(())).await;
}

#[tokio::test]
async fn an_application_of_another_namespace_may_be_named_when_the_project_says_so() {
    let stage = stage("foreign-dep").await;
    let platform = TestNamespace::create(stage.access, "foreign-dep-of").await;
    let first = push(&stage, &[("web/web.yaml", config_map("web", "one"))]).await;
    let other = json!([{ "name": "dns", "namespace": platform.name(), "ready": "!has(dep.spec) && has(dep.status.sync)" }]);
    stage.create("web", of("web", &other)).await;
    // Whether it exists is nobody's business.
    let said = stage.stalls("web", "spec.dependencies").await;
    assert!(!said.contains("exist"), "{said}");
    let name = stage.ns().to_owned();
    let project = json!({
        "apiVersion": "tiphys.dev/v1alpha1", "kind": "Project", "metadata": { "name": name },
        "spec": { "namespaces": [name], "dependencies": [format!("{}/dns", platform.name())] },
    });
    let projects: Api<Project> = Api::namespaced(stage.client(), Installation::NAMESPACE);
    projects.create(&PostParams::default(), &serde_json::from_value(project).unwrap()).await.unwrap();
    stage.change("web", json!({ "project": name })).await;
    stage.says("web", "does not exist").await;
    // There, it need not even work: what is asked for is that somebody has looked at it.
    let dns =
        stage.spec(json!({ "destination": { "namespace": platform.name() }, "source": { "path": "none" } }));
    let dns = json!({
        "apiVersion": "tiphys.dev/v1alpha1", "kind": "Application", "metadata": { "name": "dns" }, "spec": dns,
    });
    let dns: Application = serde_json::from_value(dns).unwrap();
    Api::namespaced(stage.client(), platform.name()).create(&PostParams::default(), &dns).await.unwrap();
    stage.synced("web", &first).await;
    stage.access.kubectl(["delete", "project", "-n", Installation::NAMESPACE, &name, "--wait=false"]);
}

#[tokio::test]
async fn an_application_with_nothing_to_do_is_not_written_when_the_other_one_is() {
    let stage = stage("quiet-dep").await;
    let files = [("db/db.yaml", config_map("db", "1")), ("web/web.yaml", config_map("web", "one"))];
    let first = push(&stage, &files).await;
    stage.create("web", of("web", &json!([{ "name": "db" }]))).await;
    stage.create("db", of("db", &json!([]))).await;
    stage.synced("web", &first).await;
    let before = stage.get("web").await.resource_version();
    let second = push(&stage, &[("db/db.yaml", config_map("db", "2"))]).await;
    stage.synced("db", &second).await;
    stage
        .stays("the status of the one that waits for it", Duration::from_secs(2), || async {
            let now = stage.get("web").await.resource_version();
            if now == before { Ok(()) } else { Err(format!("{now:?} after {before:?}")) }
        })
        .await;
}
