//! Values with fields and methods that the program around the templates provides.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;

use crate::exec::Context;
use crate::function::{Args, FunctionError, Signature};
use crate::value::{Str, Type, Value};

/// A value with fields and methods, such as a time, a duration, or a map type with methods of its own.
///
/// A method is looked for first, then a field, then (where [`underlying`](Native::underlying) gives a map) a key.
///
/// ```
/// use std::any::Any;
/// use gotemplate::{Args, Context, FunctionError, Native, Set, Signature, Type, Value};
///
/// /// A list of names that templates can ask `.Names.Has "x"`.
/// #[derive(Debug)]
/// struct Names(Vec<String>);
///
/// const HAS: Signature = Signature::fixed(&[Type::String], Type::Bool);
///
/// impl Native for Names {
///     fn type_of(&self) -> &'static Type {
///         &Type::Named("main.Names", &Type::STRING_LIST)
///     }
///     fn method(&self, name: &[u8]) -> Option<&'static Signature> {
///         (name == b"Has").then_some(&HAS)
///     }
///     fn call(&self, _: &[u8], _: &mut Context<'_>, args: &mut Args<'_>) -> Result<Value, FunctionError> {
///         Ok(Value::Bool(self.0.iter().any(|name| *args.str(0) == name.as_str())))
///     }
///     fn as_any(&self) -> &dyn Any {
///         self
///     }
/// }
///
/// let mut set = Set::new("example");
/// set.parse("t", "{{if .Names.Has `b`}}yes{{end}}")?;
/// let names = Value::Native(std::rc::Rc::new(Names(vec!["a".into(), "b".into()])));
/// assert_eq!(set.render("t", Value::from([("Names", names)]))?, b"yes");
/// # Ok::<(), gotemplate::Error>(())
/// ```
pub trait Native: fmt::Debug {
    /// The Go type of the value.
    fn type_of(&self) -> &'static Type;

    /// The plain value below a defined type that is not a struct. `None` for structs and pointers to them.
    fn underlying(&self) -> Option<Value> {
        None
    }

    /// A value of the same type with another plain value below it. `range` over a number of a defined type needs it.
    fn with_underlying(&self, plain: &Value) -> Option<Value> {
        let _ = plain;
        None
    }

    /// The value of an exported field.
    fn field(&self, name: &[u8]) -> Option<Value> {
        let _ = name;
        None
    }

    /// The names and values of all fields, in order, for `printf "%v"`.
    fn fields(&self) -> Vec<(Cow<'static, str>, Value)> {
        Vec::new()
    }

    /// The signature of a method, if there is one of that name.
    fn method(&self, name: &[u8]) -> Option<&'static Signature> {
        let _ = name;
        None
    }

    /// Calls a method. The arguments have been checked against its signature.
    fn call(&self, name: &[u8], ctx: &mut Context<'_>, args: &mut Args<'_>) -> Result<Value, FunctionError> {
        let _ = (ctx, args);
        Err(FunctionError::new(format!("no method {}", String::from_utf8_lossy(name))))
    }

    /// The text of the value's `String` or `Error` method, if it has one.
    fn to_text(&self) -> Option<Str> {
        None
    }

    /// What Go's `encoding/json` writes for the value, if its type has a method that says so (`MarshalJSON`,
    /// `MarshalText`). The engine does not need it; functions such as `toJson` do.
    fn to_json(&self) -> Option<Value> {
        None
    }

    /// Whether the value equals another one by Go's `==`. `None` if values of the type cannot be compared.
    fn equals(&self, other: &dyn Native) -> Option<bool> {
        let _ = other;
        None
    }

    /// The value itself, for downcasting in functions.
    fn as_any(&self) -> &dyn Any;
}
