//! The charts that take part in one rendering, under the names that they have in it.

use gotemplate::{Map, Str, Value};

use crate::chart::Chart;
use crate::value::from_json;

/// A chart in its place.
#[derive(Debug)]
pub(crate) struct Node {
    chart: Chart,
    name: String,
    /// The names of the charts from the root on, as in `web/charts/db`.
    path: String,
    dependencies: Vec<Node>,
}

impl Node {
    /// A chart as the root, with all its subcharts.
    pub(crate) fn root(chart: &Chart) -> Self {
        let name = chart.metadata().name.clone();
        Self::new(chart, name.clone(), name)
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
        Self { chart: chart.clone(), name, path, dependencies }
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

    /// `.Chart`, without `IsRoot`.
    pub(crate) fn about(&self) -> Map {
        let about = self.chart.metadata().to_template();
        about.insert("Name", self.name.as_str());
        about
    }

    pub(crate) fn has_dependency(&self, name: &[u8]) -> bool {
        self.dependencies.iter().any(|dependency| dependency.name.as_bytes() == name)
    }

    /// Gives every default value of the chart itself, as a copy.
    pub(crate) fn for_each_default(&self, mut visit: impl FnMut(&Str, Value)) {
        for (key, value) in self.chart.values() {
            visit(&Str::from(key.as_str()), from_json(value));
        }
    }
}
