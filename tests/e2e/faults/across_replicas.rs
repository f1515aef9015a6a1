//! What Applications have to do with each other when different replicas work on them.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};
use tiphys_api::{ConditionStatus, OWNER_ANNOTATION, READY, Repository};
use tiphys_tests::eventually;

use crate::ground::Ground;
use crate::replicas::{Replica, SLOTS, commit, holder, is_spread, leases, slot_of};
use crate::support::controller::Endpoints;
use crate::support::manifests::{Deployment, config_map};
use crate::support::stage::Stage;
use crate::support::{LONG, condition};

/// Two replicas with two slots each, and an Application in a slot of each of them.
async fn apart<'a>(ground: &'a Ground, replicas: &[Replica; 2]) -> (Stage<'a>, [String; 2]) {
    is_spread(ground, &[("first", 2), ("second", 2)], LONG).await;
    let stage = ground.stage(Endpoints::of(&replicas[0].controller), "apart").await;
    let leases = leases(ground).await;
    let of = |name: &str| {
        let slots = leases.iter().filter(|it| holder(it) == Some(name)).map(|it| {
            it.name_any()
                .strip_prefix("tiphys-controller-")
                .map_or(0, |it| it.parse::<u16>().expect("a number"))
        });
        let slots: BTreeSet<_> = slots.collect();
        let name = (0..1000).map(|it| format!("app{it}")).find(|it| slots.contains(&slot_of(stage.ns(), it)));
        name.expect("one of all names is in the slot")
    };
    let names = [of("first"), of("second")];
    (stage, names)
}

async fn two(ground: &Ground) -> [Replica; 2] {
    let first = Replica::start(ground, "first", SLOTS).await;
    is_spread(ground, &[("first", 4)], LONG).await;
    [first, Replica::start(ground, "second", SLOTS).await]
}

fn below(path: &str, patch: Value) -> Value {
    let mut spec = json!({ "source": { "path": path } });
    crate::support::merge(&mut spec, patch);
    spec
}

#[tokio::test]
async fn a_webhook_reaches_all_replicas_and_one_tells_of_a_repository() {
    let ground = Ground::prepare().await;
    let replicas = two(&ground).await;
    let (mut stage, names) = apart(&ground, &replicas).await;
    let mut last = commit(&stage, &names, "0");
    for name in &names {
        stage.create(name, below(name, json!({}))).await;
    }
    for name in &names {
        stage.synced(name, &last).await;
    }
    for (number, replica) in replicas.iter().enumerate() {
        stage.endpoints = Endpoints::of(&replica.controller);
        last = commit(&stage, &names, &format!("told to {number}"));
        stage.tell(&last).await;
        // Sooner than anybody would look by himself.
        for name in &names {
            stage.has_value_within(&format!("{name}-config"), &format!("told to {number}"), LONG).await;
            stage.synced(name, &last).await;
        }
    }
    // A third Repository is read only by an Application of the second replica.
    let repositories: Api<Repository> = stage.namespace.api();
    let repository = |name: &str| {
        let (repositories, name) = (repositories.clone(), name.to_owned());
        async move {
            let found = repositories.get(&name).await.map_err(|error| error.to_string())?;
            let status = found.status.unwrap_or_default();
            let ready = condition(&status.conditions, READY).cloned();
            ready.ok_or_else(|| "it says nothing".to_owned())
        }
    };
    stage
        .applications()
        .delete(&names[0], &kube::api::DeleteParams::default())
        .await
        .expect("it can be deleted");
    eventually("the Repository is told of by the one that reads it", LONG, || async {
        let ready = repository("deploy").await?;
        let said = ready.status == ConditionStatus::True;
        if said { Ok(()) } else { Err(ready.message) }
    })
    .await;
    let about = |replica: &Replica| {
        replica
            .writes()
            .into_iter()
            .filter(|it| it.resource == "repositories" && it.subresource == "status")
            .count()
    };
    let wrote = [about(&replicas[0]), about(&replicas[1])];
    last = commit(&stage, &names, "after");
    stage.tell(&last).await;
    stage.synced(&names[1], &last).await;
    eventually("only the one that reads it tells of it", LONG, || async {
        let now = [about(&replicas[0]), about(&replicas[1])];
        if now[1] > wrote[1] && now[0] == wrote[0] { Ok(()) } else { Err(format!("{wrote:?} {now:?}")) }
    })
    .await;
}

