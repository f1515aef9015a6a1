use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{ListParams, ObjectMeta, PostParams};
use kube::{Api, Client};
use tiphys_tests::{
    Cluster, ClusterOptions, Component, OwnCluster, TestNamespace, eventually, eventually_blocking,
};

const SOON: Duration = Duration::from_secs(20);

const WEB: &str = r"
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: 3
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: web, image: nginx }] }
";

async fn rolled_out(api: &Api<Deployment>) {
    eventually("3 replicas are available", SOON, || async {
        let status = api.get("web").await.map_err(|it| it.to_string())?.status.unwrap_or_default();
        if status.available_replicas == Some(3) { Ok(()) } else { Err(format!("{status:?}")) }
    })
    .await;
}

#[tokio::test]
async fn a_deployment_rolls_out() {
    let ns = TestNamespace::create(Cluster::shared(), "rollout").await;
    ns.apply(WEB);
    rolled_out(&ns.api()).await;
    assert!(ns.kubectl(&["rollout", "status", "deployment/web"]).contains("successfully rolled out"));
}

/// A pod, alone or of a Job, that asks for this behaviour.
fn pod(name: &str, behaviour: &str, image: &str) -> String {
    let annotations = match behaviour {
        "" => "{}".to_owned(),
        it => format!("{{ tests.tiphys.dev/pod: {it}, tests.tiphys.dev/delay: 500ms }}"),
    };
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{ name: {name}, annotations: {annotations} }}\n\
         spec: {{ containers: [{{ name: main, image: {image} }}] }}\n---\n"
    )
}

fn job(name: &str, behaviour: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {{ name: {name} }}\nspec:\n  backoffLimit: 0\n  template:\n    \
         metadata: {{ annotations: {{ tests.tiphys.dev/pod: '{behaviour}' }} }}\n    \
         spec: {{ restartPolicy: Never, containers: [{{ name: main, image: tool }}] }}\n---\n"
    )
}

/// Phase, readiness, and why the container waits or ended.
fn state(pod: &Pod) -> (String, bool, String) {
    let status = pod.status.clone().unwrap_or_default();
    let ready = status.conditions.iter().flatten().any(|it| it.type_ == "Ready" && it.status == "True");
    let container =
        status.container_statuses.unwrap_or_default().pop().and_then(|it| it.state).unwrap_or_default();
    let waiting = container.waiting.and_then(|it| it.reason);
    let ended = container.terminated.and_then(|it| it.reason);
    (status.phase.unwrap_or_default(), ready, waiting.or(ended).unwrap_or_default())
}

#[tokio::test]
async fn pods_behave_as_they_are_asked_to() {
    let ns = TestNamespace::create(Cluster::shared(), "behaviour").await;
    let cases = [
        ("good", "", "nginx", ("Running", true, "")),
        ("mistyped", "", "registry.invalid/nginx", ("Pending", false, "ImagePullBackOff")),
        ("never", "never-ready", "nginx", ("Running", false, "")),
        ("late", "slow", "nginx", ("Running", true, "")),
        ("broken", "crash", "nginx", ("Running", false, "CrashLoopBackOff")),
        ("failing", "fail", "nginx", ("Failed", false, "Error")),
        ("going", "run", "nginx", ("Running", true, "")),
    ];
    let mut manifests: String =
        cases.iter().map(|(name, behaviour, image, _)| pod(name, behaviour, image)).collect();
    manifests += &[job("done", ""), job("undone", "fail"), job("endless", "run")].concat();
    ns.apply(&manifests.replace("annotations: { tests.tiphys.dev/pod: '' }", "annotations: {}"));

    let pods: Api<Pod> = ns.api();
    for (name, _, _, (phase, ready, reason)) in cases {
        let expected = (phase.to_owned(), ready, reason.to_owned());
        eventually(&format!("pod {name} is {expected:?}"), SOON, || async {
            let seen = state(&pods.get(name).await.map_err(|it| it.to_string())?);
            if seen == expected { Ok(()) } else { Err(format!("{seen:?}")) }
        })
        .await;
    }
    let jobs: Api<Job> = ns.api();
    for (name, condition) in [("done", Some("Complete")), ("undone", Some("Failed")), ("endless", None)] {
        eventually(&format!("job {name} is {condition:?}"), SOON, || async {
            let status = jobs.get(name).await.map_err(|it| it.to_string())?.status.unwrap_or_default();
            let is = |wanted: &str| {
                status.conditions.iter().flatten().any(|it| it.type_ == wanted && it.status == "True")
            };
            let as_expected = match condition {
                Some(wanted) => is(wanted),
                None => status.ready == Some(1) && !is("Complete") && !is("Failed"),
            };
            if as_expected { Ok(()) } else { Err(format!("{status:?}")) }
        })
        .await;
    }
}

