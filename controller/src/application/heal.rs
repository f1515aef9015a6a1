//! Drift: seen without a request, understood with one dry run for each object, put right by a Sync.

use std::time::{Duration, Instant};

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tiphys_api::{Application, FIELD_MANAGER, ObjectReference};
use tiphys_engine::check::{CheckOptions, check};
use tiphys_engine::drift::Drift as ObjectDrift;
use tiphys_engine::fields::changed_since;
use tiphys_engine::plan::{Draft, DraftInput, Handover, Plan, Policy, Recreate, Selection, Step};
use tiphys_engine::{Class, look};
use tiphys_manifest::{Manifest, ObjectId};

use super::decide::Drift;
use super::gather::ObjectState;
use super::state::{DriftFound, State};
use super::{Error, deadline, key_of, moves};
use crate::context::Context;

/// How many changed fields of an object are named.
const MAX_FIELDS: usize = 5;

/// How long asking what a drift means may take.
const CHECK_TIME: Duration = Duration::from_secs(30);

/// Who changed something, when the object does not say.
const NOBODY_KNOWN: &str = "somebody";

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
    let suspects: Vec<_> = objects
        .iter()
        .filter(|it| matches!(it.drift, ObjectDrift::Drifted | ObjectDrift::Missing))
        .map(|it| (it.id.clone(), it.resource_version.clone()))
        .collect();
    // In a fight the object is as it should be for a moment after each correction, and that ends nothing.
    if state.slowed_until.take_if(|it| *it <= Timestamp::now()).is_some() {
        state.fight = None;
    }
    if suspects.is_empty() {
        state.drift = None;
        return Ok(Drift::None);
    }
    // A plan that failed for want of a kind is made again when there are other kinds.
    let kinds = ctx.kinds_version();
    if state.drift.as_ref().is_none_or(|it| it.seen != suspects || it.kinds != kinds) {
        state.drift = examine(ctx, application, state, suspects).await?;
    }
    Ok(match (&state.drift, state.slowed_until) {
        (None, _) => Drift::None,
        (Some(found), _) if found.plan.steps.is_empty() => Drift::None,
        (Some(_), Some(until)) if Timestamp::now() < until => Drift::SlowedUntil(until),
        (Some(_), _) => Drift::Now,
    })
}

/// Notes that the drift is corrected now, and slows down when somebody keeps changing it back.
pub async fn note_correction(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    found: &DriftFound,
) {
    let mut fights = Vec::new();
    for step in &found.plan.steps {
        for (manager, fields) in culprits(ctx, &found.draft, step) {
            if let Some(fight) = state.oscillation.correct(&step.id, &manager, &fields, Instant::now()) {
                fights.push((step.id.clone(), fight));
            }
        }
    }
    let Some((id, fight)) = fights.into_iter().max_by_key(|(_, it)| it.slow_down) else {
        return;
    };
    let pause = SignedDuration::try_from(fight.slow_down).unwrap_or(SignedDuration::MAX);
    state.slowed_until = Some(Timestamp::now().saturating_add(pause).unwrap_or(Timestamp::MAX));
    let note = format!(
        "{} keeps changing {} of {id}: corrected {} times, next after {} s; let one of the two own it \
         (spec.ignoreDifferences)",
        fight.manager,
        fight.fields.join(", "),
        fight.rounds,
        fight.slow_down.as_secs()
    );
    tracing::warn!(%note, "a fight over an object");
    state.fight = Some(note.clone());
    ctx.events.warn(application, "Fight", "SelfHeal", &note).await;
}

/// Which fields of an object changed, and who changed them, for people.
pub fn fields(ctx: &Context, draft: &Draft, step: &Step) -> String {
    let changed = culprits(ctx, draft, step);
    if changed.is_empty() {
        return step.diff.summary(MAX_FIELDS);
    }
    let part =
        |(manager, fields): &(String, Vec<String>)| format!("{} changed by {manager}", fields.join(", "));
    changed.iter().map(part).collect::<Vec<_>>().join("; ")
}

/// Field managers and the fields that they changed. Who deleted an object is not known any more.
fn culprits(ctx: &Context, draft: &Draft, step: &Step) -> Vec<(String, Vec<String>)> {
    let Some(live) = ctx.cluster.live.get(&step.id).and_then(|it| it.object().ok()) else {
        return vec![(NOBODY_KNOWN.to_owned(), vec!["the whole object".to_owned()])];
    };
    let Some(wanted) = step.manifest.and_then(|it| draft.manifests().get(it)) else {
        return Vec::new();
    };
    let wanted = Value::Object(wanted.object().clone());
    let mut culprits: Vec<(String, Vec<String>)> = Vec::new();
    for change in changed_since(&wanted, &live, FIELD_MANAGER).into_iter().take(MAX_FIELDS) {
        let manager = change.manager.map_or_else(|| NOBODY_KNOWN.to_owned(), |it| it.name);
        match culprits.iter_mut().find(|(it, _)| *it == manager) {
            Some((_, fields)) => fields.push(change.path),
            None => culprits.push((manager, vec![change.path])),
        }
    }
    culprits
}

/// Plans the correction of `suspects`. None: they are as they should be after all.
async fn examine(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    suspects: Vec<(ObjectId, Option<String>)>,
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
        stand_in: ctx.settings.namespace.clone(),
    };
    look::look(&ctx.cluster, &mut draft, options.deadline).await?;
    let plan = draft.finish(&check(&ctx.cluster, &draft, &options).await);
    if let Some(refusal) = plan.refusals.iter().find(|it| it.class == Class::Transient) {
        return Err(Error::Check { message: refusal.message.clone() });
    }
    settle(state, &plan);
    if plan.steps.is_empty() && plan.refusals.is_empty() {
        return Ok(None);
    }
    let key = key_of(application);
    plan.steps.iter().for_each(|_| ctx.metrics.drifted(&key));
    Ok(Some(DriftFound { seen: suspects, kinds, draft, plan }))
}

/// What the dry run found unchanged is as it should be: its hash is the one to compare with from now on.
fn settle(state: &mut State, plan: &Plan) {
    let Some(applied) = &mut state.applied else { return };
    for object in &plan.unchanged {
        applied.inventory.settle(&object.id, object.live);
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
