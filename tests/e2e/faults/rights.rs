//! The controller may do less than an Application asks for.

use http::StatusCode;
use kube::api::DeleteParams;
use serde_json::json;
use tiphys_api::{Outcome, Phase};
use tiphys_tests::{Fault, FaultProxy, Rule, Verb, eventually};

use crate::ground::Ground;
use crate::support::accounts::config_maps;
use crate::support::controller::Endpoints;
use crate::support::manifests::{Deployment, config_map};
use crate::support::{LONG, phase};

#[tokio::test]
async fn what_the_controller_may_not_do_is_said_before_anything_is_written() {
    let ground = Ground::prepare().await;
    // What the installation's documentation says to do for less than everything.
    let role = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": { "name": "only-configmaps", "labels": { "tiphys.dev/deploy": "true" } },
        "rules": [{ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"] }] });
    ground.kubectl_with_input(["apply", "-f", "-"], &role.to_string());
    ground.kubectl(["delete", "clusterrole", "tiphys-deploy-everything"]);
    eventually("the rights are gone", crate::support::LONG, || async {
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

/// An installation in which every Application works with the rights of an account. The controller may watch what it
/// manages and write nothing; accounts of this one name only may be used, in namespaces that say so.
async fn lock_down(ground: &Ground) {
    let watch = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": { "name": "watch-what-is-managed", "labels": { "tiphys.dev/deploy": "true" } },
        "rules": [{ "apiGroups": ["", "apps", "batch"], "resources": ["configmaps", "services", "deployments", "jobs"],
            "verbs": ["list", "watch"] }] });
    ground.kubectl_with_input(["apply", "-f", "-"], &watch.to_string());
    ground.kubectl(["delete", "clusterrole", "tiphys-deploy-everything"]);
    ground.kubectl(["delete", "clusterrolebinding", "tiphys-impersonator"]);
    eventually("the rights are gone", LONG, || async {
        let account = "--as=system:serviceaccount:tiphys:tiphys-controller";
        for (verb, resource) in [("patch", "configmaps"), ("impersonate", "serviceaccounts")] {
            let arguments = ["auth", "can-i", verb, resource, account];
            let (may, answer) = ground.try_kubectl(&ground.admin_identity(), arguments, "");
            if may {
                return Err(answer);
            }
        }
        Ok(())
    })
    .await;
}

/// Lets the controller act in the name of `deployer` of this namespace.
fn let_act(ground: &Ground, ns: &str) {
    let role = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": { "name": "tiphys-impersonator", "namespace": ns },
        "rules": [{ "apiGroups": [""], "resources": ["serviceaccounts"], "resourceNames": ["deployer"],
            "verbs": ["impersonate"] }] });
    let binding = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": { "name": "tiphys-impersonator", "namespace": ns },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "tiphys-impersonator" },
        "subjects": [{ "kind": "ServiceAccount", "name": "tiphys-controller", "namespace": "tiphys" }] });
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": [role, binding] });
    ground.kubectl_with_input(["apply", "-f", "-"], &list.to_string());
}

#[tokio::test]
async fn with_accounts_the_controller_needs_no_right_to_write() {
    let ground = Ground::prepare().await;
    lock_down(&ground).await;
    let proxy = FaultProxy::start(&ground, 1);
    let controller = ground.installation.controller(&proxy).start().await;
    let stage = ground.stage(Endpoints::of(&controller), "locked").await;
    let_act(&ground, stage.ns());
    for name in ["deployer", "other"] {
        stage.account(name).await;
        stage
            .grant(
                name,
                json!([{ "apiGroups": ["", "apps", "batch"],
            "resources": ["configmaps", "services", "deployments", "jobs"],
            "verbs": ["get", "create", "patch", "delete"] }]),
            )
            .await;
    }
    let hook = |name: &str, phase: &str| {
        let lines = format!(
            "metadata:\n  annotations:\n    tiphys.dev/hook: {phase}\n    tiphys.dev/hook-delete-policy: \
             BeforeHookCreation,HookSucceeded\n"
        );
        config_map(name, "hook").replacen("metadata:\n", &lines, 1)
    };
    let wave = |manifest: &str| {
        manifest.replacen("metadata:\n", "metadata:\n  annotations:\n    tiphys.dev/sync-wave: \"1\"\n", 1)
    };
    let service = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  clusterIP: None\n  ports: [{port: 80}]\n";
    let service =
        service.replacen("metadata:\n", "metadata:\n  annotations:\n    tiphys.dev/recreate: Allowed\n", 1);
    let first = stage
        .push(&[
            ("before.yaml", Some(&hook("before", "PreSync"))),
            ("config.yaml", Some(&config_map("config", "one"))),
            ("gone.yaml", Some(&config_map("gone", "x"))),
            ("web.yaml", Some(&Deployment::new("web").yaml())),
            ("service.yaml", Some(&service)),
            ("last.yaml", Some(&wave(&config_map("last", "x")))),
            ("after.yaml", Some(&hook("after", "PostDelete"))),
        ])
        .await;
    stage.create("web", json!({ "serviceAccountName": "other" })).await;
    stage.stalls("web", "cannot impersonate").await;
    stage.change("web", json!({ "serviceAccountName": "deployer", "deletion": "Prune" })).await;
    stage.synced("web", &first).await;
    // A change, a pruned object, drift, a rollback, and the end.
    let second =
        stage.push(&[("config.yaml", Some(&config_map("config", "two"))), ("gone.yaml", None)]).await;
    stage.synced("web", &second).await;
    assert_eq!(stage.value("gone").await, None);
    stage.namespace.kubectl(&["delete", "configmap", "config"]);
    stage.has_value("config", "two").await;
    stage.synced("web", &second).await;
    let succeeded = stage.syncs("web").await.into_iter().find(|it| phase(it) == Phase::Succeeded).unwrap();
    stage.request("web", "back", json!({ "rollbackTo": succeeded.metadata.name })).await;
    stage.succeeded("back").await;
    assert_eq!(stage.value("gone").await.as_deref(), Some("x"));
    stage.applications().delete("web", &DeleteParams::default()).await.unwrap();
    eventually("everything is gone", LONG, || async {
        match stage.applications().get_opt("web").await.unwrap() {
            Some(application) => Err(crate::support::words(&application)),
            None => Ok(()),
        }
    })
    .await;
    let left = stage.namespace.kubectl(&["get", "configmaps,services,deployments", "-o", "name"]);
    let left: Vec<_> = left.lines().filter(|it| !it.contains("kube-root-ca")).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(proxy.requests().iter().any(|it| it.verb == Verb::Delete), "it went through the proxy");
}

