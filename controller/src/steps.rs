//! The steps of a Sync and the time that each took: for metrics, and for its trace.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

use crate::metrics::Metrics;

/// Most steps that are kept of one Sync: of one with hundreds of waves the first ones.
const MAX_STEPS: usize = 200;
/// What was rendered so long before a Sync was asked for belongs to it.
const BEFORE: Duration = Duration::from_mins(1);

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// The files of the revision are had.
    Fetch,
    /// They become manifests.
    Render,
    /// What would change is found out.
    Plan,
    /// It is changed.
    Apply,
    /// Everything becomes healthy.
    Wait,
}

impl StepKind {
    /// The word for it in metrics and traces.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Render => "render",
            Self::Plan => "plan",
            Self::Apply => "apply",
            Self::Wait => "wait",
        }
    }
}

/// A step that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it did.
    pub kind: StepKind,
    /// When it began.
    pub began: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// Why it failed, if it did.
    pub failure: Option<String>,
}

/// A step that is under way.
#[derive(Clone, Copy, Debug)]
pub struct Began {
    kind: StepKind,
    at: SystemTime,
    clock: Instant,
}

/// The steps of one Sync so far. Clones share everything.
#[derive(Clone, Debug, Default)]
pub struct Steps {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    done: Vec<Step>,
    waiting: Option<Began>,
}

/// A step begins.
pub fn begin(kind: StepKind) -> Began {
    Began { kind, at: SystemTime::now(), clock: Instant::now() }
}

impl Steps {
    /// Those of a rendering that was made shortly before a Sync was asked for, which is why it was.
    pub fn leading_to(rendering: &Self, asked_for: SystemTime) -> Self {
        let mut done = std::mem::take(&mut rendering.inner.lock().done);
        done.retain(|it| it.began + it.took + BEFORE >= asked_for);
        Self { inner: Arc::new(Mutex::new(Inner { done, waiting: None })) }
    }

    /// A step ended.
    pub fn end(&self, step: Began, metrics: &Metrics, failure: Option<String>) {
        self.end_after(step, step.clock.elapsed(), metrics, failure);
    }

    fn end_after(&self, step: Began, took: Duration, metrics: &Metrics, failure: Option<String>) {
        metrics.step(step.kind.as_str(), took);
        let mut inner = self.inner.lock();
        if inner.done.len() < MAX_STEPS {
            inner.done.push(Step { kind: step.kind, began: step.at, took, failure });
        }
    }

    /// The Sync waits from now on, or since this time when it did already before this process.
    pub fn wait_begins(&self, since: Option<SystemTime>) {
        let mut wait = begin(StepKind::Wait);
        wait.at = since.unwrap_or(wait.at);
        self.inner.lock().waiting.get_or_insert(wait);
    }

    /// The Sync does not wait any more, if it did.
    pub fn wait_ends(&self, metrics: &Metrics, failure: Option<String>) {
        let waiting = self.inner.lock().waiting.take();
        if let Some(wait) = waiting {
            let took = wait.at.elapsed().unwrap_or_else(|_| wait.clock.elapsed());
            self.end_after(wait, took, metrics, failure);
        }
    }

    /// All that ended, once.
    pub fn take(&self) -> Vec<Step> {
        std::mem::take(&mut self.inner.lock().done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_counted_and_kept_in_order() {
        let (metrics, steps) = (Metrics::new(), Steps::default());
        steps.end(begin(StepKind::Fetch), &metrics, None);
        steps.end(begin(StepKind::Render), &metrics, Some("it is broken".to_owned()));
        steps.wait_ends(&metrics, None);
        steps.wait_begins(Some(SystemTime::now() - Duration::from_secs(7)));
        steps.wait_begins(None);
        steps.wait_ends(&metrics, None);
        let done = steps.take();
        let kinds: Vec<_> = done.iter().map(|it| it.kind).collect();
        assert_eq!(kinds, [StepKind::Fetch, StepKind::Render, StepKind::Wait]);
        assert_eq!(done[1].failure.as_deref(), Some("it is broken"));
        assert!(done[2].took >= Duration::from_secs(7), "the wait began before this process");
        let text = metrics.text();
        for step in ["fetch", "render", "wait"] {
            let line = format!("tiphys_step_duration_seconds_count{{step=\"{step}\"}} 1");
            assert!(text.contains(&line), "{line}\n{text}");
        }
        assert_eq!(steps.take(), []);
    }

    #[test]
    fn an_old_rendering_is_no_part_of_a_sync() {
        let (metrics, rendering) = (Metrics::new(), Steps::default());
        rendering.end(begin(StepKind::Render), &metrics, None);
        let later = SystemTime::now() + Duration::from_mins(5);
        assert_eq!(Steps::leading_to(&rendering, later).take(), []);
        rendering.end(begin(StepKind::Render), &metrics, None);
        assert_eq!(Steps::leading_to(&rendering, SystemTime::now()).take().len(), 1);
        assert_eq!(Steps::leading_to(&rendering, SystemTime::now()).take(), [], "it belongs to one Sync");
    }
}
