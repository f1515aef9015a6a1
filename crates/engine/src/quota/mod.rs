//! What a plan adds to the quotas of its namespaces, all of it together: a pure function.
//!
//! The API server judges object by object, and by dry-run each of them alone may have room. What several objects of one
//! plan use together is added up here: counts of objects, ports of Services, storage of claims ([`exceeded`]), and what
//! the Pods ask for that controllers make of workloads ([`pods`]), of which the server hears only after the Sync.

pub mod pods;

mod pod;
mod scope;
mod workload;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;
use tiphys_manifest::ObjectId;
use tiphys_manifest::quantity::Quantity;

pub use self::scope::Scope;
pub use self::workload::makes_pods;
use crate::error::Class;
use crate::plan::Refusal;

/// A ResourceQuota.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Quota {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What may be used, by resource.
    pub hard: BTreeMap<String, String>,
    /// What is used.
    pub used: BTreeMap<String, String>,
    /// What it counts at all; all of these must hold. None: everything.
    pub scopes: Vec<Scope>,
}

/// An object as a plan leaves it.
#[derive(Clone, Copy, Debug)]
pub struct Planned<'a> {
    /// Which one.
    pub id: &'a ObjectId,
    /// What its kind is called in addresses, such as `deployments`.
    pub resource: &'a str,
    /// As it is. None: it does not exist.
    pub before: Option<&'a Value>,
    /// As it becomes. None: it is deleted.
    pub after: Option<&'a Value>,
    /// Whether it is deleted and created again.
    pub recreated: bool,
}

/// Core resources that have a name of their own in quotas beside `count/…`.
const COUNTED: &[&str] = &[
    "configmaps",
    "persistentvolumeclaims",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "services",
];

/// The objects of a plan for which there is no room, the first for each quota and resource. `planned` is in the order of
/// the plan.
///
/// What the plan deletes or makes smaller gives no room to what it creates: pruning comes last, and the quota is counted
/// anew only some time after that.
pub fn exceeded(quotas: &[Quota], planned: &[Planned<'_>]) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for quota in quotas {
        for (resource, hard) in &quota.hard {
            let used = quota.used.get(resource);
            let (Some(hard), Some(used)) = (units(hard), used.and_then(|it| units(it))) else {
                // Nobody has counted yet.
                continue;
            };
            refusals.extend(judge(quota, resource, (used, hard), planned));
        }
    }
    refusals
}

fn judge(
    quota: &Quota,
    resource: &str,
    (used, hard): (u64, u64),
    planned: &[Planned<'_>],
) -> Option<Refusal> {
    let mut added = 0_u64;
    let mut count = 0_usize;
    let mut first = None;
    for it in planned.iter().filter(|it| it.is_in(&quota.namespace)) {
        let more = adds(quota, it, resource);
        if more == 0 {
            continue;
        }
        added = added.saturating_add(more);
        count += 1;
        if used.saturating_add(added) > hard {
            first.get_or_insert(it.id);
        }
    }
    let id = first?.clone();
    let text = |amount| words(resource, i128::from(amount).saturating_mul(pod::ONE));
    let message = format!(
        "the quota {} of namespace {} would be exceeded: {resource}: {} used, {} more with this plan ({count} objects), \
         {} allowed; raise the quota or plan less (what is pruned makes room only afterwards)",
        quota.name,
        quota.namespace,
        text(used),
        text(added),
        text(hard)
    );
    Some(Refusal { id, origin: None, class: Class::Forbidden, message })
}

impl Planned<'_> {
    fn is_in(&self, namespace: &str) -> bool {
        self.id.namespace.as_deref() == Some(namespace)
    }
}

/// How much more of a resource an object uses than before.
fn adds(quota: &Quota, planned: &Planned<'_>, resource: &str) -> u64 {
    let is_claim = planned.id.group.is_empty() && planned.resource == "persistentvolumeclaims";
    let is_counted = |object: &Value| quota.scopes.iter().all(|it| is_claim && it.counts_claim(object));
    let of = |object: Option<&Value>| {
        let object = object.filter(|object| is_counted(object));
        object.map_or(0, |object| uses(planned.id, planned.resource, object, resource))
    };
    of(planned.after).saturating_sub(of(planned.before))
}

/// How much of a resource of quotas an object uses.
fn uses(id: &ObjectId, plural: &str, object: &Value, resource: &str) -> u64 {
    let is_core = id.group.is_empty();
    if let Some(counted) = resource.strip_prefix("count/") {
        let (name, group) = counted.split_once('.').unwrap_or((counted, ""));
        return u64::from((name, group) == (plural, id.group.as_str()));
    }
    match plural {
        _ if is_core && resource == plural => u64::from(COUNTED.contains(&plural)),
        "services" if is_core => uses_of_service(object, resource),
        "persistentvolumeclaims" if is_core => uses_of_claim(object, resource),
        _ => 0,
    }
}

fn uses_of_service(object: &Value, resource: &str) -> u64 {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str);
    let kind = text("/spec/type").unwrap_or("ClusterIP");
    let ports =
        object.pointer("/spec/ports").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let allocates =
        object.pointer("/spec/allocateLoadBalancerNodePorts").and_then(Value::as_bool) != Some(false);
    let has_port = |it: &&Value| it.get("nodePort").and_then(Value::as_u64).is_some_and(|port| port > 0);
    let ports = match kind {
        "NodePort" => ports.len(),
        "LoadBalancer" if allocates => ports.len(),
        "LoadBalancer" => ports.iter().filter(has_port).count(),
        _ => 0,
    };
    match resource {
        "services.loadbalancers" => u64::from(kind == "LoadBalancer"),
        "services.nodeports" => u64::try_from(ports).unwrap_or(u64::MAX),
        _ => 0,
    }
}

/// What names the resources of one storage class: they are called `CLASS.storageclass.storage.k8s.io/…`.
const OF_CLASS: &str = ".storageclass.storage.k8s.io/";

fn uses_of_claim(object: &Value, resource: &str) -> u64 {
    let class = object.pointer("/spec/storageClassName").and_then(Value::as_str).unwrap_or_default();
    let resource = match resource.split_once(OF_CLASS) {
        Some((wanted, _)) if wanted != class => return 0,
        Some((_, resource)) => resource,
        None => resource,
    };
    let storage =
        || object.pointer("/spec/resources/requests/storage").map(Quantity::from_json)?.ok()?.units();
    match resource {
        "persistentvolumeclaims" => 1,
        "requests.storage" => storage().unwrap_or(0),
        _ => 0,
    }
}

fn units(text: &str) -> Option<u64> {
    text.parse::<Quantity>().ok()?.units()
}

/// An amount of billionths as people write it.
fn words(resource: &str, nanos: i128) -> String {
    let is_bytes =
        ["storage", "memory"].iter().any(|it| resource.ends_with(it)) || resource.contains("hugepages-");
    let quantity = Quantity::from_nanos(nanos);
    if is_bytes { quantity.in_binary().to_string() } else { quantity.to_string() }
}

/// The namespaces in which a plan may use more than before.
pub fn namespaces<'a>(planned: impl Iterator<Item = &'a ObjectId>) -> BTreeSet<String> {
    planned.filter_map(|id| id.namespace.clone()).collect()
}
