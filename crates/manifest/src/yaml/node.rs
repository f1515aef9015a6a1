use std::borrow::Cow;

use serde_json::{Number, Value};

/// A value to be written, with integers and floats apart, made from whatever holds it.
///
/// Entries of a mapping may stand in any order; they are sorted when written.
#[derive(Clone, Debug, PartialEq)]
pub enum Node<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// An integer.
    Integer(i64),
    /// An integer beyond the range of [`Node::Integer`].
    Unsigned(u64),
    /// A floating-point number.
    Float(f64),
    /// A text.
    String(Cow<'a, str>),
    /// A list.
    Sequence(Vec<Node<'a>>),
    /// Keys and values.
    Mapping(Vec<(Cow<'a, str>, Node<'a>)>),
}

impl<'a> From<&'a Value> for Node<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(boolean) => Self::Boolean(*boolean),
            Value::Number(number) => Self::from(number),
            Value::String(text) => Self::String(Cow::Borrowed(text)),
            Value::Array(items) => Self::Sequence(items.iter().map(Self::from).collect()),
            Value::Object(entries) => Self::Mapping(
                entries.iter().map(|(key, value)| (Cow::Borrowed(key.as_str()), Self::from(value))).collect(),
            ),
        }
    }
}

impl From<&Number> for Node<'_> {
    fn from(number: &Number) -> Self {
        match (number.as_i64(), number.as_u64()) {
            (Some(integer), _) => Self::Integer(integer),
            (None, Some(unsigned)) => Self::Unsigned(unsigned),
            (None, None) => Self::Float(number.as_f64().unwrap_or_default()),
        }
    }
}

impl Node<'_> {
    /// The same value as JSON has it. Infinities and NaN are null, of several equal keys the last wins.
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Boolean(boolean) => Value::Bool(*boolean),
            Self::Integer(integer) => (*integer).into(),
            Self::Unsigned(unsigned) => (*unsigned).into(),
            Self::Float(float) => (*float).into(),
            Self::String(text) => Value::String(text.clone().into_owned()),
            Self::Sequence(items) => items.iter().map(Self::to_json).collect(),
            Self::Mapping(entries) => Value::Object(
                entries.iter().map(|(key, value)| (key.clone().into_owned(), value.to_json())).collect(),
            ),
        }
    }
}
