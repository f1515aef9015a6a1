//! When Syncs give way, end, go back, and what they are put down to.

use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::Deployment as LiveDeployment;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tiphys_api::{HookPhase, Outcome, Phase, Sync, Trigger};

use crate::support::manifests::{Deployment, config_map};
use crate::support::shared::stage;
use crate::support::stage::Stage;
use crate::support::{LONG, message, phase};

/// T30: how long a newer revision may take to take the place of one that waits.
const GIVES_WAY: Duration = Duration::from_secs(2);

fn marked(manifest: &str, key: &str, value: &str) -> String {
    manifest.replacen("metadata:\n", &format!("metadata:\n  annotations:\n    {key}: {value:?}\n"), 1)
}

fn wave(manifest: &str, wave: &str) -> String {
    marked(manifest, "tiphys.dev/sync-wave", wave)
}

fn hook(manifest: &str, phase: &str) -> String {
    marked(manifest, "tiphys.dev/hook", phase)
}

fn job(name: &str, pod: &str) -> String {
    let pod = if pod.is_empty() {
        String::new()
    } else {
        format!("      annotations:\n        tests.tiphys.dev/pod: {pod}\n")
    };
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {name}\nspec:\n  backoffLimit: 0\n  template:\n    \
         metadata:\n      labels:\n        app: {name}\n{pod}    spec:\n      restartPolicy: Never\n      \
         containers:\n        - name: app\n          image: registry.example.com/app:1\n"
    )
}

/// Waits until a Sync has given way since `began`, and makes sure that it was soon.
async fn gives_way(stage: &Stage<'_>, sync: &str, began: Instant) {
    stage
        .wait_sync(sync, "it is superseded", LONG, |it| (phase(it) == Phase::Superseded).then_some(()))
        .await;
    let took = began.elapsed();
    assert!(took <= GIVES_WAY, "{sync} gave way after {took:?}");
}

#[tokio::test]
async fn t30_a_newer_revision_takes_the_place_of_a_rollout_that_does_not_come_up() {
    let stage = stage("t30-rollout").await;
    stage.push_file("web.yaml", &Deployment::new("web").pod("never-ready").yaml()).await;
    stage.create("web", json!({ "sync": { "timeout": "30m" } })).await;
    stage.wait_sync("web-1", "it waits", LONG, |it| (phase(it) == Phase::Waiting).then_some(())).await;
    let began = Instant::now();
    let mended = stage.push_file("web.yaml", &Deployment::new("web").yaml()).await;
    gives_way(&stage, "web-1", began).await;
    stage.synced("web", &mended).await;
    assert!(message(&stage.ended("web-1").await).contains("web-2"));
}

#[tokio::test]
async fn t30_a_newer_revision_takes_the_place_of_a_wave_that_is_waited_for() {
    let stage = stage("t30-wave").await;
    let all = |pod: &str, value: &str| {
        let first = Deployment::new("web");
        let first = if pod.is_empty() { first } else { first.pod(pod) };
        [first.yaml(), wave(&config_map("late", value), "1")].join("---\n")
    };
    stage.push_file("all.yaml", &all("never-ready", "one")).await;
    stage.create("web", json!({ "sync": { "timeout": "30m" } })).await;
    stage
        .wait_sync("web-1", "it waits for the first wave", LONG, |it| {
            (phase(it) == Phase::Waiting && message(it).contains("Deployment")).then_some(())
        })
        .await;
    let began = Instant::now();
    let mended = stage.push_file("all.yaml", &all("", "two")).await;
    gives_way(&stage, "web-1", began).await;
    stage.synced("web", &mended).await;
    stage.has_value("late", "two").await;
}

