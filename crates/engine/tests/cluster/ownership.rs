//! Who owns which field, as the real API server sees it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};
use tiphys_api::IgnoreDifference;
use tiphys_engine::check::{CheckOptions, check};
use tiphys_engine::discovery::Lookup;
use tiphys_engine::look::look;
use tiphys_engine::plan::{Draft, DraftInput, Plan};
use tiphys_engine::requests::Mode;
use tiphys_jq::Jq;
use tiphys_manifest::{GroupVersionKind, ObjectId};
use tiphys_tests::{Cluster, TestNamespace};

use crate::app::{App, data, deployment, manifests, steps};
use crate::support::{connect, soon};

/// Rules of these tests use no jq, so no worker is ever started.
fn jq() -> Jq {
    Jq::new(PathBuf::from("/nonexistent"))
}

fn replicas_are_theirs() -> Vec<IgnoreDifference> {
    vec![IgnoreDifference {
        group: "apps".to_owned(),
        kind: "Deployment".to_owned(),
        json_pointers: vec!["/spec/replicas".to_owned()],
        ..IgnoreDifference::default()
    }]
}

/// Plans with fields that others may own; also says how many objects were asked about.
async fn plan(app: &App, objects: &[Value], rules: &[IgnoreDifference]) -> (Draft, Plan, usize) {
    let manifests = manifests(objects);
    let kinds: Vec<_> = manifests.iter().map(|manifest| manifest.gvk().clone()).collect();
    app.cluster.watch(kinds.iter(), soon(20)).await.unwrap();
    let mut draft = Draft::new(DraftInput {
        owner: &app.owner,
        manifests,
        ensure: Vec::new(),
        ignore: rules,
        live: &|id| app.cluster.live(id),
        inventory: &app.inventory,
        policy: app.policy.clone(),
    });
    look(&app.cluster, &jq(), &mut draft, soon(20)).await.unwrap();
    let options = CheckOptions { concurrency: 8, deadline: soon(20), stand_in: "default".to_owned() };
    let answers: BTreeMap<_, _> = check(&app.cluster, &draft, &options).await;
    let plan = draft.finish(&answers);
    assert_eq!(plan.refusals, []);
    let asked = draft.questions().count();
    (draft, plan, asked)
}

async fn sync(app: &mut App, objects: &[Value], rules: &[IgnoreDifference]) -> String {
    let (draft, plan, _) = plan(app, objects, rules).await;
    assert!(app.run(&draft, &plan).await.succeeded());
    steps(&plan)
}

/// Another manager applies a part of the Deployment `web`.
async fn apply_as(app: &App, manager: &str, ns: &str, spec: Value) {
    let gvk = GroupVersionKind::new("apps", "v1", "Deployment");
    let Lookup::Served(kind) = app.cluster.kinds.resolve(&gvk).await.unwrap() else {
        panic!("no Deployments")
    };
    let part = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": ns},
                      "spec": spec});
    let part = part.as_object().unwrap();
    app.cluster.requests.apply_as(manager, &kind, part, Mode::Write, soon(20)).await.unwrap();
}

/// Waits until the cache has what the server has now.
async fn catch_up(app: &App, ns: &TestNamespace<'_>) -> ObjectId {
    let id: ObjectId = format!("apps/Deployment {}/web", ns.name()).parse().unwrap();
    let replicas: i64 = live_replicas(ns).parse().unwrap();
    let seen = |live: Option<&tiphys_engine::LiveObject>| {
        live.and_then(|live| live.object().ok()).is_some_and(|object| object["spec"]["replicas"] == replicas)
    };
    assert!(app.cluster.live.wait_for(&id, soon(10), seen).await, "{replicas} replicas in the cache");
    id
}

