//! `tiphys diff`.

use std::path::{Path, PathBuf};

use clap::Args;
use kube::ResourceExt as _;
use tiphys_api::{Application, Duration};
use tiphys_engine::plan::Plan;
use tiphys_render::{Options, Release};

use super::Context;
use super::compare;
use super::sync::WhatArguments;
use crate::cluster::Cluster;
use crate::embedded;
use crate::error::Error;
use crate::exit::Exit;
use crate::local::{Place, render};
use crate::output::plan::{PlanFormat, print};
use crate::{capabilities, dry_run, local_plan, terminal};

/// What to compare with what is live.
#[derive(Args, Debug)]
#[command(after_help = "\
Exit codes: 0 no differences, 1 differences, 2 any error.

Without --local the controller makes the plan, with its own credentials and rights.
With --local the directory is rendered here, and the API server is asked with your own rights, whatever
ServiceAccount the Application has. The rules of its Project are checked when you may read that.
With two Syncs, what they applied is compared, from their snapshots alone; you need the right to read Secrets.

Examples:
  tiphys diff web
  tiphys diff web --revision feature-x -o table
  tiphys diff web --local .            # in a working copy, before the commit
  tiphys diff web 12 15                # what changed from Sync 12 to Sync 15")]
pub struct DiffArguments {
    /// The Application
    #[arg(value_name = "APPLICATION")]
    application: String,
    /// Compare what this Sync applied, instead of what is live
    #[arg(value_name = "FROM", requires = "to", conflicts_with_all = ["local", "revision", "resources", "prune", "recreate", "replace"])]
    from: Option<String>,
    /// With what this later one applied
    #[arg(value_name = "TO")]
    to: Option<String>,
    #[command(flatten)]
    what: WhatArguments,
    /// Compare this working copy of the repository instead of what is in Git
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "revision")]
    local: Option<PathBuf>,
    /// Namespace of the controller
    #[arg(long, value_name = "NAMESPACE", default_value = embedded::NAMESPACE)]
    installation: String,
    /// How long the plan may take
    #[arg(long, default_value = "5m", value_name = "DURATION")]
    timeout: Duration,
    /// How to print
    #[arg(
        short,
        long,
        value_enum,
        default_value = "text",
        hide_possible_values = true,
        value_name = "text|table|json|yaml|name"
    )]
    output: PlanFormat,
}

/// Shows what a Sync would change.
pub async fn run(context: &Context, arguments: &DiffArguments) -> Result<Exit, Error> {
    let cluster = context.connect().await?;
    if let (Some(from), Some(to)) = (&arguments.from, &arguments.to) {
        return compare::run(context, &cluster, &arguments.application, (from, to), arguments.output).await;
    }
    let application = cluster.application(&arguments.application).await?;
    let plan = if let Some(directory) = &arguments.local {
        plan_local(context, &cluster, &application, arguments, directory).await?
    } else {
        let spec = arguments.what.spec();
        dry_run::plan(context, &cluster, &application, spec, Some(arguments.timeout)).await?
    };
    terminal::data(&print(&plan, arguments.output, context.terminal.out)?)?;
    reject_refusals(&plan)?;
    Ok(if plan.is_in_sync() { Exit::Done } else { Exit::Differences })
}

/// A plan that cannot run has been printed, but is no success.
pub fn reject_refusals(plan: &Plan) -> Result<(), Error> {
    match plan.refusals.len() {
        0 => Ok(()),
        count => Err(Error::Refusals { count }),
    }
}

async fn plan_local(
    context: &Context,
    cluster: &Cluster,
    application: &Application,
    arguments: &DiffArguments,
    directory: &Path,
) -> Result<Plan, Error> {
    let source = &application.spec.source;
    let place = Place::of_source(directory, source)?;
    let engine = local_plan::connect(cluster).await?;
    let release = release(cluster, application);
    let capabilities = capabilities::of_kinds(&engine.kinds);
    let rendering = render(context.terminal, &place, Options::from(source), release, capabilities).await?;
    let wanted = local_plan::Wanted {
        application,
        manifests: rendering.manifests.clone(),
        spec: &arguments.what.spec(),
        installation: &arguments.installation,
        timeout: arguments.timeout,
    };
    local_plan::plan(cluster, &engine, context.terminal, wanted).await
}

/// The release as the controller calls it.
pub fn release(cluster: &Cluster, application: &Application) -> Release {
    let namespace = application.spec.destination.namespace.clone();
    Release {
        name: application.name_any(),
        namespace: namespace.unwrap_or_else(|| cluster.namespace.clone()),
    }
}
