//! `eq`, `ne`, `lt`, `le`, `gt`, `ge`.

use std::cmp::Ordering;

use crate::fmt::Printer;
use crate::value::{Kind, Value};

/// Bytes of a value that a message shows.
const MAX_SHOWN: usize = 1 << 20;

const BAD_TYPE: &str = "invalid type for comparison";

/// A value that can be compared, in one of Go's basic kinds.
enum Basic {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Complex(f64, f64),
    /// The string itself is in the value.
    String,
}

fn basic(value: &Value) -> Option<Basic> {
    Some(match value {
        Value::Bool(value) => Basic::Bool(*value),
        Value::Int(_, value) => Basic::Int(*value),
        Value::Uint(_, value) => Basic::Uint(*value),
        Value::Float(_, value) => Basic::Float(*value),
        Value::Complex(real, imaginary) => Basic::Complex(*real, *imaginary),
        Value::String(_) => Basic::String,
        Value::Native(native) => return native.underlying().and_then(|plain| basic(&plain)),
        _ => return None,
    })
}

fn text(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.to_vec(),
        Value::Native(native) => native.underlying().map(|plain| text(&plain)).unwrap_or_default(),
        _ => Vec::new(),
    }
}

fn incompatible(first: &Value, second: &Value) -> String {
    format!("incompatible types for comparison: {} and {}", first.type_name(), second.type_name())
}

/// Whether a signed and an unsigned number are equal.
fn mixed_equal(int: i64, uint: u64) -> bool {
    u64::try_from(int) == Ok(uint)
}

/// `eq first others...`: whether the first equals any of the others.
pub(crate) fn eq(first: &Value, others: &[Value]) -> Result<bool, String> {
    if others.is_empty() {
        return Err("missing argument for comparison".to_owned());
    }
    for other in others {
        if equal(first, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn equal(first: &Value, second: &Value) -> Result<bool, String> {
    if let (Value::String(first), Value::String(second)) = (first, second) {
        return Ok(first == second);
    }
    #[expect(clippy::float_cmp, reason = "Go's ==")]
    Ok(match (basic(first), basic(second)) {
        (Some(Basic::Bool(first)), Some(Basic::Bool(second))) => first == second,
        (Some(Basic::Int(first)), Some(Basic::Int(second))) => first == second,
        (Some(Basic::Uint(first)), Some(Basic::Uint(second))) => first == second,
        (Some(Basic::Float(first)), Some(Basic::Float(second))) => first == second,
        (Some(Basic::Complex(a, b)), Some(Basic::Complex(c, d))) => a == c && b == d,
        (Some(Basic::String), Some(Basic::String)) => text(first) == text(second),
        (Some(Basic::Int(int)), Some(Basic::Uint(uint)))
        | (Some(Basic::Uint(uint)), Some(Basic::Int(int))) => mixed_equal(int, uint),
        (None, None) => return equal_composed(first, second),
        _ if matches!(first, Value::Nil) || matches!(second, Value::Nil) => false,
        _ => return Err(incompatible(first, second)),
    })
}

/// Equality of what is neither number nor string nor truth value.
fn equal_composed(first: &Value, second: &Value) -> Result<bool, String> {
    let show = |verb: &[u8], value: &Value| {
        let mut printer = Printer::new(Vec::new(), MAX_SHOWN);
        printer.printf(verb, std::slice::from_ref(value));
        String::from_utf8_lossy(&printer.finish().0).into_owned()
    };
    let (first_kind, second_kind) = (first.kind(), second.kind());
    let either_invalid = first_kind == Kind::Invalid || second_kind == Kind::Invalid;
    if first_kind != second_kind && !either_invalid {
        // Go's own message has types and values in this odd order, under verbs that do not always fit.
        return Err(format!(
            "non-comparable types {}: {}, {}: {}",
            show(b"%s", first),
            first.type_name(),
            second.type_name(),
            show(b"%v", second)
        ));
    }
    if first.is_nil() || second.is_nil() {
        return Ok(first.is_nil() && second.is_nil());
    }
    if let (Value::Native(first), Value::Native(second)) = (first, second)
        && let Some(equal) = first.equals(&**second)
    {
        return Ok(equal);
    }
    Err(format!("non-comparable type {}: {}", show(b"%s", second), second.type_name()))
}

/// The order of two values; `None` where a float is not a number.
fn order(first: &Value, second: &Value) -> Result<Option<Ordering>, String> {
    let first_basic = basic(first).ok_or(BAD_TYPE)?;
    let second_basic = basic(second).ok_or(BAD_TYPE)?;
    Ok(match (first_basic, second_basic) {
        (Basic::Int(first), Basic::Int(second)) => Some(first.cmp(&second)),
        (Basic::Uint(first), Basic::Uint(second)) => Some(first.cmp(&second)),
        (Basic::Float(first), Basic::Float(second)) => first.partial_cmp(&second),
        (Basic::String, Basic::String) => Some(text(first).cmp(&text(second))),
        (Basic::Int(int), Basic::Uint(uint)) => Some(i128::from(int).cmp(&i128::from(uint))),
        (Basic::Uint(uint), Basic::Int(int)) => Some(i128::from(uint).cmp(&i128::from(int))),
        (Basic::Bool(_), Basic::Bool(_)) | (Basic::Complex(..), Basic::Complex(..)) => {
            return Err(BAD_TYPE.to_owned());
        }
        _ => return Err(incompatible(first, second)),
    })
}

pub(crate) fn lt(first: &Value, second: &Value) -> Result<bool, String> {
    Ok(order(first, second)? == Some(Ordering::Less))
}

pub(crate) fn le(first: &Value, second: &Value) -> Result<bool, String> {
    Ok(matches!(order(first, second)?, Some(Ordering::Less | Ordering::Equal)))
}

/// Not the opposite of `lt` where one of them is not a number, but of `le`, as in Go.
pub(crate) fn gt(first: &Value, second: &Value) -> Result<bool, String> {
    Ok(!le(first, second)?)
}

pub(crate) fn ge(first: &Value, second: &Value) -> Result<bool, String> {
    Ok(!lt(first, second)?)
}
