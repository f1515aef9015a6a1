//! Tables of texts and values: what Kubernetes and Helm make of them, and that the same happens here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod support;

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;
use support::cases::{self, Case};
use support::peer::{Answer, Request, ask};
use tiphys_manifest::yaml::{self, Document, Limits};

/// Checks every file of a folder: `expectations` are those that the committed file should have.
fn check_folder(
    folder: &str,
    ops: &[&'static str],
    expectations: impl Fn(&Case, &[Answer]) -> Vec<(String, String)>,
) {
    let mut wrong = Vec::new();
    for file in cases::files(folder) {
        let mut table = cases::read(&file);
        let requests: Vec<Request> = table
            .iter()
            .flat_map(|case| ops.iter().map(|op| Request { op, text: case.input.clone() }))
            .collect();
        let answers = ask(&requests);
        for (case, answers) in table.iter_mut().zip(answers.chunks(ops.len())) {
            let expected = expectations(case, answers);
            if cases::updating() {
                case.expected = expected;
            } else if case.expected != expected {
                wrong.push(format!(
                    "{}: {}\n  file: {:?}\n  now:  {expected:?}",
                    name(&file),
                    case.name,
                    case.expected
                ));
            }
        }
        if cases::updating() {
            cases::write(&file, &table);
        }
    }
    assert!(wrong.is_empty(), "{} cases are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn name(file: &Path) -> String {
    file.file_name().unwrap().to_string_lossy().into_owned()
}

/// What reading gives here: JSON or the message, and the warnings.
fn outcome(documents: Result<Vec<Document>, yaml::Error>, as_list: bool) -> Vec<(String, String)> {
    let mut documents = match documents {
        Ok(documents) => documents,
        Err(error) => return vec![("error".to_owned(), format!("{error}\n"))],
    };
    let mut warnings = String::new();
    for warning in documents.iter().flat_map(|document| &document.warnings) {
        writeln!(warnings, "line {}: {}", warning.line, warning.message).unwrap();
    }
    let json = if as_list {
        documents.iter().map(|document| document.value.clone()).collect()
    } else {
        documents.swap_remove(0).value
    };
    let mut outcome = vec![("json".to_owned(), format!("{json}\n"))];
    if !warnings.is_empty() {
        outcome.push(("warnings".to_owned(), warnings));
    }
    outcome
}

fn check_against(case: &Case, outcome: &[(String, String)], answer: &Answer) {
    match (&outcome[0], &answer.text) {
        ((kind, json), Some(theirs)) if kind == "json" => {
            let ours: Value = serde_json::from_str(json).unwrap();
            let theirs: Value = serde_json::from_str(theirs).unwrap();
            assert_eq!(ours, theirs, "{}: another value than in Kubernetes", case.name);
        }
        ((kind, _), None) if kind == "error" => {}
        _ => panic!("{}: here {outcome:?}, in Kubernetes {answer:?}", case.name),
    }
}

#[test]
fn texts_mean_what_they_mean_to_kubernetes() {
    check_folder("read", &["read"], |case, answers| {
        let read = yaml::read_document(case.input.as_bytes(), &Limits::default());
        let outcome = outcome(read.map(|document| vec![document]), false);
        check_against(case, &outcome, &answers[0]);
        outcome
    });
}

#[test]
fn streams_have_the_documents_that_they_have_for_kubernetes() {
    check_folder("stream", &["stream"], |case, answers| {
        let outcome = outcome(yaml::read_documents(case.input.as_bytes(), &Limits::default()), true);
        check_against(case, &outcome, &answers[0]);
        outcome
    });
}

/// Every case in this folder is told apart on purpose; a case that is the same after all does not belong there.
#[test]
fn deliberate_differences_are_as_documented() {
    check_folder("differences", &["read"], |case, answers| {
        let read = yaml::read_document(case.input.as_bytes(), &Limits::default());
        let mut outcome = outcome(read.map(|document| vec![document]), false);
        let theirs =
            answers[0].text.as_ref().map(|text| serde_json::from_str::<Value>(text).unwrap().to_string());
        let theirs = theirs.unwrap_or_else(|| "error".to_owned()) + "\n";
        let ours = if outcome[0].0 == "error" { "error\n" } else { &outcome[0].1 };
        assert_ne!(ours, theirs, "{}: no difference", case.name);
        outcome.push(("in Kubernetes".to_owned(), theirs));
        outcome
    });
}

#[test]
fn values_are_written_as_helm_writes_them() {
    check_folder("write", &["write", "write3"], |case, answers| {
        let value: Value = serde_json::from_str(&case.input).unwrap();
        let ours = [yaml::to_yaml(&value).ok(), Some(yaml::write_pretty(&value))];
        let kinds = ["toYaml", "toYamlPretty"];
        let mut outcome = Vec::new();
        for ((ours, answer), kind) in ours.into_iter().zip(answers).zip(kinds) {
            assert_eq!(ours, answer.text, "{} of {}", kind, case.name);
            outcome.push((kind.to_owned(), ours.unwrap_or_else(|| "error\n".to_owned())));
        }
        outcome
    });
}
