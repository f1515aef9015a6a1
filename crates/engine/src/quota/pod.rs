//! What one Pod uses of a quota, by the rules with which the API server counts it.
//! Kubernetes: `pkg/quota/v1/evaluator/core/pods.go` and `k8s.io/component-helpers/resource`.

use std::collections::BTreeMap;

use serde_json::Value;
use tiphys_manifest::quantity::Quantity;

/// Amounts by resource, in billionths.
type Amounts = BTreeMap<String, i128>;

/// One Pod, or a billion billionths.
pub(super) const ONE: i128 = 1_000_000_000;

/// What a namespace gives to Pods that do not say it themselves.
#[derive(Debug, Default)]
pub(super) struct Defaults {
    requests: Amounts,
    limits: Amounts,
    priority_class: Option<String>,
}

impl Defaults {
    pub(super) fn new(limit_ranges: &[Value], priority_class: Option<&str>) -> Self {
        let mut defaults = Self { priority_class: priority_class.map(str::to_owned), ..Self::default() };
        let items = limit_ranges.iter().filter_map(|it| it.pointer("/spec/limits")?.as_array()).flatten();
        for item in items.filter(|it| text(it, "/type") == "Container") {
            fill(&mut defaults.requests, &amounts(item, "/defaultRequest"));
            fill(&mut defaults.limits, &amounts(item, "/default"));
        }
        defaults
    }
}

/// A Pod as it is created from an object with `metadata` and `spec`.
pub(super) struct Pod<'a> {
    object: &'a Value,
    containers: Vec<Container<'a>>,
    requests: Amounts,
    limits: Amounts,
    priority_class: &'a str,
}

struct Container<'a> {
    name: &'a str,
    role: Role,
    requests: Amounts,
    limits: Amounts,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Main,
    Init,
    /// An init container that goes on running beside the others.
    Sidecar,
}

impl<'a> Pod<'a> {
    pub(super) fn new(object: &'a Value, defaults: &'a Defaults) -> Self {
        let mut containers = containers(object);
        // Before a LimitRange is asked, requests of the whole Pod are made from what its containers say.
        let of_pod = requests_of_pod(object, &containers);
        for container in &mut containers {
            fill(&mut container.requests, &defaults.requests);
            fill(&mut container.limits, &defaults.limits);
        }
        let mut requests = together(&containers, |it| &it.requests);
        requests.extend(of_pod);
        let mut limits = together(&containers, |it| &it.limits);
        limits.extend(resources_of_pod(object, "/spec/resources/limits"));
        for (name, amount) in amounts(object, "/spec/overhead") {
            if let Some(limit) = limits.get_mut(&name).filter(|limit| **limit != 0) {
                *limit = limit.saturating_add(amount);
            }
            add(&mut requests, name, amount);
        }
        let named = text(object, "/spec/priorityClassName");
        let priority_class = match named {
            "" => defaults.priority_class.as_deref().unwrap_or_default(),
            named => named,
        };
        Self { object, containers, requests, limits, priority_class }
    }

    /// How much of a resource of quotas it uses, in billionths.
    pub(super) fn uses(&self, resource: &str) -> i128 {
        let of = |amounts: &Amounts, name: &str| amounts.get(name).copied().unwrap_or_default();
        match (resource, split(resource)) {
            ("pods", _) => ONE,
            (_, (Part::Limits, name)) => of(&self.limits, name),
            (_, (Part::Requests, name)) => of(&self.requests, name),
        }
    }

    /// The containers that do not say how much of a resource they want. A quota for CPU or memory demands that of each,
    /// unless the Pod says it as a whole.
    pub(super) fn silent(&self, resource: &str) -> Vec<&'a str> {
        let of_pod = |pointer| !resources_of_pod(self.object, pointer).is_empty();
        let (part, name) = split(resource);
        if !DEMANDED.contains(&name) || of_pod("/spec/resources/requests") || of_pod("/spec/resources/limits")
        {
            return Vec::new();
        }
        let says = |it: &&Container<'_>| match part {
            Part::Requests => it.requests.contains_key(name),
            Part::Limits => it.limits.contains_key(name),
        };
        self.containers.iter().filter(|it| !says(it)).map(|it| it.name).collect()
    }

    pub(super) fn is_best_effort(&self) -> bool {
        match text(self.object, "/status/qosClass") {
            "" => {}
            known => return known == "BestEffort",
        }
        let any = |it: &Amounts| DEMANDED.iter().any(|name| it.get(*name).is_some_and(|amount| *amount > 0));
        if self.object.pointer("/spec/resources").is_some_and(Value::is_object) {
            let of_pod = |pointer| any(&resources_of_pod(self.object, pointer));
            return !of_pod("/spec/resources/requests") && !of_pod("/spec/resources/limits");
        }
        !self.containers.iter().any(|it| any(&it.requests) || any(&it.limits))
    }

    /// Whether it ends at a deadline.
    pub(super) fn is_terminating(&self) -> bool {
        self.object.pointer("/spec/activeDeadlineSeconds").and_then(Value::as_i64).is_some_and(|it| it >= 0)
    }

    /// Its class; empty when it has none.
    pub(super) fn priority_class(&self) -> &str {
        self.priority_class
    }

    /// Whether it wants to be near, or far from, Pods of other namespaces.
    pub(super) fn has_affinity_across_namespaces(&self) -> bool {
        let lists = ["podAffinity", "podAntiAffinity"].into_iter().flat_map(|affinity| {
            ["required", "preferred"]
                .map(|how| format!("/spec/affinity/{affinity}/{how}DuringSchedulingIgnoredDuringExecution"))
        });
        let terms: Vec<_> = lists.filter_map(|it| self.object.pointer(&it)?.as_array()).flatten().collect();
        terms.into_iter().any(|term| {
            let term = term.get("podAffinityTerm").unwrap_or(term);
            let named = term.get("namespaces").and_then(Value::as_array).is_some_and(|it| !it.is_empty());
            named || term.get("namespaceSelector").is_some_and(Value::is_object)
        })
    }
}

