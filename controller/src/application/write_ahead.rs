//! What is written down before anything is applied: a snapshot, or the plan of a dry run.

use std::sync::Arc;

use kube::ResourceExt as _;
use tiphys_api::Application;
use tiphys_engine::Inventory;
use tiphys_engine::apply::planned_inventory;
use tiphys_engine::plan::Plan;
use tiphys_engine::snapshot::{Capabilities, Snapshot};
use tiphys_engine::snapshots::KeptFor;

use super::current::set_status;
use super::desired::Desired;
use super::load::rendered;
use super::run::{Stop, destination_words};
use super::state::{Applied, Current, State};
use super::{CHECK_TIME, deadline, key_of};
use crate::context::Context;

fn kept_for(current: &Current) -> KeptFor {
    KeptFor {
        namespace: current.sync.namespace().unwrap_or_default(),
        sync: current.sync.name_any(),
        uid: current.sync.uid().unwrap_or_default(),
        application: current.sync.spec.application.clone(),
    }
}

/// Keeps the plan of a dry run until it is read.
pub async fn keep_plan(ctx: &Context, state: &mut State, plan: &Plan) -> Result<(), Stop> {
    let Some(current) = &state.current else {
        return Ok(());
    };
    let name = ctx.snapshots.write(&kept_for(current), &plan.pack()?, deadline(CHECK_TIME)).await?;
    set_status(state, |status| status.snapshot = Some(name));
    Ok(())
}

/// Records what will be applied before the first object is, so that whatever a crash leaves behind can be pruned and
/// gone back to. Nothing to do for a plan that changes neither objects nor what is known of them.
pub async fn write_ahead(
    ctx: &Context,
    application: &Application,
    state: &mut State,
    desired: &Desired,
    plan: &Plan,
) -> Result<(), Stop> {
    let empty = Inventory::default();
    let before = state.applied.as_ref().map_or(&empty, |it| &it.inventory);
    let inventory = planned_inventory(plan, before);
    let rendered = Arc::new(rendered(&desired.manifests));
    let destination = Some(destination_words(application));
    let same_rendering = state.status.rendering.as_ref() == Some(&desired.rendering);
    if let Some(applied) = &mut state.applied
        && plan.steps.is_empty()
        && same_rendering
        && applied.inventory == inventory
        && applied.destination == destination
    {
        let name = applied.name.clone();
        set_status(state, |status| status.snapshot = Some(name));
        return Ok(());
    }
    let Some(current) = &state.current else {
        return Ok(());
    };
    let capabilities = ctx.cluster.kinds.capabilities();
    let snapshot = Snapshot {
        application: super::name_of(application),
        number: current.sync.status.as_ref().and_then(|it| it.number).unwrap_or_default(),
        revision: desired.revision.clone(),
        rendering: desired.rendering.clone(),
        manifests: desired.manifests.clone(),
        inventory,
        capabilities: Capabilities { kube_version: capabilities.kube_version.clone() },
        destination: destination.clone(),
        files: desired.files.clone(),
    };
    let pages = snapshot.pack()?;
    let name = ctx.snapshots.write(&kept_for(current), &pages, deadline(CHECK_TIME)).await?;
    let sync = current.sync.metadata.name.clone().unwrap_or_default();
    // Whoever sees our mark on an object from now on must not think that we have let go of it.
    ctx.holdings.note(&key_of(application), Some(&rendered));
    state.applied = Some(Applied {
        name: name.clone(),
        sync,
        pages,
        inventory: snapshot.inventory,
        rendered,
        destination,
    });
    set_status(state, |status| status.snapshot = Some(name));
    Ok(())
}
