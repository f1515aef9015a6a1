//! From the templates of all charts to their outputs.

use std::cmp::Reverse;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use gotemplate::{Context, Functions, Map, MissingKey, Set, Unit, Value};

use crate::chart::{Chart, CompiledPlace};
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
    path: Arc<str>,
    text: &'a Arc<[u8]>,
    /// What its templates see; shared by all templates of a chart.
    data: Map,
    /// Its chart, as far as it was compiled before, and which of the files there it is.
    place: Arc<CompiledPlace>,
    index: usize,
}

/// What a template file gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Output {
    /// The file, such as `web/templates/service.yaml`.
    pub(crate) path: Arc<str>,
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
    templates.sort_by_cached_key(|template| {
        Reverse((template.path.matches('/').count(), Arc::clone(&template.path)))
    });
    let set = Arc::new(parse(&templates)?);
    let mut ctx = Context::new(&set, limits).with_host(host);
    let mut outputs = Vec::with_capacity(templates.len());
    for template in templates {
        if base_name(&template.path).starts_with('_') {
            continue;
        }
        let about = Map::with_type(&VALUES);
        about.insert("Name", &*template.path);
        about.insert("BasePath", template.place.base_path.as_str());
        template.data.insert("Template", about);
        if let Some(host) = ctx.host::<Host>() {
            host.file = Arc::clone(&template.path);
        }
        let data = Value::Map(template.data.retyped(&VALUES));
        let text =
            ctx.execute(&*template.path, data).map_err(|error| execution_error(&template.path, &error))?;
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
        let added = unit(template, &set).and_then(|unit| set.add(&unit));
        added.map_err(|error| parse_error(&template.path, &error))?;
    }
    Ok(set)
}

/// The compiled text of a template file. It is kept with its chart.
fn unit(template: &Template<'_>, set: &Set) -> Result<Arc<Unit>, gotemplate::Error> {
    let Some(placed) = template.place.templates.get(template.index) else {
        return set.compile_shared(&*template.path, template.text).map(Arc::new);
    };
    if let Some(unit) = placed.unit.get() {
        return Ok(Arc::clone(unit));
    }
    let unit = Arc::new(set.compile_shared(&*template.path, template.text)?);
    // Another thread may have been faster; either will do.
    Ok(Arc::clone(placed.unit.get_or_init(|| unit)))
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
    let place = chart.compiled_at(node.path());
    for (index, (file, placed)) in chart.templates().iter().zip(&place.templates).enumerate() {
        if library && !base_name(&file.path).starts_with('_') {
            continue;
        }
        templates.push(Template {
            path: Arc::clone(&placed.path),
            text: &file.data,
            data: data.clone(),
            place: Arc::clone(&place),
            index,
        });
    }
    data
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
