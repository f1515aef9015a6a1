//! Plans a local rendering with the person's own rights, the way the controller plans one from Git.
//!
//! Nothing is watched, because a person may rarely watch a whole cluster: every object is read by itself.
//! The rules of the Project are checked as far as the person may read it; what counts is the controller's check.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, ResourceExt as _};
use tiphys_api::{Application, Duration, SyncSpec};
use tiphys_engine::check::{CheckOptions, check};
use tiphys_engine::discovery::{Lookup, ServedKind};
use tiphys_engine::hooks::Run;
use tiphys_engine::look::look;
use tiphys_engine::order::Occasion;
use tiphys_engine::place::{namespace_to_ensure, place};
use tiphys_engine::plan::{Draft, DraftInput, Live, Plan, Policy, Prune, Recreate, Replace, Selection};
use tiphys_engine::requests::RequestLimits;
use tiphys_engine::tracking::{InstallationId, Owner};
use tiphys_engine::{Class, Inventory, LiveObject};
use tiphys_jq::Jq;
use tiphys_manifest::{GroupVersionKind, Manifest, ObjectId};
use tokio::time::Instant;

use crate::cluster::Cluster;
use crate::error::Error;
use crate::failure::{Class as FailureClass, Failure};
use crate::kept;
use crate::project_rules;
use crate::terminal::Terminal;

/// Requests under way at once.
const CONCURRENCY: usize = 16;
/// A namespace that every cluster has, in which objects of namespaces to come are tried.
const STAND_IN: &str = "default";

/// What is planned.
pub struct Wanted<'a> {
    /// For which Application.
    pub application: &'a Application,
    /// What it should be.
    pub manifests: Vec<Manifest>,
    /// Which part of it, and how.
    pub spec: &'a SyncSpec,
    /// Namespace of the controller.
    pub installation: &'a str,
    /// How long the plan may take.
    pub timeout: Duration,
}

/// A cluster as the engine sees it.
pub async fn connect(cluster: &Cluster) -> Result<tiphys_engine::Cluster, Error> {
    let connected = tiphys_engine::Cluster::connect(cluster.client.clone(), RequestLimits::default()).await;
    connected.map_err(discovery)
}

fn discovery(source: tiphys_engine::Error) -> Error {
    Error::Discovery { source: Box::new(source) }
}

/// Plans.
pub async fn plan(
    cluster: &Cluster,
    engine: &tiphys_engine::Cluster,
    terminal: Terminal,
    wanted: Wanted<'_>,
) -> Result<Plan, Error> {
    let deadline = Instant::now() + wanted.timeout.get();
    let spec = &wanted.application.spec;
    let namespace = spec.destination.namespace.clone();
    let namespace = namespace.unwrap_or_else(|| cluster.namespace.clone());
    let owner = owner(cluster, &wanted).await?;
    let inventory = inventory(cluster, terminal, wanted.application).await?;
    let mut placed = place(&engine.kinds, wanted.manifests, &namespace).await.map_err(discovery)?;
    let (application, installation) = (wanted.application, wanted.installation);
    placed.refusals.extend(
        project_rules::refusals(cluster, terminal, application, installation, &placed.manifests).await?,
    );
    let ensure: Vec<Manifest> = namespace_to_ensure(spec, &namespace).into_iter().collect();
    let desired = placed.manifests.iter().chain(&ensure).map(|it| (it.id(), it.gvk().clone()));
    let applied = inventory.iter().map(|(id, entry)| {
        (id.clone(), GroupVersionKind::new(id.group.clone(), entry.version.clone(), id.kind.clone()))
    });
    // What is desired says in which version to compare.
    let asked = applied.chain(desired).collect();
    let live = read(engine, asked, deadline).await?;
    let mut draft = Draft::new(DraftInput {
        owner: &owner,
        manifests: placed.manifests,
        ensure,
        ignore: &spec.ignore_differences,
        live: &|id| live.get(id).cloned().unwrap_or(Live::Absent),
        inventory: &inventory,
        policy: policy(wanted.application, wanted.spec),
    });
    let program = std::env::current_exe().map_err(Error::Process)?;
    look(engine, &Jq::new(program), &mut draft, deadline)
        .await
        .map_err(|source| Error::Live { source: Box::new(source) })?;
    let options = CheckOptions { concurrency: CONCURRENCY, deadline, stand_in: STAND_IN.to_owned() };
    let mut plan = draft.finish(&check(engine, &draft, &options).await);
    plan.refusals.extend(placed.refusals);
    Ok(plan)
}

