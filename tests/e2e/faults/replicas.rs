//! Replicas of the controller that share the Applications, and what is to be true of them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use sha2::{Digest as _, Sha256};
use tiphys_tests::{Controller, FaultProxy, Installation, RecordedRequest, eventually};

use crate::ground::Ground;
use crate::support::manifests::config_map;
use crate::support::phase;
use crate::support::stage::Stage;

/// Time until a Lease that nobody renews is taken, and some more for a busy machine.
pub const TAKEOVER: Duration = Duration::from_secs(30);

pub const SLOTS: u16 = 4;

/// The slot of an Application, as it is described: jump consistent hash over 64 bits of SHA-256.
pub fn slot_of(namespace: &str, name: &str) -> u16 {
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

pub struct Replica {
    pub name: String,
    pub proxy: FaultProxy,
    pub controller: Controller,
}

impl Replica {
    pub async fn start(ground: &Ground, name: &str, shards: u16) -> Self {
        let proxy = FaultProxy::start(ground, 3);
        let builder = ground.installation.controller(&proxy).elected_as(name);
        let controller = builder.arg(format!("--shards={shards}")).start().await;
        Self { name: name.to_owned(), proxy, controller }
    }

    /// What it wrote, but for Leases.
    pub fn writes(&self) -> Vec<RecordedRequest> {
        let done = |it: &RecordedRequest| {
            it.is_write() && it.resource != "leases" && it.status.is_some_and(|it| it < 300)
        };
        self.proxy.requests().into_iter().filter(done).collect()
    }
}

pub async fn leases(ground: &Ground) -> Vec<Lease> {
    let leases: Api<Lease> = Api::namespaced(ground.admin(), Installation::NAMESPACE);
    leases.list(&ListParams::default()).await.expect("Leases can be listed").items
}

pub fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref().filter(|it| !it.is_empty())
}

/// How many slots each replica holds.
pub async fn spread(ground: &Ground) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for lease in leases(ground).await {
        if let Some(holder) = holder(&lease) {
            *counts.entry(holder.to_owned()).or_default() += 1;
        }
    }
    counts
}

/// Waits until all slots are held, by these replicas, so many by each.
pub async fn is_spread(ground: &Ground, wanted: &[(&str, usize)], within: Duration) {
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
pub fn names(ns: &str, each: usize) -> Vec<String> {
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
pub fn commit(stage: &Stage<'_>, names: &[String], value: &str) -> String {
    let mut commit = stage.repo.commit("main");
    for name in names {
        commit = commit.write(&format!("{name}/all.yaml"), config_map(&format!("{name}-config"), value));
    }
    commit.finish()
}

/// Makes sure that nobody wrote for an Application while another replica held its slot: whoever writes for a slot changes
/// at most as often as its Lease.
pub async fn assert_one_writer(ground: &Ground, replicas: &[&Replica], ns: &str) {
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
pub async fn assert_history(stage: &Stage<'_>, names: &[String], commits: &[String]) {
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
