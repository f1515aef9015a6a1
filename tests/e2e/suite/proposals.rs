//! Rollbacks that are proposed to Git: `docs/policies.md` on real servers.

use std::time::Duration;

use serde_json::{Value, json};
use tiphys_api::{ProposalPhase, ProposalStatus};
use tiphys_tests::{Auth, Cluster, Service, eventually};

use crate::support::LONG;
use crate::support::controller::Endpoints;
use crate::support::manifests::{Deployment, config_map};
use crate::support::shared::{controller, git, stage};
use crate::support::stage::Stage;

async fn stage_with(hint: &str, repository: Value) -> Stage<'static> {
    let endpoints = Endpoints::of(controller().await);
    Stage::set_with(Cluster::shared(), endpoints, git(), hint, Auth::Anonymous, repository).await
}

/// What became of the proposal of a Sync.
async fn proposal(stage: &Stage<'_>, sync: &str) -> ProposalStatus {
    let settled = |it: &tiphys_api::Sync| {
        it.status.as_ref()?.proposal.clone().filter(|it| it.phase != ProposalPhase::Pending)
    };
    stage.wait_sync(sync, "its proposal is settled", LONG, settled).await
}

async fn event(stage: &Stage<'_>, reason: &str) -> String {
    eventually(&format!("an Event {reason}"), Duration::from_secs(15), || async {
        let path = format!("-o=jsonpath={{.items[?(@.reason==\"{reason}\")].message}}");
        let note = stage.namespace.kubectl(&["get", "events", &path]);
        if note.is_empty() { Err("none yet".to_owned()) } else { Ok(note) }
    })
    .await
}

#[tokio::test]
async fn a_rollback_is_proposed_and_git_catches_up_when_it_is_merged() {
    let stage = stage_with("proposal", json!({ "proposals": {} })).await;
    let chart = [
        ("app/Chart.yaml", "apiVersion: v2\nname: app\nversion: 1.0.0\n"),
        (
            "app/templates/config.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: config\ndata:\n  value: {{ .Values.value }}\n",
        ),
        ("shared/values.yaml", "value: good\n"),
        ("shared/other", "1"),
    ];
    let commit =
        chart.iter().fold(stage.repo.commit("main"), |it, (path, text)| it.write(path, text)).finish();
    let helm = json!({ "source": { "helm": { "valueFiles": ["../shared/values.yaml"] } } });
    stage.create("web", helm).await;
    stage.synced("web", &commit).await;
    let bad = stage
        .repo
        .commit("main")
        .write("shared/values.yaml", "value: bad\n")
        .write("app/extra", "1")
        .write("shared/other", "2")
        .finish();
    stage.tell(&bad).await;
    stage.synced("web", &bad).await;
    stage.request("web", "back", json!({ "rollbackTo": "web-1" })).await;
    stage.succeeded("back").await;
    let told = proposal(&stage, "back").await;
    let branch = format!("tiphys/rollback/{}/web/back", stage.ns());
    assert_eq!(
        (told.phase, told.branch.as_deref()),
        (ProposalPhase::Pushed, Some(branch.as_str())),
        "{told:?}"
    );
    assert_eq!(told.commit, Some(stage.repo.id(&branch)));
    assert_eq!((stage.repo.id("main"), stage.repo.id(&format!("{branch}^"))), (bad.clone(), bad.clone()));
    let changed = stage.repo.git(&["diff", "--name-status", "main", &branch]);
    assert_eq!(changed, "D\tapp/extra\nM\tshared/values.yaml", "what its chart read, and nothing else");
    let message = stage.repo.git(&["log", "-1", "--format=%an: %B", &branch]);
    let by = stage.all_syncs().get("back").await.unwrap().status.unwrap().by.unwrap();
    for words in ["Tiphys: Roll back", "Rolled-back-to: web-1", &format!("Asked-for-by: {by}"), "/back ("] {
        assert!(message.contains(words), "{words}: {message}");
    }
    assert!(event(&stage, "RollbackProposed").await.contains(&branch));
    // Merged, it is what is live: the hold ends, and nothing is applied.
    let syncs = stage.syncs("web").await.len();
    stage.repo.set_branch("main", &branch);
    let merged = stage.repo.id("main");
    stage.tell(&merged).await;
    stage.synced("web", &merged).await;
    assert_eq!(stage.value("config").await.as_deref(), Some("good"));
    assert_eq!(stage.syncs("web").await.len(), syncs, "nothing goes back and forth");
    assert_eq!(stage.get("web").await.status.unwrap().hold, None);
}

