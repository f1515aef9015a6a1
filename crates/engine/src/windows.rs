//! Sync windows: whether Syncs may run at a moment, and when that changes.
//!
//! The rules are Argo CD's (`reference/argocd.md` 2.9): an open window that denies keeps Syncs back; where there are
//! windows that allow, one of them must be open. Windows of the Project and of the Application are decided each by
//! themselves, and both must let a Sync through: nobody can allow what the Project does not. Unlike Argo CD, the lists
//! of a Project's window must all fit, and a time zone that is not known is refused and not read as UTC.
//!
//! Times are those of the window's time zone. A schedule with a fixed time that the clock skips begins when the clock
//! has jumped, and one whose time comes twice begins the first time; schedules with a step or `*` in the hour follow
//! the clock. Durations are time that passes.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tiphys_api::{ProjectWindow, SyncWindow, WindowKind};

use crate::glob;

/// The longest window: a year with its extra day.
const MAX_DURATION: SignedDuration = SignedDuration::from_hours(366 * 24);
/// How many beginnings that run into each other are followed to find an end.
const MAX_BEGINNINGS: usize = 500;
/// How many windows in a row are followed to find a moment at which Syncs run.
const MAX_WINDOWS: usize = 50;
/// Every schedule that ever begins does so between here and the second leap day after it.
const REFERENCE: Timestamp = Timestamp::constant(1_704_067_200, 0);

/// A window that was understood.
#[derive(Clone, Debug)]
pub struct Window {
    kind: WindowKind,
    manual: bool,
    cron: Cron,
    zone: TimeZone,
    duration: SignedDuration,
    words: String,
}

/// A window that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// Its schedule cannot be read.
    #[error("the sync window {schedule:?} has a schedule that cannot be read: {problem}")]
    Schedule {
        /// As it was written.
        schedule: String,
        /// What is wrong.
        problem: String,
    },
    /// Its schedule names a moment that does not exist.
    #[error("the sync window {schedule:?} never begins: there is no such day")]
    Never {
        /// As it was written.
        schedule: String,
    },
    /// Its duration is zero, or longer than a year.
    #[error(
        "the sync window {schedule:?} lasts {duration}: write more than nothing and at most 8784h, which is a year"
    )]
    Duration {
        /// Its schedule.
        schedule: String,
        /// As it was written.
        duration: tiphys_api::Duration,
    },
    /// Its time zone is not known.
    #[error(
        "the sync window {schedule:?} has the time zone {zone:?}, which is not known: write an IANA name such as \
         Europe/Berlin"
    )]
    Zone {
        /// Its schedule.
        schedule: String,
        /// As it was written.
        zone: String,
    },
}

/// Windows that are decided together, and whose they are.
#[derive(Clone, Debug)]
pub struct WindowSet {
    /// For people: `this Application`, or `Project shop`.
    pub owner: String,
    /// The windows.
    pub windows: Vec<Window>,
}

/// Why no Sync runs by itself at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Which window it is, in a sentence without its end.
    pub message: String,
    /// When Syncs run again; when `is_later`, they run then or after that. None: nobody can say.
    pub until: Option<Timestamp>,
    /// Whether it is later than `until`, which is only how far it was looked.
    pub is_later: bool,
    /// Whether a person may sync all the same.
    pub manual: bool,
}

/// How it is with a window at a moment.
enum Span {
    /// `is_later`: it ends after `until`, which is only how far it was looked.
    Open {
        until: Timestamp,
        is_later: bool,
    },
    Shut {
        next: Option<Timestamp>,
    },
}

impl Window {
    /// Understands a window.
    pub fn new(window: &SyncWindow) -> Result<Self, WindowError> {
        let schedule = window.schedule.clone();
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(&schedule).map_err(|problem| WindowError::Schedule {
            schedule: schedule.clone(),
            problem: problem.to_string(),
        })?;
        let duration = SignedDuration::try_from(window.duration.get()).unwrap_or(SignedDuration::MAX);
        if duration.is_zero() || duration > MAX_DURATION {
            return Err(WindowError::Duration { schedule, duration: window.duration });
        }
        let zone = TimeZone::get(&window.time_zone)
            .map_err(|_| WindowError::Zone { schedule: schedule.clone(), zone: window.time_zone.clone() })?;
        let reason = window.reason.as_ref().map(|it| format!(": {it}")).unwrap_or_default();
        let words = format!("{schedule} for {}, {}{reason}", window.duration, window.time_zone);
        let understood = Self { kind: window.kind, manual: window.manual, cron, zone, duration, words };
        if understood.begins_after(REFERENCE).is_none() {
            return Err(WindowError::Never { schedule });
        }
        Ok(understood)
    }

