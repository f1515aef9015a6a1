//! Objects that move from one Application to another, in one commit as a rule.
//!
//! Whichever of the two is synced first, such an object is handed over and never deleted:
//!
//! * The one that loses it does not prune what another Application has in its rendering.
//! * The one that gains it takes it over from the one whose mark it carries, when that one has let go: neither what its
//!   source holds has the object any more nor, where it is suspended or held, what it has applied.
//!
//! What an Application has applied that another replica works on is read from the snapshot of its newest Sync.
//! What another Application has is found by rendering what its source holds now, as itself would; its own rights and
//! Project count. Only Applications that read the same repository are asked, and those that have applied the object: a
//! commit that prunes nothing and takes over nothing asks nobody.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use parking_lot::Mutex;
use tiphys_api::{Application, Phase};
use tiphys_engine::Inventory;
use tiphys_engine::dependencies::Seen;
use tiphys_engine::order;
use tiphys_engine::plan::Handover;
use tiphys_engine::snapshot::Snapshot;
use tiphys_manifest::{Manifest, ObjectId};
use tiphys_source::RevisionSpec;

use super::state::{Source, State};
use super::{CHECK_TIME, Error, deadline, desired, gates, gather, key_of, load, namespace_of};
use crate::context::Context;
use crate::repositories::Lookup;
use crate::steps::Steps;
use crate::sync_index::{ApplicationKey, SyncRecord};

/// What is known of the objects of each Application, for the others.
#[derive(Default)]
pub struct Holdings {
    known: Mutex<HashMap<ApplicationKey, Holding>>,
}

#[derive(Clone, Default)]
struct Holding {
    /// The objects of the rendering that it has applied.
    applied: Arc<BTreeSet<ObjectId>>,
    /// Those of the rendering that its source holds, when somebody last asked.
    candidate: Option<Arc<Candidate>>,
    /// The snapshot that `applied` was read from, when another replica works on it.
    snapshot: Option<String>,
}

/// The objects of a rendering.
struct Candidate {
    /// Generation of the Application, revision, version of the cluster's kinds.
    key: (i64, String, u64),
    /// Digest of the rendering.
    digest: String,
    objects: HashSet<ObjectId>,
}

impl Holdings {
    /// Notes what an Application has applied.
    pub fn note(&self, key: &ApplicationKey, applied: Option<&Arc<BTreeSet<ObjectId>>>) {
        let applied = applied.cloned().unwrap_or_default();
        let mut known = self.known.lock();
        match known.get_mut(key) {
            Some(holding) if Arc::ptr_eq(&holding.applied, &applied) => {}
            Some(holding) => holding.applied = applied,
            None => drop(known.insert(key.clone(), Holding { applied, ..Holding::default() })),
        }
    }

    /// Forgets an Application that is gone.
    pub fn forget(&self, key: &ApplicationKey) {
        self.known.lock().remove(key);
    }

    fn of(&self, key: &ApplicationKey) -> Option<Holding> {
        self.known.lock().get(key).cloned()
    }

    fn keep(&self, key: &ApplicationKey, candidate: &Arc<Candidate>) {
        self.known.lock().entry(key.clone()).or_default().candidate = Some(Arc::clone(candidate));
    }

    fn keep_applied(&self, key: &ApplicationKey, snapshot: Option<String>, applied: BTreeSet<ObjectId>) {
        let mut known = self.known.lock();
        let holding = known.entry(key.clone()).or_default();
        holding.applied = Arc::new(applied);
        holding.snapshot = snapshot;
    }
}

/// What moves to and from an Application that is about to apply `manifests`.
pub async fn handover(
    ctx: &Context,
    application: &Application,
    state: &State,
    manifests: &[Manifest],
    prunes: bool,
) -> Result<Handover, Error> {
    let released = released(ctx, application, manifests).await?;
    let inventory = state.applied.as_ref().map(|it| &it.inventory).filter(|_| prunes);
    let wanted = match inventory {
        Some(inventory) => {
            let stay: HashSet<_> = manifests.iter().map(Manifest::id).collect();
            wanted_elsewhere(ctx, application, inventory, |id| !stay.contains(id)).await?
        }
        None => BTreeMap::new(),
    };
    Ok(Handover { wanted, released })
}

/// The objects among `manifests` that carry the mark of another Application which has let go of them.
pub async fn released(
    ctx: &Context,
    application: &Application,
    manifests: &[Manifest],
) -> Result<BTreeMap<ObjectId, String>, Error> {
    let ours = ctx.owner(&key_of(application)).label_value();
    let mut released = BTreeMap::new();
    for id in manifests.iter().filter(|it| order::is_plain(it)).map(Manifest::id) {
        let live = ctx.cluster.live.get(&id);
        let label = live.as_ref().and_then(|it| it.owner_label.as_deref()).filter(|it| *it != ours);
        let Some(owner) = label.and_then(|label| named(ctx, label)) else { continue };
        if has_let_go(ctx, &owner, &id).await? {
            released.insert(id, words(&owner));
        }
    }
    Ok(released)
}