fn live_replicas(ns: &TestNamespace<'_>) -> String {
    ns.kubectl(&["get", "deployment", "web", "-o", "jsonpath={.spec.replicas}"]).trim().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_an_autoscaler_applies_are_neither_written_nor_asked_about() {
    let ns = TestNamespace::create(Cluster::shared(), "owns").await;
    let mut app = App::new(&connect(Cluster::shared()).await, ns.name(), "web");
    let objects = [deployment(ns.name(), "web", "example.com/web:1")];
    let rules = replicas_are_theirs();
    assert_eq!(sync(&mut app, &objects, &rules).await, "Create Deployment web");
    assert_eq!(live_replicas(&ns), "1", "a new object is created as the rendering says");
    apply_as(&app, "keda", ns.name(), json!({"replicas": 3})).await;
    catch_up(&app, &ns).await;
    let (_, drifted, _) = plan(&app, &objects, &rules).await;
    assert_eq!(steps(&drifted), "");
    app.inventory.settle(&drifted.unchanged[0].id, drifted.unchanged[0].live);
    for replicas in [5, 2] {
        apply_as(&app, "keda", ns.name(), json!({"replicas": replicas})).await;
        catch_up(&app, &ns).await;
        let (_, plan, asked) = plan(&app, &objects, &rules).await;
        assert_eq!((steps(&plan).as_str(), asked), ("", 0), "{replicas} replicas");
    }
    let mut changed = objects[0].clone();
    changed["spec"]["minReadySeconds"] = json!(1);
    assert_eq!(sync(&mut app, &[changed], &rules).await, "Change Deployment web");
    assert_eq!(live_replicas(&ns), "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ignored_value_that_only_we_applied_is_kept_as_it_is() {
    let ns = TestNamespace::create(Cluster::shared(), "owns").await;
    let mut app = App::new(&connect(Cluster::shared()).await, ns.name(), "web");
    let mut object = deployment(ns.name(), "web", "example.com/web:1");
    object["spec"]["replicas"] = json!(2);
    sync(&mut app, std::slice::from_ref(&object), &[]).await;
    // From now on nobody says how many: not the rendering, and others may.
    object["spec"].as_object_mut().unwrap().remove("replicas");
    catch_up(&app, &ns).await;
    let (_, kept, _) = plan(&app, std::slice::from_ref(&object), &replicas_are_theirs()).await;
    assert_eq!(steps(&kept), "");
    ns.kubectl(&["scale", "deployment", "web", "--replicas=3"]);
    catch_up(&app, &ns).await;
    let (_, kept, _) = plan(&app, std::slice::from_ref(&object), &replicas_are_theirs()).await;
    assert_eq!(steps(&kept), "");
    object["spec"]["minReadySeconds"] = json!(1);
    assert_eq!(sync(&mut app, &[object], &replicas_are_theirs()).await, "Change Deployment web");
    assert_eq!(live_replicas(&ns), "3");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_of_kubectl_is_adopted_without_its_ignored_fields() {
    let ns = TestNamespace::create(Cluster::shared(), "owns").await;
    let mut app = App::new(&connect(Cluster::shared()).await, ns.name(), "web");
    let mut theirs = deployment(ns.name(), "web", "example.com/web:1");
    theirs["spec"]["replicas"] = json!(4);
    theirs["spec"]["paused"] = json!(true);
    ns.apply(&theirs.to_string());
    let objects = [deployment(ns.name(), "web", "example.com/web:1")];
    assert_eq!(sync(&mut app, &objects, &replicas_are_theirs()).await, "Adopt Deployment web");
    let left = ns.kubectl(&["get", "deployment", "web", "-o", "jsonpath={.spec.replicas} {.spec.paused}"]);
    assert_eq!(left.trim(), "4", "kubectl's other field is gone, the ignored one stays");
    let (_, plan, asked) = plan(&app, &objects, &replicas_are_theirs()).await;
    assert_eq!((steps(&plan).as_str(), asked), ("", 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_string_data_leave_the_secret_when_they_leave_the_rendering() {
    let ns = TestNamespace::create(Cluster::shared(), "owns").await;
    let mut app = App::new(&connect(Cluster::shared()).await, ns.name(), "web");
    let secret = |texts: Value| {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": ns.name()},
               "stringData": texts})
    };
    sync(&mut app, &[secret(json!({"stays": "x", "goes": "y"}))], &[]).await;
    let (_, plan, asked) = plan(&app, &[secret(json!({"stays": "x", "goes": "y"}))], &[]).await;
    assert_eq!((steps(&plan).as_str(), asked), ("", 0));
    assert_eq!(sync(&mut app, &[secret(json!({"stays": "x"}))], &[]).await, "Change Secret a");
    assert_eq!(ns.kubectl(&["get", "secret", "a", "-o", "jsonpath={.data}"]).trim(), r#"{"stays":"eA=="}"#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_foretells_the_hash_of_what_we_will_own() {
    let ns = TestNamespace::create(Cluster::shared(), "owns").await;
    let mut app = App::new(&connect(Cluster::shared()).await, ns.name(), "web");
    let mut service = crate::app::service(ns.name(), "web");
    service["spec"]["type"] = json!("NodePort");
    let objects = [
        data(ns.name(), "a", "1"),
        deployment(ns.name(), "web", "example.com/web:1"),
        service,
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once", "namespace": ns.name()},
               "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "a:1"}]}}}}),
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": ns.name()},
               "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Mi"}}}}),
    ];
    let (draft, plan, _) = plan(&app, &objects, &[]).await;
    let foretold = tiphys_engine::apply::planned_inventory(&plan, &app.inventory);
    assert!(app.run(&draft, &plan).await.succeeded());
    for (id, entry) in foretold.iter() {
        assert!(entry.live.is_some(), "{id}");
        assert_eq!(Some(entry), app.inventory.get(id), "{id}");
    }
}
