//! Drift: seen without a request, understood with one dry run for each object, remembered, put right by a Sync, and left
//! alone where somebody changes it back each time.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tiphys_api::{
    Application, DriftRecord, Health, ObjectReference, ObjectResult, Outcome, SyncStatus, Trigger,
};
use tiphys_engine::check::{CheckOptions, check};
use tiphys_engine::drift::{Drift as ObjectDrift, Ended, Log, Sighting, sightings};
use tiphys_engine::plan::{Draft, DraftInput, Handover, Plan, Policy, Recreate, Refusal, Selection, Step};
use tiphys_engine::{Class, look};
use tiphys_manifest::{Manifest, ObjectId};

use super::decide::Drift;
use super::gather::ObjectState;
use super::state::{DriftFound, State};
use super::{Error, acting, deadline, key_of, moves};
use crate::context::Context;
use crate::sync_index::SyncRecord;

/// How many changed fields of an object are named.
const MAX_FIELDS: usize = 5;

/// How long asking what a drift means may take.
const CHECK_TIME: Duration = Duration::from_secs(30);

/// How long something is missing before it counts as deleted while its Sync waits: watches tell of what was created a
/// moment later.
const UNSEEN: SignedDuration = SignedDuration::from_secs(2);

/// Time until drift is asked about again when asking was refused.
const AFTER_REFUSAL: SignedDuration = SignedDuration::from_mins(1);

/// Objects at the versions in which they were seen.
type Suspects = Vec<(ObjectId, Option<String>)>;

/// What is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// All objects: what is no suspect is as it should be.
    All,
    /// The suspects: nothing is known of others.
    Suspects,
}

/// Finds out whether objects drifted, and what puts them right.
///
/// The hash of what we own says which objects are worth a dry run; when the dry run says that nothing would change, the
/// new hash is remembered and the matter is settled.
pub async fn look(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    objects: &[ObjectState],
) -> Result<Drift, Error> {
    let suspects = suspects(state, objects);
    look_at(ctx, application, state, objects, (suspects, Extent::All)).await
}

/// [`look`] while a Sync waits for health. What it applies is not drift, but what somebody deletes has to come back, or it
/// is waited for in vain.
pub async fn look_meanwhile(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    objects: &[ObjectState],
) -> Result<Drift, Error> {
    // What later stages will apply is missing as well.
    let is_there = |id: &ObjectId| state.staged.is_none() || applied_by_current(state).any(|it| it == *id);
    let is_gone = |it: &&ObjectState| it.drift == ObjectDrift::Missing && is_there(&it.id);
    let gone: Vec<_> = objects.iter().filter(is_gone).cloned().collect();
    let suspects = suspects(state, &gone);
    let heals = application.spec.sync.self_heal;
    let Some(current) = &mut state.current else { return Ok(Drift::None) };
    if suspects.is_empty() || !heals {
        current.missing_since = None;
        return Ok(Drift::None);
    }
    let since = *current.missing_since.get_or_insert_with(Timestamp::now);
    let counts_at = since.saturating_add(UNSEEN).unwrap_or(Timestamp::MAX);
    if Timestamp::now() < counts_at {
        return Ok(Drift::SlowedUntil(counts_at));
    }
    look_at(ctx, application, state, &gone, (suspects, Extent::Suspects)).await
}

async fn look_at(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    objects: &[ObjectState],
    (suspects, extent): (Suspects, Extent),
) -> Result<Drift, Error> {
    review(ctx, application, state)?;
    state.slowed_until.take_if(|it| *it <= Timestamp::now());
    if suspects.is_empty() {
        state.drift = None;
        Log(&mut state.status.drifts).settle(None, &BTreeSet::new());
        return Ok(none(state));
    }
    // A plan that failed for want of a kind is made again when there are other kinds.
    let kinds = ctx.kinds_version();
    let is_over = |it: &DriftFound| it.again_at.is_some_and(|at| at <= Timestamp::now());
    if state.drift.as_ref().is_none_or(|it| it.seen != suspects || it.kinds != kinds || is_over(it)) {
        let looked_at = looked_at(&suspects, extent);
        state.drift = understand(ctx, application, state, suspects, objects).await?.map(Box::new);
        let open = state.drift.as_ref().map(|it| seen(ctx, it)).unwrap_or_default();
        let open: BTreeSet<_> = open.into_iter().map(|it| it.id).collect();
        Log(&mut state.status.drifts).settle(looked_at.as_ref(), &open);
    }
    Ok(match (&state.drift, state.slowed_until) {
        (None, _) => none(state),
        (Some(found), _) if found.plan.steps.is_empty() => {
            found.again_at.map_or_else(|| none(state), Drift::SlowedUntil)
        }
        (Some(_), Some(until)) => Drift::SlowedUntil(until),
        (Some(_), None) => Drift::Now,
    })
}

