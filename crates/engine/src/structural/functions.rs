//! The functions that Kubernetes adds to CEL, as far as rules of definitions use them.
//!
//! Quantities are numbers here, and instants and durations are counts of nanoseconds: enough to compare and to add. A
//! rule that calls anything else is not evaluated ([`is_known`]).

use std::sync::Arc;

use cel::common::types::{DYN_TYPE, LIST_TYPE};
use cel::common::value::{CowVal, Val};
use cel::extractors::This;
use cel::{Context, Env, ExecutionError, Value, extensions};
use regex::Regex;

use super::formats;
use super::schema::ascii_classes;
use crate::cel::paying;

type Text = Arc<String>;

/// Functions and macros of the language itself, of its extensions, and those of [`add_to`].
const KNOWN: &[&str] = &[
    // Operators, and what macros are made of.
    "_?_:_",
    "_&&_",
    "_||_",
    "!_",
    "_-_",
    "_+_",
    "_*_",
    "_/_",
    "_%_",
    "_==_",
    "_!=_",
    "_>=_",
    "_<=_",
    "_>_",
    "_<_",
    "-_",
    "_[_]",
    "_[?_]",
    "_?._",
    "@not_strictly_false",
    "@in",
    // The language.
    "has",
    "all",
    "exists",
    "exists_one",
    "existsOne",
    "map",
    "filter",
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "string",
    "int",
    "uint",
    "double",
    "bool",
    "bytes",
    "dyn",
    "type",
    "of",
    "none",
    "ofNonZeroValue",
    "hasValue",
    "value",
    "or",
    "orValue",
    "optMap",
    "optFlatMap",
    // Its extensions.
    "charAt",
    "indexOf",
    "lastIndexOf",
    "join",
    "lowerAscii",
    "upperAscii",
    "trim",
    "replace",
    "split",
    "substring",
    "format",
    "quote",
    "reverse",
    "slice",
    "flatten",
    "distinct",
    "sort",
    "range",
    "ceil",
    "floor",
    "round",
    "trunc",
    "abs",
    "sign",
    "encode",
    "decode",
    "greatest",
    "least",
    // Kubernetes.
    "isSorted",
    "sum",
    "min",
    "max",
    "find",
    "findAll",
    "isURL",
    "isIP",
    "isCIDR",
    "isQuantity",
    "quantity",
    "isGreaterThan",
    "isLessThan",
    "compareTo",
    "asInteger",
    "asApproximateFloat",
    "isInteger",
    "equivalent",
    "intersects",
    "duration",
    "timestamp",
];

/// Whether a function does here what it does in an API server.
pub(super) fn is_known(name: &str) -> bool {
    KNOWN.contains(&name)
}

/// An environment with everything that is declared by type.
pub(super) fn environment() -> Result<Arc<Env>, String> {
    let mut environment = Env::stdlib();
    let declared = extensions::strings(&mut environment)
        .and_then(|()| extensions::lists(&mut environment))
        .and_then(|()| extensions::math(&mut environment))
        .and_then(|()| {
            environment.add_member_overload(
                "indexOf",
                "list.indexOf(dyn)",
                LIST_TYPE,
                vec![DYN_TYPE],
                |args| by_values(&args, index_of),
            )
        })
        .and_then(|()| {
            let id = "list.lastIndexOf(dyn)";
            environment.add_member_overload("lastIndexOf", id, LIST_TYPE, vec![DYN_TYPE], |args| {
                by_values(&args, last_index_of)
            })
        });
    declared.map_err(|error| error.to_string())?;
    Ok(Arc::new(paying(environment)?))
}

