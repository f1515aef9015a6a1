//! From a directory in a tree to a [`Job`].

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tiphys_api::TeraSource;
use tiphys_tree::{Kind as EntryKind, TreePath, View};

use super::{Content, Job, TextFile};
use crate::detect::{child, is_rendered};
use crate::directory::has_manifests;
use crate::error::Error;
use crate::request::{Capabilities, Release};

/// A chart that was read completely.
pub(crate) struct Chart {
    pub(crate) job: Job,
    /// The files of `crds/`, sorted by path.
    pub(crate) crds: Vec<TextFile>,
    /// Whether the result may depend on the capabilities of the cluster.
    pub(crate) asks_for_capabilities: bool,
}

/// Reads the chart at `path`.
pub(crate) fn gather(
    view: &View,
    path: &TreePath,
    options: TeraSource,
    templates: &[TreePath],
    release: &Release,
    capabilities: &Capabilities,
    output_bytes: u64,
) -> Result<Chart, Error> {
    let rendered = templates.iter().filter(|template| is_rendered(template));
    let rendered = rendered.map(|template| template.as_str().to_owned()).collect();
    let templates: Vec<TextFile> =
        templates.iter().map(|template| read(view, template)).collect::<Result<_, _>>()?;
    let chart = read(view, &child(path, "Chart.yaml")?)?;
    // Whoever names neither cannot use them, so a new kind in the cluster or a new README renders nothing again.
    let mentions = |name: &str| templates.iter().any(|template| template.text.contains(name));
    let asks_for_capabilities = mentions("capabilities") || chart.text.contains("kubeVersion");
    let files = if mentions("files") { files(view, path)? } else { BTreeMap::new() };
    let release = Release {
        name: options.release_name.unwrap_or_else(|| release.name.clone()),
        namespace: release.namespace.clone(),
    };
    let job = Job {
        chart,
        values: read_optional(view, &child(path, "values.yaml")?)?,
        value_files: value_files(view, path, &options.value_files)?,
        inline_values: options.values,
        set: options.set,
        schema: read_optional(view, &child(path, "values.schema.json")?)?,
        templates_directory: child(path, "templates")?.as_str().to_owned(),
        templates,
        rendered,
        files,
        release,
        capabilities: capabilities.clone(),
        output_bytes,
    };
    Ok(Chart { job, crds: crds(view, path)?, asks_for_capabilities })
}

/// The text of a file that must be there.
pub(crate) fn read(view: &View, path: &TreePath) -> Result<TextFile, Error> {
    text(path, view.read(path)?)
}

fn read_optional(view: &View, path: &TreePath) -> Result<Option<TextFile>, Error> {
    view.read_optional(path)?.map(|bytes| text(path, bytes)).transpose()
}

fn text(path: &TreePath, bytes: Vec<u8>) -> Result<TextFile, Error> {
    let text = String::from_utf8(bytes).map_err(|_| Error::NotUtf8 { path: path.clone() })?;
    Ok(TextFile { path: path.as_str().to_owned(), text })
}

fn value_files(view: &View, path: &TreePath, names: &[String]) -> Result<Vec<TextFile>, Error> {
    let read = |name: &String| {
        let file = path.resolve(name).map_err(|source| Error::ValueFilePath {
            field: "tera",
            name: name.clone(),
            source,
        })?;
        read_optional(view, &file)?.ok_or_else(|| Error::ValueFileNotFound { name: name.clone(), path: file })
    };
    names.iter().map(read).collect()
}

fn crds(view: &View, path: &TreePath) -> Result<Vec<TextFile>, Error> {
    let directory = child(path, "crds")?;
    if view.kind(&directory)? != Some(EntryKind::Directory) {
        return Ok(Vec::new());
    }
    let files = view.walk(&directory)?;
    files.iter().filter(|file| has_manifests(file)).map(|file| read(view, file)).collect()
}

/// All files of the chart but those that Tiphys itself reads.
fn files(view: &View, path: &TreePath) -> Result<BTreeMap<String, Content>, Error> {
    let mut files = BTreeMap::new();
    for file in view.walk(path)? {
        let Some(name) = file.strip_prefix(path) else {
            continue;
        };
        let top = name.components().next().unwrap_or_default();
        let own = ["Chart.yaml", "values.yaml", "values.schema.json"];
        if ["templates", "crds"].contains(&top) || own.contains(&name.as_str()) {
            continue;
        }
        let content = match String::from_utf8(view.read(&file)?) {
            Ok(text) => Content::Text(text),
            Err(error) => Content::Base64(BASE64_STANDARD.encode(error.as_bytes())),
        };
        files.insert(name.as_str().to_owned(), content);
    }
    Ok(files)
}
