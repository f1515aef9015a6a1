//! Values of an object against its schema, in the words of the API server.

use std::collections::BTreeSet;

use serde_json::{Map, Number, Value};

use super::Problem;
use super::formats::{self, Format};
use super::schema::{Additional, Bound, Kind, List, Range, Schema};

/// What is found while an object is looked at.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) problems: Vec<Problem>,
    /// What could not be checked, each once.
    pub(super) unverified: BTreeSet<String>,
}

impl Findings {
    pub(super) fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }
}

/// The path of a field.
pub(super) fn child(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Validates an object that has its defaults.
pub(super) fn validate(object: &Value, schema: &Schema, findings: &mut Findings) {
    value(object, schema, "", findings);
}

fn value(value: &Value, schema: &Schema, path: &str, findings: &mut Findings) {
    if !has_type(value, schema, path, findings) {
        return;
    }
    composed(value, schema, path, findings);
    if let Some(allowed) = &schema.allowed
        && !value.is_null()
        && !allowed.iter().any(|it| equal(it, value))
    {
        let names: Vec<_> = allowed.iter().map(ToString::to_string).collect();
        let message = format!("Unsupported value: {value}: supported values: {}", names.join(", "));
        findings.problem(Problem::blocking(path, message));
    }
    match value {
        Value::String(text) => string(text, schema, path, findings),
        Value::Number(number) => bounds(number, schema, path, findings),
        Value::Array(items) => array(items, schema, path, findings),
        Value::Object(fields) => object(fields, schema, path, findings),
        Value::Null | Value::Bool(_) => {}
    }
}

/// Whether a value has the type of its schema; says so if not.
fn has_type(value: &Value, schema: &Schema, path: &str, findings: &mut Findings) -> bool {
    let wanted = match schema.kind {
        Some(kind) => kind.as_str(),
        None if schema.int_or_string => "integer,string",
        None => return true,
    };
    let (found, fits) = match value {
        Value::Null => ("null", schema.nullable),
        Value::Bool(_) => ("boolean", wanted == "boolean"),
        Value::Number(number) => {
            let is_whole =
                number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|it| it.fract() == 0.0);
            let found = if number.is_f64() { "number" } else { "integer" };
            (found, wanted == "number" || (is_whole && wanted.starts_with("integer")))
        }
        Value::String(_) => ("string", wanted.ends_with("string")),
        Value::Array(_) => ("array", wanted == "array"),
        Value::Object(_) => ("object", wanted == "object"),
    };
    if !fits {
        let message =
            format!("Invalid value: \"{found}\": {path} in body must be of type {wanted}: \"{found}\"");
        findings.problem(Problem::blocking(path, message));
    }
    fits
}

/// `allOf`, `anyOf`, `oneOf` and `not`.
fn composed(value: &Value, schema: &Schema, path: &str, findings: &mut Findings) {
    for part in &schema.all_of {
        self::value(value, part, path, findings);
    }
    let mut says =
        |message: String| findings.problem(Problem::new(path, format!("Invalid value: {message}")));
    let any: Vec<_> = schema.any_of.iter().map(|it| accepts(value, it)).collect();
    if !any.is_empty() && !any.contains(&true) {
        says(format!("\"{path}\" must validate at least one schema (anyOf)"));
    }
    let count = schema.one_of.iter().filter(|it| accepts(value, it)).count();
    if !schema.one_of.is_empty() && count != 1 {
        let found = if count == 0 {
            "Found none valid".to_owned()
        } else {
            format!("Found {count} valid alternatives")
        };
        says(format!("\"{path}\" must validate one and only one schema (oneOf). {found}"));
    }
    if schema.not.as_ref().is_some_and(|it| accepts(value, it)) {
        says(format!("\"{path}\" must not validate the schema (not)"));
    }
}

fn accepts(value: &Value, schema: &Schema) -> bool {
    let mut findings = Findings::default();
    self::value(value, schema, "", &mut findings);
    findings.problems.is_empty()
}

fn string(text: &str, schema: &Schema, path: &str, findings: &mut Findings) {
    let length = text.chars().count() as u64;
    if let Some(most) = schema.length.most.filter(|most| length > *most) {
        findings.problem(Problem::blocking(path, format!("Too long: may not be more than {most} bytes")));
    }
    if let Some(least) = schema.length.least.filter(|least| length < *least) {
        says(text, path, &format!("should be at least {least} chars long"), findings);
    }
    if let Some(pattern) = &schema.pattern {
        match &pattern.compiled {
            Some(compiled) if compiled.is_match(text) => {}
            Some(_) => says(text, path, &format!("should match '{}'", pattern.source), findings),
            None => {
                let why = format!("the pattern '{}' of {path} cannot be read here", pattern.source);
                findings.unverified.insert(why);
            }
        }
    }
    // Formats of numbers say nothing about the text of an int-or-string.
    if let Some(format) = schema.format.as_deref().filter(|_| !schema.int_or_string) {
        match formats::check(format, text) {
            Format::Fits => {}
            Format::Differs => {
                let message = format!(
                    "Invalid value: {}: {path} in body must be of type {format}: {}",
                    Value::from(text),
                    Value::from(text)
                );
                findings.problem(Problem::blocking(path, message));
            }
            Format::Unknown => {
                findings.unverified.insert(format!("the format {format} of {path} is not known here"));
            }
        }
    }
}

fn says(value: impl Into<Value>, path: &str, message: &str, findings: &mut Findings) {
    let value = value.into();
    findings.problem(Problem::new(path, format!("Invalid value: {value}: {path} in body {message}")));
}