#[tokio::test]
async fn t30_a_newer_revision_takes_the_place_of_a_further_try() {
    let stage = stage("t30-retry").await;
    stage.push_file("web.yaml", &Deployment::new("web").image("registry.invalid/app:2").yaml()).await;
    let retry = json!({ "limit": 5, "backoff": { "duration": "30m", "max": "30m" } });
    stage.create("web", json!({ "sync": { "onFailure": "Retry", "retry": retry, "timeout": "3s" } })).await;
    stage.wait("web", "a further try is planned", LONG, |it| it.status.as_ref()?.retry.clone()).await;
    let began = Instant::now();
    let mended = stage.push_file("web.yaml", &Deployment::new("web").yaml()).await;
    let second = stage
        .wait_sync("web-2", "it has started", LONG, |it| (phase(it) != Phase::Pending).then(|| it.clone()));
    second.await;
    assert!(began.elapsed() <= GIVES_WAY, "{:?}", began.elapsed());
    let application = stage.synced("web", &mended).await;
    assert_eq!(application.status.unwrap().retry, None);
}

#[tokio::test]
async fn a_suspension_ends_by_itself() {
    let stage = stage("suspended-until").await;
    let first = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &first).await;
    let until =
        Timestamp::from_second((Timestamp::now() + SignedDuration::from_secs(8)).as_second()).unwrap();
    stage.change("web", json!({ "suspend": { "reason": "the fair", "until": until.to_string() } })).await;
    let second = stage.push_file("config.yaml", &config_map("config", "two")).await;
    stage.says("web", "the fair").await;
    assert_eq!(stage.value("config").await.as_deref(), Some("one"));
    stage.synced("web", &second).await;
    let started = stage.last_sync("web").await.status.unwrap().started_at.unwrap().0;
    let late = started.duration_since(until).as_secs();
    assert!((0..=3).contains(&late), "{late} s after its end");
}

