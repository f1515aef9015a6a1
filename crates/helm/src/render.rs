//! A rendering: a chart, what it is told, and what it gives.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use gotemplate::{Map, Scope, Value};

use crate::assembly::{self, HelmVersion, Hook, Manifest};
use crate::chance::{Chance, Draws};
use crate::chart::{Chart, File};
use crate::engine::{self, Objects, Output};
use crate::error::Error;
use crate::host::Host;
use crate::limits::Limits;
use crate::lookup::Lookup;
use crate::objects::capabilities::{self, Capabilities, KubeVersion};
use crate::schema;
use crate::tree::{self, Node, is_compatible};
use crate::values::coalesce::{Nulls, coalesce};
use crate::values::{ValueSources, deep_copy};

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
    pub values: ValueSources,
    /// Which Helm to follow.
    pub version: HelmVersion,
    /// Whether the notes of subcharts are part of the notes.
    pub subchart_notes: bool,
    /// Whether values may differ from what `values.schema.json` says.
    pub skip_schema: bool,
    /// Where random values and the time come from.
    pub chance: Chance,
    /// Where the function `lookup` looks.
    pub lookup: Option<Arc<dyn Lookup>>,
    /// What the rendering may cost.
    pub limits: Limits,
}

impl Options {
    /// A first installation as `helm template` sees it, without values of its own.
    pub fn new(name: impl Into<String>, namespace: impl Into<String>) -> Self {
        let release =
            Release { name: name.into(), namespace: namespace.into(), is_upgrade: false, revision: 1 };
        Self {
            release,
            capabilities: Capabilities::default(),
            values: ValueSources::default(),
            version: HelmVersion::default(),
            subchart_notes: false,
            skip_schema: false,
            chance: Chance::default(),
            lookup: None,
            limits: Limits::default(),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("release", &self.release).finish_non_exhaustive()
    }
}

/// What a chart gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendering {
    /// The objects, in the order in which Helm installs them.
    pub manifests: Vec<Manifest>,
    /// The hooks, in the same order.
    pub hooks: Vec<Hook>,
    /// The files in `crds/` of the chart and then of its subcharts, with the names of the charts before their paths.
    /// They are no templates.
    pub crds: Vec<File>,
    /// What `NOTES.txt` prints.
    pub notes: String,
    /// What the rendering depends on besides the chart, the values and the release.
    pub used: Used,
}

/// What a rendering depends on besides the chart, the values and the release.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// [`Options::capabilities`].
    pub capabilities: bool,
    /// [`Options::lookup`].
    pub lookup: bool,
    /// [`Options::chance`].
    pub chance: bool,
}

/// Renders a chart.
pub fn render(chart: &Chart, options: &Options) -> Result<Rendering, Error> {
    // Maps that templates made to contain themselves are freed here.
    let _scope = Scope::enter();
    let (root, mut outputs, used) = execute(chart, options)?;
    let notes = take_notes(&mut outputs, root.name(), options.subchart_notes);
    let (manifests, hooks) = assembly::assemble(outputs, options.version)?;
    Ok(Rendering { manifests, hooks, crds: root.crds(), notes, used })
}

/// What each template file prints, by its path such as `web/templates/service.yaml`, in the order of execution.
pub fn render_templates(chart: &Chart, options: &Options) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let _scope = Scope::enter();
    let (_, outputs, _) = execute(chart, options)?;
    Ok(outputs.into_iter().map(|output| (output.path.to_string(), output.text)).collect())
}

fn execute(chart: &Chart, options: &Options) -> Result<(Node, Vec<Output>, Used), Error> {
    let given = options.values.merged(&options.limits.values)?;
    tree::check_installable(chart)?;
    check_name(&options.release.name)?;
    let (root, values) = prepare(chart, &given, options)?;
    check_kube_version(chart, &options.capabilities.kube_version)?;
    let mut host = Host::default();
    let (outputs, used) = execute_prepared(&root, values, options, &mut host)?;
    Ok((root, outputs, used))
}

