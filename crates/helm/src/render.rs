//! A rendering: a chart, what it is told, and what it gives.

use std::fmt;
use std::sync::Arc;

use gotemplate::{Map, Scope, Value};
use serde_json::Value as Json;

use crate::chart::Chart;
use crate::engine::{self, Objects};
use crate::error::Error;
use crate::host::Host;
use crate::lookup::Lookup;
use crate::objects::capabilities::{self, Capabilities};
use crate::tree::Node;
use crate::value::map_from_json;
use crate::values::coalesce::{Nulls, coalesce};

/// The release that templates see as `.Release`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Its name.
    pub name: String,
    /// The namespace it goes to.
    pub namespace: String,
    /// Whether it is there already: `.Release.IsUpgrade`, and not `.Release.IsInstall`.
    pub is_upgrade: bool,
    /// How many times it was installed or upgraded, this time included.
    pub revision: i64,
}

/// What a rendering depends on besides the chart.
#[derive(Clone)]
pub struct Options {
    /// The release.
    pub release: Release,
    /// The cluster.
    pub capabilities: Capabilities,
    /// Values that stand above those of the chart.
    pub values: serde_json::Map<String, Json>,
    /// Where the function `lookup` looks.
    pub lookup: Option<Arc<dyn Lookup>>,
    /// What the templates may use.
    pub limits: gotemplate::Limits,
}

impl Options {
    /// A first installation without values of its own.
    pub fn new(name: impl Into<String>, namespace: impl Into<String>) -> Self {
        let release =
            Release { name: name.into(), namespace: namespace.into(), is_upgrade: false, revision: 1 };
        Self {
            release,
            capabilities: Capabilities::default(),
            values: serde_json::Map::new(),
            lookup: None,
            limits: gotemplate::Limits::default(),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("release", &self.release).finish_non_exhaustive()
    }
}

/// What each template file prints, by its path such as `web/templates/service.yaml`, in the order of execution.
pub fn render_templates(chart: &Chart, options: &Options) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let _scope = Scope::enter();
    let root = Node::root(chart);
    let values = map_from_json(&options.values);
    coalesce(&root, &values, "", Nulls::Delete)?;
    let Release { name, namespace, is_upgrade, revision } = &options.release;
    let release = Map::from([
        ("IsInstall", Value::Bool(!is_upgrade)),
        ("IsUpgrade", Value::Bool(*is_upgrade)),
        ("Name", Value::from(name.as_str())),
        ("Namespace", Value::from(namespace.as_str())),
        ("Revision", Value::int(*revision)),
        ("Service", Value::from("Helm")),
    ]);
    let objects = Objects {
        release: Value::Map(release),
        capabilities: capabilities::to_template(&options.capabilities),
        values,
    };
    let mut host = Host::default();
    host.lookup.clone_from(&options.lookup);
    let outputs = engine::execute(&root, &objects, &mut host, options.limits)?;
    Ok(outputs.into_iter().map(|output| (output.path, output.text)).collect())
}