/// The objects of which something is known now. None: all.
fn looked_at(suspects: &Suspects, extent: Extent) -> Option<BTreeSet<ObjectId>> {
    match extent {
        Extent::All => None,
        Extent::Suspects => Some(suspects.iter().map(|(id, _)| id.clone()).collect()),
    }
}

/// Nothing is to be corrected now. What is left alone is tried again some time.
fn none(state: &State) -> Drift {
    state.fights.next_end().map_or(Drift::None, Drift::SlowedUntil)
}

fn suspects(state: &State, objects: &[ObjectState]) -> Suspects {
    let drifted = objects.iter().filter(|it| matches!(it.drift, ObjectDrift::Drifted | ObjectDrift::Missing));
    drifted
        .filter(|it| !state.fights.leaves_whole(&it.id))
        .map(|it| (it.id.clone(), it.resource_version.clone()))
        .collect()
}

/// Plans the correction, remembers what was seen, and leaves out what came back too often.
async fn understand(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    suspects: Suspects,
    objects: &[ObjectState],
) -> Result<Option<DriftFound>, Error> {
    let Some(found) = examine(ctx, application, state, suspects).await? else {
        return Ok(None);
    };
    let now = Timestamp::now();
    let seen = seen(ctx, &found);
    let news = Log(&mut state.status.drifts).see(&seen, now);
    let heals = application.spec.sync.self_heal;
    let fights = if heals { state.fights.recognise(&seen, now) } else { Vec::new() };
    if fights.is_empty() {
        // What is corrected is told when it is.
        if !heals && !news.is_empty() {
            let note = format!("{} (not corrected: spec.sync.selfHeal is off)", list(&news));
            ctx.events.warn(application, "Drifted", "Watch", &note).await;
        }
        return Ok(Some(found));
    }
    Log(&mut state.status.drifts).leave_alone(&fights);
    let note = state.fights.text().unwrap_or_default();
    tracing::warn!(%note, "a fight over an object");
    ctx.events.warn(application, "Fight", "SelfHeal", &note).await;
    match self::suspects(state, objects) {
        none if none.is_empty() => Ok(None),
        rest => examine(ctx, application, state, rest).await,
    }
}

/// Ends what is left alone without a reason.
fn review(ctx: &Context, application: &Application, state: &mut State) -> Result<(), Error> {
    let Some(applied) = &state.applied else {
        return Ok(());
    };
    let generation = application.metadata.generation.unwrap_or_default();
    let inputs = format!("{generation} {}", applied.name);
    let manifests = match state.fights.next_end() {
        Some(_) => applied.snapshot()?.manifests,
        None => Vec::new(),
    };
    let look = |id: &ObjectId| {
        let wanted = manifests.iter().find(|it| it.id() == *id)?;
        let live = ctx.cluster.live.get(id).and_then(|it| it.object().ok());
        Some((Value::Object(wanted.object().clone()), live))
    };
    let ended = state.fights.review(&inputs, Timestamp::now(), &look);
    end(state, ended);
    Ok(())
}

/// A Sync that a person asks for, or that has something else to apply, tries everything again.
pub fn ask_anew(state: &mut State, record: &SyncRecord, rendering: &str) {
    let by_person = record.spec.initiated_by.trigger == Trigger::User;
    let is_new = state.status.rendering.as_deref() != Some(rendering);
    if !record.spec.dry_run && (by_person || is_new) {
        let ended = state.fights.forget_all();
        end(state, ended);
    }
}

/// What is no longer left alone is looked at again, and taken back if somebody gave in.
fn end(state: &mut State, ended: Vec<Ended>) {
    let ids: BTreeSet<_> = ended.into_iter().map(|it| it.id).collect();
    if let Some(applied) = &mut state.applied {
        for id in &ids {
            applied.inventory.unsettle(id);
        }
    }
    Log(&mut state.status.drifts).end(&ids);
}

