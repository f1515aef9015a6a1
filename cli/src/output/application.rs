//! Applications as tables and as a page.

use std::fmt::Write as _;

use jiff::Timestamp;
use kube::ResourceExt as _;
use tiphys_api::{
    Application, ApplicationStatus, Condition, ConditionStatus, Hold, READY, ResourceStatus, RetryState,
    STALLED, Suspension, Wait,
};

use super::age::{age, between};
use super::policy;
use super::style::{Style, Tone, of_health, of_sync, tame};
use super::table::{Cell, Headings, NOTHING, Table};
use super::words::{health_word, hold_end, object_text, short_revision, sync_word};

/// Which columns a table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Columns {
    /// The usual ones.
    Usual,
    /// Those that `-o wide` adds, too.
    Wide,
}

/// Whether a table says in which namespace things are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamespaceColumn {
    /// It does, as with `-A`.
    Shown,
    /// It does not.
    Hidden,
}

/// How a list is printed.
#[derive(Clone, Copy, Debug)]
pub struct Listing {
    /// Which columns.
    pub columns: Columns,
    /// Whether with the namespace.
    pub namespace: NamespaceColumn,
    /// Whether with headings.
    pub headings: Headings,
    /// Which colours.
    pub style: Style,
}

/// Applications, one a line.
pub fn list(applications: &[Application], listing: Listing, now: Timestamp) -> String {
    let mut headings = Vec::new();
    if listing.namespace == NamespaceColumn::Shown {
        headings.push("NAMESPACE");
    }
    headings.extend(["NAME", "PROJECT", "SYNC", "HEALTH", "REVISION", "AGE"]);
    if listing.columns == Columns::Wide {
        headings.extend(["DESTINATION", "PATH", "MESSAGE"]);
    }
    let mut table = Table::new(headings);
    for application in applications {
        table.row(row(application, listing, now));
    }
    table.text(listing.style, listing.headings)
}

fn row(application: &Application, listing: Listing, now: Timestamp) -> Vec<Cell> {
    let status = application.status.as_ref();
    let mut cells = Vec::new();
    if listing.namespace == NamespaceColumn::Shown {
        cells.push(Cell::optional(application.metadata.namespace.as_deref()));
    }
    let revision = status.and_then(|it| it.revision.as_deref());
    let revision = revision.map(|it| match listing.columns {
        Columns::Usual => short_revision(it),
        Columns::Wide => it.to_owned(),
    });
    cells.extend([
        application.name_any().into(),
        application.spec.project.as_str().into(),
        sync_cell(application, now),
        health_cell(status),
        Cell::optional(revision.as_deref()),
        age(now, application.metadata.creation_timestamp.as_ref()).into(),
    ]);
    if listing.columns == Columns::Wide {
        let destination = status.and_then(|it| it.destination.clone());
        let namespace = application.metadata.namespace.as_deref();
        cells.extend([
            destination.unwrap_or_else(|| policy::destination(&application.spec, namespace)).into(),
            application.spec.source.path.as_str().into(),
            Cell::optional(message(status)),
        ]);
    }
    cells
}

/// `OutOfSync,Held`: what else must be known to read the state stands behind it, as with kubectl's nodes.
fn sync_cell(application: &Application, now: Timestamp) -> Cell {
    let status = application.status.as_ref();
    let mut words = Vec::new();
    let sync = status.and_then(|it| it.sync);
    words.extend(sync.map(sync_word));
    if application.metadata.deletion_timestamp.is_some() {
        words.push("Deleting");
    }
    if application.spec.suspend.as_ref().is_some_and(|it| is_suspended(it, now)) {
        words.push("Suspended");
    }
    if status.is_some_and(|it| it.hold.is_some()) {
        words.push("Held");
    }
    if status.is_some_and(|it| it.waits.is_some()) {
        words.push("Waits");
    }
    Cell::new(words.join(","), sync.map_or(Tone::Normal, of_sync))
}

/// Whether a suspension has not ended by itself.
pub fn is_suspended(suspension: &Suspension, now: Timestamp) -> bool {
    suspension.until.as_ref().is_none_or(|it| it.0 > now)
}