#[tokio::test]
async fn a_sync_with_an_account_stays_within_the_budget() {
    let ground = Ground::prepare().await;
    let proxy = FaultProxy::start(&ground, 1);
    let controller = ground.installation.controller(&proxy).start().await;
    let stage = ground.stage(Endpoints::of(&controller), "budget-as").await;
    stage.account("deployer").await;
    stage.grant("deployer", config_maps()).await;
    let all = 8;
    let files = |changed: usize, value: &str| {
        let file = |it: usize| config_map(&format!("config-{it}"), if it < changed { value } else { "same" });
        (0..all).map(file).collect::<Vec<_>>().join("---\n")
    };
    let first = stage.push_file("all.yaml", &files(0, "")).await;
    stage.create("web", json!({ "serviceAccountName": "deployer" })).await;
    stage.synced("web", &first).await;
    for (changed, pruned) in [(1, 0), (all, 0), (0, 3)] {
        proxy.forget();
        let text = match pruned {
            0 => files(changed, &format!("changed {changed}")),
            _ => files(all, &format!("changed {all}"))
                .splitn(all - pruned + 1, "---\n")
                .take(all - pruned)
                .collect::<Vec<_>>()
                .join("---\n"),
        };
        let commit = stage.push_file("all.yaml", &text).await;
        stage.synced("web", &commit).await;
        let requests = proxy.requests();
        let counted: Vec<_> = requests
            .iter()
            .filter(|it| !matches!(it.verb, Verb::Watch | Verb::Other) && it.resource != "leases")
            .map(|it| format!("{:?} {} {}", it.verb, it.resource_name(), it.name))
            .collect();
        let limit = 2 * (changed + pruned) + 6;
        assert!(
            counted.len() <= limit,
            "{changed} and {pruned}, {} requests:\n{}",
            counted.len(),
            counted.join("\n")
        );
    }
}

/// What `docs/tenancy.md` says to do about the default Project.
#[tokio::test]
async fn the_default_project_can_be_closed() {
    let ground = Ground::prepare().await;
    let controller = ground.installation.controller(&ground).start().await;
    let stage = ground.stage(Endpoints::of(&controller), "closed").await;
    let manifests = tiphys_tests::repository_manifests("tiphys", "deploy", stage.repo.url());
    ground.kubectl_with_input(["apply", "-f", "-"], &manifests);
    let commit = stage.push_file("config.yaml", &config_map("config", "one")).await;
    let closed = include_str!("../../../docs/tenancy.md");
    let closed = closed.split("```yaml\n").find(|it| it.contains("name: default\n")).unwrap();
    let closed = closed.split("```").next().unwrap();
    ground.kubectl_with_input(["apply", "-f", "-"], closed);
    stage.create_in("tiphys", "web", json!({})).await.unwrap();
    stage.create("own", json!({})).await;
    stage.stalls("own", "spec.serviceAccountName").await;
    let refused = ["wait", "app", "web", "-n", "tiphys", "--for=condition=Stalled", "--timeout=60s"];
    ground.kubectl(refused);
    assert_eq!(stage.value("config").await, None);
    let message =
        ground.kubectl(["get", "app", "web", "-n", "tiphys", "-o", "jsonpath={.status.lastSync.message}"]);
    assert!(message.contains("Project default"), "{message}");
    // A tenant with an account has his own namespace.
    stage.account("deployer").await;
    stage.grant("deployer", config_maps()).await;
    stage.change("own", json!({ "serviceAccountName": "deployer" })).await;
    stage.synced("own", &commit).await;
}
