//! Functions that templates can call, and the checks that Go makes before a call.

use std::fmt;

use foldhash::HashMap;

use crate::builtins::Builtin;
use crate::error::Error;
use crate::exec::Context;
use crate::limits::Limit;
use crate::value::{List, Map, Str, Type, Value};

/// Parameter and result types of a function or method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    params: &'static [Type],
    variadic: bool,
    result: Type,
}

impl Signature {
    /// A signature with exactly these parameters.
    pub const fn fixed(params: &'static [Type], result: Type) -> Self {
        Self { params, variadic: false, result }
    }

    /// A signature whose last parameter takes any number of arguments of its type.
    pub const fn variadic(params: &'static [Type], result: Type) -> Self {
        Self { params, variadic: true, result }
    }

    /// The parameter types; the last one is that of one element if the signature is variadic.
    pub const fn params(&self) -> &'static [Type] {
        self.params
    }

    /// Whether the last parameter takes any number of arguments.
    pub const fn is_variadic(&self) -> bool {
        self.variadic
    }

    /// The static type of the result, which shows in messages only.
    pub const fn result(&self) -> Type {
        self.result
    }

    /// Parameters that must be given.
    pub(crate) fn required(&self) -> usize {
        self.params.len().saturating_sub(usize::from(self.variadic))
    }

    /// The type of the argument at `index`.
    pub(crate) fn param(&self, index: usize) -> &'static Type {
        const ANY: &Type = &Type::Interface;
        self.params.get(index).or(self.params.last()).unwrap_or(ANY)
    }
}

type Body = dyn Fn(&mut Context<'_>, &mut Args<'_>) -> Result<Value, FunctionError> + Send + Sync;

/// A function with its name and signature.
///
/// The engine checks number and types of the arguments as Go does before it calls the body:
///
/// ```
/// use gotemplate::{Function, Functions, Set, Signature, Type, Value};
///
/// let mut functions = Functions::new();
/// functions.add(Function::new("repeat", Signature::fixed(&[Type::INT, Type::String], Type::String), |ctx, args| {
///     let times = usize::try_from(args.int(0)).unwrap_or(0);
///     ctx.allocate(args.str(1).len().saturating_mul(times))?;
///     Ok(Value::String(args.str(1).repeat(times).into()))
/// }));
/// let mut set = Set::with_functions("example", functions);
/// set.parse("t", "{{ `ab` | repeat 2 }}")?;
/// assert_eq!(set.render("t", Value::Nil)?, b"abab");
///
/// set.parse("u", "{{ repeat `x` 2 }}")?;
/// assert_eq!(
///     set.render("u", Value::Nil).unwrap_err().to_string(),
///     "template: u:1:10: executing \"u\" at <`x`>: expected integer; found `x`",
/// );
/// # Ok::<(), gotemplate::Error>(())
/// ```
pub struct Function {
    name: String,
    signature: Signature,
    go_type: &'static str,
    body: Box<Body>,
}

impl Function {
    /// A function. `name` must be a Go identifier to be callable by name.
    pub fn new<F>(name: impl Into<String>, signature: Signature, body: F) -> Self
    where
        F: Fn(&mut Context<'_>, &mut Args<'_>) -> Result<Value, FunctionError> + Send + Sync + 'static,
    {
        Self { name: name.into(), signature, go_type: "func()", body: Box::new(body) }
    }

    /// Sets the type that `printf "%T"` prints for the function as a value.
    #[must_use]
    pub fn with_go_type(mut self, go_type: &'static str) -> Self {
        self.go_type = go_type;
        self
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The signature.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    pub(crate) fn go_type(&self) -> &'static str {
        self.go_type
    }

    pub(crate) fn call(&self, ctx: &mut Context<'_>, args: &mut Args<'_>) -> Result<Value, FunctionError> {
        (self.body)(ctx, args)
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function")
            .field("name", &self.name)
            .field("signature", &self.signature)
            .finish_non_exhaustive()
    }
}

/// The arguments of a call. Number and types fit the signature, so the typed accessors need no checks;
/// where they are used against the signature they give the zero value.
#[derive(Debug)]
pub struct Args<'a>(&'a mut [Value]);

impl<'a> Args<'a> {
    /// Arguments over a slice of values.
    pub fn new(values: &'a mut [Value]) -> Self {
        Self(values)
    }

    /// The number of arguments.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no arguments.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// An argument; nil if it was not given.
    pub fn get(&self, index: usize) -> &Value {
        self.0.get(index).unwrap_or(&Value::Nil)
    }

