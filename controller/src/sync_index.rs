//! The Syncs of every Application, in memory and in order.
//!
//! A plain structure behind a lock: fed by watch events and by the answers to our own writes, asked by the
//! reconciler. It keeps what decisions need, not what people read.

use std::collections::{BTreeMap, HashMap};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use k8s_openapi::jiff::Timestamp;
use kube::runtime::watcher::Event;
use kube::{Resource as _, ResourceExt as _};
use parking_lot::RwLock;
use tiphys_api::{Application, Phase, PlanSummary, ProposalPhase, StageStatus, Sync, SyncSpec};

use crate::takeover::Listed;

/// An Application: namespace and name.
pub type ApplicationKey = (String, String);

/// What decisions need to know of a Sync.
#[derive(Clone, Debug, PartialEq)]
pub struct SyncRecord {
    /// Its name.
    pub name: String,
    /// Its identity.
    pub uid: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// Version of the object that this was read from; larger is newer.
    pub resource_version: u64,
    /// What was asked for.
    pub spec: SyncSpec,
    /// Whether something owns it already.
    pub owned: bool,
    /// Uid of the Application that owns it, if one does.
    pub application_uid: Option<String>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// How far it got.
    pub phase: Phase,
    /// Its number, once it started.
    pub number: Option<u64>,
    /// When it started.
    pub started_at: Option<Time>,
    /// When everything was applied.
    pub applied_at: Option<Time>,
    /// What it applied.
    pub revision: Option<String>,
    /// Digest of what it applied.
    pub rendering: Option<String>,
    /// Its snapshot.
    pub snapshot: Option<String>,
    /// What it planned.
    pub plan: Option<PlanSummary>,
    /// Which of several stages it is at.
    pub stage: Option<StageStatus>,
    /// Whether a proposal to Git is to be made of it.
    pub proposes: bool,
}

impl SyncRecord {
    /// What is to be known of `sync`.
    pub fn new(sync: &Sync) -> Self {
        let status = sync.status.clone().unwrap_or_default();
        Self {
            name: sync.name_any(),
            uid: sync.uid().unwrap_or_default(),
            created_at: sync.creation_timestamp().map_or(Timestamp::UNIX_EPOCH, |time| time.0),
            resource_version: sync.resource_version().and_then(|it| it.parse().ok()).unwrap_or_default(),
            spec: sync.spec.clone(),
            owned: !sync.owner_references().is_empty(),
            application_uid: application_of(sync).map(str::to_owned),
            deleting: sync.meta().deletion_timestamp.is_some(),
            phase: status.phase,
            number: status.number,
            started_at: status.started_at,
            applied_at: status.applied_at,
            revision: status.revision,
            rendering: status.rendering,
            snapshot: status.snapshot,
            plan: status.plan,
            stage: status.stage,
            proposes: status.proposal.is_some_and(|it| it.phase == ProposalPhase::Pending),
        }
    }
}

/// All Syncs by Application.
#[derive(Debug, Default)]
pub struct SyncIndex {
    state: RwLock<State>,
}

/// The Syncs of one Application by name. A node of a map has room for eleven values, and most Applications have few.
type Records = BTreeMap<String, Box<SyncRecord>>;

#[derive(Debug, Default)]
struct State {
    syncs: HashMap<ApplicationKey, Records>,
    /// Of a list that is under way: the names seen so far.
    listed: Option<HashMap<ApplicationKey, Records>>,
}

impl SyncIndex {
    /// Takes in a watch event and says whose Application it concerns.
    pub fn observe(&self, event: &Event<Sync>) -> Vec<ApplicationKey> {
        let mut state = self.state.write();
        match event {
            Event::Init => {
                state.listed = Some(HashMap::new());
                Vec::new()
            }
            Event::InitApply(sync) => {
                let record = SyncRecord::new(sync);
                if let Some(listed) = &mut state.listed {
                    listed.entry(key(sync)).or_default().insert(record.name.clone(), Box::new(record));
                }
                Vec::new()
            }
            Event::InitDone => state.finish_list(),
            Event::Apply(sync) => {
                state.apply(sync, |known, new| new > known);
                vec![key(sync)]
            }
            Event::Delete(sync) => {
                state.remove(sync);
                vec![key(sync)]
            }
        }
    }

    /// Takes in the answer to one of our own writes, or what we will write soon, so that nothing waits for the
    /// watch.
    pub fn observe_written(&self, sync: &Sync) {
        self.state.write().apply(sync, |known, new| new >= known);
    }

    /// The Syncs of an Application in the order of their creation.
    pub fn of(&self, application: &ApplicationKey) -> Vec<SyncRecord> {
        let state = self.state.read();
        let mut syncs: Vec<_> = state
            .syncs
            .get(application)
            .into_iter()
            .flat_map(BTreeMap::values)
            .filter(|it| !it.deleting)
            .map(|it| SyncRecord::clone(it))
            .collect();
        syncs.sort_by(|a, b| {
            (a.created_at, a.number.unwrap_or(u64::MAX), &a.name).cmp(&(
                b.created_at,
                b.number.unwrap_or(u64::MAX),
                &b.name,
            ))
        });
        syncs
    }

