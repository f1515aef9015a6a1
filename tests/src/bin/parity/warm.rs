//! A program that stays, and answers one case after the other.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::case::{Answer, Case, write_lines};
use crate::run::Program;

/// A program that waits for a case.
pub struct Warm {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Warm {
    /// Starts a program that runs each case so many times.
    pub fn start(program: &Program, runs: u32) -> Self {
        let mut child = Command::new(&program.path)
            .args(program.arguments)
            .args(["--runs", &runs.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", program.path.display()));
        let questions = child.stdin.take().expect("stdin is piped");
        let answers = BufReader::new(child.stdout.take().expect("stdout is piped"));
        Self { child, questions, answers }
    }

    /// Its answer to a case.
    pub fn ask(&mut self, case: &Case) -> Answer {
        let question = write_lines(std::slice::from_ref(case));
        self.questions.write_all(question.as_bytes()).expect("the program reads cases");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the program writes answers");
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{}: {error}: {answer}", case.id))
    }

    /// The most memory that it has had so far, in MiB.
    pub fn peak_memory(&self) -> f64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(path).expect("a process that waits has a status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak is kept");
        let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse().expect("the peak is a number of kB");
        kibibytes / 1024.0
    }
}

impl Drop for Warm {
    fn drop(&mut self) {
        // It ends anyway when nobody asks any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
