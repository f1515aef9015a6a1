//! The main road: from a push to a healthy cluster, and back.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment as LiveDeployment;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use serde_json::json;
use tiphys_api::{APPLICATION_LABEL, Health, OWNER_ANNOTATION, Phase, SNAPSHOT_TYPE, Trigger};
use tiphys_tests::eventually;

use crate::support::manifests::{Deployment, config_map};
use crate::support::shared::stage;
use crate::support::{LONG, is_ready, phase};

#[tokio::test]
async fn an_application_is_created_synced_and_healthy() {
    let stage = stage("created").await;
    // No webhook: it is the Application that is new.
    let commit = stage.repo.commit("main");
    let commit = commit.write("app/config.yaml", config_map("config", "one"));
    let commit = commit.write("app/web.yaml", Deployment::new("web").replicas(2).yaml()).finish();
    stage.create("web", json!({})).await;
    let application = stage.synced("web", &commit).await;
    let status = application.status.unwrap();
    assert_eq!(status.health, Some(Health::Healthy));
    assert_eq!(status.summary.map(|it| (it.objects, it.healthy, it.out_of_sync)), Some((2, 2, 0)));
    let live = stage.namespace.api::<LiveDeployment>().get("web").await.unwrap();
    assert_eq!(live.status.and_then(|it| it.ready_replicas), Some(2), "Ready means that the rollout is done");
    assert!(live.metadata.labels.unwrap().contains_key(APPLICATION_LABEL));
    assert_eq!(live.metadata.annotations.unwrap()[OWNER_ANNOTATION], format!("{}/web", stage.ns()));

    let syncs = stage.syncs("web").await;
    assert_eq!(syncs.len(), 1);
    let status = syncs[0].status.clone().unwrap();
    assert_eq!((syncs[0].metadata.name.as_deref(), status.number), (Some("web-1"), Some(1)));
    assert_eq!((status.phase, syncs[0].spec.initiated_by.trigger), (Phase::Succeeded, Trigger::Auto));
    assert_eq!(status.plan.as_ref().map(|it| (it.create, it.change)), Some((2, 0)));
    assert!(status.revision.unwrap().ends_with(&commit));
    assert_eq!(status.objects.len(), 2);
    let snapshot = stage.namespace.api::<Secret>().get(&status.snapshot.unwrap()).await.unwrap();
    assert_eq!(snapshot.type_.as_deref(), Some(SNAPSHOT_TYPE));
}

#[tokio::test]
async fn a_push_with_a_webhook_is_live_at_once() {
    let stage = stage("pushed").await;
    let first = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &first).await;
    let second = stage.push_file("config.yaml", &config_map("config", "two")).await;
    stage.has_value_within("config", "two", Duration::from_secs(5)).await;
    stage.synced("web", &second).await;
    let last = stage.last_sync("web").await;
    assert_eq!(last.spec.initiated_by.trigger, Trigger::Webhook);
    assert_eq!(last.status.unwrap().plan.map(|it| (it.create, it.change, it.unchanged)), Some((0, 1, 0)));
}

#[tokio::test]
async fn a_push_without_a_webhook_is_found_by_polling() {
    let stage = stage("polled").await;
    stage.namespace.kubectl(&[
        "patch",
        "repository",
        "deploy",
        "--type=merge",
        "-p",
        r#"{"spec":{"interval":"1s"}}"#,
    ]);
    stage.repo.commit_file("main", "app/config.yaml", config_map("config", "one"));
    stage.create("web", json!({})).await;
    stage.has_value("config", "one").await;
    let commit = stage.repo.commit_file("main", "app/config.yaml", config_map("config", "two"));
    stage.synced("web", &commit).await;
    assert_eq!(stage.last_sync("web").await.spec.initiated_by.trigger, Trigger::Auto);
}

