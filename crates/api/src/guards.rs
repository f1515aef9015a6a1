//! From how much deleting on a Sync has to be confirmed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The share of an Application's objects, in percent, that is deleted without asking unless somebody says otherwise.
const PRUNE_PERCENT: u32 = 50;
/// From how many objects on that share counts unless somebody says otherwise.
const PRUNE_FROM: u32 = 10;

/// How much a Sync may delete before somebody has to confirm it. What a Project says, its Applications can make
/// stricter but not looser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GuardLimits {
    /// Largest share of an Application's objects, in percent, that is deleted without being confirmed. 100 asks never,
    /// 0 asks always. Absent: 50.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub prune_percent: Option<u32>,
    /// From how many objects of an Application on that share counts. Absent: 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub prune_from: Option<u32>,
}

impl GuardLimits {
    /// These limits where those of `project` are not stricter.
    #[must_use]
    pub fn within(self, project: Self) -> Self {
        let strictest = |own: Option<u32>, project: Option<u32>| match (own, project) {
            (Some(own), Some(project)) => Some(own.min(project)),
            (own, project) => own.or(project),
        };
        Self {
            prune_percent: strictest(self.prune_percent, project.prune_percent),
            prune_from: strictest(self.prune_from, project.prune_from),
        }
    }

    /// Whether nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Whether deleting so many of so many objects has to be confirmed.
    pub fn asks(&self, pruned: usize, of: usize) -> bool {
        let from = usize::try_from(self.prune_from.unwrap_or(PRUNE_FROM)).unwrap_or(usize::MAX);
        let percent = usize::try_from(self.percent()).unwrap_or(usize::MAX);
        pruned > 0 && of >= from && pruned.saturating_mul(100) > of.saturating_mul(percent)
    }

    /// The share in percent.
    pub fn percent(&self) -> u32 {
        self.prune_percent.unwrap_or(PRUNE_PERCENT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(prune_percent: Option<u32>, prune_from: Option<u32>) -> GuardLimits {
        GuardLimits { prune_percent, prune_from }
    }

    #[test]
    fn a_project_cannot_be_loosened() {
        for (own, project, expected) in [
            (limits(None, None), limits(None, None), limits(None, None)),
            (limits(Some(90), Some(100)), limits(None, None), limits(Some(90), Some(100))),
            (limits(None, None), limits(Some(20), Some(5)), limits(Some(20), Some(5))),
            (limits(Some(90), Some(100)), limits(Some(20), Some(5)), limits(Some(20), Some(5))),
            (limits(Some(10), Some(2)), limits(Some(20), Some(5)), limits(Some(10), Some(2))),
            (limits(Some(10), None), limits(None, Some(5)), limits(Some(10), Some(5))),
        ] {
            assert_eq!(own.within(project), expected, "{own:?} within {project:?}");
        }
    }

    #[test]
    fn the_share_counts_from_a_number_of_objects_on() {
        for (limits, pruned, of, expected) in [
            (limits(None, None), 5, 10, false),
            (limits(None, None), 6, 10, true),
            (limits(None, None), 9, 9, false),
            (limits(Some(0), Some(1)), 1, 1, true),
            (limits(Some(0), Some(1)), 0, 1, false),
            (limits(Some(100), Some(1)), 9, 9, false),
            (limits(Some(20), Some(5)), 2, 9, true),
            (limits(Some(20), Some(5)), 1, 9, false),
        ] {
            assert_eq!(limits.asks(pruned, of), expected, "{pruned} of {of} under {limits:?}");
        }
    }
}
