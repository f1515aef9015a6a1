//! The end of an Application: its objects are let go, or deleted first.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use serde_json::json;
use tiphys_api::{
    APPLICATION_LABEL, Application, ApplicationStatus, CONFIRM_ANNOTATION, Deletion, DeletionStatus,
    DeletionStep, FINALIZER, HookPhase, OWNER_ANNOTATION,
};
use tiphys_engine::apply::{ApplyOptions, Deletions, apply};
use tiphys_engine::check::{CheckOptions, check};
use tiphys_engine::delete::{DeletionWishes, delete_all};
use tiphys_engine::discovery::Lookup;
use tiphys_engine::hooks::{self, Run};
use tiphys_engine::order::{self, Awaited, Occasion, Schedule};
use tiphys_engine::plan::{Draft, DraftInput, Policy, Removing, Wish, wish};
use tiphys_engine::scope;
use tiphys_engine::{Class, Cluster, Inventory, LiveObject, tracking};
use tiphys_manifest::{GroupVersionKind, Manifest, ObjectId};

use super::decide::Verdict;
use super::state::State;
use super::verdict::judge;
use super::{Error, acting, deadline, desired, key_of, moves, namespace_of, seed, stages};
use crate::context::Context;

/// How long one attempt to delete everything may take; another follows.
const ATTEMPT: Duration = Duration::from_secs(30);

/// How an attempt ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Gone {
    /// The Application may go.
    Yes,
    /// Something is in the way; a sentence says what.
    NotYet(String),
}

/// Does what `spec.deletion` asks for and lets the Application go.
pub async fn delete(ctx: &Context, application: &Application, state: &mut State) -> Result<Gone, Error> {
    let finalizers = application.metadata.finalizers.as_deref().unwrap_or_default();
    if !finalizers.iter().any(|it| it == FINALIZER) {
        return Ok(Gone::Yes);
    }
    let gone = match application.spec.deletion {
        Deletion::Prune => prune(ctx, application, state).await?,
        Deletion::Orphan => orphan(ctx, application, state).await?,
    };
    if gone == Gone::Yes {
        if application.spec.deletion == Deletion::Prune {
            seed::delete(ctx, application).await?;
        }
        // Whoever adopts what was let go need not wait until somebody tidies up.
        ctx.claims.lock().release(&ctx.owner(&key_of(application)));
        ctx.records
            .remove_finalizer(application)
            .await
            .map_err(Error::write("release", &super::name_of(application)))?;
    }
    Ok(gone)
}

/// Deletes the objects, between the hooks that the last Sync brought for that.
async fn prune(ctx: &Context, application: &Application, state: &mut State) -> Result<Gone, Error> {
    if let Err(error) = acting::cluster(ctx, application).await {
        return without_account(ctx, application, error).await;
    }
    let Some(hooks) = DeletionHooks::of(ctx, application, state)? else {
        return delete_objects(ctx, application, state).await;
    };
    ctx.cluster.watch(hooks.kinds().iter(), deadline(super::WATCH_TIME)).await?;
    loop {
        let step = state.status.deletion.unwrap_or_default().step;
        let next = match step {
            DeletionStep::PreDelete => {
                (hooks.run(ctx, application, state, HookPhase::PreDelete).await?, DeletionStep::Objects)
            }
            DeletionStep::Objects => {
                (delete_objects(ctx, application, state).await?, DeletionStep::PostDelete)
            }
            DeletionStep::PostDelete => {
                (hooks.run(ctx, application, state, HookPhase::PostDelete).await?, DeletionStep::Hooks)
            }
            DeletionStep::Hooks => return hooks.clean_up(ctx, application).await,
        };
        match next {
            (Gone::Yes, step) => note(ctx, application, state, DeletionStatus { step, stages: 0 }).await?,
            (not_yet @ Gone::NotYet(_), _) => return Ok(not_yet),
        }
    }
}

