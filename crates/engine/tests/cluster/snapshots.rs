//! Snapshots and plans, kept as Secrets.

use serde_json::Value;
use tiphys_engine::snapshot::{PAGE_BYTES, Page};
use tiphys_engine::snapshots::{KeptFor, SnapshotStore};
use tiphys_tests::{Cluster, Fault, FaultProxy, Rule, TestNamespace, Verb};

use crate::support::{connect, soon};

/// A Sync that exists: the garbage collector takes what belongs to one that does not.
fn kept_for(ns: &TestNamespace<'_>) -> KeptFor {
    let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crds");
    ns.kubectl(&["apply", "--server-side", "-f", crds]);
    ns.kubectl(&["wait", "--for=condition=Established", "--timeout=30s", "crd/syncs.tiphys.dev"]);
    let sync =
        "apiVersion: tiphys.dev/v1alpha1\nkind: Sync\nmetadata: {name: web-1}\nspec: {application: web}\n";
    ns.apply(sync);
    KeptFor {
        namespace: ns.name().to_owned(),
        sync: "web-1".to_owned(),
        uid: ns.kubectl(&["get", "sync", "web-1", "-o", "jsonpath={.metadata.uid}"]),
        application: "web".to_owned(),
    }
}

fn pages(count: u8, bytes: usize) -> Vec<Page> {
    (0..count).map(|number| Page(vec![number; bytes])).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_pages_are_kept_below_the_limit_and_come_back_whole() {
    let ns = TestNamespace::create(Cluster::shared(), "snapshots").await;
    let proxy = FaultProxy::start(Cluster::shared(), 5);
    let store = SnapshotStore::new(connect(&proxy).await.requests);
    let kept_for = kept_for(&ns);
    let small = pages(1, 10);
    proxy.forget();
    let name = store.write(&kept_for, &small, soon(20)).await.unwrap();
    assert_eq!(proxy.requests().len(), 1, "one request for the usual one page");
    assert_eq!(store.read(ns.name(), &name, soon(20)).await.unwrap().unwrap(), small);

    let full = pages(3, PAGE_BYTES);
    let name = store.write(&kept_for, &full, soon(20)).await.unwrap();
    let again = store.write(&kept_for, &full, soon(20)).await.unwrap();
    assert_eq!(name, again);
    let secrets: Value =
        serde_json::from_str(&ns.kubectl(&["get", "secrets", "-o", "json", "--show-managed-fields"]))
            .unwrap();
    let secrets = secrets["items"].as_array().unwrap();
    assert_eq!(secrets.len(), 4);
    for secret in secrets {
        assert!(secret.to_string().len() <= 512 * 1024, "{} bytes", secret.to_string().len());
        assert_eq!((&secret["type"], &secret["immutable"]), (&"tiphys.dev/snapshot".into(), &true.into()));
    }
    assert_eq!(store.read(ns.name(), &name, soon(20)).await.unwrap().unwrap(), full);
    store.delete(ns.name(), &name, soon(20)).await.unwrap();
    assert_eq!(store.read(ns.name(), &name, soon(20)).await.unwrap(), None);
    store.delete(ns.name(), &name, soon(20)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_is_cut_short_leaves_nothing_that_looks_whole() {
    let ns = TestNamespace::create(Cluster::shared(), "snapshots").await;
    let proxy = FaultProxy::start(Cluster::shared(), 5);
    let store = SnapshotStore::new(connect(&proxy).await.requests);
    let kept_for = kept_for(&ns);
    let full = pages(3, 1000);
    let lost = proxy.add(Rule::new(Fault::DropAnswer).verbs(&[Verb::Create]).times(2));
    let stuck = proxy.add(
        Rule::new(Fault::Status(http::StatusCode::UNPROCESSABLE_ENTITY))
            .verbs(&[Verb::Create])
            .skip(2)
            .times(1),
    );
    let error = store.write(&kept_for, &full, soon(20)).await.unwrap_err();
    assert_eq!((proxy.hits(lost), proxy.hits(stuck)), (2, 1), "{error}");
    let name = ns.kubectl(&["get", "secrets", "-o", "jsonpath={.items[*].metadata.name}"]);
    let names: Vec<_> = name.split_whitespace().collect();
    assert_eq!(names.len(), 2, "{name}");
    let first = names[0].rsplit_once('-').unwrap().0;
    assert_eq!(store.read(ns.name(), first, soon(20)).await.unwrap(), None);
    assert_eq!(store.write(&kept_for, &full, soon(20)).await.unwrap(), first);
    ns.kubectl(&["delete", "secret", &format!("{first}-2")]);
    let error = store.read(ns.name(), first, soon(20)).await.unwrap_err();
    assert!(error.to_string().contains(&format!("{first}-2")), "{error}");
}

/// An Application that is deleted and made anew has Syncs with the same names. The garbage collector comes when it comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_of_the_same_name_keeps_the_same_content_beside_that_of_the_old_one() {
    let ns = TestNamespace::create(Cluster::shared(), "snapshots").await;
    let proxy = FaultProxy::start(Cluster::shared(), 5);
    let store = SnapshotStore::new(connect(&proxy).await.requests);
    let old = kept_for(&ns);
    let small = pages(1, 10);
    let of_old = store.write(&old, &small, soon(20)).await.unwrap();
    let new = KeptFor { uid: old.uid.chars().rev().collect(), ..old.clone() };
    let of_new = store.write(&new, &small, soon(20)).await.unwrap();
    assert_ne!(of_new, of_old);
    assert_eq!(store.read(ns.name(), &of_old, soon(20)).await.unwrap().unwrap(), small);
}
