//! Annotations of Argo CD that have no effect here.

use tiphys_manifest::Manifest;

const SYNC_OPTIONS: &str = "argocd.argoproj.io/sync-options";
const COMPARE_OPTIONS: &str = "argocd.argoproj.io/compare-options";

/// Options that mean the same here, or what is done here anyhow.
const UNDERSTOOD: &[&str] = &[
    "ApplyOutOfSyncOnly=true",
    "ClientSideApplyMigration=true",
    "CreateNamespace=false",
    "Delete=true",
    "FailOnSharedResource=true",
    "Force=false",
    "Force=true",
    "Prune=false",
    "Prune=true",
    "PruneLast=false",
    "Replace=false",
    "Replace=true",
    "RespectIgnoreDifferences=true",
    "ServerSideApply=true",
    "SkipDryRunOnMissingResource=false",
    "SkipDryRunOnMissingResource=true",
    "Validate=true",
];

/// Options that have a counterpart under another name, and that.
const INSTEAD: &[(&str, &str)] = &[
    ("ClientSideApplyMigration=false", "tiphys.dev/mode: Merge leaves to kubectl what it wrote"),
    ("CreateNamespace=true", "spec.destination.createNamespace creates the namespace"),
    ("RespectIgnoreDifferences=false", "fields of spec.ignoreDifferences are never written"),
    (
        "ServerSideApply=false",
        "everything is applied on the server; tiphys.dev/mode: Replace replaces the whole object",
    ),
    ("Validate=false", "everything is validated"),
    ("Prune=confirm", "guard rails ask before what holds data is deleted"),
];

/// A sentence for each option that has no effect.
pub(super) fn without_effect(manifest: &Manifest) -> Vec<String> {
    let options = |key: &'static str| {
        let options = manifest.annotation(key).unwrap_or_default().split(',').map(str::trim);
        options.filter(|option| !option.is_empty()).map(move |option| (key, option))
    };
    options(SYNC_OPTIONS)
        .filter(|(_, option)| !UNDERSTOOD.contains(option))
        .chain(options(COMPARE_OPTIONS))
        .map(|(key, option)| {
            let instead = INSTEAD.iter().find(|(known, _)| *known == option);
            let instead = instead.map(|(_, instead)| format!(": {instead}")).unwrap_or_default();
            format!("the annotation {key}: {option} has no effect{instead}")
        })
        .collect()
}
