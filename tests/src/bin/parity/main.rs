//! `make parity`: what Tiphys makes of Helm charts, beside what the real Helm makes of them.
//!
//! Both programs answer the same cases in one warm process each; see tests/helm. For each case it is printed whether the
//! two agree or where they begin to differ, and at the end the sums and how fast ours is.
#![allow(
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a comparison fails the way an assertion does, and prints"
)]

mod bench;
mod case;
mod difference;
mod goldens;
mod mask;
mod refusal;
mod report;
mod run;
mod sums;
mod verdict;
mod warm;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::case::{Case, Side};
use crate::report::Report;
use crate::run::Program;

/// Compares what Tiphys makes of Helm charts with what Helm makes of them.
#[derive(Debug, Parser)]
#[command(name = "parity")]
struct Arguments {
    #[command(subcommand)]
    command: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Runs both programs over cases and compares them
    Run {
        /// A file of cases, one JSON object a line; without it, our own charts
        cases: Option<PathBuf>,
        /// The tiphys program
        #[arg(long)]
        ours: PathBuf,
        /// The helm-peer program
        #[arg(long)]
        helm: PathBuf,
        /// How often each case is run; of more than one run the first does not count
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
        runs: u32,
        /// Where the answers and outputs of both are kept
        #[arg(long, default_value = "target/parity")]
        keep: PathBuf,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Compares answers that are there already
    Compare {
        /// The answers of `tiphys template --batch`
        ours: PathBuf,
        /// The answers of `helm-peer batch`
        helm: PathBuf,
        /// The folder of our outputs
        #[arg(long)]
        ours_out: Option<PathBuf>,
        /// The folder of Helm's outputs
        #[arg(long)]
        helm_out: Option<PathBuf>,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Measures both programs over cases and prints a table in Markdown
    Bench {
        /// A file of cases, one JSON object a line; without it, our own charts
        cases: Option<PathBuf>,
        /// The tiphys program
        #[arg(long)]
        ours: PathBuf,
        /// The helm-peer program
        #[arg(long)]
        helm: PathBuf,
        /// How often each case is run; the first does not count
        #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(2..))]
        runs: u32,
    },
    /// Makes the goldens of our own charts
    Goldens {
        /// The helm-peer program
        #[arg(long)]
        helm: PathBuf,
        /// Only the cases whose names begin so; can be repeated
        names: Vec<String>,
    },
}

fn main() -> ExitCode {
    let good = match Arguments::parse().command {
        What::Run { cases, ours, helm, runs, keep, json } => {
            let cases = cases_of(cases);
            let ours = Program::ours(&ours).run(&cases, runs, &keep.join("ours"));
            let helm = Program::helm(&helm).run(&cases, runs, &keep.join("helm"));
            print(&Report::of(&ours, &helm), json)
        }
        What::Bench { cases, ours, helm, runs } => {
            let (ours, helm) = (Program::ours(&ours), Program::helm(&helm));
            let figures = bench::Figures::measure(&ours, &helm, &cases_of(cases), runs);
            io::stdout().write_all(figures.to_string().as_bytes()).is_ok()
        }
        What::Compare { ours, helm, ours_out, helm_out, json } => {
            print(&Report::of(&Side::read(&ours, ours_out), &Side::read(&helm, helm_out)), json)
        }
        What::Goldens { helm, names } => {
            let mut cases = case::own(&own_charts());
            cases.retain(|case| names.is_empty() || names.iter().any(|name| case.id.starts_with(name)));
            let scratch = tempfile::tempdir().expect("a temporary folder can be made");
            goldens::make(&Program::helm(&helm), &cases, &own_charts(), scratch.path())
        }
    };
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The cases of a file, or our own charts.
fn cases_of(file: Option<PathBuf>) -> Vec<Case> {
    file.map_or_else(|| case::own(&own_charts()), |path| case::read_lines(&path))
}

/// Prints a report and returns whether it is good.
fn print(report: &Report, json: bool) -> bool {
    let text = if json {
        serde_json::to_string_pretty(report).expect("a report is JSON") + "\n"
    } else {
        report.to_string()
    };
    // A reader that has seen enough may be gone.
    io::stdout().write_all(text.as_bytes()).is_ok() && report.is_good()
}

/// Where our own charts lie; see the README there.
fn own_charts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("crates/helm/tests/charts")
}
