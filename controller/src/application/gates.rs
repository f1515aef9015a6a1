//! What keeps the Syncs of an Application back: sync windows, and other Applications that it depends on.
//!
//! Everything is found in memory. An Application that others depend on leaves word of how it stands, and when that is
//! another word than before, those who depend on it are brought into the queue. Of one that another replica works on, its
//! published status, its Syncs and what its source holds here say how it stands; each event of it brings those who depend
//! on it into the queue.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use kube::ResourceExt as _;
use kube::runtime::reflector::ObjectRef;
use serde_json::{Value, json};
use tiphys_api::{Application, ApplicationStatus, Dependency, Phase, Project};
use tiphys_engine::dependencies::{self, Check, Other, Readiness, Seen};
use tiphys_engine::windows::{self, Closed, Window, WindowError, WindowSet};
use tiphys_source::{RemoteKey, RevisionSpec};

use super::decide::{Candidate, Gates};
use super::desired::destination;
use super::state::State;
use super::{Error, Timestamp, key_of, moves, name_of, namespace_of};
use crate::context::Context;
use crate::repositories::Lookup;
use crate::sync_index::{ApplicationKey, SyncRecord};

/// How an Application stands, for those that depend on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// What it reads.
    source: Option<(RemoteKey, RevisionSpec)>,
    /// What that held when it was last looked at.
    seen: Option<Seen>,
    /// Whether a Sync is under way.
    busy: bool,
    /// What people wrote on it, which expressions see.
    marks: [Option<BTreeMap<String, String>>; 2],
    /// Its status.
    status: ApplicationStatus,
}

/// What its spec and its Project say, understood.
pub struct Rules {
    /// Generation of the Application, and version of the Project.
    version: (Option<i64>, Option<String>),
    windows: Result<Vec<WindowSet>, WindowError>,
    ready: Vec<Result<Option<Readiness>, String>>,
}