/// What each template file prints in a linter: `required` and `fail` pass, and whether the chart can be installed, and
/// where, is not asked.
pub(crate) fn render_for_lint(
    chart: &Chart,
    given: &Map,
    options: &Options,
) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let (root, values) = prepare(chart, given, options)?;
    let mut host = Host::default();
    host.lint = true;
    let (outputs, _) = execute_prepared(&root, values, options, &mut host)?;
    Ok(outputs.into_iter().map(|output| (output.path.to_string(), output.text)).collect())
}

/// The charts that take part, and the values that they see.
fn prepare(chart: &Chart, given: &Map, options: &Options) -> Result<(Node, Map), Error> {
    let root = Node::root(chart, given, options.version)?;
    let values = deep_copy(given);
    coalesce(&root, &values, Nulls::Delete(options.version))?;
    if !options.skip_schema {
        schema::validate(&root, &values)?;
    }
    Ok((root, values))
}

fn execute_prepared(
    root: &Node,
    values: Map,
    options: &Options,
    host: &mut Host,
) -> Result<(Vec<Output>, Used), Error> {
    let Release { name, namespace, is_upgrade, revision } = &options.release;
    let release = Map::from([
        // Helm's linter says neither of them.
        ("IsInstall", Value::Bool(!is_upgrade && !host.lint)),
        ("IsUpgrade", Value::Bool(*is_upgrade)),
        ("Name", Value::from(name.as_str())),
        ("Namespace", Value::from(namespace.as_str())),
        ("Revision", Value::int(*revision)),
        ("Service", Value::from("Helm")),
    ]);
    let capabilities_used = Rc::new(Cell::new(root.asks_for_kube_version()));
    let objects = Objects {
        release: Value::Map(release),
        capabilities: capabilities::to_template(&options.capabilities, &capabilities_used),
        values,
    };
    host.chance = Draws::new(options.chance.clone());
    host.lookup.clone_from(&options.lookup);
    let mut limits = options.limits.templates;
    let end = options.limits.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    limits.deadline = limits.deadline.into_iter().chain(end).min();
    let outputs = engine::execute(root, &objects, host, limits);
    if host.chance.is_missed() {
        return Err(Error::ChanceWithheld);
    }
    let outputs = outputs?;
    let used =
        Used { capabilities: capabilities_used.get(), lookup: host.looked_up, chance: host.chance.is_used() };
    Ok((outputs, used))
}

/// Names of releases become parts of names of objects.
fn check_name(name: &str) -> Result<(), Error> {
    const MAX_LENGTH: usize = 53;
    let is_part = |part: &str| {
        let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        part.bytes().all(|byte| letter(byte) || byte == b'-')
            && part.bytes().next().is_some_and(letter)
            && part.bytes().next_back().is_some_and(letter)
    };
    let problem = if name.is_empty() {
        "no name provided"
    } else if name.len() > MAX_LENGTH || !name.split('.').all(is_part) {
        r"invalid release name, must match regex ^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$ and the length must not be longer than 53"
    } else {
        return Ok(());
    };
    Err(Error::Release { name: name.to_owned(), problem })
}

/// Only that of the chart itself counts.
fn check_kube_version(chart: &Chart, version: &KubeVersion) -> Result<(), Error> {
    let wanted = &chart.metadata().kube_version;
    if wanted.is_empty() || is_compatible(wanted, &version.normalized) {
        return Ok(());
    }
    Err(Error::KubeVersion { wanted: wanted.clone(), version: version.version.clone() })
}

/// Takes the notes out of the outputs.
fn take_notes(outputs: &mut Vec<Output>, chart: &str, of_subcharts: bool) -> String {
    const NOTES: &str = "NOTES.txt";
    let own = format!("{chart}/templates/{NOTES}");
    let mut notes = String::new();
    for output in outputs.extract_if(.., |output| output.path.ends_with(NOTES)) {
        if of_subcharts || *output.path == *own {
            if !notes.is_empty() {
                notes.push('\n');
            }
            notes.push_str(&String::from_utf8_lossy(&output.text));
        }
    }
    notes
}
