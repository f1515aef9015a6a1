//! Which kinds are served, now.

use std::time::Duration;

use tiphys_engine::discovery::{Lookup, Scope};
use tiphys_manifest::GroupVersionKind;
use tiphys_tests::{Cluster, Fault, FaultProxy, Rule, eventually};

use crate::support::{connect, definition};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn built_in_kinds_and_versions_are_known_after_three_requests() {
    let proxy = FaultProxy::start(Cluster::shared(), 1);
    let engine = connect(&proxy).await;
    let deployment = GroupVersionKind::new("apps", "v1", "Deployment");
    let kind = engine.kinds.lookup(&deployment).served().unwrap();
    assert_eq!((kind.resource.plural.as_str(), kind.scope), ("deployments", Scope::Namespaced));
    assert!(kind.supports("patch"));
    let capabilities = engine.kinds.capabilities();
    assert_eq!(capabilities.kube_version, "v1.36.3");
    for version in ["v1", "apps/v1", "apps/v1/Deployment", "v1/ConfigMap"] {
        assert!(capabilities.api_versions.binary_search(&version.to_owned()).is_ok(), "{version}");
    }
    let asked =
        proxy.count(|request| ["/api", "/apis", "/version"].contains(&request.path_and_query.as_str()));
    assert_eq!(asked, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_definition_is_noticed_and_misses_do_not_ask_again_and_again() {
    let cluster = Cluster::shared();
    let proxy = FaultProxy::start(cluster, 1);
    let engine = connect(&proxy).await;
    let gadget = GroupVersionKind::new("noticed.example.com", "v1", "Gadget");
    for _ in 0..50 {
        assert_eq!(engine.kinds.resolve(&gadget).await.unwrap(), Lookup::NotServed);
    }
    let asked = proxy.count(|request| request.path_and_query == "/apis");
    assert!(asked <= 2, "{asked} requests for 50 misses");

    cluster.kubectl_with_input(["apply", "-f", "-"], &definition(&gadget.group).to_string());
    eventually("the kind is known", Duration::from_secs(10), || async {
        engine.kinds.lookup(&gadget).served().ok_or("not yet")
    })
    .await;
    cluster.kubectl(["delete", "crd", &format!("gadgets.{}", gadget.group)]);
    eventually("the kind is gone", Duration::from_secs(10), || async {
        match engine.kinds.lookup(&gadget) {
            Lookup::NotServed => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stumbles_is_asked_again() {
    let proxy = FaultProxy::start(Cluster::shared(), 1);
    let unavailable = Fault::Status(http::StatusCode::SERVICE_UNAVAILABLE);
    let rule = proxy.add(Rule::new(unavailable).path("^/apis$").times(2));
    let engine = connect(&proxy).await;
    assert_eq!(proxy.hits(rule), 2);
    let pods = GroupVersionKind::new("", "v1", "Pod");
    assert!(engine.kinds.lookup(&pods).served().is_some());
}