fn health_cell(status: Option<&ApplicationStatus>) -> Cell {
    match status.and_then(|it| it.health) {
        Some(health) => Cell::new(health_word(health), of_health(health)),
        None => Cell::optional(None),
    }
}

fn message(status: Option<&ApplicationStatus>) -> Option<&str> {
    condition(status, READY).map(|it| it.message.as_str())
}

/// One condition of an Application.
pub fn condition<'a>(status: Option<&'a ApplicationStatus>, type_: &str) -> Option<&'a Condition> {
    status?.conditions.iter().find(|it| it.type_ == type_)
}

/// Everything about one Application, on a page.
pub fn page(application: &Application, style: Style, now: Timestamp) -> String {
    let status = application.status.as_ref();
    let mut text = super::facts(&facts(application, style, now), style);
    if let Some(status) = status
        && !status.resources.is_empty()
    {
        text.push('\n');
        text.push_str(&objects(&status.resources, style));
        let shown = status.resources.len();
        let all = status.summary.map_or(shown, |it| usize::try_from(it.objects).unwrap_or(shown));
        if all > shown {
            let _ = writeln!(text, "… and {} more", all - shown);
        }
    }
    text
}

fn facts(application: &Application, style: Style, now: Timestamp) -> Vec<(&'static str, String)> {
    let status = application.status.as_ref();
    let spec = &application.spec;
    let namespace = application.metadata.namespace.as_deref();
    let mut facts = vec![
        ("Name", application.name_any()),
        ("Namespace", namespace.unwrap_or(NOTHING).to_owned()),
        ("Project", spec.project.clone()),
        ("Source", tame(&policy::source(&spec.source)).into_owned()),
        ("Destination", policy::destination(spec, namespace)),
        ("Policy", policy::automation(&spec.sync)),
        ("Deletion", policy::deletion(spec.deletion).to_owned()),
        ("Age", age(now, application.metadata.creation_timestamp.as_ref())),
    ];
    if !spec.depends_on.is_empty() {
        facts.push(("Depends on", policy::dependencies(&spec.depends_on)));
    }
    facts.extend(spec.sync.windows.iter().map(|it| ("Window", policy::window(it))));
    if let Some(suspension) = spec.suspend.as_ref().filter(|it| is_suspended(it, now)) {
        facts.push(("Suspended", suspended(suspension, now)));
    }
    let Some(status) = status else {
        facts.push(("Sync", "nobody has looked at it yet".to_owned()));
        return facts;
    };
    facts.push(("Sync", style_of(style, status.sync.map(|it| (sync_word(it), of_sync(it))))));
    facts.push(("Health", style_of(style, status.health.map(|it| (health_word(it), of_health(it))))));
    facts.extend(status.revision.clone().map(|it| ("Revision", it)));
    facts.extend(last_sync(status, now).map(|it| ("Last sync", it)));
    facts.extend(status.hold.as_ref().map(|it| ("Hold", hold(it, now))));
    facts.extend(status.retry.as_ref().map(|it| ("Retry", retry(it, now))));
    facts.extend(status.waits.as_ref().map(|it| ("Waits", waits(it, now))));
    facts.extend(state(status, style).map(|it| ("State", it)));
    facts
}

fn style_of(style: Style, word: Option<(&str, Tone)>) -> String {
    word.map_or_else(|| NOTHING.to_owned(), |(word, tone)| style.paint(tone, word))
}

/// The Ready condition in words: what is, and the sentence that says what to do.
fn state(status: &ApplicationStatus, style: Style) -> Option<String> {
    let ready = condition(Some(status), READY)?;
    let is_stalled = condition(Some(status), STALLED).is_some_and(|it| it.status == ConditionStatus::True);
    let tone = match ready.status {
        ConditionStatus::True => Tone::Good,
        _ if is_stalled => Tone::Bad,
        _ => Tone::Notice,
    };
    Some(format!("{}: {}", style.paint(tone, &ready.reason), tame(&ready.message)))
}

fn suspended(suspension: &Suspension, now: Timestamp) -> String {
    let until = match &suspension.until {
        Some(until) => format!("for {} more", between(now, until.0)),
        None => "until somebody resumes it".to_owned(),
    };
    match &suspension.reason {
        Some(reason) => format!("{until}: {}", tame(reason)),
        None => until,
    }
}

