//! Controllers and webhooks that change what we apply after each apply (T27 of the reference).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, WatchEvent, WatchParams};
use serde_json::json;
use tiphys_api::{Application, DriftOutcome, DriftRecord, STALLED};
use tiphys_tests::{Cluster, eventually};
use tokio::task::JoinHandle;

use crate::support::manifests::{Deployment, config_map};
use crate::support::shared::stage;
use crate::support::stage::Stage;
use crate::support::{LONG, condition, message};

/// A controller that writes its own value whenever it sees another one, and how often it did.
struct Stubborn {
    running: JoinHandle<()>,
    writes: Arc<AtomicU32>,
}

impl Stubborn {
    fn start(stage: &Stage<'_>, config_map: &str) -> Self {
        let api: Api<ConfigMap> = stage.namespace.api();
        let writes = Arc::new(AtomicU32::new(0));
        let (count, name) = (Arc::clone(&writes), config_map.to_owned());
        let running = tokio::spawn(async move {
            let params = WatchParams::default().fields(&format!("metadata.name={name}"));
            let mut seen = api.watch(&params, "0").await.unwrap().boxed();
            while let Ok(Some(event)) = seen.try_next().await {
                let (WatchEvent::Added(object) | WatchEvent::Modified(object)) = event else { continue };
                let value = object.data.and_then(|mut it| it.remove("value"));
                if value.is_some_and(|it| !it.starts_with("theirs")) {
                    let value = format!("theirs {}", count.fetch_add(1, Ordering::Relaxed));
                    let manager = Some("stubborn-operator".to_owned());
                    let params = PatchParams { field_manager: manager, ..PatchParams::default() };
                    let patch = Patch::Merge(json!({ "data": { "value": value } }));
                    let _ = api.patch(&name, &params, &patch).await;
                }
            }
        });
        Self { running, writes }
    }

    fn writes(&self) -> u32 {
        self.writes.load(Ordering::Relaxed)
    }
}

impl Drop for Stubborn {
    fn drop(&mut self) {
        self.running.abort();
    }
}

fn record<'a>(application: &'a Application, name: &str) -> Option<&'a DriftRecord> {
    application.status.as_ref()?.drifts.iter().find(|it| it.name == name)
}

async fn left_alone(stage: &Stage<'_>) -> Application {
    let check = |it: &Application| {
        let record = record(it, "config")?;
        let ready = condition(&it.status.as_ref()?.conditions, STALLED)?;
        (record.outcome == DriftOutcome::LeftAlone && ready.reason == "Fight").then(|| it.clone())
    };
    stage.wait("web", "the field is left alone", LONG, check).await
}

