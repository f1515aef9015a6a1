//! Check and apply, as a Sync uses them.

use std::time::Duration;

use kube::api::{Api, DynamicObject, ListParams};
use kube::core::ApiResource;
use serde_json::{Value, json};
use tiphys_api::Action;
use tiphys_engine::Class;
use tiphys_engine::plan::{Reason, Recreate};
use tiphys_engine::requests::Mode;
use tiphys_manifest::ObjectId;
use tiphys_tests::{Cluster, Fault, FaultProxy, Rule, TestNamespace, Verb, eventually};

use crate::app::{App, data, deployment, results, service, steps};
use crate::support::{config_map, config_map_id, config_maps, connect, connect_as, definition, soon, watch};

/// Every request about an object of this namespace.
fn about(proxy: &FaultProxy, ns: &str) -> Vec<String> {
    let requests = proxy.requests().into_iter();
    requests
        .filter(|request| request.namespace == ns && request.verb != Verb::Watch)
        .map(|request| {
            let dry = if request.dry_run { "dry-run " } else { "" };
            format!("{dry}{:?} {} {}", request.verb, request.resource_name(), request.name)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_n_objects_costs_2n_requests_and_no_change_costs_none() {
    let ns = TestNamespace::create(Cluster::shared(), "sync").await;
    let proxy = FaultProxy::start(Cluster::shared(), 1);
    let mut app = App::new(&connect(&proxy).await, ns.name(), "web");
    let mut objects = vec![
        data(ns.name(), "a", "1"),
        data(ns.name(), "b", "1"),
        service(ns.name(), "web"),
        deployment(ns.name(), "web", "example.com/web:1"),
    ];
    let plan = app.sync(&objects).await;
    assert_eq!(
        steps(&plan),
        "Create ConfigMap a, Create ConfigMap b, Create Service web, Create Deployment web"
    );
    let asked = about(&proxy, ns.name());
    assert_eq!(asked.len(), 8, "{asked:#?}");

    proxy.forget();
    let plan = app.sync(&objects).await;
    assert_eq!((steps(&plan).as_str(), plan.unchanged.len()), ("", 4));
    assert_eq!(about(&proxy, ns.name()), [""; 0]);

    objects[0] = data(ns.name(), "a", "2");
    objects.remove(1);
    let plan = app.sync(&objects).await;
    assert_eq!(steps(&plan), "Change ConfigMap a, Prune ConfigMap b");
    assert_eq!(
        about(&proxy, ns.name()),
        [
            "dry-run Apply configmaps a",
            "dry-run Delete configmaps b",
            "Apply configmaps a",
            "Delete configmaps b"
        ]
    );
    assert_eq!(app.inventory.len(), 3);
    assert_eq!(ns.kubectl(&["get", "cm", "a", "-o", "jsonpath={.data.key}"]), "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_changes_nothing() {
    let ns = TestNamespace::create(Cluster::shared(), "sync").await;
    ns.apply(&data(ns.name(), "mine", "1").to_string());
    let mut app = App::new(&connect(Cluster::shared()).await, ns.name(), "web");
    app.sync(&[data(ns.name(), "a", "1"), deployment(ns.name(), "web", "example.com/web:1")]).await;
    let all = || ns.kubectl(&["get", "cm,deployment", "-o", "yaml", "--show-managed-fields"]);
    eventually("the rollout is over", Duration::from_secs(20), || async {
        let before = all();
        tokio::time::sleep(Duration::from_millis(500)).await;
        if all() == before { Ok(()) } else { Err("still changing") }
    })
    .await;
    let before = all();
    let changed = [
        data(ns.name(), "a", "2"),
        data(ns.name(), "mine", "2"),
        data(ns.name(), "new", "1"),
        deployment(ns.name(), "web", "example.com/web:2"),
    ];
    let (_, plan) = app.plan(&changed).await;
    assert_eq!(
        steps(&plan),
        "Change ConfigMap a, Adopt ConfigMap mine, Create ConfigMap new, Change Deployment web"
    );
    assert_eq!(all(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_and_what_is_in_it_come_in_one_go() {
    let cluster = Cluster::shared();
    let mut app = App::new(&connect(cluster).await, "tiphys", "fresh");
    let fresh = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "sync-fresh"}});
    let objects =
        [fresh.clone(), data("sync-fresh", "a", "1"), deployment("sync-fresh", "web", "example.com/web:1")];
    let mut bad = objects.to_vec();
    bad[2]["spec"]["replicas"] = json!(-1);
    let (_, plan) = app.plan(&bad).await;
    assert_eq!(plan.refusals.len(), 1, "{:?}", plan.refusals);
    assert!(plan.refusals[0].message.contains("spec.replicas"), "{:?}", plan.refusals);

    let plan = app.sync(&objects).await;
    assert_eq!(steps(&plan), "Create Namespace sync-fresh, Create ConfigMap a, Create Deployment web");
    let plan = app.sync(&objects).await;
    assert_eq!(steps(&plan), "");
    let deletion = app.delete_all(60).await;
    assert!(deletion.is_complete(), "{deletion:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_that_only_has_to_exist_is_created_once_and_never_asked_about_again() {
    let cluster = Cluster::shared();
    let proxy = FaultProxy::start(cluster, 1);
    let mut app = App::new(&connect(&proxy).await, "tiphys", "ensure");
    app.ensure = vec![json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "sync-ensure"}})];
    let objects = [data("sync-ensure", "a", "1")];
    let plan = app.sync(&objects).await;
    assert_eq!(steps(&plan), "Create Namespace sync-ensure, Create ConfigMap a");
    proxy.forget();
    app.sync(&objects).await;
    let asked = proxy.count(|request| request.verb == Verb::Apply);
    assert_eq!(asked, 0, "{:?}", proxy.counts());
    assert!(app.delete_all(30).await.is_complete());
    cluster.kubectl(["get", "namespace", "sync-ensure"]);
    cluster.kubectl(["delete", "namespace", "sync-ensure", "--wait=false"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_definition_and_its_objects_come_in_one_go_and_so_does_a_new_field() {
    let cluster = Cluster::shared();
    let ns = TestNamespace::create(cluster, "sync").await;
    let mut app = App::new(&connect(cluster).await, ns.name(), "gadgets");
    let gadget = |spec: Value| {
        json!({
            "apiVersion": "sync.example.com/v1", "kind": "Gadget",
            "metadata": {"name": "a", "namespace": ns.name()}, "spec": spec,
        })
    };
    let mut schema = definition("sync.example.com");
    let plan = app.sync(&[schema.clone(), gadget(json!({"size": 1}))]).await;
    assert_eq!(steps(&plan), "Create CustomResourceDefinition gadgets.sync.example.com, Create Gadget a");
    let id: ObjectId = format!("sync.example.com/Gadget {}/a", ns.name()).parse().unwrap();
    assert!(app.cluster.live.get(&id).is_some(), "it is watched from the start");

    let properties = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
    schema.pointer_mut(properties).unwrap()["weight"] = json!({"type": "integer"});
    let plan = app.sync(&[schema.clone(), gadget(json!({"size": 1, "weight": 3}))]).await;
    assert_eq!(steps(&plan), "Change CustomResourceDefinition gadgets.sync.example.com, Change Gadget a");
    let live = app.cluster.live.get(&id).unwrap().object().unwrap();
    assert_eq!(live["spec"]["weight"], 3);

    // A definition that still has objects is not pruned without a word.
    let (_, plan) = app.plan(&[gadget(json!({"size": 1}))]).await;
    assert!(plan.may_run(None).is_err(), "{:?}", plan.guards);
    let deletion = app.delete_all(30).await;
    assert!(deletion.is_complete(), "{deletion:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_owns_is_adopted_and_what_somebody_owns_is_a_conflict() {
    let ns = TestNamespace::create(Cluster::shared(), "sync").await;
    ns.apply(&data(ns.name(), "found", "old").to_string());
    ns.apply(&config_map(ns.name(), "theirs", "another-1", "1").to_string());
    let proxy = FaultProxy::start(Cluster::shared(), 1);
    let mut app = App::new(&connect(&proxy).await, ns.name(), "web");
    let (_, plan) = app.plan(&[data(ns.name(), "found", "new"), data(ns.name(), "theirs", "2")]).await;
    assert_eq!(steps(&plan), "Adopt ConfigMap found");
    assert!(
        plan.steps[0].diff.fields.iter().any(|field| field.path == "data.key"),
        "{:?}",
        plan.steps[0].diff
    );
    assert_eq!((plan.refusals.len(), plan.refusals[0].class), (1, Class::Conflict));
    assert_eq!(proxy.count(|request| request.is_write() && request.namespace == ns.name()), 0);

    app.sync(&[data(ns.name(), "found", "new")]).await;
    let live = app.cluster.live.get(&config_map_id(ns.name(), "found")).unwrap();
    assert_eq!(live.owner_label, Some(app.owner.label_value()));
    assert_eq!(ns.kubectl(&["get", "cm", "theirs", "-o", "jsonpath={.data.key}"]), "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_refusal_says_what_is_wrong() {
    let cluster = Cluster::shared();
    let ns = TestNamespace::create(cluster, "sync").await;
    ns.apply(
        r#"{"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"},
        "spec": {"hard": {"services": "0"}}}"#,
    );
    eventually("the quota is counted", Duration::from_secs(10), || async {
        let used = ns.kubectl(&["get", "quota", "small", "-o", "jsonpath={.status.used}"]);
        if used.contains("services") { Ok(()) } else { Err(used) }
    })
    .await;
    let app = App::new(&connect(cluster).await, ns.name(), "web");
    let mut misspelt = deployment(ns.name(), "misspelt", "example.com/web:1");
    misspelt["spec"]["replicaz"] = json!(1);
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "secret", "namespace": ns.name()},
        "stringData": {"pin": 12345},
    });
    let ghost = json!({"apiVersion": "ghost.example.com/v1", "kind": "Ghost", "metadata": {"name": "g"}});
    let mut strange = data(ns.name(), "x", "1");
    strange["metadata"]["name"] = json!("../../namespaces/default");
    let cases = [
        (misspelt, Class::Invalid, "replicaz"),
        (secret, Class::Invalid, "(hidden)"),
        (ghost, Class::Invalid, "serves no kind ghost.example.com/v1/Ghost"),
        (strange, Class::Invalid, "cannot be a name"),
        (data("no-such-namespace", "a", "1"), Class::Invalid, "createNamespace"),
        (service(ns.name(), "web"), Class::Forbidden, "exceeded quota: small"),
    ];
    for (object, class, words) in cases {
        let (_, plan) = app.plan(&[object.clone(), data(ns.name(), "good", "1")]).await;
        assert_eq!(plan.refusals.len(), 1, "{object}: {:?}", plan.refusals);
        let refusal = &plan.refusals[0];
        assert_eq!(refusal.class, class, "{refusal}");
        assert!(refusal.to_string().contains(words), "{refusal}");
        assert!(!refusal.to_string().contains("12345"), "{refusal}");
        assert!(refusal.to_string().contains("test.yaml:1"), "{refusal}");
        assert!(plan.may_run(None).is_err());
    }
    let weak = connect_as(cluster, &cluster.impersonate("sync-weak", &[])).await;
    let kind = weak.kinds.lookup(&config_maps()).served().unwrap();
    let object = data(ns.name(), "a", "1");
    let error =
        weak.requests.apply(&kind, object.as_object().unwrap(), Mode::DryRun, soon(10)).await.unwrap_err();
    assert_eq!(error.class(), Class::Forbidden);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_immutable_field_recreates_only_when_allowed_and_only_when_that_helps() {
    let ns = TestNamespace::create(Cluster::shared(), "sync").await;
    let mut app = App::new(&connect(Cluster::shared()).await, ns.name(), "web");
    app.sync(&[deployment(ns.name(), "web", "example.com/web:1")]).await;
    let uid = || ns.kubectl(&["get", "deployment", "web", "-o", "jsonpath={.metadata.uid}"]);
    let before = uid();
    let mut changed = deployment(ns.name(), "web", "example.com/web:1");
    changed["spec"]["selector"]["matchLabels"]["app"] = json!("other");
    changed["spec"]["template"]["metadata"]["labels"]["app"] = json!("other");

    let (_, plan) = app.plan(std::slice::from_ref(&changed)).await;
    assert_eq!(plan.refusals.len(), 1);
    assert!(plan.refusals[0].message.contains("--recreate"), "{}", plan.refusals[0]);

    app.policy.recreate = Recreate::All;
    let mut broken = changed.clone();
    broken["spec"]["template"]["metadata"]["labels"]["app"] = json!("a third");
    let (_, plan) = app.plan(&[broken]).await;
    assert_eq!(plan.refusals.len(), 1, "creating it anew would fail too: {}", steps(&plan));

    let plan = app.sync(&[changed]).await;
    assert_eq!(steps(&plan), "Recreate Deployment web");
    assert!(matches!(plan.steps[0].reason, Reason::Immutable { .. }));
    assert_ne!(uid(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_rank_that_fails_is_the_last_that_is_tried() {
    let ns = TestNamespace::create(Cluster::shared(), "sync").await;
    let proxy = FaultProxy::start(Cluster::shared(), 1);
    let mut app = App::new(&connect(&proxy).await, ns.name(), "web");
    app.sync(&[data(ns.name(), "old", "1")]).await;
    let forbidden = Rule::new(Fault::Status(http::StatusCode::FORBIDDEN)).writes().resource("services");
    proxy.add(forbidden);
    let objects = [
        data(ns.name(), "a", "1"),
        service(ns.name(), "web"),
        deployment(ns.name(), "web", "example.com/web:1"),
    ];
    let (draft, plan) = app.plan(&objects).await;
    let report = app.run(&draft, &plan).await;
    let text = results(&report.results);
    assert!(!report.succeeded());
    assert!(
        text.starts_with("Create ConfigMap a: applied, Create Service web: Failed (the fault proxy"),
        "{text}"
    );
    assert!(text.contains("Create Deployment web: Skipped"), "{text}");
    assert!(text.contains("Prune ConfigMap old: Skipped"), "{text}");
    assert_eq!(
        app.inventory.len(),
        4,
        "what may be there now can be pruned, and what was not pruned is not forgotten"
    );
    proxy.clear();
    let plan = app.sync(&objects).await;
    assert_eq!(steps(&plan), "Create Service web, Create Deployment web, Prune ConfigMap old");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_passing_fault_is_survived_and_nothing_takes_effect_twice() {
    let ns = TestNamespace::create(Cluster::shared(), "sync").await;
    let proxy = FaultProxy::start(Cluster::shared(), 42);
    let mut app = App::new(&connect(&proxy).await, ns.name(), "web");
    let seconds = Duration::from_secs;
    for (round, fault) in [
        Fault::TooManyRequests { retry_after: seconds(1) },
        Fault::Status(http::StatusCode::INTERNAL_SERVER_ERROR),
        Fault::Status(http::StatusCode::SERVICE_UNAVAILABLE),
        Fault::Refuse,
        Fault::DropAnswer,
        Fault::Latency(Duration::from_millis(200)),
    ]
    .into_iter()
    .enumerate()
    {
        let value = round.to_string();
        let mut objects: Vec<_> = (0..6).map(|n| data(ns.name(), &format!("c-{n}"), &value)).collect();
        objects.push(deployment(ns.name(), "web", &format!("example.com/web:{round}")));
        objects.push(data(ns.name(), &format!("only-{round}"), &value));
        let rule = Rule::new(fault.clone()).verbs(&[Verb::Apply, Verb::Delete, Verb::Get]).probability(0.4);
        let rule = proxy.add(rule);
        let began = std::time::Instant::now();
        app.sync(&objects).await;
        eprintln!("{fault:?}: {} hits, {:?}", proxy.hits(rule), began.elapsed());
        assert!(proxy.hits(rule) > 0, "{fault:?}");
        proxy.clear();
        let generation = ns.kubectl(&["get", "deployment", "web", "-o", "jsonpath={.metadata.generation}"]);
        assert_eq!(generation, (round + 1).to_string(), "{fault:?}");
        let left = ns.kubectl(&["get", "cm", "-l", "tiphys.dev/application", "-o", "name"]);
        assert_eq!(left.lines().count(), 7, "{fault:?}: {left}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retry_after_is_obeyed_by_all_requests() {
    let ns = TestNamespace::create(Cluster::shared(), "sync").await;
    let proxy = FaultProxy::start(Cluster::shared(), 1);
    let app = App::new(&connect(&proxy).await, ns.name(), "web");
    watch(&app.cluster, &[config_maps()]).await;
    proxy.forget();
    proxy.add(
        Rule::new(Fault::TooManyRequests { retry_after: Duration::from_secs(2) })
            .verbs(&[Verb::Apply])
            .times(1),
    );
    let objects: Vec<_> = (0..20).map(|n| data(ns.name(), &format!("c-{n}"), "1")).collect();
    let (_, plan) = app.plan(&objects).await;
    assert_eq!(plan.refusals, []);
    let asked: Vec<_> = proxy.requests().into_iter().filter(|request| request.verb == Verb::Apply).collect();
    let refused = asked.iter().find(|request| request.status == Some(429)).unwrap();
    let within = |request: &&tiphys_tests::RecordedRequest| {
        let later = request.at.saturating_duration_since(refused.at);
        later > Duration::from_millis(300) && later < Duration::from_millis(1900)
    };
    assert_eq!(asked.iter().filter(within).count(), 0, "nobody asks while the server wants rest");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_costs_no_longer_than_the_deadline() {
    let ns = TestNamespace::create(Cluster::shared(), "sync").await;
    let proxy = FaultProxy::start(Cluster::shared(), 1);
    let mut app = App::new(&connect(&proxy).await, ns.name(), "web");
    app.patience = 2;
    watch(&app.cluster, &[config_maps()]).await;
    proxy.add(Rule::new(Fault::Hang).verbs(&[Verb::Apply]));
    let began = std::time::Instant::now();
    let (_, plan) = app.plan(&[data(ns.name(), "a", "1")]).await;
    assert_eq!(plan.refusals[0].class, Class::Transient, "{:?}", plan.refusals);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_object_that_was_meant_is_pruned() {
    let ns = TestNamespace::create(Cluster::shared(), "sync").await;
    let mut app = App::new(&connect(Cluster::shared()).await, ns.name(), "web");
    app.sync(&[data(ns.name(), "a", "1"), data(ns.name(), "b", "1")]).await;
    let (draft, plan) = app.plan(&[data(ns.name(), "b", "1")]).await;
    assert_eq!(steps(&plan), "Prune ConfigMap a");
    ns.kubectl(&["delete", "cm", "a"]);
    ns.apply(&data(ns.name(), "a", "another").to_string());
    let report = app.run(&draft, &plan).await;
    assert!(report.succeeded(), "{}", results(&report.results));
    assert_eq!(ns.kubectl(&["get", "cm", "a", "-o", "jsonpath={.data.key}"]), "another");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletion_waits_for_finalizers_in_order_and_can_be_resumed() {
    let ns = TestNamespace::create(Cluster::shared(), "sync").await;
    let mut app = App::new(&connect(Cluster::shared()).await, ns.name(), "web");
    let mut held = service(ns.name(), "held");
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    app.sync(&[data(ns.name(), "a", "1"), held]).await;
    let deletion = app.delete_all(3).await;
    assert_eq!(deletion.remaining.len(), 2, "{deletion:?}");
    let held = deletion.remaining.iter().find(|(id, _)| id.kind == "Service").unwrap();
    assert!(held.1.contains("example.com/hold"), "{deletion:?}");
    ns.kubectl(&["get", "cm", "a"]);

    let waiting = app.delete_all(30);
    let release = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        ns.kubectl(&[
            "patch",
            "service",
            "held",
            "--type=merge",
            "-p",
            r#"{"metadata": {"finalizers": null}}"#,
        ]);
    };
    let (deletion, ()) = tokio::join!(waiting, release);
    assert!(deletion.is_complete(), "{deletion:?}");
    let services: Api<DynamicObject> = Api::namespaced_with(
        ns.client(),
        ns.name(),
        &ApiResource::from_gvk(&kube::core::GroupVersionKind::gvk("", "v1", "ConfigMap")),
    );
    let left = services.list(&ListParams::default().labels("tiphys.dev/application")).await.unwrap();
    assert!(left.items.is_empty());
    assert!(app.delete_all(5).await.is_complete(), "again and again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fields_that_kubectl_wrote_leave_the_object_when_they_leave_the_rendering() {
    let ns = TestNamespace::create(Cluster::shared(), "sync").await;
    let mut both = data(ns.name(), "a", "1");
    both["data"]["stale"] = json!("x");
    ns.apply(&both.to_string());
    let mut app = App::new(&connect(Cluster::shared()).await, ns.name(), "web");
    let plan = app.sync(&[data(ns.name(), "a", "1")]).await;
    assert_eq!(plan.steps[0].action, Action::Adopt);
    assert!(
        plan.steps[0].diff.fields.iter().any(|field| field.path == "data.stale"),
        "{:?}",
        plan.steps[0].diff
    );
    assert_eq!(ns.kubectl(&["get", "cm", "a", "-o", "jsonpath={.data}"]), r#"{"key":"1"}"#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_edit_is_seen_as_drift_without_a_request_and_corrected_with_two() {
    let ns = TestNamespace::create(Cluster::shared(), "sync").await;
    let proxy = FaultProxy::start(Cluster::shared(), 1);
    let mut app = App::new(&connect(&proxy).await, ns.name(), "web");
    let objects = [deployment(ns.name(), "web", "example.com/web:1")];
    app.sync(&objects).await;
    let id: ObjectId = format!("apps/Deployment {}/web", ns.name()).parse().unwrap();
    let applied = app.inventory.get(&id).unwrap().live;
    eventually("the rollout is over", Duration::from_secs(20), || async {
        let live = app.cluster.live.get(&id).unwrap();
        if live.health.health == tiphys_api::Health::Healthy {
            Ok(())
        } else {
            Err(format!("{:?}", live.health))
        }
    })
    .await;
    assert_eq!(app.cluster.live.get(&id).unwrap().projection, applied, "what others write is no drift");
    proxy.forget();
    let mut events = app.cluster.live.events();
    ns.kubectl(&["scale", "deployment", "web", "--replicas=3"]);
    while app.cluster.live.get(&id).unwrap().projection == applied {
        tokio::time::timeout(Duration::from_secs(5), events.next()).await.unwrap();
    }
    assert_eq!(about(&proxy, ns.name()), [""; 0]);
    let plan = app.sync(&objects).await;
    assert_eq!(steps(&plan), "Change Deployment web");
    assert_eq!(about(&proxy, ns.name()).len(), 2);
    assert_eq!(app.inventory.get(&id).unwrap().live, applied);
}
