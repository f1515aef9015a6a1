//! What an Application says about its syncing, in words.

use std::fmt::Write as _;

use tiphys_api::{ApplicationSpec, Deletion, Source, SyncPolicy};

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