    /// Whether there is still a Sync of an Application of the same name that is gone. It goes, too, in a moment.
    pub fn has_of_another(&self, application: &ApplicationKey, uid: &str) -> bool {
        let state = self.state.read();
        let mut syncs = state.syncs.get(application).into_iter().flat_map(BTreeMap::values);
        syncs.any(|it| it.application_uid.as_deref().is_some_and(|it| it != uid))
    }

    /// Whether an Application has a Sync that may have to go: more than `limit`, or one that was only a question.
    pub fn may_expire(&self, application: &ApplicationKey, limit: u32) -> bool {
        let state = self.state.read();
        state
            .syncs
            .get(application)
            .is_some_and(|syncs| syncs.len() > limit as usize || syncs.values().any(|it| it.spec.dry_run))
    }

    /// Whether everything is known here that a list has named, and nothing any more that it has not.
    pub fn has_seen(&self, listed: &Listed) -> bool {
        let state = self.state.read();
        let records = state.syncs.iter().flat_map(|((namespace, _), syncs)| {
            syncs.values().map(move |it| (namespace.as_str(), it.name.as_str(), it.resource_version))
        });
        listed.is_seen_in(records)
    }

    /// Number of Syncs that are kept.
    pub fn len(&self) -> usize {
        self.state.read().syncs.values().map(BTreeMap::len).sum()
    }
}

impl State {
    /// Takes in `sync` when `wins` says so of the known and the new resource version: an event that is older
    /// than the answer to our own write must not take back what we know.
    fn apply(&mut self, sync: &Sync, wins: impl Fn(u64, u64) -> bool) {
        let record = SyncRecord::new(sync);
        let syncs = self.syncs.entry(key(sync)).or_default();
        let known = syncs.get(&record.name).filter(|it| it.uid == record.uid);
        if known.is_none_or(|it| wins(it.resource_version, record.resource_version)) {
            syncs.insert(record.name.clone(), Box::new(record));
        }
    }

    fn remove(&mut self, sync: &Sync) {
        let key = key(sync);
        if let Some(syncs) = self.syncs.get_mut(&key) {
            syncs.remove(&sync.name_any());
            if syncs.is_empty() {
                self.syncs.remove(&key);
            }
        }
    }

    fn finish_list(&mut self) -> Vec<ApplicationKey> {
        let mut before = std::mem::replace(&mut self.syncs, self.listed.take().unwrap_or_default());
        for (key, syncs) in &mut self.syncs {
            for (name, record) in syncs.iter_mut() {
                let known = before.get_mut(key).and_then(|it| it.remove(name));
                if let Some(known) = known
                    && known.uid == record.uid
                    && known.resource_version >= record.resource_version
                {
                    *record = known;
                }
            }
        }
        let mut touched: Vec<_> = self.syncs.keys().cloned().chain(before.into_keys()).collect();
        touched.sort();
        touched.dedup();
        touched
    }
}

/// Uid of the Application that owns a Sync.
fn application_of(sync: &Sync) -> Option<&str> {
    let is_application = |it: &&OwnerReference| {
        it.kind == Application::kind(&()) && it.api_version == Application::api_version(&())
    };
    sync.owner_references().iter().find(is_application).map(|it| it.uid.as_str())
}

fn key(sync: &Sync) -> ApplicationKey {
    (sync.namespace().unwrap_or_default(), sync.spec.application.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sync(name: &str, owners: &[(&str, &str, &str)]) -> Sync {
        let mut sync = Sync::new(name, SyncSpec { application: "web".to_owned(), ..SyncSpec::default() });
        let reference = |(api_version, kind, uid): &(&str, &str, &str)| OwnerReference {
            api_version: (*api_version).to_owned(),
            kind: (*kind).to_owned(),
            uid: (*uid).to_owned(),
            ..OwnerReference::default()
        };
        sync.metadata.namespace = Some("shop".to_owned());
        sync.metadata.owner_references = Some(owners.iter().map(reference).collect());
        sync
    }

    #[test]
    fn the_history_of_another_application_is_told_from_its_own() {
        const OURS: &str = "tiphys.dev/v1alpha1";
        let key = ("shop".to_owned(), "web".to_owned());
        let index = SyncIndex::default();
        for own in [
            sync("of-nobody", &[]),
            sync("of-a-pipeline", &[("ci.example.com/v1", "Application", "other")]),
            sync("its-own", &[("ci.example.com/v1", "Run", "other"), (OURS, "Application", "new")]),
        ] {
            index.observe(&Event::Apply(own));
        }
        assert!(!index.has_of_another(&key, "new"));
        let old = sync("web-1", &[(OURS, "Application", "old")]);
        index.observe(&Event::Apply(old.clone()));
        assert!(
            index.has_of_another(&key, "new")
                && !index.has_of_another(&("shop".to_owned(), "api".to_owned()), "new")
        );
        index.observe(&Event::Delete(old));
        assert!(!index.has_of_another(&key, "new"));
    }
}
