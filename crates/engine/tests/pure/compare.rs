//! What differs between two snapshots.

use serde_json::Value;
use tiphys_engine::Inventory;
use tiphys_engine::diff::Style;
use tiphys_engine::snapshot::compare::{Comparison, Detail, text as comparison_text};
use tiphys_engine::snapshot::{Capabilities, Snapshot};

use crate::data::{check_all, text};
use crate::plan::list;
use crate::server::manifest;

fn snapshot(case: &Value, field: &str, number: u64) -> Snapshot {
    Snapshot {
        application: "web".to_owned(),
        number,
        revision: format!("main@sha1:{number}"),
        rendering: format!("digest-{number}"),
        manifests: list(case, field).iter().map(manifest).collect(),
        inventory: Inventory::default(),
        destination: None,
        files: Vec::new(),
        capabilities: Capabilities::default(),
    }
}

/// A file has the manifests `from` and `to`, and the `comparison` as text. With `hidden`, a text that is nowhere.
#[test]
fn snapshots_are_compared_as_their_files_say() {
    check_all("compare", |case| {
        let (from, to) = (snapshot(case, "from", 12), snapshot(case, "to", 15));
        let comparison = Comparison::between(&from, &to);
        let found = comparison_text(&comparison, Style::Plain, Detail::Diffs);
        let expected = text(case, "comparison");
        if found.trim_end() != expected.trim_end() {
            return Err(format!("expected\n{expected}\nfound\n{found}"));
        }
        let json = serde_json::to_string(&comparison).unwrap();
        let hidden = text(case, "hidden");
        if !hidden.is_empty() && (found.contains(hidden) || json.contains(hidden)) {
            return Err(format!("{hidden} is shown:\n{found}\n{json}"));
        }
        let back = Comparison::between(&to, &from);
        assert_eq!(back.is_empty(), comparison.is_empty());
        assert_eq!(back.unchanged, comparison.unchanged);
        assert!(Comparison::between(&to, &to).is_empty());
        Ok(())
    });
}
