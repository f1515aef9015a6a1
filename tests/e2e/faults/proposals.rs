//! Proposals to Git of rollbacks, when the process or the Git server is not there (promise 4).

use serde_json::json;
use tiphys_api::{ProposalPhase, ProposalStatus};
use tiphys_tests::{FaultProxy, GitFault};

use crate::ground::Ground;
use crate::support::LONG;
use crate::support::controller::Endpoints;
use crate::support::manifests::config_map;
use crate::support::stage::Stage;

/// What became of the proposal of a Sync.
async fn proposal(stage: &Stage<'_>, sync: &str) -> ProposalStatus {
    let settled = |it: &tiphys_api::Sync| {
        it.status.as_ref()?.proposal.clone().filter(|it| it.phase != ProposalPhase::Pending)
    };
    stage.wait_sync(sync, "its proposal is settled", LONG, settled).await
}

#[tokio::test]
async fn a_proposal_is_taken_up_after_a_kill_and_made_once() {
    let ground = Ground::prepare().await;
    let proxy = FaultProxy::start(&ground, 1);
    let controller = ground.installation.controller(&proxy).start().await;
    let mut stage = ground.stage(Endpoints::of(&controller), "proposal").await;
    let patch =
        ["patch", "repositories.tiphys.dev", "deploy", "--type=merge", "-p", r#"{"spec":{"proposals":{}}}"#];
    stage.namespace.kubectl(&patch);
    let first = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &first).await;
    let second = stage.push_file("config.yaml", &config_map("config", "two")).await;
    stage.synced("web", &second).await;
    // Git does not answer: the rollback goes through, and its proposal waits.
    stage.git.set_fault(&stage.repo, Some(GitFault::Hang));
    stage.request("web", "back", json!({ "rollbackTo": "web-1" })).await;
    let pending = stage.succeeded("back").await.status.unwrap().proposal.unwrap();
    assert_eq!(pending.phase, ProposalPhase::Pending);
    controller.kill();
    stage.git.set_fault(&stage.repo, None);
    let controller = ground.installation.controller(&proxy).start().await;
    stage.endpoints = Endpoints::of(&controller);
    let made = proposal(&stage, "back").await;
    let branch = pending.branch.unwrap();
    assert_eq!((made.phase, made.commit.clone()), (ProposalPhase::Pushed, Some(stage.repo.id(&branch))));
    // Killed after the push and before it was noted, while the branch that is deployed from goes on: it is the same commit.
    controller.kill();
    let before = json!({ "status": { "proposal": { "phase": "Pending", "commit": null, "message": null } } });
    let before = before.to_string();
    let patch =
        ["patch", "syncs.tiphys.dev", "back", "--subresource=status", "--type=merge", "-p", before.as_str()];
    stage.namespace.kubectl(&patch);
    stage.repo.commit_file("main", "elsewhere", "1");
    let controller = ground.installation.controller(&proxy).start().await;
    stage.endpoints = Endpoints::of(&controller);
    assert_eq!(proposal(&stage, "back").await, made);
    assert_eq!(stage.repo.git(&["rev-list", "--count", &format!("{second}..{branch}")]), "1");
}
