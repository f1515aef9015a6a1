//! Values as templates see them: Go's kinds, with Go's type names.

mod capacity;
mod collections;
mod convert;
mod equal;
mod native;
mod scope;
mod str;
mod types;

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

pub use collections::{List, Map};
pub use native::Native;
pub use scope::Scope;
pub(crate) use str::Key;
pub use str::Str;
pub use types::{Kind, Type};

use crate::function::Function;

/// The signed integer types of Go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum IntType {
    Int,
    Int8,
    Int16,
    Int32,
    Int64,
}

impl IntType {
    /// The name in Go, such as `int64`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
        }
    }
}

impl IntType {
    /// The number cut to the bits of the type.
    #[expect(clippy::cast_possible_truncation, reason = "as Go cuts it")]
    pub(crate) const fn wrap(self, value: i64) -> i64 {
        match self {
            Self::Int | Self::Int64 => value,
            Self::Int8 => value as i8 as i64,
            Self::Int16 => value as i16 as i64,
            Self::Int32 => value as i32 as i64,
        }
    }
}

/// The unsigned integer types of Go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum UintType {
    Uint,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Uintptr,
}

impl UintType {
    /// The name in Go, such as `uint8`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uint => "uint",
            Self::Uint8 => "uint8",
            Self::Uint16 => "uint16",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Uintptr => "uintptr",
        }
    }
}

impl UintType {
    /// The number cut to the bits of the type.
    #[expect(clippy::cast_possible_truncation, reason = "as Go cuts it")]
    pub(crate) const fn wrap(self, value: u64) -> u64 {
        match self {
            Self::Uint | Self::Uint64 | Self::Uintptr => value,
            Self::Uint8 => value as u8 as u64,
            Self::Uint16 => value as u16 as u64,
            Self::Uint32 => value as u32 as u64,
        }
    }
}

/// The floating-point types of Go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum FloatType {
    Float32,
    Float64,
}

impl FloatType {
    /// The name in Go, such as `float64`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Float64 => "float64",
        }
    }
}

impl FloatType {
    /// The number with the precision of the type.
    #[expect(clippy::cast_possible_truncation, reason = "as Go rounds it")]
    pub(crate) fn round(self, value: f64) -> f64 {
        match self {
            Self::Float32 => f64::from(value as f32),
            Self::Float64 => value,
        }
    }
}

/// A value: what Go would hold in an `interface{}`.
///
/// Values are cheap to clone. Maps are shared: a change through one clone shows through every other, as in Go.
/// Values are not `Send`; an execution builds, owns and drops its own graph, while compiled templates are shared
/// between threads.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Value {
    /// `nil` without a type.
    #[default]
    Nil,
    /// A `bool`.
    Bool(bool),
    /// A signed integer with its type.
    Int(IntType, i64),
    /// An unsigned integer with its type.
    Uint(UintType, u64),
    /// A floating-point number with its type; a `float32` is kept exactly in the `f64`.
    Float(FloatType, f64),
    /// A `complex128`: real and imaginary part.
    Complex(f64, f64),
    /// A `string`.
    String(Str),
    /// A `[]byte`.
    Bytes(Rc<[u8]>),
    /// A slice.
    List(List),
    /// A map with string keys.
    Map(Map),
    /// A value with fields and methods, made by the program around the templates.
    Native(Rc<dyn Native>),
    /// A function that `call` can call.
    Func(Arc<Function>),
    /// The nil of a slice, map, pointer or function type.
    TypedNil(&'static Type),
}

impl Value {
    /// A Go `int`.
    pub const fn int(value: i64) -> Self {
        Self::Int(IntType::Int, value)
    }

    /// A Go `int64`.
    pub const fn int64(value: i64) -> Self {
        Self::Int(IntType::Int64, value)
    }

    /// A Go `float64`.
    pub const fn float64(value: f64) -> Self {
        Self::Float(FloatType::Float64, value)
    }

