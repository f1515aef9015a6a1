//! What was live before: compared, printed and found by its time, from what the cluster keeps alone.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::api::DeleteParams;
use serde_json::json;
use tiphys_api::Sync;

use crate::support::manifests::{Deployment, config_map, secret};
use crate::support::shared::stage;
use crate::support::stage::Stage;

/// Applied and replaced by another, in the time of a test.
const CANARIES: [&str; 2] = ["canary-of-the-first", "canary-of-the-second"];

fn applied_at(sync: &Sync) -> Timestamp {
    sync.status.as_ref().unwrap().applied_at.as_ref().unwrap().0
}

/// Three Syncs: the first two succeeded, the third was refused before it wrote anything.
async fn three_syncs(stage: &Stage<'_>) -> (Sync, Sync) {
    let first = stage
        .push(&[
            ("config.yaml", Some(&config_map("config", "one"))),
            ("gone.yaml", Some(&config_map("gone", "x"))),
            ("same.yaml", Some(&config_map("same", "x"))),
            ("login.yaml", Some(&secret("login", CANARIES[0]))),
        ])
        .await;
    stage.create("web", json!({})).await;
    stage.synced("web", &first).await;
    // Times of the API are whole seconds.
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let second = stage
        .push(&[
            ("config.yaml", Some(&config_map("config", "two"))),
            ("gone.yaml", None),
            ("new.yaml", Some(&config_map("new", "x"))),
            ("login.yaml", Some(&secret("login", CANARIES[1]))),
        ])
        .await;
    stage.synced("web", &second).await;
    stage.push_file("bad.yaml", "apiVersion: v1\nkind: Unheard\nmetadata:\n  name: of\n").await;
    stage.stalls("web", "Unheard").await;
    (stage.succeeded("web-1").await, stage.succeeded("web-2").await)
}

