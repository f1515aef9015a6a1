//! Several replicas that share the Applications: each is worked on by one of them at a time, whatever happens to them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tiphys_api::{ConditionStatus, OWNER_ANNOTATION, READY, Repository};
use tiphys_tests::{Controller, FaultProxy, Installation, RecordedRequest, eventually};

use crate::ground::Ground;
use crate::support::controller::Endpoints;
use crate::support::manifests::{Deployment, config_map};
use crate::support::stage::Stage;
use crate::support::{LONG, condition, phase};

/// Time until a Lease that nobody renews is taken, and some more for a busy machine.
const TAKEOVER: Duration = Duration::from_secs(30);

const SLOTS: u16 = 4;

/// The slot of an Application, as it is described: jump consistent hash over 64 bits of SHA-256.
fn slot_of(namespace: &str, name: &str) -> u16 {
    let digest = Sha256::digest(format!("{namespace}/{name}"));
    let mut key = u64::from_be_bytes(digest[..8].try_into().expect("eight bytes"));
    let (mut bucket, mut next) = (0, 0);
    while next < u64::from(SLOTS) {
        bucket = next;
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        next = ((bucket + 1) << 31) / ((key >> 33) + 1);
    }
    u16::try_from(bucket).expect("it is smaller than the number of slots")
}

struct Replica {
    name: String,
    proxy: FaultProxy,
    controller: Controller,
}

impl Replica {
    async fn start(ground: &Ground, name: &str, shards: u16) -> Self {
        let proxy = FaultProxy::start(ground, 3);
        let builder = ground.installation.controller(&proxy).elected_as(name);
        let controller = builder.arg(format!("--shards={shards}")).start().await;
        Self { name: name.to_owned(), proxy, controller }
    }

    /// What it wrote, but for Leases.
    fn writes(&self) -> Vec<RecordedRequest> {
        let done = |it: &RecordedRequest| {
            it.is_write() && it.resource != "leases" && it.status.is_some_and(|it| it < 300)
        };
        self.proxy.requests().into_iter().filter(done).collect()
    }
}

async fn leases(ground: &Ground) -> Vec<Lease> {
    let leases: Api<Lease> = Api::namespaced(ground.admin(), Installation::NAMESPACE);
    leases.list(&ListParams::default()).await.expect("Leases can be listed").items
}

fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref().filter(|it| !it.is_empty())
}

/// How many slots each replica holds.
async fn spread(ground: &Ground) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for lease in leases(ground).await {
        if let Some(holder) = holder(&lease) {
            *counts.entry(holder.to_owned()).or_default() += 1;
        }
    }
    counts
}

/// Waits until all slots are held, by these replicas, so many by each.
async fn is_spread(ground: &Ground, wanted: &[(&str, usize)], within: Duration) {
    let wanted: BTreeMap<_, _> = wanted.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    eventually(&format!("the slots are spread as {wanted:?}"), within, || async {
        match spread(ground).await {
            it if it == wanted => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

/// Names of Applications, so many in each slot.
fn names(ns: &str, each: usize) -> Vec<String> {
    let mut found: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    for number in 0.. {
        let name = format!("app{number}");
        let slot = found.entry(slot_of(ns, &name)).or_default();
        if slot.len() < each {
            slot.push(name);
        }
        if found.len() == usize::from(SLOTS) && found.values().all(|it| it.len() == each) {
            break;
        }
    }
    found.into_values().flatten().collect()
}

/// Commits a state of all Applications.
fn commit(stage: &Stage<'_>, names: &[String], value: &str) -> String {
    let mut commit = stage.repo.commit("main");
    for name in names {
        commit = commit.write(&format!("{name}/all.yaml"), config_map(&format!("{name}-config"), value));
    }
    commit.finish()
}

/// Makes sure that nobody wrote for an Application while another replica held its slot: whoever writes for a slot changes
/// at most as often as its Lease.
async fn assert_one_writer(ground: &Ground, replicas: &[&Replica], ns: &str) {
    let mut writes: BTreeMap<u16, Vec<(Instant, &str, String)>> = BTreeMap::new();
    for replica in replicas {
        for write in replica.writes() {
            // An Event may be told a moment later than what it tells of.
            let is_ours =
                write.namespace == ns && write.name.starts_with("app") && write.resource != "events";
            let application = write.name.split('-').next().unwrap_or_default();
            if is_ours {
                let text = format!("{:?} {} {}", write.verb, write.resource_name(), write.name);
                writes.entry(slot_of(ns, application)).or_default().push((write.at, &replica.name, text));
            }
        }
    }
    let leases = leases(ground).await;
    for (slot, mut writes) in writes {
        writes.sort();
        let mut turns: Vec<&str> = writes.iter().map(|it| it.1).collect();
        turns.dedup();
        let name =
            if slot == 0 { "tiphys-controller".to_owned() } else { format!("tiphys-controller-{slot}") };
        let lease = leases.iter().find(|it| it.name_any() == name).expect("every slot has a Lease");
        let transitions = lease.spec.as_ref().and_then(|it| it.lease_transitions).unwrap_or_default();
        let text: Vec<_> = writes.iter().map(|(at, who, what)| format!("{at:?} {who} {what}")).collect();
        assert!(
            turns.len() <= usize::try_from(transitions).unwrap_or_default(),
            "slot {slot} was held {transitions} times, and written for by {turns:?}:\n{}",
            text.join("\n")
        );
    }
}

/// Makes sure that each Application was synced once for each commit, in their order, with numbers of their own.
async fn assert_history(stage: &Stage<'_>, names: &[String], commits: &[String]) {
    for name in names {
        let syncs = stage.syncs(name).await;
        let numbers: Vec<_> = syncs.iter().filter_map(|it| it.status.as_ref()?.number).collect();
        let expected: Vec<_> = (1..=commits.len() as u64).collect();
        assert_eq!(numbers, expected, "{name}");
        for (sync, commit) in syncs.iter().zip(commits) {
            let revision = sync.status.as_ref().and_then(|it| it.revision.clone()).unwrap_or_default();
            assert!(
                phase(sync).is_finished() && revision.ends_with(commit),
                "{}: {revision}",
                sync.name_any()
            );
        }
    }
}

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
