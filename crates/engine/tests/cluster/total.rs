//! A plan says everything before anything is written.

use serde_json::{Value, json};
use tiphys_engine::Class;
use tiphys_engine::plan::{GuardKind, Prune, Reason};
use tiphys_tests::{Cluster, FaultProxy, TestNamespace, Verb};

use crate::app::{App, data, steps};
use crate::support::{connect, connect_as, definition};

fn gadget(group: &str, ns: &str, spec: &Value) -> Value {
    json!({ "apiVersion": format!("{group}/v1"), "kind": "Gadget",
        "metadata": { "name": "a", "namespace": ns }, "spec": spec })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_is_checked_by_the_schema_that_comes_with_it() {
    let cluster = Cluster::shared();
    let ns = TestNamespace::create(cluster, "total").await;
    let mut app = App::new(&connect(cluster).await, ns.name(), "web");
    let group = "comes.total.example.com";
    let good = [definition(group), gadget(group, ns.name(), &json!({ "size": 1 }))];
    for (spec, field) in [(json!({ "size": 0 }), "spec.size"), (json!({ "weight": 1 }), ".spec.weight")] {
        let mut bad = good.to_vec();
        bad[1]["spec"] = spec;
        let (_, plan) = app.plan(&bad).await;
        assert_eq!(plan.refusals.len(), 1, "{:?}", plan.refusals);
        assert!(plan.refusals[0].message.contains(field), "{:?}", plan.refusals);
    }
    let (_, plan) = app.plan(&good).await;
    assert!(plan.steps[1].by_schema && plan.steps[1].reason == Reason::New, "{:?}", plan.steps[1]);
    app.sync(&good).await;

    // The schema changes in the same plan as an object that needs it.
    let mut changed = good.to_vec();
    changed[0]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["weight"] =
        json!({ "type": "integer", "maximum": 5 });
    changed[1]["spec"] = json!({ "size": 1, "weight": 6 });
    let (_, plan) = app.plan(&changed).await;
    assert!(plan.refusals[0].message.contains("spec.weight"), "{:?}", plan.refusals);
    changed[1]["spec"]["weight"] = 5.into();
    app.sync(&changed).await;
    // And an object that would no longer be accepted.
    changed[0]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["weight"]
        ["maximum"] = 4.into();
    changed[1]["spec"]["colour"] = "red".into();
    let (_, plan) = app.plan(&changed).await;
    assert!(plan.refusals[0].message.contains("spec.weight"), "{:?}", plan.refusals);
    cluster.kubectl(["delete", "crd", &format!("gadgets.{group}"), "--wait=false"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_not_be_deleted_is_said_before_anything_is_written() {
    let cluster = Cluster::shared();
    let ns = TestNamespace::create(cluster, "total").await;
    let mut app = App::new(&connect(cluster).await, ns.name(), "web");
    app.sync(&[data(ns.name(), "a", "1"), data(ns.name(), "b", "1")]).await;
    // Somebody who may do everything with ConfigMaps but delete them.
    let identity = cluster.impersonate("total-no-delete", &[]);
    let role = json!({ "apiVersion": "v1", "kind": "List", "items": [
        { "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": "total-no-delete" },
          "rules": [{ "apiGroups": [""], "resources": ["configmaps"],
                      "verbs": ["get", "list", "watch", "create", "update", "patch"] }] },
        { "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
          "metadata": { "name": "total-no-delete" },
          "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "total-no-delete" },
          "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "total-no-delete" }] } ] });
    cluster.kubectl_with_input(["apply", "-f", "-"], &role.to_string());
    let mut limited = App::new(&connect_as(cluster, &identity).await, ns.name(), "web");
    limited.inventory = app.inventory.clone();
    let (_, plan) = limited.plan(&[data(ns.name(), "a", "2")]).await;
    assert_eq!(steps(&plan), "Change ConfigMap a, Prune ConfigMap b");
    assert_eq!((plan.refusals.len(), plan.refusals[0].class), (1, Class::Forbidden), "{:?}", plan.refusals);
    assert!(plan.refusals[0].message.contains("may not be deleted"), "{:?}", plan.refusals);
    limited.policy.prune = Prune::Disabled;
    let (_, plan) = limited.plan(&[data(ns.name(), "a", "2")]).await;
    assert_eq!(plan.refusals, [], "what stays need not be deleted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_is_stored_or_in_use_is_not_dropped_by_the_way() {
    let cluster = Cluster::shared();
    let ns = TestNamespace::create(cluster, "total").await;
    let proxy = FaultProxy::start(cluster, 1);
    let mut app = App::new(&connect(&proxy).await, ns.name(), "web");
    let group = "drops.total.example.com";
    let mut both = definition(group);
    let mut old = both["spec"]["versions"][0].clone();
    (old["name"], old["storage"]) = ("v1beta1".into(), false.into());
    both["spec"]["versions"].as_array_mut().unwrap().push(old);
    let object = gadget(group, ns.name(), &json!({ "size": 1 }));
    app.sync(&[both.clone(), object.clone()]).await;
    // What is stored, the API server itself holds on to.
    let mut stored = both.clone();
    stored["spec"]["versions"][1]["storage"] = true.into();
    stored["spec"]["versions"].as_array_mut().unwrap().remove(0);
    let (_, plan) = app.plan(std::slice::from_ref(&stored)).await;
    assert!(plan.refusals.iter().any(|it| it.message.contains("storedVersions")), "{:?}", plan.refusals);
    // What is only served asks.
    proxy.forget();
    let fewer = [definition(group), object];
    let (_, plan) = app.plan(&fewer).await;
    let guard = plan.guards.iter().find(|it| it.kind == GuardKind::DroppedVersion).expect("a guard");
    assert_eq!(guard.detail.as_deref(), Some("v1beta1"));
    assert_eq!(proxy.count(|it| it.verb == Verb::Delete), 0);
    assert!(plan.may_run(None).is_err() && plan.may_run([plan.digest.as_str()]).is_ok());
    cluster.kubectl(["delete", "crd", &format!("gadgets.{group}"), "--wait=false"]);
}
