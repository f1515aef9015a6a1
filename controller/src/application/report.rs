//! What we say of an Application: a pure function from what is known to its status.

use tiphys_api::{
    ApplicationSpec, ApplicationStatus, Condition, ConditionStatus, Health, HoldPolicy, LastSync, Phase,
    READY, RECONCILING, ResourceStatus, STALLED, Summary, SyncState, Wait, WaitReason, set_conditions,
};

use super::finish::NOT_GONE;

/// Most objects that a status lists.
pub const MAX_RESOURCES: usize = 200;

/// Longest message in a status, in bytes.
pub const MAX_MESSAGE: usize = 4096;

/// What the source says, for the status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceReport {
    /// It was rendered; this is the digest, and whether a rollback holds it off.
    Rendered {
        /// Digest of the rendering.
        digest: String,
        /// Whether a hold keeps it away.
        held: bool,
    },
    /// Not yet known.
    Pending,
    /// It cannot be read or rendered.
    Failed {
        /// Whether only a change by somebody helps.
        stalled: bool,
        /// One word for programs.
        reason: &'static str,
        /// What is wrong and what to do next.
        message: String,
    },
}

/// What is known of an Application.
#[derive(Debug)]
pub struct Report<'a> {
    /// What it asks for.
    pub spec: &'a ApplicationSpec,
    /// Generation of `spec`.
    pub generation: i64,
    /// Namespace of objects that name none.
    pub namespace: &'a str,
    /// What the source says.
    pub source: SourceReport,
    /// Every object that should be live.
    pub resources: Vec<ResourceStatus>,
    /// Whether somebody paused it.
    pub suspended: bool,
    /// What keeps back a Sync that would start by itself.
    pub waits: Option<Wait>,
    /// What somebody has to mend in what it says about when it is synced: one word, and a sentence.
    pub problem: Option<(&'static str, String)>,
    /// Who keeps changing what we apply, that this is left alone, and what to do about it.
    pub fight: Option<String>,
    /// What the last Sync deleted and could not get rid of.
    pub left_over: Option<String>,
}

/// The status after `before`, when `report` is what is known.
pub fn status(before: &ApplicationStatus, report: Report<'_>) -> ApplicationStatus {
    let mut after = before.clone();
    after.observed_generation = Some(report.generation);
    after.destination = Some(format!("{}/{}", report.spec.destination.cluster, report.namespace));
    let health = report.resources.iter().map(|it| it.health).max();
    after.health = health.or_else(|| after.rendering.is_some().then_some(Health::Healthy));
    after.sync = Some(sync_state(&after, &report));
    after.summary = Some(summary(&report.resources));
    after.waits.clone_from(&report.waits);
    let verdict = verdict(&after, &report);
    after.resources = listed(report.resources);
    set_conditions(&mut after.conditions, verdict.conditions(report.generation));
    after
}

/// Cuts a message to what a status may hold, at a character boundary.
pub fn shorten(message: &str, limit: usize) -> String {
    if message.len() <= limit {
        return message.to_owned();
    }
    let mut end = limit.saturating_sub('…'.len_utf8());
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &message[..end])
}

fn sync_state(status: &ApplicationStatus, report: &Report<'_>) -> SyncState {
    if report.resources.iter().any(|it| it.sync == SyncState::OutOfSync) {
        return SyncState::OutOfSync;
    }
    match &report.source {
        SourceReport::Failed { .. } => SyncState::Unknown,
        SourceReport::Pending => status.sync.unwrap_or(SyncState::Unknown),
        SourceReport::Rendered { digest, .. } if status.rendering.as_ref() == Some(digest) => {
            SyncState::Synced
        }
        SourceReport::Rendered { .. } => SyncState::OutOfSync,
    }
}

