//! What a directory is.

use tiphys_api::{DirectorySource, HelmSource, TeraSource};
use tiphys_tree::{Kind as EntryKind, TreePath, View};

use crate::error::Error;
use crate::rendering::Kind;
use crate::request::Options;

/// The ending of the names of Tera templates.
const TERA_EXTENSION: &str = ".tera";
/// What a chart tells a person who installs it. Tiphys has nobody to show it to, in whatever language it is written.
const NOTES: &str = "NOTES.txt";

/// A directory, with what is needed to render it.
pub(crate) enum Detected {
    /// Plain manifests.
    Directory(DirectorySource),
    /// A chart with Go templates, or with none.
    Helm(HelmSource),
    /// A chart with these templates.
    Tera { options: TeraSource, templates: Vec<TreePath> },
}

/// Finds out what the directory at `path` is, and whether that is what the options are for.
pub(crate) fn detect(view: &View, path: &TreePath, options: &Options) -> Result<Detected, Error> {
    match view.kind(path)? {
        None => return Err(Error::PathNotFound { path: path.clone() }),
        Some(EntryKind::File { .. }) => return Err(Error::NotADirectory { path: path.clone() }),
        Some(EntryKind::Directory) => {}
    }
    if let Options::Directory(options) = options {
        return Ok(Detected::Directory(options.clone()));
    }
    if view.kind(&child(path, "Chart.yaml")?)?.is_none() {
        return match options {
            Options::Helm(_) => Err(other_options(path, "helm", Kind::Directory)),
            Options::Tera(_) => Err(other_options(path, "tera", Kind::Directory)),
            Options::Detect | Options::Directory(_) => Ok(Detected::Directory(DirectorySource::default())),
        };
    }
    let templates = templates(view, path)?;
    let go = templates.iter().find(|file| !is_tera(file) && file.name() != Some(NOTES));
    let tera = templates.iter().find(|file| is_tera(file));
    match (tera, go, options) {
        (Some(tera), Some(go), _) => Err(Error::MixedChart { tera: tera.clone(), go: go.clone() }),
        (Some(_), None, Options::Helm(_)) => Err(other_options(path, "helm", Kind::Tera)),
        (None, Some(_), Options::Tera(_)) => Err(other_options(path, "tera", Kind::Helm)),
        (None, _, Options::Helm(options)) => Ok(Detected::Helm(options.clone())),
        // A chart without templates may have subcharts; only Helm's can.
        (None, _, Options::Detect | Options::Directory(_)) => Ok(Detected::Helm(HelmSource::default())),
        (_, None, options) => {
            let options = match options {
                Options::Tera(options) => options.clone(),
                _ => TeraSource::default(),
            };
            let templates = templates.into_iter().filter(is_tera).collect();
            Ok(Detected::Tera { options, templates })
        }
    }
}

/// Whether a template gives manifests of its own.
pub(crate) fn is_rendered(template: &TreePath) -> bool {
    template
        .name()
        .is_some_and(|name| !name.starts_with('_') && name.strip_suffix(TERA_EXTENSION) != Some(NOTES))
}

pub(crate) fn child(path: &TreePath, name: &str) -> Result<TreePath, Error> {
    Ok(path.child(name).map_err(tiphys_tree::Error::from)?)
}

fn templates(view: &View, path: &TreePath) -> Result<Vec<TreePath>, Error> {
    let directory = child(path, "templates")?;
    match view.kind(&directory)? {
        Some(EntryKind::Directory) => Ok(view.walk(&directory)?),
        Some(EntryKind::File { .. }) | None => Ok(Vec::new()),
    }
}

fn is_tera(template: &TreePath) -> bool {
    template.as_str().ends_with(TERA_EXTENSION)
}

fn other_options(path: &TreePath, options: &'static str, found: Kind) -> Error {
    Error::OtherOptions { path: path.clone(), options, found }
}
