//! Every construct, builtin, verb and error in small cases whose answers Go gave.
//!
//! `tests/cases/*.txt` hold the cases, `*.golden` Go's answers. A case is
//!
//! ```text
//! === name
//! --- data {"a": 1}
//! --- missingkey zero
//! the template, without its last line feed
//! ```
//!
//! What stands before the first case is the data of all that have none of their own.
//!
//! Other heads are `left`, `right`, `name`, `text` (the template as a JSON string) and `define name` (what follows
//! is a further text). After a change run `UPDATE_GOLDENS=1 cargo test -p gotemplate --test cases`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use support::{Answer, Case, latin1, peer, run};

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

fn read(path: &Path) -> Vec<(String, Case)> {
    let text = fs::read_to_string(path).unwrap();
    let mut cases = Vec::new();
    let (shared, _) = text.split_once("=== ").unwrap();
    let shared =
        if shared.is_empty() { serde_json::Value::Null } else { serde_json::from_str(shared).unwrap() };
    for block in text.split("=== ").skip(1) {
        let (title, rest) = block.split_once('\n').unwrap();
        let mut case = Case { name: "t".to_owned(), data: shared.clone(), ..Case::default() };
        let mut rest = rest;
        while let Some(head) = rest.strip_prefix("--- ") {
            let (head, tail) = head.split_once('\n').unwrap();
            let (key, value) = head.split_once(' ').unwrap_or((head, ""));
            match key {
                "data" => {
                    case.data =
                        serde_json::from_str(value).unwrap_or_else(|error| panic!("{title}: {error}"));
                }
                "missingkey" => value.clone_into(&mut case.missing_key),
                "left" => value.clone_into(&mut case.left),
                "right" => value.clone_into(&mut case.right),
                "name" => value.clone_into(&mut case.name),
                "text" => case.text = serde_json::from_str(value).unwrap(),
                _ => panic!("{title}: no such head: {key}"),
            }
            rest = tail;
        }
        let mut texts = rest.split("--- define ");
        let main = texts.next().unwrap();
        if !main.is_empty() {
            case.text = latin1(main.strip_suffix('\n').unwrap().as_bytes());
        }
        for more in texts {
            let (name, text) = more.split_once('\n').unwrap();
            case.more.push((name.to_owned(), latin1(text.strip_suffix('\n').unwrap().as_bytes())));
        }
        cases.push((title.to_owned(), case));
    }
    cases
}

/// The output as it stands in goldens, without addresses, which differ from run to run.
fn shown(answer: &Answer) -> String {
    let mut text = String::new();
    let mut rest = answer.output.as_str();
    while let Some(at) = rest.find("0x") {
        let (before, after) = rest.split_at(at + 2);
        let digits = after.chars().take_while(char::is_ascii_hexdigit).count();
        text.push_str(before);
        text.push_str(if digits >= 6 { "ADDRESS" } else { &after[..digits] });
        rest = &after[digits..];
    }
    text.push_str(rest);
    serde_json::to_string(&text).unwrap()
}

fn golden(titles: &[(String, Case)], answers: &[Answer]) -> String {
    let mut text = String::new();
    for ((title, _), answer) in titles.iter().zip(answers) {
        let kind = if answer.ok { "ok" } else { "error" };
        writeln!(text, "=== {title}\n{kind} {}", shown(answer)).unwrap();
    }
    text
}

#[test]
fn cases_have_names_of_their_own() {
    for file in files() {
        let mut seen = BTreeSet::new();
        for (title, _) in read(&file) {
            assert!(seen.insert(title.clone()), "{}: {title} is there twice", file.display());
        }
    }
}

#[test]
fn answers_are_those_of_go() {
    let mut wrong = String::new();
    let mut count = 0;
    for file in files() {
        let cases = read(&file);
        let golden_file = file.with_extension("golden");
        if env::var_os("UPDATE_GOLDENS").is_some() {
            let inputs: Vec<Case> = cases.iter().map(|(_, case)| case.clone()).collect();
            fs::write(&golden_file, golden(&cases, &peer::ask(&inputs))).unwrap();
        }
        let expected = fs::read_to_string(&golden_file).unwrap();
        let mut expected = expected.lines();
        for (title, case) in &cases {
            count += 1;
            let answer = run(case);
            let title_line = format!("=== {title}");
            assert_eq!(
                expected.next(),
                Some(title_line.as_str()),
                "{} is not current",
                golden_file.display()
            );
            let kind = if answer.ok { "ok" } else { "error" };
            let got = format!("{kind} {}", shown(&answer));
            let want = expected.next().unwrap();
            if got != want {
                writeln!(
                    wrong,
                    "{} {title}\n  text {:?}\n  go   {want}\n  rust {got}",
                    file.display(),
                    case.text
                )
                .unwrap();
            }
        }
        assert_eq!(expected.next(), None, "{} is not current", golden_file.display());
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(count > 500, "there are {count} cases");
}
