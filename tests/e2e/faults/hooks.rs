//! Hooks and waves across kills.

use std::time::Duration;

use serde_json::json;
use tiphys_api::Phase;

use crate::ground::Ground;
use crate::promises::Versions;
use crate::support::controller::Endpoints;
use crate::support::manifests::{Deployment, config_map};
use crate::support::{LONG, message, phase};

const KILLS: usize = 8;

fn with(manifest: &str, annotation: &str) -> String {
    manifest.replacen("metadata:\n", &format!("metadata:\n  annotations:\n    {annotation}\n"), 1)
}

/// Wherever the controller is killed, the Sync goes on where it was: waves in their order, and no hook twice.
#[tokio::test]
async fn killed_between_stages_it_goes_on() {
    let ground = Ground::prepare().await;
    let data = tempfile::tempdir().unwrap();
    let start = || ground.installation.controller(&ground).data_dir(data.path());
    let mut controller = start().start().await;
    let mut stage = ground.stage(Endpoints::of(&controller), "killed").await;
    let mut random = fastrand::Rng::with_seed(5);
    let all = |round: usize| {
        let value = round.to_string();
        let web = Deployment::new("web").image(&format!("registry.example.com/app:{round}")).slow("700ms");
        [
            with(&config_map("before", &value), "tiphys.dev/hook: PreSync"),
            with(
                &config_map("done", &value),
                "tiphys.dev/hook: PreSync\n    tiphys.dev/hook-delete-policy: HookSucceeded",
            ),
            web.yaml(),
            with(&config_map("late", &value), "tiphys.dev/sync-wave: \"1\""),
            with(&config_map("after", &value), "tiphys.dev/hook: PostSync"),
        ]
        .join("---\n")
    };
    let first = stage.push_file("all.yaml", &all(0)).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &first).await;
    let versions = Versions::watch(stage.client(), stage.ns()).await;
    for round in 1..=KILLS {
        let commit = stage.push_file("all.yaml", &all(round)).await;
        tokio::time::sleep(Duration::from_millis(random.u64(0..1_800))).await;
        controller.kill();
        if random.bool() {
            let second = start().launch();
            tokio::time::sleep(Duration::from_millis(random.u64(0..1_500))).await;
            second.kill();
        }
        controller = start().start().await;
        stage.endpoints = Endpoints::of(&controller);
        stage.tell(&commit).await;
        stage.synced("web", &commit).await;
        stage.has_value_within("after", &round.to_string(), LONG).await;
    }
    // Every value of a hook was created once; a Sync for each round, each of which succeeded.
    let seen = versions.take();
    for name in ["before", "done", "after", "late"] {
        let events = seen.get(name).map_or(&[][..], Vec::as_slice);
        for round in 1..=KILLS {
            let verb = if name == "late" { "modified" } else { "added" };
            let wanted = format!("{verb} {round} at");
            let count = events.iter().filter(|it| it.starts_with(&wanted)).count();
            assert_eq!(count, 1, "{name} in round {round}: {events:?}");
        }
    }
    let syncs = stage.syncs("web").await;
    assert_eq!(syncs.len(), KILLS + 1);
    for sync in &syncs {
        assert_eq!(phase(sync), Phase::Succeeded, "{}", message(sync));
    }
}
