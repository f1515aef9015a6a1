use serde_json::{Value, json};
use tiphys_engine::diff::{self, Diff, Style};

use crate::data::{check_all, text};

/// A file has the object `before` and `after` (absent: there is none), the `fields` that differ, and, if it matters,
/// the `text`. What it lists under `never` must not show anywhere.
#[test]
fn diffs_are_as_their_files_say() {
    check_all("diff", |case| {
        let found = Diff::between(case.get("before"), case.get("after"));
        let json = serde_json::to_value(&found).unwrap();
        let fields = json.get("fields").cloned().unwrap_or(json!([]));
        let expected = case.get("fields").cloned().unwrap_or(json!([]));
        if fields != expected {
            return Err(format!("expected the fields {expected}, found {fields}"));
        }
        let printed = diff::text(&found, Style::Plain);
        if case.get("text").is_some() && printed != text(case, "text") {
            return Err(format!("expected\n{}\nfound\n{printed}", text(case, "text")));
        }
        let everything = format!("{json} {printed} {found:?}");
        let never = case.get("never").and_then(Value::as_array).into_iter().flatten();
        if let Some(shown) = never.filter_map(Value::as_str).find(|secret| everything.contains(secret)) {
            return Err(format!("shows {shown:?}"));
        }
        let changed = case.get("before").is_some() && case.get("after").is_some();
        if changed && found.is_empty() != expected.as_array().is_some_and(Vec::is_empty) {
            return Err(format!("is_empty is {}", found.is_empty()));
        }
        let read: Diff = serde_json::from_value(json).unwrap();
        if read != found {
            return Err("is another after JSON".to_owned());
        }
        Ok(())
    });
}

#[test]
fn colour_only_adds_escapes() {
    let config = |value: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": value}});
    let diff = Diff::between(Some(&config("a")), Some(&config("b")));
    let coloured = diff::text(&diff, Style::Colour);
    assert!(coloured.contains("\u{1b}[32m+  k: b\u{1b}[0m"), "{coloured:?}");
    let mut plain = coloured;
    for escape in ["\u{1b}[31m", "\u{1b}[32m", "\u{1b}[36m", "\u{1b}[0m"] {
        plain = plain.replace(escape, "");
    }
    assert_eq!(plain, diff::text(&diff, Style::Plain));
}

#[test]
fn a_summary_names_the_first_fields() {
    let config = |data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "data": data});
    let diff = Diff::between(Some(&config(json!({}))), Some(&config(json!({"a": "1", "b": "2", "c": "3"}))));
    assert_eq!(diff.summary(3), "data.a, data.b, data.c");
    assert_eq!(diff.summary(2), "data.a, data.b, and 1 more");
}
