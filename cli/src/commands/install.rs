//! `tiphys install`.

use std::time::Duration as StdDuration;

use clap::Args;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::{Scope, oneshot};
use kube::runtime::wait::{await_condition, conditions};
use serde_json::Value;
use tiphys_api::Duration;
use tiphys_manifest::{Manifest, yaml};

use super::Context;
use crate::arguments::{WaitArgument, Waiting};
use crate::cluster::Cluster;
use crate::embedded::{self, Part};
use crate::error::Error;
use crate::exit::Exit;
use crate::failure::{Class, Failure};
use crate::requests::FIELD_MANAGER;
use crate::terminal;

/// What to install, and where.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tiphys install                       # into the cluster of the current context
  tiphys install --print > tiphys.yaml # to keep it in Git, or to change it first
  tiphys install --shards 8            # several replicas share the Applications
  tiphys install --crds-only")]
pub struct InstallArguments {
    /// Print the manifests and touch nothing
    #[arg(long)]
    print: bool,
    /// Only the custom resources
    #[arg(long)]
    crds_only: bool,
    /// Namespace of the controller
    #[arg(long, value_name = "NAMESPACE", default_value = embedded::NAMESPACE)]
    installation: String,
    /// Image of the controller; default: the one of this version
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// Spread Applications among this many slots, 1 to 64, and run one replica for each three of them, two at least;
    /// default: one slot
    #[arg(
        long,
        value_name = "NUMBER",
        conflicts_with = "crds_only",
        value_parser = clap::value_parser!(u16).range(1..=64)
    )]
    shards: Option<u16>,
    #[command(flatten)]
    wait: WaitArgument,
    /// How long to wait until the controller runs
    #[arg(long, default_value = "2m", value_name = "DURATION")]
    timeout: Duration,
}

/// Prints or applies the manifests of an installation.
pub async fn run(context: &Context, arguments: &InstallArguments) -> Result<Exit, Error> {
    let crds = embedded::manifests(Part::Crds)?;
    let controller = controller(arguments)?;
    if arguments.print {
        terminal::data(&text(crds.iter().chain(&controller)))?;
        return Ok(Exit::Done);
    }
    let cluster = context.connect().await?;
    terminal::say(&format!("Installing Tiphys {} into {}", env!("CARGO_PKG_VERSION"), cluster.server));
    for manifest in &crds {
        apply(context, &cluster, manifest).await?;
    }
    let deadline = tokio::time::Instant::now() + arguments.timeout.get();
    for manifest in &crds {
        established(&cluster, manifest.name(), deadline, arguments.timeout).await?;
    }
    for manifest in &controller {
        apply(context, &cluster, manifest).await?;
    }
    if !arguments.crds_only && arguments.wait.waiting() == Waiting::UntilDone {
        available(&cluster, arguments, deadline).await?;
    }
    Ok(Exit::Done)
}

fn controller(arguments: &InstallArguments) -> Result<Vec<Manifest>, Error> {
    if arguments.crds_only {
        return Ok(Vec::new());
    }
    let manifests = embedded::manifests(Part::Controller)?.into_iter();
    manifests
        .map(|manifest| {
            let manifest = embedded::relocate(manifest, &arguments.installation)?;
            let manifest = match &arguments.image {
                Some(image) => embedded::with_image(manifest, image)?,
                None => manifest,
            };
            match arguments.shards {
                Some(shards) => embedded::with_shards(manifest, shards),
                None => Ok(manifest),
            }
        })
        .collect()
}

fn text<'a>(manifests: impl Iterator<Item = &'a Manifest>) -> String {
    let documents: Vec<String> =
        manifests.map(|it| yaml::write(&Value::Object(it.object().clone()))).collect();
    documents.join("---\n")
}