/// Whether Pods use a resource of quotas.
pub(super) fn is_counted(resource: &str) -> bool {
    const NATIVE: &[&str] = &["cpu", "memory", "ephemeral-storage"];
    let has_prefix = resource.starts_with("requests.") || resource.starts_with("limits.");
    match split(resource) {
        _ if resource == "pods" => true,
        (_, name) if NATIVE.contains(&name) => true,
        (Part::Requests, name) if name.starts_with(HUGE_PAGES) => true,
        (Part::Requests, name) => {
            has_prefix && name.contains('/') && !name.contains("kubernetes.io/")
                || name.starts_with("deviceclass.resource.kubernetes.io/")
        }
        (Part::Limits, _) => false,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Requests,
    Limits,
}

/// What of a Pod a resource of quotas counts, and its name there: `cpu` is short for `requests.cpu`.
fn split(resource: &str) -> (Part, &str) {
    match resource.strip_prefix("limits.") {
        Some(name) => (Part::Limits, name),
        None => (Part::Requests, resource.strip_prefix("requests.").unwrap_or(resource)),
    }
}

/// What must be said of each container where it is counted.
const DEMANDED: &[&str] = &["cpu", "memory"];
const HUGE_PAGES: &str = "hugepages-";

fn containers(object: &Value) -> Vec<Container<'_>> {
    let list = |pointer| object.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    let main = list("/spec/containers").map(|it| (it, Role::Main));
    let init = list("/spec/initContainers").map(|it| match text(it, "/restartPolicy") {
        "Always" => (it, Role::Sidecar),
        _ => (it, Role::Init),
    });
    let read = |(it, role)| {
        let limits = amounts(it, "/resources/limits");
        let mut requests = amounts(it, "/resources/requests");
        // So it is for Pods, and only for them: the template of a Deployment stays as it is.
        fill(&mut requests, &limits);
        Container { name: text(it, "/name"), role, requests, limits }
    };
    main.chain(init).map(read).collect()
}

/// What containers use together: those that run at the same time added up, but not less than each init container with the
/// sidecars that were started before it.
fn together<'a>(containers: &'a [Container<'_>], of: impl Fn(&'a Container<'_>) -> &'a Amounts) -> Amounts {
    let (mut running, mut sidecars, mut starting) = (Amounts::new(), Amounts::new(), Amounts::new());
    for container in containers {
        let mut at_once = sidecars.clone();
        for (name, amount) in of(container) {
            if container.role != Role::Init {
                add(&mut running, name.clone(), *amount);
            }
            if container.role == Role::Sidecar {
                add(&mut sidecars, name.clone(), *amount);
            }
            add(&mut at_once, name.clone(), *amount);
        }
        if container.role != Role::Main {
            keep_larger(&mut starting, at_once);
        }
    }
    keep_larger(&mut running, starting);
    running
}

/// What the Pod as a whole requests, where it says anything of that.
fn requests_of_pod(object: &Value, containers: &[Container<'_>]) -> Amounts {
    let mut requests = resources_of_pod(object, "/spec/resources/requests");
    let limits = amounts(object, "/spec/resources/limits");
    if !limits.is_empty() {
        let mut said = together(containers, |it| &it.requests);
        said.retain(|name, _| DEMANDED.contains(&name.as_str()));
        fill(&mut requests, &said);
        fill(&mut requests, &resources_of_pod(object, "/spec/resources/limits"));
    }
    requests
}

/// The resources that a Pod may state as a whole.
fn resources_of_pod(object: &Value, pointer: &str) -> Amounts {
    let mut found = amounts(object, pointer);
    found.retain(|name, _| DEMANDED.contains(&name.as_str()) || name.starts_with(HUGE_PAGES));
    found
}

fn amounts(object: &Value, pointer: &str) -> Amounts {
    let map = object.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
    map.filter_map(|(name, value)| Some((name.clone(), Quantity::from_json(value).ok()?.nanos()?))).collect()
}

fn add(to: &mut Amounts, name: String, amount: i128) {
    let sum = to.entry(name).or_default();
    *sum = sum.saturating_add(amount);
}

/// Takes over what is missing.
fn fill(to: &mut Amounts, from: &Amounts) {
    for (name, amount) in from {
        to.entry(name.clone()).or_insert(*amount);
    }
}

fn keep_larger(to: &mut Amounts, from: Amounts) {
    for (name, amount) in from {
        let kept = to.entry(name).or_insert(amount);
        *kept = amount.max(*kept);
    }
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
