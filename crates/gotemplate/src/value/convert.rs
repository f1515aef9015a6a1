//! Conversions from Rust's types.

use crate::value::{FloatType, IntType, List, Map, Str, UintType, Value};

macro_rules! from_number {
    ($($rust:ty => $variant:ident, $kind:expr);+ $(;)?) => {
        $(impl From<$rust> for Value {
            fn from(value: $rust) -> Self {
                Self::$variant($kind, value.into())
            }
        })+
    };
}

from_number! {
    i8 => Int, IntType::Int8;
    i16 => Int, IntType::Int16;
    i32 => Int, IntType::Int32;
    i64 => Int, IntType::Int64;
    u8 => Uint, UintType::Uint8;
    u16 => Uint, UintType::Uint16;
    u32 => Uint, UintType::Uint32;
    u64 => Uint, UintType::Uint64;
    f32 => Float, FloatType::Float32;
    f64 => Float, FloatType::Float64;
}

/// An `isize` is a Go `int`.
impl From<isize> for Value {
    fn from(value: isize) -> Self {
        Self::int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text.into())
    }
}

impl From<Str> for Value {
    fn from(text: Str) -> Self {
        Self::String(text)
    }
}

impl From<List> for Value {
    fn from(list: List) -> Self {
        Self::List(list)
    }
}

/// A vector is a `[]interface {}`.
impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Self {
        Self::List(List::new(items))
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

/// `None` is nil.
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Nil, Into::into)
    }
}

impl<K: Into<Str>, V: Into<Value>> FromIterator<(K, V)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let map = Map::new();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

impl<K: Into<Str>, V: Into<Value>, const N: usize> From<[(K, V); N]> for Map {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

/// The entries become a `map[string]interface {}`.
impl<K: Into<Str>, V: Into<Value>, const N: usize> From<[(K, V); N]> for Value {
    fn from(entries: [(K, V); N]) -> Self {
        Self::Map(entries.into())
    }
}