/// Applies one manifest. A kind that the server does not have is an error, except for what only makes life easier.
async fn apply(context: &Context, cluster: &Cluster, manifest: &Manifest) -> Result<(), Error> {
    let id = manifest.id();
    let gvk = manifest.gvk();
    let served = GroupVersionKind::gvk(&gvk.group, &gvk.version, &gvk.kind);
    let (resource, capabilities) = match oneshot::pinned_kind(&cluster.client, &served).await {
        Ok(found) => found,
        Err(error) if is_optional(manifest) && is_not_served(&error) => {
            context.terminal.warn(&format!("{id} is left out: this server has no {}", gvk.kind));
            return Ok(());
        }
        Err(error) => {
            return Err(Error::request(format!("find out how {} is served", gvk.kind), error));
        }
    };
    let api: Api<DynamicObject> = match (capabilities.scope, manifest.namespace()) {
        (Scope::Namespaced, Some(namespace)) => {
            Api::namespaced_with(cluster.client.clone(), namespace, &resource)
        }
        _ => Api::all_with(cluster.client.clone(), &resource),
    };
    let before = version(&api, manifest.name()).await?;
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    let patch = Patch::Apply(manifest.object());
    let applied = api.patch(manifest.name(), &parameters, &patch).await;
    let applied = applied.map_err(|error| Error::request(format!("apply {id}"), error))?;
    let outcome = match before {
        None => "created",
        Some(before) if Some(&before) == applied.metadata.resource_version.as_ref() => "unchanged",
        Some(_) => "changed",
    };
    terminal::data(&format!("{} {outcome}\n", crate::output::documents::name(&applied)))
}

/// Only fills in what a person could have written.
fn is_optional(manifest: &Manifest) -> bool {
    manifest.gvk().kind.starts_with("MutatingAdmissionPolicy")
}

fn is_not_served(error: &kube::Error) -> bool {
    match error {
        kube::Error::Discovery(_) => true,
        kube::Error::Api(status) => status.code == 404,
        _ => false,
    }
}

async fn version(api: &Api<DynamicObject>, name: &str) -> Result<Option<String>, Error> {
    match api.get_metadata(name).await.map_err(Failure::from) {
        Ok(found) => Ok(found.metadata.resource_version),
        Err(failure) if failure.class() == Some(Class::NotFound) => Ok(None),
        Err(failure) => Err(Error::request(format!("read `{name}`"), failure)),
    }
}

async fn established(
    cluster: &Cluster,
    name: &str,
    deadline: tokio::time::Instant,
    timeout: Duration,
) -> Result<(), Error> {
    let api: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    let wait = await_condition(api, name, conditions::is_crd_established());
    match tokio::time::timeout_at(deadline, wait).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(watch_error(name, error)),
        Err(_) => Err(Error::NotInTime {
            what: format!("the custom resource `{name}` is not served after {timeout}"),
            reason: "its condition Established is not True".to_owned(),
            hint: format!("`kubectl describe crd {name}` says why"),
        }),
    }
}

async fn available(
    cluster: &Cluster,
    arguments: &InstallArguments,
    deadline: tokio::time::Instant,
) -> Result<(), Error> {
    let Some(name) = embedded::deployment_name()? else {
        return Ok(());
    };
    terminal::say("Waiting until the controller runs");
    let api: Api<Deployment> = Api::namespaced(cluster.client.clone(), &arguments.installation);
    let is_running = |it: Option<&Deployment>| it.is_some_and(embedded::is_rolled_out);
    let wait = await_condition(api, &name, is_running);
    match tokio::time::timeout_at(deadline.max(soon()), wait).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(watch_error(&name, error)),
        Err(_) => Err(Error::NotInTime {
            what: format!("the controller does not run after {}", arguments.timeout),
            reason: format!("the Deployment `{}/{name}` is not available", arguments.installation),
            hint: format!("`kubectl describe pods -n {}` says why", arguments.installation),
        }),
    }
}

/// Applying may have used up the time; one look is always taken.
fn soon() -> tokio::time::Instant {
    tokio::time::Instant::now() + StdDuration::from_secs(1)
}

fn watch_error(name: &str, error: kube::runtime::wait::Error) -> Error {
    match error {
        kube::runtime::wait::Error::ProbeFailed(error) => {
            Error::Watch { what: format!("`{name}`"), source: error.into() }
        }
    }
}
