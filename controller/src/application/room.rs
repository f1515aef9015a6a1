//! Whether there is room for a plan in the quotas of its namespaces.

use std::collections::BTreeMap;

use serde_json::Value;
use tiphys_api::Action;
use tiphys_engine::Error;
use tiphys_engine::discovery::Lookup;
use tiphys_engine::plan::{Checked, Draft, Plan, Refusal, Step};
use tiphys_engine::quota::pods::{Around, Judge};
use tiphys_engine::quota::{self, Planned, Quota};
use tiphys_engine::requests::failure::Failure;
use tiphys_manifest::ObjectId;

use super::{CHECK_TIME, deadline};
use crate::context::Context;
use crate::sync_index::SyncRecord;

/// What is held against quotas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// What objects use.
    Objects,
    /// And what the Pods use that controllers make of them.
    ObjectsAndPods,
}

/// Pods are judged for a Sync as a whole only. While its stages run, what the one before did away with may still be counted,
/// and to stop in the middle because of that would be worse than to wait. And nothing that is only foretold keeps anybody
/// from going back.
pub fn extent(record: &SyncRecord, stage: Option<usize>) -> Extent {
    match (stage, &record.spec.rollback_to) {
        (None, None) => Extent::ObjectsAndPods,
        _ => Extent::Objects,
    }
}

/// What a plan has no room for, all its objects together. Hooks are left out: they go again.
pub async fn refusals(
    ctx: &Context,
    draft: &Draft,
    plan: &Plan,
    checks: &BTreeMap<ObjectId, Checked>,
    extent: Extent,
) -> Vec<Refusal> {
    let steps = plan.steps.iter().filter(|step| step.hook.is_none() && step.id.namespace.is_some());
    let (steps, prunes): (Vec<_>, Vec<_>) = steps.partition(|step| step.action != Action::Prune);
    if steps.is_empty() {
        return Vec::new();
    }
    let quotas = ctx.quotas.of(&quota::namespaces(steps.iter().map(|step| &step.id))).await;
    if quotas.is_empty() {
        return Vec::new();
    }
    let known: Vec<_> = steps.iter().filter_map(|step| Known::of(ctx, draft, step, checks)).collect();
    let planned: Vec<_> = known.iter().map(Known::planned).collect();
    let mut refusals = quota::exceeded(&quotas, &planned);
    if extent == Extent::Objects || !quotas.iter().any(Quota::is_about_pods) {
        return refusals;
    }
    let is_known = |step: &&&Step| known.iter().any(|it| *it.id == step.id && it.is_foretold);
    let mut unknown: Vec<_> = steps
        .iter()
        .filter(|step| quota::makes_pods(&step.id) && !is_known(step))
        .map(|step| &step.id)
        .collect();
    let mut others = Vec::new();
    let pruned = prunes.iter().map(|step| (&step.id, Fate::Pruned));
    let unchanged = plan.unchanged.iter().map(|it| (&it.id, Fate::Unchanged));
    for (id, fate) in pruned.chain(unchanged).filter(|(id, _)| quota::makes_pods(id)) {
        match Known::of_live(ctx, id, fate) {
            Some(known) => others.push(known),
            None => unknown.push(id),
        }
    }
    let planned: Vec<_> = known.iter().chain(&others).map(Known::planned).collect();
    for namespace in quota::namespaces(steps.iter().map(|step| &step.id)) {
        if !unknown.iter().any(|id| id.namespace.as_ref() == Some(&namespace)) {
            refusals.extend(refusals_of_pods(ctx, &namespace, &quotas, &planned).await.unwrap_or_default());
        }
    }
    refusals
}

