//! Asks the controller what a Sync would do: a Sync with `dryRun`, whose record is not kept.

use kube::ResourceExt as _;
use tiphys_api::{Application, Duration, Phase, Sync, SyncSpec};
use tiphys_engine::plan::Plan;

use crate::cluster::Cluster;
use crate::commands::Context;
use crate::error::{Error, Said};
use crate::follow::{Followed, follow};
use crate::kept;
use crate::live;
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
) -> Result<Plan, Error> {
    let spec = SyncSpec { dry_run: true, ..spec };
    let sync = create_sync(cluster, application, spec).await?;
    let answer = answer(context, cluster, &sync, timeout.unwrap_or(TIMEOUT)).await;
    let deleted = delete_sync(cluster, &sync.name_any()).await;
    let plan = answer?;
    deleted?;
    Ok(plan)
}

async fn answer(context: &Context, cluster: &Cluster, sync: &Sync, timeout: Duration) -> Result<Plan, Error> {
    let application = &sync.spec.application;
    let mut viewer = live::quiet_viewer(context.terminal);
    let followed = follow(cluster, sync, Some(timeout.get()), viewer.as_mut()).await;
    drop(viewer);
    match followed? {
        Followed::Finished(sync) if is_answered(&sync) => kept::plan(cluster, &sync).await,
        Followed::Finished(sync) => Err(unanswered(*sync)),
        Followed::Interrupted => Err(Error::Interrupted),
        Followed::TimedOut(_) => Err(Error::NotInTime {
            what: format!("there is no plan for Application `{application}` after {timeout}"),
            reason: "the controller has not answered".to_owned(),
            hint: "`tiphys check` says whether the controller runs".to_owned(),
        }),
    }
}

/// Even a plan that may not run is an answer.
fn is_answered(sync: &Sync) -> bool {
    let status = sync.status.as_ref();
    status.is_some_and(|it| it.phase == Phase::Succeeded || it.snapshot.is_some())
}

fn unanswered(sync: Sync) -> Error {
    let status = sync.status.unwrap_or_default();
    let message = status.message.unwrap_or_else(|| format!("the dry run ended {}", status.phase.as_str()));
    Error::NoPlan { application: sync.spec.application, source: Said(message) }
}
