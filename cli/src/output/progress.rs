//! What a running Sync looks like: as a picture for a terminal, as lines for a pipe. Pure: the clock is an argument.

use std::fmt::Write as _;

use std::collections::{BTreeMap, BTreeSet};

use console::truncate_str;
use jiff::Timestamp;
use tiphys_api::{
    Action, Application, Health, ObjectResult, Outcome, Phase, ProposalPhase, ResourceStatus, Sync,
    SyncStatus,
};

use super::age::between;
use super::style::{Style, Tone, of_health, tame};
use super::sync::duration;
use super::words::{count, done, health_word, object_text, phase_tone, short_revision, to_do};

/// Seconds after which a Sync that nobody has touched is worth a remark.
const UNCLAIMED_AFTER: i64 = 10;

/// All that is known about a running Sync.
#[derive(Clone, Debug)]
pub struct Progress {
    sync: Sync,
    resources: Vec<ResourceStatus>,
    followed_since: Timestamp,
}

/// One object on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row<'a> {
    object: String,
    action: Action,
    outcome: Outcome,
    health: Option<Health>,
    message: &'a str,
}

impl Progress {
    /// What is known at first.
    pub fn new(sync: Sync, now: Timestamp) -> Self {
        Self { sync, resources: Vec::new(), followed_since: now }
    }

    /// Takes note of a newer state of the Sync.
    pub fn sync_changed(&mut self, sync: Sync) {
        self.sync = sync;
    }

    /// Takes note of a newer state of the Application; what it says of the time before this Sync is left out.
    pub fn application_changed(&mut self, application: &Application) {
        let Some(status) = &application.status else { return };
        let ours = status.last_sync.as_ref().map(|it| &it.name) == self.sync.metadata.name.as_ref();
        if ours {
            self.resources.clone_from(&status.resources);
        }
    }

    /// Whether the Sync has ended.
    pub fn is_finished(&self) -> bool {
        self.phase().is_finished()
    }

    /// Whether it is still to be seen what becomes of the proposal to Git.
    pub fn is_proposing(&self) -> bool {
        let proposal = self.status().and_then(|it| it.proposal.as_ref());
        proposal.is_some_and(|it| it.phase == ProposalPhase::Pending)
    }

    /// The Sync as it was last seen.
    pub fn into_sync(self) -> Sync {
        self.sync
    }

    /// Where the Sync is, in one line.
    pub fn one_line(&self, now: Timestamp) -> String {
        format!("{} ({})", self.state(now), self.elapsed(now))
    }

    fn phase(&self) -> Phase {
        self.status().map_or(Phase::Pending, |it| it.phase)
    }

    fn status(&self) -> Option<&SyncStatus> {
        self.sync.status.as_ref()
    }

    fn name(&self) -> &str {
        self.sync.metadata.name.as_deref().unwrap_or_default()
    }

    fn objects(&self) -> &[ObjectResult] {
        self.status().map_or(&[], |it| &it.objects)
    }

    /// Whether the controller has not even looked at the Sync, though it had the time.
    fn is_unclaimed(&self, now: Timestamp) -> bool {
        let untouched = self
            .status()
            .is_none_or(|it| it.phase == Phase::Pending && it.message.is_none() && it.conditions.is_empty());
        untouched && now.duration_since(self.followed_since).as_secs() >= UNCLAIMED_AFTER
    }

    fn elapsed(&self, now: Timestamp) -> String {
        let since_start = self.status().and_then(|it| duration(it, now));
        since_start.unwrap_or_else(|| between(self.followed_since, now.max(self.followed_since)))
    }