/// Notes that the drift is corrected now.
pub fn note_correction(ctx: &Context, state: &mut State, found: &DriftFound) {
    let seen = seen(ctx, found);
    state.fights.corrected(&seen, Timestamp::now());
}

/// Tells that a Sync brought back what was deleted while it waits.
pub async fn tell_of_restored(ctx: &Context, application: &Application, sync: &str, found: &DriftFound) {
    let note = format!("{sync}, which waits until it is healthy, brought back {}", list(&seen(ctx, found)));
    ctx.events.note(application, "DriftCorrected", "Sync", &note).await;
}

/// What a correction has applied and somebody has deleted since. There is nothing to wait for then: it is drift again.
pub fn undone<'a>(state: &State, trigger: Trigger, objects: &'a [ObjectState]) -> Option<&'a ObjectId> {
    if trigger != Trigger::SelfHeal {
        return None;
    }
    let applied: BTreeSet<_> = applied_by_current(state).collect();
    objects.iter().find(|it| it.health == Health::Missing && applied.contains(&it.id)).map(|it| &it.id)
}

/// What the current Sync has applied so far.
fn applied_by_current(state: &State) -> impl Iterator<Item = ObjectId> {
    let status = state.current.as_ref().and_then(|it| it.sync.status.as_ref());
    let results = status.into_iter().flat_map(|it| &it.objects);
    results.filter(|it| it.outcome == Outcome::Applied && it.hook.is_none()).map(object_of)
}

/// Notes which drift a Sync has corrected.
pub fn note_corrected(state: &mut State, status: &SyncStatus, sync: &str) {
    let applied = status.objects.iter().filter(|it| it.outcome == Outcome::Applied && it.hook.is_none());
    Log(&mut state.status.drifts).correct(&applied.map(object_of).collect(), sync);
}

fn object_of(result: &ObjectResult) -> ObjectId {
    ObjectId {
        group: result.group.clone(),
        kind: result.kind.clone(),
        namespace: result.namespace.clone(),
        name: result.name.clone(),
    }
}

/// What a Sync corrected, for people.
pub fn corrected_text(state: &State, status: &SyncStatus, sync: &str) -> String {
    let of_sync = state.status.drifts.iter().filter(|it| it.sync.as_deref() == Some(sync));
    let known: Vec<_> = of_sync.map(record_text).collect();
    if known.is_empty() {
        let objects: Vec<_> = status.objects.iter().map(|it| format!("{} {}", it.kind, it.name)).collect();
        return objects.join(", ");
    }
    known.join("; ")
}

