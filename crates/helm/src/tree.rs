//! The charts that take part in one rendering, under the names that they have in it.

use gotemplate::{Map, Str, Value};
use serde_json::Value as Json;

use crate::assembly::HelmVersion;
use crate::chart::{Chart, Dependency, File};
use crate::error::Error;
use crate::semver::{Constraint, Version};
use crate::value::{from_json, map_from_json};
use crate::values::{copy_value, deep_copy, dependencies};

/// A default value, of which there is no copy yet.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DefaultValue<'a> {
    /// As it was read.
    Read(&'a Json),
    /// As a step before made it.
    Made(&'a Value),
}

impl DefaultValue<'_> {
    /// A copy that nobody else has.
    pub(crate) fn copy(self) -> Value {
        match self {
            Self::Read(json) => from_json(json),
            Self::Made(value) => copy_value(value),
        }
    }

    /// A copy, if the value is a map.
    pub(crate) fn copy_map(self) -> Option<Map> {
        match self {
            Self::Read(Json::Object(entries)) => Some(map_from_json(entries)),
            Self::Made(Value::Map(map)) => Some(deep_copy(map)),
            Self::Read(_) | Self::Made(_) => None,
        }
    }
}

/// A chart in its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    chart: Chart,
    name: String,
    /// The names of the charts from the root on, as in `web/charts/db`.
    path: String,
    /// What the chart declares, under the names that the dependencies have here. `None` is no list at all.
    pub(crate) declared: Option<Vec<Dependency>>,
    pub(crate) dependencies: Vec<Node>,
    /// The default values, if they are no longer those of the file.
    pub(crate) defaults: Option<Map>,
}

impl Node {
    /// A chart as the root, with its subcharts as the given values enable them.
    pub(crate) fn root(chart: &Chart, values: &Map, version: HelmVersion) -> Result<Self, Error> {
        let name = chart.metadata().name.clone();
        let mut root = Self::new(chart, name.clone(), name);
        dependencies::process(&mut root, values, version)?;
        Ok(root)
    }

    fn new(chart: &Chart, name: String, path: String) -> Self {
        let dependencies = chart
            .dependencies()
            .iter()
            .map(|dependency| {
                let name = dependency.metadata().name.clone();
                let path = format!("{path}/charts/{name}");
                Self::new(dependency, name, path)
            })
            .collect();
        let declared = chart.metadata().dependencies.clone();
        Self { chart: chart.clone(), name, path, declared, dependencies, defaults: None }
    }

    /// The same chart under another name.
    fn renamed(&self, name: &str) -> Self {
        let folder = self.path.strip_suffix(&self.name).unwrap_or_default();
        Self::new(&self.chart, name.to_owned(), format!("{folder}{name}"))
    }

    pub(crate) fn chart(&self) -> &Chart {
        &self.chart
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn dependencies(&self) -> &[Node] {
        &self.dependencies
    }

    pub(crate) fn has_dependency(&self, name: &[u8]) -> bool {
        self.dependencies.iter().any(|dependency| dependency.name.as_bytes() == name)
    }

    /// Puts the declared dependencies in place of the charts that were found: each under its alias, in the order in
    /// which they are declared, after those that nobody declared or whose version does not fit.
    pub(crate) fn resolve_declared(&mut self) {
        let Some(declared) = &mut self.declared else { return };
        let fits = |found: &Node, wanted: &Dependency| {
            found.chart.metadata().name == wanted.name
                && is_compatible(&wanted.version, &found.chart.metadata().version)
        };
        let mut resolved: Vec<Node> = self
            .dependencies
            .iter()
            .filter(|found| !declared.iter().any(|wanted| fits(found, wanted)))
            .cloned()
            .collect();
        for wanted in declared {
            if let Some(found) = self.dependencies.iter().find(|found| fits(found, wanted)) {
                resolved.push(if wanted.alias.is_empty() {
                    found.clone()
                } else {
                    found.renamed(&wanted.alias)
                });
            }
            if !wanted.alias.is_empty() {
                wanted.name.clone_from(&wanted.alias);
            }
        }
        self.dependencies = resolved;
    }

    /// Whether the chart or a subchart names versions of Kubernetes that it fits.
    pub(crate) fn asks_for_kube_version(&self) -> bool {
        !self.chart.metadata().kube_version.is_empty()
            || self.dependencies.iter().any(Self::asks_for_kube_version)
    }

    /// `.Chart`, without `IsRoot`.
    pub(crate) fn about(&self) -> Map {
        let metadata = self.chart.metadata();
        let about = metadata.to_template();
        about.insert("Name", self.name.as_str());
        let declared: Vec<Value> = self.declared.iter().flatten().map(Dependency::to_template).collect();
        about.insert("Dependencies", declared);
        about
    }

    /// Shows every default value of the chart itself.
    pub(crate) fn for_each_default(&self, mut visit: impl FnMut(&Str, DefaultValue<'_>)) {
        match &self.defaults {
            Some(defaults) => {
                for (key, value) in defaults.entries() {
                    visit(&key, DefaultValue::Made(&value));
                }
            }
            None => {
                for (key, value) in self.chart.values() {
                    visit(&Str::from(key.as_str()), DefaultValue::Read(value));
                }
            }
        }
    }

    /// The files in `crds/` of the chart and then of its subcharts.
    pub(crate) fn crds(&self) -> Vec<File> {
        let mut crds: Vec<File> = self
            .chart
            .files()
            .iter()
            .filter(|file| is_crd(file))
            .map(|file| File { path: format!("{}/{}", self.path, file.path).into(), data: file.data.clone() })
            .collect();
        crds.extend(self.dependencies.iter().flat_map(Node::crds));
        crds
    }
}

/// Whether a file is one of those in `crds/` that hold custom resource definitions.
pub(crate) fn is_crd(file: &File) -> bool {
    let extension = file.path.rsplit('.').next().unwrap_or_default();
    file.path.starts_with("crds/")
        && file.path.contains('.')
        && ["yaml", "yml", "json"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// Libraries and charts without what they depend on cannot be rendered.
pub(crate) fn check_installable(chart: &Chart) -> Result<(), Error> {
    let metadata = chart.metadata();
    if !matches!(metadata.kind.as_str(), "" | "application") {
        return Err(Error::Chart { message: format!("{} charts are not installable", metadata.kind) });
    }
    let missing: Vec<&str> = chart.missing_dependencies().collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::Chart {
        message: format!(
            "an error occurred while checking for chart dependencies. You may need to run 'helm dependency build' to \
             fetch missing dependencies: found in Chart.yaml, but missing in charts/ directory: {}",
            missing.join(", ")
        ),
    })
}

/// Whether a version is in a range; one that cannot be read is in none, and nothing is in a range that cannot.
pub(crate) fn is_compatible(range: &str, version: &str) -> bool {
    match (range.parse::<Constraint>(), version.parse::<Version>()) {
        (Ok(range), Ok(version)) => range.matches(&version),
        _ => false,
    }
}
