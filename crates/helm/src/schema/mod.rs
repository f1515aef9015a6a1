//! `values.schema.json`: what the values of a chart may be.

mod cost;
mod explain;
mod number;

use std::fmt;
use std::sync::{Arc, OnceLock};

use gotemplate::{Map, Value};
use jsonschema::{PatternOptions, Retrieve, Uri, Validator};
use serde_json::Value as Json;

use crate::error::Error;
use crate::tree::Node;
use crate::value::{Bytes, to_json};

/// Bytes of values that are checked at most.
const MAX_VALUES: usize = 512 << 20;

/// A compiled expression of a `pattern`, and the table that runs it.
const MAX_PATTERN_BYTES: usize = 10 << 20;

/// Checks the values of a chart and of those below it, each with the part of the values that it sees.
pub(crate) fn validate(root: &Node, values: &Map) -> Result<(), Error> {
    let mut problems = String::new();
    collect(root, values, &mut problems);
    if problems.is_empty() {
        return Ok(());
    }
    Err(Error::Schema {
        message: format!(
            "values don't meet the specifications of the schema(s) in the following chart(s):\n{problems}"
        ),
    })
}

fn collect(node: &Node, values: &Map, problems: &mut String) {
    if let Some(schema) = node.chart().schema()
        && let Err(problem) = schema.check(values)
    {
        problems.extend([node.name(), ":\n", &problem]);
    }
    for dependency in node.dependencies() {
        match values.get(dependency.name()) {
            None | Some(Value::Nil) => {}
            Some(Value::Map(own)) => collect(dependency, &own, problems),
            Some(other) => {
                let (name, typ) = (dependency.name(), other.type_name());
                problems.extend([
                    name,
                    ":\ninvalid type for values: expected object (map), got ",
                    &typ,
                    "\n",
                ]);
            }
        }
    }
}

/// The schema of a chart. It is compiled when it is first asked, and kept as long as the chart is.
pub(crate) struct Schema {
    text: Arc<[u8]>,
    compiled: OnceLock<Result<Compiled, String>>,
}

struct Compiled {
    schema: Json,
    validator: Validator,
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema").field("bytes", &self.text.len()).finish_non_exhaustive()
    }
}

impl Schema {
    /// A schema that was not looked at yet.
    pub(crate) fn new(text: Arc<[u8]>) -> Self {
        Self { text, compiled: OnceLock::new() }
    }

    /// Checks values.
    pub(crate) fn check(&self, values: &Map) -> Result<(), String> {
        let Compiled { schema, validator } =
            self.compiled.get_or_init(|| compile(&self.text)).as_ref().map_err(Clone::clone)?;
        let mut values = to_json(&Value::Map(values.clone()), &mut Bytes(MAX_VALUES))
            .map_err(|error| error.to_string())?;
        // Draft 4 tells 1.0 from 1, Helm does not.
        number::make_whole(&mut values);
        let errors: Vec<_> = validator.iter_errors(&values).collect();
        if errors.is_empty() { Ok(()) } else { Err(explain::of_values(&errors, schema)) }
    }
}

fn compile(text: &[u8]) -> Result<Compiled, String> {
    if text.trim_ascii().is_empty() {
        return Err("EOF".to_owned());
    }
    let schema: Json = serde_json::from_slice(text)
        .map_err(|error| if error.is_eof() { "unexpected EOF".to_owned() } else { error.to_string() })?;
    cost::check(&schema)?;
    let validator = jsonschema::options()
        .with_retriever(NoNetwork)
        .with_pattern_options(PatternOptions::regex().size_limit(MAX_PATTERN_BYTES))
        .build(&schema)
        .map_err(|error| explain::of_schema(&error))?;
    Ok(Compiled { schema, validator })
}

/// Schemas are what is in the chart: nothing is fetched, and no file is read.
struct NoNetwork;

impl Retrieve for NoNetwork {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Json, Box<dyn std::error::Error + Send + Sync>> {
        // Helm lets anything pass where it cannot resolve such a name.
        if uri.as_str().starts_with("urn:") {
            return Ok(Json::Bool(true));
        }
        Err(format!(
            "{uri} is not in the chart, and schemas are not fetched from elsewhere; put it under $defs of \
             values.schema.json"
        )
        .into())
    }
}
