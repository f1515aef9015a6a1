//! `helm template demo CHART -n demo-ns ARGS…`, answered by this crate.

#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use tiphys_helm::output::{self, OutputOptions};
use tiphys_helm::{Chart, KubeVersion, Limits, Options, ValueFile, render};

/// What was asked for.
pub struct Command {
    pub options: Options,
    pub output: OutputOptions,
}

impl Command {
    /// Reads the arguments behind the chart.
    pub fn parse(args: &[String]) -> Result<Self, String> {
        let mut command = Self { options: Options::new("demo", "demo-ns"), output: OutputOptions::default() };
        command.options.values.read_file =
            Some(Arc::new(|path| fs::read(path).map_err(|error| format!("open {path}: {}", reason(&error)))));
        let mut api_versions = Vec::new();
        let mut args = args.iter();
        while let Some(argument) = args.next() {
            let (flag, inline) = match argument.split_once('=') {
                Some((flag, value)) if flag.starts_with("--") => (flag, Some(value.to_owned())),
                _ => (argument.as_str(), None),
            };
            let mut value = || {
                inline
                    .clone()
                    .or_else(|| args.next().cloned())
                    .ok_or(format!("flag needs an argument: {flag}"))
            };
            let Self { options, output } = &mut command;
            match flag {
                "-f" | "--values" => {
                    for name in value()?.split(',') {
                        let data =
                            fs::read(name).map_err(|error| format!("open {name}: {}", reason(&error)))?;
                        options.values.files.push(ValueFile { name: name.to_owned(), data: data.into() });
                    }
                }
                "--set-json" => options.values.json.push(value()?),
                "--set" => options.values.set.push(value()?),
                "--set-string" => options.values.strings.push(value()?),
                "--set-file" => options.values.file_texts.push(value()?),
                "--set-literal" => options.values.literals.push(value()?),
                "-n" | "--namespace" => options.release.namespace = value()?,
                "-a" | "--api-versions" => api_versions.extend(value()?.split(',').map(str::to_owned)),
                "--kube-version" => {
                    let text = value()?;
                    options.capabilities.kube_version = KubeVersion::parse(&text)
                        .map_err(|error| format!("invalid kube version '{text}': {error}"))?;
                }
                "-s" | "--show-only" => output.show_only.push(value()?),
                "--include-crds" => output.include_crds = true,
                "--no-hooks" => output.no_hooks = true,
                "--skip-tests" => output.skip_tests = true,
                "--is-upgrade" => options.release.is_upgrade = true,
                "--skip-schema-validation" => options.skip_schema = true,
                "--render-subchart-notes" => options.subchart_notes = true,
                "--skip-crds" | "--devel" | "--hide-notes" | "--replace" => {}
                "--timeout" | "--description" | "--labels" => drop(value()?),
                "--name-template" => {
                    return Err("cannot set --name-template and also specify a name".to_owned());
                }
                other if !other.starts_with('-') => {
                    return Err(format!("expected at most two arguments, unexpected arguments: {other}"));
                }
                other => return Err(format!("unknown flag: {other}")),
            }
        }
        if !api_versions.is_empty() {
            let capabilities = &mut command.options.capabilities;
            capabilities.api_versions =
                capabilities.api_versions.iter().cloned().chain(api_versions).collect();
        }
        Ok(command)
    }

    /// What is printed, or what is printed after `Error: `.
    pub fn run(&self, chart: &Path) -> Result<Vec<u8>, String> {
        let text = |error: tiphys_helm::Error| {
            let text = output::error_text(&error);
            text.strip_prefix("Error: ").unwrap_or(&text).to_owned()
        };
        let chart = Chart::from_path(chart, &Limits::default()).map_err(text)?;
        let rendering = render(&chart, &self.options).map_err(text)?;
        output::print(&rendering, &self.output).map_err(text)
    }
}

/// Go's words.
fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        _ => error.to_string(),
    }
}