#[tokio::test]
async fn two_syncs_are_compared_and_printed_from_their_snapshots() {
    let stage = stage("compared").await;
    three_syncs(&stage).await;
    // Neither Git nor what is live has a say.
    stage.namespace.kubectl(&["delete", "configmap", "new"]);
    let told = stage.tiphys(&["diff", "web", "1", "2"]).await;
    assert_eq!(told.code, Some(1), "{told}");
    for line in [
        "~ changed  ConfigMap",
        "+ added    ConfigMap",
        "- removed  ConfigMap",
        "-  value: one",
        "+  value: two",
        "1 added, 1 removed, 2 changed, 1 unchanged.",
    ] {
        assert!(told.stdout.contains(line), "{line}: {told}");
    }
    let json = stage.tiphys(&["diff", "web", "2", "1", "-o", "json"]).await;
    assert_eq!(json.code, Some(1), "{json}");
    let value = json.json();
    assert_eq!((&value["from"]["number"], &value["to"]["number"]), (&json!(2), &json!(1)));
    let changes: Vec<_> = value["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["id"]["name"].as_str().unwrap(), it["change"].as_str().unwrap()))
        .collect();
    assert_eq!(changes, [("config", "changed"), ("gone", "added"), ("new", "removed"), ("login", "changed")]);
    for told in [&told, &json] {
        assert!(CANARIES.iter().all(|it| !told.to_string().contains(it)), "{told}");
    }
    let same = stage.tiphys(&["diff", "web", "2", "2"]).await;
    assert_eq!((same.code, same.stdout.as_str()), (Some(0), "4 unchanged.\n"), "{same}");

    let printed = stage.tiphys(&["render", "web@1"]).await;
    assert_eq!(printed.code, Some(0), "{printed}");
    assert!(printed.stdout.contains("value: one") && printed.stdout.contains("name: gone"), "{printed}");
    assert!(!printed.stdout.contains(CANARIES[0]), "{printed}");
    let shown = stage.tiphys(&["render", "web@1", "--show-secrets"]).await;
    assert!(shown.stdout.contains(CANARIES[0]) && !shown.stdout.contains(CANARIES[1]), "{shown}");
}

#[tokio::test]
async fn what_was_not_applied_cannot_be_compared() {
    let stage = stage("not-applied").await;
    three_syncs(&stage).await;
    stage.request("web", "question", json!({ "dryRun": true, "revision": "main" })).await;
    stage.ended("question").await;
    for (arguments, words) in [
        (["diff", "web", "1", "3"], "Sync 3 of Application `web` has no snapshot"),
        (["diff", "web", "1", "question"], "was a dry run"),
        (["diff", "web", "7", "1"], "has no Sync 7"),
    ] {
        let told = stage.tiphys(&arguments).await;
        assert_eq!(told.code, Some(2), "{told}");
        assert!(told.stderr.contains(words), "{words}: {told}");
    }
    let told = stage.tiphys(&["render", "web@3"]).await;
    assert_eq!(told.code, Some(1), "{told}");
    assert!(told.stderr.contains("has no snapshot"), "{told}");
    // Snapshots are Secrets: who may not read these is told so.
    let user = format!("viewer-of-{}", stage.ns());
    stage.namespace.kubectl(&[
        "create",
        "rolebinding",
        "viewer",
        "--clusterrole=view",
        &format!("--user={user}"),
    ]);
    let viewer = stage.access.impersonate(&user, &[]);
    for arguments in [&["diff", "web", "1", "2"][..], &["render", "web@1"]] {
        let told = stage.tiphys_as(&viewer, arguments).await;
        assert!(
            told.stderr.contains("the right to read Secrets") && told.stderr.contains("forbidden"),
            "{told}"
        );
        assert!(told.stdout.is_empty(), "{told}");
    }
    let told = stage.tiphys_as(&viewer, &["history", "web", "--at", "0s"]).await;
    assert!(told.stdout.contains("Sync 2 was live"), "history needs no Secrets: {told}");
}

#[tokio::test]
async fn history_says_what_was_live_at_a_time() {
    let stage = stage("at-a-time").await;
    let (first, second) = three_syncs(&stage).await;
    let ask = async |at: &str| stage.tiphys(&["history", "web", "--at", at, "-o", "json"]).await;
    let at = |time: Timestamp| time.to_string();
    for (time, number) in [
        (at(applied_at(&first)), json!(1)),
        (at(applied_at(&second)), json!(2)),
        ("0s ago".to_owned(), json!(2)),
        ("1d".to_owned(), json!(null)),
    ] {
        let told = ask(&time).await;
        assert_eq!(told.code, Some(0), "{told}");
        assert_eq!(told.json()["live"]["number"], number, "{time}: {told}");
    }
    let told = stage.tiphys(&["history", "web", "--at", &at(applied_at(&first))]).await;
    assert!(told.stdout.contains("Sync 1 was live, applied"), "{told}");
    let told = stage.tiphys(&["history", "web", "--at", "1d"]).await;
    assert!(told.stdout.contains("nothing was live yet"), "{told}");
    for wrong in ["tomorrow", "2999-01-01T00:00:00Z", ""] {
        let told = stage.tiphys(&["history", "web", "--at", wrong]).await;
        assert_eq!(told.code, Some(2), "{told}");
    }
    // What is not kept any more is not guessed.
    stage.all_syncs().delete("web-1", &DeleteParams::default()).await.unwrap();
    let told = stage.tiphys(&["history", "web", "--at", &at(applied_at(&first))]).await;
    assert_eq!(told.code, Some(1), "{told}");
    assert!(
        told.stderr.contains("Sync 1 of Application `web` may have been live, and cannot be asked any more"),
        "{told}"
    );
    let told = ask("0s").await;
    assert_eq!(told.json()["live"]["number"], json!(2), "{told}");
}

#[tokio::test]
async fn a_sync_that_failed_in_the_middle_is_told_as_a_part() {
    let stage = stage("in-part").await;
    let first = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &first).await;
    let wave = |manifest: &str, wave: &str| {
        manifest.replacen(
            "metadata:\n",
            &format!("metadata:\n  annotations:\n    tiphys.dev/sync-wave: {wave:?}\n"),
            1,
        )
    };
    let broken = Deployment::new("broken").image("registry.invalid/app:1").deadline(2).yaml();
    stage
        .push(&[
            ("config.yaml", Some(&config_map("config", "two"))),
            ("broken.yaml", Some(&broken)),
            ("last.yaml", Some(&wave(&config_map("last", "x"), "5"))),
        ])
        .await;
    stage.failed("web-2", "broken").await;
    let told = stage.tiphys(&["history", "web", "--at", "0s"]).await;
    assert!(told.stdout.contains("Sync 2 was live in part"), "{told}");
    let told = stage.tiphys(&["diff", "web", "1", "2"]).await;
    assert_eq!(told.code, Some(1), "{told}");
    assert!(told.stderr.contains("Sync 2 did not apply all of it"), "{told}");
}
