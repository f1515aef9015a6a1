//! Cases, and what the two programs answer to them: one JSON object a line.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A rendering: `template demo CHART -n demo-ns ARGS…`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// The name, which is also that of its output file.
    pub id: String,
    /// The folder or archive of the chart.
    pub chart: PathBuf,
    /// Further arguments.
    #[serde(default)]
    pub args: Vec<String>,
}

/// What a program made of a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The name of the case.
    pub id: String,
    /// Whether the chart was rendered.
    pub ok: bool,
    /// What is printed after `Error: `; empty for one that was rendered.
    #[serde(default)]
    pub error: String,
    /// The digest of the output, in hexadecimal digits.
    #[serde(default)]
    pub sha256: String,
    /// The length of the output.
    #[serde(default)]
    pub bytes: u64,
    /// Milliseconds of each run that counts.
    #[serde(default, rename = "ms")]
    pub milliseconds: Vec<f64>,
    /// Whether all runs gave the same.
    pub stable: bool,
}

/// The answers of one program, and its outputs where they were kept.
#[derive(Clone, Debug)]
pub struct Side {
    /// By the name of the case.
    pub answers: BTreeMap<String, Answer>,
    /// The folder of the outputs.
    pub outputs: Option<PathBuf>,
}

impl Side {
    /// Reads what a program answered.
    pub fn read(answers: &Path, outputs: Option<PathBuf>) -> Self {
        let answers: Vec<Answer> = read_lines(answers);
        Self { answers: answers.into_iter().map(|answer| (answer.id.clone(), answer)).collect(), outputs }
    }

    /// The output of a case.
    pub fn output(&self, id: &str) -> Option<Vec<u8>> {
        self.file(id, "yaml")
    }

    /// The output of another run of a case that is not the same every time.
    pub fn other_output(&self, id: &str) -> Option<Vec<u8>> {
        self.file(id, "other.yaml")
    }

    fn file(&self, id: &str, ending: &str) -> Option<Vec<u8>> {
        fs::read(self.outputs.as_ref()?.join(format!("{}.{ending}", id.replace('/', "__")))).ok()
    }
}

/// Reads a file with one JSON object a line.
pub fn read_lines<T: for<'de> Deserialize<'de>>(path: &Path) -> Vec<T> {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{} cannot be read: {error}", path.display()));
    let objects = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(|(at, line)| {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{}:{}: {error}", path.display(), at + 1))
    });
    objects.collect()
}

/// The cases as they are given to a program.
pub fn write_lines(cases: &[Case]) -> String {
    cases.iter().map(|case| serde_json::to_string(case).expect("a case is JSON") + "\n").collect()
}

/// What stands for the folder of a case in its arguments and in its golden error.
pub const FOLDER: &str = "$CASE";

/// Our own charts: a case for each folder in `folder`, by name. The layout is described in its README.
pub fn own(folder: &Path) -> Vec<Case> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{} cannot be read: {error}", folder.display()));
    let mut cases: Vec<Case> = entries
        .map(|entry| entry.expect("a folder can be listed").path())
        .filter(|path| path.is_dir())
        .map(|path| Case {
            id: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            chart: path.join("chart"),
            args: arguments(&path),
        })
        .collect();
    cases.sort_by(|a, b| a.id.cmp(&b.id));
    cases
}

fn arguments(case: &Path) -> Vec<String> {
    let text = fs::read_to_string(case.join("args")).unwrap_or_default();
    text.lines().map(|line| line.replace(FOLDER, &case.to_string_lossy())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_may_leave_out_what_is_empty() {
        let answer: Answer =
            serde_json::from_str(r#"{"id":"a","ok":false,"error":"no","ms":[1.5],"stable":true}"#).unwrap();
        assert_eq!((answer.error.as_str(), answer.bytes, answer.milliseconds), ("no", 0, vec![1.5]));
    }

    #[test]
    fn own_charts_are_read_by_name_with_their_arguments() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b", "a"] {
            fs::create_dir_all(folder.path().join(name).join("chart")).unwrap();
        }
        fs::write(folder.path().join("README.md"), "not a case").unwrap();
        fs::write(folder.path().join("a/args"), "--set-file\nx=$CASE/x\n--set\n\n").unwrap();
        let cases = own(folder.path());
        assert_eq!(cases.iter().map(|case| case.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        let file = format!("x={}/a/x", folder.path().display());
        assert_eq!(cases[0].args, ["--set-file", &file, "--set", ""]);
        assert_eq!(cases[1].args, Vec::<String>::new());
    }
}
