//! The templates, and what they give.

use super::object::{Object, documents};
use super::source::Entry;
use super::{LintOptions, Report, Source, deprecation, ensure};
use crate::chart::Chart;
use crate::error::Error;
use crate::render::render_for_lint;

const FOLDER: &str = "templates/";

pub(super) fn check(source: &Source, options: &LintOptions, report: &mut Report) -> Result<(), Error> {
    let is_there = !matches!(source.templates, Entry::Absent);
    if !report.warning(FOLDER, ensure(is_there, || "directory does not exist".to_owned())) {
        return Ok(());
    }
    let is_file = matches!(source.templates, Entry::File(_));
    if !report.error(FOLDER, ensure(!is_file, || "not a directory".to_owned())) {
        return Ok(());
    }
    let chart = match &source.chart {
        Ok(chart) => chart,
        Err(error) => {
            report.error(FOLDER, Err(error.clone()));
            return Ok(());
        }
    };
    // An error of the given values is not one of the chart.
    let given = options.values.merged(&options.limits.values)?;
    match render_for_lint(chart, &given, &options.rendering()) {
        // Helm says nothing of values that do not fit together.
        Err(Error::Values { .. }) => {}
        Err(error) => {
            report.error(FOLDER, Err(error.to_string()));
        }
        Ok(outputs) => {
            let text = |path: &str| {
                let output = outputs.iter().find(|(output, _)| output == path);
                output.map(|(_, text)| text.as_slice()).unwrap_or_default()
            };
            check_files(chart, text, options, report);
        }
    }
    Ok(())
}

fn check_files<'a>(
    chart: &Chart,
    text: impl Fn(&str) -> &'a [u8],
    options: &LintOptions,
    report: &mut Report,
) {
    for file in chart.templates() {
        let extension = extension(&file.path);
        let is_allowed = matches!(extension, ".yaml" | ".yml" | ".tpl" | ".txt");
        report.error(
            &file.path,
            ensure(is_allowed, || {
                format!(
                    "file extension '{extension}' not valid. Valid extensions are .yaml, .yml, .tpl, or .txt"
                )
            }),
        );
        if !(extension.eq_ignore_ascii_case(".yaml") || extension.eq_ignore_ascii_case(".yml")) {
            continue;
        }
        let text = text(&format!("{}/{}", chart.metadata().name, file.path));
        if crate::assembly::trim(text).is_empty() {
            continue;
        }
        report.warning(&file.path, check_indent(text));
        for document in documents(text) {
            match document.and_then(|document| Object::read(&document)) {
                Err(problem) => {
                    report.error(&file.path, Err(format!("unable to parse YAML: {problem}")));
                    return;
                }
                Ok(None) => {}
                Ok(Some(object)) => {
                    report.warning(&file.path, object.check_name());
                    report.warning(&file.path, deprecated(&object, options));
                    report.error(&file.path, object.check_selector(text));
                    report.error(&file.path, object.check_list(text));
                }
            }
        }
    }
}

fn deprecated(object: &Object, options: &LintOptions) -> Result<(), String> {
    if object.api_version.is_empty() || object.kind.is_empty() {
        return Ok(());
    }
    deprecation::check(object, &options.kube_version)
}

/// Whether the first line that is not blank begins at its margin.
fn check_indent(text: &[u8]) -> Result<(), String> {
    let first =
        text.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    let first = first.strip_suffix(b"\r").unwrap_or(first);
    ensure(!first.starts_with(b" ") && !first.starts_with(b"\t"), || {
        let line = gotemplate::quote(first);
        format!("document starts with an illegal indent: {line}, which may cause parsing problems")
    })
}

/// As Go's `filepath.Ext`.
fn extension(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.rfind('.').and_then(|dot| name.get(dot..)).unwrap_or_default()
}