    /// The first moment after `moment` at which it begins.
    fn begins_after(&self, moment: Timestamp) -> Option<Timestamp> {
        let zoned = moment.to_zoned(self.zone.clone());
        self.cron.find_next_occurrence(&zoned, false).ok().map(|it| it.timestamp())
    }

    fn span(&self, now: Timestamp) -> Span {
        let ends = |begin: Timestamp| begin.saturating_add(self.duration).unwrap_or(Timestamp::MAX);
        let earliest = now.saturating_sub(self.duration).unwrap_or(Timestamp::MIN);
        let Some(mut begin) = self.begins_after(earliest) else {
            return Span::Shut { next: None };
        };
        if begin > now {
            return Span::Shut { next: Some(begin) };
        }
        for _ in 0..MAX_BEGINNINGS {
            match self.begins_after(begin) {
                Some(next) if next <= ends(begin) => begin = next,
                _ => return Span::Open { until: ends(begin), is_later: false },
            }
        }
        Span::Open { until: ends(begin), is_later: true }
    }
}

impl WindowSet {
    /// What keeps Syncs back at `now`, and when to look again.
    fn closed(&self, now: Timestamp) -> Option<Closed> {
        let spans: Vec<_> = self.windows.iter().map(|it| (it, it.span(now))).collect();
        let denies = spans.iter().filter_map(|(window, span)| match span {
            Span::Open { until, is_later } if window.kind == WindowKind::Deny => {
                Some((*window, *until, *is_later))
            }
            _ => None,
        });
        if let Some((window, until, is_later)) = denies.clone().max_by_key(|it| (it.2, it.1)) {
            let message = format!("a sync window of {} keeps Syncs back ({})", self.owner, window.words);
            let manual = denies.clone().all(|it| it.0.manual);
            return Some(Closed { message, until: Some(until), is_later, manual });
        }
        let allows = spans.iter().filter(|it| it.0.kind == WindowKind::Allow);
        if allows.clone().any(|it| matches!(it.1, Span::Open { .. })) {
            return None;
        }
        let begins = |span: &Span| match span {
            Span::Shut { next } => *next,
            Span::Open { until, .. } => Some(*until),
        };
        let (window, next) =
            allows.clone().map(|it| (it.0, begins(&it.1))).min_by_key(|it| it.1.unwrap_or(Timestamp::MAX))?;
        Some(Closed {
            message: format!("Syncs run only in the sync windows of {} ({})", self.owner, window.words),
            until: next,
            is_later: false,
            manual: allows.clone().all(|it| it.0.manual),
        })
    }
}

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        match self.until {
            Some(until) if self.is_later => write!(f, " until after {until}"),
            Some(until) => write!(f, " until {until}"),
            None => Ok(()),
        }
    }
}

/// What keeps Syncs back at `now`. None: nothing does.
pub fn closed(sets: &[WindowSet], now: Timestamp) -> Option<Closed> {
    let at = |moment: Timestamp| {
        let mut closed = sets.iter().filter_map(|it| it.closed(moment));
        let first = closed.next()?;
        Some(closed.fold(first, |first, other| Closed {
            until: first.until.zip(other.until).map(|(one, other)| one.max(other)),
            is_later: first.is_later || other.is_later,
            manual: first.manual && other.manual,
            ..first
        }))
    };
    let mut found = at(now)?;
    // Where one window ends, another one may go on.
    for _ in 0..MAX_WINDOWS {
        let Some(until) = found.until.filter(|_| !found.is_later) else { return Some(found) };
        match at(until) {
            None => return Some(found),
            Some(next) => (found.until, found.is_later) = (next.until, next.is_later),
        }
    }
    found.is_later = true;
    Some(found)
}

/// Whether a window of a Project is for this Application.
pub fn applies(
    window: &ProjectWindow,
    (namespace, name): (&str, &str),
    cluster: &str,
    destination: &str,
) -> bool {
    let full = format!("{namespace}/{name}");
    let fits = |globs: &[String], texts: &[&str]| {
        globs.is_empty() || globs.iter().any(|glob| texts.iter().any(|text| glob::matches(glob, text)))
    };
    // A pattern with a slash is about both, and one without about the name alone.
    let named = window.applications.is_empty()
        || window.applications.iter().any(|glob| {
            let text = if glob.contains('/') { full.as_str() } else { name };
            glob::matches(glob, text)
        });
    named && fits(&window.namespaces, &[destination]) && fits(&window.clusters, &[cluster])
}
