//! Asks the controller what a Sync would do: a Sync with `dryRun`, whose record is not kept.

use kube::ResourceExt as _;
use tiphys_api::{Application, Duration, Phase, Sync, SyncSpec};

use crate::cluster::Cluster;
use crate::commands::Context;
use crate::error::{Error, Said};
use crate::follow::{Followed, follow};
use crate::live;
use crate::output::plan::Planned;
use crate::requests::{create_sync, delete_sync};

/// The longest time that a plan may take unless somebody says otherwise.
const TIMEOUT: Duration = Duration::from_secs(300);

/// The plan of a Sync that is not made. The question leaves nothing behind, however it ends.
pub async fn plan(
    context: &Context,
    cluster: &Cluster,
    application: &Application,
    spec: SyncSpec,
    timeout: Option<Duration>,
) -> Result<Planned, Error> {
    let spec = SyncSpec {
        dry_run: true,
        ..spec
    };
    let sync = create_sync(cluster, application, spec).await?;
    let answer = wait(context, cluster, &sync, timeout.unwrap_or(TIMEOUT)).await;
    let deleted = delete_sync(cluster, &sync.name_any()).await;
    let planned = answer?;
    deleted?;
    Ok(planned)
}

async fn wait(
    context: &Context,
    cluster: &Cluster,
    sync: &Sync,
    timeout: Duration,
) -> Result<Planned, Error> {
    let application = &sync.spec.application;
    let mut viewer = live::quiet_viewer(context.terminal);
    let followed = follow(cluster, sync, Some(timeout.get()), viewer.as_mut()).await;
    drop(viewer);
    match followed? {
        Followed::Finished(sync) => read(*sync),
        Followed::Interrupted => Err(Error::Interrupted),
        Followed::TimedOut(_) => Err(Error::NotInTime {
            what: format!("there is no plan for Application `{application}` after {timeout}"),
            reason: "the controller has not answered".to_owned(),
            hint: "`tiphys check` says whether the controller runs".to_owned(),
        }),
    }
}

fn read(sync: Sync) -> Result<Planned, Error> {
    let status = sync.status.clone().unwrap_or_default();
    if status.phase != Phase::Succeeded && status.snapshot.is_none() {
        let message = status
            .message
            .unwrap_or_else(|| format!("it ended {}", status.phase.as_str()));
        return Err(Error::NoPlan {
            application: sync.spec.application,
            source: Said(message),
        });
    }
    Ok(Planned { sync })
}