    /// The objects that this Sync touches, in its order, then others that hold it up.
    fn rows(&self) -> Vec<Row<'_>> {
        let by_name: BTreeMap<String, &ResourceStatus> =
            self.resources.iter().map(|it| (resource_text(it), it)).collect();
        let mut rows: Vec<Row<'_>> = self.objects().iter().map(|it| row(it, &by_name)).collect();
        let touched: BTreeSet<String> = rows.iter().map(|it| it.object.clone()).collect();
        let others = by_name.iter().filter(|(object, resource)| {
            !touched.contains(*object) && !matches!(resource.health, Health::Healthy | Health::Suspended)
        });
        rows.extend(others.map(|(object, resource)| Row {
            object: object.clone(),
            action: Action::Unchanged,
            outcome: Outcome::Applied,
            health: Some(resource.health),
            message: resource.message.as_deref().unwrap_or_default(),
        }));
        rows
    }

    /// Where the Sync is, without the time that it took.
    fn state(&self, now: Timestamp) -> String {
        let rows = self.rows();
        let of = |wanted: Outcome| rows.iter().filter(|it| it.outcome == wanted).count();
        match self.phase() {
            Phase::Pending if self.is_unclaimed(now) => {
                "nothing has picked this Sync up: is the controller running? see `tiphys check`".to_owned()
            }
            Phase::Pending => match self.status().and_then(|it| it.message.as_deref()) {
                Some(message) => format!("waiting for its turn: {}", tame(message)),
                None => "waiting for its turn".to_owned(),
            },
            Phase::Running if rows.is_empty() => "rendering and planning".to_owned(),
            Phase::Running => {
                format!("applying, {} of {} done", rows.len() - of(Outcome::Pending), rows.len())
            }
            Phase::Waiting => {
                let known = rows.iter().filter(|it| it.health.is_some()).count();
                let healthy = rows.iter().filter(|it| it.health == Some(Health::Healthy)).count();
                if known == 0 {
                    "applied, waiting for health".to_owned()
                } else {
                    format!("applied, waiting for health: {healthy} of {known} healthy")
                }
            }
            finished => finished.as_str().to_lowercase(),
        }
    }

    fn heading(&self) -> String {
        let status = self.status();
        let mut heading = match status.and_then(|it| it.number) {
            Some(number) => format!("Sync {number} of {}", self.sync.spec.application),
            None => format!("Sync {} of {}", self.name(), self.sync.spec.application),
        };
        if let Some(revision) = status.and_then(|it| it.revision.as_deref()) {
            let _ = write!(heading, " to {}", short_revision(revision));
        }
        let _ = write!(heading, ", by {}", self.sync.spec.initiated_by.text());
        heading
    }
}

fn row<'a>(result: &'a ObjectResult, resources: &BTreeMap<String, &'a ResourceStatus>) -> Row<'a> {
    let object = object_text(&result.group, &result.kind, result.namespace.as_deref(), &result.name);
    let resource = resources.get(&object).filter(|_| result.action != Action::Prune);
    let unhealthy = resource
        .filter(|it| it.health != Health::Healthy && result.outcome == Outcome::Applied)
        .and_then(|it| it.message.as_deref());
    Row {
        action: result.action,
        outcome: result.outcome,
        health: resource.map(|it| it.health),
        message: unhealthy.or(result.message.as_deref()).unwrap_or_default(),
        object,
    }
}

fn resource_text(resource: &ResourceStatus) -> String {
    object_text(&resource.group, &resource.kind, resource.namespace.as_deref(), &resource.name)
}

impl Row<'_> {
    fn what(&self) -> String {
        match self.outcome {
            Outcome::Pending => to_do(self.action).to_owned(),
            Outcome::Applied => done(self.action).to_owned(),
            Outcome::Failed => format!("{} failed", to_do(self.action)),
            Outcome::Skipped => "skipped".to_owned(),
        }
    }

    /// Health of what was not applied is of the time before.
    fn health_text(&self) -> &'static str {
        self.health.filter(|_| self.outcome == Outcome::Applied).map(health_word).unwrap_or_default()
    }

    fn mark(&self, phase: Phase) -> (&'static str, Tone) {
        match (self.outcome, self.health) {
            (Outcome::Pending, _) => ("·", Tone::Faint),
            (Outcome::Skipped, _) => ("–", Tone::Faint),
            (Outcome::Failed, _) | (_, Some(Health::Degraded | Health::Missing)) => ("✗", Tone::Bad),
            (Outcome::Applied, Some(Health::Healthy)) => ("✓", Tone::Good),
            (Outcome::Applied, None) if self.action == Action::Prune || phase.is_finished() => {
                ("✓", Tone::Good)
            }
            (Outcome::Applied, _) => ("◎", Tone::Notice),
        }
    }

    /// Whether nothing more has to happen to it.
    fn is_settled(&self) -> bool {
        self.mark(Phase::Running).1 == Tone::Good
    }
}

/// How much room there is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Columns.
    pub width: usize,
    /// Lines.
    pub height: usize,
}

/// How a picture is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Picture {
    /// The room for it.
    pub size: Size,
    /// Its colours.
    pub style: Style,
    /// Counts the pictures, so that something moves.
    pub frame: usize,
}

const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

impl Picture {
    /// The tree of objects with a progress line below; without a line end after the last line.
    pub fn text(&self, progress: &Progress, now: Timestamp) -> String {
        let phase = progress.phase();
        let mut rows = progress.rows();
        // Heading, progress line, the line that tells of hidden ones, and one for the shell.
        let room = self.size.height.saturating_sub(4).max(3);
        let mut hidden = 0;
        if rows.len() > room {
            let surplus = rows.len() - room;
            let all = rows.len();
            let mut removable = surplus;
            rows.retain(|row| {
                let remove = removable > 0 && row.is_settled();
                removable -= usize::from(remove);
                !remove
            });
            rows.truncate(room);
            hidden = all - rows.len();
        }
        let mut lines = vec![self.style.paint(Tone::Strong, &progress.heading())];
        lines.extend(self.tree(&rows, hidden, phase));
        lines.push(self.progress_line(progress, now));
        let lines = lines.iter().map(|it| truncate_str(it, self.size.width, "…").into_owned());
        lines.collect::<Vec<String>>().join("\n")
    }

