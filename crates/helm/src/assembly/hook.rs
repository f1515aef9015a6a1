//! Hooks: objects that are applied at their time, not with the others.

use super::Manifest;

pub(super) const ANNOTATION: &str = "helm.sh/hook";
const WEIGHT: &str = "helm.sh/hook-weight";
const DELETE: &str = "helm.sh/hook-delete-policy";
const OUTPUT_LOG: &str = "helm.sh/hook-output-log-policy";

/// An object that is applied at certain events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// The object.
    pub manifest: Manifest,
    /// When.
    pub events: Vec<Event>,
    /// Hooks of one event go by weight, lighter ones first, then by name.
    pub weight: i64,
    /// When it is deleted; none at all means [`DeletePolicy::BeforeHookCreation`].
    pub delete_policies: Vec<DeletePolicy>,
    /// When the logs of its pods are shown.
    pub output_log_policies: Vec<OutputLogPolicy>,
}

/// What a hook waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are those of Helm's annotation")]
pub enum Event {
    PreInstall,
    PostInstall,
    PreDelete,
    PostDelete,
    PreUpgrade,
    PostUpgrade,
    PreRollback,
    PostRollback,
    Test,
}

/// When a hook's object is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeletePolicy {
    /// Before the hook is applied again.
    BeforeHookCreation,
    /// After all hooks of the event succeeded.
    HookSucceeded,
    /// After the hook failed.
    HookFailed,
    /// Anything else, which Helm keeps and never acts on.
    Unknown(String),
}

/// When the logs of a hook's pods are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputLogPolicy {
    /// After the hook succeeded.
    HookSucceeded,
    /// After the hook failed.
    HookFailed,
    /// Anything else, which Helm keeps and never acts on.
    Unknown(String),
}

impl Hook {
    pub(super) fn new(manifest: Manifest, events: Vec<Event>, annotations: &[(String, String)]) -> Self {
        let annotation = |name: &str| annotations.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        let list = |name: &str| annotation(name).map(|value| words(value).collect::<Vec<_>>());
        let delete_policies = list(DELETE).unwrap_or_default().into_iter().map(|word| match word.as_str() {
            "before-hook-creation" => DeletePolicy::BeforeHookCreation,
            "hook-succeeded" => DeletePolicy::HookSucceeded,
            "hook-failed" => DeletePolicy::HookFailed,
            _ => DeletePolicy::Unknown(word),
        });
        let log_policies = list(OUTPUT_LOG).unwrap_or_default().into_iter().map(|word| match word.as_str() {
            "hook-succeeded" => OutputLogPolicy::HookSucceeded,
            "hook-failed" => OutputLogPolicy::HookFailed,
            _ => OutputLogPolicy::Unknown(word),
        });
        Self {
            manifest,
            events,
            weight: annotation(WEIGHT).and_then(|weight| weight.parse().ok()).unwrap_or_default(),
            delete_policies: delete_policies.collect(),
            output_log_policies: log_policies.collect(),
        }
    }

    /// Whether the hook is a test of the release.
    pub fn is_test(&self) -> bool {
        self.events.contains(&Event::Test)
    }
}

/// The events of an annotation; `None` if one of them is unknown.
pub(super) fn events(annotation: &str) -> Option<Vec<Event>> {
    words(annotation).map(|word| Event::from_name(&word)).collect()
}

impl Event {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "pre-install" => Self::PreInstall,
            "post-install" => Self::PostInstall,
            "pre-delete" => Self::PreDelete,
            "post-delete" => Self::PostDelete,
            "pre-upgrade" => Self::PreUpgrade,
            "post-upgrade" => Self::PostUpgrade,
            "pre-rollback" => Self::PreRollback,
            "post-rollback" => Self::PostRollback,
            // The second is from Helm 2.
            "test" | "test-success" => Self::Test,
            _ => return None,
        })
    }
}

fn words(list: &str) -> impl Iterator<Item = String> {
    list.split(',').map(|word| word.trim().to_lowercase())
}
