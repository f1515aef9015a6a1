//! What a Sync may cost.

use std::time::Duration;

use serde_json::json;
use tiphys_tests::{FaultProxy, RecordedRequest, Verb, eventually};

use crate::ground::Ground;
use crate::support::controller::Endpoints;
use crate::support::manifests::config_map;

/// Requests about objects: watches, leases and discovery are not counted.
fn counts(request: &RecordedRequest) -> bool {
    !matches!(request.verb, Verb::Watch | Verb::Other) && request.resource != "leases"
}

#[tokio::test]
async fn a_sync_of_n_objects_makes_at_most_2n_plus_6_requests() {
    let ground = Ground::prepare().await;
    let proxy = FaultProxy::start(&ground, 1);
    let controller = ground.installation.controller(&proxy).start().await;
    let stage = ground.stage(Endpoints::of(&controller), "budget").await;
    let all = 12;
    let files = |changed: usize, value: &str| {
        let file = |it: usize| config_map(&format!("config-{it}"), if it < changed { value } else { "same" });
        (0..all).map(file).collect::<Vec<_>>().join("---\n")
    };
    let first = stage.push_file("all.yaml", &files(0, "")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &first).await;
    for changed in [1, 4, all] {
        proxy.forget();
        let commit = stage.push_file("all.yaml", &files(changed, &format!("changed {changed}"))).await;
        stage.synced("web", &commit).await;
        // The last write is that of the status which `synced` saw, but for what is written of the Repository.
        let requests = proxy.requests();
        let requests: Vec<_> = requests.iter().filter(|it| counts(it)).collect();
        let text: Vec<_> =
            requests.iter().map(|it| format!("{:?} {} {}", it.verb, it.resource_name(), it.name)).collect();
        assert!(
            requests.len() <= 2 * changed + 6,
            "{changed} objects, {} requests:\n{}",
            requests.len(),
            text.join("\n")
        );
        let unchanged = requests.iter().filter(|it| it.resource == "configmaps").count();
        assert_eq!(unchanged, 2 * changed, "what does not change is not asked about:\n{}", text.join("\n"));
    }
}

/// The admission policy protects an Application when it is created, and a restart has nothing to say of what did not change.
#[tokio::test]
async fn neither_a_new_application_nor_a_restart_costs_a_write_of_its_own() {
    let ground = Ground::prepare().await;
    let proxy = FaultProxy::start(&ground, 1);
    let data = tempfile::tempdir().unwrap();
    let start = || ground.installation.controller(&proxy).data_dir(data.path());
    let controller = start().start().await;
    let stage = ground.stage(Endpoints::of(&controller), "restart").await;
    let commit = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    let of_applications = || {
        let requests = proxy.requests().into_iter();
        let writes = requests.filter(|it| it.resource == "applications" && is_write(it));
        writes.map(|it| format!("{:?} {}", it.verb, it.path_and_query)).collect::<Vec<_>>()
    };
    let of_statuses = |it: &String| it.contains("/web/status?");
    assert!(of_applications().iter().all(of_statuses), "{:#?}", of_applications());
    controller.terminate();
    controller.wait(Duration::from_mins(1));
    proxy.forget();
    let controller = start().start().await;
    eventually("the Application was looked at", Duration::from_mins(1), || async {
        let metrics = controller.metrics().await?;
        let ready = metrics.iter().any(|it| it.0.starts_with("tiphys_application_ready") && *it.1 > 0.5);
        if ready { Ok(()) } else { Err("it is not Ready") }.map_err(str::to_owned)
    })
    .await;
    // What is to be said is said at once.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(of_applications(), Vec::<String>::new());
}

fn is_write(request: &RecordedRequest) -> bool {
    matches!(request.verb, Verb::Create | Verb::Update | Verb::Patch | Verb::Apply | Verb::Delete)
}

#[tokio::test]
async fn a_correction_of_drift_stays_within_the_budget() {
    let ground = Ground::prepare().await;
    let proxy = FaultProxy::start(&ground, 1);
    let controller = ground.installation.controller(&proxy).start().await;
    let stage = ground.stage(Endpoints::of(&controller), "budget").await;
    let commit = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    proxy.forget();
    stage.namespace.kubectl(&["patch", "configmap", "config", "-p", r#"{"data":{"value":"drift"}}"#]);
    stage.succeeded("web-2").await;
    stage.synced("web", &commit).await;
    let requests = proxy.requests();
    let text: Vec<_> = requests
        .iter()
        .filter(|it| counts(it))
        .map(|it| format!("{:?} {}", it.verb, it.resource_name()))
        .collect();
    assert!(text.len() <= 8, "{} requests:\n{}", text.len(), text.join("\n"));
}
