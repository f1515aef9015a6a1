//! `tiphys delete`.

use std::pin::pin;

use clap::Args;
use futures::StreamExt as _;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use serde_json::json;
use tiphys_api::{Application, Deletion, READY};

use super::Context;
use crate::arguments::{Asking, WaitArgument, Waiting, YesArgument};
use crate::cluster::Cluster;
use crate::error::Error;
use crate::exit::Exit;
use crate::follow::{Seen, lost, watch};
use crate::output::application::condition;
use crate::output::policy;
use crate::output::style::tame;
use crate::output::words::count;
use crate::requests::FIELD_MANAGER;
use crate::terminal;

/// What to delete, and what becomes of the objects.
#[derive(Args, Debug)]
#[command(after_help = "\
Without --prune or --orphan the Application's own spec.deletion decides; its default is Orphan: the objects stay.")]
pub struct DeleteArguments {
    /// The Applications
    #[arg(value_name = "APPLICATION", required = true)]
    applications: Vec<String>,
    /// Delete the objects that it applied, too, before the Application itself
    #[arg(long, conflicts_with = "orphan")]
    prune: bool,
    /// Leave the objects that it applied as they are
    #[arg(long)]
    orphan: bool,
    #[command(flatten)]
    yes: YesArgument,
    #[command(flatten)]
    wait: WaitArgument,
}

/// Deletes Applications.
pub async fn run(context: &Context, arguments: &DeleteArguments) -> Result<Exit, Error> {
    let cluster = context.connect().await?;
    for name in &arguments.applications {
        let application = cluster.application(name).await?;
        let deletion = match (arguments.prune, arguments.orphan) {
            (true, _) => Deletion::Prune,
            (_, true) => Deletion::Orphan,
            _ => application.spec.deletion,
        };
        if deletion == Deletion::Prune && arguments.yes.asking() == Asking::Ask {
            context.terminal.confirm(&question(name, &application)).await?;
        }
        delete(&cluster, name, &application, deletion).await?;
        if arguments.wait.waiting() == Waiting::UntilDone && wait(&cluster, name).await? == Exit::Interrupted
        {
            return Ok(Exit::Interrupted);
        }
        terminal::data(&format!("application.tiphys.dev/{name} deleted\n"))?;
    }
    Ok(Exit::Done)
}

fn question(name: &str, application: &Application) -> String {
    let place = policy::destination(&application.spec, application.metadata.namespace.as_deref());
    let objects = application.status.as_ref().and_then(|it| it.summary).map(|it| it.objects as usize);
    let objects =
        objects.map_or_else(|| "all its objects".to_owned(), |it| format!("its {}", count(it, "object")));
    format!("Delete Application `{name}` and {objects} in {place}?")
}

async fn delete(
    cluster: &Cluster,
    name: &str,
    application: &Application,
    deletion: Deletion,
) -> Result<(), Error> {
    let api = cluster.applications();
    if application.spec.deletion != deletion {
        let patch = json!({ "spec": { "deletion": deletion } });
        let parameters =
            PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let patched = api.patch(name, &parameters, &Patch::Merge(patch)).await;
        patched.map_err(|error| cluster.about_application(name, "change", error))?;
    }
    // Not another one of the same name that somebody makes at this moment.
    let parameters = DeleteParams::background()
        .preconditions(Preconditions { uid: application.metadata.uid.clone(), resource_version: None });
    let deleted = api.delete(name, &parameters).await;
    deleted.map(|_| ()).map_err(|error| cluster.about_application(name, "delete", error))
}

/// What the controller says about the deletion; what it said before is of no interest any more.
fn deleting(application: &Application) -> Option<String> {
    let ready = condition(application.status.as_ref(), READY)?;
    (ready.reason == "Deleting").then(|| tame(&ready.message).into_owned())
}

/// Waits until the Application is gone, and says what it waits for.
async fn wait(cluster: &Cluster, name: &str) -> Result<Exit, Error> {
    let mut ctrl_c = pin!(tokio::signal::ctrl_c());
    let mut events = watch(cluster.applications(), name);
    let mut said = None;
    loop {
        let seen = tokio::select! {
            Some(seen) = events.next() => seen,
            _ = &mut ctrl_c => {
                terminal::say(&format!("The deletion of `{name}` goes on in the cluster; `tiphys get {name}` shows how far it is."));
                return Ok(Exit::Interrupted);
            }
        };
        match seen {
            Ok(Seen::Gone) => return Ok(Exit::Done),
            Ok(Seen::Now(application)) => {
                let message = deleting(&application);
                if application.metadata.deletion_timestamp.is_some() && message.is_some() && message != said {
                    terminal::say(message.as_deref().unwrap_or_default());
                    said = message;
                }
            }
            Err(error) => terminal::say(&lost(error, &format!("Application `{name}`"))?),
        }
    }
}
