//! What the cluster has, of what Tiphys applied: one watch per kind in use, selected by the tracking label.
//!
//! [`LiveCache::ensure`] starts the watches that are missing, all at once, and waits until each has listed; from
//! then on reads cost nothing. What we write ourselves enters at once ([`LiveCache::observe`]); nobody waits for
//! the watch to repeat it. Objects are held as [`LiveObject`]s only, so memory grows with what we manage.
//!
//! A watch that is interrupted goes on by itself, and what it told before stays. A kind that is no longer served
//! takes its objects along; they come back when it is served again.

mod events;
mod index;
pub(crate) mod watch;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::future::try_join_all;
use kube::Client;
use kube::discovery::verbs;
use parking_lot::{Mutex, RwLock};
use serde_json::Value;
use tiphys_api::APPLICATION_LABEL;
use tiphys_manifest::{GroupVersionKind, ObjectId};
use tokio::sync::watch as signal;
use tokio::time::{Instant, timeout_at};

pub use self::events::LiveEvents;
use self::events::Readers;
use self::index::Index;
pub use self::index::{Change, LiveEvent};
use self::watch::{Selection, Step, Watch};
use crate::discovery::{Kinds, Lookup, ServedKind};
use crate::error::{Class, Error};
use crate::health::checks::Checks;
use crate::live_object::LiveObject;
use crate::requests::failure::Failure;
use crate::task::Task;

/// A watch that nobody needs is kept this long: Applications come and go, and lists cost more than watches.
const LINGER: Duration = Duration::from_mins(5);
/// A watch that failed is started afresh for whoever needs it, unless it failed just now.
const RESTART: Duration = Duration::from_secs(2);

/// The live objects that carry our tracking label. Clones share everything; watches end with the last one.
#[derive(Clone)]
pub struct LiveCache {
    inner: Arc<Inner>,
    /// Starts watches again when kinds come and go.
    _follower: Arc<Task>,
}

struct Inner {
    client: Client,
    kinds: Arc<Kinds>,
    index: RwLock<Index>,
    /// How health is told; changed only while the index is locked for writing.
    checks: RwLock<Checks>,
    running: Mutex<HashMap<GroupVersionKind, Running>>,
    readers: Readers,
    /// Changes whenever the index does.
    changed: signal::Sender<u64>,
    /// Changes whenever a watch that had failed lists or follows again.
    recovered: signal::Sender<u64>,
}

/// The watch of one kind.
struct Running {
    state: Arc<signal::Sender<State>>,
    unused_since: Option<Instant>,
    /// None while the kind is not served.
    task: Option<Task>,
}

/// How far a watch is.
#[derive(Clone, Debug)]
enum State {
    /// It has not listed yet.
    Starting,
    /// It has listed; it may be interrupted now and then.
    Listed,
    /// It cannot list.
    Failed { failure: Arc<Failure>, at: Instant },
}

/// Kinds that cannot be watched because the API server does not serve them (now).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ensured {
    /// Not served: no such kind, or its definition is not there yet.
    pub not_served: BTreeSet<GroupVersionKind>,
    /// Nobody can say: the server behind the group does not answer.
    pub unknown: BTreeSet<GroupVersionKind>,
}

impl LiveCache {
    /// An empty cache; nothing is asked for yet.
    pub fn new(client: Client, kinds: Arc<Kinds>) -> Self {
        let mut generation = kinds.subscribe();
        let inner = Arc::new(Inner {
            client,
            kinds,
            index: RwLock::default(),
            checks: RwLock::default(),
            running: Mutex::default(),
            readers: Readers::default(),
            changed: signal::Sender::new(0),
            recovered: signal::Sender::new(0),
        });
        let cache = Arc::downgrade(&inner);
        let follower = Task::spawn(async move {
            while generation.changed().await.is_ok() {
                let Some(inner) = cache.upgrade() else { return };
                inner.follow_kinds();
            }
        });
        Self { inner, _follower: Arc::new(follower) }
    }

