use std::fmt::Write as _;

use super::Plan;
use crate::diff::Style;

/// How much of a plan is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// The table of steps.
    Table,
    /// The table, and the diff of every step.
    Diffs,
}

/// The plan for people.
pub fn text(plan: &Plan, style: Style, detail: Detail) -> String {
    let _ = (style, detail);
    let mut out = String::new();
    for step in &plan.steps {
        let _ = writeln!(out, "{:?} {}", step.action, step.id);
    }
    out
}
