//! Annotations of Argo CD that have no effect here.

use tiphys_manifest::Manifest;

const SYNC_OPTIONS: &str = "argocd.argoproj.io/sync-options";
const COMPARE_OPTIONS: &str = "argocd.argoproj.io/compare-options";

/// Annotations of Argo CD that mean the same here, or that are read option by option.
const UNDERSTOOD_KEYS: &[&str] = &[
    SYNC_OPTIONS,
    COMPARE_OPTIONS,
    "argocd.argoproj.io/hook",
    "argocd.argoproj.io/hook-delete-policy",
    "argocd.argoproj.io/ignore-healthcheck",
    "argocd.argoproj.io/sync-wave",
];

/// Other annotations of Argo CD, and what to do instead.
const INSTEAD_OF_KEYS: &[(&str, &str)] = &[
    (
        "argocd.argoproj.io/client-side-apply-migration-manager",
        "the fields of kubectl's client-side apply are taken over anyhow",
    ),
    (
        "argocd.argoproj.io/deletion-approved",
        "`tiphys sync --confirm` lets a plan through that a guard rail refused",
    ),
    ("argocd.argoproj.io/ignore-resource-updates", "changes that make no difference cost nothing"),
    (
        "argocd.argoproj.io/manifest-generate-paths",
        "what a rendering read is known, and nothing else is looked at",
    ),
    ("argocd.argoproj.io/refresh", "a webhook or `tiphys sync` has the source looked at"),
    ("argocd.argoproj.io/skip-reconcile", "`tiphys suspend` pauses an Application"),
    ("argocd.argoproj.io/tracking-id", "tiphys.dev/application marks what belongs to whom"),
];

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

/// Options of the comparison that are what is done here anyhow: the API server says what would change.
const UNDERSTOOD_COMPARE: &[&str] = &["IncludeMutationWebhook=true", "ServerSideDiff=true"];

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

/// Kinds that are Argo CD's own: their annotations are for it.
const OWN_GROUP: &str = "argoproj.io";

/// A sentence for each option that has no effect.
pub(super) fn without_effect(manifest: &Manifest) -> Vec<String> {
    let options = |key: &'static str| {
        let options = manifest.annotation(key).unwrap_or_default().split(',').map(str::trim);
        options.filter(|option| !option.is_empty()).map(move |option| (key, option))
    };
    options(SYNC_OPTIONS)
        .filter(|(_, option)| !UNDERSTOOD.contains(option))
        .chain(options(COMPARE_OPTIONS).filter(|(_, option)| !UNDERSTOOD_COMPARE.contains(option)))
        .map(|(key, option)| {
            let instead = INSTEAD.iter().find(|(known, _)| *known == option);
            let instead = instead.map(|(_, instead)| format!(": {instead}")).unwrap_or_default();
            format!("the annotation {key}: {option} has no effect{instead}")
        })
        .chain(without_effect_at_all(manifest))
        .collect()
}

/// A sentence for each annotation of Argo CD that is not looked at, known or not.
fn without_effect_at_all(manifest: &Manifest) -> Vec<String> {
    if manifest.gvk().group == OWN_GROUP {
        return Vec::new();
    }
    let is_argos = |key: &str| {
        let domain = key.split_once('/').map(|(domain, _)| domain);
        domain.is_some_and(|it| it == "argocd.argoproj.io" || it.ends_with(".argocd.argoproj.io"))
    };
    let keys = manifest.annotations().map(|(key, _)| key);
    keys.filter(|key| is_argos(key) && !UNDERSTOOD_KEYS.contains(key))
        .map(|key| {
            let instead = INSTEAD_OF_KEYS.iter().find(|(known, _)| *known == key);
            let instead = instead.map(|(_, instead)| format!(": {instead}")).unwrap_or_default();
            format!("the annotation {key} has no effect{instead}")
        })
        .collect()
}
