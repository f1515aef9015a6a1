//! From a directory in a tree to a chart that can be rendered.

use tiphys_api::HelmSource;
use tiphys_helm::{Capabilities, Chart, File, IgnoreRules, KubeVersion, Options, ValueSources};
use tiphys_tree::{TreePath, View};

use super::{chart_error, limits, value_files};
use crate::detect::child;
use crate::error::Error;
use crate::renderer::RendererConfig;
use crate::request::Request;

/// A chart that was read completely, and what it is told.
pub(crate) struct Gathered {
    pub(crate) path: TreePath,
    pub(crate) chart: Chart,
    pub(crate) options: Options,
    pub(crate) skip_crds: bool,
    pub(crate) skip_tests: bool,
}

/// Reads the chart at the path of the request.
pub(crate) fn gather(
    view: &View,
    request: &Request,
    source: HelmSource,
    config: &RendererConfig,
) -> Result<Gathered, Error> {
    let path = &request.path;
    let limits = limits(config);
    let files = files(view, path)?;
    let chart = Chart::from_files(files, &limits).map_err(|error| chart_error(path, &error))?;
    let mut options = Options::new(
        source.release_name.unwrap_or_else(|| request.release.name.clone()),
        request.release.namespace.clone(),
    );
    options.values = ValueSources {
        files: value_files::read(view, path, &source.value_files, source.ignore_missing_value_files)?,
        inline: source.values,
        set: source.set,
        ..ValueSources::default()
    };
    options.capabilities = capabilities(request, source.kube_version.as_deref(), source.api_versions)?;
    options.lookup.clone_from(&request.lookup);
    options.chance = request.chance.clone();
    options.limits = limits;
    Ok(Gathered {
        path: path.clone(),
        chart,
        options,
        skip_crds: source.skip_crds,
        skip_tests: source.skip_tests,
    })
}

/// The files of the chart with paths relative to it, without those that its `.helmignore` leaves out: these are not even
/// read.
fn files(view: &View, path: &TreePath) -> Result<Vec<File>, Error> {
    let rules = view.read_optional(&child(path, ".helmignore")?)?.unwrap_or_default();
    let mut rules = IgnoreRules::parse(&rules).map_err(|error| chart_error(path, &error))?;
    let mut files = Vec::new();
    for file in view.walk(path)? {
        let Some(relative) = file.strip_prefix(path) else {
            continue;
        };
        if !rules.ignore_file(relative.as_str()) {
            files.push(File::new(relative.as_str(), view.read(&file)?));
        }
    }
    Ok(files)
}

/// What the templates are told of the cluster: what the request says and the options add. Without a cluster it is what
/// `helm template` takes for granted.
fn capabilities(
    request: &Request,
    kube_version: Option<&str>,
    api_versions: Vec<String>,
) -> Result<Capabilities, Error> {
    let version = kube_version.unwrap_or(&request.capabilities.kube_version);
    let kube_version = KubeVersion::parse(version)
        .map_err(|problem| Error::KubeVersion { version: version.to_owned(), problem })?;
    let mut known: Vec<String> = if request.capabilities.api_versions.is_empty() {
        Capabilities::default().api_versions.to_vec()
    } else {
        request.capabilities.api_versions.iter().cloned().collect()
    };
    known.extend(api_versions);
    Ok(Capabilities { kube_version, api_versions: known.into() })
}