fn summary(resources: &[ResourceStatus]) -> Summary {
    let count = |predicate: fn(&ResourceStatus) -> bool| {
        u32::try_from(resources.iter().filter(|it| predicate(it)).count()).unwrap_or(u32::MAX)
    };
    Summary {
        objects: count(|_| true),
        out_of_sync: count(|it| it.sync != SyncState::Synced),
        healthy: count(|it| it.health == Health::Healthy),
        degraded: count(|it| matches!(it.health, Health::Degraded | Health::Missing)),
    }
}

/// The objects that need attention first, then the others, as many as a status may list.
fn listed(mut resources: Vec<ResourceStatus>) -> Vec<ResourceStatus> {
    let attention = |it: &ResourceStatus| (it.sync == SyncState::Synced, std::cmp::Reverse(it.health));
    resources.sort_by(|a, b| {
        attention(a).cmp(&attention(b)).then_with(|| {
            (&a.group, &a.kind, &a.namespace, &a.name).cmp(&(&b.group, &b.kind, &b.namespace, &b.name))
        })
    });
    resources.truncate(MAX_RESOURCES);
    resources
}

/// The one thing that a person must know, for `Ready` and its companions.
struct Verdict {
    ready: ConditionStatus,
    companion: Option<&'static str>,
    reason: &'static str,
    message: String,
}

impl Verdict {
    fn conditions(self, generation: i64) -> Vec<Condition> {
        let message = shorten(&self.message, MAX_MESSAGE);
        let mut conditions =
            vec![Condition::new(READY, self.ready, self.reason, message.clone(), Some(generation))];
        if let Some(companion) = self.companion {
            let status = ConditionStatus::True;
            conditions.push(Condition::new(companion, status, self.reason, message, Some(generation)));
        }
        conditions
    }

    fn not_ready(companion: Option<&'static str>, reason: &'static str, message: impl Into<String>) -> Self {
        Self { ready: ConditionStatus::False, companion, reason, message: message.into() }
    }
}

fn verdict(status: &ApplicationStatus, report: &Report<'_>) -> Verdict {
    if let Some(last) = status.last_sync.as_ref().filter(|it| !it.phase.is_finished()) {
        let message = last.message.clone().unwrap_or_else(|| format!("{} runs", last.name));
        return Verdict::not_ready(Some(RECONCILING), "Syncing", message);
    }
    if let SourceReport::Failed { stalled, reason, message } = &report.source {
        let companion = if *stalled { STALLED } else { RECONCILING };
        return Verdict::not_ready(Some(companion), reason, message.clone());
    }
    if let Some((reason, message)) = &report.problem {
        return Verdict::not_ready(Some(STALLED), reason, message.clone());
    }
    if let Some(wait) = &report.waits {
        return waiting(status, wait);
    }
    // A failure that wrote nothing is over as soon as the source holds again what is live.
    let is_live = matches!(
        &report.source, SourceReport::Rendered { digest, .. } if status.rendering.as_ref() == Some(digest)
    );
    if let Some(last) = status.last_sync.as_ref().filter(|it| it.phase == Phase::Failed && !is_live) {
        return failed(status, last);
    }
    settled(status, report)
}

/// Something is to be synced and is kept back. A closed window is somebody's will, and nothing that is under way.
fn waiting(status: &ApplicationStatus, wait: &Wait) -> Verdict {
    let (companion, reason) = match wait.reason {
        WaitReason::Window => (None, "WindowClosed"),
        WaitReason::Dependency => (Some(RECONCILING), "DependencyNotReady"),
    };
    let live = status.revision.as_deref().map(|it| format!("; {it} is live")).unwrap_or_default();
    Verdict::not_ready(companion, reason, format!("{}{live}", wait.message))
}

fn failed(status: &ApplicationStatus, last: &LastSync) -> Verdict {
    let message = last.message.clone().unwrap_or_else(|| format!("{} failed", last.name));
    match &status.retry {
        Some(retry) => {
            let message = format!("{message} (further try {} at {})", retry.attempt, retry.next_at.0);
            Verdict::not_ready(Some(RECONCILING), "RetryPending", message)
        }
        None => Verdict::not_ready(Some(STALLED), "SyncFailed", message),
    }
}

