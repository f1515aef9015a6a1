//! Running the two programs over cases.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::case::{Case, Side, write_lines};

/// A program that answers cases.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its path.
    pub path: PathBuf,
    /// What makes it answer cases.
    pub arguments: &'static [&'static str],
}

impl Program {
    /// The real Helm: tests/helm.
    pub fn helm(path: &Path) -> Self {
        Self { path: path.to_owned(), arguments: &["batch"] }
    }

    /// Ours.
    pub fn ours(path: &Path) -> Self {
        Self { path: path.to_owned(), arguments: &["template", "--batch"] }
    }

    /// Runs it over all cases in one process and keeps its answers and outputs in `folder`. When it ends early, the
    /// answers that it gave before are there.
    pub fn run(&self, cases: &[Case], runs: u32, folder: &Path) -> Side {
        fs::create_dir_all(folder)
            .unwrap_or_else(|error| panic!("{} cannot be made: {error}", folder.display()));
        let (questions, answers) = (folder.join("cases.jsonl"), folder.join("answers.jsonl"));
        let outputs = folder.join("outputs");
        fs::write(&questions, write_lines(cases)).expect("the cases can be written");
        let open = |path: &Path| File::open(path).expect("a file that was written can be read");
        let status = Command::new(&self.path)
            .args(self.arguments)
            .args(["--runs", &runs.to_string(), "--out"])
            .arg(&outputs)
            .stdin(Stdio::from(open(&questions)))
            .stdout(Stdio::from(File::create(&answers).expect("a file for the answers can be made")))
            .status()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", self.path.display()));
        if !status.success() {
            eprintln!("parity: {} ended with {status}", self.path.display());
        }
        Side::read(&answers, Some(outputs))
    }
}
