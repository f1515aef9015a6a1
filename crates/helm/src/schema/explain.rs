//! Errors of a schema in the words of Helm, which are those of santhosh-tekuri/jsonschema.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::paths::Location;
use jsonschema::{JsonType, JsonTypeSet, ValidationError};
use serde_json::Value as Json;

use super::number::{count, english};

/// What is wrong with a schema itself.
pub(super) fn of_schema(error: &ValidationError<'_>) -> String {
    match error.kind() {
        Kind::Referencing(jsonschema::ReferencingError::PointerToNowhere { pointer }) => {
            format!("json-pointer in \"file:///values.schema.json#{pointer}\" not found")
        }
        Kind::Referencing(jsonschema::ReferencingError::Unretrievable { uri, source }) => {
            format!("failing loading \"{uri}\": {source}")
        }
        Kind::Referencing(reference) => reference.to_string(),
        _ => format!("\"file:///values.schema.json#\" is not valid against metaschema: {error}"),
    }
}

/// What is wrong with values.
pub(super) fn of_values(errors: &[ValidationError<'_>], schema: &Json) -> String {
    let failures: Vec<Failure<'_>> = errors.iter().map(Failure::new).collect();
    let failures = without_consequences(failures);
    let mut text = String::new();
    for item in lines(&failures, 0, schema) {
        item.write(0, &mut text);
    }
    text
}

/// An error with the way that led to it, through the schema and through the values.
struct Failure<'a> {
    error: &'a ValidationError<'a>,
    schema: Vec<String>,
    values: Vec<String>,
}

impl<'a> Failure<'a> {
    fn new(error: &'a ValidationError<'a>) -> Self {
        Self { error, schema: segments(error.evaluation_path()), values: segments(error.instance_path()) }
    }

    /// The schema that has the keyword.
    fn owner(&self) -> &[String] {
        self.schema.split_last().map_or(&[], |(_, owner)| owner)
    }
}

fn segments(location: &Location) -> Vec<String> {
    location.segments().map(|segment| segment.to_string()).collect()
}

/// Helm's validator stops at a wrong type, then at a wrong constant, enumeration or format. Ours goes on.
fn without_consequences(failures: Vec<Failure<'_>>) -> Vec<Failure<'_>> {
    let rank = |failure: &Failure<'_>| match failure.error.kind() {
        Kind::Type { .. } => 0,
        Kind::Constant { .. } => 1,
        Kind::Enum { .. } => 2,
        Kind::Format { .. } => 3,
        _ => 4,
    };
    let stops: Vec<(usize, Vec<String>)> = failures
        .iter()
        .map(|failure| (rank(failure), failure.owner().to_vec()))
        .filter(|(rank, _)| *rank < 4)
        .collect();
    failures
        .into_iter()
        .filter(|failure| {
            let own = rank(failure);
            !stops.iter().any(|(rank, owner)| {
                let below = failure.schema.starts_with(owner);
                let same = failure.owner() == owner.as_slice();
                below && if same { own > *rank } else { failure.schema.len() > owner.len() + 1 }
            })
        })
        .collect()
}

/// A line of the report, and those below it.
#[derive(Debug)]
struct Item {
    location: String,
    text: String,
    inner: Vec<Item>,
}

impl Item {
    fn write(&self, depth: usize, out: &mut String) {
        // Writing to a string does not fail.
        let _ = writeln!(out, "{}- at {}: {}", "  ".repeat(depth), quote(&self.location), self.text);
        for item in &self.inner {
            item.write(depth + 1, out);
        }
    }
}

/// Where the way goes on from a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    /// Segments of the way through the schema.
    schema: usize,
    /// Segments of the way through the values.
    values: usize,
}

