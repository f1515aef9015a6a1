//! `helm template`: from a command line to what stands on standard output.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use clap::Args;
use jiff::Timestamp;
use tiphys_helm::chance::{Chance, Seed};
use tiphys_helm::output::{self, Append, OutputOptions, Write};
use tiphys_helm::{Capabilities, Chart, Limits, Options, Rendering, release_name, render, render_templates};

use super::arguments::{ValueArguments, kube_version};
use super::ignored::IgnoredArguments;
use super::{Message, chart, dependencies, message, reason};

/// What to render, and how.
#[derive(Args, Clone, Debug)]
#[command(args_override_self = true)]
pub struct TemplateArguments {
    /// The name of the release, unless it is `release-name`, and the chart: a directory or a `.tgz`
    #[arg(value_name = "[NAME] CHART", num_args = 0..)]
    names: Vec<String>,
    /// If dependencies of the chart are missing, put those that lie in other directories (file://) into its charts/ first
    #[arg(long)]
    dependency_update: bool,
    #[command(flatten)]
    values: ValueArguments,
    #[command(flatten)]
    output: PrintArguments,
    #[command(flatten)]
    release: ReleaseArguments,
    #[command(flatten)]
    ignored: IgnoredArguments,
}

/// What templates are told of release and cluster.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "What templates see")]
struct ReleaseArguments {
    /// Version of Kubernetes that charts see
    #[arg(long, value_name = "VERSION")]
    kube_version: Option<String>,
    /// API versions that charts see beside those of Kubernetes; can be repeated
    #[arg(short, long, value_name = "VERSION,…", value_delimiter = ',')]
    api_versions: Vec<String>,
    /// Set .Release.IsUpgrade instead of .Release.IsInstall
    #[arg(long)]
    is_upgrade: bool,
    /// Take the name of the release from this template
    #[arg(long, value_name = "TEMPLATE")]
    name_template: Option<String>,
    /// Leave out NAME
    #[arg(short, long)]
    generate_name: bool,
    /// Draw random values from this text, and let the clock stand: the same inputs give the same bytes
    #[arg(long, value_name = "TEXT")]
    seed: Option<String>,
    /// Do not check values against values.schema.json
    #[arg(long)]
    skip_schema_validation: bool,
}

/// What is printed, and where.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "What is printed")]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
struct PrintArguments {
    /// Also the files in crds/
    #[arg(long)]
    include_crds: bool,
    /// Only what these files below the chart give, such as templates/service.yaml; can be repeated, may be patterns
    #[arg(short, long, value_name = "PATTERN")]
    show_only: Vec<String>,
    /// No tests
    #[arg(long)]
    skip_tests: bool,
    /// No hooks
    #[arg(long)]
    no_hooks: bool,
    /// Write files below this directory instead
    #[arg(long, value_name = "DIRECTORY")]
    output_dir: Option<String>,
    /// With --output-dir: below a directory with the name of the release
    #[arg(long = "release-name")]
    use_release_name: bool,
    /// Print what templates gave even if it is not YAML
    #[arg(long)]
    debug: bool,
}

impl ReleaseArguments {
    /// Where random values and the time come from. With a seed the clock stands at `SOURCE_DATE_EPOCH`, as builds that
    /// can be repeated have it, or at the beginning of the year 2000.
    fn chance(&self) -> Result<Chance, Message> {
        const DEFAULT: i64 = 946_684_800;
        let Some(seed) = &self.seed else { return Ok(Chance::System) };
        let seconds = match std::env::var("SOURCE_DATE_EPOCH") {
            Ok(text) => {
                text.parse().map_err(|_| format!("SOURCE_DATE_EPOCH is not a number of seconds: {text}"))?
            }
            Err(_) => DEFAULT,
        };
        let at = Timestamp::from_second(seconds).map_err(|error| format!("SOURCE_DATE_EPOCH: {error}"))?;
        Ok(Chance::Seeded { seed: Seed::new(seed), at })
    }
}

/// What goes to standard output, and the error that ends it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Printed {
    /// What goes to standard output.
    pub output: Vec<u8>,
    /// What Helm prints behind `Error: `, if it came to that.
    pub error: Option<Message>,
}

impl TemplateArguments {
    /// Does what was asked for.
    pub fn run(&self, ns: Option<&str>) -> Printed {
        let mut output = Vec::new();
        let error = self.run_to(ns, &mut output).err();
        Printed { output, error }
    }

