//! Values on their way from JSON into templates and back, as Go's `encoding/json` carries them.
//!
//! What comes from YAML or JSON has no types but JSON's, and Helm makes a float64 of every number ([`from_json`]).
//! What templates make has all of Go's types; [`to_node`] gives what JSON and YAML say of it.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gotemplate::{Context, FloatType, FunctionError, Limit, List, Map, Native, Str, Type, Value};
use serde_json::Value as Json;
use tiphys_manifest::yaml::Node;

/// Values inside one another that are written at most. What was read from JSON or YAML is never nested that deep.
const MAX_NESTING: u32 = 250;

/// Bytes that a node needs besides its text, roughly.
const NODE_BYTES: usize = 64;

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
    Encoder { budget, depth: 0 }.node(value)
}

fn json_of(node: Node<'_>) -> Json {
    match node {
        Node::Null => Json::Null,
        Node::Boolean(boolean) => Json::Bool(boolean),
        Node::Integer(integer) => integer.into(),
        Node::Unsigned(unsigned) => unsigned.into(),
        Node::Float(float) => float.into(),
        Node::String(text) => Json::String(text.into_owned()),
        Node::Sequence(items) => Json::Array(items.into_iter().map(json_of).collect()),
        Node::Mapping(entries) => {
            Json::Object(entries.into_iter().map(|(key, value)| (key.into_owned(), json_of(value))).collect())
        }
    }
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

struct Encoder<'b, B> {
    budget: &'b mut B,
    depth: u32,
}

impl<B: Budget> Encoder<'_, B> {
    fn node(&mut self, value: &Value) -> Result<Node<'static>, EncodeError> {
        self.budget.take(NODE_BYTES)?;
        Ok(match value {
            Value::Bool(boolean) => Node::Boolean(*boolean),
            Value::Int(_, integer) => Node::Integer(*integer),
            Value::Uint(_, unsigned) => {
                i64::try_from(*unsigned).map_or(Node::Unsigned(*unsigned), Node::Integer)
            }
            Value::Float(typ, float) => Node::Float(json_float(*typ, *float)?),
            Value::Complex(..) | Value::Func(_) => {
                return Err(EncodeError::UnsupportedType(value.type_name()));
            }
            Value::String(text) => Node::String(self.text(text)?),
            Value::Bytes(bytes) => self.base64(bytes)?,
            Value::List(list) => self.nested(|encoder| encoder.list(list))?,
            Value::Map(map) => self.nested(|encoder| encoder.map(map))?,
            Value::Native(native) => self.nested(|encoder| encoder.native(&**native))?,
            Value::TypedNil(Type::Func(_)) => return Err(EncodeError::UnsupportedType(value.type_name())),
            _ => Node::Null,
        })
    }

    fn nested(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<Node<'static>, EncodeError>,
    ) -> Result<Node<'static>, EncodeError> {
        if self.depth >= MAX_NESTING {
            return Err(Limit::Nesting(MAX_NESTING).into());
        }
        self.depth += 1;
        let node = inner(self);
        self.depth -= 1;
        node
    }

    fn text(&mut self, text: &Str) -> Result<Cow<'static, str>, EncodeError> {
        self.budget.take(text.len())?;
        Ok(Cow::Owned(json_text(text).into_owned()))
    }

    fn base64(&mut self, bytes: &[u8]) -> Result<Node<'static>, EncodeError> {
        self.budget.take(bytes.len().saturating_mul(2))?;
        Ok(Node::String(Cow::Owned(STANDARD.encode(bytes))))
    }

    fn list(&mut self, list: &List) -> Result<Node<'static>, EncodeError> {
        if list.element_type() == &Type::BYTE {
            let bytes: Vec<u8> = list
                .iter()
                .map(|item| if let Value::Uint(_, byte) = item { byte.to_le_bytes()[0] } else { 0 })
                .collect();
            return self.base64(&bytes);
        }
        let items = list.iter().map(|item| self.node(item)).collect::<Result<_, _>>()?;
        Ok(Node::Sequence(items))
    }

    fn map(&mut self, map: &Map) -> Result<Node<'static>, EncodeError> {
        let mut entries = Vec::with_capacity(map.len());
        for (key, value) in map.entries() {
            entries.push((self.text(&key)?, self.node(&value)?));
        }
        Ok(Node::Mapping(entries))
    }

    fn native(&mut self, native: &dyn Native) -> Result<Node<'static>, EncodeError> {
        if let Some(plain) = native.to_json().or_else(|| native.underlying()) {
            return self.node(&plain);
        }
        let is_exported = |name: &str| name.starts_with(char::is_uppercase);
        let mut entries = Vec::new();
        for (name, value) in native.fields().into_iter().filter(|(name, _)| is_exported(name)) {
            entries.push((Cow::Owned(name.into_owned()), self.node(&value)?));
        }
        Ok(Node::Mapping(entries))
    }
}

/// A float that JSON can say. Of a float32 the one that is printed with the same digits.
fn json_float(typ: FloatType, float: f64) -> Result<f64, EncodeError> {
    match typ {
        _ if float.is_nan() => Err(EncodeError::UnsupportedValue("NaN")),
        _ if float == f64::INFINITY => Err(EncodeError::UnsupportedValue("+Inf")),
        _ if float == f64::NEG_INFINITY => Err(EncodeError::UnsupportedValue("-Inf")),
        FloatType::Float64 => Ok(float),
        #[expect(clippy::cast_possible_truncation, reason = "the value is a float32")]
        FloatType::Float32 => Ok((float as f32).to_string().parse().unwrap_or(float)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

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
        assert!(matches!(error, EncodeError::Limit(Limit::Nesting(_))));
        let doubled = (0..40).fold(Value::Nil, |value, _| Value::from(vec![value.clone(), value]));
        let error = to_json(&doubled, &mut PLENTY.clone()).unwrap_err();
        assert!(matches!(error, EncodeError::Limit(Limit::AllocatedBytes(_))));
        drop(scope);
    }
}
