//! Everything that a decision depends on, gathered from memory.

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use tiphys_api::{Application, Health, ResourceStatus, SyncState};
use tiphys_engine::drift::{self, Drift as ObjectDrift};
use tiphys_engine::ignore;
use tiphys_engine::plan::{Live, Reason, Step};
use tiphys_manifest::ObjectId;
use tiphys_render::{Chance, Options, Release, Request};
use tiphys_source::{Class as SourceClass, RemoteKey, Revision, RevisionSpec};
use tiphys_tree::TreePath;

use super::acting;
use super::decide::{Candidate, Verdict};
use super::desired::destination;
use super::lookup::LiveLookup;
use super::report::{MAX_MESSAGE, SourceReport, shorten};
use super::seed::{self, KnownSeed};
use super::state::{RenderKey, Rendered, Source, State};
use super::verdict::graced;
use super::{Error, key_of, name_of, namespace_of};
use crate::context::Context;
use crate::repositories::Lookup;
use crate::steps::{self, StepKind, Steps};

/// One object that should be live, and how it is.
#[derive(Clone, Debug)]
pub struct ObjectState {
    /// Which object.
    pub id: ObjectId,
    /// Whether it is as it was applied.
    pub drift: ObjectDrift,
    /// Its health.
    pub health: Health,
    /// Why its health is what it is.
    pub message: String,
    /// Version of the live object.
    pub resource_version: Option<String>,
}

impl ObjectState {
    /// A Job that did its work and was cleaned up.
    fn done(id: &ObjectId) -> Self {
        Self {
            id: id.clone(),
            drift: ObjectDrift::InSync,
            health: Health::Healthy,
            message: "it is done and was cleaned up (spec.ttlSecondsAfterFinished)".to_owned(),
            resource_version: None,
        }
    }
}

/// How every object of the last rendering is.
pub fn objects(ctx: &Context, application: &Application, state: &State) -> Vec<ObjectState> {
    let owner = ctx.owner(&key_of(application));
    let Some(applied) = &state.applied else {
        return Vec::new();
    };
    let entries = applied.inventory.iter().filter(|(id, _)| applied.rendered.contains(id));
    entries
        .map(|(id, entry)| {
            let live = ctx.cluster.live(id);
            let drift = drift::assess(&owner, entry, &live);
            let (health, message, resource_version) = match &live {
                Live::Present(live) => {
                    (live.health.health, live.health.message.clone(), Some(live.resource_version.clone()))
                }
                Live::Absent if state.done_jobs.contains(id, entry) => {
                    return ObjectState::done(id);
                }
                Live::Absent => (Health::Missing, "it does not exist".to_owned(), None),
                Live::Unknown => {
                    (Health::Unknown, "the server behind its kind does not answer".to_owned(), None)
                }
            };
            ObjectState { id: id.clone(), drift, health, message, resource_version }
        })
        .collect()
}

/// The objects for the status.
pub fn resources(ctx: &Context, objects: &[ObjectState], state: &State) -> Vec<ResourceStatus> {
    objects
        .iter()
        .map(|it| {
            let confirmed = state.drift.as_ref().and_then(|found| {
                // A field that somebody else wrote as we want it is not ours any more, but it is as it should be.
                let differs = |step: &&Step| step.reason != Reason::Ownership;
                if let Some(refusal) = found.plan.refusals.iter().find(|refusal| refusal.id == it.id) {
                    return Some(format!("it changed, and how cannot be seen: {}", refusal.message));
                }
                let step = found.plan.steps.iter().filter(differs).find(|step| step.id == it.id)?;
                Some(super::heal::fields(ctx, &found.draft, step))
            });
            let is_suspect = matches!(it.drift, ObjectDrift::Drifted | ObjectDrift::Missing);
            let drift: Vec<_> =
                confirmed.filter(|_| is_suspect).into_iter().chain(state.fights.text_of(&it.id)).collect();
            let drifted = !drift.is_empty();
            let health =
                (it.health != Health::Healthy).then(|| it.message.clone()).filter(|it| !it.is_empty());
            let message = if drifted { Some(drift.join("; ")) } else { health };
            ResourceStatus {
                group: it.id.group.clone(),
                kind: it.id.kind.clone(),
                namespace: it.id.namespace.clone(),
                name: it.id.name.clone(),
                sync: if drifted { SyncState::OutOfSync } else { SyncState::Synced },
                health: it.health,
                message: message.map(|it| shorten(&it, 512)),
            }
        })
        .collect()
}

/// What the objects of a waiting Sync say together.
pub fn verdict(objects: &[ObjectState], state: &mut State, now: Timestamp) -> Verdict {
    // Nobody waits for an object that somebody keeps deleting.
    let awaited = objects.iter().filter(|it| !state.fights.leaves_whole(&it.id));
    let worst = awaited.map(|it| it.health).max().unwrap_or(Health::Healthy);
    match worst {
        Health::Healthy | Health::Suspended => Verdict::Healthy,
        Health::Degraded => graced(&mut state.degraded_since, now),
        Health::Progressing | Health::Unknown | Health::Missing => {
            state.degraded_since = None;
            Verdict::Progressing(None)
        }
    }
}

