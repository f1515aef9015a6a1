//! What `tiphys check` finds, and how it says so.

use std::fmt::Write as _;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use kube::ResourceExt as _;
use serde::Serialize;
use serde_json::Value;
use tiphys_api::{Application, ConditionStatus, READY, Repository, STALLED};

use super::age::human;
use super::style::{Style, Tone, tame};
use super::words::count;
use crate::embedded;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: String,
    /// How it is.
    pub verdict: Verdict,
    /// What was seen.
    pub detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It works, with a limitation.
    Notice,
    /// We may not look.
    Unseen,
    /// Wrong.
    Bad,
}

impl Finding {
    /// Something that is as it should be.
    pub fn good(check: &str, detail: impl Into<String>) -> Self {
        Self { check: check.to_owned(), verdict: Verdict::Good, detail: detail.into(), advice: None }
    }

    /// Something else, with what to do about it.
    pub fn new(check: &str, verdict: Verdict, detail: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check: check.to_owned(), verdict, detail: detail.into(), advice: Some(advice.into()) }
    }
}

/// The findings, one a line, and a last line that sums them up.
pub fn text(findings: &[Finding], style: Style) -> String {
    let mut text = String::new();
    for finding in findings {
        let (mark, tone) = match finding.verdict {
            Verdict::Good => ("✓", Tone::Good),
            Verdict::Notice => ("!", Tone::Notice),
            Verdict::Unseen => ("?", Tone::Faint),
            Verdict::Bad => ("✗", Tone::Bad),
        };
        let _ = writeln!(text, "{} {}: {}", style.paint(tone, mark), finding.check, tame(&finding.detail));
        if let Some(advice) = &finding.advice {
            let _ = writeln!(text, "    {} {advice}", style.paint(Tone::Strong, "hint:"));
        }
    }
    let of = |verdict: Verdict| findings.iter().filter(|it| it.verdict == verdict).count();
    let end = match (of(Verdict::Bad), of(Verdict::Notice)) {
        (0, 0) => "all is in place".to_owned(),
        (0, remarks) => format!("all is in place, with {}", count(remarks, "remark")),
        (problems, _) => format!("{} to solve", count(problems, "problem")),
    };
    let _ = writeln!(text, "{end}");
    text
}

/// Whether everything that `desired` says is so in `live`. What the server added does not matter.
pub fn is_covered(desired: &Value, live: &Value) -> bool {
    match (desired, live) {
        (Value::Object(desired), Value::Object(live)) => desired
            .iter()
            .all(|(key, value)| live.get(key).map_or_else(|| is_empty(value), |it| is_covered(value, it))),
        (Value::Array(desired), Value::Array(live)) => {
            desired.len() == live.len()
                && desired.iter().zip(live).all(|(desired, live)| is_covered(desired, live))
        }
        (Value::Number(desired), Value::Number(live)) => desired.as_f64() == live.as_f64(),
        _ => desired == live,
    }
}

/// What the server may leave out when it stores an object.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(is_on) => !is_on,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
    }
}