fn last_sync(status: &ApplicationStatus, now: Timestamp) -> Option<String> {
    let last = status.last_sync.as_ref()?;
    let mut text = format!("{} {}", last.number, last.phase.as_str());
    if let Some(finished) = &last.finished_at {
        let _ = write!(text, " {} ago", between(finished.0, now));
    }
    if let Some(by) = &last.by {
        let _ = write!(text, ", by {}", tame(by));
    }
    if let Some(revision) = &last.revision {
        let _ = write!(text, ", to {}", short_revision(revision));
    }
    if let Some(message) = &last.message {
        let _ = write!(text, ": {}", tame(message));
    }
    Some(text)
}

fn hold(hold: &Hold, now: Timestamp) -> String {
    let mut text = format!(
        "at Sync `{}` {}, since {} by `{}`",
        hold.rolled_back_to,
        hold_end(hold.policy),
        between(hold.since.0, now),
        hold.by
    );
    if let Some(revision) = &hold.revision {
        let _ = write!(text, "; holds off {}", short_revision(revision));
    }
    text
}

/// What it waits for; how long when that is known.
fn waits(wait: &Wait, now: Timestamp) -> String {
    match &wait.until {
        Some(until) => format!("for {} more: {}", between(now, until.0.max(now)), tame(&wait.message)),
        None => tame(&wait.message).into_owned(),
    }
}

fn retry(retry: &RetryState, now: Timestamp) -> String {
    let next = between(now, retry.next_at.0.max(now));
    format!(
        "{} made, the next in {next}",
        super::words::count(retry.attempt as usize, "further try").replace("trys", "tries")
    )
}

/// The objects of an Application, one a line.
fn objects(resources: &[ResourceStatus], style: Style) -> String {
    let mut table = Table::new(["OBJECT", "SYNC", "HEALTH", "MESSAGE"]);
    for it in resources {
        table.row(vec![
            object_text(&it.group, &it.kind, it.namespace.as_deref(), &it.name).into(),
            Cell::new(sync_word(it.sync), of_sync(it.sync)),
            Cell::new(health_word(it.health), of_health(it.health)),
            Cell::optional(it.message.as_deref()),
        ]);
    }
    table.text(style, Headings::Shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::samples::{application, now};

    fn all() -> Vec<Application> {
        ["healthy", "held", "new"].map(application).into()
    }

    #[test]
    fn lists() {
        let usual = Listing {
            columns: Columns::Usual,
            namespace: NamespaceColumn::Hidden,
            headings: Headings::Shown,
            style: Style::Plain,
        };
        insta::assert_snapshot!("list", list(&all(), usual, now()));
        let all_namespaces = Listing { namespace: NamespaceColumn::Shown, columns: Columns::Wide, ..usual };
        insta::assert_snapshot!("list_wide_all_namespaces", list(&all(), all_namespaces, now()));
    }

    #[test]
    fn pages() {
        for name in ["healthy", "held", "new", "kept-back"] {
            insta::assert_snapshot!(format!("page_{name}"), page(&application(name), Style::Plain, now()));
        }
    }

    #[test]
    fn what_waits_is_seen_in_the_list() {
        let cell = sync_cell(&application("kept-back"), now());
        let mut table = Table::new(["SYNC"]);
        table.row(vec![cell]);
        assert_eq!(table.text(Style::Plain, Headings::Hidden).trim(), "OutOfSync,Waits");
    }

    #[test]
    fn colours_change_no_text() {
        for name in ["healthy", "held", "new"] {
            let coloured = page(&application(name), Style::Colour, now());
            let stripped = anstream::adapter::strip_str(&coloured).to_string();
            assert_eq!(stripped, page(&application(name), Style::Plain, now()));
            assert_ne!(stripped, coloured);
        }
    }

    #[test]
    fn a_suspension_ends_by_itself() {
        let suspension = application("held").spec.suspend.unwrap();
        assert!(is_suspended(&suspension, now()));
        assert!(!is_suspended(&suspension, "2026-03-01T14:30:01Z".parse().unwrap()));
    }
}
