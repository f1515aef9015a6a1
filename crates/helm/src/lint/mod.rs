//! `helm lint`: what is wrong with a chart, and what could be better. The rules and their words are those of Helm 4.3.1.

mod address;
mod chart_file;
mod crds;
mod dependencies;
mod deprecation;
mod object;
mod source;
mod templates;
mod values;

use std::fmt;

use gotemplate::Scope;

use crate::error::Error;
use crate::limits::Limits;
use crate::objects::capabilities::KubeVersion;
use crate::render::Options;
use crate::values::ValueSources;

pub use source::Source;

/// What a chart is checked with.
#[derive(Clone, Debug, Default)]
pub struct LintOptions {
    /// The namespace of the release that is tried; it is named `test-release`.
    pub namespace: String,
    /// Values that stand above those of the chart.
    pub values: ValueSources,
    /// The version of Kubernetes that templates see, and for which APIs may be deprecated.
    pub kube_version: KubeVersion,
    /// Whether values may differ from what `values.schema.json` says.
    pub skip_schema: bool,
    /// What reading the values and a rendering may cost.
    pub limits: Limits,
}

impl LintOptions {
    /// How the templates are tried.
    fn rendering(&self) -> Options {
        let mut options = Options::new("test-release", self.namespace.clone());
        options.release.revision = 0;
        options.capabilities.kube_version = self.kube_version.clone();
        options.skip_schema = self.skip_schema;
        options.limits = self.limits;
        options
    }
}

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It could be better.
    Info,
    /// It goes against what is usual, and will likely work.
    Warning,
    /// It will likely not work.
    Error,
}

/// Something that a rule says of a chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The file or directory in the chart, as Helm names it.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Info => "INFO",
            Severity::Warning => "WARNING",
            Severity::Error => "ERROR",
        };
        write!(f, "[{severity}] {}: {}", self.path, self.message)
    }
}

/// Checks a chart by all rules. An error is one of the given values, not of the chart.
pub fn lint(source: &Source, options: &LintOptions) -> Result<Vec<Finding>, Error> {
    let _scope = Scope::enter();
    let mut report = Report::default();
    chart_file::check(source, &mut report);
    values::check(source, options, &mut report)?;
    templates::check(source, options, &mut report)?;
    dependencies::check(source, &mut report);
    crds::check(source, &mut report);
    Ok(report.findings)
}

/// The findings so far.
#[derive(Debug, Default)]
struct Report {
    findings: Vec<Finding>,
}

impl Report {
    /// Notes what a rule says; `true` if it says nothing.
    fn rule(&mut self, severity: Severity, path: &str, result: Result<(), String>) -> bool {
        match result {
            Ok(()) => true,
            Err(message) => {
                self.findings.push(Finding { severity, path: path.to_owned(), message });
                false
            }
        }
    }

    fn info(&mut self, path: &str, result: Result<(), String>) -> bool {
        self.rule(Severity::Info, path, result)
    }

    fn warning(&mut self, path: &str, result: Result<(), String>) -> bool {
        self.rule(Severity::Warning, path, result)
    }

    fn error(&mut self, path: &str, result: Result<(), String>) -> bool {
        self.rule(Severity::Error, path, result)
    }
}

/// An error unless the condition holds.
fn ensure(holds: bool, message: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(message()) }
}
