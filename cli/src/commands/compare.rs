//! `tiphys diff APPLICATION FROM TO`: what differs between what two Syncs applied, from their snapshots alone.

use tiphys_api::Sync;
use tiphys_engine::snapshot::Snapshot;
use tiphys_engine::snapshot::compare::Comparison;

use super::Context;
use super::history::{find, number_of};
use crate::cluster::Cluster;
use crate::error::Error;
use crate::exit::Exit;
use crate::kept;
use crate::output::plan::{PlanFormat, print_comparison};
use crate::terminal::{self, Terminal};
use crate::time_travel::{Extent, extent, words};

/// Compares two Syncs of an Application.
pub async fn run(
    context: &Context,
    cluster: &Cluster,
    application: &str,
    (from, to): (&str, &str),
    format: PlanFormat,
) -> Result<Exit, Error> {
    let syncs = cluster.syncs_of(application).await?;
    let (from, to) = (applied(application, &syncs, from)?, applied(application, &syncs, to)?);
    for sync in [from, to] {
        warn_of_parts(context.terminal, sync);
    }
    let (before, after) = tokio::try_join!(snapshot(cluster, from), snapshot(cluster, to))?;
    let comparison = Comparison::between(&before, &after);
    terminal::data(&print_comparison(&comparison, format, context.terminal.out)?)?;
    Ok(if comparison.is_empty() { Exit::Done } else { Exit::Differences })
}

/// A snapshot under the number of the Sync that applied it: one that changed nothing names that of another one.
async fn snapshot(cluster: &Cluster, sync: &Sync) -> Result<Snapshot, Error> {
    let snapshot = kept::snapshot(cluster, sync).await?;
    Ok(Snapshot { number: number_of(sync).unwrap_or(snapshot.number), ..snapshot })
}

/// The Sync that is meant, if it has applied something.
pub fn applied<'a>(application: &str, syncs: &'a [Sync], wanted: &str) -> Result<&'a Sync, Error> {
    let sync = find(application, syncs, wanted)?;
    if sync.spec.dry_run {
        return Err(Error::DryRun { application: application.to_owned(), sync: wanted.to_owned() });
    }
    match extent(sync) {
        Extent::Nothing => Err(Error::NoSnapshot {
            application: application.to_owned(),
            number: number_of(sync).unwrap_or_default(),
        }),
        Extent::Whole | Extent::Part => Ok(sync),
    }
}

/// What a Sync set out to apply is more than what it applied, if it did not get to its end.
pub fn warn_of_parts(terminal: Terminal, sync: &Sync) {
    if extent(sync) != Extent::Part {
        return;
    }
    let why = if sync.spec.resources.is_empty() {
        "did not apply all of it"
    } else {
        "was about some objects only"
    };
    terminal.warn(&format!("{} {why}: this is what it set out to apply", words(sync)));
}