    /// The Go type; `None` for nil without a type.
    pub fn type_of(&self) -> Option<Type> {
        Some(match self {
            Self::Nil => return None,
            Self::Bool(_) => Type::Bool,
            Self::Int(int, _) => Type::Int(*int),
            Self::Uint(uint, _) => Type::Uint(*uint),
            Self::Float(float, _) => Type::Float(*float),
            Self::Complex(..) => Type::Complex,
            Self::String(_) => Type::String,
            Self::Bytes(_) => Type::BYTES,
            Self::List(list) => *list.type_of(),
            Self::Map(map) => *map.type_of(),
            Self::Native(native) => *native.type_of(),
            Self::Func(function) => Type::Func(function.go_type()),
            Self::TypedNil(typ) => **typ,
        })
    }

    /// The Go type as `%T` prints it; `<nil>` for nil.
    pub fn type_name(&self) -> String {
        self.type_of().map_or_else(|| "<nil>".to_owned(), |typ| typ.to_string())
    }

    /// The Go type of what the value points to, if it is a pointer, else of the value, as messages name it.
    pub(crate) fn pointee_type_name(&self) -> String {
        match self.type_of() {
            Some(Type::Pointer(target)) => target.to_string(),
            _ => self.type_name(),
        }
    }

    /// The kind of the value; [`Kind::Invalid`] for nil without a type.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Nil => Kind::Invalid,
            Self::Bool(_) => Kind::Bool,
            Self::Int(int, _) => Kind::Int(*int),
            Self::Uint(uint, _) => Kind::Uint(*uint),
            Self::Float(float, _) => Kind::Float(*float),
            Self::Complex(..) => Kind::Complex,
            Self::String(_) => Kind::String,
            Self::Bytes(_) | Self::List(_) => Kind::Slice,
            Self::Map(_) => Kind::Map,
            Self::Native(native) => native.type_of().kind(),
            Self::Func(_) => Kind::Func,
            Self::TypedNil(typ) => typ.kind(),
        }
    }

    /// Whether the value is nil, with a type or without.
    pub fn is_nil(&self) -> bool {
        matches!(self, Self::Nil | Self::TypedNil(_))
    }

    /// Whether `if` takes the value for true: not zero, not empty and not nil.
    #[inline]
    pub fn truth(&self) -> bool {
        match self {
            Self::Nil | Self::TypedNil(_) => false,
            Self::Bool(value) => *value,
            Self::Int(_, value) => *value != 0,
            Self::Uint(_, value) => *value != 0,
            Self::Float(_, value) => *value != 0.0,
            Self::Complex(real, imaginary) => *real != 0.0 || *imaginary != 0.0,
            Self::String(text) => !text.is_empty(),
            Self::Bytes(bytes) => !bytes.is_empty(),
            Self::List(list) => !list.is_empty(),
            Self::Map(map) => !map.is_empty(),
            Self::Native(native) => native.underlying().is_none_or(|value| value.truth()),
            Self::Func(_) => true,
        }
    }

    /// The plain value below a native value of a defined type, else the value itself.
    #[must_use]
    pub fn plain(&self) -> Value {
        match self {
            Self::Native(native) => native.underlying().unwrap_or_else(|| self.clone()),
            _ => self.clone(),
        }
    }

    /// The map, if the value is one (also below a native value).
    pub fn as_map(&self) -> Option<Map> {
        match self {
            Self::Map(map) => Some(map.clone()),
            Self::Native(native) => native.underlying()?.as_map(),
            _ => None,
        }
    }

    /// The list, if the value is one.
    pub fn as_list(&self) -> Option<&List> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    /// The string, if the value is one.
    pub fn as_string(&self) -> Option<&Str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// Bytes that this value alone keeps on the heap: nothing if it is also held elsewhere.
    #[inline]
    pub(crate) fn own_bytes(&self) -> usize {
        match self {
            Self::String(text) => text.own_bytes(),
            Self::Bytes(bytes) if Rc::strong_count(bytes) == 1 => bytes.len(),
            Self::List(list) => list.own_bytes(),
            Self::Map(map) => map.own_bytes(),
            _ => 0,
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = crate::fmt::sprintf(b"%#v", std::slice::from_ref(self));
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

/// Prints the value as `print` does.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = crate::fmt::sprint(std::slice::from_ref(self));
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_small() {
        assert_eq!(size_of::<Str>(), 24);
        assert_eq!(size_of::<Value>(), 24);
    }
}
