//! `tiphys lint`.

use std::fmt::Write as _;
use std::path::Path;

use clap::Args;
use tiphys_helm::Limits;
use tiphys_helm::lint::{Finding, LintOptions, Severity, Source, lint};

use super::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::helm::arguments::{ValueArguments, kube_version};
use crate::helm::message;
use crate::terminal;

/// What to check.
#[derive(Args, Debug)]
#[command(
    args_override_self = true,
    after_help = "\
The options, the rules, the output and the exit codes are those of `helm lint`.

Examples:
  tiphys lint ./chart -f values-prod.yaml --strict
  tiphys lint charts/* --with-subcharts --kube-version 1.31"
)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub struct LintCommand {
    /// Directories or archives of charts
    #[arg(value_name = "CHART", num_args = 0..)]
    charts: Vec<String>,
    #[command(flatten)]
    values: ValueArguments,
    /// Fail on warnings, too
    #[arg(long)]
    strict: bool,
    /// Print only warnings and errors
    #[arg(long)]
    quiet: bool,
    /// Also the charts in charts/
    #[arg(long)]
    with_subcharts: bool,
    /// Version of Kubernetes that charts see, and for which APIs may be deprecated
    #[arg(long, value_name = "VERSION")]
    kube_version: Option<String>,
    /// Do not check values against values.schema.json
    #[arg(long)]
    skip_schema_validation: bool,
}

/// Says what is wrong with charts.
pub fn run(context: &Context, arguments: &LintCommand) -> Result<Exit, Error> {
    if arguments.charts.is_empty() {
        let usage = "\"helm lint\" requires at least 1 argument\n\nUsage:  helm lint PATH [flags]";
        return Err(Error::Helm(usage.to_owned()));
    }
    let options = LintOptions {
        kube_version: kube_version(arguments.kube_version.as_deref()).map_err(Error::Helm)?,
        namespace: context.global.namespace.clone().unwrap_or_else(|| "default".to_owned()),
        values: arguments.values.sources().map_err(Error::Helm)?,
        skip_schema: arguments.skip_schema_validation,
        limits: Limits::default(),
    };
    let mut charts = arguments.charts.clone();
    if arguments.with_subcharts {
        for chart in &arguments.charts {
            subcharts(&Path::new(chart).join("charts"), &mut charts);
        }
    }
    let (mut text, mut failed, mut noticed) = (String::new(), 0_usize, 0_usize);
    for chart in &charts {
        let result = Source::from_path(chart, &options.limits).map(|source| lint(&source, &options));
        let findings = match result {
            Ok(findings) => Ok(findings.map_err(|error| Error::Helm(message(&error)))?),
            Err(problem) => Err(problem),
        };
        let report = Report::of(&findings, arguments);
        failed += usize::from(report.failed);
        noticed += usize::from(report.noticed);
        if !arguments.quiet || report.noticed {
            // Writing to a string does not fail.
            let _ = writeln!(text, "==> Linting {chart}\n{}", report.text);
        }
    }
    terminal::data(&text)?;
    let summary = format!("{} chart(s) linted, {failed} chart(s) failed", charts.len());
    if failed > 0 {
        return Err(Error::Helm(summary));
    }
    if !arguments.quiet || noticed > 0 {
        terminal::data(&format!("{summary}\n"))?;
    }
    Ok(Exit::Done)
}

/// What is said of one chart.
struct Report {
    text: String,
    /// Whether there is an error, or a warning if those count.
    failed: bool,
    /// Whether there is a warning or an error.
    noticed: bool,
}

impl Report {
    fn of(findings: &Result<Vec<Finding>, String>, arguments: &LintCommand) -> Self {
        let findings = match findings {
            Ok(findings) => findings,
            Err(problem) => {
                return Self { text: format!("Error {problem}\n"), failed: true, noticed: true };
            }
        };
        let worst = findings.iter().map(|finding| finding.severity).max();
        let tolerated = if arguments.strict { Severity::Info } else { Severity::Warning };
        let shown = findings.iter().filter(|finding| !arguments.quiet || finding.severity > Severity::Info);
        Self {
            text: crate::output::lines(shown),
            failed: worst > Some(tolerated),
            noticed: worst > Some(Severity::Info),
        }
    }
}

/// The charts in a directory and below it, in the order of their paths.
fn subcharts(directory: &Path, charts: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Links are not followed, so there is an end.
        if path.is_dir() && !path.is_symlink() {
            subcharts(&path, charts);
        } else if name == "Chart.yaml" {
            charts.push(directory.display().to_string());
        } else if name.ends_with(".tgz") || name.ends_with(".tar.gz") {
            charts.push(path.display().to_string());
        }
    }
}
