//! Keeps values of Secrets out of the API server's sentences.
//!
//! The server quotes what it does not like: `expected string, got &value.valueUnstructured{Value:12345}`,
//! `Invalid value: "hunter2"`. For a Secret such a sentence may hold what must not be shown.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

use super::failure::Refusal;

const HIDDEN: &str = "(hidden)";

/// Values shorter than this are left to the patterns: replacing them would tear the sentence apart and tell, by
/// where it is torn, what they were.
const SHORTEST: usize = 3;

/// Places where the server quotes a value, up to the end of the quotation or, where that is open, of the line.
static QUOTED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?m)(Invalid value: |Unsupported value: |Duplicate value: |got |Value:)("(?:[^"\\]|\\.)*"|.*$)"#,
    )
    .ok()
});

/// Whether objects of this kind hold values that must not be shown.
pub(super) fn is_secret(group: &str, kind: &str) -> bool {
    group.is_empty() && kind == "Secret"
}

/// Takes the values of a Secret out of what the server says about it.
pub(super) fn hide(refusal: &mut Refusal, secret: &Map<String, Value>) {
    let values = values_of(secret);
    refusal.message = hide_in(&refusal.message, &values);
    for cause in &mut refusal.causes {
        cause.message = hide_in(&cause.message, &values);
    }
}

/// Takes the values of a Secret out of one sentence.
pub(super) fn hide_text(text: &str, secret: &Map<String, Value>) -> String {
    hide_in(text, &values_of(secret))
}

fn hide_in(text: &str, values: &[String]) -> String {
    let mut text = match QUOTED.as_ref() {
        Some(quoted) => quoted.replace_all(text, format!("${{1}}{HIDDEN}")).into_owned(),
        None => return HIDDEN.to_owned(),
    };
    for value in values {
        text = text.replace(value.as_str(), HIDDEN);
    }
    text
}

/// All values of a Secret as they may be quoted, the longest first.
fn values_of(secret: &Map<String, Value>) -> Vec<String> {
    let mut values = Vec::new();
    for field in ["data", "stringData"] {
        collect(secret.get(field).unwrap_or(&Value::Null), &mut values);
    }
    values.retain(|value| value.len() >= SHORTEST);
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    values
}

fn collect(value: &Value, values: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            if let Some(decoded) = decode(text) {
                values.push(decoded);
            }
            values.push(text.clone());
        }
        Value::Number(number) => values.push(number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, values)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, values)),
        Value::Null | Value::Bool(_) => {}
    }
}

fn decode(text: &str) -> Option<String> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_value_of_a_secret_stays_in_a_sentence() {
        let secret = json!({
            "data": {"token": "aHVudGVyMg=="},
            "stringData": {"password": "correct horse", "pin": 12345, "short": "x"},
        });
        let secret = secret.as_object().unwrap();
        for (text, expected) in [
            (
                ".stringData.pin: expected string, got &value.valueUnstructured{Value:12345}",
                ".stringData.pin: expected string, got (hidden)",
            ),
            (
                "data.token: Invalid value: \"hunter2 \\\" more\": not allowed",
                "data.token: Invalid value: (hidden): not allowed",
            ),
            ("webhook says: correct horse is weak", "webhook says: (hidden) is weak"),
            ("webhook says: hunter2, aHVudGVyMg==", "webhook says: (hidden), (hidden)"),
            ("secrets \"x\" is forbidden: exceeded quota", "secrets \"x\" is forbidden: exceeded quota"),
        ] {
            assert_eq!(hide_text(text, secret), expected);
        }
    }
}
