//! What objects need of each other, and servers that go away.

use std::time::Duration;

use serde_json::{Value, json};
use tiphys_engine::Class;
use tiphys_engine::discovery::Lookup;
use tiphys_engine::plan::{KeptWhy, Reason};
use tiphys_manifest::{GroupVersionKind, ObjectId};
use tiphys_tests::{
    Cluster, ClusterOptions, Component, Fault, FaultProxy, OwnCluster, Rule, TestNamespace, Verb, eventually,
};

use crate::app::{App, data, deployment, results, steps};
use crate::support::{connect, definition};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_comes_with_its_account_and_its_priority() {
    let cluster = Cluster::shared();
    let ns = TestNamespace::create(cluster, "hard").await;
    let mut app = App::new(&connect(cluster).await, ns.name(), "pods");
    let class = json!({
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "hard-urgent"}, "value": 7,
    });
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "bot", "namespace": ns.name()}});
    let pod = |name: &str, spec: Value| {
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": ns.name()},
            "spec": {"containers": [{"name": "main", "image": "example.com/web:1"}]},
        });
        pod["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        pod
    };
    let objects = [
        class,
        account,
        pod("account", json!({"serviceAccountName": "bot"})),
        pod("priority", json!({"priorityClassName": "hard-urgent"})),
    ];
    let plan = app.sync(&objects).await;
    assert_eq!(
        steps(&plan),
        "Create PriorityClass hard-urgent, Create ServiceAccount bot, Create Pod account, Create Pod priority"
    );
    let unverified = plan.steps.iter().filter(|step| matches!(step.reason, Reason::Unverified { .. }));
    assert_eq!(unverified.count(), 2);
    let plan = app.sync(&objects).await;
    assert_eq!(steps(&plan), "");
    // An account that nobody brings is an error before anything is written.
    let (_, plan) = app.plan(&[pod("lost", json!({"serviceAccountName": "nobody"}))]).await;
    assert_eq!(plan.refusals.len(), 1, "{:?}", plan.refusals);
    assert!(app.delete_all(60).await.is_complete());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_definition_whose_names_are_taken_fails_at_once_and_says_so() {
    let cluster = Cluster::shared();
    let ns = TestNamespace::create(cluster, "hard").await;
    let mut app = App::new(&connect(cluster).await, ns.name(), "names");
    let first = definition("names.example.com");
    let mut second = first.clone();
    second["metadata"]["name"] = json!("gizmos.names.example.com");
    second["spec"]["names"] = json!({"kind": "Gadget", "plural": "gizmos", "singular": "gizmo"});
    app.sync(std::slice::from_ref(&first)).await;
    let gadget = |version: &str| {
        json!({
            "apiVersion": format!("names.example.com/{version}"), "kind": "Gadget",
            "metadata": {"name": "a", "namespace": ns.name()},
        })
    };
    second["spec"]["versions"][0]["name"] = json!("v2");
    let (draft, plan) = app.plan(&[first, second, gadget("v2")]).await;
    assert_eq!(plan.refusals, []);
    let began = std::time::Instant::now();
    let report = app.run(&draft, &plan).await;
    let text = results(&report.results);
    assert!(text.contains("its names are taken"), "{text}");
    assert!(text.contains("Create Gadget a: Skipped"), "{text}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(app.delete_all(60).await.is_complete());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admission_policy_refuses_before_anything_is_written() {
    let cluster = Cluster::shared();
    let ns = TestNamespace::create_labelled(cluster, "hard", &[("hard.example.com/strict", "yes")]).await;
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "hard.example.com"},
        "spec": {
            "matchConstraints": {"resourceRules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"],
            }]},
            "validations": [{"expression": "object.data['key'] != 'bad'", "message": "bad values are immutable and bad"}],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "hard.example.com"},
        "spec": {
            "policyName": "hard.example.com", "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": {"matchLabels": {"hard.example.com/strict": "yes"}}},
        },
    });
    cluster.kubectl_with_input(["apply", "-f", "-"], &format!("{policy}\n---\n{binding}"));
    let proxy = FaultProxy::start(cluster, 1);
    let app = App::new(&connect(&proxy).await, ns.name(), "web");
    eventually("the policy is in force", Duration::from_secs(20), || async {
        let (_, plan) = app.plan(&[data(ns.name(), "good", "1"), data(ns.name(), "refused", "bad")]).await;
        match plan.refusals.as_slice() {
            [refusal] if refusal.message.contains("immutable and bad") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert_eq!(proxy.count(|request| request.is_write() && request.namespace == ns.name()), 0);
    cluster.kubectl([
        "delete",
        "validatingadmissionpolicybinding,validatingadmissionpolicy",
        "hard.example.com",
    ]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_versions_of_one_kind_live_side_by_side() {
    let cluster = Cluster::shared();
    let ns = TestNamespace::create(cluster, "hard").await;
    let mut app = App::new(&connect(cluster).await, ns.name(), "versions");
    let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
    let object = |version: &str, name: &str, metric: Value| {
        let mut object = json!({
            "apiVersion": format!("autoscaling/{version}"), "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": name, "namespace": ns.name()},
            "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 3},
        });
        object["spec"].as_object_mut().unwrap().extend(metric.as_object().unwrap().clone());
        object
    };
    let cpu = json!({"type": "Resource", "resource": {
        "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50},
    }});
    let objects = [
        object("v1", "old", json!({"targetCPUUtilizationPercentage": 50})),
        object("v2", "new", json!({"metrics": [cpu.clone()]})),
    ];
    app.sync(&objects).await;
    eventually("both are settled", Duration::from_secs(10), || async {
        let (_, plan) = app.plan(&objects).await;
        if plan.unchanged.len() == 2 { Ok(()) } else { Err(steps(&plan)) }
    })
    .await;
    for (name, version) in [("old", "v1"), ("new", "v2")] {
        let id: ObjectId =
            format!("autoscaling/HorizontalPodAutoscaler {}/{name}", ns.name()).parse().unwrap();
        let live = app.cluster.live.get(&id).unwrap();
        assert_eq!(live.gvk.version, version, "at the version in which we apply it");
    }
    // The next commit writes the old one in the new version, once that watch has told of it too.
    let v2 = GroupVersionKind::new("autoscaling", "v2", "HorizontalPodAutoscaler");
    let old: ObjectId = format!("autoscaling/HorizontalPodAutoscaler {}/old", ns.name()).parse().unwrap();
    eventually("it is seen in the new version", Duration::from_secs(10), || async {
        app.cluster.live.get_at(&v2, &old).ok_or("not yet")
    })
    .await;
    let moved = [object("v2", "old", json!({"metrics": [cpu.clone()]})), objects[1].clone()];
    let plan = app.sync(&moved).await;
    assert_eq!(steps(&plan), "Change HorizontalPodAutoscaler old");
    assert_eq!(plan.steps[0].reason, Reason::Ownership, "{:?}", plan.steps[0].diff);
    assert_eq!(steps(&app.sync(&moved).await), "");
    let owned = app.cluster.live.by_owner(&app.owner.label_value());
    assert_eq!(owned.len(), 2, "each object once");
    assert!(app.delete_all(30).await.is_complete());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_aggregated_server_makes_nothing_disappear() {
    let cluster = OwnCluster::start(&ClusterOptions::default());
    let metric = GroupVersionKind::new("silent.example.com", "v1", "Metric");
    let service = json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "v1.silent.example.com"},
        "spec": {
            "group": "silent.example.com", "version": "v1", "insecureSkipTLSVerify": true,
            "groupPriorityMinimum": 100, "versionPriority": 100,
            "service": {"name": "nowhere", "namespace": "default"},
        },
    });
    let engine = connect(&cluster).await;
    assert_eq!(engine.kinds.lookup(&metric), Lookup::NotServed);
    cluster.kubectl_with_input(["apply", "-f", "-"], &service.to_string());
    eventually("the kind is unknown", Duration::from_secs(20), || async {
        match engine.kinds.lookup(&metric) {
            Lookup::Unknown => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;

    let mut app = App::new(&engine, "default", "metrics");
    let object = json!({
        "apiVersion": "silent.example.com/v1", "kind": "Metric", "metadata": {"name": "a", "namespace": "default"},
    });
    let (draft, plan) = app.plan(std::slice::from_ref(&object)).await;
    assert_eq!((plan.refusals.len(), plan.refusals[0].class), (1, Class::Transient));
    // As if it had been applied while the server still answered.
    let id: ObjectId = "silent.example.com/Metric default/a".parse().unwrap();
    let entry = tiphys_engine::InventoryEntry {
        version: "v1".to_owned(),
        desired: tiphys_engine::Digest::of(&[b"x"]),
        live: None,
    };
    app.inventory.insert(id.clone(), entry);
    drop(draft);
    let (_, plan) = app.plan(&[data("default", "other", "1")]).await;
    assert_eq!(steps(&plan), "Create ConfigMap other");
    assert!(plan.kept.iter().any(|kept| kept.id == id && kept.why == KeptWhy::Unknown), "{:?}", plan.kept);
    let deletion = app.delete_all(5).await;
    assert_eq!(deletion.remaining.len(), 1, "{deletion:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_server_that_is_killed_in_the_middle_delays_and_harms_nothing() {
    let cluster = OwnCluster::start(&ClusterOptions::default());
    let proxy = FaultProxy::start(&cluster, 1);
    let mut app = App::new(&connect(&proxy).await, "default", "killed");
    let objects: Vec<_> = (0..60)
        .map(|number| data("default", &format!("c-{number}"), "1"))
        .chain([deployment("default", "web", "example.com/web:1")])
        .collect();
    let (draft, plan) = app.plan(&objects).await;
    // Slow enough that the server dies while requests are on their way.
    proxy.add(Rule::new(Fault::Latency(Duration::from_millis(200))).verbs(&[Verb::Apply]).writes());
    let written = || proxy.count(|request| request.verb == Verb::Apply && request.is_write());
    let kill = async {
        eventually("some of it is written", Duration::from_secs(20), || async {
            if written() > 10 { Ok(()) } else { Err(written()) }
        })
        .await;
        let written = written();
        tokio::task::block_in_place(|| {
            cluster.kill(Component::ApiServer);
            cluster.restart(Component::ApiServer);
        });
        written
    };
    let (report, written) = tokio::join!(app.run(&draft, &plan), kill);
    assert!(written < 61, "the server was killed in time");
    assert!(report.succeeded(), "{}", results(&report.results));
    assert_eq!(cluster.kubectl(["get", "deployment", "web", "-o", "jsonpath={.metadata.generation}"]), "1");
    eventually("all is as it was applied", Duration::from_secs(20), || async {
        let (_, plan) = app.plan(&objects).await;
        if plan.unchanged.len() == 61 { Ok(()) } else { Err(steps(&plan)) }
    })
    .await;
}