/// Whether an Application has let go of an object: what it has applied does not have it any more, or what its source holds
/// and nothing keeps it from applying. An Application that is deleted lets go of everything.
pub async fn has_let_go(ctx: &Context, owner: &Application, id: &ObjectId) -> Result<bool, Error> {
    let key = key_of(owner);
    let Some(holding) = holding(ctx, owner).await? else {
        ctx.enqueue(&key);
        return Err(Error::NotLooked { application: words(owner) });
    };
    if owner.metadata.deletion_timestamp.is_some() {
        return Ok(true);
    }
    if !holding.applied.contains(id) {
        // What a Sync there applies right now is known here only when it has named its snapshot.
        let is_unknown =
            |it: &SyncRecord| it.snapshot.is_none() && !it.spec.dry_run && gates::is_under_way(owner, it);
        if !ctx.slots.holds(&key) && ctx.syncs.of(&key).iter().any(is_unknown) {
            return Err(Error::NotLooked { application: words(owner) });
        }
        return Ok(true);
    }
    if is_frozen(owner) {
        return Ok(false);
    }
    let Some(candidate) = Box::pin(candidate(ctx, owner, &holding)).await? else { return Ok(false) };
    // While an older rendering is still being applied, the object may come back with it.
    let is_older = |it: &SyncRecord| {
        matches!(it.phase, Phase::Running | Phase::Waiting)
            && it.rendering.as_ref().is_some_and(|rendering| *rendering != candidate.digest)
    };
    let has_it = candidate.objects.contains(id);
    if !has_it && ctx.syncs.of(&key).iter().any(is_older) {
        return Err(Error::NotLooked { application: words(owner) });
    }
    Ok(!has_it)
}

/// The objects of an inventory that another Application has in its rendering, with the name of that.
pub async fn wanted_elsewhere(
    ctx: &Context,
    application: &Application,
    inventory: &Inventory,
    is_lost: impl Fn(&ObjectId) -> bool,
) -> Result<BTreeMap<ObjectId, String>, Error> {
    let key = key_of(application);
    let ours = ctx.owner(&key).label_value();
    let is_ours = |id: &ObjectId| {
        ctx.cluster.live.get(id).is_some_and(|live| live.owner_label.as_deref() == Some(ours.as_str()))
    };
    let lost: Vec<_> =
        inventory.iter().map(|(id, _)| id).filter(|id| is_lost(id) && is_ours(id)).cloned().collect();
    let mut wanted = BTreeMap::new();
    if lost.is_empty() {
        return Ok(wanted);
    }
    let repository = repository(ctx, application);
    for other in ctx.applications.state() {
        let other_key = key_of(&other);
        if other_key == key || other.metadata.deletion_timestamp.is_some() {
            continue;
        }
        if self::repository(ctx, &other) != repository && !lost.iter().any(|id| has_applied(ctx, &other, id))
        {
            continue;
        }
        let holding = holding(ctx, &other).await?.unwrap_or_default();
        let applied = Arc::clone(&holding.applied);
        let candidate = Box::pin(candidate(ctx, &other, &holding)).await?;
        for id in &lost {
            let wants = match &candidate {
                Some(candidate) => candidate.objects.contains(id),
                // Its source cannot be had now: what it has applied is what it wants.
                None => applied.contains(id),
            };
            if wants {
                wanted.insert(id.clone(), words(&other));
            }
        }
    }
    Ok(wanted)
}

/// What an Application has. None: nobody has looked yet.
async fn holding(ctx: &Context, application: &Application) -> Result<Option<Holding>, Error> {
    let key = key_of(application);
    let known = ctx.holdings.of(&key);
    if ctx.slots.holds(&key) {
        return Ok(known);
    }
    let counts = |it: &&SyncRecord| {
        let untouched = it.stage.as_ref().is_some_and(|stage| stage.untouched);
        !it.spec.dry_run && !untouched && it.snapshot.is_some()
    };
    let snapshot = ctx.syncs.of(&key).iter().rev().find(counts).and_then(|it| it.snapshot.clone());
    if known.as_ref().is_some_and(|it| it.snapshot == snapshot && snapshot.is_some()) {
        return Ok(known);
    }
    let applied = match &snapshot {
        Some(name) => {
            let read = ctx.snapshots.read(&key.0, name, deadline(CHECK_TIME)).await?;
            // It was tidied up just now, so there is a newer one.
            let Some(pages) = read else { return Ok(None) };
            load::rendered(&Snapshot::unpack(&pages)?.manifests)
        }
        None => BTreeSet::new(),
    };
    ctx.holdings.keep_applied(&key, snapshot, applied);
    Ok(ctx.holdings.of(&key))
}