    fn run_to(&self, ns: Option<&str>, printed: &mut Vec<u8>) -> Result<(), Message> {
        let kube_version = kube_version(self.release.kube_version.as_deref())?;
        let (name, chart_name) = self.name_and_chart()?;
        let path = chart::locate(&chart_name)?;
        let mut options = Options::new(name, ns.unwrap_or("default"));
        options.values = self.values.sources()?;
        options.release.is_upgrade = self.release.is_upgrade;
        options.skip_schema = self.release.skip_schema_validation;
        options.chance = self.release.chance()?;
        options.capabilities = Capabilities { kube_version, ..Capabilities::default() };
        if !self.release.api_versions.is_empty() {
            let known = options.capabilities.api_versions.iter();
            options.capabilities.api_versions = known.chain(&self.release.api_versions).cloned().collect();
        }
        let chart = self.load(&path, printed)?;
        match render(&chart, &options) {
            Ok(rendering) => self.print(&rendering, &options.release.name, printed),
            Err(error @ tiphys_helm::Error::Document { .. }) if self.output.debug => {
                let texts = render_templates(&chart, &options).map_err(|error| message(&error))?;
                for (path, text) in &texts {
                    print_debug(path, text, printed);
                }
                Err(error.to_string())
            }
            Err(error) if self.output.debug => Err(error.to_string()),
            Err(error) => Err(message(&error)),
        }
    }

    /// The chart, with what it depends on if that is wanted.
    fn load(&self, path: &Path, printed: &mut Vec<u8>) -> Result<Chart, Message> {
        let chart = Chart::from_path(path, &Limits::default()).map_err(|error| message(&error))?;
        let is_complete = chart.missing_dependencies().next().is_none();
        if is_complete || !self.dependency_update || chart.metadata().is_library() {
            return Ok(chart);
        }
        dependencies::update(&chart, path, printed)
    }

    /// The name of the release and that of the chart.
    fn name_and_chart(&self) -> Result<(String, String), Message> {
        const DEFAULT: &str = "release-name";
        let ReleaseArguments { generate_name, name_template, .. } = &self.release;
        match self.names.as_slice() {
            [] => Err("\"helm template\" requires at least 1 argument\n\n\
                       Usage:  helm template [NAME] [CHART] [flags]"
                .to_owned()),
            [chart] => {
                let name = name_template.as_deref().filter(|it| !it.is_empty());
                let name = name.map_or_else(|| Ok(DEFAULT.to_owned()), release_name::from_template)?;
                Ok((name, chart.clone()))
            }
            [_, _] if *generate_name => Err("cannot set --generate-name and also specify a name".to_owned()),
            [_, _] if name_template.as_deref().is_some_and(|it| !it.is_empty()) => {
                Err("cannot set --name-template and also specify a name".to_owned())
            }
            [name, chart] => Ok((name.clone(), chart.clone())),
            [_, _, more @ ..] => {
                Err(format!("expected at most two arguments, unexpected arguments: {}", more.join(", ")))
            }
        }
    }

    fn print(&self, rendering: &Rendering, release: &str, printed: &mut Vec<u8>) -> Result<(), Message> {
        let options = OutputOptions {
            include_crds: self.output.include_crds,
            no_hooks: self.output.no_hooks,
            skip_tests: self.output.skip_tests,
            show_only: self.output.show_only.clone(),
        };
        let Some(directory) = &self.output.output_dir else {
            let text = output::print(rendering, &options).map_err(|error| message(&error))?;
            // What stands before is short, and there is mostly nothing.
            let before = std::mem::replace(printed, text);
            printed.splice(0..0, before);
            return Ok(());
        };
        let crds = if options.include_crds { rendering.crds.len() } else { 0 };
        let below = if self.output.use_release_name { format!("{release}/") } else { String::new() };
        for (index, mut write) in output::files(rendering, &options).into_iter().enumerate() {
            if index >= crds {
                write.path = format!("{below}{}", write.path);
            }
            let path = format!("{directory}/{}", write.path);
            write_file(Path::new(&path), &write)
                .map_err(|error| format!("open {path}: {}", reason(&error)))?;
            printed.extend_from_slice(format!("wrote {path}\n").as_bytes());
        }
        match options.show_only.first() {
            None => printed.push(b'\n'),
            // Nothing is left to choose from.
            Some(pattern) => {
                return Err(message(&tiphys_helm::Error::Show { pattern: pattern.clone() }));
            }
        }
        Ok(())
    }
}

/// What a template gave that is no YAML, as Helm shows it with `--debug`.
fn print_debug(path: &str, text: &[u8], printed: &mut Vec<u8>) {
    if text.trim_ascii().is_empty() || path.ends_with("NOTES.txt") {
        return;
    }
    printed.extend_from_slice(format!("---\n# Source: {path}\n").as_bytes());
    printed.extend_from_slice(text);
    printed.push(b'\n');
}

fn write_file(path: &Path, write: &Write) -> std::io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut options = fs::OpenOptions::new();
    match write.append {
        Append::Never => options.create(true).write(true).truncate(true),
        Append::Always | Append::IfThere => options.create(true).append(true),
    };
    options.open(path)?.write_all(&write.data)
}
