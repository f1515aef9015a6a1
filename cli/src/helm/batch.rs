//! Many charts in one warm process, to be compared with Helm and measured. `tests/helm` answers the same with Helm.

use std::fs;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::template::{Printed, TemplateArguments};
use super::usage;

/// `template demo CHART -n demo-ns ARGS…`
#[derive(Debug, Deserialize)]
struct Case {
    id: String,
    chart: String,
    #[serde(default)]
    args: Vec<String>,
}

/// What came of a case.
#[derive(Debug, Serialize)]
struct Answer {
    id: String,
    ok: bool,
    /// What Helm prints behind `Error: `.
    error: String,
    /// Of what the last run printed.
    sha256: String,
    bytes: usize,
    /// How long each run took, in milliseconds; of more than one run without the first.
    ms: Vec<f64>,
    /// Whether all runs gave the same.
    stable: bool,
}

/// A case as a command line.
#[derive(Debug, Parser)]
#[command(name = "template", no_binary_name = true, disable_help_flag = true)]
struct CaseArguments {
    #[arg(short, long)]
    namespace: Option<String>,
    #[command(flatten)]
    template: TemplateArguments,
}

/// Why a batch ended early.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// A line is no case.
    #[error("line {line} of standard input is not a case")]
    Case {
        /// The line, from 1.
        line: usize,
        /// Why.
        source: serde_json::Error,
    },
    /// Cases could not be read or answers not be written.
    #[error("cases could not be read or answers could not be written")]
    Io(#[from] io::Error),
}

/// Answers the cases that `cases` holds, one JSON object a line.
pub fn run(
    cases: impl BufRead,
    mut answers: impl Write,
    runs: usize,
    folder: Option<&Path>,
) -> Result<(), BatchError> {
    if let Some(folder) = folder {
        fs::create_dir_all(folder)?;
    }
    let mut command = CaseArguments::command();
    command.build();
    for (index, line) in cases.lines().enumerate() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let case: Case =
            serde_json::from_str(&line).map_err(|source| BatchError::Case { line: index + 1, source })?;
        let (answer, last) = answer(&mut command, case, runs);
        if let Some(folder) = folder {
            keep(folder, &answer.id, &last)?;
        }
        serde_json::to_writer(&mut answers, &answer).map_err(io::Error::from)?;
        answers.write_all(b"\n")?;
        answers.flush()?;
    }
    Ok(())
}

fn answer(command: &mut clap::Command, case: Case, runs: usize) -> (Answer, Printed) {
    let mut arguments = vec!["demo", case.chart.as_str(), "-n", "demo-ns"];
    arguments.extend(case.args.iter().map(String::as_str));
    let mut last: Option<Printed> = None;
    let (mut times, mut stable) = (Vec::new(), true);
    for run in 0..runs.max(1) {
        let begin = Instant::now();
        let now = run_case(command, &arguments);
        let took = begin.elapsed();
        if run > 0 || runs <= 1 {
            times.push(milliseconds(took));
        }
        stable &= last.as_ref().is_none_or(|last| last == &now);
        last = Some(now);
    }
    let last = last.unwrap_or_default();
    let answer = Answer {
        id: case.id,
        ok: last.error.is_none(),
        error: last.error.clone().unwrap_or_default(),
        sha256: hex(&Sha256::digest(&last.output)),
        bytes: last.output.len(),
        ms: times,
        stable,
    };
    (answer, last)
}

fn run_case(command: &mut clap::Command, arguments: &[&str]) -> Printed {
    let arguments: Vec<_> = arguments.iter().filter_map(|it| usage::switch(command, it.into())).collect();
    let parsed = command
        .try_get_matches_from_mut(arguments)
        .and_then(|matches| CaseArguments::from_arg_matches(&matches));
    match parsed {
        Ok(case) => case.template.run(case.namespace.as_deref()),
        Err(error) => Printed { output: Vec::new(), error: Some(usage::message(&error)) },
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Writes the output of a case that came out well, and removes an older one of a case that did not.
fn keep(folder: &Path, id: &str, printed: &Printed) -> io::Result<()> {
    let path = folder.join(format!("{}.yaml", id.replace('/', "__")));
    if printed.error.is_none() {
        return fs::write(path, &printed.output);
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