/// Looks at the source: what it holds now, rendered. Costs nothing when neither the revision nor the Application nor the
/// cluster's abilities changed.
pub async fn look(ctx: &Context, application: &Application, state: &mut State) -> Result<(), Error> {
    if let Some(message) = wrong_rules(ctx, application, state).await {
        let report = SourceReport::Failed { stalled: true, reason: "InvalidSpec", message };
        set_unknown(state, application, report);
        return Ok(());
    }
    if let Err(problem) = track(ctx, application, state) {
        state.source = None;
        state.rendered = None;
        set_unknown(
            state,
            application,
            SourceReport::Failed { stalled: true, reason: "InvalidSource", message: problem },
        );
        return Ok(());
    }
    let Some(source) = &state.source else {
        return Ok(());
    };
    match source.tracked.known() {
        None => {
            let report = match source.tracked.status().error {
                Some(error) => source_failure(&error),
                None => SourceReport::Pending,
            };
            set_unknown(state, application, report);
        }
        Some(Err(error)) => set_unknown(state, application, source_failure(&error)),
        Some(Ok(revision)) => {
            let key = RenderKey {
                generation: application.metadata.generation.unwrap_or_default(),
                revision: revision.to_string(),
                kinds: ctx.kinds_version(),
                seed: version(state.seed.as_ref()),
                rules: acting::rules(ctx, application),
            };
            if state.rendered.as_ref().is_none_or(|it| it.key != key) {
                let of = source.tracked.key();
                let rendered = render_candidate(ctx, application, state, &revision, key).await?;
                let before = state.rendered.replace(rendered);
                note_cause(ctx, state, of, before, revision.to_string());
            }
        }
    }
    Ok(())
}

/// What is wrong with the jq expressions of the Application. They are compiled once for each generation.
async fn wrong_rules(ctx: &Context, application: &Application, state: &mut State) -> Option<String> {
    let expressions: Vec<_> = ignore::expressions(&application.spec.ignore_differences).cloned().collect();
    if expressions.is_empty() {
        return None;
    }
    let generation = application.metadata.generation.unwrap_or_default();
    if let Some((_, problem)) = state.rules_checked.as_ref().filter(|(it, _)| *it == generation) {
        return problem.clone();
    }
    let problem = match ctx.jq.check(expressions).await {
        Ok(()) => None,
        // Whoever plans is told, and tries again.
        Err(error) if error.is_transient() => return None,
        Err(error) => Some(format!("spec.ignoreDifferences: {error}")),
    };
    state.rules_checked = Some((generation, problem.clone()));
    problem
}

/// Notes what brought a revision that was just rendered. A rendering that changed for another reason than a new
/// revision was brought by nobody.
fn note_cause(
    ctx: &Context,
    state: &mut State,
    source: RemoteKey,
    before: Option<Rendered>,
    revision: String,
) {
    let earlier = state.rendered_revision.replace(revision);
    if earlier.is_some() && earlier != state.rendered_revision {
        state.cause = Some(ctx.cause(source));
        return;
    }
    let same = before.map(|it| it.candidate) == state.rendered.as_ref().map(|it| it.candidate.clone());
    state.cause.take_if(|_| !same);
}

fn version(seed: Option<&KnownSeed>) -> Option<String> {
    seed.map(|it| it.version.clone())
}

/// The rendering of a revision of the Application's source. A chart that draws random values, and whose secret is not
/// known yet, gets it.
pub async fn render(
    ctx: &Context,
    application: &Application,
    source: &Source,
    revision: &Revision,
    seed: &mut Option<KnownSeed>,
    steps: &Steps,
) -> Result<Arc<tiphys_render::Rendering>, RenderFailure> {
    let chance = seed.as_ref().map_or(Chance::Withheld, |it| it.chance.clone());
    match render_with(ctx, application, source, revision, chance, steps).await {
        Err(RenderFailure::Render(tiphys_render::Error::ChanceWithheld { .. })) => {
            let made =
                seed::ensure(ctx, application).await.map_err(|it| RenderFailure::Seed(Box::new(it)))?;
            let chance = made.chance.clone();
            *seed = Some(made);
            render_with(ctx, application, source, revision, chance, steps).await
        }
        rendered => rendered,
    }
}

async fn render_with(
    ctx: &Context,
    application: &Application,
    source: &Source,
    revision: &Revision,
    chance: Chance,
    steps: &Steps,
) -> Result<Arc<tiphys_render::Rendering>, RenderFailure> {
    let step = steps::begin(StepKind::Fetch);
    let tree = source.tracked.tree(revision).await.map_err(RenderFailure::Source);
    steps.end(step, &ctx.metrics, tree.as_ref().err().map(RenderFailure::text));
    let tree = tree?;
    let spec = &application.spec.source;
    let path = TreePath::parse(&spec.path)
        .map_err(|error| RenderFailure::Path(format!("spec.source.path: {error}")))?;
    let capabilities = ctx.cluster.kinds.capabilities();
    let lookup = Arc::new(LiveLookup::new(ctx, application).await);
    let request = Request {
        tree,
        path,
        options: Options::from(spec),
        release: Release { name: name_of(application), namespace: destination(application) },
        capabilities: tiphys_render::Capabilities {
            kube_version: capabilities.kube_version.clone(),
            api_versions: capabilities.api_versions.iter().cloned().collect(),
        },
        chance,
        lookup: Some(Arc::clone(&lookup) as Arc<dyn tiphys_render::Lookup>),
    };
    let step = steps::begin(StepKind::Render);
    let rendered = ctx.renderer.render(request).await.map_err(|error| match lookup.transient() {
        Some(message) => RenderFailure::Lookup(message),
        None => RenderFailure::Render(error),
    });
    steps.end(step, &ctx.metrics, rendered.as_ref().err().map(RenderFailure::text));
    rendered
}

