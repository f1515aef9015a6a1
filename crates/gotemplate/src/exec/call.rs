//! Calls of functions and methods.

use std::rc::Rc;

use crate::builtins::{Builtin, compare, escape, index};
use crate::exec::Operand;
use crate::exec::eval::{Given, retyped};
use crate::exec::walk::{Exec, Result};
use crate::function::{Args, Function, FunctionError, FunctionRef, Signature};
use crate::node::{Place, Span};
use crate::value::{Kind, Native, Str, Type, Value};

/// Argument lists kept for the next call.
const MAX_SPARE: usize = 32;

impl Exec<'_, '_, '_> {
    /// Calls a function.
    pub(super) fn call(
        &mut self,
        dot: &Operand,
        function: FunctionRef,
        name: Span,
        place: Place,
        given: Given,
    ) -> Result<Operand> {
        self.step()?;
        let unit = self.unit;
        match function {
            FunctionRef::Builtin(builtin) => self.builtin(dot, builtin, place, given),
            FunctionRef::Custom(id) => {
                let Some(function) = unit.functions.at(id) else {
                    let name = crate::fmt::quote::quote(unit.slice(name));
                    return Err(self.failure(format!("{name} is not a defined function")));
                };
                self.call_with(dot, function.name(), function.signature(), place, given, |ctx, args| {
                    function.call(ctx, args)
                })
            }
        }
    }

    pub(super) fn method(
        &mut self,
        dot: &Operand,
        native: &Rc<dyn Native>,
        name: &[u8],
        signature: &'static Signature,
        place: Place,
        given: Given,
    ) -> Result<Operand> {
        self.step()?;
        let shown = String::from_utf8_lossy(name);
        self.call_with(dot, &shown, signature, place, given, |ctx, args| native.call(name, ctx, args))
    }

    #[inline]
    fn check_count(&self, name: &str, required: usize, variadic: bool, given: &Given) -> Result<()> {
        let count = given.count();
        if variadic && count < required {
            // The value from the pipeline is not counted here, as in Go.
            let count = given.words.len();
            return Err(self
                .failure(format!("wrong number of args for {name}: want at least {required} got {count}")));
        }
        if !variadic && count != required {
            return Err(self.failure(format!("wrong number of args for {name}: want {required} got {count}")));
        }
        Ok(())
    }

    fn call_with(
        &mut self,
        dot: &Operand,
        name: &str,
        signature: &Signature,
        place: Place,
        given: Given,
        body: impl FnOnce(&mut super::Context<'_>, &mut Args<'_>) -> std::result::Result<Value, FunctionError>,
    ) -> Result<Operand> {
        self.check_count(name, signature.required(), signature.is_variadic(), &given)?;
        let mut args = self.ctx.spare_args.pop().unwrap_or_default();
        for (position, word) in given.words.enumerate() {
            args.push(self.argument(dot, signature.param(position), word)?);
        }
        if let Some(last) = given.last {
            args.push(self.checked(last, signature.param(args.len()))?);
        }
        let result = body(self.ctx, &mut Args::new(&mut args));
        self.keep_args(args);
        match result {
            Ok(value) => {
                self.allocated(value.own_bytes())?;
                let boxed = matches!(signature.result(), Type::Interface);
                Ok(Operand { value, boxed })
            }
            Err(error) => {
                self.place = place;
                Err(self.call_failure(name, error))
            }
        }
    }

    #[inline]
    fn keep_args(&mut self, mut args: Vec<Value>) {
        args.clear();
        if self.ctx.spare_args.len() < MAX_SPARE {
            self.ctx.spare_args.push(args);
        }
    }

    #[inline]
    fn allocated(&mut self, bytes: usize) -> Result<()> {
        self.ctx.meter.allocate(bytes).map_err(|limit| self.limit(limit))
    }

    fn builtin(&mut self, dot: &Operand, builtin: Builtin, place: Place, given: Given) -> Result<Operand> {
        let (required, variadic) = builtin.arity();
        self.check_count(builtin.name(), required, variadic, &given)?;
        match builtin {
            Builtin::And | Builtin::Or => return self.logic(dot, builtin == Builtin::Or, given),
            Builtin::Call => return self.call_value(dot, place, given),
            _ if builtin.takes_reflected() => {}
            _ => return self.printing(dot, builtin, given),
        }
        let mut operands = self.ctx.spare_operands.pop().unwrap_or_default();
        for word in given.words {
            operands.push(self.reflected(dot, word)?);
        }
        operands.extend(given.last);
        let result = apply(builtin, &operands);
        operands.clear();
        if self.ctx.spare_operands.len() < MAX_SPARE {
            self.ctx.spare_operands.push(operands);
        }
        match result {
            Ok(operand) => {
                self.allocated(operand.value.own_bytes())?;
                Ok(operand)
            }
            Err(message) => {
                self.place = place;
                Err(self.call_failure(builtin.name(), FunctionError::Message(message)))
            }
        }
    }

    /// `and` and `or`: the first argument that decides, or else the last one.
    fn logic(&mut self, dot: &Operand, deciding: bool, given: Given) -> Result<Operand> {
        let mut value = Operand::INVALID;
        for word in given.words {
            value = self.reflected(dot, word)?;
            if value.value.truth() == deciding {
                return Ok(value);
            }
        }
        Ok(given.last.unwrap_or(value))
    }

    /// The functions that print their arguments to a string.
    fn printing(&mut self, dot: &Operand, builtin: Builtin, given: Given) -> Result<Operand> {
        const ANY: &Type = &Type::Interface;
        let mut args = self.ctx.spare_args.pop().unwrap_or_default();
        let mut param: &'static Type = if builtin == Builtin::Printf { &Type::String } else { ANY };
        for word in given.words {
            args.push(self.argument(dot, param, word)?);
            param = ANY;
        }
        if let Some(last) = given.last {
            args.push(self.checked(last, param)?);
        }
        let text = self.print_args(builtin, &args)?;
        self.keep_args(args);
        Ok(Operand::concrete(Value::String(text)))
    }

    fn print_args(&mut self, builtin: Builtin, args: &[Value]) -> Result<Str> {
        let printed = self.ctx.printed(|printer| match (builtin, args) {
            (Builtin::Printf, [Value::String(format), rest @ ..]) => printer.printf(format, rest),
            (Builtin::Println, _) => printer.println(args),
            (Builtin::Print, _) => printer.print(args),
            // The escaping functions show a single value as an action does.
            (_, [value]) => printer.shown(value),
            _ => {
                let nothing = || Value::from("<no value>");
                let shown: Vec<Value> = args
                    .iter()
                    .map(|arg| if matches!(arg, Value::Nil) { nothing() } else { arg.clone() })
                    .collect();
                printer.print(&shown);
            }
        });
        let printed = printed.map_err(|limit| self.limit(limit))?;
        let text = match builtin {
            Builtin::Html => Str::from(escape::html(&printed)),
            Builtin::Js => Str::from(escape::js(&printed)),
            Builtin::UrlQuery => Str::from(escape::url_query(&printed)),
            _ => Str::new(&printed),
        };
        self.ctx.scratch = printed;
        if !matches!(builtin, Builtin::Print | Builtin::Printf | Builtin::Println) {
            self.allocated(text.own_bytes())?;
        }
        Ok(text)
    }

    /// `call function arguments...`.
    fn call_value(&mut self, dot: &Operand, place: Place, given: Given) -> Result<Operand> {
        let mut operands = Vec::with_capacity(given.count());
        let callee = match given.words.clone().next() {
            Some(first) => {
                String::from_utf8_lossy(&crate::print::expr(self.unit, self.expr(first))).into_owned()
            }
            None => describe(given.last.as_ref()),
        };
        for word in given.words {
            operands.push(self.reflected(dot, word)?);
        }
        operands.extend(given.last);
        let mut operands = operands.into_iter();
        let function = operands.next().unwrap_or_default();
        let result = match prepare(&callee, &function.value, operands) {
            Ok((function, mut args)) => {
                let boxed = matches!(function.signature().result(), Type::Interface);
                function.call(self.ctx, &mut Args::new(&mut args)).map(|value| Operand { value, boxed })
            }
            Err(message) => Err(FunctionError::Message(message)),
        };
        match result {
            Ok(operand) => {
                self.allocated(operand.value.own_bytes())?;
                Ok(operand)
            }
            Err(error) => {
                self.place = place;
                Err(self.call_failure("call", error))
            }
        }
    }
}

