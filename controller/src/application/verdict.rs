//! What objects and hooks say together: a pure function from what is live to a verdict.

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use tiphys_api::{Health, HookPhase};
use tiphys_engine::hooks::{self, Outcome};
use tiphys_engine::order::Awaited;
use tiphys_engine::plan::Live;
use tiphys_manifest::ObjectId;

use super::decide::Verdict;

/// Something that is degraded may recover by itself within this time.
const GRACE: SignedDuration = SignedDuration::from_secs(5);

/// A verdict, and what it goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The verdict.
    pub verdict: Verdict,
    /// Whether a hook runs that must not be interrupted.
    pub busy: bool,
    /// What is waited for, or what failed.
    pub reason: Option<String>,
}

impl Judged {
    /// Everything is as it should be.
    pub const fn healthy() -> Self {
        Self { verdict: Verdict::Healthy, busy: false, reason: None }
    }

    /// There is nothing to wait for any more.
    pub const fn failed(reason: String) -> Self {
        Self { verdict: Verdict::Degraded, busy: false, reason: Some(reason) }
    }
}

/// What those say together that a stage waits for.
pub fn judge(
    awaited: &[Awaited],
    mark: &dyn Fn(HookPhase) -> String,
    live: &dyn Fn(&ObjectId) -> Live,
    degraded_since: &mut Option<Timestamp>,
    now: Timestamp,
) -> Judged {
    let (mut failed, mut degraded, mut waiting) = (None, None, None);
    let mut busy = false;
    for it in awaited {
        let live = live(&it.id);
        let outcome = match &it.hook {
            Some(hook) => hooks::outcome(&mark(hook.phase), &live),
            None => by_health(&live),
        };
        let words = |message: &str| match it.hook {
            Some(_) => format!("the hook {} failed: {message}", it.id),
            None => format!("{} does not work: {message}", it.id),
        };
        match outcome {
            Outcome::Succeeded => {}
            Outcome::Running(message) => {
                busy |= it.hook.is_some();
                waiting.get_or_insert_with(|| format!("waiting for {}: {message}", it.id));
            }
            Outcome::Failed { message, may_recover: false } => {
                failed.get_or_insert_with(|| words(&message));
            }
            Outcome::Failed { message, may_recover: true } => {
                degraded.get_or_insert_with(|| words(&message));
            }
        }
    }
    // What still runs beside a hook that failed is waited for: it may not be left half done.
    match (failed, degraded, waiting) {
        (Some(failed), _, _) if !busy => Judged::failed(failed),
        (Some(failed), _, _) => Judged { verdict: Verdict::Progressing(None), busy, reason: Some(failed) },
        (None, Some(degraded), _) => {
            let (verdict, reason) = (graced(degraded_since, now), Some(degraded));
            Judged { verdict, busy, reason }
        }
        (None, None, Some(waiting)) => {
            *degraded_since = None;
            Judged { verdict: Verdict::Progressing(None), busy, reason: Some(waiting) }
        }
        (None, None, None) => Judged::healthy(),
    }
}

/// Degraded, once it has been so for long enough.
pub fn graced(degraded_since: &mut Option<Timestamp>, now: Timestamp) -> Verdict {
    let end = *degraded_since.get_or_insert(now) + GRACE;
    if now >= end { Verdict::Degraded } else { Verdict::Progressing(Some(end)) }
}