    fn tree(&self, rows: &[Row<'_>], hidden: usize, phase: Phase) -> Vec<String> {
        let widths = Widths {
            object: widest(rows.iter().map(|it| it.object.clone())),
            what: widest(rows.iter().map(Row::what)),
            health: widest(rows.iter().map(|it| it.health_text().to_owned())),
        };
        let mut lines = Vec::with_capacity(rows.len() + 1);
        for (index, row) in rows.iter().enumerate() {
            let is_last = index + 1 == rows.len() && hidden == 0;
            let branch = self.style.paint(Tone::Faint, if is_last { "└─" } else { "├─" });
            lines.push(format!("{branch} {}", self.row(row, phase, widths)));
        }
        if hidden > 0 {
            lines.push(self.style.paint(Tone::Faint, &format!("└─ … and {}", count(hidden, "more object"))));
        }
        lines
    }

    fn row(&self, row: &Row<'_>, phase: Phase, widths: Widths) -> String {
        let (mark, tone) = row.mark(phase);
        let health = row.health_text();
        let line = format!(
            "{mark} {object:object_width$}  {what:what_width$}  {health}{gap}  {message}",
            mark = self.style.paint(tone, mark),
            object = row.object,
            object_width = widths.object,
            what = row.what(),
            what_width = widths.what,
            health = self.style.paint(row.health.map_or(Tone::Normal, of_health), health),
            gap = " ".repeat(widths.health.saturating_sub(health.len())),
            message = tame(row.message),
        );
        line.trim_end().to_owned()
    }

    fn progress_line(&self, progress: &Progress, now: Timestamp) -> String {
        let phase = progress.phase();
        let mark = match phase {
            Phase::Succeeded => "✓",
            Phase::Failed => "✗",
            Phase::Superseded => "–",
            _ => SPINNER[self.frame % SPINNER.len()],
        };
        let text = format!("{mark} {}", progress.one_line(now));
        self.style.paint(phase_tone(phase), &text)
    }
}

/// The widths of the columns of a picture.
#[derive(Clone, Copy)]
struct Widths {
    object: usize,
    what: usize,
    health: usize,
}

fn widest(texts: impl Iterator<Item = String>) -> usize {
    texts.map(|it| console::measure_text_width(&it)).max().unwrap_or(0)
}

/// Tells a running Sync line by line and says nothing twice.
#[derive(Clone, Debug, Default)]
pub struct Narrator {
    state: Option<String>,
    objects: BTreeMap<String, Told>,
}

impl Narrator {
    /// What is new since the last call.
    pub fn lines(&mut self, progress: &Progress, now: Timestamp) -> Vec<String> {
        let mut lines = Vec::new();
        let phase = progress.phase();
        for row in progress.rows() {
            let told = self.objects.entry(row.object.clone()).or_default();
            let is_done = row.outcome != Outcome::Pending && row.action != Action::Unchanged;
            if is_done && told.outcome != Some(row.outcome) {
                lines.push(with_message(&format!("  {} {}", row.what(), row.object), row.message));
                told.outcome = Some(row.outcome);
            }
            if phase == Phase::Waiting
                && let Some(health) = row.health
                && health_is_news(told.health, health)
            {
                let text = format!("  {} is {}", row.object, health_word(health));
                lines.push(with_message(&text, if health == Health::Healthy { "" } else { row.message }));
                told.health = Some(health);
            }
        }
        let state = match phase {
            // Counts would make a line of every object once more.
            Phase::Running => format!("{}: running", progress.heading()),
            Phase::Waiting => "applied, waiting for health".to_owned(),
            _ => format!("{}: {}", progress.heading(), progress.state(now)),
        };
        if !phase.is_finished() && self.state.as_ref() != Some(&state) {
            let first_things = if phase == Phase::Running { 0 } else { lines.len() };
            lines.insert(first_things, state.clone());
            self.state = Some(state);
        }
        lines
    }
}

/// What was said of one object.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    outcome: Option<Outcome>,
    health: Option<Health>,
}

/// An object that is healthy from the start is not worth a line.
fn health_is_news(before: Option<Health>, now: Health) -> bool {
    match before {
        None => now != Health::Healthy,
        Some(before) => before != now,
    }
}

fn with_message(text: &str, message: &str) -> String {
    if message.is_empty() { text.to_owned() } else { format!("{text}: {}", tame(message)) }
}

#[cfg(test)]
#[path = "progress_tests.rs"]
mod tests;