/// What Pods a namespace has no room for. The cluster is asked only when there seems to be none. None: nobody can say.
async fn refusals_of_pods(
    ctx: &Context,
    namespace: &str,
    quotas: &[Quota],
    planned: &[Planned<'_>],
) -> Option<Vec<Refusal>> {
    let nothing = Around::default();
    let judge = Judge::new(namespace, quotas, planned, &nothing)?;
    if judge.exceeded().is_empty() && judge.incomplete().is_empty() {
        return Some(Vec::new());
    }
    let around = match look_around(ctx, namespace).await {
        Ok(around) => around,
        Err(error) => {
            tracing::debug!(error = crate::error::chain(&error), namespace, "quotas of Pods are not judged");
            return None;
        }
    };
    let judge = Judge::new(namespace, quotas, planned, &around)?;
    let mut refusals = judge.exceeded();
    for incomplete in judge.incomplete().into_iter().take(MOST_TRIED) {
        if is_refused(ctx, &incomplete.pod).await {
            refusals.push(incomplete.refusal);
        }
    }
    Some(refusals)
}

/// How many Pods are tried for one namespace.
const MOST_TRIED: usize = 10;

/// What there is in a namespace. Who may not see all of it cannot judge.
async fn look_around(ctx: &Context, namespace: &str) -> Result<Around, Error> {
    let limit_ranges = list(ctx, "", "limitranges", Some(namespace)).await?;
    let pods = list(ctx, "", "pods", Some(namespace)).await?;
    let classes = list(ctx, "scheduling.k8s.io", "priorityclasses", None).await?;
    let is_default = |it: &&Value| it.get("globalDefault").and_then(Value::as_bool) == Some(true);
    let default = classes.iter().find(is_default);
    let priority_class = default.and_then(|it| it.pointer("/metadata/name")?.as_str()).map(str::to_owned);
    Ok(Around { limit_ranges, pods: Some(pods), priority_class })
}

async fn list(
    ctx: &Context,
    group: &str,
    plural: &str,
    namespace: Option<&str>,
) -> Result<Vec<Value>, Error> {
    let Some(kind) = ctx.cluster.kinds.by_resource(group, plural) else { return Ok(Vec::new()) };
    let mut list = ctx.cluster.requests.list(&kind, namespace, deadline(CHECK_TIME)).await?;
    match list.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => Ok(items),
        _ => Ok(Vec::new()),
    }
}

/// Whether the API server itself says that quotas do not let a Pod be created. What admission adds to Pods it knows alone.
async fn is_refused(ctx: &Context, pod: &Value) -> bool {
    let (Some(kind), Some(pod)) = (ctx.cluster.kinds.by_resource("", "pods"), pod.as_object()) else {
        return false;
    };
    match ctx.cluster.requests.try_create(&kind, pod, deadline(CHECK_TIME)).await {
        Ok(_) => false,
        Err(error) => matches!(error.failure(), Some(Failure::Refused(refusal)) if refusal.is_quota()),
    }
}

/// An object of the plan, with what is known of it.
struct Known<'a> {
    id: &'a ObjectId,
    resource: String,
    before: Option<Value>,
    after: Option<Value>,
    recreated: bool,
    /// Whether the API server has said what it becomes, or it begins anew.
    is_foretold: bool,
}

/// What becomes of an object that is live.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Pruned,
    Unchanged,
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
        let recreated = step.action == Action::Recreate;
        let is_foretold = predicted.is_some() || recreated || step.action == Action::Create;
        let after = predicted.unwrap_or_else(|| Value::Object(manifest.object().clone()));
        let resource = kind.resource.plural.clone();
        Some(Self { id: &step.id, resource, before, after: Some(after), recreated, is_foretold })
    }

    fn of_live(ctx: &Context, id: &'a ObjectId, fate: Fate) -> Option<Self> {
        let kind = ctx.cluster.kinds.any_version(&id.group, &id.kind).served()?;
        let live = ctx.cluster.live.get(id)?.object().ok()?;
        let after = (fate == Fate::Unchanged).then(|| live.clone());
        let resource = kind.resource.plural.clone();
        Some(Self { id, resource, before: Some(live), after, recreated: false, is_foretold: true })
    }

    fn planned(&self) -> Planned<'_> {
        Planned {
            id: self.id,
            resource: &self.resource,
            before: self.before.as_ref(),
            after: self.after.as_ref(),
            recreated: self.recreated,
        }
    }
}
