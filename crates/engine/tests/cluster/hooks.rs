//! Hooks on a real API server.

use serde_json::{Value, json};
use tiphys_api::{HOOK_ANNOTATION, HOOK_DELETE_POLICY_ANNOTATION, HOOK_RUN_ANNOTATION};
use tiphys_engine::hooks::{Run, name_all};
use tiphys_engine::order::Occasion;
use tiphys_tests::{Cluster, TestNamespace};

use crate::app::{App, data, manifests, steps};
use crate::support::connect;

fn run(id: &str) -> Run {
    Run { occasion: Occasion::Upgrade, id: id.to_owned() }
}

fn hook(ns: &str, name: &str, value: &str, policy: &str) -> Value {
    let mut object = data(ns, name, value);
    object["metadata"]["annotations"] =
        json!({ HOOK_ANNOTATION: "PreSync", HOOK_DELETE_POLICY_ANNOTATION: policy });
    object
}

fn uid(ns: &TestNamespace<'_>, name: &str) -> String {
    ns.kubectl(&["get", "cm", name, "-o", "jsonpath={.metadata.uid}"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_is_created_once_in_each_run() {
    let ns = TestNamespace::create(Cluster::shared(), "hooks").await;
    let mut app = App::new(&connect(Cluster::shared()).await, ns.name(), "web");
    let objects = [
        hook(ns.name(), "before", "1", "BeforeHookCreation"),
        hook(ns.name(), "reused", "1", "HookFailed"),
        data(ns.name(), "config", "1"),
    ];
    app.policy.hooks = Some(run("one"));
    let plan = app.sync(&objects).await;
    assert_eq!(steps(&plan), "Hook ConfigMap before, Hook ConfigMap reused, Create ConfigMap config");
    assert_eq!(app.inventory.len(), 1, "hooks are not in it");
    let (before, reused) = (uid(&ns, "before"), uid(&ns, "reused"));
    let mark = format!("jsonpath={{.metadata.annotations.{}}}", HOOK_RUN_ANNOTATION.replace('.', "\\."));
    assert_eq!(ns.kubectl(&["get", "cm", "before", "-o", &mark]), "one.PreSync");

    let plan = app.sync(&objects).await;
    assert_eq!(steps(&plan), "Hook ConfigMap before, Hook ConfigMap reused");
    assert_eq!(uid(&ns, "before"), before, "the same run does not run it again");

    app.policy.hooks = Some(run("two"));
    app.sync(&objects).await;
    assert_ne!(uid(&ns, "before"), before, "another run deletes it first");
    assert_eq!(uid(&ns, "reused"), reused, "which its policy must allow");
    assert_eq!(ns.kubectl(&["get", "cm", "reused", "-o", &mark]), "two.PreSync");

    app.policy.hooks = None;
    let plan = app.sync(&objects[2..]).await;
    assert_eq!(steps(&plan), "", "what left the rendering as a hook is not pruned");
    app.delete_all(30).await;
    assert_eq!(
        ns.kubectl(&["get", "cm", "before", "reused", "--no-headers", "-o", "name"]).lines().count(),
        2
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_without_a_name_has_one_for_each_run() {
    let ns = TestNamespace::create(Cluster::shared(), "hooks").await;
    let mut app = App::new(&connect(Cluster::shared()).await, ns.name(), "web");
    let mut unnamed = hook(ns.name(), "x", "1", "HookSucceeded");
    unnamed["metadata"]["name"] = Value::Null;
    unnamed["metadata"]["generateName"] = "migrate-".into();
    for id in ["one", "one", "two"] {
        app.policy.hooks = Some(run(id));
        let named = name_all(manifests(std::slice::from_ref(&unnamed)), id);
        // Names are given anew, as when a snapshot is applied again.
        let named = name_all(name_all(named, "another"), id);
        let objects: Vec<_> = named.into_iter().map(|it| Value::Object(it.into_object())).collect();
        app.sync(&objects).await;
    }
    let names = ns.kubectl(&["get", "cm", "-o", "name"]);
    assert_eq!(names.lines().filter(|it| it.contains("migrate-")).count(), 2, "{names}");
}