/// The lines for failures that have so much of the way through the schema behind them.
fn lines(failures: &[Failure<'_>], base: usize, schema: &Json) -> Vec<Item> {
    let mut found: Vec<Item> = Vec::new();
    let mut seen: BTreeSet<Vec<String>> = BTreeSet::new();
    for failure in failures {
        let way = failure.schema.get(base..).unwrap_or_default();
        let all_of = way.first().is_some_and(|keyword| keyword == "allOf") && way.len() > 1;
        let step = if all_of { Step { schema: 1, values: 0 } } else { next_step(way) };
        let prefix = failure.schema.get(..base + step.schema).unwrap_or_default();
        if step.schema == 0 {
            found.extend(line(failure, failures, &mut seen, schema));
            continue;
        }
        // Items of a list have the same way through the schema, but not through the values.
        let depth = depth_of(failure, base) + step.values;
        let place = failure.values.get(..depth).unwrap_or(&failure.values);
        let mut key = prefix.to_vec();
        key.extend(["\0".to_owned()].into_iter().chain(place.iter().cloned()));
        if !seen.insert(key) {
            continue;
        }
        let inner: Vec<Failure<'_>> = failures
            .iter()
            .filter(|other| other.schema.starts_with(prefix) && other.values.starts_with(place))
            .map(|other| Failure::new(other.error))
            .collect();
        if all_of {
            found.push(Item {
                location: pointer(place),
                text: "'allOf' failed".to_owned(),
                inner: branches(&inner, base + 1, schema),
            });
        } else {
            found.extend(group(lines(&inner, base + step.schema, schema), place));
        }
    }
    found
}

/// The lines for the schemas of an `allOf`.
fn branches(failures: &[Failure<'_>], base: usize, schema: &Json) -> Vec<Item> {
    let mut names: Vec<&String> = failures.iter().filter_map(|failure| failure.schema.get(base)).collect();
    names.dedup();
    let mut items = Vec::new();
    for name in names {
        let branch: Vec<Failure<'_>> = failures
            .iter()
            .filter(|failure| failure.schema.get(base) == Some(name))
            .map(|failure| Failure::new(failure.error))
            .collect();
        let depth = branch.first().map_or(0, |failure| depth_of(failure, base + 1));
        let place = branch.first().and_then(|failure| failure.values.get(..depth)).unwrap_or_default();
        items.extend(group(lines(&branch, base + 1, schema), place));
    }
    items
}

/// How far into the values one is when so much of the way through the schema is behind one.
fn depth_of(failure: &Failure<'_>, base: usize) -> usize {
    let mut rest = failure.schema.get(base..).unwrap_or_default();
    let mut ahead = 0;
    loop {
        let step = next_step(rest);
        if step.schema == 0 {
            return failure.values.len().saturating_sub(ahead);
        }
        ahead += step.values;
        rest = rest.get(step.schema..).unwrap_or_default();
    }
}

/// The line for a keyword that failed by itself.
fn line(
    failure: &Failure<'_>,
    all: &[Failure<'_>],
    seen: &mut BTreeSet<Vec<String>>,
    schema: &Json,
) -> Vec<Item> {
    let error = failure.error;
    let location = error.instance_path().as_str().to_owned();
    let one = |text: String| vec![Item { location: location.clone(), text, inner: Vec::new() }];
    let with = |text: &str, inner| vec![Item { location: location.clone(), text: text.to_owned(), inner }];
    let instance = error.instance().as_ref();
    match error.kind() {
        Kind::Required { .. } => {
            let mut key = failure.schema.clone();
            key.push(location.clone());
            if !seen.insert(key) {
                return Vec::new();
            }
            let missing: Vec<&str> = all
                .iter()
                .filter(|other| other.schema == failure.schema && other.values == failure.values)
                .filter_map(|other| match other.error.kind() {
                    Kind::Required { property } => property.as_str(),
                    _ => None,
                })
                .collect();
            one(missing_text(&missing, instance, schema.pointer(error.schema_path().as_str())))
        }
        Kind::AnyOf { context } => with("'anyOf' failed", alternatives(context, failure, schema)),
        Kind::OneOfNotValid { context } => {
            with("'oneOf' failed, none matched", alternatives(context, failure, schema))
        }
        Kind::UnevaluatedItems { unexpected } | Kind::UnevaluatedProperties { unexpected } => unexpected
            .iter()
            .map(|name| Item {
                location: format!("{location}/{}", escape(name)),
                text: "false schema".to_owned(),
                inner: Vec::new(),
            })
            .collect(),
        Kind::PropertyNames { error } => {
            let name = quote(error.instance().as_str().unwrap_or_default());
            let inner = line(&Failure::new(error), &[], seen, schema);
            let inner = inner.into_iter().map(|item| Item { location: String::new(), ..item }).collect();
            with(&format!("invalid propertyName {name}"), inner)
        }
        kind => one(text_of(kind, instance).unwrap_or_else(|| error.to_string())),
    }
}

fn alternatives(context: &[Vec<ValidationError<'static>>], parent: &Failure<'_>, schema: &Json) -> Vec<Item> {
    let mut items = Vec::new();
    for errors in context.iter().filter(|errors| !errors.is_empty()) {
        let failures = without_consequences(errors.iter().map(Failure::new).collect());
        // The way of an alternative goes on from the keyword with its number.
        let base = parent.schema.len() + 1;
        items.extend(group(lines(&failures, base, schema), &parent.values));
    }
    items
}

/// One line stands for itself, several stand below one.
fn group(mut items: Vec<Item>, place: &[String]) -> Option<Item> {
    if items.len() < 2 {
        return items.pop();
    }
    Some(Item { location: pointer(place), text: "validation failed".to_owned(), inner: items })
}

/// The first step of a way through a schema; none if it is the last keyword.
fn next_step(way: &[String]) -> Step {
    let numbered = way.get(1).is_some_and(|next| next.parse::<usize>().is_ok());
    let (schema, values) = match way.first().map(String::as_str) {
        Some("properties" | "patternProperties" | "prefixItems") => (2, 1),
        Some("items") if numbered => (2, 1),
        Some(
            "additionalItems"
            | "additionalProperties"
            | "contains"
            | "items"
            | "unevaluatedItems"
            | "unevaluatedProperties",
        ) => (1, 1),
        Some("allOf" | "dependentSchemas" | "dependencies") => (2, 0),
        Some("$ref" | "$dynamicRef" | "$recursiveRef" | "if" | "then" | "else") => (1, 0),
        _ => (0, 0),
    };
    // The last segment is a keyword of its own, not a way to another schema.
    if way.len() > schema { Step { schema, values } } else { Step { schema: 0, values: 0 } }
}

/// `keyword` is what the schema has there: the list of `required`, or a map from properties to what they need.
fn missing_text(missing: &[&str], instance: &Json, keyword: Option<&Json>) -> String {
    let quoted: Vec<String> = missing.iter().map(|name| quote(name)).collect();
    let names = quoted.join(", ");
    let needs = |list: &Json| {
        list.as_array().is_some_and(|list| {
            list.iter().any(|name| name.as_str().is_some_and(|name| missing.contains(&name)))
        })
    };
    let mut properties = keyword.and_then(Json::as_object).into_iter().flatten();
    match properties.find(|(property, list)| instance.get(property.as_str()).is_some() && needs(list)) {
        Some((property, _)) => format!("properties {names} required, if {} exists", quote(property)),
        None if missing.len() == 1 => format!("missing property {names}"),
        None => format!("missing properties {names}"),
    }
}

fn text_of(kind: &Kind, instance: &Json) -> Option<String> {
    let length = |text: &Json| text.as_str().map_or(0, |text| text.chars().count());
    let items = instance.as_array().map_or(0, Vec::len);
    let properties = instance.as_object().map_or(0, serde_json::Map::len);
    let limit = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
    let counts = |name: &str, got: usize, want: u64| {
        Some(format!("{name}: got {}, want {}", count(got), count(limit(want))))
    };
    let numbers = |name: &str, want: Option<f64>| {
        Some(format!("{name}: got {}, want {}", english(instance.as_f64()?), english(want?)))
    };
    match kind {
        Kind::Type { kind } => Some(format!("got {}, want {}", type_of(instance), types(kind))),
        Kind::Constant { expected_value } => Some(constant(expected_value)),
        Kind::Enum { options } => Some(enumeration(options.as_array()?)),
        Kind::FalseSchema => Some("false schema".to_owned()),
        Kind::Not { .. } => Some("'not' failed".to_owned()),
        Kind::OneOfMultipleValid { context } => {
            let mut valid = context.iter().enumerate().filter(|(_, errors)| errors.is_empty());
            let (first, second) = (valid.next()?.0, valid.next()?.0);
            Some(format!("'oneOf' failed, subschemas {first}, {second} matched"))
        }
        Kind::AdditionalProperties { unexpected } => {
            let names: Vec<String> = unexpected.iter().map(|name| quote(name)).collect();
            Some(format!("additional properties {} not allowed", names.join(", ")))
        }
        Kind::AdditionalItems { limit } => {
            Some(format!("last {} additionalItem(s) not allowed", items.saturating_sub(*limit)))
        }
        Kind::MinLength { limit } => counts("minLength", length(instance), *limit),
        Kind::MaxLength { limit } => counts("maxLength", length(instance), *limit),
        Kind::MinItems { limit } => counts("minItems", items, *limit),
        Kind::MaxItems { limit } => counts("maxItems", items, *limit),
        Kind::MinProperties { limit } => counts("minProperties", properties, *limit),
        Kind::MaxProperties { limit } => counts("maxProperties", properties, *limit),
        Kind::Minimum { limit } => numbers("minimum", limit.as_f64()),
        Kind::Maximum { limit } => numbers("maximum", limit.as_f64()),
        Kind::ExclusiveMinimum { limit } => numbers("exclusiveMinimum", limit.as_f64()),
        Kind::ExclusiveMaximum { limit } => numbers("exclusiveMaximum", limit.as_f64()),
        Kind::MultipleOf { multiple_of } => numbers("multipleOf", Some(*multiple_of)),
        Kind::Pattern { pattern } => {
            Some(format!("{} does not match pattern {}", quote(instance.as_str()?), quote(pattern)))
        }
        Kind::Format { format } => Some(format!("{} is not valid {format}", display(instance))),
        Kind::Contains => Some("no items match contains schema".to_owned()),
        Kind::UniqueItems => {
            let items = instance.as_array()?;
            let (first, second) = items.iter().enumerate().find_map(|(index, item)| {
                let earlier = items.iter().take(index).position(|earlier| earlier == item)?;
                Some((earlier, index))
            })?;
            Some(format!("items at {first} and {second} are equal"))
        }
        _ => None,
    }
}

fn type_of(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

fn types(kind: &TypeKind) -> String {
    const ORDER: [JsonType; 7] = [
        JsonType::Null,
        JsonType::Boolean,
        JsonType::Number,
        JsonType::Integer,
        JsonType::String,
        JsonType::Array,
        JsonType::Object,
    ];
    let contains = |typ: JsonType| match kind {
        TypeKind::Single(single) => *single == typ,
        TypeKind::Multiple(set) => JsonTypeSet::contains(*set, typ),
    };
    let names: Vec<&str> = ORDER.into_iter().filter(|typ| contains(*typ)).map(JsonType::as_str).collect();
    names.join(" or ")
}

fn constant(value: &Json) -> String {
    match value {
        Json::Array(_) | Json::Object(_) => "'const' failed".to_owned(),
        value => format!("value must be {}", display(value)),
    }
}

fn enumeration(options: &[Json]) -> String {
    if options.iter().any(|option| option.is_array() || option.is_object()) {
        return "'enum' failed".to_owned();
    }
    let names: Vec<String> = options.iter().map(display).collect();
    match names.as_slice() {
        [only] => format!("value must be {only}"),
        names => format!("value must be one of {}", names.join(", ")),
    }
}

fn display(value: &Json) -> String {
    match value {
        Json::String(text) => quote(text),
        Json::Array(_) | Json::Object(_) => "value".to_owned(),
        Json::Null => "<nil>".to_owned(),
        other => other.to_string(),
    }
}

/// In single quotes.
fn quote(text: &str) -> String {
    let quoted = gotemplate::quote(text).replace("\\\"", "\"").replace('\'', "\\'");
    let inner = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default();
    format!("'{inner}'")
}

fn escape(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}

fn pointer(segments: &[String]) -> String {
    segments.iter().fold(String::new(), |path, segment| path + "/" + &escape(segment))
}