/// Who leads, as its Lease says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leader<'a> {
    /// Somebody who has said so lately.
    Is(&'a str),
    /// Somebody who has not been heard of for some seconds.
    Was(&'a str, i64),
    /// Nobody.
    Nobody,
    /// We may not look.
    Unseen,
}

/// Seconds without a sign of life after which a leader is given up; our clock may be some seconds off.
const SILENCE: i64 = 60;

impl<'a> Leader<'a> {
    /// What a Lease says.
    pub fn of(lease: Option<&'a Lease>, now: Timestamp) -> Self {
        let spec = lease.and_then(|it| it.spec.as_ref());
        let holder = spec.and_then(|it| it.holder_identity.as_deref()).filter(|it| !it.is_empty());
        let renewed = spec.and_then(|it| it.renew_time.as_ref());
        match (holder, renewed) {
            (Some(holder), Some(renewed)) => match now.duration_since(renewed.0).as_secs() {
                ..=SILENCE => Self::Is(holder),
                silent => Self::Was(holder, silent),
            },
            _ => Self::Nobody,
        }
    }
}

/// Whether the controller runs.
pub fn of_deployment(deployment: Option<&Deployment>, leader: Leader<'_>, namespace: &str) -> Finding {
    const CHECK: &str = "controller";
    let Some(deployment) = deployment else {
        return match leader {
            Leader::Is(_) => Finding::good(CHECK, format!("runs outside of the namespace `{namespace}`")),
            _ => Finding::new(
                CHECK,
                Verdict::Bad,
                format!("there is none in namespace `{namespace}`"),
                "`tiphys install` installs it; `--installation NAMESPACE` looks elsewhere",
            ),
        };
    };
    let status = deployment.status.clone().unwrap_or_default();
    let wanted = deployment.spec.as_ref().and_then(|it| it.replicas).unwrap_or(1);
    let available = status.available_replicas.unwrap_or(0);
    if wanted == 0 {
        let name = deployment.name_any();
        let advice = format!("`kubectl scale -n {namespace} --replicas=2 deployment/{name}` starts it");
        return Finding::new(CHECK, Verdict::Bad, "it is scaled to no replicas", advice);
    }
    let replicas = count(usize::try_from(wanted).unwrap_or(0), "replica");
    let image = embedded::image(deployment).unwrap_or("no image");
    let detail = format!("{available} of {replicas} available, {image}");
    if embedded::is_rolled_out(deployment) {
        return Finding::good(CHECK, detail);
    }
    let verdict = if available > 0 { Verdict::Notice } else { Verdict::Bad };
    Finding::new(CHECK, verdict, detail, format!("`kubectl describe pods -n {namespace}` says why"))
}

/// Whether somebody leads.
pub fn of_leader(leader: Leader<'_>, namespace: &str) -> Option<Finding> {
    const CHECK: &str = "leader";
    let advice = format!("`kubectl logs -n {namespace} deployment/tiphys-controller` says why");
    match leader {
        Leader::Is(holder) => Some(Finding::good(CHECK, holder)),
        Leader::Was(holder, silent) => {
            let detail = format!("{holder} has not been heard of for {}", human(silent));
            Some(Finding::new(CHECK, Verdict::Bad, detail, advice))
        }
        Leader::Nobody => Some(Finding::new(CHECK, Verdict::Notice, "nobody leads yet", advice)),
        Leader::Unseen => None,
    }
}

/// Applications that need somebody.
pub fn of_applications(applications: &[Application]) -> Vec<Finding> {
    let stalled: Vec<Finding> = applications
        .iter()
        .filter_map(|application| {
            let conditions = &application.status.as_ref()?.conditions;
            let stalled =
                conditions.iter().find(|it| it.type_ == STALLED && it.status == ConditionStatus::True)?;
            let name = application.name_any();
            let check = format!("Application {}/{name}", application.namespace().unwrap_or_default());
            Some(Finding::new(
                &check,
                Verdict::Bad,
                &stalled.message,
                format!("correct it; `tiphys get {name}` shows the state"),
            ))
        })
        .collect();
    if stalled.is_empty() {
        let detail = match applications.len() {
            0 => "none yet".to_owned(),
            number => format!("{number}, none is stalled"),
        };
        return vec![Finding::good("Applications", detail)];
    }
    stalled
}

/// Repositories that cannot be read.
pub fn of_repositories(repositories: &[Repository]) -> Vec<Finding> {
    let unread: Vec<Finding> = repositories
        .iter()
        .filter_map(|repository| {
            let conditions = &repository.status.as_ref()?.conditions;
            let ready =
                conditions.iter().find(|it| it.type_ == READY && it.status == ConditionStatus::False)?;
            let name = repository.name_any();
            let check = format!("Repository {}/{name}", repository.namespace().unwrap_or_default());
            Some(Finding::new(
                &check,
                Verdict::Bad,
                &ready.message,
                format!("correct it with `kubectl edit repository {name}`"),
            ))
        })
        .collect();
    if unread.is_empty() {
        let detail = match repositories.len() {
            0 => "none".to_owned(),
            number => format!("{number}, all can be read"),
        };
        return vec![Finding::good("Repositories", detail)];
    }
    unread
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_server_adds_is_no_difference() {
        for (desired, live, is_equal) in [
            (json!({"a": 1}), json!({"a": 1, "b": 2}), true),
            (json!({"a": 1}), json!({"a": 1.0}), true),
            (json!({"a": 1}), json!({"a": 2}), false),
            (json!({"a": 1}), json!({}), false),
            (json!({"a": [], "b": false}), json!({}), true),
            (json!({"a": [{"x": 1}]}), json!({"a": [{"x": 1, "y": 1}]}), true),
            (json!({"a": [1]}), json!({"a": [1, 2]}), false),
        ] {
            assert_eq!(is_covered(&desired, &live), is_equal, "{desired} {live}");
        }
    }

    #[test]
    fn whether_the_controller_runs_is_judged_by_deployment_and_lease() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let lease = |renewed: &str| -> Lease {
            let spec = json!({ "holderIdentity": "pod-1", "renewTime": renewed });
            serde_json::from_value(json!({ "metadata": {}, "spec": spec })).unwrap()
        };
        let deployment = |wanted: i32, available: i32| -> Deployment {
            let container = json!({ "name": "controller", "image": "tiphys:1" });
            serde_json::from_value(json!({
                "metadata": { "name": "tiphys-controller", "generation": 1 },
                "spec": {
                    "replicas": wanted, "selector": {}, "template": { "spec": { "containers": [container] } },
                },
                "status": {
                    "observedGeneration": 1, "replicas": wanted, "updatedReplicas": wanted,
                    "availableReplicas": available,
                },
            }))
            .unwrap()
        };
        let (fresh, stale) = (lease("2026-03-01T11:59:50.000000Z"), lease("2026-03-01T11:50:00.000000Z"));
        let mut all = String::new();
        for (title, replicas, lease) in [
            ("all is well", Some((2, 2)), Some(&fresh)),
            ("on its way", Some((2, 1)), Some(&fresh)),
            ("does not start", Some((2, 0)), None),
            ("hangs", Some((2, 2)), Some(&stale)),
            ("off", Some((0, 0)), Some(&stale)),
            ("elsewhere", None, Some(&fresh)),
            ("nowhere", None, None),
        ] {
            let deployment = replicas.map(|(wanted, available)| deployment(wanted, available));
            let leader = Leader::of(lease, now);
            let mut findings = vec![of_deployment(deployment.as_ref(), leader, "tiphys")];
            findings.extend(of_leader(leader, "tiphys"));
            let _ = writeln!(all, "--- {title}\n{}", text(&findings, Style::Plain));
        }
        insta::assert_snapshot!("controller_findings", all);
    }

    #[test]
    fn findings_say_what_to_do() {
        let findings = [
            Finding::good("API server", "Kubernetes v1.36.3"),
            Finding::new("admission policies", Verdict::Unseen, "you may not read them", "ask"),
            Finding::new(
                "controller",
                Verdict::Bad,
                "1 of 2 replicas\nrun",
                "`kubectl describe pods -n tiphys` says why",
            ),
        ];
        insta::assert_snapshot!("findings", text(&findings, Style::Plain));
    }
}
