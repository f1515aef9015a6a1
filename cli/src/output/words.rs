//! The words for things that the API says in its own types.

use tiphys_api::{Action, Health, HoldPolicy, OnFailure, Phase, SyncState};

pub use super::style::of_phase as phase_tone;

/// What a plan will do with an object.
pub const fn to_do(action: Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Adopt => "adopt",
        Action::Change => "change",
        Action::Recreate => "recreate",
        Action::Prune => "prune",
        Action::Hook => "run",
        Action::Unchanged => "unchanged",
    }
}

/// What was done with an object.
pub const fn done(action: Action) -> &'static str {
    match action {
        Action::Create => "created",
        Action::Adopt => "adopted",
        Action::Change => "changed",
        Action::Recreate => "recreated",
        Action::Prune => "pruned",
        Action::Hook => "run",
        Action::Unchanged => "unchanged",
    }
}

/// The word used in the API.
pub const fn health_word(health: Health) -> &'static str {
    match health {
        Health::Healthy => "Healthy",
        Health::Suspended => "Suspended",
        Health::Progressing => "Progressing",
        Health::Unknown => "Unknown",
        Health::Missing => "Missing",
        Health::Degraded => "Degraded",
    }
}

/// The word used in the API.
pub const fn sync_word(sync: SyncState) -> &'static str {
    match sync {
        SyncState::Synced => "Synced",
        SyncState::OutOfSync => "OutOfSync",
        SyncState::Unknown => "Unknown",
    }
}

/// The word used in the API.
pub const fn on_failure_word(on_failure: OnFailure) -> &'static str {
    match on_failure {
        OnFailure::Stop => "Stop",
        OnFailure::Retry => "Retry",
        OnFailure::Rollback => "Rollback",
    }
}

/// When a hold ends.
pub const fn hold_end(policy: HoldPolicy) -> &'static str {
    match policy {
        HoldPolicy::UntilNewRevision => "until a newer revision",
        HoldPolicy::Indefinite => "until somebody syncs by hand",
        HoldPolicy::None => "not at all",
    }
}

/// How a Sync ended, as the verb of a sentence.
pub const fn ended(phase: Phase) -> &'static str {
    match phase {
        Phase::Succeeded => "succeeded",
        Phase::Failed => "failed",
        Phase::Superseded => "was superseded",
        Phase::Pending | Phase::Running | Phase::Waiting => "has not ended",
    }
}

/// `main@0123abcd` for `main@sha1:0123abcd…`; any other text as it is.
pub fn short_revision(revision: &str) -> String {
    let shortened = revision.split_once('@').and_then(|(name, id)| {
        let (_, hex) = id.split_once(':')?;
        let short = hex.get(..8)?;
        hex.bytes().all(|it| it.is_ascii_hexdigit()).then(|| format!("{name}@{short}"))
    });
    shortened.unwrap_or_else(|| revision.to_owned())
}

/// `apps/Deployment web/nginx`; of the core group `ConfigMap web/settings`.
pub fn object_text(group: &str, kind: &str, namespace: Option<&str>, name: &str) -> String {
    let slash = if group.is_empty() { "" } else { "/" };
    match namespace {
        Some(namespace) => format!("{group}{slash}{kind} {namespace}/{name}"),
        None => format!("{group}{slash}{kind} {name}"),
    }
}

/// `1 object`, `2 objects`.
pub fn count(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_are_shortened_only_when_they_are_hashes() {
        for (revision, short) in [
            ("main@sha1:0123abcd0123abcd0123abcd0123abcd0123abcd", "main@0123abcd"),
            ("v1.2.3@sha1:00000000ffffffff", "v1.2.3@00000000"),
            ("main", "main"),
            ("main@sha1:012", "main@sha1:012"),
            ("me@example:not-a-hash", "me@example:not-a-hash"),
        ] {
            assert_eq!(short_revision(revision), short);
        }
    }

    #[test]
    fn objects_are_named_as_everywhere_else() {
        assert_eq!(object_text("apps", "Deployment", Some("web"), "nginx"), "apps/Deployment web/nginx");
        assert_eq!(object_text("", "Namespace", None, "web"), "Namespace web");
    }
}