/// What becomes of objects that are to be deleted with the rights of an account that is gone. When the namespace is being
/// deleted the account went with it and nobody can create it again: then the objects stay, and the Application goes.
async fn without_account(ctx: &Context, application: &Application, error: Error) -> Result<Gone, Error> {
    if !matches!(error, Error::NoAccount { .. }) {
        return Err(error);
    }
    let message = crate::error::chain(&error);
    if !is_terminating(ctx, &namespace_of(application)).await? {
        return Ok(Gone::NotYet(format!("{message}; to let go of the objects set spec.deletion: Orphan")));
    }
    let note = format!("{message}; its namespace is being deleted, so objects of other namespaces stay");
    ctx.events.warn(application, "ObjectsStay", "Delete", &note).await;
    Ok(Gone::Yes)
}

async fn is_terminating(ctx: &Context, namespace: &str) -> Result<bool, Error> {
    let gvk = GroupVersionKind::new("", "v1", "Namespace");
    let Lookup::Served(kind) = ctx.cluster.kinds.resolve(&gvk).await? else {
        return Ok(false);
    };
    let id = ObjectId {
        group: String::new(),
        kind: "Namespace".to_owned(),
        namespace: None,
        name: namespace.to_owned(),
    };
    let live = ctx.cluster.requests.get(&kind, &id, deadline(super::CHECK_TIME)).await?;
    Ok(live.is_none_or(|it| it.pointer("/metadata/deletionTimestamp").is_some()))
}

/// Writes down how far the deletion is, before the next step of it.
async fn note(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    deletion: DeletionStatus,
) -> Result<(), Error> {
    let status = ApplicationStatus { deletion: Some(deletion), ..state.status.clone() };
    let (namespace, name) = key_of(application);
    let written = ctx.records.application_status(&namespace, &name, &status).await;
    written.map_err(Error::write("report", &name))?;
    state.status = status;
    state.published = None;
    Ok(())
}

/// The hooks of the deletion of an Application. Those that have run are deleted at the very end, so that their objects
/// say until then that they have.
struct DeletionHooks {
    manifests: Vec<Manifest>,
    schedule: Schedule,
    run: Run,
}

impl DeletionHooks {
    /// None when the last Sync brought no hooks at all.
    fn of(ctx: &Context, application: &Application, state: &State) -> Result<Option<Self>, Error> {
        let Some(applied) = &state.applied else { return Ok(None) };
        let manifests = applied.snapshot()?.manifests;
        if manifests.iter().all(order::is_plain) {
            return Ok(None);
        }
        let run = Run { occasion: Occasion::Deletion, id: application.uid().unwrap_or_default() };
        let mut manifests = hooks::name_all(manifests, &run.id);
        let owner = ctx.owner(&key_of(application));
        for manifest in &mut manifests {
            tracking::mark(manifest, &owner);
        }
        let schedule = Schedule::new(&manifests, &BTreeSet::new(), Some(Occasion::Deletion));
        Ok(Some(Self { manifests, schedule, run }))
    }

    fn kinds(&self) -> BTreeSet<GroupVersionKind> {
        self.manifests.iter().filter(|it| !order::is_plain(it)).map(|it| it.gvk().clone()).collect()
    }

    /// Runs the hooks of one phase, stage after stage.
    async fn run(
        &self,
        ctx: &Context,
        application: &Application,
        state: &mut State,
        phase: HookPhase,
    ) -> Result<Gone, Error> {
        let stages = self.schedule.stages.iter().enumerate().filter(|(_, stage)| stage.phase == phase);
        for (number, (place, stage)) in stages.enumerate() {
            let mut begun = state.status.deletion.unwrap_or_default();
            let is_new = usize::try_from(begun.stages).is_ok_and(|begun| begun <= number);
            // Somebody who deletes the object of a hook that failed wants to see it run again.
            let is_missing = |it: &Awaited| ctx.cluster.live(&it.id).present().is_none();
            if is_new || stage.awaited.iter().any(is_missing) {
                if let Err(problem) = self.apply(ctx, application, state, place).await? {
                    return Ok(Gone::NotYet(problem));
                }
                begun.stages = u32::try_from(number + 1).unwrap_or(u32::MAX);
                note(ctx, application, state, begun).await?;
            }
            let mark = |phase| self.run.mark(phase);
            let live = |id: &ObjectId| ctx.cluster.live(id);
            let judged = judge(&stage.awaited, &mark, &live, &mut state.degraded_since, Timestamp::now());
            if judged.verdict != Verdict::Healthy {
                let reason = judged.reason.unwrap_or_default();
                return Ok(Gone::NotYet(format!(
                    "{}: {reason}; deleting a hook makes it run again, and spec.deletion: Orphan leaves out all hooks",
                    phase.as_str()
                )));
            }
        }
        Ok(Gone::Yes)
    }

