//! Expressions of CEL that people write into our resources, within bounds.
//!
//! CEL has no loops without end, but loops in loops over a large object can take hours. So every expression is
//! changed before it is run: each range that is looped over and each text or list that is made pays from a budget
//! ([`BUDGET`]), and nothing can be nested so deep that it does not fit on a stack ([`MAX_DEPTH`]).
//!
//! A field that is not there is nothing to fail at: a condition that asks for it does not hold, a text is empty.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use cel::common::ast::{CallExpr, EntryExpr, Expr, operators};
use cel::common::types::{CelBytes, CelString, DYN_TYPE};
use cel::common::value::CowVal;
use cel::objects::Key;
use cel::{Context, Env, ExecutionError, IdedExpr, Value};
use serde_json::Value as Json;

/// Largest object that an expression may see, in bytes of its content: what etcd takes at most, and a little.
pub const MAX_OBJECT: usize = 2 * 1024 * 1024;
/// Longest expression, in bytes.
const MAX_LENGTH: usize = 4096;
/// Deepest nesting of an expression.
const MAX_DEPTH: usize = 64;
/// Deepest nesting of brackets while it is parsed.
const MAX_BRACKETS: u16 = 32;
/// Stack for parsing [`MAX_LENGTH`] bytes of the deepest nesting; it is memory only as far as it is used.
const PARSER_STACK: usize = 64 * 1024 * 1024;
/// What the evaluation of all expressions for one object may cost: one for each step of a loop and for every
/// [`BYTES_PER_STEP`] bytes of text that are made.
const BUDGET: u64 = 100_000;
const BYTES_PER_STEP: u64 = 64;
/// A regular expression is compiled each time that it is used.
const REGEX_COST: u64 = 1_000;

/// Functions that pay. Names that cannot be written in an expression.
const PAY_FOR_RANGE: &str = "@range";
const PAY_FOR_RESULT: &str = "@result_of";
const PAY_FOR_REGEX: &str = "@regex";

/// Why an expression has no value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CelError {
    /// An object holds more than [`MAX_OBJECT`] bytes.
    #[error("the object is larger than {MAX_OBJECT} bytes, which no expression is evaluated for")]
    TooLarge,
    /// It ran into one of its bounds.
    #[error("it was stopped: {0}")]
    Stopped(&'static str),
    /// It failed.
    #[error("{0}")]
    Failed(String),
}

/// An expression, compiled and made to pay for what it does.
#[derive(Clone, Debug)]
pub struct Expression {
    source: String,
    tree: IdedExpr,
}

/// What expressions see.
pub struct Scope {
    context: Context<'static, 'static>,
    names: Vec<&'static str>,
    size: usize,
}

/// Text with expressions in `${…}`.
#[derive(Clone, Debug)]
pub struct Text(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    Literal(String),
    Expression(Expression),
}

thread_local! {
    /// What is left of the budget of the evaluation that runs on this thread: functions of CEL have no other state.
    static LEFT: Cell<u64> = const { Cell::new(0) };
}

static ENVIRONMENT: LazyLock<Result<Arc<Env>, String>> =
    LazyLock::new(|| Ok(Arc::new(paying(Env::stdlib())?)));

/// The environment with the functions through which expressions pay.
pub(crate) fn paying(mut environment: Env) -> Result<Env, String> {
    let functions: [(&str, cel::common::functions::Function); 3] = [
        (PAY_FOR_RANGE, |args| pay(args, |value| elements(value).saturating_add(1))),
        (PAY_FOR_RESULT, |args| {
            pay(args, |value| elements(value).saturating_add(bytes(value) / BYTES_PER_STEP))
        }),
        (PAY_FOR_REGEX, |args| pay(args, |value| REGEX_COST.saturating_add(bytes(value)))),
    ];
    for (name, function) in functions {
        environment.add_overload(name, name, vec![DYN_TYPE], function).map_err(|error| error.to_string())?;
    }
    Ok(environment)
}