#[tokio::test]
async fn t27_a_controller_that_writes_back_is_left_alone_after_three_rounds_and_nothing_else_is() {
    let stage = stage("t27").await;
    let all = |value: &str| {
        let extra = format!("{}  extra: one\n", config_map("config", value));
        format!("{extra}---\n{}", config_map("other", "ours"))
    };
    let commit = stage.push_file("all.yaml", &all("ours")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    let stubborn = Stubborn::start(&stage, "config");
    let application = left_alone(&stage).await;
    // The first write, and one after each correction.
    assert!((3..=4).contains(&stubborn.writes()), "{} rounds", stubborn.writes());
    let found = record(&application, "config").unwrap();
    assert_eq!(
        (found.fields.as_slice(), found.by.as_str()),
        (&["data.value".to_owned()][..], "stubborn-operator")
    );
    let message = stage.says("web", "stubborn-operator").await;
    assert!(message.contains("data.value") && message.contains("ignoreDifferences"), "{message}");
    let events = stage.namespace.kubectl(&["get", "events", "-o=jsonpath={.items[*].reason}"]);
    assert!(events.contains("Fight"), "{events}");
    let syncs = stage.syncs("web").await.len();
    // Everything else is healed as before: other objects, and other fields of this one.
    stage.namespace.kubectl(&["patch", "configmap", "other", "-p", r#"{"data":{"value":"edited"}}"#]);
    stage.has_value_within("other", "ours", Duration::from_secs(15)).await;
    stage.namespace.kubectl(&["patch", "configmap", "config", "-p", r#"{"data":{"extra":"edited"}}"#]);
    eventually("the other field is as in Git", Duration::from_secs(15), || async {
        let live = stage.namespace.api::<ConfigMap>().get("config").await.unwrap();
        let found = live.data.unwrap_or_default().remove("extra");
        if found.as_deref() == Some("one") { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
    stage.looked_at("web").await;
    assert!(stage.value("config").await.is_some_and(|it| it.starts_with("theirs")), "it is left alone");
    assert!(stubborn.writes() <= 4 && stage.syncs("web").await.len() <= syncs + 2, "no further round");
    // The other side gives up: what Git says holds again, once it says something new.
    drop(stubborn);
    let commit = stage.push_file("all.yaml", &all("ours again")).await;
    stage.has_value("config", "ours again").await;
    stage.synced("web", &commit).await;
}

#[tokio::test]
async fn t27_a_sync_of_a_person_tries_again() {
    let stage = stage("t27-person").await;
    let commit = stage.push_file("config.yaml", &config_map("config", "ours")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    let stubborn = Stubborn::start(&stage, "config");
    left_alone(&stage).await;
    drop(stubborn);
    assert!(stage.value("config").await.is_some_and(|it| it.starts_with("theirs")));
    stage.request("web", "again", json!({})).await;
    stage.succeeded("again").await;
    assert_eq!(stage.value("config").await.as_deref(), Some("ours"));
    stage.synced("web", &commit).await;
}

/// A controller that deletes a ConfigMap whenever it appears, and how often it did.
struct Deleter {
    running: JoinHandle<()>,
    deletions: Arc<AtomicU32>,
}

impl Deleter {
    fn start(stage: &Stage<'_>, config_map: &str) -> Self {
        let api: Api<ConfigMap> = stage.namespace.api();
        let deletions = Arc::new(AtomicU32::new(0));
        let (count, name) = (Arc::clone(&deletions), config_map.to_owned());
        let running = tokio::spawn(async move {
            let params = WatchParams::default().fields(&format!("metadata.name={name}"));
            let mut seen = api.watch(&params, "0").await.unwrap().boxed();
            while let Ok(Some(event)) = seen.try_next().await {
                if matches!(event, WatchEvent::Added(_))
                    && api.delete(&name, &DeleteParams::default()).await.is_ok()
                {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Self { running, deletions }
    }

    fn deletions(&self) -> u32 {
        self.deletions.load(Ordering::Relaxed)
    }
}

impl Drop for Deleter {
    fn drop(&mut self) {
        self.running.abort();
    }
}

#[tokio::test]
async fn t27_a_controller_that_deletes_again_is_left_alone_after_three_rounds_and_nothing_else_is() {
    let stage = stage("t27-deletes").await;
    let all = format!("{}---\n{}", config_map("config", "ours"), config_map("other", "ours"));
    let commit = stage.push_file("all.yaml", &all).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    let deleter = Deleter::start(&stage, "config");
    let application = left_alone(&stage).await;
    // The first deletion, and one after each correction.
    assert!((3..=4).contains(&deleter.deletions()), "{} rounds", deleter.deletions());
    let found = record(&application, "config").unwrap();
    assert!(found.fields.is_empty(), "the whole object: {:?}", found.fields);
    let message = stage.says("web", "keeps deleting the object").await;
    assert!(message.contains(&format!("ConfigMap {}/config", stage.ns())), "{message}");
    let events = stage.namespace.kubectl(&["get", "events", "-o=jsonpath={.items[*].reason}"]);
    assert!(events.contains("Fight"), "{events}");
    let syncs = stage.syncs("web").await;
    assert!(syncs.len() <= 4, "one Sync for each round: {}", syncs.len());
    // Everything else is healed as before, and that Sync does not wait for what is left alone.
    stage.namespace.kubectl(&["patch", "configmap", "other", "-p", r#"{"data":{"value":"edited"}}"#]);
    stage.has_value_within("other", "ours", Duration::from_secs(15)).await;
    stage.succeeded(&format!("web-{}", syncs.len() + 1)).await;
    stage.looked_at("web").await;
    assert_eq!(stage.value("config").await, None, "it is left alone");
    assert!(deleter.deletions() <= 4, "no further round");
    // The other side gives up, and a person tries again.
    drop(deleter);
    stage.request("web", "again", json!({})).await;
    stage.succeeded("again").await;
    assert_eq!(stage.value("config").await.as_deref(), Some("ours"));
    stage.synced("web", &commit).await;
}

/// Each correction waits for something else that takes its time when its object is deleted again.
#[tokio::test]
async fn t27_a_correction_that_is_undone_while_it_waits_ends_at_once() {
    let stage = stage("t27-undone").await;
    let slow = Deployment::new("slow").slow("20s").yaml();
    let commit = stage.push_file("all.yaml", &[slow, config_map("config", "ours")].join("---\n")).await;
    stage.create("web", json!({ "sync": { "selfHeal": false, "timeout": "5m" } })).await;
    stage.synced("web", &commit).await;
    // One correction brings back both, and the pods have to come up anew.
    stage.namespace.kubectl(&["delete", "deployment", "slow"]);
    let deleter = Deleter::start(&stage, "config");
    stage.says("web", "Missing").await;
    eventually("it is deleted", LONG, || async { stage.value("config").await.map_or(Ok(()), Err) }).await;
    stage.change("web", json!({ "sync": { "selfHeal": true } })).await;
    left_alone(&stage).await;
    assert!((3..=4).contains(&deleter.deletions()), "{} rounds", deleter.deletions());
    let undone = stage.syncs("web").await.into_iter().filter(|it| message(it).contains("was deleted again"));
    assert!(undone.count() >= 1, "a correction said why it ended");
}

/// Without this the Sync would wait in vain, fail when its time is over, and perhaps go back.
#[tokio::test]
async fn what_somebody_deletes_while_a_sync_waits_is_brought_back_by_it() {
    brought_back("meanwhile", &[]).await;
}

/// What the second stage applies is missing as well, and nobody deleted it.
#[tokio::test]
async fn what_somebody_deletes_while_a_stage_waits_is_brought_back_and_no_later_stage_is_begun() {
    let later = config_map("later", "ours")
        .replace("  name: later", "  name: later\n  annotations: { tiphys.dev/sync-wave: '1' }");
    brought_back("meanwhile-stage", &[later]).await;
}

async fn brought_back(hint: &str, more: &[String]) {
    let stage = stage(hint).await;
    let slow = Deployment::new("slow").slow("15s").yaml();
    let all = [&[slow, config_map("config", "ours")], more].concat();
    let commit = stage.push_file("all.yaml", &all.join("---\n")).await;
    stage.create("web", json!({ "sync": { "timeout": "5m" } })).await;
    eventually("it is applied", LONG, || async { stage.value("config").await.ok_or("not yet") }).await;
    stage.namespace.kubectl(&["delete", "configmap", "config"]);
    eventually("it is back", LONG, || async { stage.value("config").await.ok_or("gone") }).await;
    assert_eq!(stage.value("later").await, None, "the first stage still waits");
    let application = stage.synced("web", &commit).await;
    let syncs = stage.syncs("web").await;
    let [sync] = syncs.as_slice() else { panic!("one Sync did all: {syncs:?}") };
    let status = sync.status.clone().unwrap_or_default();
    assert_eq!(status.objects.len(), all.len(), "{:?}", status.objects);
    let drifts = application.status.unwrap_or_default().drifts;
    let [drift] = drifts.as_slice() else { panic!("one drift was seen: {drifts:?}") };
    assert_eq!((drift.kind.as_str(), drift.sync.as_deref()), ("ConfigMap", sync.metadata.name.as_deref()));
}

/// A MutatingAdmissionPolicy for ConfigMaps of one namespace; deleted when it goes.
struct Policy<'a> {
    stage: &'a Stage<'a>,
}

impl<'a> Policy<'a> {
    /// `condition` says of which requests, `value` what `data.value` becomes, both in CEL.
    fn apply(stage: &'a Stage<'a>, condition: &str, value: &str) -> Self {
        let name = stage.ns();
        let object = json!({ "apiVersion": "v1", "kind": "List", "items": [
            {
                "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicy",
                "metadata": { "name": name },
                "spec": {
                    "failurePolicy": "Fail", "reinvocationPolicy": "Never",
                    "matchConstraints": {
                        "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": name } },
                        "resourceRules": [{
                            "apiGroups": [""], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"],
                            "resources": ["configmaps"],
                        }],
                    },
                    "matchConditions": [{ "name": "wanted", "expression": condition }],
                    "mutations": [{
                        "patchType": "JSONPatch",
                        "jsonPatch": { "expression": format!(
                            "[JSONPatch{{op: 'add', path: '/data/value', value: {value}}}]"
                        ) },
                    }],
                },
            },
            {
                "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicyBinding",
                "metadata": { "name": name }, "spec": { "policyName": name },
            },
        ] });
        stage.namespace.apply(&object.to_string());
        Self { stage }
    }

    /// Waits until the API server uses it; it takes note of policies in its own time.
    async fn works(&self, expected: &str) {
        let stage = self.stage;
        let patch = r#"{"metadata":{"annotations":{"probe":"NUMBER"}}}"#;
        stage.namespace.apply(&config_map("probe", "unchanged"));
        eventually("the policy works", LONG, || async {
            let patch = patch.replace("NUMBER", &fastrand::u64(..).to_string());
            stage.namespace.kubectl(&["patch", "configmap", "probe", "-p", &patch]);
            match stage.value("probe").await {
                Some(value) if value.starts_with(expected) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }
}

impl Drop for Policy<'_> {
    fn drop(&mut self) {
        let arguments = ["delete", "mutatingadmissionpolicy,mutatingadmissionpolicybinding", self.stage.ns()];
        let _ = self.stage.access.try_kubectl(&Cluster::shared().admin_identity(), arguments, "");
    }
}

#[tokio::test]
async fn t27_a_webhook_that_changes_a_field_at_every_write_makes_no_loop() {
    let stage = stage("t27-webhook").await;
    let policy = Policy::apply(&stage, "true", "object.data.value + ' mutated'");
    policy.works("unchanged mutated").await;
    let all = |value: &str| format!("{}  extra: {value}\n", config_map("config", "ours"));
    let commit = stage.push_file("config.yaml", &all("one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    // Applied again it would be mutated again; nobody does that without a reason.
    for name in ["again", "and-again"] {
        stage.request("web", name, json!({})).await;
        let plan = stage.succeeded(name).await.status.unwrap().plan.unwrap();
        assert_eq!((plan.change, plan.unchanged), (0, 1), "{name}");
    }
    let syncs = stage.syncs("web").await.len();
    stage.looked_at("web").await;
    let application = stage.synced("web", &commit).await;
    assert_eq!(stage.syncs("web").await.len(), syncs);
    assert_eq!(application.status.unwrap().drifts, []);
    let commit = stage.push_file("config.yaml", &all("two")).await;
    stage.synced("web", &commit).await;
    stage.looked_at("web").await;
    stage.synced("web", &commit).await;
    assert_eq!(stage.syncs("web").await.len(), syncs + 1);
}

#[tokio::test]
async fn t27_a_webhook_that_changes_a_field_that_git_does_not_name_changes_no_plan() {
    let stage = stage("t27-counter").await;
    let manifest = |ignore: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: config\n  labels:\n    a: {ignore}\ndata:\n  extra: one\n"
        )
    };
    let counted = "has(object.data.value) ? object.data.value + '+' : 'counted'";
    let policy = Policy::apply(&stage, "true", counted);
    policy.works("unchanged+").await;
    let commit = stage.push_file("config.yaml", &manifest("x")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    // Another rule makes everything be asked about; what the dry run adds is no change of ours.
    let ignore = json!([{ "kind": "ConfigMap", "jsonPointers": ["/data/unheard-of"] }]);
    stage.change("web", json!({ "ignoreDifferences": ignore })).await;
    stage.request("web", "asked", json!({})).await;
    let plan = stage.succeeded("asked").await.status.unwrap().plan.unwrap();
    assert_eq!((plan.change, plan.unchanged), (0, 1));
}

#[tokio::test]
async fn t27_a_webhook_that_hides_from_dry_runs_is_named_and_makes_no_loop() {
    let stage = stage("t27-hidden").await;
    let commit = stage.push_file("config.yaml", &config_map("config", "ours")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    let policy = Policy::apply(&stage, "!(has(request.dryRun) && request.dryRun)", "'mutated'");
    policy.works("mutated").await;
    // It acts when somebody else writes, and when we correct that.
    stage.namespace.kubectl(&["annotate", "configmap", "config", "somebody=writes"]);
    let check =
        |it: &Application| record(it, "config").filter(|it| it.outcome == DriftOutcome::Corrected).cloned();
    let found = stage.wait("web", "it is recorded", LONG, check).await;
    assert_eq!((found.by.as_str(), found.operation), ("a mutating webhook", None));
    stage.looked_at("web").await;
    let syncs = stage.syncs("web").await;
    assert_eq!(syncs.len(), 2, "no loop");
    let status = syncs[1].status.clone().unwrap();
    let message = status.objects[0].message.clone().unwrap_or_default();
    assert!(message.contains("not what the dry run foretold"), "{message}");
}