    /// Applies one stage, or says why that is not possible.
    async fn apply(
        &self,
        ctx: &Context,
        application: &Application,
        state: &State,
        stage: usize,
    ) -> Result<Result<(), String>, Error> {
        let owner = ctx.owner(&key_of(application));
        let draft = Draft::new(DraftInput {
            owner: &owner,
            manifests: self.manifests.clone(),
            ensure: Vec::new(),
            ignore: &[],
            live: &ctx.cluster.view(&self.manifests),
            inventory: &state.applied.as_ref().map(|it| it.inventory.clone()).unwrap_or_default(),
            policy: Policy { hooks: Some(self.run.clone()), stage: Some(stage), ..Policy::default() },
        });
        let options = CheckOptions {
            concurrency: ctx.settings.apply_concurrency,
            deadline: deadline(super::CHECK_TIME),
            stand_in: acting::stand_in(ctx, application),
        };
        let cluster = acting::cluster(ctx, application).await?;
        let plan = draft.finish(&check(&cluster, &draft, &options).await);
        let steps = plan.steps.iter().map(|it| it.id.clone());
        if let Some(refusal) = desired::violations(ctx, application, draft.manifests(), steps).first() {
            return Ok(Err(refusal.to_string()));
        }
        if let Some(refusal) = plan.refusals.first() {
            return Ok(Err(refusal.to_string()));
        }
        let options = apply_options(ctx);
        let report =
            apply(&cluster, &plan, draft.manifests(), &Inventory::default(), &options, &|_| {}).await;
        let failure = report.failures().next().map(|it| {
            format!("{} {} cannot be applied: {}", it.kind, it.name, it.message.clone().unwrap_or_default())
        });
        Ok(failure.map_or(Ok(()), Err))
    }

    /// Deletes the objects of all hooks, those of earlier Syncs too.
    async fn clean_up(&self, ctx: &Context, application: &Application) -> Result<Gone, Error> {
        let label = ctx.owner(&key_of(application)).label_value();
        for live in ctx.cluster.live.by_owner(&label) {
            if hooks::mark_of(&live.object()?).is_some() {
                match stages::delete_hook(ctx, application, &live).await {
                    Err(error) if !error.is_transient() => {
                        return Ok(Gone::NotYet(format!(
                            "what the hook {} left cannot be deleted: {}; to let go of it set spec.deletion: Orphan",
                            live.id,
                            crate::error::chain(&error)
                        )));
                    }
                    other => other?,
                }
            }
        }
        Ok(Gone::Yes)
    }
}

fn apply_options(ctx: &Context) -> ApplyOptions {
    ApplyOptions {
        concurrency: ctx.settings.apply_concurrency,
        deadline: deadline(ATTEMPT),
        deletions: Deletions::Complete,
    }
}

async fn delete_objects(ctx: &Context, application: &Application, state: &State) -> Result<Gone, Error> {
    let Some(applied) = &state.applied else {
        return Ok(Gone::Yes);
    };
    let owner = ctx.owner(&key_of(application));
    let ids = applied
        .inventory
        .iter()
        .map(|(id, _)| id.clone())
        .filter(|id| ctx.cluster.live(id).present().is_some());
    let refusals = desired::violations(ctx, application, &[], ids);
    // An Application that may not deploy at all any more can be deleted nevertheless.
    let itself = scope::application_id(&namespace_of(application), &super::name_of(application));
    if let Some(refusal) = refusals.iter().find(|it| it.id != itself) {
        return Ok(Gone::NotYet(format!("{refusal}; to let go of the objects set spec.deletion: Orphan")));
    }
    let cluster = acting::cluster(ctx, application).await?;
    let inventory = &applied.inventory;
    let wishes = DeletionWishes {
        keep: kept_by_manifest(&applied.snapshot()?.manifests),
        wanted: moves::wanted_elsewhere(ctx, application, inventory, |_| true).await?,
        confirmed: application.annotations().get(CONFIRM_ANNOTATION).cloned(),
    };
    let deletion = delete_all(&cluster, &owner, inventory, &wishes, &apply_options(ctx), &|_| {}).await?;
    if let Some((objects, digest)) = &deletion.unconfirmed {
        let first = objects.first().map(ToString::to_string).unwrap_or_default();
        return Ok(Gone::NotYet(format!(
            "nothing was deleted: annotations ask for confirmation before {} objects may be deleted, first {first}; \
             confirm it with the annotation {CONFIRM_ANNOTATION}: {digest}, or let go of all objects with \
             spec.deletion: Orphan",
            objects.len()
        )));
    }
    if deletion.is_complete() {
        // What stays can be adopted by anybody.
        for live in deletion.kept.iter().filter_map(|id| ctx.cluster.live.get(id)) {
            if live.owner_label.as_deref() == Some(owner.label_value().as_str()) {
                unmark(&cluster, &live).await?;
            }
        }
        return Ok(Gone::Yes);
    }
    let count = deletion.remaining.len();
    let first = deletion.remaining.first().map(|(id, why)| format!("{id}: {why}")).unwrap_or_default();
    Ok(Gone::NotYet(format!(
        "{count} objects are still there, first {first}; to let go of them set spec.deletion: Orphan"
    )))
}

