//! Helm charts, rendered in process: the template engine itself counts what templates use.

mod gather;
mod value_files;

use tiphys_helm::{File, Manifest, Used};
use tiphys_tree::TreePath;

use crate::chart::ChartError;
use crate::renderer::RendererConfig;

pub(crate) use gather::{Gathered, gather};

/// What templates may do, in steps of the engine: far more than any chart needs, a few seconds of work.
const STEPS: u64 = 50_000_000;
/// Templates that call one another.
const DEPTH: u32 = 10_000;

/// What a Helm chart gives, with paths in the repository.
#[derive(Debug)]
pub(crate) struct Rendered {
    /// The files of `crds/`.
    pub(crate) crds: Vec<File>,
    /// Manifests and hooks.
    pub(crate) manifests: Vec<Manifest>,
    pub(crate) used: Used,
}

/// Why a chart gave nothing.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It needs what is withheld.
    ChanceWithheld,
    /// It is wrong.
    Chart(ChartError),
}

/// What one chart may cost within the limits of the renderer.
pub(crate) fn limits(config: &RendererConfig) -> tiphys_helm::Limits {
    let mut limits = tiphys_helm::Limits {
        chart_bytes: config.files.total_bytes,
        chart_files: config.files.files,
        values: config.yaml,
        timeout: Some(config.chart.wall),
        ..tiphys_helm::Limits::default()
    };
    limits.templates.steps = STEPS;
    limits.templates.output_bytes = config.chart.output_bytes;
    limits.templates.allocated_bytes = config.helm_allocated_bytes;
    limits.templates.depth = DEPTH;
    limits
}

/// Renders a chart that was read.
pub(crate) fn render(gathered: &Gathered) -> Result<Rendered, Failure> {
    let Gathered { path, chart, options, skip_crds, skip_tests } = gathered;
    let rendering = tiphys_helm::render(chart, options).map_err(|error| match error {
        tiphys_helm::Error::ChanceWithheld => Failure::ChanceWithheld,
        error => Failure::Chart(chart_error(path, &error)),
    })?;
    let in_repository = |file: &str| in_repository(path, file);
    let mut manifests = rendering.manifests;
    let is_test = |hook: &tiphys_helm::Hook| hook.events.contains(&tiphys_helm::Event::Test);
    let hooks = rendering.hooks.into_iter().filter(|hook| !(*skip_tests && is_test(hook)));
    manifests.extend(hooks.map(|hook| hook.manifest));
    for manifest in &mut manifests {
        manifest.path = in_repository(&manifest.path).into();
    }
    let mut crds = if *skip_crds { Vec::new() } else { rendering.crds };
    for file in &mut crds {
        file.path = in_repository(&file.path).into();
    }
    Ok(Rendered { crds, manifests, used: rendering.used })
}

/// The path in the repository of a file that Helm calls `web/templates/service.yaml`.
fn in_repository(chart: &TreePath, file: &str) -> String {
    let inside = file.split_once('/').map_or(file, |(_, inside)| inside);
    if chart.is_root() { inside.to_owned() } else { format!("{chart}/{inside}") }
}

/// The error of a chart at `path`, with its place in the repository.
pub(crate) fn chart_error(path: &TreePath, error: &tiphys_helm::Error) -> ChartError {
    let place = error.place().map(|place| {
        // Files of templates are named after the chart, all others by their path in it.
        let file = if error.is_of_templates() {
            in_repository(path, &place.file)
        } else if place.file.starts_with("spec.") {
            place.file.clone()
        } else {
            in_repository(path, &format!("/{}", place.file))
        };
        match place.line {
            0 => format!("{file}: "),
            line => format!("{file}:{line}: "),
        }
    });
    let limit = matches!(error, tiphys_helm::Error::Execute { limit: Some(_), .. });
    let place = place.unwrap_or_else(|| format!("{path}: "));
    ChartError::Helm { place, message: shortened(&error.to_string()), limit }
}

/// A message without its middle if it is long: the places are named first, what is wrong comes last, and between them
/// may stand a thousand templates that include one another.
fn shortened(message: &str) -> String {
    /// Bytes at each end that stay.
    const KEPT: usize = 1000;
    if message.len() <= 3 * KEPT {
        return message.to_owned();
    }
    let head = message.floor_char_boundary(KEPT);
    let tail = message.ceil_char_boundary(message.len() - KEPT);
    let (Some(first), Some(last)) = (message.get(..head), message.get(tail..)) else {
        return message.to_owned();
    };
    format!("{first}\n[… {} bytes …]\n{last}", tail - head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_keeps_its_beginning_and_its_end() {
        assert_eq!(shortened("short"), "short");
        let long = format!("begin {} end", "é".repeat(5000));
        let shown = shortened(&long);
        assert!(shown.starts_with("begin é") && shown.ends_with("é end") && shown.len() < 2100, "{shown}");
    }
}
