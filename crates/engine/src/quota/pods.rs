//! Whether the Pods of a plan have room in the quotas of a namespace.
//!
//! What is refused here would come to a standstill, never something that would work: where nobody can say what Pods there
//! are or what they are like, nothing is refused. So, unlike with other objects, Pods that the plan does away with make room
//! for those that it brings: controllers try again until there is room, and a Sync of one stage has pruned before it waits
//! for health. With several stages the pruning comes with the last; then a plan may pass that comes to a standstill before.
//! The additional Pods of rolling updates are not counted, they come and go.

use serde_json::Value;
use tiphys_manifest::ObjectId;
use tiphys_manifest::quantity::Quantity;

use super::pod::{Defaults, Pod, is_counted};
use super::workload::{self, Group, Turnover, is_going, turnover};
use super::{Planned, Quota, words};
use crate::error::Class;
use crate::plan::Refusal;

/// What else there is in a namespace that says what Pods use.
#[derive(Clone, Debug, Default)]
pub struct Around {
    /// Its LimitRanges.
    pub limit_ranges: Vec<Value>,
    /// Its Pods. None: what quotas say is used counts, though it may be that of Pods that go.
    pub pods: Option<Vec<Value>>,
    /// The class of Pods that name none.
    pub priority_class: Option<String>,
}

/// A workload whose Pods a quota does not let be created, as far as its template says: something may add what is missing.
#[derive(Clone, Debug)]
pub struct Incomplete {
    /// What is to be said of it.
    pub refusal: Refusal,
    /// One of its Pods, to be tried.
    pub pod: Value,
}

/// The quotas of a namespace, with what a plan does to the Pods in it.
pub struct Judge<'a> {
    quotas: Vec<&'a Quota>,
    around: &'a Around,
    defaults: Defaults,
    changes: Vec<(&'a Planned<'a>, Turnover<'a>)>,
}