#[tokio::test]
async fn a_server_that_refuses_the_push_fails_the_proposal_and_not_the_rollback() {
    let stage = stage_with("proposal-refused", json!({ "proposals": { "branchPrefix": "robots/" } })).await;
    stage.repo.git(&["config", "http.receivepack", "false"]);
    let good = stage.push_file("web.yaml", &Deployment::new("web").yaml()).await;
    stage.create("web", json!({ "sync": { "onFailure": "Rollback", "timeout": "8s" } })).await;
    stage.synced("web", &good).await;
    stage.push_file("web.yaml", &Deployment::new("web").image("registry.invalid/app:2").yaml()).await;
    stage.failed("web-2", "web").await;
    stage.succeeded("web-3").await;
    let told = proposal(&stage, "web-3").await;
    assert_eq!(told.phase, ProposalPhase::Failed, "{told:?}");
    assert!(told.message.unwrap().contains("refused"), "it says why");
    assert_eq!(told.branch, Some(format!("robots/rollback/{}/web/web-3", stage.ns())));
    assert!(event(&stage, "ProposalFailed").await.contains("web-3"));
    assert_eq!(stage.repo.git(&["for-each-ref", "--format=%(refname)"]), "refs/heads/main");
}

#[tokio::test]
async fn credentials_to_push_with_are_those_of_the_proposals() {
    let secret = json!({ "proposals": { "secretRef": { "name": "may-push" } } });
    let stage = stage_with("proposal-secret", secret).await;
    let good = stage.push_file("config.yaml", &config_map("config", "good")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &good).await;
    let bad = stage.push_file("config.yaml", &config_map("config", "bad")).await;
    stage.synced("web", &bad).await;
    // Without the Secret it is said so; with it its token is what is sent.
    stage.request("web", "first", json!({ "rollbackTo": "web-1" })).await;
    let told = proposal(&stage, "first").await;
    assert!(told.message.unwrap().contains("Secret may-push does not exist"), "it says what to do");
    stage.secret("may-push", &[("bearerToken", "canary-of-the-push")]).await;
    stage.request("web", "second", json!({ "rollbackTo": "web-1" })).await;
    assert_eq!(proposal(&stage, "second").await.phase, ProposalPhase::Pushed);
    let requests = stage.git.requests(&stage.repo);
    let pushes: Vec<_> = requests.iter().filter(|it| it.service == Service::ReceivePack).collect();
    assert!(!pushes.is_empty());
    let sent =
        |it: &&tiphys_tests::GitRequest| it.authorization.as_deref() == Some("Bearer canary-of-the-push");
    assert!(pushes.iter().all(sent), "{pushes:?}");
}

#[tokio::test]
async fn without_leave_nothing_is_ever_pushed() {
    let stage = stage("proposal-none").await;
    let good = stage.push_file("config.yaml", &config_map("config", "good")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &good).await;
    let bad = stage.push_file("config.yaml", &config_map("config", "bad")).await;
    stage.synced("web", &bad).await;
    stage.request("web", "back", json!({ "rollbackTo": "web-1" })).await;
    assert_eq!(stage.succeeded("back").await.status.unwrap().proposal, None);
    stage.looked_at("web").await;
    assert_eq!(stage.git.count(&stage.repo, Service::ReceivePack), 0);
    assert_eq!(stage.repo.git(&["for-each-ref", "--format=%(refname)"]), "refs/heads/main");
}
