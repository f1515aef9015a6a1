//! From files to a chart.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use tiphys_manifest::yaml;

use super::budget::Budget;
use super::ignore::IgnoreRules;
use super::{Chart, Data, Fields, File, archive, kept};
use crate::error::{Error, Place};
use crate::limits::Limits;
use crate::schema::Schema;
use crate::values;

impl Chart {
    /// A chart from the files of a directory, with paths relative to it. What its `.helmignore` names is left out.
    pub fn from_files(files: impl IntoIterator<Item = File>, limits: &Limits) -> Result<Self, Error> {
        let mut files: Vec<File> = files.into_iter().collect();
        let rules = files.iter().find(|file| &*file.path == ".helmignore").map(|file| &*file.data);
        let mut rules = IgnoreRules::parse(rules.unwrap_or_default())?;
        files.retain(|file| !rules.ignore_file(&file.path));
        for file in &mut files {
            if file.data.starts_with(BYTE_ORDER_MARK) {
                file.data = without_mark(&file.data).into();
            }
        }
        // As a walk through the directory finds them.
        files.sort_by(|left, right| left.path.split('/').cmp(right.path.split('/')));
        let mut budget = Budget::new(limits, None);
        for file in &files {
            budget.take(file.data.len())?;
        }
        Self::assemble(files, &mut budget, limits)
    }

