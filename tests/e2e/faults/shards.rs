//! Several replicas that share the Applications: each is worked on by one of them at a time, whatever happens to them.

use std::collections::BTreeMap;
use std::time::Duration;

use kube::ResourceExt as _;
use serde_json::json;
use tiphys_tests::eventually;

use crate::ground::Ground;
use crate::replicas::{
    Replica, SLOTS, TAKEOVER, assert_history, assert_one_writer, commit, holder, is_spread, leases, names,
    spread,
};
use crate::support::LONG;
use crate::support::controller::Endpoints;
use crate::support::manifests::Deployment;
use crate::support::stage::Stage;

#[tokio::test]
async fn applications_are_spread_and_taken_over_and_never_synced_twice() {
    let ground = Ground::prepare().await;
    let first = Replica::start(&ground, "first", SLOTS).await;
    is_spread(&ground, &[("first", 4)], LONG).await;
    let mut stage = ground.stage(Endpoints::of(&first.controller), "spread").await;
    let names = names(stage.ns(), 3);
    let mut commits = vec![commit(&stage, &names, "begins")];
    for name in &names {
        stage.create(name, json!({ "source": { "path": name }, "history": { "limit": 50 } })).await;
    }
    for name in &names {
        stage.synced(name, &commits[0]).await;
    }
    let push = async |stage: &Stage<'_>, value: &str| {
        let id = commit(stage, &names, value);
        stage.tell(&id).await;
        id
    };
    let all_synced = async |stage: &Stage<'_>, commit: &str| {
        for name in &names {
            stage.synced(name, commit).await;
        }
    };

    // A second and a third one get their share while Syncs run.
    let second = Replica::start(&ground, "second", SLOTS).await;
    for round in 0..3 {
        commits.push(push(&stage, &format!("second {round}")).await);
        all_synced(&stage, &commits[commits.len() - 1]).await;
    }
    is_spread(&ground, &[("first", 2), ("second", 2)], LONG).await;
    let third = Replica::start(&ground, "third", SLOTS).await;
    commits.push(push(&stage, "third").await);
    is_spread(&ground, &[("first", 2), ("second", 1), ("third", 1)], LONG).await;
    all_synced(&stage, &commits[commits.len() - 1]).await;
    let replicas = [&first, &second, &third];
    eventually("each works on what it holds", LONG, || async {
        let mut held = Vec::new();
        for replica in replicas {
            held.push(Endpoints::of(&replica.controller).metric("tiphys_slots").await.to_string());
        }
        if held == ["2", "1", "1"] { Ok(()) } else { Err(held.join(" ")) }
    })
    .await;

    // One is told to stop while Syncs run.
    commits.push(push(&stage, "terminated").await);
    third.controller.terminate();
    let status = third.controller.wait(Duration::from_secs(20));
    assert!(status.success(), "{status:?}");
    all_synced(&stage, &commits[commits.len() - 1]).await;
    is_spread(&ground, &[("first", 2), ("second", 2)], LONG).await;

    // One is killed while Syncs run. It is the one that the webhooks go to.
    commits.push(push(&stage, "killed").await);
    first.controller.kill();
    stage.endpoints = Endpoints::of(&second.controller);
    is_spread(&ground, &[("second", 4)], TAKEOVER).await;
    stage.tell(&commits[commits.len() - 1]).await;
    all_synced(&stage, &commits[commits.len() - 1]).await;
    assert_history(&stage, &names, &commits).await;
    assert_one_writer(&ground, &[&first, &second, &third], stage.ns()).await;
}

#[tokio::test]
async fn a_sync_that_waits_goes_on_where_its_slot_goes() {
    let ground = Ground::prepare().await;
    let first = Replica::start(&ground, "first", SLOTS).await;
    is_spread(&ground, &[("first", 4)], LONG).await;
    let stage = ground.stage(Endpoints::of(&first.controller), "waits-on").await;
    let names = names(stage.ns(), 1);
    let mut commit = stage.repo.commit("main");
    for name in &names {
        let web = Deployment::new(&format!("{name}-web")).slow("15s").yaml();
        commit = commit.write(&format!("{name}/web.yaml"), web);
    }
    let id = commit.finish();
    let second = Replica::start(&ground, "second", SLOTS).await;
    for name in &names {
        stage.create(name, json!({ "source": { "path": name } })).await;
    }
    is_spread(&ground, &[("first", 2), ("second", 2)], LONG).await;
    for name in &names {
        stage.succeeded(&format!("{name}-1")).await;
        stage.synced(name, &id).await;
        assert_eq!(stage.syncs(name).await.len(), 1, "{name}");
    }
    // Everything was applied once, by whoever held the slot then.
    let applied = |replica: &Replica| {
        let requests = replica.writes();
        let deployments = requests.into_iter().filter(|it| it.resource == "deployments");
        deployments.map(|it| it.name).collect::<Vec<_>>()
    };
    let mut all: Vec<_> = [applied(&first), applied(&second)].concat();
    all.sort();
    let mut wanted: Vec<_> = names.iter().map(|it| format!("{it}-web")).collect();
    wanted.sort();
    assert_eq!(all, wanted);
    assert_one_writer(&ground, &[&first, &second], stage.ns()).await;
}

