//! After a rollback: proposes to Git what the cluster went back to, where the Repository lets it.
//!
//! That a proposal is due stands in the record of the Sync when that ends, so a crash costs nothing, and the same proposal
//! pushed again is the same commit. It is made beside everything else: nothing waits for it, and nothing fails by it. What
//! is cut short because another replica takes over is done there again from the record.

use std::sync::Arc;
use std::time::Duration;

use tiphys_api::{
    Application, ProposalPhase, ProposalStatus, ProposalsSpec, RepositorySpec, SyncSpec, SyncStatus,
};
use tiphys_engine::snapshot::Snapshot;
use tiphys_source::{Class, Proposal, Proposed, Remote, Revision, RevisionSpec};
use tokio_util::task::AbortOnDropHandle;

use super::finish::Ending;
use super::report::{MAX_MESSAGE, shorten};
use super::state::State;
use super::{CHECK_TIME, deadline, key_of, name_of, namespace_of};
use crate::context::Context;
use crate::repositories::{Lookup, RepositoryKey, remote_of};
use crate::sync_index::SyncRecord;

/// Times between two tries, while the server cannot be reached.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(4),
    Duration::from_secs(16),
    Duration::from_secs(64),
    Duration::from_secs(256),
];

/// The Repository of an Application, if it lets rollbacks be proposed.
struct Allowed {
    key: RepositoryKey,
    spec: RepositorySpec,
    proposals: ProposalsSpec,
    remote: Arc<Remote>,
}

/// Why there is no proposal.
struct Problem {
    message: String,
    transient: bool,
}

impl Problem {
    fn lasting(message: impl Into<String>) -> Self {
        Self { message: message.into(), transient: false }
    }
}

impl From<tiphys_source::Error> for Problem {
    fn from(error: tiphys_source::Error) -> Self {
        Self { transient: error.class() == Class::Transient, message: crate::error::chain(&error) }
    }
}

impl From<tiphys_engine::Error> for Problem {
    fn from(error: tiphys_engine::Error) -> Self {
        Self { transient: error.class().is_transient(), message: crate::error::chain(&error) }
    }
}

/// What the record of a Sync that ends has to say about a proposal. None: there is none to make.
pub fn due(
    ctx: &Context,
    application: &Application,
    (name, spec): (&str, &SyncSpec),
    ending: &Ending,
) -> Option<ProposalStatus> {
    // A part of the objects does not go back with whole files.
    let goes_back = spec.rollback_to.is_some() && !spec.dry_run && spec.resources.is_empty();
    if !goes_back || !matches!(ending, Ending::Succeeded) {
        return None;
    }
    let allowed = allowed(ctx, application)?;
    let (namespace, application) = key_of(application);
    let branch = format!("{}rollback/{namespace}/{application}/{name}", allowed.proposals.branch_prefix);
    Some(ProposalStatus { branch: Some(branch), ..ProposalStatus::default() })
}

fn allowed(ctx: &Context, application: &Application) -> Option<Allowed> {
    let found = ctx.repositories.lookup(&namespace_of(application), &application.spec.source.repo);
    let Lookup::Found { remote, repository: Some(key) } = found else {
        return None;
    };
    let spec = ctx.repositories.get(&key)?.spec;
    let proposals = spec.proposals.clone()?;
    Some(Allowed { key, spec, proposals, remote })
}

/// Goes on with a proposal that is due, one at a time.
pub fn go_on(ctx: &Arc<Context>, application: &Arc<Application>, state: &mut State) {
    if application.metadata.deletion_timestamp.is_some()
        || state.proposing.as_ref().is_some_and(|it| !it.is_finished())
    {
        return;
    }
    let syncs = ctx.syncs.of(&key_of(application));
    let due = syncs.into_iter().find(|it| it.proposes);
    let propose = |record| tokio::spawn(propose(Arc::clone(ctx), Arc::clone(application), record));
    state.proposing = due.map(|record| AbortOnDropHandle::new(propose(record)));
}

/// Makes a proposal, and notes what became of it.
async fn propose(ctx: Arc<Context>, application: Arc<Application>, record: SyncRecord) {
    let (namespace, name) = (namespace_of(&application), &record.name);
    let status = match ctx.records.read_sync_status(&namespace, name).await {
        Ok(status) => status,
        Err(error) => return tracing::warn!(%error, sync = name, "a proposal has to wait"),
    };
    let Some(before) = status.proposal.clone().filter(|it| it.phase == ProposalPhase::Pending) else {
        return;
    };
    let after = settle(&ctx, &application, &record, &status, before).await;
    let message = after.message.clone().unwrap_or_default();
    let failed = after.phase == ProposalPhase::Failed;
    let status = SyncStatus { proposal: Some(after), ..status };
    match ctx.records.sync_status(&namespace, name, &status).await {
        Ok(sync) => ctx.syncs.observe_written(&sync),
        // The Sync was deleted: there is no record any more.
        Err(kube::Error::Api(status)) if status.is_not_found() => {}
        Err(error) => {
            return tracing::warn!(%error, sync = name, "what became of a proposal could not be written");
        }
    }
    let note = format!("{name}: {message}");
    tracing::info!(application = %name_of(&application), %namespace, sync = name, message, "a rollback was proposed, or not");
    if failed {
        ctx.events.warn(&application, "ProposalFailed", "Propose", &note).await;
    } else {
        ctx.events.note(&application, "RollbackProposed", "Propose", &note).await;
    }
    // Another one may be due.
    ctx.enqueue(&key_of(&application));
}

