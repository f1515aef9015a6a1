//! What `tiphys check` finds, and how it says so.

use std::fmt::Write as _;

use kube::ResourceExt as _;
use serde::Serialize;
use serde_json::Value;
use tiphys_api::{Application, ConditionStatus, READY, Repository, STALLED};

use super::style::{Style, Tone, tame};
use super::words::count;

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
    let bad = findings.iter().filter(|it| it.verdict == Verdict::Bad).count();
    let end = match bad {
        0 => "all is in place".to_owned(),
        bad => format!("{} to solve", count(bad, "problem")),
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
