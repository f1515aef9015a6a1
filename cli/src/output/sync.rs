//! Syncs as a table, as a page, and as the sentence in which one ends.

use std::fmt::Write as _;

use jiff::Timestamp;
use kube::ResourceExt as _;
use tiphys_api::{Phase, PlanSummary, ProposalPhase, ProposalStatus, Sync, SyncStatus};

use super::age::{age, between};
use super::application::{Columns, Listing};
use super::style::{Style, Tone, of_phase, tame};
use super::table::{Cell, Headings, NOTHING, Table};
use super::words::{done, ended, object_text, short_revision, to_do};

/// The order in which history is told: by number; those that have not started yet come last, oldest first.
pub fn in_order(syncs: &mut [Sync]) {
    syncs.sort_by_key(|it| {
        let number = it.status.as_ref().and_then(|it| it.number).unwrap_or(u64::MAX);
        let created = it.metadata.creation_timestamp.as_ref().map(|it| it.0);
        (number, created, it.name_any())
    });
}

/// Syncs, one a line.
pub fn history(syncs: &[Sync], listing: Listing, now: Timestamp) -> String {
    let mut headings = vec!["NUMBER", "PHASE", "REVISION", "BY", "STARTED", "DURATION"];
    if listing.columns == Columns::Wide {
        headings.push("NAME");
    }
    headings.push("MESSAGE");
    let mut table = Table::new(headings);
    for sync in syncs {
        table.row(row(sync, listing.columns, now));
    }
    table.text(listing.style, listing.headings)
}

fn row(sync: &Sync, columns: Columns, now: Timestamp) -> Vec<Cell> {
    let status = sync.status.clone().unwrap_or_default();
    let revision = revision(sync, &status);
    let revision = revision.map(|it| match columns {
        Columns::Usual => short_revision(it),
        Columns::Wide => it.to_owned(),
    });
    let started = status.started_at.as_ref().map(|it| age(now, Some(it)));
    let number = status.number.map(|it| it.to_string());
    let mut cells = vec![
        Cell::optional(number.as_deref()),
        Cell::new(status.phase.as_str(), of_phase(status.phase)),
        Cell::optional(revision.as_deref()),
        by(sync, &status).into(),
        Cell::optional(started.as_deref()),
        Cell::optional(duration(&status, now).as_deref()),
    ];
    if columns == Columns::Wide {
        cells.push(sync.name_any().into());
    }
    let proposal = status.proposal.as_ref().map(in_git);
    let messages: Vec<_> = status.message.into_iter().chain(proposal).collect();
    cells.push(Cell::optional(Some(messages.join("; ")).filter(|it| !it.is_empty()).as_deref()));
    cells
}

fn revision<'a>(sync: &'a Sync, status: &'a SyncStatus) -> Option<&'a str> {
    status.revision.as_deref().or(sync.spec.revision.as_deref())
}

fn by(sync: &Sync, status: &SyncStatus) -> String {
    status.by.clone().unwrap_or_else(|| sync.spec.initiated_by.text())
}

/// How long a Sync took, or has taken so far. The controller knows it better than whole seconds do.
pub fn duration(status: &SyncStatus, now: Timestamp) -> Option<String> {
    let started = status.started_at.as_ref()?.0;
    let Some(finished) = &status.finished_at else {
        return Some(between(started, now.max(started)));
    };
    Some(status.duration.clone().unwrap_or_else(|| between(started, finished.0.max(started))))
}

/// Everything about one Sync, on a page.
pub fn page(sync: &Sync, style: Style, now: Timestamp) -> String {
    let status = sync.status.clone().unwrap_or_default();
    let mut text = super::facts(&facts(sync, &status, style, now), style);
    if !status.objects.is_empty() {
        let mut table = Table::new(["OBJECT", "ACTION", "OUTCOME", "MESSAGE"]);
        for it in &status.objects {
            let (outcome, tone) = outcome(it.outcome);
            table.row(vec![
                object_text(&it.group, &it.kind, it.namespace.as_deref(), &it.name).into(),
                to_do(it.action).into(),
                Cell::new(outcome, tone),
                Cell::optional(it.message.as_deref()),
            ]);
        }
        text.push('\n');
        text.push_str(&table.text(style, Headings::Shown));
    }
    text
}

fn outcome(outcome: tiphys_api::Outcome) -> (&'static str, Tone) {
    match outcome {
        tiphys_api::Outcome::Pending => ("Pending", Tone::Faint),
        tiphys_api::Outcome::Applied => ("Applied", Tone::Good),
        tiphys_api::Outcome::Failed => ("Failed", Tone::Bad),
        tiphys_api::Outcome::Skipped => ("Skipped", Tone::Faint),
    }
}

