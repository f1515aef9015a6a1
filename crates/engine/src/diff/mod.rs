//! What differs between a live object and what it would become, for people and for programs.
//!
//! Both sides are forms that the API server itself made (the live object and the answer to a dry-run), so its
//! defaults are on both and never show. What the server writes for itself (`status`, `managedFields`, versions,
//! times) is left out, and quantities that are equal are equal. Values of Secrets are hidden before anything is
//! kept: a [`Diff`] cannot give them away.

pub(crate) mod compare;
mod normal;
mod shown;
mod text;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use normal::normalise;
pub use shown::Shown;
pub use text::{Line, LineKind, Style, text};

/// What differs between two forms of an object. Values of Secrets are hidden.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Diff {
    /// The fields that differ, in the order of the object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
    /// The same as lines of YAML with three lines around each change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hunks: Vec<Hunk>,
}

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Which field, such as `spec.containers[name=web].image`.
    pub path: String,
    /// Its value before; absent when it is new.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "shown::present")]
    pub before: Option<Shown>,
    /// Its value after; absent when it is removed.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "shown::present")]
    pub after: Option<Shown>,
}

/// Lines that differ, with those around them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hunk {
    /// Number of the first line before, counted from 1; 0 when there is none.
    pub before: u32,
    /// Number of the first line after, counted from 1; 0 when there is none.
    pub after: u32,
    /// The lines.
    pub lines: Vec<Line>,
}

impl Diff {
    /// What differs between an object before and after. `None` before: the object is new.
    pub fn between(before: Option<&Value>, after: Option<&Value>) -> Self {
        let (before, after) = shown::mask(before.map(normalise).as_ref(), after.map(normalise).as_ref());
        let fields = match (&before, &after) {
            (Some(before), Some(after)) => compare::changes(before.value(), after.value())
                .into_iter()
                .map(|change| FieldChange {
                    path: change.path.to_string(),
                    before: change.before.map(|value| Shown::part_of(before, value)),
                    after: change.after.map(|value| Shown::part_of(after, value)),
                })
                .collect(),
            _ => Vec::new(),
        };
        let changed = !fields.is_empty() || before.is_some() != after.is_some();
        Self {
            fields,
            hunks: if changed { text::hunks(before.as_ref(), after.as_ref()) } else { Vec::new() },
        }
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.hunks.is_empty()
    }

    /// The paths that differ, in a line: the first `limit` of them and how many more.
    pub fn summary(&self, limit: usize) -> String {
        let mut paths: Vec<_> = self.fields.iter().take(limit).map(|field| field.path.clone()).collect();
        if self.fields.len() > limit {
            paths.push(format!("and {} more", self.fields.len() - limit));
        }
        paths.join(", ")
    }
}
