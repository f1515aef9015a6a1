//! What Prometheus sees. Names follow its conventions; a label never holds what a stranger can choose freely.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tiphys_api::{ApplicationStatus, Phase, Trigger};
use tiphys_render::Counters;

/// The metrics of one process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    applications: Family<ApplicationLabels, Gauge>,
    application_info: Family<InfoLabels, Gauge>,
    /// What `application_info` says of each Application, to be taken back when it says something else.
    informed: Mutex<HashMap<(String, String), InfoLabels>>,
    syncs: Family<SyncLabels, Counter>,
    sync_duration: Family<PhaseLabels, Histogram>,
    reconcile_duration: Histogram,
    reconcile_errors: Family<ClassLabels, Counter>,
    drift: Family<ApplicationLabels, Counter>,
    renders: Family<ResultLabels, Counter>,
    fetches: Family<ResultLabels, Counter>,
    webhooks: Family<WebhookLabels, Counter>,
    leader: Gauge,
    slots: Gauge,
    requests: Family<RequestLabels, Counter>,
    step_duration: Family<StepLabels, Histogram>,
    notifications: Family<NotificationLabels, Counter>,
    traces: Family<ResultLabels, Counter>,
    /// What the renderer had done when its counters were last taken over.
    rendered: Mutex<Counters>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ApplicationLabels {
    namespace: String,
    application: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct InfoLabels {
    namespace: String,
    application: String,
    project: String,
    sync: String,
    health: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SyncLabels {
    namespace: String,
    application: String,
    phase: &'static str,
    trigger: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PhaseLabels {
    phase: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ClassLabels {
    class: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct WebhookLabels {
    provider: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    verb: &'static str,
    dry_run: &'static str,
    code: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StepLabels {
    step: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct NotificationLabels {
    namespace: String,
    notification: String,
    destination: &'static str,
    result: &'static str,
}

/// Every value of two labels of [`NotificationLabels`].
const DESTINATIONS: [&str; 5] = ["webhook", "slack", "email", "commit-status", "none"];
const DELIVERY_RESULTS: [&str; 3] = ["delivered", "retried", "failed"];

/// Upper bounds of the duration buckets in seconds: from an unchanged look to a slow rollout.
const BUCKETS: [f64; 12] = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0, 1200.0];

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All metrics at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("tiphys");
        let metrics = Self {
            applications: Family::default(),
            application_info: Family::default(),
            informed: Mutex::default(),
            syncs: Family::default(),
            sync_duration: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            reconcile_duration: Histogram::new(BUCKETS),
            reconcile_errors: Family::default(),
            drift: Family::default(),
            renders: Family::default(),
            fetches: Family::default(),
            webhooks: Family::default(),
            leader: Gauge::default(),
            slots: Gauge::default(),
            requests: Family::default(),
            step_duration: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            notifications: Family::default(),
            traces: Family::default(),
            rendered: Mutex::default(),
            registry: Registry::default(),
        };
        registry.register(
            "application_ready",
            "Whether an Application is Ready",
            metrics.applications.clone(),
        );
        registry.register(
            "application_info",
            "Sync state and health of an Application, always 1",
            metrics.application_info.clone(),
        );
        registry.register("sync", "Syncs that ended", metrics.syncs.clone());
        registry.register_with_unit(
            "sync_duration",
            "Time from the start of a Sync to its end",
            Unit::Seconds,
            metrics.sync_duration.clone(),
        );
        registry.register_with_unit(
            "reconcile_duration",
            "Time of one reconciliation of an Application",
            Unit::Seconds,
            metrics.reconcile_duration.clone(),
        );
        registry.register(
            "reconcile_errors",
            "Reconciliations that failed",
            metrics.reconcile_errors.clone(),
        );
        registry.register("drift", "Objects that were seen to drift", metrics.drift.clone());
        registry.register("renders", "Renderings, by where they came from", metrics.renders.clone());
        registry.register("fetches", "Looks at a repository, by what they found", metrics.fetches.clone());
        registry.register("webhooks", "Webhooks received", metrics.webhooks.clone());
        registry.register("leader", "Whether this process holds a Lease", metrics.leader.clone());
        registry.register("slots", "Slots whose Applications this process works on", metrics.slots.clone());
        registry.register(
            "kubernetes_requests",
            "Requests to the API server, by verb and answer (code none: there was none)",
            metrics.requests.clone(),
        );
        registry.register_with_unit(
            "step_duration",
            "Time of one step of a Sync: fetch, render, plan, apply, wait",
            Unit::Seconds,
            metrics.step_duration.clone(),
        );
        registry.register(
            "notifications",
            "Deliveries of Notifications, by what came of them",
            metrics.notifications.clone(),
        );
        registry.register("traces", "Traces of Syncs, by what came of them", metrics.traces.clone());
        Self { registry, ..metrics }
    }

    /// The text that Prometheus scrapes, in the OpenMetrics format.
    pub fn text(&self) -> String {
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            text.clear();
            let _ = writeln!(text, "# EOF");
        }
        text
    }

    /// An Application's state is reported.
    pub fn application(&self, key: &(String, String), project: &str, status: &ApplicationStatus) {
        let ready = status
            .conditions
            .iter()
            .any(|it| it.type_ == tiphys_api::READY && it.status == tiphys_api::ConditionStatus::True);
        self.applications.get_or_create(&labels(key)).set(i64::from(ready));
        let info = info(key, project, status);
        let before = self.informed.lock().insert(key.clone(), info.clone());
        if let Some(before) = before.filter(|it| *it != info) {
            self.application_info.remove(&before);
        }
        self.application_info.get_or_create(&info).set(1);
    }

    /// An Application is gone, or another process works on it.
    pub fn forget(&self, key: &(String, String)) {
        self.applications.remove(&labels(key));
        self.drift.remove(&labels(key));
        if let Some(info) = self.informed.lock().remove(key) {
            self.application_info.remove(&info);
        }
    }

    /// A Sync ended.
    pub fn sync(&self, key: &(String, String), phase: Phase, trigger: Trigger, took: Duration) {
        let (phase, trigger) = (phase.as_str(), trigger.as_str());
        let labels = SyncLabels { namespace: key.0.clone(), application: key.1.clone(), phase, trigger };
        self.syncs.get_or_create(&labels).inc();
        self.sync_duration.get_or_create(&PhaseLabels { phase }).observe(took.as_secs_f64());
    }

    /// A reconciliation ended.
    pub fn reconciled(&self, took: Duration) {
        self.reconcile_duration.observe(took.as_secs_f64());
    }

    /// A reconciliation failed.
    pub fn reconcile_failed(&self, class: &'static str) {
        self.reconcile_errors.get_or_create(&ClassLabels { class }).inc();
    }

    /// An object of an Application drifted.
    pub fn drifted(&self, key: &(String, String)) {
        self.drift.get_or_create(&labels(key)).inc();
    }

    /// What the renderer has done since the start.
    pub fn rendered(&self, now: Counters) {
        let mut seen = self.rendered.lock();
        for (result, now, before) in [
            ("hit", now.hits, seen.hits),
            ("rendered", now.misses, seen.misses),
            ("error", now.failures, seen.failures),
        ] {
            self.renders.get_or_create(&ResultLabels { result }).inc_by(now.saturating_sub(before));
        }
        *seen = now;
    }

    /// A repository was looked at.
    pub fn fetched(&self, result: &'static str) {
        self.fetches.get_or_create(&ResultLabels { result }).inc();
    }

    /// A webhook came in.
    pub fn webhook(&self, provider: &'static str, result: &'static str) {
        self.webhooks.get_or_create(&WebhookLabels { provider, result }).inc();
    }

    /// The API server was asked, and answered with this status, or not at all.
    pub fn requested(&self, verb: &'static str, dry_run: bool, status: Option<u16>) {
        let code = status.map_or_else(|| "none".to_owned(), |it| it.to_string());
        let dry_run = if dry_run { "true" } else { "false" };
        self.requests.get_or_create(&RequestLabels { verb, dry_run, code }).inc();
    }

    /// A step of a Sync ended.
    pub fn step(&self, step: &'static str, took: Duration) {
        self.step_duration.get_or_create(&StepLabels { step }).observe(took.as_secs_f64());
    }

    /// An attempt to deliver a Notification ended.
    pub fn notified(
        &self,
        (namespace, name): &(String, String),
        destination: &'static str,
        result: &'static str,
    ) {
        let (namespace, notification) = (namespace.clone(), name.clone());
        let labels = NotificationLabels { namespace, notification, destination, result };
        self.notifications.get_or_create(&labels).inc();
    }

    /// A Notification is gone.
    pub fn forget_notification(&self, (namespace, name): &(String, String)) {
        for destination in DESTINATIONS {
            for result in DELIVERY_RESULTS {
                let (namespace, notification) = (namespace.clone(), name.clone());
                let labels = NotificationLabels { namespace, notification, destination, result };
                self.notifications.remove(&labels);
            }
        }
    }

    /// So many traces were sent, or given up.
    pub fn traced(&self, result: &'static str, count: usize) {
        self.traces.get_or_create(&ResultLabels { result }).inc_by(count as u64);
    }

    /// The first Lease was won, or all were lost.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// From now on the Applications of so many slots are worked on.
    pub fn slots(&self, count: usize) {
        self.slots.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}

fn labels((namespace, application): &(String, String)) -> ApplicationLabels {
    ApplicationLabels { namespace: namespace.clone(), application: application.clone() }
}

fn info(key: &(String, String), project: &str, status: &ApplicationStatus) -> InfoLabels {
    InfoLabels {
        namespace: key.0.clone(),
        application: key.1.clone(),
        project: project.to_owned(),
        sync: status.sync.map_or_else(|| "Unknown".to_owned(), |it| format!("{it:?}")),
        health: status.health.map_or_else(|| "Unknown".to_owned(), |it| format!("{it:?}")),
    }
}

#[cfg(test)]
mod tests {
    use tiphys_api::SyncState;

    use super::*;

    #[test]
    fn an_application_is_told_of_once_and_not_after_its_end() {
        let metrics = Metrics::new();
        let key = ("shop".to_owned(), "web".to_owned());
        let told = || -> Vec<String> {
            let text = metrics.text();
            let lines = text.lines().filter(|it| it.contains("application=\"web\""));
            lines.map(|it| it.replace("namespace=\"shop\",application=\"web\"", "web")).collect()
        };
        metrics.application(&key, "default", &ApplicationStatus::default());
        let status = ApplicationStatus { sync: Some(SyncState::Synced), ..ApplicationStatus::default() };
        metrics.application(&key, "default", &status);
        metrics.application(&key, "tenants", &status);
        metrics.application(&key, "tenants", &status);
        let info = "tiphys_application_info{web,project=\"tenants\",sync=\"Synced\",health=\"Unknown\"} 1";
        assert_eq!(told(), ["tiphys_application_ready{web} 0", info]);
        metrics.forget(&key);
        assert_eq!(told(), [""; 0]);
    }
}