/// Tries until it is clear what becomes of the proposal.
async fn settle(
    ctx: &Context,
    application: &Application,
    record: &SyncRecord,
    status: &SyncStatus,
    before: ProposalStatus,
) -> ProposalStatus {
    let branch = before.branch.clone().unwrap_or_default();
    let mut pauses = PAUSES.into_iter();
    loop {
        let tried = attempt(ctx, application, record, status, &branch).await;
        let (phase, commit, message) = match tried {
            Ok(Proposed::Pushed { commit }) => {
                let message = format!(
                    "merge the branch {branch} (commit {commit}), and Git says what is live: {}",
                    status.revision.clone().unwrap_or_default()
                );
                (ProposalPhase::Pushed, Some(commit.to_string()), message)
            }
            Ok(Proposed::Unneeded { at }) => (
                ProposalPhase::Unneeded,
                None,
                format!("{at} has the files as they were, so nothing was pushed"),
            ),
            Err(problem) => {
                if problem.transient
                    && let Some(pause) = pauses.next()
                {
                    tokio::time::sleep(pause).await;
                    continue;
                }
                (ProposalPhase::Failed, None, format!("nothing was proposed: {}", problem.message))
            }
        };
        let message = Some(shorten(&message, MAX_MESSAGE));
        return ProposalStatus { phase, commit, message, ..before };
    }
}

async fn attempt(
    ctx: &Context,
    application: &Application,
    record: &SyncRecord,
    status: &SyncStatus,
    branch: &str,
) -> Result<Proposed, Problem> {
    let Some(allowed) = allowed(ctx, application) else {
        return Err(Problem::lasting(
            "the Repository does not let it any more; set spec.proposals there and roll back again",
        ));
    };
    let revision = status.revision.as_deref().and_then(|it| it.parse::<Revision>().ok());
    let Some(revision) = revision else {
        return Err(Problem::lasting("the Sync that was gone back to names no commit"));
    };
    let remote = writing(ctx, &allowed).await?;
    let wanted = application.spec.source.revision.as_deref();
    let tracked =
        ctx.mirrors.track(&remote, &wanted.map_or_else(RevisionSpec::default, RevisionSpec::parse))?;
    let paths = paths(ctx, application, status).await?;
    let proposal = Proposal {
        to: revision.commit(),
        message: message(application, record, status, &paths),
        paths,
        branch: branch.to_owned(),
        date: status.finished_at.as_ref().map_or(0, |it| it.0.as_second()),
    };
    Ok(tracked.propose(proposal).await?)
}

/// How the repository is written to.
async fn writing(ctx: &Context, allowed: &Allowed) -> Result<Arc<Remote>, Problem> {
    let Some(secret) = &allowed.proposals.secret_ref else {
        return Ok(Arc::clone(&allowed.remote));
    };
    let spec = RepositorySpec { secret_ref: Some(secret.clone()), ..allowed.spec.clone() };
    let remote = remote_of(&ctx.client, &allowed.key.0, &spec).await;
    remote.map_err(|problem| Problem::lasting(format!("spec.proposals of the Repository: {problem}")))
}

/// What is taken back: what the Application names, and what else its chart read.
async fn paths(
    ctx: &Context,
    application: &Application,
    status: &SyncStatus,
) -> Result<Vec<String>, Problem> {
    let mut paths = vec![application.spec.source.path.trim_matches('/').to_owned()];
    if let Some(name) = &status.snapshot
        && let Some(pages) =
            ctx.snapshots.read(&namespace_of(application), name, deadline(CHECK_TIME)).await?
    {
        paths.extend(Snapshot::unpack(&pages)?.files);
    }
    Ok(paths)
}

/// The message of the commit. The uid of the Sync makes sure that nobody else's commit has the same one.
fn message(application: &Application, record: &SyncRecord, status: &SyncStatus, paths: &[String]) -> String {
    let (namespace, name) = key_of(application);
    let revision = status.revision.clone().unwrap_or_default();
    let line = |text: &str| text.split(|it: char| it.is_control()).collect::<Vec<_>>().join(" ");
    let paths: Vec<_> = paths.iter().map(|it| if it.is_empty() { "everything" } else { it }).collect();
    format!(
        "Roll back {namespace}/{name}\n\n\
         Tiphys took the cluster back to what {earlier} had applied. This takes the files back, too, so that Git says\n\
         what is live: {paths}\n\n\
         Rolled-back-to: {earlier} ({revision})\nAsked-for-by: {by}\nSync: {namespace}/{sync} ({uid})\n",
        earlier = record.spec.rollback_to.as_deref().unwrap_or_default(),
        paths = line(&paths.join(", ")),
        by = line(status.by.as_deref().unwrap_or_default()),
        sync = record.name,
        uid = record.uid,
    )
}
