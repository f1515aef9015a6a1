//! Every function in small templates whose outputs and errors the real Helm gave.
//!
//! `tests/snippets/*.txt` hold the cases, `*.golden` Helm's answers. A case is
//!
//! ```text
//! === name
//! --- values {"a": 1}
//! the template, without its last line feed
//! ```
//!
//! What stands before the first case are the values of all that have none of their own. A line that begins with
//! `= ` is a case of one line whose name is its text. Other heads are `text` (the template as a JSON string) and
//! `template name` (what follows is a further template).
//!
//! After a change run `UPDATE_GOLDENS=1 cargo test -p tiphys-helm --test snippets`; `HELM_SNIPPETS=lists` runs one file.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, thread};

use serde_json::Value as Json;
use support::{Answer, Snippet, latin1, peer, run};

fn files() -> Vec<PathBuf> {
    let only = env::var("HELM_SNIPPETS").ok();
    let is_wanted = |path: &Path| only.as_deref().is_none_or(|only| path.file_stem().unwrap() == only);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snippets");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt") && is_wanted(path))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// The cases of a file: each begins with a line of `=== name`, or is a line of `= text`.
fn read(path: &Path) -> Vec<(String, Snippet)> {
    let text = fs::read_to_string(path).unwrap();
    let mut blocks: Vec<(String, String)> = vec![(String::new(), String::new())];
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("=== ") {
            blocks.push((title.to_owned(), String::new()));
        } else if let Some(text) = line.strip_prefix("= ") {
            blocks.push((text.to_owned(), format!("{text}\n")));
        } else {
            let (_, block) = blocks.last_mut().unwrap();
            block.push_str(line);
            block.push('\n');
        }
    }
    let mut blocks = blocks.into_iter();
    let (_, shared) = blocks.next().unwrap();
    let shared: Json = if shared.trim().is_empty() {
        Json::Object(serde_json::Map::new())
    } else {
        serde_json::from_str(&shared).unwrap()
    };
    blocks.map(|(title, block)| (title.clone(), snippet(&title, &block, &shared))).collect()
}

fn snippet(title: &str, block: &str, shared: &Json) -> Snippet {
    let mut snippet = Snippet { values: shared.clone(), ..Snippet::default() };
    let mut rest = block;
    while let Some(head) = rest.strip_prefix("--- ")
        && !head.starts_with("template ")
    {
        let (head, tail) = head.split_once('\n').unwrap();
        let (key, value) = head.split_once(' ').unwrap_or((head, ""));
        let json = |value| serde_json::from_str(value).unwrap_or_else(|error| panic!("{title}: {error}"));
        match key {
            "values" => snippet.values = json(value),
            "text" => snippet.text = latin1(json(value).as_str().unwrap().as_bytes()),
            _ => panic!("{title}: no such head: {key}"),
        }
        rest = tail;
    }
    let mut texts = rest.split("--- template ");
    let main = texts.next().unwrap();
    if !main.is_empty() {
        snippet.text = latin1(main.strip_suffix('\n').unwrap().as_bytes());
    }
    for more in texts {
        let (name, text) = more.split_once('\n').unwrap();
        snippet.more.push((name.to_owned(), latin1(text.strip_suffix('\n').unwrap().as_bytes())));
    }
    snippet
}

fn shown(answer: &Answer) -> String {
    let kind = if answer.ok { "ok" } else { "error" };
    format!("{kind} {}", serde_json::to_string(&answer.output).unwrap())
}

fn golden(cases: &[(String, Snippet)], answers: &[Answer]) -> String {
    let mut text = String::new();
    for ((title, _), answer) in cases.iter().zip(answers) {
        writeln!(text, "=== {title}\n{}", shown(answer)).unwrap();
    }
    text
}

#[test]
fn snippets_have_names_of_their_own() {
    for file in files() {
        let mut seen = BTreeSet::new();
        for (title, _) in read(&file) {
            assert!(seen.insert(title.clone()), "{}: {title} is there twice", file.display());
        }
    }
}

#[test]
fn answers_are_those_of_helm() {
    let files = files();
    let wrong: String = thread::scope(|scope| {
        let running: Vec<_> = files.iter().map(|file| scope.spawn(|| differences(file))).collect();
        running.into_iter().map(|file| file.join().unwrap()).collect()
    });
    let count = wrong.matches("\n  helm ").count();
    assert!(wrong.is_empty(), "{wrong}\n{count} answers differ");
}

/// The cases of a file whose answers differ from Helm's.
fn differences(file: &Path) -> String {
    let mut wrong = String::new();
    let cases = read(file);
    let golden_file = file.with_extension("golden");
    if env::var_os("UPDATE_GOLDENS").is_some() {
        let snippets: Vec<Snippet> = cases.iter().map(|(_, snippet)| snippet.clone()).collect();
        fs::write(&golden_file, golden(&cases, &peer::ask(&snippets))).unwrap();
    }
    let expected = fs::read_to_string(&golden_file).unwrap();
    let mut expected = expected.lines();
    for (title, snippet) in &cases {
        let title_line = format!("=== {title}");
        let current = expected.next() == Some(title_line.as_str());
        assert!(current, "{} is not current: {title}", golden_file.display());
        let (want, got) = (expected.next().unwrap(), shown(&run(snippet)));
        if got != want {
            let name = file.file_stem().unwrap().display();
            writeln!(wrong, "{name}: {title}\n  helm {want}\n  here {got}").unwrap();
        }
    }
    assert_eq!(expected.next(), None, "{} is not current", golden_file.display());
    wrong
}