    /// Takes an argument out and leaves nil.
    pub fn take(&mut self, index: usize) -> Value {
        self.0.get_mut(index).map(std::mem::take).unwrap_or_default()
    }

    /// The arguments from `index` on.
    pub fn rest(&self, index: usize) -> &[Value] {
        self.0.get(index..).unwrap_or_default()
    }

    /// Takes the arguments from `index` on and leaves nils.
    pub fn take_rest(&mut self, index: usize) -> Vec<Value> {
        self.0.get_mut(index..).unwrap_or_default().iter_mut().map(std::mem::take).collect()
    }

    /// A `string` argument.
    pub fn str(&self, index: usize) -> &Str {
        const EMPTY: &Str = &Str::empty();
        match self.get(index) {
            Value::String(text) => text,
            _ => EMPTY,
        }
    }

    /// A `[]byte` argument; empty for a nil slice.
    pub fn bytes(&self, index: usize) -> &[u8] {
        match self.get(index) {
            Value::Bytes(bytes) => bytes,
            _ => &[],
        }
    }

    /// An argument of a signed integer type.
    pub fn int(&self, index: usize) -> i64 {
        match self.get(index) {
            Value::Int(_, value) => *value,
            _ => 0,
        }
    }

    /// An argument of a floating-point type.
    pub fn float(&self, index: usize) -> f64 {
        match self.get(index) {
            Value::Float(_, value) => *value,
            _ => 0.0,
        }
    }

    /// A `bool` argument.
    pub fn bool(&self, index: usize) -> bool {
        matches!(self.get(index), Value::Bool(true))
    }

    /// A map argument; `None` for a nil map.
    pub fn map(&self, index: usize) -> Option<&Map> {
        match self.get(index) {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// A slice argument; `None` for a nil slice and for bytes.
    pub fn list(&self, index: usize) -> Option<&List> {
        self.get(index).as_list()
    }
}

/// Why a function failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FunctionError {
    /// A message for the author of the template.
    #[error("{0}")]
    Message(String),
    /// A template that the function parsed or executed failed.
    #[error("{prefix}{error}")]
    Template {
        /// What the function says before the error.
        prefix: String,
        /// The error of the template.
        #[source]
        error: Box<Error>,
    },
    /// A limit was passed.
    #[error("{0}")]
    Limit(#[source] Limit),
    /// Any other error.
    #[error("{0}")]
    Other(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl FunctionError {
    /// An error with a message.
    pub fn new(message: impl Into<String>) -> Self {
        Self::Message(message.into())
    }

    /// The error of a template that the function parsed or executed, with words of its own before it.
    pub fn wrap(prefix: impl Into<String>, error: Error) -> Self {
        Self::Template { prefix: prefix.into(), error: Box::new(error) }
    }
}

impl From<Error> for FunctionError {
    fn from(error: Error) -> Self {
        match error {
            Error::Limit(limit) => Self::Limit(limit),
            error => Self::wrap("", error),
        }
    }
}

impl From<Limit> for FunctionError {
    fn from(limit: Limit) -> Self {
        Self::Limit(limit)
    }
}

/// The functions that templates of a set can call, besides Go's own builtins, which they may replace.
#[derive(Debug, Default)]
pub struct Functions {
    functions: Vec<Function>,
    names: HashMap<String, u32>,
}

impl Functions {
    /// No functions but the builtins.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a function, in place of one that had its name.
    pub fn add(&mut self, function: Function) {
        let index = u32::try_from(self.functions.len()).unwrap_or(u32::MAX);
        self.names.insert(function.name.clone(), index);
        self.functions.push(function);
    }

    /// The function of a name.
    pub fn get(&self, name: &str) -> Option<&Function> {
        self.at(*self.names.get(name)?)
    }

    /// The names of all functions but the builtins, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    #[inline]
    pub(crate) fn at(&self, index: u32) -> Option<&Function> {
        self.functions.get(index as usize)
    }

    pub(crate) fn resolve(&self, name: &[u8]) -> Option<FunctionRef> {
        if !self.names.is_empty() {
            let found = std::str::from_utf8(name).ok().and_then(|name| self.names.get(name));
            if let Some(index) = found {
                return Some(FunctionRef::Custom(*index));
            }
        }
        Builtin::from_name(name).map(FunctionRef::Builtin)
    }
}

/// A function as compiled templates refer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FunctionRef {
    Builtin(Builtin),
    Custom(u32),
}