    /// Makes sure that these kinds are watched and have been listed.
    ///
    /// Kinds that are not served are named in the answer. A kind that we may not list and watch, or that is not
    /// listed in time, is an error.
    pub async fn ensure(
        &self,
        wanted: impl IntoIterator<Item = &GroupVersionKind>,
        deadline: Instant,
    ) -> Result<Ensured, Error> {
        let mut ensured = Ensured::default();
        let mut states = Vec::new();
        for gvk in wanted.into_iter().collect::<BTreeSet<_>>() {
            match self.inner.kinds.resolve(gvk).await? {
                Lookup::Served(kind) => states.push(self.inner.start(kind)?),
                Lookup::NotServed => drop(ensured.not_served.insert(gvk.clone())),
                Lookup::Unknown => drop(ensured.unknown.insert(gvk.clone())),
            }
        }
        try_join_all(states.into_iter().map(|(kind, state)| listed(kind, state, deadline))).await?;
        Ok(ensured)
    }

    /// Stops watches of kinds that are not among `used`, some minutes after they were last.
    pub fn retain(&self, used: &BTreeSet<GroupVersionKind>) {
        let now = Instant::now();
        let mut stopped = Vec::new();
        self.inner.running.lock().retain(|gvk, running| {
            let keep = lingers(&mut running.unused_since, used.contains(gvk), now);
            if !keep {
                stopped.push(gvk.clone());
            }
            keep
        });
        for gvk in stopped {
            self.inner.change(|index| index.forget(&gvk));
        }
    }

    /// An object, if it is there and its kind is watched.
    pub fn get(&self, id: &ObjectId) -> Option<Arc<LiveObject>> {
        self.inner.index.read().get(id)
    }

    /// Like [`LiveCache::get`], at exactly this version of its API.
    pub fn get_at(&self, gvk: &GroupVersionKind, id: &ObjectId) -> Option<Arc<LiveObject>> {
        self.inner.index.read().get_at(gvk, id)
    }

    /// All objects that carry this value of the tracking label, sorted by identity.
    pub fn by_owner(&self, label: &str) -> Vec<Arc<LiveObject>> {
        self.inner.index.read().by_owner(label)
    }

    /// Whether a kind is watched, in some version, and has been listed: then what is not here is not there.
    pub fn is_listed(&self, group: &str, kind: &str) -> bool {
        self.inner.running.lock().iter().any(|(gvk, running)| {
            gvk.group == group && gvk.kind == kind && matches!(*running.state.borrow(), State::Listed)
        })
    }

    /// Whether something of ours is in a namespace; then the namespace exists.
    pub fn has_namespace(&self, namespace: &str) -> bool {
        self.inner.index.read().has_namespace(namespace)
    }