async fn who(client: Client) -> (String, Vec<String>) {
    let review = Api::<SelfSubjectReview>::all(client)
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await
        .unwrap();
    let user = review.status.unwrap().user_info.unwrap();
    (user.username.unwrap_or_default(), user.groups.unwrap_or_default())
}

#[tokio::test]
async fn everybody_is_who_he_says_and_may_what_he_may() {
    let cluster = Cluster::shared();
    let ns = TestNamespace::create(cluster, "identity").await;
    assert_eq!(who(cluster.admin()).await.0, "admin");
    let (name, groups) = who(cluster.client(&cluster.impersonate("carol", &["developers"]))).await;
    assert_eq!(name, "carol");
    assert!(groups.contains(&"developers".to_owned()), "{groups:?}");
    let robot = cluster.service_account(ns.name(), "robot").await;
    assert_eq!(who(cluster.client(&robot)).await.0, format!("system:serviceaccount:{}:robot", ns.name()));

    let alice = cluster.user("alice");
    assert_eq!(who(cluster.client(&alice)).await.0, "alice");
    let secrets: Api<ConfigMap> = Api::namespaced(cluster.client(&alice), ns.name());
    let refused = secrets.list(&ListParams::default()).await.unwrap_err();
    assert!(matches!(&refused, kube::Error::Api(status) if status.code == 403), "{refused}");
    let (success, output) = cluster.try_kubectl(&alice, ["get", "pods", "-n", ns.name()], "");
    assert!(!success && output.contains("Forbidden"), "{output}");
}

fn config_map(name: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        ..ConfigMap::default()
    }
}

#[tokio::test]
async fn a_cluster_of_ones_own_can_be_broken_and_mended() {
    let cluster = OwnCluster::start(&ClusterOptions::default());
    let logs = cluster.logs().to_owned();
    let maps: Api<ConfigMap> = Api::default_namespaced(cluster.admin());
    maps.create(&PostParams::default(), &config_map("kept")).await.unwrap();

    cluster.kill(Component::ApiServer);
    assert!(maps.get("kept").await.is_err());
    cluster.restart(Component::ApiServer);
    eventually("the same client finds the same object", SOON, || maps.get("kept")).await;

    cluster.kill(Component::Etcd);
    cluster.restart(Component::Etcd);
    eventually("etcd has kept it", SOON, || maps.get("kept")).await;
    cluster.stop(Component::ApiServer);
    cluster.restart(Component::ApiServer);
    cluster.pause(Component::Kwok);
    cluster.resume(Component::Kwok);

    cluster.kubectl_with_input(["apply", "--filename=-"], WEB);
    rolled_out(&Api::default_namespaced(cluster.admin())).await;

    assert!(logs.join("etcd.log").exists());
    drop(cluster);
    assert!(!logs.exists(), "the cluster takes its files with it");
}

/// Ends a kept cluster whatever happens.
struct Ends(u32);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = std::process::Command::new("kill").arg(self.0.to_string()).status();
    }
}

#[test]
fn a_cluster_can_be_kept_beyond_its_test() {
    let folder = tempfile::tempdir().unwrap();
    let options = ClusterOptions { keep_in: Some(folder.path().to_owned()), ..ClusterOptions::default() };
    let cluster = OwnCluster::start(&options);
    let ends = Ends(cluster.pid());
    let (kubectl, kubeconfig) = (cluster.kubectl_program(), cluster.admin_kubeconfig().to_owned());
    drop(cluster);
    let answers = || {
        let mut command = std::process::Command::new(&kubectl);
        command
            .args(["get", "--raw=/readyz"])
            .env("KUBECONFIG", &kubeconfig)
            .output()
            .unwrap()
            .status
            .success()
    };
    assert!(answers());
    drop(ends);
    eventually_blocking("SIGTERM ends it", SOON, || if answers() { Err("it answers") } else { Ok(()) });
}
