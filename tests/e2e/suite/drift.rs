//! What happens when somebody edits live objects.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment as LiveDeployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;
use tiphys_api::{Application, DriftOutcome, DriftRecord, SyncState, Trigger};
use tiphys_tests::{Cluster, eventually, program};

use crate::support::LONG;
use crate::support::manifests::{Deployment, config_map, secret};
use crate::support::shared::stage;
use crate::support::stage::Stage;

/// Changes the value of a ConfigMap as a controller of this name.
async fn edit(stage: &Stage<'_>, name: &str, value: &str, manager: &str) {
    let params = PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
    let patch = Patch::Merge(json!({ "data": { "value": value } }));
    stage.namespace.api::<ConfigMap>().patch(name, &params, &patch).await.unwrap();
}

#[tokio::test]
async fn a_foreign_edit_is_corrected_at_once() {
    let stage = stage("healed").await;
    let commit = stage.push_file("web.yaml", &Deployment::new("web").replicas(1).yaml()).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    stage.namespace.kubectl(&["scale", "deployment", "web", "--replicas=3"]);
    eventually("the replicas are as in Git", Duration::from_secs(10), || async {
        let live = stage.namespace.api::<LiveDeployment>().get("web").await.unwrap();
        match live.spec.unwrap().replicas {
            Some(1) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let healed = stage.succeeded("web-2").await;
    assert_eq!(healed.spec.initiated_by.trigger, Trigger::SelfHeal);
    stage.synced("web", &commit).await;
    let events = stage.namespace.kubectl(&["get", "events", "-o=jsonpath={.items[*].reason}"]);
    assert!(events.contains("DriftCorrected"), "{events}");
}

#[tokio::test]
async fn a_deleted_object_comes_back() {
    let stage = stage("comes-back").await;
    let commit = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    stage.namespace.api::<ConfigMap>().delete("config", &DeleteParams::default()).await.unwrap();
    stage.has_value("config", "one").await;
    stage.synced("web", &commit).await;
}

#[tokio::test]
async fn without_self_heal_drift_is_shown_with_the_name_of_who_did_it() {
    let stage = stage("shown").await;
    let commit = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({ "sync": { "selfHeal": false } })).await;
    stage.synced("web", &commit).await;
    edit(&stage, "config", "two", "night-shift").await;
    let resource = stage.wait("web", "the ConfigMap is out of sync", LONG, |it| {
        let status = it.status.as_ref()?;
        let resource = status.resources.iter().find(|it| it.name == "config")?;
        let out = resource.sync == SyncState::OutOfSync && status.sync == Some(SyncState::OutOfSync);
        out.then(|| resource.clone())
    });
    let message = resource.await.message.unwrap_or_default();
    assert!(message.contains("night-shift") && message.contains("value"), "{message}");
    assert_eq!(stage.value("config").await.as_deref(), Some("two"));
    assert_eq!(stage.syncs("web").await.len(), 1);
    // Put back by hand, nothing is left of it.
    edit(&stage, "config", "one", "day-shift").await;
    stage.synced("web", &commit).await;
}

#[tokio::test]
async fn fields_that_git_does_not_name_are_nobodys_business() {
    let stage = stage("foreign-field").await;
    let commit = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    stage.namespace.kubectl(&["annotate", "configmap", "config", "somebody=wrote-this"]);
    stage.looked_at("web").await;
    stage.synced("web", &commit).await;
    assert_eq!(stage.syncs("web").await.len(), 1);
    let live = stage.namespace.api::<ConfigMap>().get("config").await.unwrap();
    assert!(live.metadata.annotations.unwrap().contains_key("somebody"));
}

#[tokio::test]
async fn ignored_differences_are_left_to_others() {
    let stage = stage("ignored").await;
    let commit = stage.push_file("web.yaml", &Deployment::new("web").replicas(1).yaml()).await;
    let ignore = json!([{ "group": "apps", "kind": "Deployment", "jsonPointers": ["/spec/replicas"] }]);
    stage.create("web", json!({ "ignoreDifferences": ignore })).await;
    stage.synced("web", &commit).await;
    stage.namespace.kubectl(&["scale", "deployment", "web", "--replicas=3"]);
    let replicas = || async {
        let live = stage.namespace.api::<LiveDeployment>().get("web").await.unwrap();
        match live.spec.unwrap().replicas {
            Some(3) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    };
    stage.stays("the replicas", Duration::from_secs(2), replicas).await;
    // A change of something else does not touch them either.
    let deployment = Deployment::new("web").replicas(1).image("registry.example.com/app:2");
    let commit = stage.push_file("web.yaml", &deployment.yaml()).await;
    stage.synced("web", &commit).await;
    replicas().await.unwrap();
}

/// What `tiphys drift` says.
fn command(stage: &Stage<'_>, arguments: &[&str]) -> String {
    let output = std::process::Command::new(program("tiphys"))
        .args([&["drift", "web", "--namespace", stage.ns()], arguments].concat())
        .env("KUBECONFIG", Cluster::shared().admin_kubeconfig())
        .output()
        .expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn drifts(application: &Application) -> Vec<DriftRecord> {
    application.status.clone().unwrap_or_default().drifts
}

#[tokio::test]
async fn drift_leaves_a_record_of_who_changed_what_and_what_became_of_it() {
    let stage = stage("recorded").await;
    let all = format!("{}---\n{}", Deployment::new("web").replicas(1).yaml(), secret("key", "hush-hush"));
    let commit = stage.push_file("all.yaml", &all).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    let replicas = |wanted: i32| {
        let stage = &stage;
        async move {
            let live = stage.namespace.api::<LiveDeployment>().get("web").await.unwrap();
            let found = live.spec.unwrap().replicas;
            if found == Some(wanted) { Ok(()) } else { Err(format!("{found:?}")) }
        }
    };
    for round in 1..=2 {
        stage.namespace.kubectl(&["scale", "deployment", "web", "--replicas=3"]);
        let corrected = |it: &Application| {
            let records = drifts(it);
            let record = records.iter().find(|it| it.kind == "Deployment")?;
            (record.count == round && record.outcome == DriftOutcome::Corrected).then(|| record.clone())
        };
        let record = stage.wait("web", "the drift is recorded", LONG, corrected).await;
        assert_eq!(record.fields, ["spec.replicas"]);
        assert_eq!((record.by.as_str(), record.subresource.as_deref()), ("kubectl", Some("scale")));
        assert_eq!(record.sync, Some(format!("web-{}", round + 1)));
        replicas(1).await.unwrap();
        // The API server notes whole seconds.
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
    stage.namespace.kubectl(&[
        "patch",
        "secret",
        "key",
        "-p",
        r#"{"stringData":{"password":"hush-hush-too"}}"#,
    ]);
    let of_secret = |it: &Application| {
        let record = drifts(it).into_iter().find(|it| it.kind == "Secret")?;
        (record.outcome == DriftOutcome::Corrected).then_some(record)
    };
    let record = stage.wait("web", "the Secret's drift is recorded", LONG, of_secret).await;
    assert_eq!(
        (record.fields.as_slice(), record.by.as_str()),
        (&["data.password".to_owned()][..], "kubectl-patch")
    );
    let table = command(&stage, &[]);
    assert!(
        table.contains("spec.replicas")
            && table.contains("kubectl (/scale)")
            && table.contains("corrected by web-3"),
        "{table}"
    );
    let json: Vec<DriftRecord> = serde_json::from_str(&command(&stage, &["-o", "json"])).unwrap();
    assert_eq!(json.len(), 2, "{json:?}");
    assert!(command(&stage, &["-o", "yaml"]).contains("by: kubectl-patch"));
    let events =
        stage.namespace.kubectl(&["get", "events", "-o=jsonpath={.items[*].note}{.items[*].message}"]);
    assert!(events.contains("spec.replicas changed by kubectl"), "{events}");
    assert!(
        !events.contains("aHVzaC1odXNo") && !format!("{json:?}").contains("hush"),
        "values are not shown"
    );
}

#[tokio::test]
async fn drift_that_is_not_corrected_is_one_open_record_until_it_is_put_back() {
    let stage = stage("open").await;
    let commit = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({ "sync": { "selfHeal": false } })).await;
    stage.synced("web", &commit).await;
    edit(&stage, "config", "two", "night-shift").await;
    let outcome = |wanted: DriftOutcome| {
        move |it: &Application| {
            let records = drifts(it);
            records.first().filter(|it| it.outcome == wanted).map(|it| (records.len(), it.count))
        }
    };
    assert_eq!(stage.wait("web", "it is open", LONG, outcome(DriftOutcome::Open)).await, (1, 1));
    for _ in 0..3 {
        stage.looked_at("web").await;
    }
    // Something else that happens to the object is not this drift once more.
    stage.namespace.kubectl(&["annotate", "configmap", "config", "else=x"]);
    stage.looked_at("web").await;
    assert_eq!(outcome(DriftOutcome::Open)(&stage.get("web").await), Some((1, 1)));
    edit(&stage, "config", "one", "day-shift").await;
    assert_eq!(stage.wait("web", "it is gone", LONG, outcome(DriftOutcome::Gone)).await, (1, 1));
    let events = stage.namespace.kubectl(&["get", "events", "-o=jsonpath={.items[*].reason}"]);
    assert!(events.contains("Drifted"), "{events}");
}
