//! What should be live: the manifests that a Sync is about, made ready to be planned.

use std::collections::BTreeSet;

use tiphys_api::{Application, Trigger};
use tiphys_engine::place::{self, Placed};
use tiphys_engine::plan::Refusal;
use tiphys_engine::scope;
use tiphys_engine::snapshot::Snapshot;
use tiphys_manifest::{GroupVersionKind, Manifest, ObjectId};
use tiphys_tree::{Inputs, TreePath};

use super::current::set_status;
use super::report::SourceReport;
use super::run::Stop;
use super::state::State;
use super::{CHECK_TIME, Error, acting, deadline, gather, key_of, namespace_of, seed};
use crate::context::Context;
use crate::steps::{self, StepKind};
use crate::sync_index::SyncRecord;

/// Manifests with everything that is said about them.
#[derive(Clone, Debug)]
pub struct Desired {
    /// The objects, each with its namespace.
    pub manifests: Vec<Manifest>,
    /// The revision that they come from.
    pub revision: String,
    /// Digest of the rendering.
    pub rendering: String,
    /// What in the files somebody should look at, such as keys that come twice. A snapshot has none.
    pub warnings: Vec<String>,
    /// What was read of the source that does not lie below the path of the Application.
    pub files: Vec<String>,
}

/// What a Sync wants: a snapshot, or a rendering.
pub async fn desire(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    record: &SyncRecord,
) -> Result<Desired, Stop> {
    if let Some(earlier) = &record.spec.rollback_to {
        return desired_of_snapshot(ctx, application, earlier).await;
    }
    if record.spec.initiated_by.trigger == Trigger::SelfHeal {
        let Some(applied) = &state.applied else {
            return Err(Stop::failed("nothing was applied yet that could be healed".to_owned()));
        };
        let snapshot = applied.snapshot()?;
        return Ok(of_snapshot(snapshot));
    }
    let Some(source) = &state.source else {
        let message = match state.rendered.as_ref().map(|it| &it.report) {
            Some(SourceReport::Failed { message, .. }) => message.clone(),
            _ => "the source is not known".to_owned(),
        };
        return Err(Stop::failed(message));
    };
    let steps = state.current.as_ref().map(|it| it.steps.clone()).unwrap_or_default();
    let step = steps::begin(StepKind::Fetch);
    let asked_by_person = record.spec.initiated_by.trigger == Trigger::User;
    let revision = match &record.spec.revision {
        Some(revision) => {
            let spec = tiphys_source::RevisionSpec::parse(revision);
            let tracked = ctx
                .mirrors
                .track(&source.remote, &spec)
                .map_err(|it| Stop::failed(crate::error::chain(&it)))?;
            tracked.resolve().await
        }
        // A person means what the server has now, not what we saw some minutes ago.
        None if asked_by_person => source.tracked.refresh().await,
        None => source.tracked.resolve().await,
    };
    steps.end(step, &ctx.metrics, revision.as_ref().err().map(|it| crate::error::chain(it)));
    let revision = revision.map_err(|error| Stop::failed(crate::error::chain(&error)))?;
    set_status(state, |status| status.revision = Some(revision.to_string()));
    if record.spec.renew_secrets {
        state.seed = Some(seed::renew(ctx, application, &record.uid).await?);
    }
    let Some(source) = &state.source else {
        return Err(Stop::failed("the source is not known".to_owned()));
    };
    match gather::render(ctx, application, source, &revision, &mut state.seed, &steps).await {
        Ok(rendering) => Ok(Desired {
            manifests: rendering.manifests.clone(),
            revision: revision.to_string(),
            rendering: rendering.digest.to_string(),
            warnings: rendering.warnings.clone(),
            files: files_elsewhere(application, &rendering.inputs),
        }),
        Err(failure) if failure.is_transient() => Err(Stop::Again(Error::Render(Box::new(failure)))),
        Err(failure) => Err(Stop::failed(failure.text())),
    }
}