/// Runs what evaluates expressions that [`parse`] made, within a budget. None: it was not enough.
pub(crate) fn within<T>(budget: u64, evaluate: impl FnOnce() -> T) -> Option<T> {
    LEFT.set(budget);
    let value = evaluate();
    (LEFT.get() > 0).then_some(value)
}

/// Parses an expression and makes it pay for what it does.
pub(crate) fn parse(environment: &Env, source: &str) -> Result<IdedExpr, String> {
    // The parser has no bound for signs and paths in a row: what it makes of them is refused, but must fit first.
    stacker::grow(PARSER_STACK, || {
        let parsed = environment.parser().max_recursion_depth(MAX_BRACKETS).parse(source);
        let mut tree = parsed.map_err(|error| format!("`{source}`: {error}"))?;
        if !make_pay(&mut tree, None, MAX_DEPTH) {
            return Err(format!("`{source}` is nested too deep"));
        }
        Ok(tree)
    })
}

impl Scope {
    /// Nothing yet, and a full budget for everything that is evaluated in it on this thread.
    pub fn new() -> Result<Self, CelError> {
        let environment = ENVIRONMENT.as_ref().map_err(|error| CelError::Failed(error.clone()))?;
        LEFT.set(BUDGET);
        Ok(Self { context: Context::with_env(Arc::clone(environment)), names: Vec::new(), size: 0 })
    }

    /// Adds an object under a name.
    pub fn object(&mut self, name: &'static str, object: &Json) -> Result<(), CelError> {
        let value = value_of(object, &mut Vec::new(), &mut self.size)?;
        self.add(name, value);
        Ok(())
    }

    /// Adds some objects by their keys, as a map under a name.
    pub fn map<'a>(
        &mut self,
        name: &'static str,
        entries: impl Iterator<Item = (&'a str, &'a Json)>,
    ) -> Result<(), CelError> {
        let mut map = HashMap::new();
        for (key, entry) in entries {
            let value = value_of(entry, &mut vec!["[]"], &mut self.size)?;
            map.insert(Key::String(Arc::new(key.to_owned())), value);
        }
        self.add(name, Value::Map(map.into()));
        Ok(())
    }

    fn add(&mut self, name: &'static str, value: Value) {
        self.context.add_variable_from_value(name, value);
        self.names.push(name);
    }

    fn names(&self) -> String {
        let names: Vec<_> = self.names.iter().map(|name| format!("`{name}`")).collect();
        names.join(" and ")
    }
}

impl Expression {
    /// Compiles it, or says what is wrong.
    pub fn compile(source: &str) -> Result<Self, String> {
        if source.len() > MAX_LENGTH {
            return Err(format!(
                "an expression has at most {MAX_LENGTH} bytes, this one has {}",
                source.len()
            ));
        }
        let environment = ENVIRONMENT.as_ref().map_err(Clone::clone)?;
        Ok(Self { source: source.to_owned(), tree: parse(environment, source)? })
    }

    /// Whether it is true.
    pub fn holds(&self, scope: &Scope) -> Result<bool, CelError> {
        match self.value(scope)? {
            Some(Value::Bool(holds)) => Ok(holds),
            None => Ok(false),
            Some(other) => Err(self.failed(&format!("it gives a {}, not true or false", other.type_of()))),
        }
    }

    /// Its value as text.
    pub fn text(&self, scope: &Scope) -> Result<String, CelError> {
        match self.value(scope)? {
            Some(Value::String(text)) => Ok(text.as_ref().clone()),
            Some(Value::Int(number)) => Ok(number.to_string()),
            Some(Value::UInt(number)) => Ok(number.to_string()),
            Some(Value::Float(number)) => Ok(number.to_string()),
            Some(Value::Bool(value)) => Ok(value.to_string()),
            Some(Value::Null) | None => Ok(String::new()),
            Some(other) => Err(self.failed(&format!("it gives a {}, not a text", other.type_of()))),
        }
    }