#[tokio::test]
async fn what_leaves_git_leaves_the_cluster() {
    let stage = stage("pruned").await;
    let files = [("a.yaml", Some(config_map("a", "1"))), ("b.yaml", Some(config_map("b", "1")))];
    let first = stage.push(&[(files[0].0, files[0].1.as_deref()), (files[1].0, files[1].1.as_deref())]).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &first).await;
    let second = stage.push(&[("b.yaml", None)]).await;
    stage.synced("web", &second).await;
    assert_eq!(stage.value("b").await, None);
    assert_eq!(stage.value("a").await.as_deref(), Some("1"));
    assert_eq!(stage.last_sync("web").await.status.unwrap().plan.map(|it| it.prune), Some(1));
}

#[tokio::test]
async fn without_auto_nothing_is_written_until_somebody_asks() {
    let stage = stage("manual").await;
    let commit = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({ "sync": { "auto": false } })).await;
    stage.says("web", "tiphys sync").await;
    assert_eq!(stage.value("config").await, None);
    assert!(stage.syncs("web").await.is_empty());
    stage.request("web", "by-hand", json!({})).await;
    stage.succeeded("by-hand").await;
    stage.synced("web", &commit).await;
    assert_eq!(stage.value("config").await.as_deref(), Some("one"));
}

#[tokio::test]
async fn a_sync_can_name_a_revision() {
    let stage = stage("revision").await;
    let old = stage.push_file("config.yaml", &config_map("config", "old")).await;
    stage.repo.tag("v1.0.0", &old);
    let new = stage.push_file("config.yaml", &config_map("config", "new")).await;
    stage.create("web", json!({ "sync": { "auto": false } })).await;
    stage.request("web", "to-commit", json!({ "revision": old })).await;
    let sync = stage.succeeded("to-commit").await;
    assert!(sync.status.unwrap().revision.unwrap().ends_with(&old));
    stage.has_value("config", "old").await;
    stage.request("web", "to-branch", json!({ "revision": "main" })).await;
    let sync = stage.succeeded("to-branch").await;
    assert!(sync.status.unwrap().revision.unwrap().ends_with(&new));
    stage.has_value("config", "new").await;
    stage.request("web", "to-tag", json!({ "revision": "v1.0.0" })).await;
    stage.succeeded("to-tag").await;
    stage.has_value("config", "old").await;
}

