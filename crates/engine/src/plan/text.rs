use std::fmt::Write as _;

use anstyle::AnsiColor;
use tiphys_api::{Action, HookPhase};

use super::guard::guards_text;
use super::{Kept, KeptWhy, Plan, Reason, Step};
use crate::diff::{self, Style};
use crate::modes::Mode;

/// How much of a plan is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// The table of steps.
    Table,
    /// The table, and the diff of every step.
    Diffs,
}

/// Fields of a change that the table names.
const FIELDS: usize = 3;

/// The plan for people: a line for each step, the diffs if asked for, what stands in the way, and the counts.
pub fn text(plan: &Plan, style: Style, detail: Detail) -> String {
    let mut parts = vec![table(plan, style)];
    if detail == Detail::Diffs {
        parts.extend(plan.steps.iter().filter_map(|step| changes(step, style)));
    }
    parts.push(refusals(plan, style));
    if !plan.guards.is_empty() {
        let warning = format!("Needs confirmation: {}\n", guards_text(&plan.guards, &plan.digest));
        parts.push(style.paint(AnsiColor::Yellow, &warning));
    }
    parts.push(totals(plan));
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

fn table(plan: &Plan, style: Style) -> String {
    let width = plan.steps.iter().map(|step| step.id.to_string().chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    let mut stage = None;
    for step in &plan.steps {
        if let Some(name) = plan.stages.get(step.stage).filter(|_| stage != Some(step.stage)) {
            stage = Some(step.stage);
            let heading = format!(
                "{name}{}:",
                if name.phase == HookPhase::SyncFail { " (when the Sync fails)" } else { "" }
            );
            let _ = writeln!(out, "{}", style.paint(AnsiColor::Cyan, &heading));
        }
        let (sign, word, colour) = describe(step.action);
        let head = style.paint(colour, &format!("{sign} {word:<8}"));
        let line = format!("{head} {:<width$}  {}", step.id.to_string(), note(step));
        // Writing into a string cannot fail.
        let _ = writeln!(out, "{}", line.trim_end());
        for warning in &step.warnings {
            let _ = writeln!(
                out,
                "           {}",
                style.paint(AnsiColor::Yellow, &format!("warning: {warning}"))
            );
        }
    }
    for kept in &plan.kept {
        let _ = writeln!(out, "  keep     {:<width$}  {}", kept.id.to_string(), kept.words());
    }
    for aside in &plan.aside {
        let _ = writeln!(out, "  aside    {:<width$}  {}", aside.id.to_string(), aside.why);
    }
    for warning in &plan.warnings {
        let _ = writeln!(out, "{} {warning}", style.paint(AnsiColor::Yellow, "warning:"));
    }
    out
}

const fn describe(action: Action) -> (char, &'static str, AnsiColor) {
    match action {
        Action::Create => ('+', "create", AnsiColor::Green),
        Action::Adopt => ('*', "adopt", AnsiColor::Yellow),
        Action::Change => ('~', "change", AnsiColor::Yellow),
        Action::Recreate => ('!', "recreate", AnsiColor::Red),
        Action::Prune => ('-', "prune", AnsiColor::Red),
        Action::Hook => ('>', "run", AnsiColor::Cyan),
        Action::Unchanged => (' ', "unchanged", AnsiColor::White),
    }
}

fn note(step: &Step) -> String {
    let why = why(step);
    let replaces = step.mode == Mode::ReplaceOnce && matches!(step.action, Action::Adopt | Action::Change);
    match (replaces, why.is_empty()) {
        (false, _) => why,
        (true, true) => "replaced as a whole".to_owned(),
        (true, false) => format!("replaced as a whole; {why}"),
    }
}

fn why(step: &Step) -> String {
    match &step.reason {
        Reason::New if step.by_schema => "checked by the schema that comes with it".to_owned(),
        Reason::New | Reason::NotInRendering => String::new(),
        Reason::HandedOver { from } => {
            let fields = step.diff.summary(FIELDS);
            let separator = if fields.is_empty() { "" } else { "; " };
            format!("moves here from {from}{separator}{fields}")
        }
        Reason::Missing => "was deleted".to_owned(),
        Reason::Unmarked | Reason::Differs => step.diff.summary(FIELDS),
        Reason::Ownership => "takes back fields that others took over, without changing them".to_owned(),
        Reason::Immutable { message } => message.clone(),
        Reason::Deleting => "is being deleted".to_owned(),
        Reason::LeftOver => "what an earlier run left is deleted first".to_owned(),
        Reason::Reused => "applied over what an earlier run left; what is done does not run again".to_owned(),
        Reason::Unverified { why } => format!("not checked: {why}"),
    }
}

impl Kept {
    /// Why it stays, in words.
    pub fn words(&self) -> String {
        match &self.why {
            KeptWhy::PruneDisabled => "is no longer in the rendering; pruning is off".to_owned(),
            KeptWhy::Annotated { annotation } => format!("is no longer in the rendering; has {annotation}"),
            KeptWhy::Deleting => "is being deleted".to_owned(),
            KeptWhy::Unknown => {
                "is no longer in the rendering; the server of its kind does not answer".to_owned()
            }
            KeptWhy::Renamed { to } => format!("is the same object as {to}"),
            KeptWhy::Unreadable => "is no longer in the rendering; cannot be read".to_owned(),
            KeptWhy::HandedOver { to } => format!("moves to {to}, which has it in its rendering"),
        }
    }
}

/// The diff of one step under its name; none when there is nothing to see.
fn changes(step: &Step, style: Style) -> Option<String> {
    if step.diff.is_empty() {
        return None;
    }
    let (sign, word, colour) = describe(step.action);
    let origin = step.origin.as_ref().map(|origin| format!(" ({origin})")).unwrap_or_default();
    let head = style.paint(colour, &format!("{sign} {word} {}{origin}", step.id));
    Some(format!("{head}\n{}", diff::text(&step.diff, style)))
}

fn refusals(plan: &Plan, style: Style) -> String {
    let mut out = String::new();
    for refusal in &plan.refusals {
        let _ = writeln!(out, "{} {refusal}", style.paint(AnsiColor::Red, "refused:"));
    }
    out
}

fn totals(plan: &Plan) -> String {
    let summary = plan.summary();
    let counts = [
        (summary.create, "to create"),
        (summary.adopt, "to adopt"),
        (summary.change, "to change"),
        (summary.recreate, "to recreate"),
        (summary.prune, "to prune"),
        (summary.hooks, "to run"),
        (summary.unchanged, "unchanged"),
        (u32::try_from(plan.refusals.len()).unwrap_or(u32::MAX), "refused"),
    ];
    let named: Vec<_> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if named.is_empty() { "Nothing to do.\n".to_owned() } else { format!("{}.\n", named.join(", ")) }
}