/// Whether an Application has applied an object, as far as is known without asking.
fn has_applied(ctx: &Context, application: &Application, id: &ObjectId) -> bool {
    let key = key_of(application);
    if ctx.slots.holds(&key) {
        return ctx.holdings.of(&key).is_some_and(|it| it.applied.contains(id));
    }
    let listed = application.status.iter().flat_map(|it| &it.resources);
    listed.into_iter().any(|it| {
        (&it.group, &it.kind, &it.namespace, &it.name) == (&id.group, &id.kind, &id.namespace, &id.name)
    })
}

/// What the source of an Application that another replica works on holds here.
pub async fn seen(ctx: &Context, application: &Application) -> Result<Option<Seen>, Error> {
    let holding = ctx.holdings.of(&key_of(application)).unwrap_or_default();
    let candidate = match Box::pin(candidate(ctx, application, &holding)).await {
        // Its source is being fetched, and whoever asks reads the same one: it is told when that is done.
        Err(Error::NotLooked { .. }) => return Ok(None),
        candidate => candidate?,
    };
    Ok(candidate.map(|it| Seen { revision: it.key.1.clone(), rendering: Some(it.digest.clone()) }))
}

/// The Application that marks its objects with this label.
pub fn named(ctx: &Context, label: &str) -> Option<Arc<Application>> {
    ctx.applications.state().into_iter().find(|it| ctx.owner(&key_of(it)).label_value() == label)
}

/// An Application in words, as marks on objects say it.
fn words(application: &Application) -> String {
    format!("Application {}/{}", namespace_of(application), application.name_any())
}

/// Whether an Application stays where it is though its source moves on: it is suspended, or a rollback holds it.
fn is_frozen(application: &Application) -> bool {
    let suspend = application.spec.suspend.as_ref();
    let suspended =
        suspend.is_some_and(|it| it.until.as_ref().is_none_or(|until| Timestamp::now() < until.0));
    suspended || application.status.as_ref().is_some_and(|it| it.hold.is_some())
}

fn repository(ctx: &Context, application: &Application) -> Option<tiphys_source::RemoteKey> {
    match ctx.repositories.lookup(&namespace_of(application), &application.spec.source.repo) {
        Lookup::Found { remote, .. } => Some(ctx.mirrors.key(&remote)),
        Lookup::Unusable(_) => None,
    }
}

/// The objects of what the source of an Application holds now. None: nobody can say.
async fn candidate(
    ctx: &Context,
    application: &Application,
    holding: &Holding,
) -> Result<Option<Arc<Candidate>>, Error> {
    let spec = &application.spec.source;
    let Lookup::Found { remote, .. } = ctx.repositories.lookup(&namespace_of(application), &spec.repo) else {
        return Ok(None);
    };
    let revision = spec.revision.as_deref().map_or_else(RevisionSpec::default, RevisionSpec::parse);
    let Ok(tracked) = ctx.mirrors.track(&remote, &revision) else { return Ok(None) };
    let revision = match tracked.known() {
        Some(Ok(revision)) => revision,
        Some(Err(_)) => return Ok(None),
        None if tracked.status().error.is_some() => return Ok(None),
        None => return Err(Error::NotLooked { application: words(application) }),
    };
    let generation = application.metadata.generation.unwrap_or_default();
    let key = (generation, revision.to_string(), ctx.kinds_version());
    if let Some(known) = holding.candidate.as_ref().filter(|it| it.key == key) {
        return Ok(Some(Arc::clone(known)));
    }
    let source = Source { asked: (spec.repo.clone(), spec.revision.clone()), remote, tracked };
    let rendering =
        match gather::render(ctx, application, &source, &revision, &mut None, &Steps::default()).await {
            Ok(rendering) => rendering,
            Err(failure) if failure.is_transient() => return Err(Error::Render(Box::new(failure))),
            Err(_) => return Ok(None),
        };
    let (manifests, refusals) = desired::place(ctx, application, rendering.manifests.clone()).await?;
    // What it may not have, or cannot apply, it does not want.
    let refused: HashSet<_> = refusals.into_iter().map(|it| it.id).collect();
    let is_refused = refused.iter().any(|it| it.group == "tiphys.dev" && it.kind == "Application");
    let plain = manifests.iter().filter(|it| order::is_plain(it)).map(Manifest::id);
    let candidate = Arc::new(Candidate {
        key,
        digest: rendering.digest.to_string(),
        objects: plain.filter(|id| !is_refused && !refused.contains(id)).collect(),
    });
    ctx.holdings.keep(&key_of(application), &candidate);
    Ok(Some(candidate))
}