fn facts(sync: &Sync, status: &SyncStatus, style: Style, now: Timestamp) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("Name", sync.name_any()),
        ("Namespace", sync.metadata.namespace.clone().unwrap_or_else(|| NOTHING.to_owned())),
        ("Application", sync.spec.application.clone()),
        ("Number", status.number.map_or_else(|| NOTHING.to_owned(), |it| it.to_string())),
        ("Phase", style.paint(of_phase(status.phase), status.phase.as_str())),
        ("By", tame(&by(sync, status)).into_owned()),
    ];
    facts.extend(revision(sync, status).map(|it| ("Revision", it.to_owned())));
    facts.extend(sync.spec.rollback_to.as_ref().map(|it| ("Rollback to", it.clone())));
    facts.push(("Asked for", format!("{} ago", age(now, sync.metadata.creation_timestamp.as_ref()))));
    if let Some(started) = &status.started_at {
        facts.push(("Started", format!("{} ({} ago)", started.0, between(started.0, now))));
    }
    if let Some(finished) = &status.finished_at {
        facts.push(("Finished", format!("{} ({} ago)", finished.0, between(finished.0, now))));
    }
    facts.extend(duration(status, now).map(|it| ("Duration", it)));
    facts.extend(status.plan.as_ref().map(|it| ("Plan", plan_counts(it))));
    facts.extend(status.snapshot.clone().map(|it| ("Snapshot", format!("Secret {it}"))));
    facts.extend(status.message.as_deref().map(|it| ("Message", tame(it).into_owned())));
    facts.extend(status.proposal.as_ref().map(|it| ("In Git", tame(&in_git(it)).into_owned())));
    facts
}

/// What became of the proposal to take the files back in Git, too.
fn in_git(proposal: &ProposalStatus) -> String {
    let branch = proposal.branch.as_deref().unwrap_or_default();
    match (proposal.phase, &proposal.message) {
        (ProposalPhase::Pending, _) | (_, None) => format!("the branch {branch} is being pushed"),
        (_, Some(message)) => message.clone(),
    }
}

/// `1 to create, 2 to change, 4 unchanged`.
pub fn plan_counts(plan: &PlanSummary) -> String {
    counts(plan, |action| format!("to {}", to_do(action)))
}

fn counts(plan: &PlanSummary, word: impl Fn(tiphys_api::Action) -> String) -> String {
    use tiphys_api::Action;
    let mut parts: Vec<String> = [
        (plan.create, Action::Create),
        (plan.adopt, Action::Adopt),
        (plan.change, Action::Change),
        (plan.recreate, Action::Recreate),
        (plan.prune, Action::Prune),
        (plan.hooks, Action::Hook),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, action)| format!("{number} {}", word(action)))
    .collect();
    if plan.unchanged > 0 || parts.is_empty() {
        parts.push(format!("{} unchanged", plan.unchanged));
    }
    parts.join(", ")
}

/// The sentence in which a Sync ends.
pub fn ending(sync: &Sync, style: Style, now: Timestamp) -> String {
    let status = sync.status.clone().unwrap_or_default();
    let subject = match status.number {
        Some(number) => format!("Sync {number} of {}", sync.spec.application),
        None => format!("Sync {} of {}", sync.name_any(), sync.spec.application),
    };
    let mut text = format!("{subject} {}", style.paint(of_phase(status.phase), ended(status.phase)));
    if status.finished_at.is_some()
        && let Some(duration) = duration(&status, now)
    {
        let preposition = if status.phase == Phase::Succeeded { "in" } else { "after" };
        let _ = write!(text, " {preposition} {duration}");
    }
    let mut rest = Vec::new();
    if status.phase == Phase::Succeeded {
        rest.extend(status.revision.as_deref().map(short_revision));
        rest.extend(status.plan.as_ref().map(|it| counts(it, |action| done(action).to_owned())));
    } else {
        rest.extend(status.message.as_deref().map(|it| tame(it).into_owned()));
    }
    if !rest.is_empty() {
        text.push_str(": ");
        text.push_str(&rest.join("; "));
    }
    text.push('\n');
    if let Some(proposal) = &status.proposal {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "In Git: {}", tame(&in_git(proposal)));
    }
    text
}

/// A Sync in one line, for a question: number, revision, how and when it ended, who.
pub fn one_line(sync: &Sync, now: Timestamp) -> String {
    let status = sync.status.clone().unwrap_or_default();
    let mut parts = vec![match status.number {
        Some(number) => format!("Sync {number}"),
        None => format!("Sync {}", sync.name_any()),
    }];
    parts.extend(revision(sync, &status).map(short_revision));
    let ago =
        status.finished_at.as_ref().map(|it| format!(" {} ago", between(it.0, now))).unwrap_or_default();
    parts.push(format!("{}{ago}", ended(status.phase)));
    parts.push(format!("by {}", tame(&by(sync, &status))));
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::application::NamespaceColumn;
    use crate::output::samples::{now, sync};

    const NAMES: [&str; 5] = ["pending", "rollback", "failed", "succeeded", "proposed"];

    #[test]
    fn history_is_told_by_number() {
        let mut syncs = NAMES.map(sync);
        in_order(&mut syncs);
        let usual = Listing {
            columns: Columns::Usual,
            namespace: NamespaceColumn::Hidden,
            headings: Headings::Shown,
            style: Style::Plain,
        };
        insta::assert_snapshot!("history", history(&syncs, usual, now()));
        insta::assert_snapshot!(
            "history_wide",
            history(&syncs, Listing { columns: Columns::Wide, ..usual }, now())
        );
    }

    #[test]
    fn pages() {
        for name in NAMES {
            insta::assert_snapshot!(format!("sync_page_{name}"), page(&sync(name), Style::Plain, now()));
        }
    }

    #[test]
    fn sentences() {
        let endings: String = NAMES.map(|it| ending(&sync(it), Style::Plain, now())).concat();
        insta::assert_snapshot!("endings", endings);
        let lines = NAMES.map(|it| one_line(&sync(it), now())).join("\n");
        insta::assert_snapshot!("one_lines", lines);
    }
}