async fn desired_of_snapshot(
    ctx: &Context,
    application: &Application,
    earlier: &str,
) -> Result<Desired, Stop> {
    let syncs = ctx.syncs.of(&key_of(application));
    let Some(record) = syncs.iter().find(|it| it.name == earlier) else {
        return Err(Stop::failed(format!(
            "there is no Sync {earlier} of this Application any more: see `tiphys history` for those that are kept"
        )));
    };
    let Some(name) = &record.snapshot else {
        return Err(Stop::failed(format!(
            "Sync {earlier} applied nothing ({:?}), so there is nothing to go back to: choose one that succeeded",
            record.phase
        )));
    };
    match ctx.snapshots.read(&namespace_of(application), name, deadline(CHECK_TIME)).await? {
        Some(pages) => Ok(of_snapshot(Snapshot::unpack(&pages)?)),
        None => Err(Stop::failed(format!(
            "the snapshot of {earlier} (Secret {name}) is gone: choose another Sync"
        ))),
    }
}

fn of_snapshot(snapshot: Snapshot) -> Desired {
    Desired {
        manifests: snapshot.manifests,
        revision: snapshot.revision,
        rendering: snapshot.rendering,
        warnings: Vec::new(),
        files: snapshot.files,
    }
}

/// Most files of a snapshot that lie elsewhere.
const MAX_FILES: usize = 1_000;

/// What was read that does not lie below the path of the Application, such as shared values and charts.
fn files_elsewhere(application: &Application, inputs: &Inputs) -> Vec<String> {
    let Ok(path) = TreePath::parse(&application.spec.source.path) else { return Vec::new() };
    let elsewhere = inputs.contents().filter(|it| !it.is_root() && !it.starts_with(&path));
    elsewhere.take(MAX_FILES).map(|it| it.as_str().to_owned()).collect()
}

/// Puts the manifests into their places, and says what cannot be applied at all: kinds that nobody serves, objects that
/// come twice, places where this Application may not deploy.
pub async fn place(
    ctx: &Context,
    application: &Application,
    manifests: Vec<Manifest>,
) -> Result<(Vec<Manifest>, Vec<Refusal>), tiphys_engine::Error> {
    let namespace = destination(application);
    let Placed { manifests, mut refusals } = place::place(&ctx.cluster.kinds, manifests, &namespace).await?;
    refusals.extend(violations(ctx, application, &manifests, manifests.iter().map(Manifest::id)));
    Ok((manifests, refusals))
}

/// The namespace of objects that name none.
pub fn destination(application: &Application) -> String {
    let namespace = application.spec.destination.namespace.clone();
    namespace.unwrap_or_else(|| namespace_of(application))
}

/// What the Application may not do to these objects, and may not do at all. Told by the Project as it is now: it may be
/// another one than when a plan was made.
pub fn violations(
    ctx: &Context,
    application: &Application,
    placed: &[Manifest],
    objects: impl Iterator<Item = ObjectId>,
) -> Vec<Refusal> {
    let project = ctx.project(&application.spec.project);
    let objects: Vec<_> = objects.collect();
    let account = acting::account(ctx, application);
    let input = scope::ScopeInput {
        application_namespace: &namespace_of(application),
        installation_namespace: &ctx.settings.namespace,
        project_name: &application.spec.project,
        project: project.as_ref().map(|it| &it.spec),
        source: &ctx.address_of(&namespace_of(application), &application.spec.source.repo),
        cluster: &application.spec.destination.cluster,
        namespace: &destination(application),
        account: account.as_deref(),
        objects: &objects,
    };
    scope::refusals(&input, &super::name_of(application), placed)
}

/// Whether the cluster does not know the kind of one of these manifests.
pub fn has_unknown_kinds(ctx: &Context, manifests: &[Manifest]) -> bool {
    manifests.iter().any(|it| ctx.cluster.kinds.lookup(it.gvk()).served().is_none())
}

/// The kinds of these manifests, each once.
pub fn kinds_of<'a>(manifests: impl IntoIterator<Item = &'a Manifest>) -> BTreeSet<GroupVersionKind> {
    manifests.into_iter().map(|it| it.gvk().clone()).collect()
}