fn policy(application: &Application, spec: &SyncSpec) -> Policy {
    let is_installed = application.status.as_ref().is_some_and(|it| it.revision.is_some());
    let occasion = if is_installed { Occasion::Upgrade } else { Occasion::Install };
    let prunes = spec.prune.unwrap_or(application.spec.sync.prune);
    Policy {
        prune: if prunes { Prune::Enabled } else { Prune::Disabled },
        recreate: if spec.recreate { Recreate::All } else { Recreate::Annotated },
        replace: if spec.replace { Replace::All } else { Replace::Annotated },
        selection: match spec.resources.as_slice() {
            [] => Selection::All,
            some => Selection::Only(some.to_vec()),
        },
        limits: application.spec.sync.guards,
        hooks: spec.resources.is_empty().then(|| Run { occasion, id: "local".to_owned() }),
        ..Policy::default()
    }
}

/// Who marks the objects. The controller says in the status how its installation is known; before it has looked at the
/// Application nothing is marked, and the uid of its namespace is what it usually goes by.
async fn owner(cluster: &Cluster, wanted: &Wanted<'_>) -> Result<Owner, Error> {
    let told = wanted.application.status.as_ref().and_then(|it| it.installation.clone());
    if let Some(installation) = told {
        return Ok(Owner {
            installation: InstallationId(installation),
            namespace: cluster.namespace.clone(),
            name: wanted.application.name_any(),
        });
    }
    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    let namespace = namespaces.get_metadata(wanted.installation).await.map_err(|error| {
        Error::Installation { namespace: wanted.installation.to_owned(), source: error.into() }
    })?;
    Ok(Owner {
        installation: InstallationId(namespace.metadata.uid.unwrap_or_default()),
        namespace: cluster.namespace.clone(),
        name: wanted.application.name_any(),
    })
}

/// What the Application has applied before.
async fn inventory(
    cluster: &Cluster,
    terminal: Terminal,
    application: &Application,
) -> Result<Inventory, Error> {
    let Some(name) = application.status.as_ref().and_then(|it| it.inventory.as_ref()) else {
        return Ok(Inventory::default());
    };
    match cluster.syncs().get(name).await.map_err(Failure::from) {
        Ok(sync) => Ok(kept::snapshot(cluster, &sync).await?.inventory),
        Err(failure) if failure.class() == Some(FailureClass::NotFound) => {
            terminal.warn(&format!(
                "Sync `{name}`, which knows what was applied, is gone: nothing is shown as pruned"
            ));
            Ok(Inventory::default())
        }
        Err(failure) => Err(Error::request(format!("read Sync `{name}`"), failure)),
    }
}

/// What is live, object by object. Those that are not there are left out.
async fn read(
    engine: &tiphys_engine::Cluster,
    asked: BTreeMap<ObjectId, GroupVersionKind>,
    deadline: Instant,
) -> Result<BTreeMap<ObjectId, Live>, Error> {
    let reads = asked.into_iter().map(|(id, gvk)| async move {
        let kind = match engine.kinds.lookup(&gvk) {
            Lookup::NotServed => engine.kinds.any_version(&id.group, &id.kind),
            known => known,
        };
        let live = match kind {
            Lookup::Served(kind) => read_one(engine, &kind, &id, deadline).await?,
            Lookup::NotServed => Live::Absent,
            Lookup::Unknown => Live::Unknown,
        };
        Ok::<_, Error>((id, live))
    });
    futures::stream::iter(reads).buffer_unordered(CONCURRENCY).try_collect().await
}

/// As the controller's cache has it: without objects that carry nobody's mark.
async fn read_one(
    engine: &tiphys_engine::Cluster,
    kind: &ServedKind,
    id: &ObjectId,
    deadline: Instant,
) -> Result<Live, Error> {
    let failed = |source| Error::Live { source: Box::new(source) };
    match engine.requests.get(kind, id, deadline).await {
        Ok(Some(value)) => {
            let live = LiveObject::new(&value).map_err(failed)?;
            Ok(if live.owner_label.is_some() { Live::Present(Arc::new(live)) } else { Live::Absent })
        }
        Ok(None) => Ok(Live::Absent),
        // Whether we may write it is for the dry run to say.
        Err(error) if error.class() == Class::Forbidden => Ok(Live::Unknown),
        Err(error) => Err(failed(error)),
    }
}
