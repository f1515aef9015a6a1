//! Values on their way through an execution.

use crate::value::{Type, Value};

/// A value and whether it is seen through an `interface {}`, as elements of `[]interface {}` are.
///
/// The difference shows in messages, and for nil: in an interface it is a nil interface, else no value at all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Operand {
    pub(crate) value: Value,
    pub(crate) boxed: bool,
}

impl Operand {
    /// No value.
    pub(crate) const INVALID: Operand = Operand { value: Value::Nil, boxed: false };

    #[inline]
    pub(crate) fn concrete(value: Value) -> Self {
        Self { value, boxed: false }
    }

    /// An element of a list or map.
    #[inline]
    pub(crate) fn element(value: Value, element_type: &Type) -> Self {
        Self { value, boxed: matches!(element_type, Type::Interface) }
    }

    /// What is in the interface, if it is one.
    #[inline]
    pub(crate) fn unboxed(mut self) -> Self {
        self.boxed = false;
        self
    }

    /// The type as messages name it.
    pub(crate) fn type_name(&self) -> String {
        if self.boxed { Type::Interface.to_string() } else { self.value.type_name() }
    }
}
