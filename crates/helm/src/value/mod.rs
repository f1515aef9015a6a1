//! Values on their way from JSON into templates and back, as Go's `encoding/json` carries them.
//!
//! What comes from YAML or JSON has no types but JSON's, and Helm makes a float64 of every number ([`from_json`]).
//! What templates make has all of Go's types; [`to_node`] gives what JSON and YAML say of it.

mod encode;
mod node;

use std::borrow::Cow;

use gotemplate::{Context, FunctionError, Limit, Map, Value};
use serde_json::Value as Json;
use tiphys_manifest::yaml::Node;

pub(crate) use self::encode::{Sink, Target, encode};
use self::node::{NodeSink, json_of};

/// A value of a template for a JSON value: every number is a float64, objects are `map[string]interface {}`.
pub fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(boolean) => Value::Bool(*boolean),
        Json::Number(number) => Value::float64(number.as_f64().unwrap_or_default()),
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => Value::from(items.iter().map(from_json).collect::<Vec<_>>()),
        Json::Object(entries) => Value::Map(map_from_json(entries)),
    }
}

/// The map of a template for a JSON object, of the type `map[string]interface {}`.
pub fn map_from_json(entries: &serde_json::Map<String, Json>) -> Map {
    entries.iter().map(|(key, value)| (key.as_str(), from_json(value))).collect()
}

/// Why a value could not be written as JSON.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// JSON has no word for the value. The text is Go's.
    #[error("json: unsupported value: {0}")]
    UnsupportedValue(&'static str),
    /// JSON has no word for values of the type. The text is Go's.
    #[error("json: unsupported type: {0}")]
    UnsupportedType(String),
    /// The value is too large, or contains itself.
    #[error(transparent)]
    Limit(#[from] Limit),
}

impl From<EncodeError> for FunctionError {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::Limit(limit) => Self::Limit(limit),
            error => Self::new(error.to_string()),
        }
    }
}

/// Counts what is made of a value whose size nobody knows before.
pub trait Budget {
    /// Counts bytes that are about to be allocated.
    fn take(&mut self, bytes: usize) -> Result<(), Limit>;
}

impl Budget for Context<'_> {
    fn take(&mut self, bytes: usize) -> Result<(), Limit> {
        self.step(1)?;
        self.allocate(bytes)
    }
}

/// A number of bytes that may be made of a value outside of an execution.
#[derive(Clone, Copy, Debug)]
pub struct Bytes(pub usize);

impl Budget for Bytes {
    fn take(&mut self, bytes: usize) -> Result<(), Limit> {
        let Self(left) = *self;
        self.0 = left.checked_sub(bytes).ok_or(Limit::AllocatedBytes(left as u64))?;
        Ok(())
    }
}

/// The JSON value that Go's `encoding/json` would write for a value of a template.
///
/// Entries stand in Go's order: sorted by bytes for maps, as declared for structs.
pub fn to_json(value: &Value, budget: &mut impl Budget) -> Result<Json, EncodeError> {
    to_node(value, budget).map(json_of)
}

/// What Go's `encoding/json` would write for a value of a template, with integers and floats still apart.
pub fn to_node(value: &Value, budget: &mut impl Budget) -> Result<Node<'static>, EncodeError> {
    let mut sink = NodeSink::default();
    encode(value, Target::Json, budget, &mut sink)?;
    Ok(sink.finish())
}

/// What go-yaml v3 would write for a value of a template: unlike JSON it has words for infinities and NaN, and the
/// fields of structs are in small letters.
pub(crate) fn to_pretty_node(value: &Value, budget: &mut impl Budget) -> Result<Node<'static>, EncodeError> {
    let mut sink = NodeSink::default();
    encode(value, Target::Yaml, budget, &mut sink)?;
    Ok(sink.finish())
}

/// Text as Go's `encoding/json` reads and writes it: U+FFFD for every byte that is not UTF-8.
pub(crate) fn json_text(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Cow::Owned(text)
}

/// As [`String::from_utf8_lossy`], which takes several times as long for what is UTF-8.
pub(crate) fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use gotemplate::{List, Str, Type};
    use serde_json::json;

    use super::*;

    const PLENTY: Bytes = Bytes(1 << 20);

    #[test]
    fn every_number_becomes_a_float() {
        let value = from_json(&json!({"a": [1, -2, 1.5, 18_446_744_073_709_551_615_u64, null, true, "x"]}));
        assert_eq!(
            format!("{value:?}"),
            r#"map[string]interface {}{"a":[]interface {}{1, -2, 1.5, 1.8446744073709552e+19, interface {}(nil), true, "x"}}"#
        );
    }

    #[test]
    fn every_kind_is_written_as_go_does() {
        let value = Value::from([
            ("int", Value::int(-7)),
            ("uint", Value::from(u64::MAX)),
            ("float", Value::float64(2.5)),
            ("float32", Value::from(0.1_f32)),
            ("bytes", Value::Bytes(b"\xffhi".as_slice().into())),
            ("nil", Value::TypedNil(&Type::ANY_LIST)),
            ("bad", Value::String(Str::new(b"a\xff\xe2\x82z"))),
            ("list", Value::List(List::of_strings(["a", "b"]))),
        ]);
        assert_eq!(
            to_json(&value, &mut PLENTY.clone()).unwrap(),
            json!({"int": -7, "uint": u64::MAX, "float": 2.5, "float32": 0.1, "bytes": "/2hp", "nil": null,
                "bad": "a\u{fffd}\u{fffd}\u{fffd}z", "list": ["a", "b"]})
        );
    }

    #[test]
    fn what_json_cannot_say_is_an_error() {
        let error = |value: Value| to_json(&value, &mut PLENTY.clone()).unwrap_err().to_string();
        assert_eq!(error(Value::float64(f64::INFINITY)), "json: unsupported value: +Inf");
        assert_eq!(error(Value::from(vec![Value::float64(f64::NAN)])), "json: unsupported value: NaN");
        assert_eq!(error(Value::Complex(1.0, 0.0)), "json: unsupported type: complex128");
    }

    #[test]
    fn endless_and_huge_values_end_at_a_limit() {
        let scope = gotemplate::Scope::enter();
        let map = Map::new();
        map.insert("self", map.clone());
        let error = to_json(&Value::Map(map), &mut PLENTY.clone()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "json: unsupported value: encountered a cycle via map[string]interface {}"
        );
        let deep = (0..300).fold(Value::Nil, |value, _| Value::from(vec![value]));
        let error = to_json(&deep, &mut PLENTY.clone()).unwrap_err();
        assert!(matches!(error, EncodeError::Limit(Limit::Nesting(_))));
        let doubled = (0..40).fold(Value::Nil, |value, _| Value::from(vec![value.clone(), value]));
        let error = to_json(&doubled, &mut PLENTY.clone()).unwrap_err();
        assert!(matches!(error, EncodeError::Limit(Limit::AllocatedBytes(_))));
        drop(scope);
    }
}