#[tokio::test]
async fn a_sync_is_put_down_to_what_brought_its_revision() {
    let stage = stage("causes").await;
    let by = |sync: &Sync| sync.spec.initiated_by.trigger;
    let first = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &first).await;
    assert_eq!(by(&stage.last_sync("web").await), Trigger::Auto, "it is the Application that is new");
    let second = stage.push_file("config.yaml", &config_map("config", "two")).await;
    stage.synced("web", &second).await;
    assert_eq!(by(&stage.last_sync("web").await), Trigger::Webhook);
    // A change of the Application a moment after a webhook has nothing to do with it.
    let third = stage.repo.commit("main").write("other/config.yaml", config_map("config", "other")).finish();
    stage.tell(&third).await;
    stage.looked_at("web").await;
    stage.change("web", json!({ "source": { "path": "other" } })).await;
    stage.has_value("config", "other").await;
    stage.synced("web", &third).await;
    assert_eq!(by(&stage.last_sync("web").await), Trigger::Auto);
    // Nor is what drifts after one, and a webhook is none that tells of nothing.
    stage.tell(&third).await;
    stage.namespace.kubectl(&["patch", "configmap", "config", "-p", r#"{"data":{"value":"drift"}}"#]);
    stage.has_value("config", "other").await;
    assert_eq!(by(&stage.succeeded("web-4").await), Trigger::SelfHeal);
}

#[tokio::test]
async fn objects_are_chosen_by_patterns() {
    let stage = stage("patterns").await;
    let all = |value: &str| ["web-a", "web-b", "db"].map(|name| config_map(name, value)).join("---\n");
    let first = stage.push_file("all.yaml", &all("one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &first).await;
    stage.change("web", json!({ "sync": { "auto": false } })).await;
    stage.push_file("all.yaml", &all("two")).await;
    let chosen = json!([{ "group": "*", "kind": "Config*", "namespace": "*", "name": "web-*" }]);
    stage.request("web", "some", json!({ "resources": chosen })).await;
    stage.succeeded("some").await;
    stage.has_value("web-a", "two").await;
    stage.has_value("web-b", "two").await;
    assert_eq!(stage.value("db").await.as_deref(), Some("one"));
}

/// What a rollback leaves: it says why, it holds, and what failed is not tried again.
async fn went_back(stage: &Stage<'_>, bad: &str) -> Sync {
    let failed = stage.all_syncs().get("web-2").await.unwrap();
    assert_eq!(phase(&failed), Phase::Failed);
    assert!(failed.status.as_ref().unwrap().revision.as_ref().unwrap().ends_with(bad));
    let status = stage
        .wait("web", "it is held", LONG, |it| {
            let status = it.status.clone()?;
            status.hold.as_ref()?;
            Some(status)
        })
        .await;
    let hold = status.hold.unwrap();
    assert_eq!(hold.rolled_back_to, "web-1");
    assert!(hold.revision.unwrap().ends_with(bad));
    stage.looked_at("web").await;
    let syncs = stage.syncs("web").await;
    assert!(
        syncs.iter().filter(|it| phase(it) != Phase::Succeeded).count() == 1,
        "the bad one is not tried again"
    );
    failed
}

async fn image(stage: &Stage<'_>, name: &str) -> String {
    let live = stage.namespace.api::<LiveDeployment>().get(name).await.unwrap();
    live.spec.unwrap().template.spec.unwrap().containers[0].image.clone().unwrap()
}

#[tokio::test]
async fn a_rollback_takes_back_the_waves_that_were_applied() {
    let stage = stage("back-waves").await;
    let all = |image: &str, second: &str, value: &str, new: &str| {
        [
            Deployment::new("first").image(image).yaml(),
            wave(&config_map("first", value), "0"),
            wave(&Deployment::new("second").image(second).yaml(), "1"),
            wave(&config_map("third", value), "2"),
            hook(&config_map("report", value), "SyncFail"),
            if new.is_empty() { String::new() } else { config_map(new, "x") },
        ]
        .join("---\n")
    };
    let one = "registry.example.com/app:1";
    let good = stage.push_file("all.yaml", &all(one, one, "one", "")).await;
    stage.create("web", json!({ "sync": { "onFailure": "Rollback", "timeout": "15s" } })).await;
    stage.synced("web", &good).await;
    let two = all("registry.example.com/app:2", "registry.invalid/app:2", "two", "new");
    let bad = stage.push_file("all.yaml", &two).await;
    let back = stage.succeeded("web-3").await;
    assert_eq!(back.spec.rollback_to.as_deref(), Some("web-1"));
    let failed = went_back(&stage, &bad).await;
    assert!(
        message(&failed).contains("Deployment") && message(&failed).contains("second"),
        "{}",
        message(&failed)
    );
    assert_eq!((image(&stage, "first").await.as_str(), image(&stage, "second").await.as_str()), (one, one));
    stage.has_value("first", "one").await;
    assert_eq!(stage.value("third").await.as_deref(), Some("one"), "that wave was never reached");
    assert_eq!(stage.value("new").await, None, "what the bad one created is gone");
    stage.has_value("report", "two").await;
    let mended = stage.push_file("all.yaml", &all("registry.example.com/app:3", one, "three", "")).await;
    stage.synced("web", &mended).await;
}

#[tokio::test]
async fn a_rollback_follows_a_hook_that_fails_after_everything_was_applied() {
    let stage = stage("back-hooks").await;
    let all = |value: &str, pod: &str| {
        [
            config_map("config", value),
            hook(&job("smoke", pod), "PostSync"),
            hook(&config_map("report", value), "SyncFail"),
        ]
        .join("---\n")
    };
    let good = stage.push_file("all.yaml", &all("one", "")).await;
    stage.create("web", json!({ "sync": { "onFailure": "Rollback", "timeout": "30s" } })).await;
    stage.synced("web", &good).await;
    let bad = stage.push_file("all.yaml", &all("two", "fail")).await;
    stage.succeeded("web-3").await;
    let failed = went_back(&stage, &bad).await;
    assert!(
        message(&failed).contains("smoke") && message(&failed).contains("PostSync"),
        "{}",
        message(&failed)
    );
    let objects = &failed.status.as_ref().unwrap().objects;
    let report = objects.iter().find(|it| it.name == "report").unwrap();
    assert_eq!((report.hook, report.outcome), (Some(HookPhase::SyncFail), Outcome::Applied));
    stage.has_value("config", "one").await;
    stage.has_value("report", "two").await;
    let mended = stage.push_file("all.yaml", &all("three", "")).await;
    stage.synced("web", &mended).await;
}

/// A definition that was changed, one that is new, objects of both, and then something that does not work.
#[tokio::test]
async fn a_rollback_takes_back_definitions_and_leaves_those_that_hold_data() {
    let stage = stage("back-crds").await;
    let group = format!("{}.example.com", stage.ns());
    let definition = |plural: &str, kind: &str, field: &str| {
        format!(
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: {plural}.{group}\nspec:\n  \
             group: {group}\n  scope: Namespaced\n  names: {{kind: {kind}, plural: {plural}}}\n  versions:\n  - {{name: v1, served: true, \
             storage: true, schema: {{openAPIV3Schema: {{type: object, properties: {{spec: {{type: object, properties: {{{field}: \
             {{type: integer}}}}}}}}}}}}}}\n"
        )
    };
    let object = |kind: &str, field: &str| {
        format!(
            "apiVersion: {group}/v1\nkind: {kind}\nmetadata:\n  name: a\n  namespace: {ns}\nspec: {{{field}: 1}}\n",
            ns = stage.ns()
        )
    };
    let web = |deployment: Deployment| {
        wave(&deployment.yaml(), "1")
            .replace("  name: web\nspec:", &format!("  name: web\n  namespace: {}\nspec:", stage.ns()))
    };
    let one = [definition("gizmos", "Gizmo", "size"), object("Gizmo", "size"), web(Deployment::new("web"))];
    let two = [
        definition("gizmos", "Gizmo", "width"),
        object("Gizmo", "width"),
        definition("widgets", "Widget", "size"),
        object("Widget", "size"),
        web(Deployment::new("web").image("registry.invalid/app:2").deadline(3)),
    ];
    let manifests = tiphys_tests::repository_manifests(
        tiphys_tests::Installation::NAMESPACE,
        stage.ns(),
        stage.repo.url(),
    );
    stage.access.kubectl_with_input(["apply", "-f", "-"], &manifests);
    stage.push_file("all.yaml", &one.join("---\n")).await;
    let home = tiphys_tests::Installation::NAMESPACE;
    let name = format!("crds-{}", stage.ns());
    let spec = json!({ "sync": { "onFailure": "Rollback" } });
    stage.create_in(home, &name, spec).await.unwrap();
    stage.access.kubectl(["wait", "--for=condition=Ready", "--timeout=60s", "-n", home, "app", &name]);
    stage.push_file("all.yaml", &two.join("---\n")).await;
    let syncs: kube::Api<Sync> = kube::Api::namespaced(stage.client(), home);
    let held = tiphys_tests::eventually("it went back and holds", LONG, || async {
        let app: tiphys_api::Application =
            kube::Api::namespaced(stage.client(), home).get(&name).await.map_err(|it| it.to_string())?;
        match app.status.as_ref().and_then(|it| it.hold.clone()) {
            Some(hold) => Ok(hold),
            None => Err(crate::support::words(&app)),
        }
    })
    .await;
    assert_eq!(held.rolled_back_to, format!("{name}-1"));
    let failed = syncs.get(&format!("{name}-2")).await.unwrap();
    assert_eq!(phase(&failed), Phase::Failed);
    let back = syncs.get(&held.by).await.unwrap();
    assert_eq!(back.spec.initiated_by.trigger, Trigger::Rollback);
    assert_eq!(phase(&back), Phase::Succeeded, "{:?}", back.status);
    let field = |path: &str, kind: &str| {
        stage.access.kubectl([
            "get",
            "-n",
            stage.ns(),
            &format!("{kind}.{group}"),
            "a",
            &format!("-o=jsonpath={{{path}}}"),
        ])
    };
    assert_eq!(field(".spec.size", "gizmos"), "1");
    assert_eq!(field(".spec.width", "gizmos"), "");
    // Nobody was there to confirm that a definition and all that is kept as its objects may go.
    assert_eq!(field(".spec.size", "widgets"), "1");
    stage.access.kubectl(["delete", "app", "-n", home, &name, "--timeout=60s"]);
    for plural in ["gizmos", "widgets"] {
        stage.access.kubectl(["delete", "crd", &format!("{plural}.{group}"), "--wait=false"]);
    }
    stage.access.kubectl(["delete", "repository", "-n", home, stage.ns()]);
}