#[tokio::test]
async fn what_depends_on_an_application_of_another_replica_waits_for_it() {
    let ground = Ground::prepare().await;
    let replicas = two(&ground).await;
    let (stage, names) = apart(&ground, &replicas).await;
    let [below_it, above] = &names;
    let commit_of = |value: &str, delay: &str| {
        let base = [
            config_map(&format!("{below_it}-config"), value),
            Deployment::new("base").slow(delay).image(&format!("registry.example.com/app:{value}")).yaml(),
        ];
        stage
            .repo
            .commit("main")
            .write(&format!("{below_it}/all.yaml"), base.join("---\n"))
            .write(&format!("{above}/all.yaml"), config_map(&format!("{above}-config"), value))
            .finish()
    };
    let first = commit_of("1", "1s");
    stage.create(above, below(above, json!({ "dependsOn": [{ "name": below_it }] }))).await;
    stage.says(above, "does not exist").await;
    stage.create(below_it, below(below_it, json!({}))).await;
    for name in &names {
        stage.synced(name, &first).await;
    }
    // One commit that changes both goes in order, and neither polls for the other.
    let second = commit_of("2", "6s");
    stage.tell(&second).await;
    stage.has_value(&format!("{below_it}-config"), "2").await;
    stage.says(above, "waits for Application").await;
    assert_eq!(stage.value(&format!("{above}-config")).await.as_deref(), Some("1"));
    for name in &names {
        stage.synced(name, &second).await;
    }
    let ended =
        |sync: &tiphys_api::Sync| sync.status.as_ref().and_then(|it| it.finished_at.clone()).map(|it| it.0);
    let began =
        |sync: &tiphys_api::Sync| sync.status.as_ref().and_then(|it| it.started_at.clone()).map(|it| it.0);
    let (base, top) = (stage.last_sync(below_it).await, stage.last_sync(above).await);
    assert!(ended(&base) <= began(&top), "{:?} {:?}", ended(&base), began(&top));
}

#[tokio::test]
async fn objects_move_and_are_fought_over_across_replicas_as_in_one() {
    let ground = Ground::prepare().await;
    let replicas = two(&ground).await;
    let (stage, names) = apart(&ground, &replicas).await;
    let [one, two] = &names;
    let identity = async || {
        let object = stage.namespace.api::<ConfigMap>().get("moves").await.expect("it is there");
        let owner = object.metadata.annotations.clone().unwrap_or_default().remove(OWNER_ANNOTATION);
        (object.uid().unwrap_or_default(), owner.unwrap_or_default())
    };
    let state = |owner: usize, value: &str| {
        let mut commit = stage.repo.commit("main").delete_all();
        for (number, name) in names.iter().enumerate() {
            commit = commit.write(&format!("{name}/own.yaml"), config_map(&format!("{name}-own"), "1"));
            if number == owner || owner == 2 {
                commit = commit.write(&format!("{name}/moves.yaml"), config_map("moves", value));
            }
        }
        commit.finish()
    };
    let first = state(0, "1");
    for name in &names {
        stage.create(name, below(name, json!({}))).await;
    }
    for name in &names {
        stage.synced(name, &first).await;
    }
    let (uid, owner) = identity().await;
    assert_eq!(owner, format!("{}/{one}", stage.ns()));
    // There and back, in whichever order they come to it.
    for (number, name) in [(1, two), (0, one), (1, two)] {
        let commit = state(number, &format!("with {name}"));
        stage.tell(&commit).await;
        for name in &names {
            stage.synced(name, &commit).await;
        }
        assert_eq!(identity().await, (uid.clone(), format!("{}/{name}", stage.ns())));
        assert_eq!(stage.value("moves").await, Some(format!("with {name}")));
    }
    // Both want it: whoever has it keeps it, and the other says so.
    let both = state(2, "both");
    stage.tell(&both).await;
    stage.stalls(one, &format!("belongs to Application {}/{two}", stage.ns())).await;
    stage.synced(two, &both).await;
    assert_eq!(identity().await, (uid, format!("{}/{two}", stage.ns())));
    // Both make it at the same moment: one has it in the end, the other says so, and nobody goes on writing.
    let mut new = stage.repo.commit("main").delete_all();
    for name in &names {
        new = new.write(&format!("{name}/own.yaml"), config_map(&format!("{name}-own"), "1"));
        new = new.write(&format!("{name}/new.yaml"), config_map("new", name));
    }
    let new = new.finish();
    stage.tell(&new).await;
    // What the loser says counts only afterwards: it has said the same of another object.
    eventually("both have tried", LONG, || async {
        for name in &names {
            let syncs = stage.syncs(name).await;
            let mut ended =
                syncs.iter().filter_map(|it| it.status.as_ref()).filter(|it| it.phase.is_finished());
            if !ended.any(|it| it.revision.as_ref().is_some_and(|it| it.contains(&new))) {
                return Err(format!("{name} has not"));
            }
        }
        Ok(())
    })
    .await;
    eventually("one of both has it, and the other says so", LONG, || async {
        let object =
            stage.namespace.api::<ConfigMap>().get("new").await.map_err(|error| error.to_string())?;
        let owner =
            object.metadata.annotations.unwrap_or_default().remove(OWNER_ANNOTATION).unwrap_or_default();
        let loser = if owner.ends_with(&format!("/{one}")) { two } else { one };
        let said = crate::support::words(&stage.get(loser).await);
        let is_told = said.contains(&format!("belongs to Application {owner}"));
        if is_told { Ok(()) } else { Err(format!("{owner} has it, {loser} says {said}")) }
    })
    .await;
    let count = |replica: &Replica| replica.writes().iter().filter(|it| it.name == "new").count();
    let before: usize = replicas.iter().map(count).sum();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let after: usize = replicas.iter().map(count).sum();
    assert_eq!(after, before, "they go on writing");
}