/// What Go's reflection says of the value that is to be called.
fn describe(operand: Option<&Operand>) -> String {
    match operand.map(|operand| &operand.value) {
        Some(Value::String(text)) => text.to_string_lossy().into_owned(),
        None | Some(Value::Nil) => "<invalid Value>".to_owned(),
        Some(value) => format!("<{} Value>", value.type_name()),
    }
}

/// The function to call and its arguments.
fn prepare(
    callee: &str,
    function: &Value,
    operands: impl ExactSizeIterator<Item = Operand>,
) -> std::result::Result<(std::sync::Arc<Function>, Vec<Value>), String> {
    let function = match function {
        Value::Nil => return Err("call of nil".to_owned()),
        Value::Func(function) => function,
        other => return Err(format!("non-function {callee} of type {}", other.type_name())),
    };
    let signature = function.signature();
    let (given, required) = (operands.len(), signature.required());
    if signature.is_variadic() && given < required {
        return Err(format!("wrong number of args for {callee}: got {given} want at least {required}"));
    }
    if !signature.is_variadic() && given != required {
        return Err(format!("wrong number of args for {callee}: got {given} want {required}"));
    }
    let mut args = Vec::with_capacity(given);
    for (position, operand) in operands.enumerate() {
        let value = converted(operand.value, signature.param(position));
        args.push(value.map_err(|message| format!("arg {position}: {message}"))?);
    }
    Ok((std::sync::Arc::clone(function), args))
}

