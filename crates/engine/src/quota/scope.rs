//! Which objects a quota with scopes counts.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use super::pod::Pod;

/// One condition of a quota. It counts what fulfils all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Scope {
    /// What it is about, such as `PriorityClass`.
    pub scope_name: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: String,
    /// The values of `In` and `NotIn`.
    pub values: Vec<String>,
}

impl Scope {
    pub(super) fn counts_pod(&self, pod: &Pod<'_>) -> bool {
        match self.scope_name.as_str() {
            "Terminating" => pod.is_terminating(),
            "NotTerminating" => !pod.is_terminating(),
            "BestEffort" => pod.is_best_effort(),
            "NotBestEffort" => !pod.is_best_effort(),
            "CrossNamespacePodAffinity" => pod.has_affinity_across_namespaces(),
            "PriorityClass" => self.selects(Some(pod.priority_class()).filter(|it| !it.is_empty())),
            _ => false,
        }
    }

    /// Of claims there is one scope only. A claim that changes its class has both for a while.
    pub(super) fn counts_claim(&self, claim: &Value) -> bool {
        const CLASSES: &[&str] = &[
            "/spec/volumeAttributesClassName",
            "/status/currentVolumeAttributesClassName",
            "/status/modifyVolumeStatus/targetVolumeAttributesClassName",
        ];
        if self.scope_name != "VolumeAttributesClass" {
            return false;
        }
        let classes = CLASSES.iter().filter_map(|it| claim.pointer(it)?.as_str());
        let classes: BTreeSet<_> = classes.filter(|it| !it.is_empty()).collect();
        if classes.is_empty() {
            return self.selects(None);
        }
        classes.into_iter().any(|class| self.selects(Some(class)))
    }

    fn selects(&self, value: Option<&str>) -> bool {
        let is_listed = value.is_some_and(|value| self.values.iter().any(|it| it == value));
        match self.operator.as_str() {
            "In" => is_listed,
            "NotIn" => !is_listed,
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        }
    }
}