    /// Its value; none where it asks for something that is not there.
    fn value(&self, scope: &Scope) -> Result<Option<Value>, CelError> {
        let value = scope.context.resolve(&self.tree);
        if LEFT.get() == 0 {
            return Err(CelError::Stopped("it costs too much for an object like this"));
        }
        match value {
            Ok(value) => Ok(Some(value)),
            Err(ExecutionError::NoSuchKey(_) | ExecutionError::IndexOutOfBounds(_)) => Ok(None),
            Err(error) => Err(self.failed(&short_reason(&error, scope))),
        }
    }

    fn failed(&self, why: &str) -> CelError {
        CelError::Failed(format!("`{}`: {why}", self.source))
    }
}

impl Text {
    /// Compiles it, or says what is wrong.
    pub fn compile(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((literal, begun)) = rest.split_once("${") {
            let end = end_of_expression(begun).ok_or_else(|| format!("`${{` without `}}` in `{text}`"))?;
            parts.push(Part::Literal(literal.to_owned()));
            parts.push(Part::Expression(Expression::compile(&begun[..end])?));
            rest = &begun[end + 1..];
        }
        parts.push(Part::Literal(rest.to_owned()));
        Ok(Self(parts))
    }

    /// The text with the values of its expressions, trimmed.
    pub fn of(&self, scope: &Scope) -> Result<String, CelError> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Expression(expression) => text.push_str(&expression.text(scope)?),
            }
        }
        Ok(text.trim().to_owned())
    }
}

/// Where the `}` is that ends an expression: outside of texts, and not that of a map in it.
fn end_of_expression(text: &str) -> Option<usize> {
    let (mut depth, mut quote) = (0_usize, None);
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        match (quote, character) {
            (Some(_), '\\') => drop(characters.next()),
            (Some(open), _) if open == character => quote = None,
            (None, '\'' | '"') => quote = Some(character),
            (None, '{') => depth += 1,
            (None, '}') if depth == 0 => return Some(index),
            (None, '}') => depth -= 1,
            _ => {}
        }
    }
    None
}

/// What went wrong, without values of the object: they may be long.
fn short_reason(error: &ExecutionError, scope: &Scope) -> String {
    match error {
        ExecutionError::NoSuchOverload(error) => error.to_string(),
        ExecutionError::UndeclaredReference(name) => {
            format!("there is no `{name}`; an expression sees {}", scope.names())
        }
        ExecutionError::UnexpectedType { got, want } => format!("it has a {got} where a {want} must be"),
        ExecutionError::FunctionError { function, message } => format!("{function}: {message}"),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "division by zero".to_owned()
        }
        ExecutionError::Overflow(..) => "a number is too large".to_owned(),
        ExecutionError::InvalidArgumentCount { .. } | ExecutionError::MissingArgumentOrTarget => {
            "a function has too few or too many arguments".to_owned()
        }
        _ => "its values do not fit together".to_owned(),
    }
}

/// Makes what is below an expression pay. Says whether it is nested less deep than `depth`.
///
/// `accumulator` is the variable to which the macro around it adds: such an addition is one step of a loop, which has
/// been paid.
fn make_pay(expression: &mut IdedExpr, accumulator: Option<&str>, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else {
        return false;
    };
    let mut payment = None;
    let fits = match &mut expression.expr {
        Expr::Call(call) => {
            payment = payment_for(call, accumulator);
            if call.func_name == "matches"
                && let Some(pattern) = call.args.last_mut()
            {
                wrap(pattern, PAY_FOR_REGEX);
            }
            let target = call.target.as_deref_mut();
            target.into_iter().chain(&mut call.args).all(|it| make_pay(it, accumulator, depth))
        }
        Expr::Comprehension(it) => {
            wrap(&mut it.iter_range, PAY_FOR_RANGE);
            let accumulator = it.accu_var.clone();
            [&mut it.iter_range, &mut it.accu_init, &mut it.loop_cond, &mut it.loop_step, &mut it.result]
                .into_iter()
                .all(|part| make_pay(part, Some(&accumulator), depth))
        }
        Expr::Select(select) => make_pay(&mut select.operand, None, depth),
        Expr::List(list) => list.elements.iter_mut().all(|it| make_pay(it, None, depth)),
        Expr::Map(map) => map.entries.iter_mut().all(|it| pay_in_entry(&mut it.expr, depth)),
        Expr::Struct(it) => it.entries.iter_mut().all(|it| pay_in_entry(&mut it.expr, depth)),
        Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => true,
    };
    if let Some(function) = payment {
        wrap(expression, function);
    }
    fits
}

