//! Tables of cases in files: `### name`, the input, and sections `### => kind` with what is expected.
//!
//! An input in which characters must be seen stands in JSON quotes on one line; its name ends in ` (quoted)`.
//! `UPDATE_GOLDENS=1` writes what the peer says into the files.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    pub input: String,
    raw_input: String,
    /// Kind and text of the expectations.
    pub expected: Vec<(String, String)>,
}

impl Case {
    pub fn expected(&self, kind: &str) -> Option<&str> {
        self.expected.iter().find(|(known, _)| known == kind).map(|(_, text)| text.as_str())
    }
}

/// The case files of one folder, sorted by name.
pub fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(folder);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

pub fn read(file: &Path) -> Vec<Case> {
    let text = std::fs::read_to_string(file).unwrap();
    let mut cases: Vec<Case> = Vec::new();
    for section in text.split("### ").skip(1) {
        let (title, body) = section.split_once('\n').unwrap();
        if let Some(kind) = title.strip_prefix("=> ") {
            cases.last_mut().unwrap().expected.push((kind.to_owned(), body.to_owned()));
            continue;
        }
        let input = if title.ends_with("(quoted)") {
            serde_json::from_str(body.trim_end()).unwrap_or_else(|error| panic!("{title}: {error}"))
        } else {
            body.to_owned()
        };
        cases.push(Case { name: title.to_owned(), input, raw_input: body.to_owned(), expected: Vec::new() });
    }
    cases
}

/// Writes the cases back with other expectations.
pub fn write(file: &Path, cases: &[Case]) {
    let mut text = String::new();
    for case in cases {
        write!(text, "### {}\n{}", case.name, case.raw_input).unwrap();
        for (kind, expected) in &case.expected {
            write!(text, "### => {kind}\n{expected}").unwrap();
        }
    }
    std::fs::write(file, text).unwrap();
}

pub fn updating() -> bool {
    std::env::var_os("UPDATE_GOLDENS").is_some()
}
