//! In which order kinds are applied and pruned.
//!
//! Objects of one rank may be written in parallel; a rank waits for the one before it. What others refer to comes
//! first: namespaces, then the kinds themselves (CRDs), classes, quotas and accounts, permissions, configuration,
//! storage, services, workloads, what scales and runs on workloads, ingress, what intercepts requests
//! (webhooks, aggregated APIs), and at last kinds that are not built in, since any of the former may serve them.

use std::cmp::Ordering;

use crate::ObjectId;

const APPS: &str = "apps";
const AUTOSCALING: &str = "autoscaling";
const ADMISSION: &str = "admissionregistration.k8s.io";
const BATCH: &str = "batch";
const CORE: &str = "";
const NETWORKING: &str = "networking.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";
const STORAGE: &str = "storage.k8s.io";

/// Each line is a rank: the kinds in it, with their API group.
///
/// The group counts, so that a foreign kind of the same name (a Knative `Service`) is not taken for the built-in.
const RANKS: &[&[(&str, &str)]] = &[
    &[(CORE, "Namespace")],
    &[("apiextensions.k8s.io", "CustomResourceDefinition")],
    &[
        ("scheduling.k8s.io", "PriorityClass"),
        ("node.k8s.io", "RuntimeClass"),
        (STORAGE, "StorageClass"),
        (STORAGE, "VolumeAttributesClass"),
        (STORAGE, "CSIDriver"),
        (NETWORKING, "IngressClass"),
        ("resource.k8s.io", "DeviceClass"),
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
    ],
    &[
        (CORE, "ServiceAccount"),
        (CORE, "ResourceQuota"),
        (CORE, "LimitRange"),
        (NETWORKING, "NetworkPolicy"),
        ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
    ],
    &[(RBAC, "ClusterRole"), (RBAC, "Role")],
    &[(RBAC, "ClusterRoleBinding"), (RBAC, "RoleBinding")],
    &[(CORE, "Secret"), (CORE, "ConfigMap")],
    &[(CORE, "PersistentVolume")],
    &[(CORE, "PersistentVolumeClaim"), ("resource.k8s.io", "ResourceClaimTemplate")],
    &[(CORE, "Service"), (CORE, "Endpoints"), ("discovery.k8s.io", "EndpointSlice")],
    &[("policy", "PodDisruptionBudget"), (CORE, "PodTemplate")],
    &[
        (APPS, "DaemonSet"),
        (APPS, "Deployment"),
        (APPS, "ReplicaSet"),
        (APPS, "StatefulSet"),
        (CORE, "Pod"),
        (CORE, "ReplicationController"),
    ],
    &[(BATCH, "Job"), (BATCH, "CronJob"), (AUTOSCALING, "HorizontalPodAutoscaler")],
    &[(NETWORKING, "Ingress")],
    &[
        ("apiregistration.k8s.io", "APIService"),
        (ADMISSION, "MutatingAdmissionPolicy"),
        (ADMISSION, "ValidatingAdmissionPolicy"),
    ],
    &[
        (ADMISSION, "MutatingWebhookConfiguration"),
        (ADMISSION, "ValidatingWebhookConfiguration"),
        (ADMISSION, "MutatingAdmissionPolicyBinding"),
        (ADMISSION, "ValidatingAdmissionPolicyBinding"),
    ],
];

/// A place in the order; lower ranks come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rank(usize);

impl Rank {
    /// When a kind is applied.
    pub fn for_apply(group: &str, kind: &str) -> Self {
        let known = RANKS.iter().position(|kinds| kinds.contains(&(group, kind)));
        Self(known.unwrap_or(RANKS.len()))
    }

    /// When a kind is pruned: the reverse of [`Rank::for_apply`].
    pub fn for_prune(group: &str, kind: &str) -> Self {
        Self(RANKS.len() - Self::for_apply(group, kind).0)
    }
}

/// The total order in which objects are applied: rank, then kind, namespace and name.
pub fn compare_for_apply(left: &ObjectId, right: &ObjectId) -> Ordering {
    let rank = |id: &ObjectId| Rank::for_apply(&id.group, &id.kind);
    rank(left).cmp(&rank(right)).then_with(|| compare_within_rank(left, right))
}

/// The total order in which objects are pruned: rank, then kind, namespace and name.
pub fn compare_for_prune(left: &ObjectId, right: &ObjectId) -> Ordering {
    let rank = |id: &ObjectId| Rank::for_prune(&id.group, &id.kind);
    rank(left).cmp(&rank(right)).then_with(|| compare_within_rank(left, right))
}

