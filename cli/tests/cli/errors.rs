//! Clusters that cannot be talked to, and people who may not.

use std::net::TcpListener;

use tiphys_tests::{Cluster, ClusterOptions, OwnCluster};

use crate::support::{Place, Tiphys, snapshot};

#[test]
fn without_a_kubeconfig_it_says_how_to_name_one() {
    snapshot("no_kubeconfig", &Tiphys::with_kubeconfig("/nonexistent/kubeconfig").run(&["list"]), &[]);
    let named = Tiphys::with_kubeconfig("").run(&["list", "--kubeconfig", "/nonexistent/kubeconfig"]);
    snapshot("no_such_kubeconfig", &named, &[]);
}

#[tokio::test]
async fn a_context_that_is_not_there_is_named() {
    let place = Place::new("errors").await;
    place.snapshot("no_context", &place.tiphys.run(&["list", "--context", "elsewhere"]));
}

#[test]
fn a_cluster_that_does_not_answer_is_an_error_and_no_wait() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    let text = format!(
        "{{clusters: [{{name: a, cluster: {{server: 'https://127.0.0.1:{port}'}}}}], \
          contexts: [{{name: a, context: {{cluster: a, user: a}}}}], current-context: a, users: [{{name: a, user: {{}}}}]}}"
    );
    std::fs::write(&kubeconfig, text).unwrap();
    let output = Tiphys::with_kubeconfig(&kubeconfig).run(&["list"]);
    snapshot("unreachable", &output, &[]);
    assert_eq!(Tiphys::with_kubeconfig(&kubeconfig).run(&["diff", "web"]).code, Some(2));
}

#[tokio::test]
async fn who_may_not_is_told_what_he_may_not() {
    let place = Place::new("errors").await;
    let cluster = Cluster::shared();
    let alice = Tiphys::new(cluster, &cluster.user("alice"), place.namespace.name());
    place.snapshot("forbidden", &alice.run(&["list"]));
    place.snapshot("forbidden_create", &alice.run(&["create", "web", "--repo", "deploy"]));
}

#[tokio::test]
async fn one_can_act_as_somebody_else() {
    let place = Place::new("errors").await;
    let output = place.tiphys.run(&["list", "--as", "alice"]);
    assert_eq!(output.code, Some(1), "{output}");
    assert!(output.stderr.contains(r#"User "alice" cannot list"#), "{output}");
    let output = place.tiphys.run(&["list", "--as", "alice", "--as-group", "system:masters"]);
    assert_eq!(output.code, Some(0), "{output}");
}

/// A cluster of its own, because the whole installation is the same for everybody.
#[test]
fn an_installation_from_nothing_to_all_in_place() {
    let cluster = OwnCluster::start(&ClusterOptions::default());
    let tiphys = Tiphys::new(&cluster, &cluster.admin_identity(), "default");
    let words = [(cluster.server(), "[server]")];
    snapshot("not_installed", &tiphys.run(&["list"]), &words);
    snapshot("check_not_installed", &tiphys.run(&["check"]), &words);

    let installed = tiphys.run(&["install"]);
    snapshot("install", &installed, &words);
    snapshot("check_installed", &tiphys.run(&["check"]), &words);
    let again = tiphys.run(&["install"]);
    assert_eq!(again.code, Some(0), "{again}");
    assert!(!again.stdout.contains("created"), "{again}");
    assert_eq!(tiphys.run(&["check", "-o", "json"]).code, Some(0));

    let replicas = || {
        let path = "jsonpath={.spec.replicas} {.spec.template.spec.containers[0].env[?(@.name=='TIPHYS_SHARDS')].value}";
        cluster.kubectl(["get", "--namespace=tiphys", "deployment/tiphys-controller", "-o", path])
    };
    let shared = tiphys.run(&["install", "--shards", "8", "--no-wait"]);
    assert_eq!(shared.code, Some(0), "{shared}");
    assert_eq!(replicas().trim(), "3 8");
    let alone = tiphys.run(&["install"]);
    assert_eq!(alone.code, Some(0), "{alone}");
    assert_eq!(replicas().trim(), "2 1");

    let version = tiphys.run(&["version", "--server"]);
    assert!(
        version.stdout.contains("tiphys-controller:") && version.stdout.contains("kubernetes"),
        "{version}"
    );

    cluster.kubectl(["delete", "crd", "syncs.tiphys.dev"]);
    cluster.kubectl(["delete", "validatingadmissionpolicy", "--all"]);
    cluster.kubectl(["scale", "--replicas=0", "--namespace=tiphys", "deployment/tiphys-controller"]);
    snapshot("check_broken", &tiphys.run(&["check"]), &words);
}
