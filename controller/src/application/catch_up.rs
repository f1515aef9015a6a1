//! After a crash: what the record of a Sync says and the status of its Application does not say yet.
//!
//! A Sync that ends is written first, and the Application's status with what follows from it (the hold of a rollback, the
//! next try, the way back) a moment later. A process that dies in between leaves it to the next one, which finds the end
//! in the record.

use tiphys_api::{Application, Phase, READY, Sync, SyncStatus};

use super::current::current;
use super::finish::{Ended, Ending, NOT_GONE, UNDONE, note, rollback_after};
use super::stages::has_written;
use super::state::State;
use super::{Error, key_of, namespace_of};
use crate::context::Context;
use crate::steps::Steps;
use crate::sync_index::SyncRecord;

/// Takes in the Syncs that ended after the status was written.
pub async fn catch_up(ctx: &Context, application: &Application, state: &mut State) -> Result<(), Error> {
    let syncs = ctx.syncs.of(&key_of(application));
    for record in unnoted(&syncs, state) {
        let namespace = namespace_of(application);
        let read = ctx.records.read_sync_status(&namespace, &record.name).await;
        let status = match read {
            Ok(status) => status,
            // It was deleted meanwhile: nobody can say any more what it did.
            Err(kube::Error::Api(status)) if status.is_not_found() => continue,
            Err(error) => return Err(Error::write("read", &record.name)(error)),
        };
        tracing::info!(
            sync = record.name,
            phase = record.phase.as_str(),
            "a sync ended in a process before this one"
        );
        let ending = ending(&status);
        let ended = ended(ctx, record, status);
        // Under which generation it ran is not in its record, but in the status, when that was written after it began.
        // Where nobody knows, to try once more does no harm.
        let shown = state.status.last_sync.as_ref().filter(|it| it.name == record.name);
        let generation = shown.and_then(|it| it.generation);
        note(application, state, (&ended, generation), &ending);
        if !syncs.iter().any(|it| is_newer(it, record)) {
            state.follow_up = rollback_after(application, state, &ended, &ending, ctx);
        }
    }
    Ok(())
}

/// The Syncs that ended and that the status does not know of, in their order. An Application without a status is new: what
/// is there of an older one of its name is not its own.
fn unnoted<'a>(syncs: &'a [SyncRecord], state: &State) -> Vec<&'a SyncRecord> {
    let Some(last) = &state.status.last_sync else { return Vec::new() };
    let known = if last.phase.is_finished() { last.number } else { last.number.saturating_sub(1) };
    let is_new = |it: &&SyncRecord| {
        it.phase.is_finished() && !it.spec.dry_run && it.number.is_some_and(|number| number > known)
    };
    let mut found: Vec<_> = syncs.iter().filter(is_new).collect();
    found.sort_by_key(|it| it.number);
    found
}

/// Whether a Sync has started after another one, or is about to. Creation times are too coarse to tell: whole seconds.
fn is_newer(sync: &SyncRecord, than: &SyncRecord) -> bool {
    let started = sync.number.map_or(!sync.phase.is_finished(), |it| Some(it) > than.number);
    started && !sync.spec.dry_run
}

fn ending(status: &SyncStatus) -> Ending {
    let message = status.message.clone().unwrap_or_default();
    let ready = status.conditions.iter().find(|it| it.type_ == READY);
    match (status.phase, ready.map(|it| it.reason.as_str())) {
        (Phase::Succeeded, _) => Ending::Succeeded,
        (Phase::Superseded, _) => Ending::Superseded { by: message },
        (_, Some(NOT_GONE)) => Ending::LeftOver { message },
        (_, Some(UNDONE)) => Ending::Undone { message },
        _ => Ending::Failed { message, written: status.applied_at.is_some() || has_written(&status.objects) },
    }
}

fn ended(ctx: &Context, record: &SyncRecord, status: SyncStatus) -> Ended {
    let mut sync = Sync::new(&record.name, record.spec.clone());
    sync.status = Some(status.clone());
    Ended { current: current(ctx, sync, status.clone(), Steps::default()), status, spec: record.spec.clone() }
}
