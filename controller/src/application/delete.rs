//! The end of an Application: its objects are let go, or deleted first.

use std::time::Duration;

use serde_json::json;
use tiphys_api::{APPLICATION_LABEL, Application, Deletion, FINALIZER, OWNER_ANNOTATION};
use tiphys_engine::apply::{ApplyOptions, Deletions};
use tiphys_engine::delete::delete_all;
use tiphys_engine::discovery::Lookup;
use tiphys_engine::{Class, LiveObject};

use super::state::State;
use super::{Error, deadline, key_of, seed};
use crate::context::Context;

/// How long one attempt to delete everything may take; another follows.
const ATTEMPT: Duration = Duration::from_secs(30);

/// How an attempt ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Gone {
    /// The Application may go.
    Yes,
    /// Something is in the way; a sentence says what.
    NotYet(String),
}

/// Does what `spec.deletion` asks for and lets the Application go.
pub async fn delete(ctx: &Context, application: &Application, state: &mut State) -> Result<Gone, Error> {
    let finalizers = application.metadata.finalizers.as_deref().unwrap_or_default();
    if !finalizers.iter().any(|it| it == FINALIZER) {
        return Ok(Gone::Yes);
    }
    let gone = match application.spec.deletion {
        Deletion::Prune => prune(ctx, application, state).await?,
        Deletion::Orphan => orphan(ctx, application, state).await?,
    };
    if gone == Gone::Yes {
        // Whoever adopts what was let go need not wait until somebody tidies up.
        ctx.claims.lock().release(&ctx.owner(&key_of(application)));
        ctx.records
            .remove_finalizer(application)
            .await
            .map_err(Error::write("release", &super::name_of(application)))?;
    }
    Ok(gone)
}

async fn prune(ctx: &Context, application: &Application, state: &State) -> Result<Gone, Error> {
    let Some(applied) = &state.applied else {
        return Ok(Gone::Yes);
    };
    let options = ApplyOptions {
        concurrency: ctx.settings.apply_concurrency,
        deadline: deadline(ATTEMPT),
        deletions: Deletions::Complete,
    };
    let owner = ctx.owner(&key_of(application));
    let deletion = delete_all(&ctx.cluster, &owner, &applied.inventory, &options, &|_| {}).await?;
    if deletion.is_complete() {
        seed::delete(ctx, application).await?;
        return Ok(Gone::Yes);
    }
    let count = deletion.remaining.len();
    let first = deletion.remaining.first().map(|(id, why)| format!("{id}: {why}")).unwrap_or_default();
    Ok(Gone::NotYet(format!(
        "{count} objects are still there, first {first}; to let go of them set spec.deletion: Orphan"
    )))
}

/// Takes our mark off every object, so that anybody can adopt it. What cannot be reached keeps its mark: nobody waits for
/// that.
async fn orphan(ctx: &Context, application: &Application, state: &State) -> Result<Gone, Error> {
    let Some(applied) = &state.applied else {
        return Ok(Gone::Yes);
    };
    if let Err(error) = ctx.cluster.watch(applied.inventory.kinds().iter(), deadline(super::WATCH_TIME)).await
    {
        tracing::warn!(%error, "objects of a deleted application cannot be seen and keep their mark");
    }
    let label = ctx.owner(&key_of(application)).label_value();
    for live in ctx.cluster.live.by_owner(&label) {
        if let Err(error) = unmark(ctx, &live).await {
            if error.class() == Class::Transient {
                return Err(error.into());
            }
            tracing::warn!(error = crate::error::chain(&error), object = %live.id, "an object keeps its mark");
        }
    }
    Ok(Gone::Yes)
}

async fn unmark(ctx: &Context, live: &LiveObject) -> Result<(), tiphys_engine::Error> {
    let Lookup::Served(kind) = ctx.cluster.kinds.resolve(&live.gvk).await? else {
        return Ok(());
    };
    let pointer = |key: &str| key.replace('~', "~0").replace('/', "~1");
    let object = live.object()?;
    let mut patch = vec![json!({ "op": "test", "path": "/metadata/uid", "value": live.uid })];
    for (field, key) in [("labels", APPLICATION_LABEL), ("annotations", OWNER_ANNOTATION)] {
        if object.pointer(&format!("/metadata/{field}/{}", pointer(key))).is_some() {
            patch.push(json!({ "op": "remove", "path": format!("/metadata/{field}/{}", pointer(key)) }));
        }
    }
    ctx.cluster.requests.json_patch(&kind, &live.id, &patch, deadline(ATTEMPT)).await.map(drop)
}