impl<'a> Judge<'a> {
    /// None: nobody can say whether there is room.
    pub fn new(
        namespace: &str,
        quotas: &'a [Quota],
        planned: &'a [Planned<'a>],
        around: &'a Around,
    ) -> Option<Self> {
        let mut changes = Vec::new();
        for it in planned.iter().filter(|it| it.is_in(namespace)) {
            changes.push((it, turnover(it)?));
        }
        let is = |id: &ObjectId, kind: &str| id.group.is_empty() && id.kind == kind;
        // What it says from now on holds for some of the Pods, and nobody knows for which.
        if changes.iter().any(|(it, _)| is(it.id, "LimitRange")) {
            return None;
        }
        // A quota that comes or changes with the plan is another one before Pods are made.
        let changed = |quota: &&Quota| {
            changes.iter().any(|(it, _)| is(it.id, "ResourceQuota") && it.id.name == quota.name)
        };
        let quotas = quotas.iter().filter(|it| it.namespace == namespace && !changed(it)).collect();
        let defaults = Defaults::new(&around.limit_ranges, around.priority_class.as_deref());
        Some(Self { quotas, around, defaults, changes })
    }

    /// The first workload for each quota and resource for whose Pods there is no room.
    pub fn exceeded(&self) -> Vec<Refusal> {
        let resources = |quota: &'a Quota| quota.hard.iter().filter(|(it, _)| is_counted(it));
        let quotas = self.quotas.iter();
        let all = quotas.flat_map(|quota| resources(quota).map(move |(name, hard)| (*quota, name, hard)));
        all.filter_map(|(quota, resource, hard)| self.judge(quota, resource, nanos(hard)?)).collect()
    }

    fn judge(&self, quota: &Quota, resource: &str, hard: i128) -> Option<Refusal> {
        // Without that nobody has counted yet.
        let counted = nanos(quota.used.get(resource)?)?;
        let used = self.used_by_what_stays(quota, resource).map_or(counted, |it| it.min(counted));
        let more: Vec<_> = self
            .changes
            .iter()
            .map(|(it, turnover)| (it.id, self.more(quota, resource, turnover)))
            .filter(|(_, more)| *more != 0)
            .collect();
        let sum = more.iter().fold(0_i128, |sum, (_, more)| sum.saturating_add(*more));
        if sum <= 0 || used.saturating_add(sum) <= hard {
            return None;
        }
        let adding: Vec<_> = more.into_iter().filter(|(_, more)| *more > 0).collect();
        let added = adding.iter().fold(0_i128, |sum, (_, more)| sum.saturating_add(*more));
        let mut reached = used.saturating_add(sum).saturating_sub(added);
        let passing = adding.iter().find(|(_, more)| {
            reached = reached.saturating_add(*more);
            reached > hard
        });
        let id = passing.map(|(id, _)| (*id).clone())?;
        let text = |amount| words(resource, amount);
        let going = match counted - used {
            0 => String::new(),
            going => format!(" (without {} of Pods that go by themselves)", text(going)),
        };
        let message = format!(
            "the quota {} of namespace {} would be exceeded: {resource}: {} used{going}, {} more with this plan (Pods of \
             {}), {} allowed; raise the quota, or plan fewer or smaller Pods",
            quota.name,
            quota.namespace,
            text(used),
            text(sum),
            names(adding.iter().map(|(id, _)| *id)),
            text(hard)
        );
        Some(Refusal { id, origin: None, class: Class::Forbidden, message })
    }

    /// How much more the Pods of a workload use than before.
    fn more(&self, quota: &Quota, resource: &str, turnover: &Turnover<'_>) -> i128 {
        let of = |group: &Group<'_>| {
            let pod = Pod::new(group.pod, &self.defaults);
            if group.count > 0 && quota.counts_pod(&pod) {
                pod.uses(resource).saturating_mul(i128::from(group.count))
            } else {
                0
            }
        };
        of(&turnover.comes).saturating_sub(of(&turnover.goes))
    }

    fn used_by_what_stays(&self, quota: &Quota, resource: &str) -> Option<i128> {
        // They are as they were created.
        let defaults = Defaults::default();
        let staying = self.around.pods.as_ref()?.iter().filter(|it| !is_going(it));
        let staying = staying.map(|it| Pod::new(it, &defaults)).filter(|it| quota.counts_pod(it));
        Some(staying.fold(0_i128, |sum, pod| sum.saturating_add(pod.uses(resource))))
    }

    /// The workloads whose new Pods do not say what a quota demands.
    pub fn incomplete(&self) -> Vec<Incomplete> {
        let new = self.changes.iter().filter(|(it, turnover)| workload::makes_new(it, turnover));
        new.flat_map(|(it, turnover)| self.quotas.iter().filter_map(|quota| self.demand(quota, it, turnover)))
            .collect()
    }

    fn demand(&self, quota: &Quota, planned: &Planned<'_>, turnover: &Turnover<'_>) -> Option<Incomplete> {
        let pod = Pod::new(turnover.comes.pod, &self.defaults);
        let demanded = quota.hard.keys().filter(|_| quota.counts_pod(&pod));
        let missing = demanded.map(|resource| (resource, pod.silent(resource)));
        let missing = missing.filter(|(_, containers)| !containers.is_empty());
        let texts: Vec<_> =
            missing.map(|(resource, names)| format!("{resource} for {}", names.join(", "))).collect();
        if texts.is_empty() {
            return None;
        }
        let message = format!(
            "the quota {} of namespace {} lets none of its Pods be created, because they do not say: {}; set it in the \
             template, or give the namespace a LimitRange with defaults",
            quota.name,
            quota.namespace,
            texts.join("; ")
        );
        let id = planned.id.clone();
        let refusal = Refusal { id, origin: None, class: Class::Forbidden, message };
        Some(Incomplete { refusal, pod: workload::pod_of(planned.after?, turnover.comes.pod) })
    }
}

impl Quota {
    fn counts_pod(&self, pod: &Pod<'_>) -> bool {
        self.scopes.iter().all(|it| it.counts_pod(pod))
    }

    /// Whether it says anything about Pods.
    pub fn is_about_pods(&self) -> bool {
        self.hard.keys().any(|it| is_counted(it))
    }
}

/// The most workloads that a sentence names.
const NAMED: usize = 3;

fn names<'a>(ids: impl ExactSizeIterator<Item = &'a ObjectId>) -> String {
    let more = ids.len().saturating_sub(NAMED);
    let names: Vec<_> = ids.take(NAMED).map(|id| format!("{} {}", id.kind, id.name)).collect();
    match more {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

fn nanos(text: &str) -> Option<i128> {
    text.parse::<Quantity>().ok()?.nanos()
}
