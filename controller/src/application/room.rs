//! Whether there is room for a plan in the quotas of its namespaces.

use std::collections::BTreeMap;

use serde_json::Value;
use tiphys_api::Action;
use tiphys_engine::discovery::Lookup;
use tiphys_engine::plan::{Checked, Draft, Plan, Refusal, Step};
use tiphys_engine::quota::{self, Planned};
use tiphys_manifest::ObjectId;

use crate::context::Context;

/// What a plan has no room for, all its objects together. Hooks are left out: they go again.
pub async fn refusals(
    ctx: &Context,
    draft: &Draft,
    plan: &Plan,
    checks: &BTreeMap<ObjectId, Checked>,
) -> Vec<Refusal> {
    let written = plan.steps.iter().filter(|step| step.hook.is_none() && step.action != Action::Prune);
    let written: Vec<_> = written.filter(|step| step.id.namespace.is_some()).collect();
    if written.is_empty() {
        return Vec::new();
    }
    let quotas = ctx.quotas.of(&quota::namespaces(written.iter().map(|step| &step.id))).await;
    if quotas.is_empty() {
        return Vec::new();
    }
    let known: Vec<_> = written.iter().filter_map(|step| Known::of(ctx, draft, step, checks)).collect();
    let planned: Vec<_> = known.iter().map(Known::planned).collect();
    quota::exceeded(&quotas, &planned)
}

/// An object of the plan, with what is known of it.
struct Known<'a> {
    id: &'a ObjectId,
    resource: String,
    before: Option<Value>,
    after: Value,
}

impl<'a> Known<'a> {
    fn of(
        ctx: &Context,
        draft: &Draft,
        step: &'a Step,
        checks: &BTreeMap<ObjectId, Checked>,
    ) -> Option<Self> {
        let manifest = step.manifest.and_then(|place| draft.manifests().get(place))?;
        let Lookup::Served(kind) = ctx.cluster.kinds.lookup(manifest.gvk()) else {
            return None;
        };
        let (predicted, live) = match checks.get(&step.id) {
            Some(Checked::Predicted { object, live, .. }) => (Some(object.clone()), live.clone()),
            Some(Checked::Immutable { live, .. }) => (None, live.clone()),
            _ => (None, None),
        };
        let cached = || ctx.cluster.live.get(&step.id)?.object().ok();
        let before = match step.action {
            Action::Create => None,
            // Without what it used before nobody can say what it uses more.
            _ => Some(live.or_else(cached)?),
        };
        let after = predicted.unwrap_or_else(|| Value::Object(manifest.object().clone()));
        Some(Self { id: &step.id, resource: kind.resource.plural.clone(), before, after })
    }

    fn planned(&self) -> Planned<'_> {
        Planned { id: self.id, resource: &self.resource, before: self.before.as_ref(), after: &self.after }
    }
}