/// Nothing runs and nothing failed: the objects decide.
fn settled(status: &ApplicationStatus, report: &Report<'_>) -> Verdict {
    let count = report.resources.len();
    match status.health {
        Some(Health::Missing) if report.fight.is_some() => {
            let fight = report.fight.clone().unwrap_or_default();
            return Verdict::not_ready(Some(STALLED), "Fight", fight);
        }
        Some(Health::Degraded | Health::Missing) => {
            return Verdict::not_ready(None, "Degraded", worst(report));
        }
        Some(Health::Progressing | Health::Unknown) => {
            return Verdict::not_ready(Some(RECONCILING), "Progressing", worst(report));
        }
        Some(Health::Healthy | Health::Suspended) | None => {}
    }
    let revision = status.revision.as_deref().unwrap_or("nothing");
    if let Some(left) = &report.left_over {
        return Verdict::not_ready(Some(STALLED), NOT_GONE, format!("{revision} is live, but {left}"));
    }
    if let Some(hold) = status.hold.as_ref().filter(|it| it.policy != HoldPolicy::None) {
        let until = match hold.policy {
            HoldPolicy::Indefinite => "until somebody starts a Sync",
            HoldPolicy::UntilNewRevision | HoldPolicy::None => {
                "until a newer revision changes what is rendered"
            }
        };
        let message = format!("held at {revision} by {} {until}; {count} objects are healthy", hold.by);
        return Verdict { ready: ConditionStatus::True, companion: None, reason: "Held", message };
    }
    match (status.sync, &status.last_sync) {
        (Some(SyncState::Synced), _) => {
            let message = format!("{revision} is live; {count} objects are healthy");
            Verdict { ready: ConditionStatus::True, companion: None, reason: "Synced", message }
        }
        (_, None) if report.source == SourceReport::Pending => {
            Verdict::not_ready(Some(RECONCILING), "Fetching", "the source is being fetched")
        }
        // A correction of something else may still come; this one does not.
        _ if report.fight.is_some() => {
            Verdict::not_ready(Some(STALLED), "Fight", report.fight.clone().unwrap_or_default())
        }
        _ if report.suspended => {
            let why =
                report.spec.suspend.as_ref().and_then(|it| it.reason.as_deref()).unwrap_or("no reason given");
            Verdict::not_ready(
                None,
                "Suspended",
                format!("suspended ({why}) while out of sync; resume with `tiphys resume`"),
            )
        }
        _ if report.spec.sync.auto => {
            Verdict::not_ready(Some(RECONCILING), "OutOfSync", out_of_sync(report, "it will be synced"))
        }
        _ => Verdict::not_ready(
            None,
            "OutOfSync",
            out_of_sync(report, "see `tiphys diff`, then `tiphys sync`"),
        ),
    }
}

fn out_of_sync(report: &Report<'_>, next: &str) -> String {
    let drifted = report.resources.iter().filter(|it| it.sync == SyncState::OutOfSync);
    match drifted.clone().next() {
        Some(first) => format!(
            "{} objects drifted, first {} {}{}; {next}",
            drifted.count(),
            first.kind,
            first.name,
            first.message.as_ref().map(|it| format!(": {it}")).unwrap_or_default(),
        ),
        None => format!("the source has moved on; {next}"),
    }
}

fn worst(report: &Report<'_>) -> String {
    let Some(worst) = report.resources.iter().max_by_key(|it| it.health) else {
        return "nothing is known of the objects yet".to_owned();
    };
    let place = worst.namespace.as_ref().map(|ns| format!("{ns}/")).unwrap_or_default();
    let why = worst.message.as_ref().map(|it| format!(": {it}")).unwrap_or_default();
    format!("{} {place}{} is {:?}{why}", worst.kind, worst.name, worst.health)
}
