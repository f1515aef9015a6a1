//! From the templates of all charts to their outputs.

use std::cmp::Reverse;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use gotemplate::{Context, Functions, Map, MissingKey, Set, Unit, Value};

use crate::chart::Chart;
use crate::error::{Error, Place};
use crate::failure;
use crate::functions::{self, SET_NAME, remove_no_value};
use crate::host::Host;
use crate::objects::{VALUES, files::Files};
use crate::tree::Node;
use crate::values::table;

/// The functions of all charts.
static FUNCTIONS: LazyLock<Arc<Functions>> = LazyLock::new(|| Arc::new(functions::functions()));

/// A template file, what its templates see, and where it comes in the order.
struct Template<'a> {
    path: String,
    text: &'a Arc<[u8]>,
    /// What its templates see; shared by all templates of a chart.
    data: Map,
    /// The folder of the templates of its chart, for `.Template.BasePath`.
    base_path: String,
}

/// What a template file gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Output {
    /// The file, such as `web/templates/service.yaml`.
    pub(crate) path: String,
    /// What its template printed.
    pub(crate) text: Vec<u8>,
}

/// What the templates of all charts see.
#[derive(Debug)]
pub(crate) struct Objects {
    pub(crate) release: Value,
    pub(crate) capabilities: Value,
    pub(crate) values: Map,
}

/// Executes all templates. The outputs are in the order of execution.
pub(crate) fn execute(
    root: &Node,
    objects: &Objects,
    host: &mut Host,
    limits: gotemplate::Limits,
) -> Result<Vec<Output>, Error> {
    let mut templates = Vec::new();
    collect(root, objects, Some(&objects.values), true, &mut templates);
    // Deeper files first, then by name from the end: also the order in which later definitions replace earlier ones.
    templates
        .sort_by_cached_key(|template| Reverse((template.path.matches('/').count(), template.path.clone())));
    let set = Arc::new(parse(&templates)?);
    let mut ctx = Context::new(&set, limits).with_host(host);
    let mut outputs = Vec::with_capacity(templates.len());
    for template in templates {
        if base_name(&template.path).starts_with('_') {
            continue;
        }
        let about = Map::with_type(&VALUES);
        about.insert("Name", template.path.as_str());
        about.insert("BasePath", template.base_path.as_str());
        template.data.insert("Template", about);
        if let Some(host) = ctx.host::<Host>() {
            host.file = template.path.as_str().into();
        }
        let data = Value::Map(template.data.retyped(&VALUES));
        let text =
            ctx.execute(&template.path, data).map_err(|error| execution_error(&template.path, &error))?;
        let text = remove_no_value(&text).unwrap_or(text);
        outputs.push(Output { path: template.path, text });
    }
    Ok(outputs)
}

fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn parse(templates: &[Template<'_>]) -> Result<Set, Error> {
    let mut set = Set::with_functions(SET_NAME, Arc::clone(&FUNCTIONS));
    set.missing_key(MissingKey::Zero);
    for template in templates {
        let unit: Result<Unit, _> = set.compile(&template.path, template.text);
        let added = unit.and_then(|unit| set.add(&Arc::new(unit)));
        added.map_err(|error| parse_error(&template.path, &error))?;
    }
    Ok(set)
}

/// Collects the templates of a chart and its subcharts and gives what those of the chart see.
fn collect<'a>(
    node: &'a Node,
    objects: &Objects,
    values: Option<&Map>,
    is_root: bool,
    templates: &mut Vec<Template<'a>>,
) -> Map {
    let chart = node.chart();
    let about = node.about();
    about.insert("IsRoot", is_root);
    let values = values.map_or_else(|| Map::with_type(&VALUES), |values| values.retyped(&VALUES));
    let subcharts = Map::new();
    for dependency in node.dependencies() {
        let own = table(&values, dependency.name());
        let data = collect(dependency, objects, own.as_ref(), false, templates);
        subcharts.insert(dependency.name(), data);
    }
    let data = Map::from([
        ("Capabilities", objects.capabilities.clone()),
        ("Chart", Value::Map(about)),
        ("Files", Value::Native(Rc::new(Files::new(chart.files())))),
        ("Release", objects.release.clone()),
        ("Subcharts", Value::Map(subcharts)),
        ("Values", Value::Map(values)),
    ]);
    let library = chart.metadata().is_library();
    for file in chart.templates() {
        if library && !base_name(&file.path).starts_with('_') {
            continue;
        }
        templates.push(Template {
            path: join(node.path(), &file.path),
            text: &file.data,
            data: data.clone(),
            base_path: join(node.path(), "templates"),
        });
    }
    data
}

/// A path below a folder, as Go's `path.Join` writes it.
fn join(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn parse_error(path: &str, error: &gotemplate::Error) -> Error {
    let line = match error {
        gotemplate::Error::Parse(error) => error.line,
        _ => 0,
    };
    Error::Parse { place: Place { file: path.to_owned(), line }, message: failure::parse_text(error) }
}

fn execution_error(path: &str, error: &gotemplate::Error) -> Error {
    let limit = error.limit();
    match error {
        gotemplate::Error::Exec(error) => {
            let place = error.frames().next_back().map_or_else(
                || Place { file: path.to_owned(), line: 0 },
                |frame| Place { file: frame.position.file.clone(), line: frame.position.line },
            );
            Error::Execute { place, message: failure::exec_text(error), limit }
        }
        error => {
            let place = Place { file: path.to_owned(), line: 0 };
            Error::Execute { place, message: error.to_string(), limit }
        }
    }
}

/// Charts are loaded on one thread and rendered on another.
const _: () = {
    const fn assert_shared<T: Send + Sync>() {}
    assert_shared::<Chart>();
    assert_shared::<Error>();
};
