//! Drift as a table.

use std::fmt::Write as _;

use jiff::Timestamp;
use tiphys_api::{DriftOutcome, DriftRecord};

use super::age::age;
use super::style::{Style, Tone};
use super::table::{Cell, Headings, Table};
use super::words::object_text;

/// Records of drift, one a line.
pub fn table(records: &[DriftRecord], style: Style, headings: Headings, now: Timestamp) -> String {
    let mut table = Table::new(["OBJECT", "FIELDS", "BY", "SEEN", "TIMES", "OUTCOME"]);
    for it in records {
        table.row(vec![
            object_text(&it.group, &it.kind, it.namespace.as_deref(), &it.name).into(),
            fields(it).into(),
            by(it).into(),
            age(now, Some(&it.last_seen)).into(),
            it.count.to_string().into(),
            outcome(it),
        ]);
    }
    table.text(style, headings)
}

fn fields(record: &DriftRecord) -> String {
    if record.fields.is_empty() {
        return "(deleted)".to_owned();
    }
    let mut text = record.fields.join(", ");
    if record.more_fields > 0 {
        // Writing into a string cannot fail.
        let _ = write!(text, " and {} more", record.more_fields);
    }
    text
}

fn by(record: &DriftRecord) -> String {
    match &record.subresource {
        Some(subresource) => format!("{} (/{subresource})", record.by),
        None => record.by.clone(),
    }
}

fn outcome(record: &DriftRecord) -> Cell {
    match (record.outcome, &record.sync) {
        (DriftOutcome::Corrected, Some(sync)) => Cell::new(format!("corrected by {sync}"), Tone::Good),
        (DriftOutcome::Corrected, None) => Cell::new("corrected", Tone::Good),
        (DriftOutcome::Open, _) => Cell::new("open", Tone::Notice),
        (DriftOutcome::Gone, _) => Cell::new("gone", Tone::Normal),
        (DriftOutcome::LeftAlone, _) => Cell::new("left alone", Tone::Bad),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::samples::now;

    #[test]
    fn who_changed_what_and_what_became_of_it() {
        let records: Vec<DriftRecord> = serde_json::from_value(serde_json::json!([
            {"group": "apps", "kind": "Deployment", "namespace": "web", "name": "web", "fields": ["spec.replicas"],
             "by": "kubectl", "operation": "Update", "subresource": "scale", "firstSeen": "2026-03-01T11:00:00Z",
             "lastSeen": "2026-03-01T11:55:00Z", "count": 3, "outcome": "Corrected", "sync": "web-7"},
            {"kind": "ConfigMap", "namespace": "web", "name": "config", "fields": ["data.a", "data.b"], "moreFields": 4,
             "by": "stubborn-operator", "operation": "Update", "firstSeen": "2026-03-01T11:00:00Z",
             "lastSeen": "2026-03-01T11:00:00Z", "count": 4, "outcome": "LeftAlone"},
            {"kind": "Secret", "namespace": "web", "name": "key", "by": "somebody", "firstSeen": "2026-03-01T10:00:00Z",
             "lastSeen": "2026-03-01T10:00:00Z", "count": 1, "outcome": "Open"},
        ]))
        .unwrap();
        insta::assert_snapshot!("table", table(&records, Style::Plain, Headings::Shown, now()));
    }
}
