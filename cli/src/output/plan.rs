//! Plans as text.

use tiphys_engine::diff;
use tiphys_engine::plan::{Detail, Plan, text};
use tiphys_engine::snapshot::compare::{self, Comparison};

use super::documents::{self, Form};
use super::lines;
use super::style::Style;
use crate::error::Error;

/// How a plan is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum PlanFormat {
    /// The steps and what changes in each.
    #[default]
    Text,
    /// The steps alone.
    Table,
    /// All of it as JSON.
    Json,
    /// All of it as YAML.
    Yaml,
    /// The objects that would change, one a line.
    Name,
}

/// A plan in the form that was asked for.
pub fn print(plan: &Plan, format: PlanFormat, style: Style) -> Result<String, Error> {
    match format {
        PlanFormat::Text => Ok(text(plan, style.into(), Detail::Diffs)),
        PlanFormat::Table => Ok(text(plan, style.into(), Detail::Table)),
        PlanFormat::Json => documents::document(&documents::value(plan)?, Form::Json),
        PlanFormat::Yaml => documents::document(&documents::value(plan)?, Form::Yaml),
        PlanFormat::Name => Ok(lines(plan.steps.iter().map(|it| &it.id))),
    }
}

/// A comparison of two Syncs in the form that was asked for.
pub fn print_comparison(comparison: &Comparison, format: PlanFormat, style: Style) -> Result<String, Error> {
    match format {
        PlanFormat::Text => Ok(compare::text(comparison, style.into(), compare::Detail::Diffs)),
        PlanFormat::Table => Ok(compare::text(comparison, style.into(), compare::Detail::Table)),
        PlanFormat::Json => documents::document(&documents::value(comparison)?, Form::Json),
        PlanFormat::Yaml => documents::document(&documents::value(comparison)?, Form::Yaml),
        PlanFormat::Name => Ok(lines(comparison.objects.iter().map(|it| &it.id))),
    }
}

/// What to do with a plan: how to run it, and how to confirm it when a guard rail asks for that.
pub fn guide(plan: &Plan, application: &str, file: Option<&str>) -> String {
    let digest = &plan.digest;
    let confirm = if plan.guards.is_empty() { String::new() } else { format!(" --confirm {digest}") };
    let run = match file {
        Some(file) => format!("tiphys sync {application} --plan {file}{confirm}"),
        None => format!("tiphys sync {application}{confirm}"),
    };
    match plan.refusals.len() {
        0 if plan.steps.is_empty() => format!("Plan {digest}\n"),
        0 => format!("Plan {digest}; run it: {run}\n"),
        _ => format!("Plan {digest}; it cannot run\n"),
    }
}

impl From<Style> for diff::Style {
    fn from(style: Style) -> Self {
        match style {
            Style::Plain => Self::Plain,
            Style::Colour => Self::Colour,
        }
    }
}