/// Adds the functions of Kubernetes.
pub(super) fn add_to(context: &mut Context<'_, '_>) -> Result<(), String> {
    let added = [
        context.add_function("isSorted", is_sorted),
        context.add_function("sum", sum),
        context
            .add_function("min", |This(list): This<Value>| extreme(&list, "min", std::cmp::Ordering::Less)),
        context.add_function("max", |This(list): This<Value>| {
            extreme(&list, "max", std::cmp::Ordering::Greater)
        }),
        context.add_function("find", |This(text): This<Text>, pattern: Text| find(&text, &pattern)),
        context.add_function("findAll", |This(text): This<Text>, pattern: Text| find_all(&text, &pattern)),
        context.add_function("isURL", |text: Text| is_url(&text)),
        context.add_function("isIP", |text: Text| text.parse::<std::net::IpAddr>().is_ok()),
        context.add_function("isCIDR", |text: Text| formats::check("cidr", &text) == formats::Format::Fits),
        context.add_function("isQuantity", |text: Text| quantity(&text).is_some()),
        context.add_function("quantity", |text: Text| {
            quantity(&text).ok_or_else(|| failed("quantity", "quantities must match the regular expression"))
        }),
        context.add_function("isGreaterThan", |This(left): This<f64>, right: f64| left > right),
        context.add_function("isLessThan", |This(left): This<f64>, right: f64| left < right),
        context.add_function("compareTo", |This(left): This<f64>, right: f64| compare(left, right)),
        context.add_function("isInteger", |This(value): This<f64>| value.fract() == 0.0),
        context.add_function("asApproximateFloat", |This(value): This<f64>| value),
        context.add_function("asInteger", as_integer),
        context.add_function("sets.contains", |left: Value, right: Value| holds_all(&left, &right)),
        context.add_function("sets.equivalent", |left: Value, right: Value| {
            holds_all(&left, &right) && holds_all(&right, &left)
        }),
        context.add_function("sets.intersects", |left: Value, right: Value| {
            items(&left).iter().any(|it| items(&right).contains(it))
        }),
        context.add_function("duration", |text: Text| {
            formats::duration(&text).ok_or_else(|| failed("duration", "it is no duration"))
        }),
        context.add_function("timestamp", |text: Text| {
            nanoseconds(&text).ok_or_else(|| failed("timestamp", "it is no time of RFC 3339"))
        }),
    ];
    added.into_iter().collect::<Result<Vec<_>, _>>().map(drop).map_err(|error| error.to_string())
}

/// Nanoseconds since 1970 of a time of RFC 3339.
pub(super) fn nanoseconds(text: &str) -> Option<i64> {
    i64::try_from(formats::timestamp(text)?.as_nanosecond()).ok()
}

fn failed(function: &str, message: &str) -> ExecutionError {
    ExecutionError::FunctionError { function: function.to_owned(), message: message.to_owned() }
}

fn by_values<'b, 'v>(
    args: &[CowVal<'b, 'v>],
    function: fn(&[Value]) -> Result<Value, ExecutionError>,
) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let values = args.iter().map(|it| Value::try_from(it.as_ref())).collect::<Result<Vec<_>, _>>()?;
    let value: Box<dyn Val> =
        function(&values)?.try_into().map_err(|_| failed("list", "its result is no value"))?;
    Ok(CowVal::Owned(value))
}

fn items(list: &Value) -> &[Value] {
    if let Value::List(items) = list { items } else { &[] }
}

fn index(place: Option<usize>) -> Value {
    Value::Int(place.and_then(|it| i64::try_from(it).ok()).unwrap_or(-1))
}

fn index_of(args: &[Value]) -> Result<Value, ExecutionError> {
    let [list, wanted] = args else { return Err(ExecutionError::MissingArgumentOrTarget) };
    Ok(index(items(list).iter().position(|it| it == wanted)))
}

fn last_index_of(args: &[Value]) -> Result<Value, ExecutionError> {
    let [list, wanted] = args else { return Err(ExecutionError::MissingArgumentOrTarget) };
    Ok(index(items(list).iter().rposition(|it| it == wanted)))
}

fn holds_all(list: &Value, wanted: &Value) -> bool {
    items(wanted).iter().all(|it| items(list).contains(it))
}