    /// A chart that is no subchart, from the files that take part.
    pub(super) fn assemble(files: Vec<File>, budget: &mut Budget, limits: &Limits) -> Result<Self, Error> {
        let chart = load(files, budget, limits, 0)?;
        match chart.metadata().api_version.as_str() {
            "v1" | "v2" => Ok(chart),
            // Behind a gate in Helm.
            "v3" => Err(bad_metadata("invalid chart apiVersion".to_owned())),
            _ => Err(bad_metadata("unsupported chart version".to_owned())),
        }
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

pub(super) fn without_mark(data: &[u8]) -> &[u8] {
    data.strip_prefix(BYTE_ORDER_MARK).unwrap_or(data)
}

fn load(files: Vec<File>, budget: &mut Budget, limits: &Limits, depth: usize) -> Result<Chart, Error> {
    if depth > limits.chart_depth {
        let message = format!("more than {} charts inside one another", limits.chart_depth);
        return Err(Error::Load { place: None, message });
    }
    let question = kept::Question::new(&files, depth, limits);
    if let Some((chart, spent)) = question.find()
        && budget.spend_again(spent)
    {
        return Ok(chart);
    }
    let (record, before) = (question.into_record(), budget.clone());
    let mut loading = Loading { is_root: depth == 0, ..Loading::default() };
    loading.read_metadata(&files)?;
    for file in files {
        loading.add(file, limits)?;
    }
    let chart = loading.finish(budget, limits, depth)?;
    if let Some(record) = record {
        record.keep(&chart, budget.spent_since(&before));
    }
    Ok(chart)
}

/// A chart of which not all files have been seen.
#[derive(Default)]
struct Loading {
    data: Data,
    is_root: bool,
    has_metadata: bool,
    /// The files in `charts/` by the name of the folder or archive.
    subcharts: BTreeMap<String, Vec<File>>,
}

impl Loading {
    fn read_metadata(&mut self, files: &[File]) -> Result<(), Error> {
        for file in files.iter().filter(|file| &*file.path == "Chart.yaml") {
            self.read_into_metadata(file)?;
            if self.data.metadata.api_version.is_empty() {
                "v1".clone_into(&mut self.data.metadata.api_version);
            }
        }
        Ok(())
    }

    fn read_into_metadata(&mut self, file: &File) -> Result<(), Error> {
        self.has_metadata = true;
        let document = read_yaml(file)?;
        // Helm first looks which version of the API a chart that is no subchart has.
        let typ =
            if self.is_root && &*file.path == "Chart.yaml" { "loader.chartBase" } else { "v2.Metadata" };
        Fields::of(&document, typ, "").map_err(|message| cannot_load(&file.path, 0, message))?;
        self.data.metadata.read(&document).map_err(|message| cannot_load(&file.path, 0, message))
    }

    fn add(&mut self, file: File, limits: &Limits) -> Result<(), Error> {
        let path = Arc::clone(&file.path);
        match &*path {
            "Chart.yaml" => {}
            "values.yaml" => {
                self.data.values = values::read(&file.data, &limits.values)
                    .map_err(|(line, message)| cannot_load("values.yaml", line, message))?;
                self.data.values_text = Some(file.data);
            }
            "values.schema.json" => self.data.schema = Some(Schema::new(file.data)),
            "requirements.yaml" => {
                self.read_into_metadata(&file)?;
                self.keep_if_v1(file);
            }
            "Chart.lock" => drop(read_yaml(&file)?),
            "requirements.lock" => {
                read_yaml(&file)?;
                self.has_metadata = true;
                self.keep_if_v1(file);
            }
            path if path.starts_with("templates/") => self.data.templates.push(file),
            path => match path.strip_prefix("charts/") {
                Some(rest) if extension(path) != ".prov" => {
                    let name = rest.split_once('/').map_or(rest, |(name, _)| name);
                    let inner = File { path: rest.into(), data: file.data };
                    self.subcharts.entry(name.to_owned()).or_default().push(inner);
                }
                _ => self.data.files.push(file),
            },
        }
        Ok(())
    }

    fn keep_if_v1(&mut self, file: File) {
        if self.data.metadata.api_version == "v1" {
            self.data.files.push(file);
        }
    }

    fn finish(mut self, budget: &mut Budget, limits: &Limits, depth: usize) -> Result<Chart, Error> {
        if !self.has_metadata {
            let message = "Chart.yaml file is missing".to_owned();
            return Err(Error::Load { place: None, message });
        }
        self.data.metadata.validate().map_err(bad_metadata)?;
        for (name, files) in std::mem::take(&mut self.subcharts) {
            if name.starts_with(['_', '.']) {
                continue;
            }
            let chart = self.load_subchart(&name, files, budget, limits, depth + 1).map_err(|error| {
                let message =
                    format!("error unpacking subchart {name} in {}: {error}", self.data.metadata.name);
                let place = error
                    .place()
                    .map(|place| Place { file: format!("charts/{name}/{}", place.file), line: place.line });
                Error::Load { place, message }
            })?;
            self.data.dependencies.push(chart);
        }
        Ok(Chart { data: Arc::new(self.data) })
    }

    fn load_subchart(
        &self,
        name: &str,
        files: Vec<File>,
        budget: &mut Budget,
        limits: &Limits,
        depth: usize,
    ) -> Result<Chart, Error> {
        if extension(name) != ".tgz" {
            // What lies in charts/ beside the charts is not looked at.
            let inner = files.into_iter().filter_map(|file| {
                let (_, path) = file.path.split_once('/')?;
                Some(File { path: path.into(), data: file.data })
            });
            return load(inner.collect(), budget, limits, depth);
        }
        let Some(file) = files.into_iter().next().filter(|file| &*file.path == name) else {
            let chart = &self.data.metadata.name;
            let message = format!("error unpacking subchart tar in {chart}: expected {name}");
            return Err(Error::Load { place: None, message });
        };
        let files = archive::read(&file.data, budget)?;
        load(files, budget, limits, depth)
    }
}

/// The last part of a path from its last dot on, as Go's `filepath.Ext`.
fn extension(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.rfind('.').and_then(|dot| name.get(dot..)).unwrap_or_default()
}

fn bad_metadata(message: String) -> Error {
    Error::Load { place: Some(Place { file: "Chart.yaml".to_owned(), line: 0 }), message }
}

fn cannot_load(path: &str, line: u32, message: impl std::fmt::Display) -> Error {
    Error::Load {
        place: Some(Place { file: path.to_owned(), line }),
        message: format!("cannot load {path}: {message}"),
    }
}

fn read_yaml(file: &File) -> Result<Value, Error> {
    match yaml::read_document(&file.data, &yaml::Limits::default()) {
        Ok(document) => Ok(document.value),
        Err(error) => Err(cannot_load(
            &file.path,
            error.line(),
            format!("error converting YAML to JSON: yaml: {error}"),
        )),
    }
}
