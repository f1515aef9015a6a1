//! Deep equality.

use crate::exec::with_stack;
use crate::value::{Kind, List, Map, Value};

/// How deep values are compared; deeper ones, such as maps that contain themselves, are unequal.
const MAX_NESTING: u32 = 10_000;
/// How many values are compared. Maps that contain themselves more than once would never end.
const MAX_COMPARED: u64 = 50_000_000;

impl Value {
    /// Whether two values are equal in type and in all they contain, as Go's `reflect.DeepEqual` says.
    ///
    /// ```
    /// use gotemplate::Value;
    ///
    /// assert!(Value::from(vec![Value::int(1)]).deep_equal(&Value::from(vec![Value::int(1)])));
    /// assert!(!Value::int(1).deep_equal(&Value::int64(1)));
    /// ```
    pub fn deep_equal(&self, other: &Self) -> bool {
        Comparison { left: MAX_COMPARED }.equal(self, other, 0)
    }
}

/// What is left of a comparison.
struct Comparison {
    left: u64,
}

impl Comparison {
    fn equal(&mut self, first: &Value, second: &Value, depth: u32) -> bool {
        let Some(left) = self.left.checked_sub(1) else { return false };
        self.left = left;
        #[expect(clippy::float_cmp, reason = "Go's ==")]
        match (first, second) {
            (Value::Nil, Value::Nil) => true,
            (Value::Bool(first), Value::Bool(second)) => first == second,
            (Value::Int(first_type, first), Value::Int(second_type, second)) => {
                first_type == second_type && first == second
            }
            (Value::Uint(first_type, first), Value::Uint(second_type, second)) => {
                first_type == second_type && first == second
            }
            (Value::Float(first_type, first), Value::Float(second_type, second)) => {
                first_type == second_type && first == second
            }
            (Value::Complex(a, b), Value::Complex(c, d)) => a == c && b == d,
            (Value::String(first), Value::String(second)) => first == second,
            (Value::Bytes(first), Value::Bytes(second)) => first == second,
            (Value::List(first), Value::List(second)) => {
                depth < MAX_NESTING && self.lists(first, second, depth)
            }
            (Value::Map(first), Value::Map(second)) => depth < MAX_NESTING && self.maps(first, second, depth),
            (Value::Native(first), Value::Native(second)) => {
                std::rc::Rc::ptr_eq(first, second) || first.equals(&**second).unwrap_or(false)
            }
            // Functions are equal only if both are nil.
            (Value::TypedNil(first), Value::TypedNil(second)) => first == second,
            (Value::Func(_), Value::Func(_)) => false,
            _ => first.kind() == Kind::Invalid && second.kind() == Kind::Invalid,
        }
    }

    fn lists(&mut self, first: &List, second: &List, depth: u32) -> bool {
        first.type_of() == second.type_of()
            && first.len() == second.len()
            && (first.same(second)
                || with_stack(|| {
                    first.iter().zip(second).all(|(first, second)| self.equal(first, second, depth + 1))
                }))
    }

    fn maps(&mut self, first: &Map, second: &Map, depth: u32) -> bool {
        if first.type_of() != second.type_of() || first.len() != second.len() {
            return false;
        }
        if first.same(second) {
            return true;
        }
        let (first, second) = (first.entries(), second.entries());
        with_stack(|| {
            first.iter().zip(&second).all(|((first_key, first), (second_key, second))| {
                first_key == second_key && self.equal(first, second, depth + 1)
            })
        })
    }
}
