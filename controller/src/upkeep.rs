//! What is tidied up now and then, away from any Sync: old records, watches that nobody needs, Repository statuses.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use tiphys_api::Application;
use tiphys_engine::history::{Record, expired};

use crate::application::key_of;
use crate::context::Context;
use crate::repositories::remote_of;
use crate::repository_status;

/// Time between two rounds. A round that finds nothing makes no request.
const PERIOD: Duration = Duration::from_secs(15);
/// The answer to a question (a dry run) that nobody fetched is kept so long.
const ANSWER_LIFE: SignedDuration = SignedDuration::from_mins(10);

/// Tidies up until the task is dropped.
pub async fn run(ctx: Arc<Context>) {
    loop {
        tokio::time::sleep(PERIOD).await;
        let applications = ctx.applications.state();
        let held = applications.iter().filter(|it| ctx.slots.holds(&key_of(it)));
        let mut kinds = BTreeSet::new();
        let mut all_known = true;
        for application in held {
            if let Err(error) = tidy(&ctx, application, &mut kinds, &mut all_known).await {
                tracing::warn!(%error, application = application.metadata.name, "old syncs could not be removed");
            }
        }
        if all_known {
            ctx.cluster.live.retain(&kinds);
        }
        forget_gone(&ctx, &applications);
        renew_credentials(&ctx).await;
        repository_status::report_all(&ctx).await;
    }
}

/// Removes old Syncs of an Application and notes which kinds it needs.
async fn tidy(
    ctx: &Context,
    application: &Application,
    kinds: &mut BTreeSet<tiphys_manifest::GroupVersionKind>,
    all_known: &mut bool,
) -> Result<(), kube::Error> {
    let key = key_of(application);
    let Some(_term) = ctx.slots.enter(&key) else { return Ok(()) };
    let state = ctx.state(&key);
    // One that is being worked on is left for the next round.
    let Ok(state) = state.try_lock() else {
        *all_known = false;
        return Ok(());
    };
    kinds.extend(state.applied.iter().flat_map(|it| it.inventory.kinds()));
    kinds.extend(state.staged.iter().flat_map(|it| it.schedule.hooks()).map(|it| it.gvk.clone()));
    // Most rounds find nothing, and what that takes is all that many idle Applications take.
    if !ctx.syncs.may_expire(&key, application.spec.history.limit) {
        return Ok(());
    }
    let syncs = ctx.syncs.of(&key);
    let in_use = state.applied.iter().map(|it| it.sync.as_str());
    let in_use = in_use.chain(state.status.hold.iter().map(|it| it.rolled_back_to.as_str()));
    let in_use = in_use.chain(
        syncs.iter().filter(|it| !it.phase.is_finished()).filter_map(|it| it.spec.rollback_to.as_deref()),
    );
    let in_use: Vec<_> = in_use.collect();
    let (questions, records): (Vec<_>, Vec<_>) = syncs.iter().partition(|it| it.spec.dry_run);
    let records: Vec<_> =
        records.iter().map(|it| Record { name: &it.name, number: it.number, phase: it.phase }).collect();
    let old = Timestamp::now() - ANSWER_LIFE;
    let questions = questions.iter().filter(|it| it.phase.is_finished() && it.created_at < old);
    let doomed = expired(&records, application.spec.history.limit, &in_use);
    let doomed: Vec<String> =
        doomed.into_iter().chain(questions.map(|it| it.name.as_str())).map(str::to_owned).collect();
    drop(state);
    for name in doomed {
        ctx.records.delete_sync(&key.0, &name).await?;
    }
    Ok(())
}

/// Reads the Secrets of Repositories again that cannot be used or whose server refuses us: somebody may have mended
/// them. Secrets of the others are left alone.
async fn renew_credentials(ctx: &Context) {
    for (key, entry) in ctx.repositories.all() {
        let refused =
            entry.remote.as_ref().ok().and_then(|it| ctx.mirrors.status(ctx.mirrors.key(it))?.error);
        let refused = refused.is_some_and(|it| it.class() == tiphys_source::Class::Forbidden);
        if entry.spec.secret_ref.is_none() || !(entry.remote.is_err() || refused) {
            continue;
        }
        let remote = remote_of(&ctx.client, &key.0, &entry.spec).await;
        if remote != entry.remote {
            ctx.repositories.note_remote(&key, remote);
            ctx.enqueue_namespace(&key.0);
        }
    }
}

/// Forgets Applications that are gone.
fn forget_gone(ctx: &Context, applications: &[Arc<Application>]) {
    let there: BTreeSet<_> = applications.iter().map(|it| key_of(it)).collect();
    let known: Vec<_> = ctx.states.lock().keys().cloned().collect();
    known.iter().filter(|it| !there.contains(*it)).for_each(|it| ctx.forget(it));
}