fn bounds(number: &Number, schema: &Schema, path: &str, findings: &mut Findings) {
    let Some(value) = number.as_f64() else { return };
    let whole = number.as_i64();
    let too_wide = match schema.format.as_deref() {
        Some("int32") => whole.is_none_or(|it| i32::try_from(it).is_err()),
        Some("float") => value.abs() > f64::from(f32::MAX),
        _ => false,
    };
    if too_wide && let Some(format) = &schema.format {
        let kind = schema.kind.map_or("integer", Kind::as_str);
        let message = format!("must be of type {kind} with format {format}");
        findings.problem(Problem::new(
            path,
            format!("Invalid value: {number}: Checked value {message} in {path}"),
        ));
    }
    let shown = |bound: f64| if bound.fract() == 0.0 { format!("{bound:.0}") } else { bound.to_string() };
    if let Some(Bound { value: most, exclusive }) = schema.maximum
        && (value > most || (exclusive && value >= most))
    {
        let or_equal = if exclusive { "" } else { " or equal to" };
        says(number.clone(), path, &format!("should be less than{or_equal} {}", shown(most)), findings);
    }
    if let Some(Bound { value: least, exclusive }) = schema.minimum
        && (value < least || (exclusive && value <= least))
    {
        let or_equal = if exclusive { "" } else { " or equal to" };
        says(number.clone(), path, &format!("should be greater than{or_equal} {}", shown(least)), findings);
    }
    if let Some(factor) = schema.multiple_of.filter(|it| *it > 0.0) {
        let times = value / factor;
        if (times - times.round()).abs() > f64::EPSILON * times.abs().max(1.0) {
            says(number.clone(), path, &format!("should be a multiple of {}", shown(factor)), findings);
        }
    }
}

/// Says when a count is out of its bounds.
fn count(found: usize, range: &Range, what: &str, path: &str, findings: &mut Findings) {
    let found = found as u64;
    if let Some(most) = range.most.filter(|most| found > *most) {
        let message = format!("Too many: {found}: must have at most {most} items");
        findings.problem(Problem::blocking(path, message));
    }
    if let Some(least) = range.least.filter(|least| found < *least) {
        says(found, path, &format!("should have at least {least} {what}"), findings);
    }
}

fn array(items: &[Value], schema: &Schema, path: &str, findings: &mut Findings) {
    count(items.len(), &schema.item_count, "items", path, findings);
    let is_repeated = |(place, item): (usize, &Value)| items.iter().take(place).any(|it| it == item);
    if schema.unique_items && items.iter().enumerate().any(is_repeated) {
        let message = format!("Invalid value: \"\": {path} in body shouldn't contain duplicates");
        findings.problem(Problem::new(path, message));
    }
    if let Some(schema) = &schema.items {
        for (place, item) in items.iter().enumerate() {
            value(item, schema, &format!("{path}[{place}]"), findings);
        }
    }
}

fn object(fields: &Map<String, Value>, schema: &Schema, path: &str, findings: &mut Findings) {
    count(fields.len(), &schema.property_count, "properties", path, findings);
    for (name, field) in fields {
        let path = child(path, name);
        match (schema.properties.get(name), &schema.additional) {
            // What every object has is validated by itself.
            (Some(_), _) if path == "metadata" => {}
            (Some(property), _) => value(field, property, &path, findings),
            (None, Additional::Of(additional)) => value(field, additional, &path, findings),
            (None, Additional::Unsaid | Additional::Allowed(_)) => {}
        }
    }
    for name in schema.required.iter().filter(|name| !fields.contains_key(*name)) {
        findings.problem(Problem::blocking(&child(path, name), "Required value".to_owned()));
    }
}

/// Validates that lists which are sets or maps hold nothing twice.
pub(super) fn lists(value: &Value, schema: &Schema, path: &str, findings: &mut Findings) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if let Some(schema) = schema.field(name) {
                    lists(field, schema, &child(path, name), findings);
                }
            }
        }
        Value::Array(items) => {
            match &schema.list {
                List::Atomic => {}
                List::Set => unique(items.iter().cloned(), path, findings),
                List::Map(keys) => {
                    let key_of = |item: &Value| {
                        let entries =
                            keys.iter().filter_map(|key| Some((key.clone(), item.get(key)?.clone())));
                        Value::Object(entries.collect())
                    };
                    for (place, item) in items.iter().enumerate() {
                        if let Some(key) = keys.iter().find(|key| item.get(*key).is_none()) {
                            let message = format!(
                                "associative list with keys has an element that omits key field \"{key}\" (and \
                                 doesn't have default value)"
                            );
                            findings.problem(Problem::blocking(&format!("{path}[{place}]"), message));
                        }
                    }
                    unique(items.iter().map(key_of), path, findings);
                }
            }
            if let Some(schema) = &schema.items {
                for (place, item) in items.iter().enumerate() {
                    lists(item, schema, &format!("{path}[{place}]"), findings);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// As a server-side apply says it.
fn unique(keys: impl Iterator<Item = Value>, path: &str, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for key in keys.filter(|key| !seen.insert(key.to_string())) {
        let words = match &key {
            Value::Object(fields) => {
                let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
                fields.join(",")
            }
            value => format!("={value}"),
        };
        findings.problem(Problem::new(path, format!("duplicate entries for key [{words}]")));
    }
}

/// Whether two values are the same; numbers are compared by what they are worth.
fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left == right || left.as_f64() == right.as_f64(),
        _ => left == right,
    }
}