/// Something that only a change by somebody mends: one word for programs, and a sentence.
pub type Problem = (&'static str, String);

/// What keeps Syncs back now, and what is wrong with what says so.
pub async fn look(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    now: Timestamp,
) -> Result<(Gates, Option<Problem>), Error> {
    let elsewhere = elsewhere(ctx, application, state).await?;
    Ok(judge(ctx, application, state, &elsewhere, now))
}

fn judge(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    elsewhere: &Elsewhere,
    now: Timestamp,
) -> (Gates, Option<Problem>) {
    let project = ctx.project(&application.spec.project);
    let version = (application.metadata.generation, project.as_ref().and_then(|it| it.resource_version()));
    if state.rules.as_ref().is_none_or(|it| it.version != version) {
        state.rules = Some(Rules::new(application, project.as_deref(), version));
    }
    follow(ctx, application, state);
    let Some(rules) = &state.rules else {
        return (Gates::default(), None);
    };
    let (window, broken) = match &rules.windows {
        Ok(sets) => (windows::closed(sets, now), None),
        // What cannot be understood may not be taken for leave.
        Err(error) => {
            let message = error.to_string();
            let closed = Closed { message: message.clone(), until: None, is_later: false, manual: false };
            (Some(closed), Some(("InvalidWindow", message)))
        }
    };
    match depend(ctx, application, (state, elsewhere), rules, project.as_deref()) {
        Ok(dependency) => (Gates { window, dependency }, broken),
        Err(problem) => {
            (Gates { window, dependency: Some(problem.1.clone()) }, Some(broken.unwrap_or(problem)))
        }
    }
}

impl Rules {
    fn new(
        application: &Application,
        project: Option<&Project>,
        version: (Option<i64>, Option<String>),
    ) -> Self {
        let compile = |dependency: &Dependency| {
            let understood = dependency.ready.as_ref().map(|text| Readiness::new(text)).transpose();
            understood.map_err(|problem| {
                format!(
                    "spec.dependsOn: `ready` for Application {} makes no sense: {problem}",
                    dependency.name
                )
            })
        };
        Self {
            version,
            windows: sets(application, project),
            ready: application.spec.depends_on.iter().map(compile).collect(),
        }
    }
}

fn sets(application: &Application, project: Option<&Project>) -> Result<Vec<WindowSet>, WindowError> {
    let (key, destination) = (key_of(application), destination(application));
    let cluster = &application.spec.destination.cluster;
    let fitting = project.into_iter().flat_map(|it| &it.spec.sync_windows);
    let fitting = fitting.filter(|it| windows::applies(it, (&key.0, &key.1), cluster, &destination));
    let set = |owner: String, windows: Result<Vec<_>, _>| Ok(WindowSet { owner, windows: windows? });
    Ok(vec![
        set(
            format!("Project {}", application.spec.project),
            fitting.map(|it| Window::new(&it.window)).collect(),
        )?,
        set("this Application".to_owned(), application.spec.sync.windows.iter().map(Window::new).collect())?,
    ])
}

/// Has this Application told of those that it depends on, and of no others.
fn follow(ctx: &Context, application: &Application, state: &mut State) {
    let wanted: Vec<_> = application.spec.depends_on.iter().map(|it| key(application, it)).collect();
    if state.depends_on == wanted {
        return;
    }
    let own = key_of(application);
    ctx.standings.unfollow(&own, &state.depends_on);
    for other in &wanted {
        if ctx.standings.follow(&own, other) {
            // Nobody has asked it before how it stands.
            ctx.enqueue(other);
        }
    }
    state.depends_on = wanted;
}

fn key(application: &Application, dependency: &Dependency) -> ApplicationKey {
    let namespace = dependency.namespace.clone().unwrap_or_else(|| namespace_of(application));
    (namespace, dependency.name.clone())
}

fn find(ctx: &Context, (namespace, name): &ApplicationKey) -> Option<Arc<Application>> {
    ctx.applications.get(&ObjectRef::new(name).within(namespace))
}

/// What there is to wait for. The error is something to mend.
fn depend(
    ctx: &Context,
    application: &Application,
    known: (&State, &Elsewhere),
    rules: &Rules,
    project: Option<&Project>,
) -> Result<Option<String>, Problem> {
    if application.spec.depends_on.is_empty() {
        return Ok(None);
    }
    let own = key_of(application);
    let home = &ctx.settings.namespace;
    if let Some(path) = dependencies::cycle(&own, |key| edges(ctx, key)) {
        let name = |key: &ApplicationKey| name_for(&own.0, key);
        let path: Vec<_> = path.iter().map(name).collect();
        let message =
            format!("spec.dependsOn goes round in a circle: {}; remove one of them", path.join(" -> "));
        return Err(("CyclicDependency", message));
    }
    let mut wait = None;
    for (dependency, ready) in application.spec.depends_on.iter().zip(&rules.ready) {
        let other = key(application, dependency);
        let name = name_for(&own.0, &other);
        if !dependencies::may_name(&own.0, home, project.map(|it| &it.spec), (&other.0, &other.1)) {
            let message = format!(
                "spec.dependsOn names Application {name} of another namespace: Project {} would have to allow that in \
                 spec.dependencies",
                application.spec.project
            );
            return Err(("ForbiddenDependency", message));
        }
        let ready = ready.as_ref().map_err(|problem| ("InvalidDependency", problem.clone()))?;
        let found = wait_for(ctx, application, known, (&other, &name), ready.as_ref())
            .map_err(|problem| ("InvalidDependency", problem))?;
        wait = wait.or(found);
    }
    Ok(wait)
}

/// What an Application depends on, as far as it may name it.
fn edges(ctx: &Context, key: &ApplicationKey) -> Vec<ApplicationKey> {
    let Some(application) = find(ctx, key) else {
        return Vec::new();
    };
    let project = ctx.project(&application.spec.project);
    let project = project.as_ref().map(|it| &it.spec);
    let others = application.spec.depends_on.iter().map(|it| self::key(&application, it));
    others
        .filter(|it| dependencies::may_name(&key.0, &ctx.settings.namespace, project, (&it.0, &it.1)))
        .collect()
}

/// How an Application is named to somebody in `namespace`.
fn name_for(namespace: &str, (other_namespace, other): &ApplicationKey) -> String {
    if namespace == other_namespace { other.clone() } else { format!("{other_namespace}/{other}") }
}

fn wait_for(
    ctx: &Context,
    application: &Application,
    (state, elsewhere): (&State, &Elsewhere),
    (key, name): (&ApplicationKey, &str),
    readiness: Option<&Readiness>,
) -> Result<Option<String>, String> {
    let Some(object) = find(ctx, key) else {
        return dependencies::wait(name, None, None, None);
    };
    let standing = elsewhere.get(key).cloned().or_else(|| ctx.standings.of(key));
    let nothing = ApplicationStatus::default();
    let other = Other {
        generation: object.metadata.generation,
        deleting: object.metadata.deletion_timestamp.is_some(),
        status: standing.as_ref().map_or(&nothing, |it| &it.status),
        busy: standing.as_ref().is_some_and(|it| it.busy),
        seen: standing.as_ref().and_then(|it| it.seen.as_ref()),
    };
    let reads = source_of(state);
    let same = reads.is_some() && standing.as_ref().is_some_and(|it| it.source == reads);
    let revision = match state.rendered.as_ref().map(|it| &it.candidate) {
        Some(Candidate::Rendered { revision, .. } | Candidate::Broken { revision, .. }) if same => {
            Some(revision.as_str())
        }
        _ => None,
    };
    let check = readiness.map(|readiness| Check {
        readiness,
        own: visible(application, &state.status, true),
        other: visible(&object, other.status, namespace_of(application) == key.0),
    });
    dependencies::wait(name, revision, Some(&other), check.as_ref())
}

/// An Application as expressions see it.
fn visible(application: &Application, status: &ApplicationStatus, with_spec: bool) -> Value {
    let metadata = &application.metadata;
    let mut object = json!({
        "metadata": {
            "name": metadata.name,
            "namespace": metadata.namespace,
            "generation": metadata.generation,
            "labels": metadata.labels,
            "annotations": metadata.annotations,
        },
        "status": status,
    });
    if with_spec {
        object["spec"] = json!(application.spec);
    }
    object
}

fn source_of(state: &State) -> Option<(RemoteKey, RevisionSpec)> {
    state.source.as_ref().map(|it| (it.tracked.key(), it.tracked.spec().clone()))
}

/// How those stand that another replica works on.
type Elsewhere = HashMap<ApplicationKey, Arc<Standing>>;

/// How those that this Application depends on stand, of those that another replica works on.
async fn elsewhere(ctx: &Context, application: &Application, state: &State) -> Result<Elsewhere, Error> {
    let mut standings = HashMap::new();
    for dependency in &application.spec.depends_on {
        let key = key(application, dependency);
        if ctx.slots.holds(&key) {
            continue;
        }
        let Some(other) = find(ctx, &key) else { continue };
        let source = source_named(ctx, &other);
        // What it would apply matters only where both go together.
        let seen = match &source {
            Some(source) if source_of(state).as_ref() == Some(source) => moves::seen(ctx, &other).await?,
            _ => None,
        };
        let status = other.status.clone().unwrap_or_default();
        let busy = ctx.syncs.of(&key).iter().any(|it| !it.spec.dry_run && is_under_way(&other, it));
        let marks = [other.metadata.labels.clone(), other.metadata.annotations.clone()];
        standings.insert(key, Arc::new(Standing { source, seen, busy, marks, status }));
    }
    Ok(standings)
}

/// Whether a Sync of an Application that another replica works on runs, or is about to.
pub fn is_under_way(application: &Application, sync: &SyncRecord) -> bool {
    match sync.phase {
        Phase::Running | Phase::Waiting => true,
        // One that is kept back, as its Application says, is not.
        Phase::Pending => application.status.as_ref().is_none_or(|it| it.waits.is_none()),
        _ => false,
    }
}

/// What an Application names as its source.
fn source_named(ctx: &Context, application: &Application) -> Option<(RemoteKey, RevisionSpec)> {
    let spec = &application.spec.source;
    match ctx.repositories.lookup(&namespace_of(application), &spec.repo) {
        Lookup::Found { remote, .. } => {
            let revision = spec.revision.as_deref().map_or_else(RevisionSpec::default, RevisionSpec::parse);
            Some((ctx.mirrors.key(&remote), revision))
        }
        Lookup::Unusable(_) => None,
    }
}

/// Leaves word of how this Application stands, if anybody depends on it.
pub fn leave_word(ctx: &Context, application: &Application, state: &State, busy: bool) {
    let key = key_of(application);
    if !ctx.standings.is_followed(&key) {
        return;
    }
    let seen = state.rendered.as_ref().and_then(|it| match &it.candidate {
        Candidate::Unknown => None,
        Candidate::Broken { revision, .. } => Some(Seen { revision: revision.clone(), rendering: None }),
        Candidate::Rendered { revision, digest } => {
            Some(Seen { revision: revision.clone(), rendering: Some(digest.clone()) })
        }
    });
    let marks = [application.metadata.labels.clone(), application.metadata.annotations.clone()];
    let standing = Standing { source: source_of(state), seen, busy, marks, status: state.status.clone() };
    let name = name_of(application);
    for dependent in ctx.standings.note(&key, standing) {
        tracing::debug!(application = %name, dependent = %dependent.1, "an application that depends on this one goes on");
        ctx.enqueue(&dependent);
    }
}