#[tokio::test]
async fn a_sync_made_with_kubectl_goes_back_and_holds() {
    let stage = stage("rollback").await;
    let first = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &first).await;
    let second = stage.push_file("config.yaml", &config_map("config", "two")).await;
    stage.synced("web", &second).await;

    stage.request("web", "back", json!({ "rollbackTo": "web-1" })).await;
    let back = stage.succeeded("back").await;
    assert!(back.status.unwrap().revision.unwrap().ends_with(&first));
    stage.has_value("config", "one").await;
    let application = stage.wait("web", "it is held", LONG, |it| {
        it.status.as_ref()?.hold.as_ref()?;
        is_ready(it).then(|| it.clone())
    });
    let hold = application.await.status.unwrap().hold.unwrap();
    assert_eq!((hold.rolled_back_to.as_str(), hold.by.as_str()), ("web-1", "back"));

    // Neither a new look nor a commit that changes nothing of it ends the hold.
    stage.looked_at("web").await;
    let elsewhere = stage.repo.commit_file("main", "elsewhere/readme.txt", "nothing of ours");
    stage.tell(&elsewhere).await;
    stage.looked_at("web").await;
    assert_eq!(stage.value("config").await.as_deref(), Some("one"));

    // Nor does a correction of drift.
    stage.namespace.kubectl(&["patch", "configmap", "config", "-p", r#"{"data":{"value":"drift"}}"#]);
    stage.has_value("config", "one").await;
    stage.looked_at("web").await;
    stage.says("web", "held at").await;
    assert_eq!(stage.value("config").await.as_deref(), Some("one"));

    // A newer revision that changes what is rendered ends it.
    let third = stage.push_file("config.yaml", &config_map("config", "three")).await;
    let application = stage.synced("web", &third).await;
    assert_eq!(stage.value("config").await.as_deref(), Some("three"));
    assert_eq!(application.status.unwrap().hold, None);
}

#[tokio::test]
async fn an_indefinite_hold_lasts_until_somebody_asks() {
    let stage = stage("hold").await;
    let first = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &first).await;
    let second = stage.push_file("config.yaml", &config_map("config", "two")).await;
    stage.synced("web", &second).await;
    stage.request("web", "back", json!({ "rollbackTo": "web-1", "hold": "Indefinite" })).await;
    stage.succeeded("back").await;
    let third = stage.push_file("config.yaml", &config_map("config", "three")).await;
    // The new revision has been seen when it makes the Application look at it; it is not applied.
    stage.looked_at("web").await;
    stage.says("web", "held at").await;
    stage
        .stays("the hold", Duration::from_secs(2), || async {
            match stage.value("config").await.as_deref() {
                Some("one") => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    stage.request("web", "go-on", json!({})).await;
    stage.succeeded("go-on").await;
    stage.synced("web", &third).await;
    stage.has_value("config", "three").await;
}

#[tokio::test]
async fn a_rollback_without_hold_is_followed_by_the_source() {
    let stage = stage("no-hold").await;
    let first = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &first).await;
    let second = stage.push_file("config.yaml", &config_map("config", "two")).await;
    stage.synced("web", &second).await;
    stage.request("web", "back", json!({ "rollbackTo": "web-1", "hold": "None" })).await;
    stage.succeeded("back").await;
    stage.synced("web", &second).await;
    stage.has_value("config", "two").await;
}

#[tokio::test]
async fn an_object_that_is_nobodys_is_adopted() {
    let stage = stage("adopted").await;
    stage.namespace.kubectl(&[
        "create",
        "configmap",
        "config",
        "--from-literal=value=by hand",
        "--from-literal=extra=x",
    ]);
    let commit = stage.push_file("config.yaml", &config_map("config", "by git")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    let plan = stage.last_sync("web").await.status.unwrap().plan.unwrap();
    assert_eq!((plan.create, plan.adopt, plan.change), (0, 1, 0));
    assert_eq!(stage.value("config").await.as_deref(), Some("by git"));
}

#[tokio::test]
async fn t02_fields_that_kubectl_applied_and_git_no_longer_names_disappear() {
    let stage = stage("migrated").await;
    for how in ["apply", "create"] {
        let object = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: by-{how}\n  labels: {{old: label}}\n\
             data:\n  value: kept\n  gone: from git\n"
        );
        stage.access.kubectl_with_input(["-n", stage.ns(), how, "-f", "-"], &object);
    }
    let files = [config_map("by-apply", "kept"), config_map("by-create", "kept")].join("---\n");
    let commit = stage.push_file("config.yaml", &files).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    for name in ["by-apply", "by-create"] {
        let live = stage.namespace.api::<ConfigMap>().get(name).await.unwrap();
        assert_eq!(live.data.unwrap().into_keys().collect::<Vec<_>>(), ["value"], "{name}");
        assert!(!live.metadata.labels.unwrap().contains_key("old"), "{name}");
    }
}

#[tokio::test]
async fn old_syncs_go_with_their_snapshots_and_those_in_use_stay() {
    let stage = stage("history").await;
    let first = stage.push_file("config.yaml", &config_map("config", "0")).await;
    stage.create("web", json!({ "history": { "limit": 2 } })).await;
    stage.synced("web", &first).await;
    for value in 1..=4 {
        let commit = stage.push_file("config.yaml", &config_map("config", &value.to_string())).await;
        stage.synced("web", &commit).await;
    }
    eventually("two Syncs are left", LONG, || async {
        let syncs = stage.syncs("web").await;
        let names: Vec<_> = syncs.iter().filter_map(|it| it.metadata.name.clone()).collect();
        if names == ["web-4", "web-5"] { Ok(()) } else { Err(format!("{names:?}")) }
    })
    .await;
    eventually("the snapshots of the others are gone", LONG, || async {
        let secrets =
            stage.namespace.api::<Secret>().list(&kube::api::ListParams::default()).await.unwrap().items;
        let count = secrets.iter().filter(|it| it.type_.as_deref() == Some(SNAPSHOT_TYPE)).count();
        if count == 2 { Ok(()) } else { Err(format!("{count} snapshots")) }
    })
    .await;
    let numbers: Vec<_> =
        stage.syncs("web").await.iter().map(|it| it.status.as_ref().unwrap().number).collect();
    assert_eq!(numbers, [Some(4), Some(5)]);
    // What was removed does not make numbers be used again.
    let commit = stage.push_file("config.yaml", &config_map("config", "5")).await;
    stage.synced("web", &commit).await;
    assert_eq!(stage.last_sync("web").await.status.unwrap().number, Some(6));
}

#[tokio::test]
async fn only_one_sync_runs_and_the_others_queue_in_order() {
    let stage = stage("queue").await;
    let commit = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    for name in ["q-1", "q-2", "q-3"] {
        stage.request("web", name, json!({})).await;
    }
    for name in ["q-1", "q-2", "q-3"] {
        stage.succeeded(name).await;
    }
    let syncs = stage.syncs("web").await;
    let spans: Vec<_> = syncs
        .iter()
        .map(|it| it.status.clone().unwrap())
        .map(|it| (it.started_at.unwrap().0, it.finished_at.unwrap().0))
        .collect();
    assert!(spans.windows(2).all(|it| it[0].1 <= it[1].0), "they overlap: {spans:?}");
    let names: Vec<_> = syncs.iter().map(|it| it.metadata.name.clone().unwrap()).collect();
    assert_eq!(names, ["web-1", "q-1", "q-2", "q-3"]);
}

#[tokio::test]
async fn only_the_objects_that_are_named_are_synced() {
    let stage = stage("partial").await;
    let both = |value: &str| [config_map("a", value), config_map("b", value)].join("---\n");
    let first = stage.push_file("both.yaml", &both("one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &first).await;
    stage.change("web", json!({ "sync": { "auto": false } })).await;
    stage.push_file("both.yaml", &both("two")).await;
    stage.request("web", "only-a", json!({ "resources": [{ "kind": "ConfigMap", "name": "a" }] })).await;
    stage.succeeded("only-a").await;
    stage.has_value("a", "two").await;
    assert_eq!(stage.value("b").await.as_deref(), Some("one"));
}

#[tokio::test]
async fn a_suspended_application_waits_until_it_is_resumed() {
    let stage = stage("suspended").await;
    let first = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &first).await;
    stage.change("web", json!({ "suspend": { "reason": "freeze before the fair" } })).await;
    let second = stage.push_file("config.yaml", &config_map("config", "two")).await;
    stage.says("web", "freeze before the fair").await;
    assert_eq!(stage.value("config").await.as_deref(), Some("one"));
    stage.change("web", json!({ "suspend": null })).await;
    stage.synced("web", &second).await;
}

#[tokio::test]
async fn an_application_renders_the_example_chart() {
    let stage = stage("example").await;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts-example/web");
    let commit = stage.repo.commit("main").write_folder("app", folder).finish();
    stage.tell(&commit).await;
    stage.create("web", json!({ "source": { "tera": { "valueFiles": ["values-dev.yaml"] } } })).await;
    stage.synced("web", &commit).await;
}

#[tokio::test]
async fn a_namespace_is_created_on_request_and_left_alone() {
    let stage = stage("namespace").await;
    let commit = stage.push_file("config.yaml", &config_map("config", "one")).await;
    let name = format!("{}-new", stage.ns());
    // Only an Application of the installation's own namespace may do this, and it needs its own Repository there.
    let manifests = tiphys_tests::repository_manifests("tiphys", stage.ns(), stage.repo.url());
    stage.access.kubectl_with_input(["apply", "-f", "-"], &manifests);
    let application = format!("{}-web", stage.ns());
    let destination = json!({ "destination": { "namespace": name, "createNamespace": true } });
    stage.create_in("tiphys", &application, destination).await.unwrap();
    stage.access.kubectl([
        "wait",
        "--for=condition=Ready",
        "--timeout=60s",
        "-n",
        "tiphys",
        "app",
        &application,
    ]);
    let value =
        stage.access.kubectl(["get", "configmap", "-n", &name, "config", "-o", "jsonpath={.data.value}"]);
    assert_eq!(value, "one");
    let revision = ["get", "app", "-n", "tiphys", &application, "-o", "jsonpath={.status.revision}"];
    assert!(stage.access.kubectl(revision).ends_with(&commit));
    stage.access.kubectl(["delete", "app", "-n", "tiphys", &application, "--timeout=60s"]);
    let phase = stage.access.kubectl(["get", "namespace", &name, "-o", "jsonpath={.status.phase}"]);
    assert_eq!(phase, "Active", "the Namespace is not the Application's to delete");
    stage.access.kubectl(["delete", "namespace", &name, "--wait=false"]);
    stage.access.kubectl(["delete", "-n", "tiphys", "repository", stage.ns()]);
}

#[tokio::test]
async fn a_dry_run_answers_while_another_sync_waits() {
    let stage = stage("question").await;
    let commit = stage.push_file("web.yaml", &Deployment::new("web").pod("never-ready").yaml()).await;
    stage.create("web", json!({})).await;
    stage.wait_sync("web-1", "it waits", LONG, |it| (phase(it) == Phase::Waiting).then_some(())).await;
    stage.request("web", "question", json!({ "dryRun": true })).await;
    let answer = stage.succeeded("question").await.status.unwrap();
    assert!(answer.revision.unwrap().ends_with(&commit));
    assert!(answer.snapshot.is_some(), "the plan is kept until it is read");
    assert_eq!(phase(&stage.all_syncs().get("web-1").await.unwrap()), Phase::Waiting);
}

#[tokio::test]
async fn metrics_and_events_tell_what_happened() {
    let stage = stage("told").await;
    let commit = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    let labels = format!("namespace=\"{}\",application=\"web\"", stage.ns());
    let text = stage.endpoints.metrics_text().await;
    let has = |text: &str, start: &str, part: &str| {
        text.lines().any(|it| it.starts_with(start) && it.contains(part))
    };
    assert!(has(&text, "tiphys_application_ready", &labels), "{labels}");
    let info = format!("{labels},project=\"default\",sync=\"Synced\",health=\"Healthy\"");
    assert!(has(&text, "tiphys_application_info", &info), "{info}");
    let done = format!("{labels},phase=\"Succeeded\"");
    assert!(has(&text, "tiphys_sync_total", &done) || has(&text, "tiphys_syncs_total", &done), "{done}");
    assert!(text.ends_with("# EOF\n"), "it is OpenMetrics");
    stage.push_file("config.yaml", "kind: Nonsense").await;
    stage.stalls("web", "config.yaml").await;
    eventually("an event says so", LONG, || async {
        let reasons = stage.namespace.kubectl(&["get", "events", "-o=jsonpath={.items[*].reason}"]);
        if reasons.contains("SyncFailed") { Ok(()) } else { Err(reasons) }
    })
    .await;
    // What is gone is not exported for ever.
    stage.applications().delete("web", &kube::api::DeleteParams::default()).await.unwrap();
    eventually("its metrics are gone", LONG, || async {
        let text = stage.endpoints.metrics_text().await;
        if has(&text, "tiphys_application_info", &labels) { Err("still there") } else { Ok(()) }
    })
    .await;
}
