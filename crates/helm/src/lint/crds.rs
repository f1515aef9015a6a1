//! The files in `crds/`.

use super::object::{Object, documents};
use super::source::Entry;
use super::{Report, Source, ensure};
use crate::chart::{Chart, File};
use crate::tree::is_crd;

const FOLDER: &str = "crds/";

pub(super) fn check(source: &Source, report: &mut Report) {
    match source.crds {
        Entry::Absent => return,
        Entry::File(_) => {
            report.error(FOLDER, Err("not a directory".to_owned()));
            return;
        }
        Entry::Directory => {}
    }
    let chart = match &source.chart {
        Ok(chart) => chart,
        Err(error) => {
            report.error(FOLDER, Err(error.clone()));
            return;
        }
    };
    let mut files = Vec::new();
    collect(chart, &mut files);
    for file in files {
        for document in documents(&file.data) {
            match document.and_then(|document| Object::read(&document)) {
                Err(problem) => {
                    report.error(&file.path, Err(format!("unable to parse YAML: {problem}")));
                    return;
                }
                Ok(None) => {}
                Ok(Some(object)) => {
                    let is_ours = object.api_version.starts_with("apiextensions.k8s.io");
                    report.error(
                        &file.path,
                        ensure(is_ours, || "apiVersion is not in 'apiextensions.k8s.io'".to_owned()),
                    );
                    let is_crd = object.kind == "CustomResourceDefinition";
                    report.error(
                        &file.path,
                        ensure(is_crd, || "object kind is not 'CustomResourceDefinition'".to_owned()),
                    );
                }
            }
        }
    }
}

fn collect<'a>(chart: &'a Chart, files: &mut Vec<&'a File>) {
    files.extend(chart.files().iter().filter(|file| is_crd(file)));
    for dependency in chart.dependencies() {
        collect(dependency, files);
    }
}
