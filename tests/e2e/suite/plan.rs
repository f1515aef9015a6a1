//! Plans that are complete, and plans that are run later.

use k8s_openapi::api::core::v1::{Pod, ResourceQuota};
use kube::api::ListParams;
use serde_json::{Value, json};
use tiphys_api::Phase;
use tiphys_tests::eventually;

use crate::support::manifests::{Deployment, config_map};
use crate::support::shared::stage;
use crate::support::stage::Stage;
use crate::support::{LONG, message, phase};

#[tokio::test]
async fn t24_exactly_the_plan_that_was_seen_runs_or_nothing() {
    let stage = stage("saved").await;
    let first = stage.push_file("a.yaml", &config_map("a", "1")).await;
    stage.create("web", json!({ "sync": { "selfHeal": false } })).await;
    stage.synced("web", &first).await;
    stage.change("web", json!({ "sync": { "auto": false } })).await;
    stage.push_file("a.yaml", &config_map("a", "2")).await;
    let plan = async |name: &str| {
        stage.request("web", name, json!({ "dryRun": true })).await;
        stage.succeeded(name).await.status.unwrap().plan.unwrap().digest.unwrap()
    };
    let seen = plan("seen").await;
    assert_eq!(plan("seen-again").await, seen);
    // A live field that the plan touches is another one now.
    stage.namespace.kubectl(&["patch", "configmap", "a", "-p", r#"{"data":{"value":"edited"}}"#]);
    stage.request("web", "too-late", json!({ "plan": seen })).await;
    let refused = stage.failed("too-late", "is not").await;
    let now = refused.status.unwrap().plan.unwrap().digest.unwrap();
    assert_ne!(now, seen);
    assert_eq!(stage.value("a").await.as_deref(), Some("edited"), "nothing was written");
    // The rendering is another one now.
    stage.push_file("a.yaml", &config_map("a", "3")).await;
    stage.request("web", "another", json!({ "plan": now })).await;
    stage.failed("another", "is not").await;
    assert_eq!(stage.value("a").await.as_deref(), Some("edited"));
    let now = plan("now").await;
    stage.request("web", "in-time", json!({ "plan": now })).await;
    stage.succeeded("in-time").await;
    assert_eq!(stage.value("a").await.as_deref(), Some("3"));
    let both = stage.try_request("web", "both", json!({ "plan": "12345678", "dryRun": true })).await;
    let error = both.unwrap_err().to_string();
    assert!(error.contains("not in a dry run"), "{error}");
}

/// The definition of a kind, and an object of it.
fn gadget(group: &str, size: &str) -> String {
    format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: gadgets.{group}\n\
         spec:\n  group: {group}\n  scope: Namespaced\n  names: {{kind: Gadget, plural: gadgets}}\n  versions:\n  \
         - name: v1\n    served: true\n    storage: true\n    schema:\n      openAPIV3Schema:\n        type: object\n        \
         properties:\n          spec:\n            type: object\n            properties:\n              \
         size: {{type: integer, minimum: 1}}\n            x-kubernetes-validations:\n            \
         - {{rule: \"self.size != 13\", message: 13 brings bad luck}}\n---\n\
         apiVersion: {group}/v1\nkind: Gadget\nmetadata:\n  name: a\nspec:\n  size: {size}\n"
    )
}

#[tokio::test]
async fn t25_a_definition_and_its_objects_are_checked_as_a_whole_before_anything_is_written() {
    let stage = stage("total").await;
    let group = "total.suite.example.com";
    let project = json!({ "apiVersion": "tiphys.dev/v1alpha1", "kind": "Project",
        "metadata": { "name": stage.ns(), "namespace": "tiphys" }, "spec": { "namespaces": [stage.ns()] } });
    stage.access.kubectl_with_input(["apply", "-f", "-"], &project.to_string());
    stage.push(&[("a.yaml", Some(&config_map("a", "1"))), ("g.yaml", Some(&gadget(group, "0")))]).await;
    stage.create("web", json!({ "project": stage.ns() })).await;
    stage.stalls("web", "spec.size in body should be greater than or equal to 1").await;
    assert_eq!(stage.value("a").await, None, "nothing was written");
    stage.push(&[("g.yaml", Some(&gadget(group, "13")))]).await;
    stage.stalls("web", "13 brings bad luck").await;
    stage.push(&[("g.yaml", Some(&format!("{}  colour: red\n", gadget(group, "1"))))]).await;
    stage.stalls("web", ".spec.colour: field not declared in schema").await;
    assert_eq!(stage.value("a").await, None, "nothing was written");
    let good = stage.push(&[("g.yaml", Some(&gadget(group, "1")))]).await;
    stage.synced("web", &good).await;
    let first = stage.last_sync("web").await;
    assert_eq!(phase(&first), Phase::Succeeded, "{}", message(&first));
    stage.access.kubectl(["delete", "crd", &format!("gadgets.{group}"), "--wait=false"]);
    stage.access.kubectl(["delete", "project", stage.ns(), "-n", "tiphys"]);
}

/// A Service that is reached inside the cluster only.
fn service(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\nspec:\n  selector: {{app: {name}}}\n  ports: [{{port: 80}}]\n"
    )
}

/// A claim that asks for so much.
fn claim(name: &str, size: &str) -> String {
    format!(
        "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: {name}\nspec:\n  accessModes: [ReadWriteOnce]\n  \
         storageClassName: none\n  resources: {{requests: {{storage: {size}}}}}\n"
    )
}

/// Sets the quota of the stage's namespace and waits until it is counted.
async fn quota(stage: &Stage<'_>, hard: Value) {
    let quota = json!({ "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "small" },
        "spec": { "hard": hard } });
    stage.namespace.apply(&quota.to_string());
    let quotas = stage.namespace.api::<ResourceQuota>();
    eventually("the quota is counted", LONG, || async {
        let found = quotas.get("small").await.unwrap();
        let wanted = found.spec.and_then(|it| it.hard);
        let status = found.status.unwrap_or_default();
        let counted = status.hard == wanted && status.used.is_some();
        if counted { Ok(()) } else { Err(format!("{status:?}")) }
    })
    .await;
}

#[tokio::test]
async fn t25_objects_that_pass_a_quota_only_together_are_refused_before_anything_is_written() {
    let stage = stage("quota").await;
    quota(&stage, json!({ "services": "1", "requests.storage": "5Gi" })).await;
    let both = format!("{}---\n{}", service("one"), service("two"));
    stage.push(&[("a.yaml", Some(&config_map("a", "1"))), ("services.yaml", Some(&both))]).await;
    stage.create("web", json!({})).await;
    let refused = "the quota small of namespace";
    let message = stage.stalls("web", refused).await;
    assert!(message.contains("services: 0 used, 2 more with this plan (2 objects), 1 allowed"), "{message}");
    assert_eq!(stage.value("a").await, None, "nothing was written");
    let one = stage.push_file("services.yaml", &service("one")).await;
    stage.synced("web", &one).await;
    let claims = format!("{}---\n{}", claim("one", "3Gi"), claim("two", "3Gi"));
    stage.push(&[("a.yaml", Some(&config_map("a", "2"))), ("claims.yaml", Some(&claims))]).await;
    let message = stage.stalls("web", refused).await;
    assert!(message.contains("requests.storage: 0 used, 6Gi more with this plan"), "{message}");
    assert_eq!(stage.value("a").await.as_deref(), Some("1"), "nothing was written");
    // A person who tries again sees the quota of now.
    quota(&stage, json!({ "services": "1", "requests.storage": "6Gi" })).await;
    stage.request("web", "again", json!({ "dryRun": true })).await;
    let plan = stage.succeeded("again").await.status.unwrap().plan.unwrap();
    assert_eq!((plan.create, plan.change), (2, 1));
}

/// A Deployment whose Pods each ask for so much, or do not say.
fn asking(name: &str, replicas: u32, cpu: Option<&str>) -> String {
    let resources = cpu.map(|cpu| format!("          resources: {{requests: {{cpu: {cpu}}}}}\n"));
    Deployment::new(name).replicas(replicas).yaml() + &resources.unwrap_or_default()
}

async fn pods(stage: &Stage<'_>) -> usize {
    stage.namespace.api::<Pod>().list(&ListParams::default()).await.unwrap().items.len()
}

#[tokio::test]
async fn t25_pods_that_do_not_fit_into_a_quota_are_refused_before_anything_is_written() {
    let stage = stage("podquota").await;
    quota(&stage, json!({ "requests.cpu": "1" })).await;
    let one = asking("one", 2, Some("400m"));
    let first = stage.push(&[("a.yaml", Some(&config_map("a", "1"))), ("one.yaml", Some(&one))]).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &first).await;
    assert_eq!(pods(&stage).await, 2);
    let two = asking("two", 1, Some("300m"));
    stage.push(&[("a.yaml", Some(&config_map("a", "2"))), ("two.yaml", Some(&two))]).await;
    let message = stage.stalls("web", "the quota small of namespace").await;
    let expected = "requests.cpu: 800m used, 300m more with this plan (Pods of Deployment two), 1 allowed; raise the quota";
    assert!(message.contains(expected), "{message}");
    assert_eq!(stage.value("a").await.as_deref(), Some("1"), "nothing was written");
    // What the plan makes smaller makes room.
    let smaller = asking("one", 1, Some("400m"));
    let fits = stage.push_file("one.yaml", &smaller).await;
    stage.synced("web", &fits).await;
    eventually("what went is no longer counted", LONG, || async {
        let found = stage.namespace.api::<ResourceQuota>().get("small").await.unwrap();
        let used = found.status.and_then(|it| it.used).unwrap_or_default();
        if used["requests.cpu"].0 == "700m" { Ok(()) } else { Err(format!("{used:?}")) }
    })
    .await;
    // Containers that do not say what the quota demands.
    stage
        .push(&[("a.yaml", Some(&config_map("a", "3"))), ("three.yaml", Some(&asking("three", 1, None)))])
        .await;
    let message = stage.stalls("web", "lets none of its Pods be created").await;
    assert!(message.contains("requests.cpu for app; set it in the template"), "{message}");
    assert_eq!(stage.value("a").await.as_deref(), Some("2"), "nothing was written");
    let limits = json!({ "apiVersion": "v1", "kind": "LimitRange", "metadata": { "name": "usual" },
        "spec": { "limits": [{ "type": "Container", "defaultRequest": { "cpu": "400m" } }] } });
    stage.namespace.apply(&limits.to_string());
    stage.request("web", "too-much", json!({})).await;
    stage
        .failed("too-much", "700m used, 400m more with this plan (Pods of Deployment three), 1 allowed")
        .await;
    // With a larger quota all goes through.
    quota(&stage, json!({ "requests.cpu": "2" })).await;
    stage.request("web", "again", json!({})).await;
    stage.succeeded("again").await;
    assert_eq!((pods(&stage).await, stage.value("a").await.as_deref()), (3, Some("3")));
}
