//! When Syncs run by themselves, and when they do not.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Duration;

/// A span of time that comes again and again, in which Syncs run or are kept back.
///
/// A window that denies wins over all others. Where there are windows that allow, one of them must be open. Windows
/// keep back what happens by itself (new revisions, further tries, corrections of drift) and refuse what a person asks
/// for, unless `manual` is set or the Sync says `overrideWindow: true`. They never keep anybody from a rollback, and
/// what has started goes on when a window closes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncWindow {
    /// Whether Syncs run in it, or are kept back.
    pub kind: WindowKind,
    /// When it begins, in the five fields of cron: minute, hour, day of the month, month, day of the week; such as
    /// `0 22 * * MON-FRI`.
    #[schemars(length(max = 128))]
    #[x_kube(validation = Rule::new("self.matches('^ *[^ ]+( +[^ ]+){4} *$')")
        .message("schedule has five fields: minute, hour, day of the month, month, day of the week"))]
    pub schedule: String,
    /// How long it lasts, in time that passes: a window over a change of the clock is not longer or shorter for that.
    pub duration: Duration,
    /// The IANA time zone in which `schedule` is read, such as `Europe/Berlin`. A time that the clock skips is the
    /// moment after the gap; a time that comes twice is the first of the two.
    #[serde(default = "utc")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: String,
    /// Whether a person may sync though this window keeps Syncs back.
    #[serde(default)]
    pub manual: bool,
    /// A sentence for whoever waits for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub reason: Option<String>,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// What a window does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WindowKind {
    /// Syncs run while it is open, and at no other time.
    Allow,
    /// No Sync runs while it is open.
    Deny,
}

/// A window of a Project, for some of its Applications.
///
/// A list that is absent stands for all; of those that are there each must have a pattern that fits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProjectWindow {
    /// The window.
    #[serde(flatten)]
    pub window: SyncWindow,
    /// Globs of Applications, as `name` or `namespace/name`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub applications: Vec<String>,
    /// Globs of the namespaces that they deploy to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub namespaces: Vec<String>,
    /// Globs of the clusters that they deploy to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub clusters: Vec<String>,
}

/// Why nothing is synced by itself though something would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Wait {
    /// What it waits for.
    pub reason: WaitReason,
    /// What that is, in a sentence.
    pub message: String,
    /// When it goes on, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::Time>,
}

/// What an Application waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WaitReason {
    /// A sync window.
    Window,
    /// An Application that it depends on.
    Dependency,
}

impl WaitReason {
    /// The word used in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Window => "Window",
            Self::Dependency => "Dependency",
        }
    }
}