    /// How many objects are held.
    pub fn len(&self) -> usize {
        self.inner.index.read().len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The kinds that are watched now.
    pub fn watched(&self) -> BTreeSet<GroupVersionKind> {
        self.inner.running.lock().keys().cloned().collect()
    }

    /// All changes from now on.
    pub fn events(&self) -> LiveEvents {
        self.inner.readers.add()
    }

    /// Tells whenever a watch that had failed can tell again what there is. Whether an object is there was not known
    /// meanwhile, and if nothing else changed there is no event that would say so.
    pub fn recoveries(&self) -> signal::Receiver<u64> {
        self.inner.recovered.subscribe()
    }

    /// Takes in an object as the API server answered to our own write.
    ///
    /// What is older than what the watch has told is ignored, and so is a kind that is not watched.
    pub fn observe(&self, object: &Value) -> Result<(), Error> {
        let (object, checks) = self.inner.read(object)?;
        if self.inner.running.lock().contains_key(&object.gvk) {
            self.inner.change(|index| index.observed(self.inner.by_newest(object, &checks)));
        }
        Ok(())
    }

    /// Tells health by these checks from now on, of what is already known too. No request is made.
    pub fn set_checks(&self, checks: &Checks) {
        let before = {
            let _index = self.inner.index.write();
            std::mem::replace(&mut *self.inner.checks.write(), checks.clone())
        };
        let concerned = |gvk: &GroupVersionKind| {
            before.covers(&gvk.group, &gvk.kind) || checks.covers(&gvk.group, &gvk.kind)
        };
        let objects = self.inner.index.read().of_kinds(concerned);
        for object in objects {
            match object.reassessed(checks) {
                Ok(Some(object)) => {
                    self.inner.change(|index| index.reassessed(self.inner.by_newest(object, checks)));
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(id = %object.id, %error, "an object cannot be read"),
            }
        }
    }

    /// Waits until what is known of an object fulfils `condition`; false if it does not before the deadline.
    pub async fn wait_for(
        &self,
        id: &ObjectId,
        deadline: Instant,
        condition: impl Fn(Option<&LiveObject>) -> bool,
    ) -> bool {
        let mut changed = self.inner.changed.subscribe();
        let reached = async {
            while !condition(self.get(id).as_deref()) {
                if changed.changed().await.is_err() {
                    return false;
                }
            }
            true
        };
        timeout_at(deadline, reached).await.unwrap_or(false)
    }
}

/// Whether a watch goes on: it is used, or was so until a short time ago.
fn lingers(unused_since: &mut Option<Instant>, is_used: bool, now: Instant) -> bool {
    if is_used {
        *unused_since = None;
        return true;
    }
    now - *unused_since.get_or_insert(now) < LINGER
}

/// Waits until a watch has listed.
async fn listed(
    kind: Arc<ServedKind>,
    mut state: signal::Receiver<State>,
    deadline: Instant,
) -> Result<(), Error> {
    let settled = timeout_at(
        deadline,
        state.wait_for(|state| match state {
            State::Starting => false,
            State::Listed => true,
            State::Failed { failure, .. } => failure.class() != Class::Transient,
        }),
    )
    .await;
    // Out of time, or the watch was stopped while we waited for it: what it said last.
    drop(settled);
    let last = state.borrow().clone();
    match last {
        State::Listed => Ok(()),
        State::Starting => Err(Error::NotListed { resource: kind.resource_name(), source: None }),
        State::Failed { failure, .. } if failure.class() == Class::Forbidden => {
            Err(Error::WatchForbidden { resource: kind.resource_name(), source: failure })
        }
        State::Failed { failure, .. } => {
            Err(Error::NotListed { resource: kind.resource_name(), source: Some(failure) })
        }
    }
}

impl Inner {
    /// Starts the watch of a kind unless there is one that is well.
    fn start(
        self: &Arc<Self>,
        kind: Arc<ServedKind>,
    ) -> Result<(Arc<ServedKind>, signal::Receiver<State>), Error> {
        let gvk = kind.gvk();
        for verb in [verbs::LIST, verbs::WATCH, verbs::PATCH] {
            if !kind.supports(verb) {
                return Err(Error::NotApplicable { gvk, verb });
            }
        }
        let mut running = self.running.lock();
        if let Some(running) = running.get_mut(&gvk) {
            let failed =
                matches!(&*running.state.borrow(), State::Failed { at, .. } if at.elapsed() > RESTART);
            if running.task.is_some() && !failed {
                running.unused_since = None;
                return Ok((kind, running.state.subscribe()));
            }
        }
        let running = running.entry(gvk).or_insert_with(|| Running {
            state: Arc::new(signal::Sender::new(State::Starting)),
            unused_since: None,
            task: None,
        });
        self.watch(&kind, running);
        Ok((kind, running.state.subscribe()))
    }

    /// Starts to watch, in place of an earlier watch of the same kind.
    fn watch(self: &Arc<Self>, kind: &Arc<ServedKind>, running: &mut Running) {
        running.task = None;
        running.unused_since = None;
        running.state.send_replace(State::Starting);
        let watch = Watch::new(self.client.clone(), Arc::clone(kind), Selection::Labelled(APPLICATION_LABEL));
        let sink = Sink { inner: Arc::downgrade(self), gvk: kind.gvk(), state: Arc::clone(&running.state) };
        running.task = Some(Task::spawn(watch.run(move |step| sink.take(step))));
    }

    /// Discovery has news: kinds that are gone take their objects along, kinds that are back are watched again.
    fn follow_kinds(self: &Arc<Self>) {
        let mut gone = Vec::new();
        for (gvk, running) in self.running.lock().iter_mut() {
            let failed = matches!(*running.state.borrow(), State::Failed { .. });
            match self.kinds.lookup(gvk) {
                Lookup::Served(kind) if failed || running.task.is_none() => self.watch(&kind, running),
                Lookup::NotServed => {
                    running.task = None;
                    gone.push(gvk.clone());
                }
                Lookup::Served(_) | Lookup::Unknown => {}
            }
        }
        for gvk in gone {
            self.change(|index| index.forget(&gvk));
        }
    }

    /// Takes in an object, and says by which checks its health was told.
    fn read(&self, object: &Value) -> Result<(LiveObject, Checks), Error> {
        let checks = self.checks.read().clone();
        Ok((LiveObject::with_checks(object, &checks)?, checks))
    }

    /// Makes sure that health is told by the newest checks: they may have changed while it was told, before the index
    /// was locked.
    fn by_newest(&self, object: LiveObject, used: &Checks) -> LiveObject {
        let newest = self.checks.read();
        if newest.is_same(used) {
            return object;
        }
        match object.reassessed(&newest) {
            Ok(Some(reassessed)) => reassessed,
            Ok(None) | Err(_) => object,
        }
    }

    /// Changes the index, and tells whoever wants to know.
    fn change(&self, change: impl FnOnce(&mut Index) -> Vec<LiveEvent>) {
        let events = change(&mut self.index.write());
        if !events.is_empty() {
            self.readers.send(&events);
            self.changed.send_modify(|count| *count = count.wrapping_add(1));
        }
    }
}

/// Where the watch of one kind puts what it tells.
struct Sink {
    inner: Weak<Inner>,
    gvk: GroupVersionKind,
    state: Arc<signal::Sender<State>>,
}

impl Sink {
    fn take(&self, step: Step) {
        let Some(inner) = self.inner.upgrade() else { return };
        match step {
            Step::ListStarted => inner.change(|index| {
                index.list_started(&self.gvk);
                Vec::new()
            }),
            Step::Listed(object) => self.listed(&inner, &object),
            Step::Applied(object) => self.applied(&inner, &object),
            Step::Deleted(object) => {
                if let Some((id, version)) = self.identify(&object) {
                    inner.change(|index| index.deleted(&self.gvk, &id, version));
                }
            }
            Step::Progress { version } => inner.change(|index| {
                index.progress(&self.gvk, &version);
                Vec::new()
            }),
            Step::ListDone { version } => {
                inner.change(|index| index.list_done(&self.gvk, &version));
                self.works(&inner);
            }
            Step::Resumed => self.works(&inner),
            Step::Failed(failure) => self.failed(&inner, failure),
        }
    }

    /// The watch has listed, or goes on.
    fn works(&self, inner: &Inner) {
        if matches!(self.state.send_replace(State::Listed), State::Failed { .. }) {
            inner.recovered.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// A list after an interruption mostly names what is known: that is not read again.
    fn listed(&self, inner: &Inner, object: &Value) {
        let known = self
            .identify(object)
            .is_some_and(|(id, version)| inner.index.write().already_has(&self.gvk, &id, version));
        if !known {
            self.applied(inner, object);
        }
    }

    fn applied(&self, inner: &Inner, object: &Value) {
        // The hashing and compressing is done before the lock is taken.
        match inner.read(object) {
            Ok((object, checks)) => inner.change(|index| index.applied(inner.by_newest(object, &checks))),
            Err(error) => tracing::warn!(kind = %self.gvk, %error, "an object cannot be read"),
        }
    }

    fn failed(&self, inner: &Inner, failure: Arc<Failure>) {
        if failure.is_not_found() && inner.kinds.lookup(&self.gvk) != Lookup::Unknown {
            inner.change(|index| index.forget(&self.gvk));
        }
        self.state.send_modify(|state| match state {
            // Interrupted is not failed, unless it cannot go on.
            State::Listed if failure.class() == Class::Transient => {}
            _ => {
                *state = State::Failed { failure, at: Instant::now() };
            }
        });
    }

    fn identify<'a>(&self, object: &'a Value) -> Option<(ObjectId, &'a str)> {
        let metadata = object.get("metadata")?;
        let text = |field: &str| metadata.get(field).and_then(Value::as_str);
        let id = ObjectId {
            group: self.gvk.group.clone(),
            kind: self.gvk.kind.clone(),
            namespace: text("namespace").map(str::to_owned),
            name: text("name")?.to_owned(),
        };
        Some((id, text("resourceVersion").unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_watch_ends_only_after_nobody_needed_it_for_a_while() {
        let start = Instant::now();
        let (soon, late) = (start + LINGER / 2, start + LINGER);
        let mut unused_since = None;
        assert!(lingers(&mut unused_since, false, start));
        assert!(lingers(&mut unused_since, false, soon));
        assert!(lingers(&mut unused_since, true, soon));
        assert!(lingers(&mut unused_since, false, late), "it was used meanwhile");
        assert!(!lingers(&mut unused_since, false, late + LINGER));
    }
}
