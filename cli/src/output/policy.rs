//! What an Application says about its syncing, in words.

use std::fmt::Write as _;

use tiphys_api::{ApplicationSpec, Deletion, Dependency, Source, SyncPolicy, SyncWindow, WindowKind};

use super::style::tame;
use super::words::on_failure_word;

/// `<repo>, path <path>, revision <revision>`.
pub fn source(source: &Source) -> String {
    let mut text = format!("{}, path {}", source.repo, source.path);
    if let Some(revision) = &source.revision {
        let _ = write!(text, ", revision {revision}");
    }
    let kind = match (&source.helm, &source.tera, &source.directory) {
        (Some(_), _, _) => ", a Helm chart",
        (_, Some(_), _) => ", a Tera chart",
        (_, _, Some(_)) => ", plain manifests",
        _ => "",
    };
    text.push_str(kind);
    text
}

/// Which things happen without a person.
pub fn automation(policy: &SyncPolicy) -> String {
    let parts: Vec<&str> = [(policy.auto, "auto"), (policy.self_heal, "self-heal"), (policy.prune, "prune")]
        .into_iter()
        .filter_map(|(is_on, word)| is_on.then_some(word))
        .collect();
    let automation = if parts.is_empty() { "by hand".to_owned() } else { parts.join(", ") };
    format!("{automation}; on failure {}; timeout {}", on_failure_word(policy.on_failure), policy.timeout)
}

/// Which Applications must be ready before.
pub fn dependencies(dependencies: &[Dependency]) -> String {
    let name = |it: &Dependency| match &it.namespace {
        Some(namespace) => format!("{namespace}/{}", it.name),
        None => it.name.clone(),
    };
    dependencies.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// `deny 0 22 * * * for 8h, Europe/Berlin (freeze)`.
pub fn window(window: &SyncWindow) -> String {
    let kind = match window.kind {
        WindowKind::Allow => "allow",
        WindowKind::Deny => "deny",
    };
    let manual = if window.manual { ", people may sync" } else { "" };
    let reason = window.reason.as_ref().map(|it| format!(" ({})", tame(it))).unwrap_or_default();
    format!(
        "{kind} {} for {}, {}{manual}{reason}",
        tame(&window.schedule),
        window.duration,
        tame(&window.time_zone)
    )
}

/// Where the objects go.
pub fn destination(spec: &ApplicationSpec, own_namespace: Option<&str>) -> String {
    let namespace = spec.destination.namespace.as_deref().or(own_namespace).unwrap_or_default();
    let created = if spec.destination.create_namespace { ", created when missing" } else { "" };
    format!("{}/{namespace}{created}", spec.destination.cluster)
}

/// What deleting the Application does.
pub const fn deletion(deletion: Deletion) -> &'static str {
    match deletion {
        Deletion::Orphan => "its objects stay",
        Deletion::Prune => "its objects are deleted",
    }
}
