//! From files to a chart.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use tiphys_manifest::yaml;

use super::{Chart, Data, File};
use crate::error::{Error, Place};
use crate::values;

impl Chart {
    /// A chart from its files, in the order in which a directory lists them. Paths are relative to the chart.
    pub fn from_files(files: impl IntoIterator<Item = File>) -> Result<Self, Error> {
        let files: Vec<File> = files.into_iter().collect();
        let mut loading = Loading::default();
        loading.read_metadata(&files)?;
        for file in files {
            loading.add(file)?;
        }
        loading.finish()
    }
}

/// A chart of which not all files have been seen.
#[derive(Default)]
struct Loading {
    data: Data,
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
        self.data.metadata.read(&document).map_err(|message| cannot_load(&file.path, 0, message))
    }

    fn add(&mut self, file: File) -> Result<(), Error> {
        let path = Arc::clone(&file.path);
        match &*path {
            "Chart.yaml" => {}
            "values.yaml" => {
                self.data.values = values::read(&file.data)
                    .map_err(|(line, message)| cannot_load("values.yaml", line, message))?;
            }
            "values.schema.json" => self.data.schema = Some(file.data),
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

    fn finish(mut self) -> Result<Chart, Error> {
        if !self.has_metadata {
            let message = "Chart.yaml file is missing".to_owned();
            return Err(Error::Load { place: None, message });
        }
        self.data.metadata.validate().map_err(|message| Error::Load {
            place: Some(Place { file: "Chart.yaml".to_owned(), line: 0 }),
            message,
        })?;
        for (name, files) in std::mem::take(&mut self.subcharts) {
            if name.starts_with(['_', '.']) {
                continue;
            }
            let chart = load_subchart(files).map_err(|error| {
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
}

fn load_subchart(files: Vec<File>) -> Result<Chart, Error> {
    // What lies in charts/ beside the charts is not looked at.
    Chart::from_files(files.into_iter().filter_map(|file| {
        let (_, path) = file.path.split_once('/')?;
        Some(File { path: path.into(), data: file.data })
    }))
}

/// The last part of a path from its last dot on, as Go's `filepath.Ext`.
fn extension(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.rfind('.').and_then(|dot| name.get(dot..)).unwrap_or_default()
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
