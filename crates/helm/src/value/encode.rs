//! What Go writes of a value of a template, piece by piece.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gotemplate::{FloatType, Limit, List, Map, Native, Type, Value};

use super::{Budget, EncodeError};

/// Values inside one another that are written at most. What was read from JSON or YAML is never nested that deep.
const MAX_NESTING: u32 = 250;

/// Bytes that a value needs besides its text, roughly.
const VALUE_BYTES: usize = 64;

/// Whose rules a value is written by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Go's `encoding/json`.
    Json,
    /// go-yaml v3.
    Yaml,
}

/// What takes the pieces of a value in order. Keys and values of a map come in turn.
pub(crate) trait Sink {
    /// Bytes that the next value takes besides what it is.
    fn indentation(&self) -> usize {
        0
    }
    fn null(&mut self);
    fn boolean(&mut self, boolean: bool);
    fn integer(&mut self, integer: i64);
    fn unsigned(&mut self, unsigned: u64);
    fn float(&mut self, float: f64);
    /// A text whose bytes need not be UTF-8.
    fn text(&mut self, text: &[u8]);
    fn open_list(&mut self);
    fn close_list(&mut self);
    fn open_map(&mut self);
    /// The key of the value that comes next.
    fn key(&mut self, key: &[u8]);
    fn close_map(&mut self);
}

/// Gives a value to a sink. Entries come in Go's order: by the bytes of their keys, those of structs as declared.
pub(crate) fn encode(
    value: &Value,
    target: Target,
    budget: &mut impl Budget,
    sink: &mut impl Sink,
) -> Result<(), EncodeError> {
    Encoder { budget, sink, depth: 0, path: Vec::new(), target }.value(value)
}

struct Encoder<'b, B, S> {
    budget: &'b mut B,
    sink: &'b mut S,
    depth: u32,
    /// The maps that the current value is in.
    path: Vec<Map>,
    target: Target,
}

impl<B: Budget, S: Sink> Encoder<'_, B, S> {
    fn value(&mut self, value: &Value) -> Result<(), EncodeError> {
        self.budget.take(VALUE_BYTES + self.sink.indentation())?;
        match value {
            Value::Bool(boolean) => self.sink.boolean(*boolean),
            Value::Int(_, integer) => self.sink.integer(*integer),
            Value::Uint(_, unsigned) => self.sink.unsigned(*unsigned),
            Value::Float(typ, float) => self.sink.float(self.checked_float(*typ, *float)?),
            Value::Complex(..) | Value::Func(_) | Value::TypedNil(Type::Func(_)) => {
                return Err(EncodeError::UnsupportedType(value.type_name()));
            }
            Value::String(text) => {
                self.budget.take(text.len())?;
                self.sink.text(text);
            }
            Value::Bytes(bytes) => self.base64(bytes)?,
            Value::List(list) => self.nested(|encoder| encoder.list(list))?,
            Value::Map(map) => self.nested(|encoder| encoder.map(map))?,
            Value::Native(native) => self.nested(|encoder| encoder.native(&**native))?,
            _ => self.sink.null(),
        }
        Ok(())
    }

    fn nested(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        if self.depth >= MAX_NESTING {
            return Err(self.too_deep());
        }
        self.depth += 1;
        inner(self)?;
        self.depth -= 1;
        Ok(())
    }

    /// Go tells values that contain themselves from those that are only deep.
    fn too_deep(&self) -> EncodeError {
        let is_outer =
            |(index, map): (usize, &Map)| self.path.iter().take(index).any(|outer| outer.same(map));
        if self.path.iter().enumerate().any(is_outer) {
            return EncodeError::UnsupportedValue("encountered a cycle via map[string]interface {}");
        }
        Limit::Nesting(MAX_NESTING).into()
    }

    /// A float that can be said. Of a float32 the one that is printed with the same digits.
    fn checked_float(&self, typ: FloatType, float: f64) -> Result<f64, EncodeError> {
        match typ {
            _ if !float.is_finite() && self.target == Target::Yaml => Ok(float),
            _ if float.is_nan() => Err(EncodeError::UnsupportedValue("NaN")),
            _ if float == f64::INFINITY => Err(EncodeError::UnsupportedValue("+Inf")),
            _ if float == f64::NEG_INFINITY => Err(EncodeError::UnsupportedValue("-Inf")),
            FloatType::Float64 => Ok(float),
            #[expect(clippy::cast_possible_truncation, reason = "the value is a float32")]
            FloatType::Float32 => Ok((float as f32).to_string().parse().unwrap_or(float)),
        }
    }

    fn base64(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.budget.take(bytes.len().saturating_mul(2))?;
        self.sink.text(STANDARD.encode(bytes).as_bytes());
        Ok(())
    }

    fn list(&mut self, list: &List) -> Result<(), EncodeError> {
        if list.element_type() == &Type::BYTE {
            let bytes: Vec<u8> = list
                .iter()
                .map(|item| if let Value::Uint(_, byte) = item { byte.to_le_bytes()[0] } else { 0 })
                .collect();
            return self.base64(&bytes);
        }
        self.sink.open_list();
        for item in list {
            self.value(item)?;
        }
        self.sink.close_list();
        Ok(())
    }

    fn map(&mut self, map: &Map) -> Result<(), EncodeError> {
        self.sink.open_map();
        self.path.push(map.clone());
        for (key, value) in map.entries() {
            self.budget.take(key.len())?;
            self.sink.key(&key);
            self.value(&value)?;
        }
        self.path.pop();
        self.sink.close_map();
        Ok(())
    }

    fn native(&mut self, native: &dyn Native) -> Result<(), EncodeError> {
        if let Some(plain) = native.to_json().or_else(|| native.underlying()) {
            return self.value(&plain);
        }
        self.sink.open_map();
        for (name, value) in native.fields() {
            if !name.starts_with(char::is_uppercase) {
                continue;
            }
            match self.target {
                Target::Json => self.sink.key(name.as_bytes()),
                Target::Yaml => self.sink.key(name.to_lowercase().as_bytes()),
            }
            self.value(&value)?;
        }
        self.sink.close_map();
        Ok(())
    }
}