fn compare_within_rank(left: &ObjectId, right: &ObjectId) -> Ordering {
    fn key(id: &ObjectId) -> (&str, &str, Option<&str>, &str) {
        (&id.kind, &id.group, id.namespace.as_deref(), &id.name)
    }
    key(left).cmp(&key(right))
}

/// Helm's own order, which looks at the kind alone (Helm 4.3.1: `pkg/release/v1/util/kind_sorter.go`, install order).
const HELM_KINDS: &[&str] = &[
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

/// How many of [`HELM_KINDS`] Helm 3 knows; the webhook configurations are new in Helm 4.
const HELM_3_KINDS: usize = 36;

/// Which Helm's list of kinds to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelmKinds {
    /// Helm 3.
    V3,
    /// Helm 4.
    V4,
}

/// Where Helm puts a kind; ranks compare as Helm sorts for installation, unknown kinds last and by name.
///
/// Helm sorts stably: use [`slice::sort_by_key`] or its like, never an unstable sort.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HelmRank<'a> {
    /// A kind on Helm's list, by its place there.
    Known(usize),
    /// Any other kind.
    Unknown(&'a str),
}

impl<'a> HelmRank<'a> {
    /// The rank of `kind`.
    pub fn of(kind: &'a str, kinds: HelmKinds) -> Self {
        let known = match kinds {
            HelmKinds::V3 => HELM_KINDS.get(..HELM_3_KINDS).unwrap_or(HELM_KINDS),
            HelmKinds::V4 => HELM_KINDS,
        };
        known.iter().position(|known| *known == kind).map_or(Self::Unknown(kind), Self::Known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Vec<ObjectId> {
        text.lines().map(|line| line.trim().parse().unwrap()).collect()
    }

    const IN_ORDER: &str = "Namespace a
        Namespace web
        apiextensions.k8s.io/CustomResourceDefinition x.example.com
        storage.k8s.io/StorageClass fast
        ServiceAccount web/web
        rbac.authorization.k8s.io/ClusterRole web
        rbac.authorization.k8s.io/Role web/web
        rbac.authorization.k8s.io/RoleBinding web/web
        ConfigMap web/a
        ConfigMap web/b
        Secret web/a
        PersistentVolume disk
        PersistentVolumeClaim web/disk
        Service web/web
        policy/PodDisruptionBudget web/web
        apps/Deployment web/web
        Pod web/one
        batch/Job web/migrate
        networking.k8s.io/Ingress web/web
        apiregistration.k8s.io/APIService v1.metrics
        admissionregistration.k8s.io/ValidatingWebhookConfiguration web
        example.com/Namespace web/not-the-built-in-kind
        serving.knative.dev/Service web/web";

    #[test]
    fn objects_are_applied_by_rank_kind_and_name() {
        let expected = ids(IN_ORDER);
        let mut sorted = expected.clone();
        sorted.reverse();
        sorted.sort_by(compare_for_apply);
        assert_eq!(sorted, expected);
    }

    #[test]
    fn ranks_of_pruning_are_the_reverse() {
        let mut sorted = ids(IN_ORDER);
        sorted.sort_by(compare_for_prune);
        let ranks: Vec<_> = sorted.iter().map(|id| Rank::for_apply(&id.group, &id.kind)).collect();
        assert!(ranks.is_sorted_by(|earlier, later| earlier >= later), "{ranks:?}");
        assert_eq!(sorted.last().unwrap().to_string(), "Namespace web");
    }

    #[test]
    fn no_kind_has_two_ranks() {
        let mut kinds: Vec<_> = RANKS.iter().copied().flatten().collect();
        let all = kinds.len();
        kinds.sort();
        kinds.dedup();
        assert_eq!(kinds.len(), all);
    }

    #[test]
    fn helm_puts_unknown_kinds_last_by_name() {
        let mut kinds = vec![
            "Zoo",
            "ValidatingWebhookConfiguration",
            "Ark",
            "Ingress",
            "Namespace",
            "PriorityClass",
            "Pod",
        ];
        kinds.sort_by_key(|kind| HelmRank::of(kind, HelmKinds::V4));
        let expected =
            ["PriorityClass", "Namespace", "Pod", "Ingress", "ValidatingWebhookConfiguration", "Ark", "Zoo"];
        assert_eq!(kinds, expected);
        kinds.sort_by_key(|kind| HelmRank::of(kind, HelmKinds::V3));
        let expected =
            ["PriorityClass", "Namespace", "Pod", "Ingress", "Ark", "ValidatingWebhookConfiguration", "Zoo"];
        assert_eq!(kinds, expected);
        assert_eq!(HELM_KINDS.get(HELM_3_KINDS - 1), Some(&"APIService"));
    }
}