/// What the last manifests say about keeping objects, whatever the live ones say.
fn kept_by_manifest(manifests: &[Manifest]) -> BTreeMap<ObjectId, String> {
    let kept = |manifest: &Manifest| {
        let object = serde_json::Value::Object(manifest.object().clone());
        match wish(&object, Removing::WithApplication) {
            Some(Wish::Keep(annotation)) => Some((manifest.id(), annotation)),
            Some(Wish::Confirm(_)) | None => None,
        }
    };
    manifests.iter().filter_map(kept).collect()
}

/// Takes our mark off every object, what hooks left included, so that anybody can adopt it. No hook runs: nothing is
/// deleted. What cannot be reached keeps its mark: nobody waits for
/// that.
async fn orphan(ctx: &Context, application: &Application, state: &State) -> Result<Gone, Error> {
    let Some(applied) = &state.applied else {
        return Ok(Gone::Yes);
    };
    let mut kinds: BTreeSet<_> = applied.inventory.kinds().into_iter().collect();
    kinds.extend(DeletionHooks::of(ctx, application, state)?.iter().flat_map(DeletionHooks::kinds));
    if let Err(error) = ctx.cluster.watch(kinds.iter(), deadline(super::WATCH_TIME)).await {
        tracing::warn!(%error, "objects of a deleted application cannot be seen and keep their mark");
    }
    let cluster = match acting::cluster(ctx, application).await {
        Ok(cluster) => cluster,
        Err(error) if error.is_transient() => return Err(error),
        Err(error) => {
            let note = format!("{}; the objects stay, and keep their marks", crate::error::chain(&error));
            ctx.events.warn(application, "ObjectsKeepMarks", "Delete", &note).await;
            return Ok(Gone::Yes);
        }
    };
    let label = ctx.owner(&key_of(application)).label_value();
    for live in cluster.live.by_owner(&label) {
        if let Err(error) = unmark(&cluster, &live).await {
            if error.class() == Class::Transient {
                return Err(error.into());
            }
            tracing::warn!(error = crate::error::chain(&error), object = %live.id, "an object keeps its mark");
        }
    }
    Ok(Gone::Yes)
}

async fn unmark(cluster: &Cluster, live: &LiveObject) -> Result<(), tiphys_engine::Error> {
    let Lookup::Served(kind) = cluster.kinds.resolve(&live.gvk).await? else {
        return Ok(());
    };
    let pointer = |key: &str| key.replace('~', "~0").replace('/', "~1");
    let object = live.object()?;
    let mut patch = vec![json!({ "op": "test", "path": "/metadata/uid", "value": live.uid })];
    for (field, key) in [("labels", APPLICATION_LABEL), ("annotations", OWNER_ANNOTATION)] {
        if object.pointer(&format!("/metadata/{field}/{}", pointer(key))).is_some() {
            patch.push(json!({ "op": "remove", "path": format!("/metadata/{field}/{}", pointer(key)) }));
        }
    }
    cluster.requests.json_patch(&kind, &live.id, &patch, deadline(ATTEMPT)).await?;
    stages::release_hook(cluster, &kind, live, &object).await
}
