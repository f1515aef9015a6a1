//! The controller may do less than an Application asks for.

use http::StatusCode;
use serde_json::json;
use tiphys_api::{Outcome, Phase};
use tiphys_tests::{Fault, FaultProxy, Rule};

use crate::ground::Ground;
use crate::support::controller::Endpoints;
use crate::support::manifests::{Deployment, config_map};
use crate::support::phase;

#[tokio::test]
async fn what_the_controller_may_not_do_is_said_before_anything_is_written() {
    let ground = Ground::prepare().await;
    // What the installation's documentation says to do for less than everything.
    let role = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": { "name": "only-configmaps", "labels": { "tiphys.dev/deploy": "true" } },
        "rules": [{ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"] }] });
    ground.kubectl_with_input(["apply", "-f", "-"], &role.to_string());
    ground.kubectl(["delete", "clusterrole", "tiphys-deploy-everything"]);
    tiphys_tests::eventually("the rights are gone", crate::support::LONG, || async {
        let account = "--as=system:serviceaccount:tiphys:tiphys-controller";
        let (may, answer) = ground.try_kubectl(
            &ground.admin_identity(),
            ["auth", "can-i", "create", "deployments", account],
            "",
        );
        if may { Err(answer) } else { Ok(()) }
    })
    .await;
    let controller = ground.installation.controller(&ground).start().await;
    let stage = ground.stage(Endpoints::of(&controller), "rights").await;
    stage
        .push(&[
            ("a.yaml", Some(&config_map("config", "1"))),
            ("web.yaml", Some(&Deployment::new("web").yaml())),
        ])
        .await;
    stage.create("web", json!({})).await;
    let message = stage.stalls("web", "deployments.apps").await;
    assert!(message.contains("forbidden") && message.contains("grant"), "{message}");
    assert_eq!(stage.value("config").await, None);
    let good = stage.push(&[("web.yaml", None)]).await;
    stage.synced("web", &good).await;
}

#[tokio::test]
async fn a_right_that_is_lost_in_the_middle_is_in_the_record() {
    let ground = Ground::prepare().await;
    let proxy = FaultProxy::start(&ground, 1);
    let controller = ground.installation.controller(&proxy).start().await;
    let stage = ground.stage(Endpoints::of(&controller), "middle").await;
    // The dry-run passes, the write is refused.
    let rule =
        proxy.add(Rule::new(Fault::Status(StatusCode::FORBIDDEN)).writes().resource("deployments.apps"));
    stage
        .push(&[
            ("a.yaml", Some(&config_map("config", "1"))),
            ("web.yaml", Some(&Deployment::new("web").yaml())),
        ])
        .await;
    stage.create("web", json!({})).await;
    stage.stalls("web", "Deployment").await;
    assert_eq!(stage.value("config").await.as_deref(), Some("1"), "what came before is applied");
    assert_eq!(stage.syncs("web").await.len(), 1, "self-heal is no hidden retry");
    let sync = stage.last_sync("web").await;
    assert_eq!(phase(&sync), Phase::Failed);
    let outcomes: Vec<_> = sync.status.unwrap().objects.into_iter().map(|it| (it.kind, it.outcome)).collect();
    assert!(outcomes.contains(&("ConfigMap".to_owned(), Outcome::Applied)), "{outcomes:?}");
    assert!(outcomes.contains(&("Deployment".to_owned(), Outcome::Failed)), "{outcomes:?}");
    proxy.remove(rule);
    stage.request("web", "again", json!({})).await;
    stage.succeeded("again").await;
}
