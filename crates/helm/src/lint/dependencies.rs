//! What a chart declares, and what lies in its `charts/`.

use super::{Report, Source, ensure};
use crate::chart::Chart;

pub(super) fn check(source: &Source, report: &mut Report) {
    let loaded =
        source.chart.as_ref().map(|_| ()).map_err(|error| format!("unable to load chart\n\t{error}"));
    report.error("", loaded);
    let Ok(chart) = &source.chart else { return };
    let present: Vec<&str> =
        chart.dependencies().iter().map(|dependency| dependency.metadata().name.as_str()).collect();
    let declared: Vec<&str> =
        chart.metadata().dependencies.iter().flatten().map(|dependency| dependency.name.as_str()).collect();
    let beyond = |names: &[&str], known: &[&str]| -> Vec<String> {
        names.iter().filter(|name| !known.contains(name)).map(ToString::to_string).collect()
    };
    report.error(
        &source.root,
        none(&beyond(&present, &declared), "chart metadata is missing these dependencies"),
    );
    report.error(&source.root, none(&twice(chart), "multiple dependencies with name or alias"));
    report.warning(
        &source.root,
        none(&beyond(&declared, &present), "chart directory is missing these dependencies"),
    );
}

fn none(names: &[String], problem: &str) -> Result<(), String> {
    ensure(names.is_empty(), || format!("{problem}: {}", names.join(",")))
}

fn twice(chart: &Chart) -> Vec<String> {
    let mut seen: Vec<&str> = Vec::new();
    let mut twice = Vec::new();
    for dependency in chart.metadata().dependencies.iter().flatten() {
        let key = dependency.key();
        if seen.contains(&key) {
            twice.push(key.to_owned());
        }
        seen.push(key);
    }
    twice
}