/// Why there is no rendering.
#[derive(Debug, thiserror::Error)]
pub enum RenderFailure {
    /// The files cannot be had.
    #[error(transparent)]
    Source(tiphys_source::Error),
    /// The path of the Application makes no sense.
    #[error("{0}")]
    Path(String),
    /// The files cannot be rendered.
    #[error(transparent)]
    Render(tiphys_render::Error),
    /// The secret from which the chart draws cannot be had.
    #[error(transparent)]
    Seed(Box<Error>),
    /// A live object that a chart looks up cannot be read just now.
    #[error("{0}")]
    Lookup(String),
}

impl RenderFailure {
    /// Whether it may be gone at the next attempt.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Source(error) => error.class() == SourceClass::Transient,
            Self::Path(_) => false,
            Self::Lookup(_) => true,
            Self::Seed(error) => error.is_transient(),
            Self::Render(error) => error.class() == tiphys_render::Class::Transient,
        }
    }

    /// What happened, with everything that caused it.
    pub fn text(&self) -> String {
        crate::error::chain(self)
    }
}

/// Takes an interest in what the Application's source names, or says why that makes no sense.
fn track(ctx: &Context, application: &Application, state: &mut State) -> Result<(), String> {
    let spec = &application.spec.source;
    let asked = (spec.repo.clone(), spec.revision.clone());
    let remote = match ctx.repositories.lookup(&namespace_of(application), &spec.repo) {
        Lookup::Found { remote, .. } => remote,
        Lookup::Unusable(problem) => return Err(problem),
    };
    if state.source.as_ref().is_some_and(|it| it.asked == asked && it.remote == remote) {
        return Ok(());
    }
    let revision = spec.revision.as_deref().map_or_else(RevisionSpec::default, RevisionSpec::parse);
    let tracked = ctx.mirrors.track(&remote, &revision).map_err(|error| error.to_string())?;
    let key = key_of(application);
    let mut readers = ctx.readers.lock();
    for others in readers.values_mut() {
        others.remove(&key);
    }
    readers.entry(tracked.key()).or_default().insert(key);
    drop(readers);
    state.rendered = None;
    state.rendered_revision = None;
    state.source = Some(Source { asked, remote, tracked });
    Ok(())
}

async fn render_candidate(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    revision: &Revision,
    mut key: RenderKey,
) -> Result<Rendered, Error> {
    let Some(source) = &state.source else {
        return Err(Error::NoSource);
    };
    let steps = Steps::default();
    let rendered = render(ctx, application, source, revision, &mut state.seed, &steps).await;
    key.seed = version(state.seed.as_ref());
    ctx.metrics.rendered(ctx.renderer.counters());
    let revision = key.revision.clone();
    match rendered {
        Ok(rendering) => {
            let digest = rendering.digest.to_string();
            let report = SourceReport::Rendered { digest: digest.clone(), held: false };
            Ok(Rendered { key, candidate: Candidate::Rendered { revision, digest }, report, steps })
        }
        Err(failure) if failure.is_transient() => Err(Error::Render(Box::new(failure))),
        Err(failure) => {
            // As it will stand in the record, because that is what tells a known breakage from a new one.
            let message = shorten(&failure.text(), MAX_MESSAGE);
            let report =
                SourceReport::Failed { stalled: true, reason: "RenderFailed", message: message.clone() };
            Ok(Rendered { key, candidate: Candidate::Broken { revision, message }, report, steps })
        }
    }
}

fn set_unknown(state: &mut State, application: &Application, report: SourceReport) {
    let generation = application.metadata.generation.unwrap_or_default();
    // What was seen of the source stays as the candidate of decisions only while it can be seen.
    let key =
        RenderKey { generation, revision: String::new(), kinds: u64::MAX, seed: None, rules: String::new() };
    state.rendered = Some(Rendered { key, candidate: Candidate::Unknown, report, steps: Steps::default() });
}

fn source_failure(error: &tiphys_source::Error) -> SourceReport {
    let (stalled, reason) = match error.class() {
        SourceClass::Transient => (false, "SourceUnreachable"),
        SourceClass::Forbidden => (true, "SourceForbidden"),
        SourceClass::NotFound => (true, "RevisionNotFound"),
        SourceClass::Invalid => (true, "InvalidSource"),
    };
    SourceReport::Failed { stalled, reason, message: crate::error::chain(error) }
}