#[tokio::test]
async fn a_replica_that_slept_through_its_leases_writes_nothing_more() {
    let ground = Ground::prepare().await;
    let first = Replica::start(&ground, "first", SLOTS).await;
    is_spread(&ground, &[("first", 4)], LONG).await;
    let second = Replica::start(&ground, "second", SLOTS).await;
    is_spread(&ground, &[("first", 2), ("second", 2)], LONG).await;
    let mut stage = ground.stage(Endpoints::of(&first.controller), "slept").await;
    let names = names(stage.ns(), 2);
    let before = commit(&stage, &names, "one");
    for name in &names {
        stage.create(name, json!({ "source": { "path": name } })).await;
    }
    for name in &names {
        stage.synced(name, &before).await;
    }
    first.controller.pause();
    stage.endpoints = Endpoints::of(&second.controller);
    is_spread(&ground, &[("second", 4)], TAKEOVER).await;
    let after = commit(&stage, &names, "two");
    stage.tell(&after).await;
    for name in &names {
        stage.synced(name, &after).await;
    }
    let written = first.writes().len();
    first.controller.resume();
    let status = first.controller.wait(Duration::from_secs(15));
    assert!(!status.success(), "it ends because it lost its Leases: {status:?}");
    assert_eq!(first.writes().len(), written, "{:?}", &first.writes()[written..]);
    assert_one_writer(&ground, &[&first, &second], stage.ns()).await;
}

#[tokio::test]
async fn a_replica_that_cannot_renew_one_slot_stops_with_all() {
    let ground = Ground::prepare().await;
    let first = Replica::start(&ground, "first", SLOTS).await;
    is_spread(&ground, &[("first", 4)], LONG).await;
    let rule = tiphys_tests::Rule::new(tiphys_tests::Fault::Hang).path("/leases/tiphys-controller-2");
    first.proxy.add(rule);
    let status = first.controller.wait(TAKEOVER);
    assert!(!status.success(), "{status:?}");
    let held = leases(&ground).await.iter().filter(|it| holder(it) == Some("first")).count();
    assert!(held >= 1, "it ended while the slot was its own");
    let second = Replica::start(&ground, "second", SLOTS).await;
    is_spread(&ground, &[("second", 4)], TAKEOVER).await;
    drop(second);
}

#[tokio::test]
async fn replicas_with_other_numbers_of_shards_never_write_beside_each_other() {
    let ground = Ground::prepare().await;
    let old = Replica::start(&ground, "old", 1).await;
    is_spread(&ground, &[("old", 1)], LONG).await;
    let mut stage = ground.stage(Endpoints::of(&old.controller), "rolling").await;
    let names = names(stage.ns(), 1);
    let mut commits = vec![commit(&stage, &names, "one shard")];
    for name in &names {
        stage.create(name, json!({ "source": { "path": name } })).await;
    }
    for name in &names {
        stage.synced(name, &commits[0]).await;
    }
    // Two that count otherwise come beside it, as in a rolling update, and are ready without doing anything.
    let new = [Replica::start(&ground, "new-a", SLOTS).await, Replica::start(&ground, "new-b", SLOTS).await];
    commits.push(commit(&stage, &names, "beside"));
    stage.tell(&commits[1]).await;
    for name in &names {
        stage.synced(name, &commits[1]).await;
    }
    stage
        .stays("the old one alone holds a slot", Duration::from_secs(6), || async {
            match spread(&ground).await {
                it if it.keys().eq(["old"].iter()) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    assert!(
        new.iter().all(|it| it.writes().is_empty()),
        "{:?}",
        new.iter().map(Replica::writes).collect::<Vec<_>>()
    );
    commits.push(commit(&stage, &names, "over"));
    stage.tell(&commits[2]).await;
    old.controller.terminate();
    assert!(old.controller.wait(Duration::from_secs(20)).success());
    is_spread(&ground, &[("new-a", 2), ("new-b", 2)], LONG).await;
    stage.endpoints = Endpoints::of(&new[0].controller);
    stage.tell(&commits[2]).await;
    for name in &names {
        stage.synced(name, &commits[2]).await;
    }
    assert_history(&stage, &names, &commits).await;
    let last_of_old = old.writes().iter().map(|it| it.at).max();
    let first_of_new = new.iter().flat_map(Replica::writes).map(|it| it.at).min();
    assert!(last_of_old < first_of_new);
    // And back.
    let back = Replica::start(&ground, "back", 1).await;
    new[0].controller.kill();
    new[1].controller.kill();
    eventually("it holds the only slot", TAKEOVER, || async {
        let leases = leases(&ground).await;
        let first = leases.iter().find(|it| it.name_any() == "tiphys-controller").and_then(holder);
        if first == Some("back") { Ok(()) } else { Err(format!("{first:?}")) }
    })
    .await;
    drop(back);
}

#[tokio::test]
async fn replicas_that_come_at_once_and_count_otherwise_do_not_both_lead() {
    let ground = Ground::prepare().await;
    let (one, four) = tokio::join!(Replica::start(&ground, "one", 1), Replica::start(&ground, "four", SLOTS));
    let wanted = [BTreeMap::from([("one".to_owned(), 1)]), BTreeMap::from([("four".to_owned(), 4)])];
    eventually("one of them leads", LONG, || async {
        let spread = spread(&ground).await;
        if wanted.contains(&spread) { Ok(()) } else { Err(format!("{spread:?}")) }
    })
    .await;
    let leads = [one.controller.log(), four.controller.log()].map(|it| it.contains("leading"));
    tokio::time::sleep(Duration::from_secs(5)).await;
    let later = [one.controller.log(), four.controller.log()].map(|it| it.contains("leading"));
    assert!(!(later[0] && later[1]), "{leads:?} {later:?}");
}