fn pay_in_entry(entry: &mut EntryExpr, depth: usize) -> bool {
    match entry {
        EntryExpr::StructField(field) => make_pay(&mut field.value, None, depth),
        EntryExpr::MapEntry(entry) => {
            make_pay(&mut entry.key, None, depth) && make_pay(&mut entry.value, None, depth)
        }
    }
}

/// The function through which the result of a call is paid: that of one that can make something larger.
fn payment_for(call: &CallExpr, accumulator: Option<&str>) -> Option<&'static str> {
    let adds_to =
        |name: &str| matches!(&call.args[..], [IdedExpr { expr: Expr::Ident(it), .. }, _] if it == name);
    let is_step = accumulator.is_some_and(adds_to);
    let grows = call.func_name == operators::ADD || matches!(call.func_name.as_str(), "string" | "bytes");
    (grows && !is_step).then_some(PAY_FOR_RESULT)
}

fn wrap(expression: &mut IdedExpr, function: &str) {
    let inner = std::mem::take(expression);
    *expression = IdedExpr {
        id: inner.id,
        expr: Expr::Call(CallExpr { func_name: function.to_owned(), target: None, args: vec![inner] }),
    };
}

/// Takes what an argument costs from the budget and hands it back.
fn pay<'b, 'v>(
    mut args: Vec<CowVal<'b, 'v>>,
    cost: fn(&CowVal<'b, 'v>) -> u64,
) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let Some(value) = args.pop() else {
        return Err(ExecutionError::MissingArgumentOrTarget);
    };
    let left = LEFT.get().saturating_sub(cost(&value));
    LEFT.set(left);
    if left == 0 { Err(ExecutionError::InternalError("the budget is used up".to_owned())) } else { Ok(value) }
}

fn elements(value: &CowVal<'_, '_>) -> u64 {
    value.as_sizer().map_or(0, |sizer| u64::try_from(*sizer.size().inner()).unwrap_or(0))
}

fn bytes(value: &CowVal<'_, '_>) -> u64 {
    let text = value.downcast_ref::<CelString<'_>>().map(|text| text.inner().len());
    let length = text.or_else(|| value.downcast_ref::<CelBytes<'_>>().map(|bytes| bytes.inner().len()));
    length.unwrap_or(0) as u64
}

/// JSON as CEL sees it: whole numbers are `int`, as in Kubernetes' own expressions.
fn value_of<'a>(json: &'a Json, path: &mut Vec<&'a str>, size: &mut usize) -> Result<Value, CelError> {
    *size += 8;
    let value = match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Int(number),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => {
            *size += text.len();
            Value::String(Arc::new(text.clone()))
        }
        Json::Array(items) => {
            let items = items.iter().map(|item| value_of(item, &mut vec!["[]"], size));
            Value::List(Arc::new(items.collect::<Result<_, _>>()?))
        }
        Json::Object(fields) => {
            let mut map = HashMap::with_capacity(fields.len());
            for (name, field) in fields {
                path.push(name);
                if is_visible(path) {
                    *size += name.len();
                    map.insert(Key::String(Arc::new(name.clone())), value_of(field, path, size)?);
                }
                path.pop();
            }
            Value::Map(map.into())
        }
    };
    if *size > MAX_OBJECT { Err(CelError::TooLarge) } else { Ok(value) }
}

/// Fields of an object that an expression may see: not who wrote which field, which is long and says nothing.
pub fn is_visible(path: &[&str]) -> bool {
    path != ["metadata", "managedFields"]
}
