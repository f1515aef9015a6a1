//! In whose name an Application's objects are read and written.
//!
//! With a ServiceAccount, everything that is asked and done for the Application counts as asked and done by that account:
//! dry runs, writes, deletions, what a chart looks up. Two things stay ours: our own records (Syncs, statuses, snapshots,
//! the seed of charts), and the watches that tell that a live object changed. They see only objects that carry our mark,
//! and what they see of these is told as health and as whether a hash differs. What fields hold is told from dry runs, so
//! an account that may not write an object does not learn what is in it.

use tiphys_api::Application;
use tiphys_engine::{Cluster, scope};

use super::{Error, namespace_of};
use crate::context::Context;

/// The name of the ServiceAccount with whose rights an Application works; none: with our own.
pub fn account(ctx: &Context, application: &Application) -> Option<String> {
    let project = ctx.project(&application.spec.project);
    scope::account(&application.spec, project.as_ref().map(|it| &it.spec))
}

/// The destination, as whoever the Application works for sees it.
pub async fn cluster(ctx: &Context, application: &Application) -> Result<Cluster, Error> {
    let Some(name) = account(ctx, application) else {
        return Ok(ctx.cluster.clone());
    };
    let namespace = namespace_of(application);
    match ctx.accounts.find(&namespace, &name).await? {
        Some(account) => Ok(ctx.cluster.acting_as(account)),
        None => Err(Error::NoAccount { namespace, name }),
    }
}

/// A namespace that exists, in which objects of namespaces to come are tried: one in which an account may do something.
pub fn stand_in(ctx: &Context, application: &Application) -> String {
    match account(ctx, application) {
        Some(_) => namespace_of(application),
        None => ctx.settings.namespace.clone(),
    }
}

/// What the rules for an Application are, as a text that is another one when they may have changed.
pub fn rules(ctx: &Context, application: &Application) -> String {
    let version = ctx.project(&application.spec.project).and_then(|it| it.metadata.resource_version.clone());
    let account = account(ctx, application);
    let missing = account.as_ref().is_some_and(|it| ctx.accounts.is_missing(&namespace_of(application), it));
    format!("{version:?} {account:?} {missing}")
}