fn is_sorted(This(list): This<Value>) -> bool {
    items(&list).is_sorted_by(|left, right| left.partial_cmp(right).is_some_and(std::cmp::Ordering::is_le))
}

fn sum(This(list): This<Value>) -> Result<Value, ExecutionError> {
    let mut total = Value::Int(0);
    for (place, item) in items(&list).iter().enumerate() {
        total = match (place, &total, item) {
            (0, ..) => item.clone(),
            (_, Value::Int(left), Value::Int(right)) => {
                Value::Int(left.checked_add(*right).ok_or_else(|| failed("sum", "the number is too large"))?)
            }
            (_, Value::Float(left), Value::Float(right)) => Value::Float(left + right),
            _ => return Err(failed("sum", "its items do not fit together")),
        };
    }
    Ok(total)
}

fn extreme(list: &Value, name: &str, wanted: std::cmp::Ordering) -> Result<Value, ExecutionError> {
    let mut found: Option<&Value> = None;
    for item in items(list) {
        if found.is_none_or(|it| item.partial_cmp(it) == Some(wanted)) {
            found = Some(item);
        }
    }
    found.cloned().ok_or_else(|| failed(name, "it was called on an empty list"))
}

fn expression(pattern: &str) -> Result<Regex, ExecutionError> {
    Regex::new(&ascii_classes(pattern)).map_err(|_| failed("find", "it is no regular expression"))
}

fn find(text: &str, pattern: &str) -> Result<Value, ExecutionError> {
    let found = expression(pattern)?.find(text).map(|it| it.as_str().to_owned());
    Ok(Value::String(Arc::new(found.unwrap_or_default())))
}

fn find_all(text: &str, pattern: &str) -> Result<Value, ExecutionError> {
    let expression = expression(pattern)?;
    let found = expression.find_iter(text).map(|it| Value::String(Arc::new(it.as_str().to_owned())));
    Ok(Value::List(Arc::new(found.collect())))
}

fn is_url(text: &str) -> bool {
    let is_absolute = text.split_once("://").is_some_and(|(_, rest)| !rest.is_empty());
    (is_absolute || text.starts_with('/')) && formats::check("uri", text) == formats::Format::Fits
}

fn compare(left: f64, right: f64) -> i64 {
    match left.partial_cmp(&right) {
        Some(std::cmp::Ordering::Less) => -1,
        Some(std::cmp::Ordering::Greater) => 1,
        Some(std::cmp::Ordering::Equal) | None => 0,
    }
}

fn as_integer(This(value): This<f64>) -> Result<i64, ExecutionError> {
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and in range")]
    let whole = (value.fract() == 0.0 && value.abs() < 9.2e18).then_some(value as i64);
    whole.ok_or_else(|| failed("asInteger", "cannot convert value to integer"))
}

/// What a quantity is worth.
fn quantity(text: &str) -> Option<f64> {
    let digits =
        text.find(|it: char| !it.is_ascii_digit() && !matches!(it, '.' | '+' | '-')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let number: f64 = number.parse().ok()?;
    let factor = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024.0_f64.powi(2),
        "Gi" => 1024.0_f64.powi(3),
        "Ti" => 1024.0_f64.powi(4),
        "Pi" => 1024.0_f64.powi(5),
        "Ei" => 1024.0_f64.powi(6),
        exponent => 10.0_f64.powi(exponent.strip_prefix(['e', 'E'])?.parse::<i16>().ok()?.into()),
    };
    Some(number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read() {
        for (text, expected) in [
            ("1", Some(1.0)),
            ("1Ki", Some(1024.0)),
            ("500m", Some(0.5)),
            ("1e3", Some(1000.0)),
            ("-2k", Some(-2000.0)),
            ("1.5G", Some(1.5e9)),
            ("ten", None),
            ("1KiB", None),
            ("", None),
        ] {
            assert_eq!(quantity(text), expected, "{text}");
        }
    }
}
