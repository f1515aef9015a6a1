//! What should be live: the manifests that a Sync is about, made ready to be planned.

use std::collections::BTreeSet;

use tiphys_api::{Application, ApplicationSpec, Trigger};
use tiphys_engine::discovery::{Kinds, Lookup, Scope};
use tiphys_engine::plan::Refusal;
use tiphys_engine::snapshot::Snapshot;
use tiphys_engine::{Class, scope};
use tiphys_manifest::{GroupVersionKind, Manifest, ObjectId, Origin, stream};

use super::current::set_status;
use super::report::SourceReport;
use super::run::Stop;
use super::state::State;
use super::{CHECK_TIME, Error, deadline, gather, key_of, namespace_of};
use crate::context::Context;
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
    let revision = revision.map_err(|error| Stop::failed(crate::error::chain(&error)))?;
    set_status(state, |status| status.revision = Some(revision.to_string()));
    let Some(source) = &state.source else {
        return Err(Stop::failed("the source is not known".to_owned()));
    };
    match gather::render(ctx, application, source, &revision).await {
        Ok(rendering) => Ok(Desired {
            manifests: rendering.manifests.clone(),
            revision: revision.to_string(),
            rendering: rendering.digest.to_string(),
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
    Desired { manifests: snapshot.manifests, revision: snapshot.revision, rendering: snapshot.rendering }
}

/// Gives every namespaced object its namespace, and says what cannot be applied at all: kinds that nobody serves,
/// places where this Application may not deploy, objects that come twice.
pub async fn place(
    ctx: &Context,
    application: &Application,
    manifests: Vec<Manifest>,
) -> Result<(Vec<Manifest>, Vec<Refusal>), tiphys_engine::Error> {
    let namespace = destination(application);
    let defined = definitions(&manifests);
    let mut refusals = Vec::new();
    let mut placed = Vec::with_capacity(manifests.len());
    for mut manifest in manifests {
        let kind_scope = match kind_scope(&ctx.cluster.kinds, &defined, manifest.gvk()).await? {
            Ok(scope) => scope,
            Err(message) => {
                refusals.push(refusal(&manifest, Class::Invalid, message));
                placed.push(manifest);
                continue;
            }
        };
        if kind_scope == Scope::Namespaced && manifest.namespace().is_none() {
            manifest.set_namespace(&namespace);
        }
        let manifest = match kind_scope {
            Scope::Cluster if manifest.namespace().is_some() => without_namespace(manifest),
            _ => Ok(manifest),
        };
        match manifest {
            Ok(manifest) => placed.push(manifest),
            Err(refused) => refusals.push(*refused),
        }
    }
    refusals.extend(violations(ctx, application, &namespace, &placed));
    if let Err(error) = stream::reject_duplicates(&placed, &namespace)
        && let Some(first) = placed.first()
    {
        refusals.push(refusal(first, Class::Invalid, error.to_string()));
    }
    Ok((placed, refusals))
}

/// The namespace of objects that name none.
pub fn destination(application: &Application) -> String {
    let namespace = application.spec.destination.namespace.clone();
    namespace.unwrap_or_else(|| namespace_of(application))
}

/// The destination's namespace as an object that only has to exist, when the Application asks for it.
pub fn namespace_to_ensure(spec: &ApplicationSpec, namespace: &str) -> Option<Manifest> {
    let object = serde_json::json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace },
    });
    let origin = Origin { file: "spec.destination.createNamespace".into(), line: 0 };
    spec.destination.create_namespace.then(|| Manifest::from_value(object, origin).ok()).flatten()
}

/// The namespaced kinds and cluster-wide kinds that come with the rendering itself.
fn definitions(manifests: &[Manifest]) -> Vec<(String, String, Scope)> {
    let definition = |manifest: &Manifest| {
        let gvk = manifest.gvk();
        if gvk.group != "apiextensions.k8s.io" || gvk.kind != "CustomResourceDefinition" {
            return None;
        }
        let spec = manifest.object().get("spec")?;
        let text = |pointer: &str| spec.pointer(pointer)?.as_str().map(str::to_owned);
        let scope = match text("/scope")?.as_str() {
            "Cluster" => Scope::Cluster,
            _ => Scope::Namespaced,
        };
        Some((text("/group")?, text("/names/kind")?, scope))
    };
    manifests.iter().filter_map(definition).collect()
}

async fn kind_scope(
    kinds: &Kinds,
    defined: &[(String, String, Scope)],
    gvk: &GroupVersionKind,
) -> Result<Result<Scope, String>, tiphys_engine::Error> {
    let known = |it: &&(String, String, Scope)| it.0 == gvk.group && it.1 == gvk.kind;
    if let Lookup::Served(kind) = kinds.lookup(gvk) {
        return Ok(Ok(kind.scope));
    }
    if let Some((_, _, scope)) = defined.iter().find(known) {
        return Ok(Ok(*scope));
    }
    Ok(match kinds.resolve(gvk).await? {
        Lookup::Served(kind) => Ok(kind.scope),
        Lookup::Unknown => {
            Err(format!("the server behind {} does not answer: try again later", gvk.api_version()))
        }
        Lookup::NotServed => Err(format!(
            "the cluster does not know the kind {} in {}: correct apiVersion and kind, or apply its \
             CustomResourceDefinition first or in the same source",
            gvk.kind,
            gvk.api_version()
        )),
    })
}

fn without_namespace(manifest: Manifest) -> Result<Manifest, Box<Refusal>> {
    // kubectl drops the namespace of a cluster-wide object silently, and so do the charts that rely on it.
    let before = manifest.clone();
    let edited = manifest.edit(|object| {
        if let Some(metadata) = object.get_mut("metadata").and_then(|it| it.as_object_mut()) {
            metadata.remove("namespace");
        }
    });
    edited.map_err(|error| Box::new(refusal(&before, Class::Invalid, error.to_string())))
}

fn violations(
    ctx: &Context,
    application: &Application,
    namespace: &str,
    placed: &[Manifest],
) -> Vec<Refusal> {
    let project = ctx.project(&application.spec.project);
    let objects: Vec<_> = placed.iter().map(Manifest::id).collect();
    let violations = scope::check(&scope::ScopeInput {
        application_namespace: &namespace_of(application),
        installation_namespace: &ctx.settings.namespace,
        project_name: &application.spec.project,
        project: project.as_ref().map(|it| &it.spec),
        source: &ctx.address_of(&namespace_of(application), &application.spec.source.repo),
        cluster: &application.spec.destination.cluster,
        namespace,
        objects: &objects,
    });
    let itself = ObjectId {
        group: "tiphys.dev".to_owned(),
        kind: "Application".to_owned(),
        namespace: Some(namespace_of(application)),
        name: super::name_of(application),
    };
    let refusal = |violation: scope::Violation| {
        let manifest = violation.object().and_then(|id| placed.iter().find(|it| it.id() == *id));
        let id = violation.object().unwrap_or(&itself).clone();
        let origin = manifest.map(|it| it.origin().clone());
        Refusal { id, origin, class: Class::Forbidden, message: violation.to_string() }
    };
    violations.into_iter().map(refusal).collect()
}

fn refusal(manifest: &Manifest, class: Class, message: String) -> Refusal {
    Refusal { id: manifest.id(), origin: Some(manifest.origin().clone()), class, message }
}

/// The kinds of these manifests, each once.
pub fn kinds_of<'a>(manifests: impl IntoIterator<Item = &'a Manifest>) -> BTreeSet<GroupVersionKind> {
    manifests.into_iter().map(|it| it.gvk().clone()).collect()
}