fn by_health(live: &Live) -> Outcome {
    let live = match live {
        Live::Present(live) => live,
        Live::Absent => return Outcome::Running("it does not exist".to_owned()),
        Live::Unknown => return Outcome::Running("the server behind its kind does not answer".to_owned()),
    };
    let message = live.health.message.clone();
    match live.health.health {
        Health::Healthy | Health::Suspended => Outcome::Succeeded,
        Health::Degraded => Outcome::Failed { message, may_recover: true },
        Health::Progressing | Health::Unknown | Health::Missing => Outcome::Running(message),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use serde_json::{Value, json};
    use tiphys_engine::LiveObject;
    use tiphys_engine::order::Hook;
    use tiphys_manifest::GroupVersionKind;

    use super::*;

    const NOW: i64 = 1_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    fn awaited(id: &str, is_hook: bool) -> Awaited {
        let id: ObjectId = id.parse().unwrap();
        let gvk = GroupVersionKind::new(&id.group, "v1", &id.kind);
        let hook = is_hook.then(|| Hook { phase: HookPhase::PreSync, policies: BTreeSet::new() });
        Awaited { id, gvk, hook }
    }

    fn job(condition: &str) -> Value {
        json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": { "name": "a", "annotations": { "tiphys.dev/hook-run": "run" } },
            "status": { "startTime": "2026-01-01T00:00:00Z", "conditions": [{ "type": condition, "status": "True" }] },
        })
    }

    fn deployment(progressing: &str) -> Value {
        let reason =
            if progressing == "True" { "NewReplicaSetAvailable" } else { "ProgressDeadlineExceeded" };
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "a", "generation": 1 },
            "spec": { "replicas": 0 },
            "status": { "observedGeneration": 1, "conditions": [
                { "type": "Progressing", "status": progressing, "reason": reason },
                { "type": "Available", "status": "True" },
            ] },
        })
    }

    /// What a stage says that waits for these objects, degraded since then.
    fn judged(
        objects: &[(&str, bool, Option<Value>)],
        degraded_since: Option<i64>,
    ) -> (Verdict, bool, String) {
        let stage: Vec<_> = objects.iter().map(|(id, is_hook, _)| awaited(id, *is_hook)).collect();
        let live = |id: &ObjectId| {
            let object = objects.iter().find(|it| it.0 == id.to_string()).and_then(|it| it.2.as_ref());
            Live::from(object.map(|it| Arc::new(LiveObject::new(it).unwrap())))
        };
        let mut since = degraded_since.map(at);
        let judged = judge(&stage, &|_| "run".to_owned(), &live, &mut since, at(NOW));
        (judged.verdict, judged.busy, judged.reason.unwrap_or_default())
    }

    #[test]
    fn all_must_be_done_and_healthy() {
        let done = ("batch/Job a", true, Some(job("Complete")));
        let healthy = ("apps/Deployment a", false, Some(deployment("True")));
        assert_eq!(judged(&[done.clone(), healthy.clone()], None).0, Verdict::Healthy);
        let runs = ("batch/Job b", true, Some(job("Other")));
        let (verdict, busy, reason) = judged(&[done, healthy, runs], None);
        assert_eq!((verdict, busy), (Verdict::Progressing(None), true));
        assert!(reason.contains("batch/Job b"), "{reason}");
        let missing = ("apps/Deployment a", false, None);
        assert_eq!(judged(&[missing], None).0, Verdict::Progressing(None), "it may be seen late");
    }

    #[test]
    fn a_hook_that_failed_fails_at_once_but_waits_for_another_that_runs() {
        let failed = ("batch/Job a", true, Some(job("Failed")));
        let (verdict, busy, reason) = judged(std::slice::from_ref(&failed), None);
        assert_eq!((verdict, busy), (Verdict::Degraded, false));
        assert!(reason.contains("batch/Job a"), "{reason}");
        let runs = ("batch/Job b", true, Some(job("Other")));
        assert_eq!(judged(&[failed, runs], None).0, Verdict::Progressing(None));
    }

    #[test]
    fn an_object_that_is_degraded_has_a_moment_to_recover() {
        let degraded = [("apps/Deployment a", false, Some(deployment("False")))];
        assert_eq!(judged(&degraded, None).0, Verdict::Progressing(Some(at(NOW + 5))));
        assert_eq!(judged(&degraded, Some(NOW - 5)).0, Verdict::Degraded);
    }
}
