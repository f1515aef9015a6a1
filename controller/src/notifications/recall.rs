//! Deliveries that an earlier process left behind: what is said is made again from the Sync, if it is still there.

use std::sync::Arc;

use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt as _};
use tiphys_api::{Sync, Transition};
use tiphys_notify::{Facts, Message};

use super::delivery::Attempt;
use super::mailbox::{Mailbox, Told};
use crate::context::Context;
use crate::records::in_time;

/// What is said in a delivery of which only the transition is known.
pub async fn recall(
    ctx: &Context,
    mailbox: &Mailbox,
    transition: &Transition,
) -> Result<Arc<Message>, Attempt> {
    let gone = || Attempt::Never(format!("{} is gone, of which it was to tell", transition.sync));
    let (namespace, name) = transition.application.split_once('/').ok_or_else(gone)?;
    let application = ctx.applications.get(&ObjectRef::new(name).within(namespace)).ok_or_else(gone)?;
    let syncs: Api<Sync> = Api::namespaced(ctx.client.clone(), namespace);
    let sync = match in_time(syncs.get_opt(&transition.sync)).await {
        Ok(sync) => sync.filter(|it| it.uid().as_ref() == Some(&transition.uid)).ok_or_else(gone)?,
        Err(error) => return Err(Attempt::Again(format!("its Sync cannot be read: {error}"), None)),
    };
    let facts = Facts::new(&application, &sync, transition.phase).map_err(|_| gone())?;
    let repository = ctx.address_of(namespace, &application.spec.source.repo);
    let told = Told { application: &application, sync: &sync, facts: &facts, repository: &repository };
    mailbox.remake(&told, transition).map_err(Attempt::Never)
}
