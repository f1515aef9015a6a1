//! Go types: the tags that values carry, as far as a template can tell them apart.

use std::fmt;

use crate::value::{FloatType, IntType, UintType, Value};

/// A Go type.
///
/// Types are small and `'static`, so they can be written as constants, also nested:
///
/// ```
/// use gotemplate::Type;
///
/// const VALUES: Type = Type::Named("common.Values", &Type::ANY_MAP);
/// assert_eq!(VALUES.to_string(), "common.Values");
/// assert_eq!(Type::ANY_MAP.to_string(), "map[string]interface {}");
/// assert!(VALUES.assignable_to(&Type::ANY_MAP));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// `interface {}`, which holds any value.
    Interface,
    /// `bool`.
    Bool,
    /// `int`, `int8`, `int16`, `int32` or `int64`.
    Int(IntType),
    /// `uint`, `uint8`, `uint16`, `uint32`, `uint64` or `uintptr`.
    Uint(UintType),
    /// `float32` or `float64`.
    Float(FloatType),
    /// `complex128`.
    Complex,
    /// `string`.
    String,
    /// A slice of the element type.
    Slice(&'static Type),
    /// A map with string keys and the element type.
    Map(&'static Type),
    /// A pointer.
    Pointer(&'static Type),
    /// A struct with its name, such as `time.Time`.
    Struct(&'static str),
    /// A function with its signature as Go writes it.
    Func(&'static str),
    /// A defined type: its name and the type it was made from.
    Named(&'static str, &'static Type),
}

impl Type {
    /// `int`.
    pub const INT: Type = Type::Int(IntType::Int);
    /// `int64`.
    pub const INT64: Type = Type::Int(IntType::Int64);
    /// `float64`.
    pub const FLOAT64: Type = Type::Float(FloatType::Float64);
    /// `uint8`, which is also `byte`.
    pub const BYTE: Type = Type::Uint(UintType::Uint8);
    /// `map[string]interface {}`.
    pub const ANY_MAP: Type = Type::Map(&Type::Interface);
    /// `map[string]string`.
    pub const STRING_MAP: Type = Type::Map(&Type::String);
    /// `[]interface {}`.
    pub const ANY_LIST: Type = Type::Slice(&Type::Interface);
    /// `[]string`.
    pub const STRING_LIST: Type = Type::Slice(&Type::String);
    /// `[]int`.
    pub const INT_LIST: Type = Type::Slice(&Type::INT);
    /// `[]uint8`.
    pub const BYTES: Type = Type::Slice(&Type::BYTE);

    /// The kind of the type, which a defined type shares with the type it was made from.
    pub fn kind(&self) -> Kind {
        match self.underlying() {
            Type::Interface | Type::Named(..) => Kind::Interface,
            Type::Bool => Kind::Bool,
            Type::Int(int) => Kind::Int(*int),
            Type::Uint(uint) => Kind::Uint(*uint),
            Type::Float(float) => Kind::Float(*float),
            Type::Complex => Kind::Complex,
            Type::String => Kind::String,
            Type::Slice(_) => Kind::Slice,
            Type::Map(_) => Kind::Map,
            Type::Pointer(_) => Kind::Pointer,
            Type::Struct(_) => Kind::Struct,
            Type::Func(_) => Kind::Func,
        }
    }

    /// The type that a defined type was made from; any other type is its own.
    pub fn underlying(&self) -> &Type {
        let mut current = self;
        // Chains of defined types are short; the bound keeps a wrong one from running on.
        for _ in 0..8 {
            match current {
                Type::Named(_, inner) => current = inner,
                _ => break,
            }
        }
        current
    }

    /// The element type of a slice, map or pointer.
    pub fn element(&self) -> Option<&'static Type> {
        match self.underlying() {
            Type::Slice(element) | Type::Map(element) | Type::Pointer(element) => Some(element),
            _ => None,
        }
    }

    /// Whether a value of this type may be assigned to a variable of type `target`, by Go's rules.
    pub fn assignable_to(&self, target: &Type) -> bool {
        if matches!(target, Type::Interface) || self == target {
            return true;
        }
        let both_defined = self.is_defined() && target.is_defined();
        !both_defined && self.underlying() == target.underlying()
    }

    /// Whether the type has a name of its own, as all but composed types have.
    fn is_defined(&self) -> bool {
        !matches!(self, Type::Slice(_) | Type::Map(_) | Type::Pointer(_) | Type::Func(_) | Type::Interface)
    }

    /// Whether `nil` can be assigned to the type.
    pub fn can_be_nil(&self) -> bool {
        matches!(self.kind(), Kind::Interface | Kind::Slice | Kind::Map | Kind::Pointer | Kind::Func)
    }

    /// The zero value of the type. Structs have none here and give nil.
    pub fn zero(&'static self) -> Value {
        match self.underlying() {
            Type::Interface | Type::Named(..) | Type::Struct(_) => Value::Nil,
            Type::Bool => Value::Bool(false),
            Type::Int(int) => Value::Int(*int, 0),
            Type::Uint(uint) => Value::Uint(*uint, 0),
            Type::Float(float) => Value::Float(*float, 0.0),
            Type::Complex => Value::Complex(0.0, 0.0),
            Type::String => Value::from(""),
            Type::Slice(_) | Type::Map(_) | Type::Pointer(_) | Type::Func(_) => Value::TypedNil(self),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Interface => f.write_str("interface {}"),
            Type::Bool => f.write_str("bool"),
            Type::Int(int) => f.write_str(int.name()),
            Type::Uint(uint) => f.write_str(uint.name()),
            Type::Float(float) => f.write_str(float.name()),
            Type::Complex => f.write_str("complex128"),
            Type::String => f.write_str("string"),
            Type::Slice(element) => write!(f, "[]{element}"),
            Type::Map(element) => write!(f, "map[string]{element}"),
            Type::Pointer(element) => write!(f, "*{element}"),
            Type::Struct(name) | Type::Named(name, _) | Type::Func(name) => f.write_str(name),
        }
    }
}

/// What sort of type a type is, as Go's reflection says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// No value at all.
    Invalid,
    /// `bool`.
    Bool,
    /// A signed integer.
    Int(IntType),
    /// An unsigned integer.
    Uint(UintType),
    /// A floating-point number.
    Float(FloatType),
    /// `complex128`.
    Complex,
    /// `string`.
    String,
    /// `slice`.
    Slice,
    /// `map`.
    Map,
    /// `ptr`.
    Pointer,
    /// `struct`.
    Struct,
    /// `func`.
    Func,
    /// `interface`.
    Interface,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Invalid => "invalid",
            Kind::Bool => "bool",
            Kind::Int(int) => int.name(),
            Kind::Uint(uint) => uint.name(),
            Kind::Float(float) => float.name(),
            Kind::Complex => "complex128",
            Kind::String => "string",
            Kind::Slice => "slice",
            Kind::Map => "map",
            Kind::Pointer => "ptr",
            Kind::Struct => "struct",
            Kind::Func => "func",
            Kind::Interface => "interface",
        })
    }
}