/// A value for a parameter; integers are converted between each other.
fn converted(value: Value, typ: &'static Type) -> std::result::Result<Value, String> {
    let Some(own) = value.type_of() else {
        if typ.can_be_nil() {
            return Ok(typ.zero());
        }
        return Err(format!("value is nil; should be of type {typ}"));
    };
    if own == *typ || matches!(typ, Type::Interface) {
        return Ok(value);
    }
    if own.assignable_to(typ) {
        return Ok(retyped(value, typ));
    }
    match (value.plain(), typ.kind()) {
        (Value::Int(_, number), Kind::Int(int)) => Ok(Value::Int(int, int.wrap(number))),
        (Value::Int(_, number), Kind::Uint(uint)) => Ok(Value::Uint(uint, uint.wrap(number.cast_unsigned()))),
        (Value::Uint(_, number), Kind::Int(int)) => Ok(Value::Int(int, int.wrap(number.cast_signed()))),
        (Value::Uint(_, number), Kind::Uint(uint)) => Ok(Value::Uint(uint, uint.wrap(number))),
        _ => Err(format!("value has type {own}; should be {typ}")),
    }
}

/// The functions that look at values and do nothing else.
fn apply(builtin: Builtin, operands: &[Operand]) -> std::result::Result<Operand, String> {
    let value = |index: usize| operands.get(index).map_or(&Value::Nil, |operand| &operand.value);
    let rest = operands.get(1..).unwrap_or_default();
    let truth = match builtin {
        Builtin::Not => !value(0).truth(),
        Builtin::Eq => {
            if let [other] = rest {
                compare::eq(value(0), std::slice::from_ref(&other.value))?
            } else {
                let others: Vec<Value> = rest.iter().map(|operand| operand.value.clone()).collect();
                compare::eq(value(0), &others)?
            }
        }
        Builtin::Ne => !compare::eq(value(0), std::slice::from_ref(value(1)))?,
        Builtin::Lt => compare::lt(value(0), value(1))?,
        Builtin::Le => compare::le(value(0), value(1))?,
        Builtin::Gt => compare::gt(value(0), value(1))?,
        Builtin::Ge => compare::ge(value(0), value(1))?,
        Builtin::Len => {
            return index::len(operands.first().unwrap_or(&Operand::INVALID)).map(Operand::concrete);
        }
        Builtin::Index => return index::index(operands.first().unwrap_or(&Operand::INVALID), rest),
        Builtin::Slice => return index::slice(operands.first().unwrap_or(&Operand::INVALID), rest),
        _ => false,
    };
    Ok(Operand::concrete(Value::Bool(truth)))
}