fn record_text(record: &DriftRecord) -> String {
    let DriftRecord { kind, name, by, .. } = record;
    if record.fields.is_empty() {
        return format!("{kind} {name} (deleted by {by})");
    }
    let more = match record.more_fields {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{kind} {name} ({}{more} changed by {by})", record.fields.join(", "))
}

/// Which fields of an object changed, and who changed them, for people.
pub fn fields(ctx: &Context, draft: &Draft, step: &Step) -> String {
    let seen = sightings_of(ctx, draft, step);
    if seen.is_empty() {
        return step.diff.summary(MAX_FIELDS);
    }
    seen.iter().map(text).collect::<Vec<_>>().join("; ")
}

fn text(sighting: &Sighting) -> String {
    format!("{} changed by {}", sighting.fields_text(MAX_FIELDS), sighting.by)
}

fn list(sightings: &[Sighting]) -> String {
    sightings.iter().map(|it| format!("{}: {}", it.id, text(it))).collect::<Vec<_>>().join("; ")
}

fn seen(ctx: &Context, found: &DriftFound) -> Vec<Sighting> {
    found.plan.steps.iter().flat_map(|step| sightings_of(ctx, &found.draft, step)).collect()
}

fn sightings_of(ctx: &Context, draft: &Draft, step: &Step) -> Vec<Sighting> {
    let live = ctx.cluster.live.get(&step.id).and_then(|it| it.object().ok());
    let wanted = step.manifest.and_then(|it| draft.manifests().get(it));
    let wanted = wanted.map(|it| Value::Object(it.object().clone()));
    sightings(step, wanted.as_ref(), live.as_ref())
}

/// Plans the correction of `suspects`. None: they are as they should be after all.
async fn examine(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    suspects: Suspects,
) -> Result<Option<DriftFound>, Error> {
    let kinds = ctx.kinds_version();
    let Some(applied) = &state.applied else {
        return Ok(None);
    };
    let manifests = applied.snapshot()?.manifests;
    let references = suspects.iter().map(|(id, _)| reference(id)).collect();
    let is_suspect = |it: &&Manifest| suspects.iter().any(|(id, _)| *id == it.id());
    let suspected: Vec<_> = manifests.iter().filter(is_suspect).cloned().collect();
    let released = moves::released(ctx, application, &suspected).await?;
    let policy = Policy {
        selection: Selection::Only(references),
        recreate: Recreate::Annotated,
        handover: Handover { released, ..Handover::default() },
        left_alone: state.fights.fields(),
        ..Policy::default()
    };
    let owner = ctx.owner(&key_of(application));
    let view = ctx.cluster.view(&manifests);
    let mut draft = Draft::new(DraftInput {
        owner: &owner,
        manifests,
        ensure: Vec::new(),
        ignore: &application.spec.ignore_differences,
        live: &view,
        inventory: &applied.inventory,
        policy,
    });
    let options = CheckOptions {
        concurrency: ctx.settings.apply_concurrency,
        deadline: deadline(CHECK_TIME),
        stand_in: acting::stand_in(ctx, application),
    };
    let plan = match ask(ctx, application, &mut draft, &options).await {
        Ok(plan) => plan,
        Err(error) if error.is_transient() => return Err(error),
        Err(error) => unasked(&suspects, &error),
    };
    if let Some(refusal) = plan.refusals.iter().find(|it| it.class == Class::Transient) {
        return Err(Error::Check { message: refusal.message.clone() });
    }
    settle(state, &plan);
    if plan.steps.is_empty() && plan.refusals.is_empty() {
        return Ok(None);
    }
    let key = key_of(application);
    plan.steps.iter().for_each(|_| ctx.metrics.drifted(&key));
    let again_at =
        plan.steps.is_empty().then(|| Timestamp::now().saturating_add(AFTER_REFUSAL).ok()).flatten();
    Ok(Some(DriftFound { seen: suspects, kinds, again_at, draft, plan }))
}

/// Asks, in the name of whoever the Application works for, what would put things right.
async fn ask(
    ctx: &Context,
    application: &Application,
    draft: &mut Draft,
    options: &CheckOptions,
) -> Result<Plan, Error> {
    let cluster = acting::cluster(ctx, application).await?;
    look::look(&cluster, &ctx.jq, draft, options.deadline).await?;
    Ok(draft.finish(&check(&cluster, draft, options).await))
}

/// What is known of drift that cannot be asked about: that it is there.
fn unasked(suspects: &[(ObjectId, Option<String>)], error: &Error) -> Plan {
    let message = crate::error::chain(error);
    let refusal = |(id, _): &(ObjectId, Option<String>)| Refusal {
        id: id.clone(),
        origin: None,
        class: Class::Forbidden,
        message: message.clone(),
    };
    Plan { refusals: suspects.iter().map(refusal).collect(), ..Plan::default() }
}

/// What the dry run found unchanged is as it should be: its hash is the one to compare with from now on. What is only to be
/// created, and another one has, is not ours any more.
fn settle(state: &mut State, plan: &Plan) {
    let Some(applied) = &mut state.applied else { return };
    for object in &plan.unchanged {
        applied.inventory.settle(&object.id, object.live);
    }
    for id in &plan.gone {
        applied.inventory.forget(id);
    }
}

fn reference(id: &ObjectId) -> ObjectReference {
    ObjectReference {
        group: id.group.clone(),
        kind: id.kind.clone(),
        namespace: id.namespace.clone(),
        name: id.name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn during_a_wait_nothing_is_known_of_what_is_no_suspect() {
        let suspect: ObjectId = "ConfigMap web/a".parse().unwrap();
        let suspects = vec![(suspect.clone(), None)];
        assert_eq!(looked_at(&suspects, Extent::Suspects), Some(BTreeSet::from([suspect])));
        assert_eq!(looked_at(&suspects, Extent::All), None);
    }
}
