//! What a Sync deletes and what is still there: it is waited for as the health of what is applied is.
//!
//! Somebody's finalizer may hold an object for as long as it likes. The Sync then fails when its time is over, though
//! everything else is live; the object stays in the inventory, and the Application says so until it is gone.

use std::collections::BTreeSet;

use kube::ResourceExt as _;
use serde_json::Value;
use tiphys_api::{Action, Application, Outcome, Phase};
use tiphys_engine::apply::Leaving;
use tiphys_engine::plan::Live;
use tiphys_manifest::ObjectId;

use super::current::set_status;
use super::finish::conditions_while_running;
use super::report::MAX_RESOURCES;
use super::state::{Applied, State};
use super::{Error, namespace_of};
use crate::context::Context;
use crate::sync_index::SyncRecord;

/// What a Sync could not get rid of.
#[derive(Clone, Debug)]
pub struct LeftOver {
    /// Digest of the rendering that it applied. A Sync of another one has other things to do.
    rendering: Option<String>,
    /// The objects.
    objects: Vec<Leaving>,
}

/// What a Sync of this rendering waits for from its beginning: what the one before left, and what it may have deleted itself
/// before it was interrupted.
pub fn begin(ctx: &Context, state: &mut State, record: &SyncRecord, rendering: &str) {
    state.left_over.take_if(|it| it.rendering.as_deref() != Some(rendering));
    let mut left: Vec<_> = state.left_over.iter().flat_map(|it| it.objects.clone()).collect();
    if record.phase == Phase::Running {
        left.extend(in_inventory(ctx, state));
    }
    if let Some(current) = &mut state.current {
        current.leaving = left;
    }
}

/// Notes what the current Sync has asked to be deleted.
pub fn note(state: &mut State, leaving: Vec<Leaving>) {
    if let Some(current) = &mut state.current {
        current.leaving.extend(leaving);
    }
}

/// Finds out again, after a restart, what the current Sync waits for.
pub async fn resume(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    record: &SyncRecord,
) -> Result<(), Error> {
    let mut leaving = in_inventory(ctx, state);
    if !leaving.is_empty() {
        let read = ctx.records.read_sync_status(&namespace_of(application), &record.name).await;
        let objects = read.map_err(Error::write("read", &record.name))?.objects;
        let pruned = |id: &ObjectId| {
            objects.iter().any(|it| {
                (&it.group, &it.kind, &it.namespace, &it.name)
                    == (&id.group, &id.kind, &id.namespace, &id.name)
                    && (it.action, it.outcome) == (Action::Prune, Outcome::Applied)
            })
        };
        // A record does not name everything that was touched.
        leaving.retain(|it| objects.len() >= MAX_RESOURCES || pruned(&it.id));
    }
    note(state, leaving);
    Ok(())
}

/// Finds out again, after a restart, what a Sync that failed left: everything that it applied counts as live, and it failed
/// all the same.
pub fn load(ctx: &Context, state: &mut State) {
    let rendering = state.status.rendering.clone();
    let last = state.status.last_sync.as_ref();
    let failed = last.is_some_and(|it| it.phase == Phase::Failed && it.rendering == rendering);
    let objects = in_inventory(ctx, state);
    if failed && !objects.is_empty() {
        state.left_over = Some(LeftOver { rendering, objects });
    }
}

/// What is being deleted of that which is no longer in the rendering.
fn in_inventory(ctx: &Context, state: &State) -> Vec<Leaving> {
    let left = |it: &Applied| {
        let ids = it.inventory.iter().map(|(id, _)| id).filter(|id| !it.rendered.contains(*id));
        let live = ids.filter_map(|id| ctx.cluster.live(id).present().cloned());
        let deleted = live.filter(|live| live.deleting);
        deleted.map(|live| Leaving { id: live.id.clone(), uid: Some(live.uid.clone()) }).collect()
    };
    state.applied.as_ref().map(left).unwrap_or_default()
}

/// Why the current Sync is not done though everything that it applied is healthy. Its status says so from now on.
pub fn waits(ctx: &Context, state: &mut State) -> Option<String> {
    let leaving = state.current.as_ref().map(|it| it.leaving.clone()).unwrap_or_default();
    let why = text(ctx, &leaving)?;
    set_status(state, |status| conditions_while_running(status, &format!("everything is applied; {why}")));
    Some(why)
}

/// Remembers what the current Sync could not get rid of.
pub fn leave(state: &mut State) {
    let Some(current) = &state.current else { return };
    let rendering = current.sync.status.as_ref().and_then(|it| it.rendering.clone());
    tracing::warn!(sync = current.sync.name_any(), "what was deleted is still there");
    state.left_over = Some(LeftOver { rendering, objects: current.leaving.clone() });
}

/// What an earlier Sync could not get rid of, in a sentence, while it is there.
pub fn left_over(ctx: &Context, state: &mut State) -> Option<String> {
    let text = state.left_over.as_ref().and_then(|it| text(ctx, &it.objects));
    state.left_over.take_if(|_| text.is_none());
    text
}

/// The objects of these that are still there, in a sentence.
fn text(ctx: &Context, leaving: &[Leaving]) -> Option<String> {
    let texts: BTreeSet<_> = leaving.iter().filter_map(|it| still_there(ctx, it)).collect();
    let mut texts = texts.into_iter();
    let first = texts.next()?;
    Some(match texts.count() {
        0 => first,
        more => format!("{first} (and {more} more objects are still there)"),
    })
}

fn still_there(ctx: &Context, leaving: &Leaving) -> Option<String> {
    let Live::Present(live) = ctx.cluster.live(&leaving.id) else {
        return None;
    };
    if leaving.uid.as_ref().is_some_and(|uid| *uid != live.uid) {
        return None;
    }
    let object = live.object().unwrap_or_default();
    let finalizers = object.pointer("/metadata/finalizers").and_then(Value::as_array);
    let finalizers = finalizers.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    let error = tiphys_engine::Error::NotGone { id: Box::new(leaving.id.clone()), finalizers };
    Some(format!("{error}; let whoever put them there finish, or take them off"))
}
