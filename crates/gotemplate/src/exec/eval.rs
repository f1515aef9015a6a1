//! Pipelines, commands and operands.

use std::ops::Range;

use crate::exec::Operand;
use crate::exec::walk::{Exec, Failure, Result};
use crate::node::{Expr, ExprKind, NO_SLOT, Number, Place, Span, Target};
use crate::value::{Kind, Str, Type, Value};

/// The arguments of a command.
pub(super) struct Given {
    /// The expressions after the operand.
    pub(super) words: Range<u32>,
    /// The value of the command before it in the pipeline, which becomes the last argument.
    pub(super) last: Option<Operand>,
}

impl Given {
    pub(super) const NOTHING: Given = Given { words: 0..0, last: None };

    /// The number of arguments.
    pub(super) fn count(&self) -> usize {
        self.words.len() + usize::from(self.last.is_some())
    }
}

impl Exec<'_, '_, '_> {
    /// Evaluates a pipeline and sets its variables.
    pub(super) fn pipe(&mut self, dot: &Operand, pipe: u32) -> Result<Operand> {
        self.place = Place::Pipe(pipe);
        let unit = self.unit;
        let Some(pipe) = unit.pipes.get(pipe as usize) else {
            return Ok(Operand::INVALID);
        };
        let mut commands = pipe.commands.indices();
        let mut value = match commands.next() {
            Some(command) => self.command(dot, command, None)?.unboxed(),
            None => Operand::INVALID,
        };
        for command in commands {
            value = self.command(dot, command, Some(value))?.unboxed();
        }
        for target in pipe.variables.of(&unit.targets) {
            if pipe.assign {
                self.assign(*target, value.clone())?;
            } else {
                self.declare(target.name, value.clone());
            }
        }
        Ok(value)
    }

    /// The index of a variable on the stack.
    #[inline]
    fn find(&self, slot: u32, name: Span) -> Option<usize> {
        if !self.tree.dynamic {
            return (slot != NO_SLOT).then(|| self.base + slot as usize);
        }
        let name = self.unit.slice(name);
        let own = self.ctx.vars.get(self.base..).unwrap_or_default();
        // The first variable is the dollar sign, whose name is in no source.
        let found = own.iter().rposition(|variable| match variable.name.len {
            0 => name == b"$",
            _ => self.unit.slice(variable.name) == name,
        });
        found.map(|index| self.base + index)
    }

    fn undefined(&self, name: Span) -> Failure {
        self.failure(format!("undefined variable: {}", String::from_utf8_lossy(self.unit.slice(name))))
    }

    pub(super) fn assign(&mut self, target: Target, operand: Operand) -> Result<()> {
        let index = self.find(target.slot, target.name);
        match index.and_then(|index| self.ctx.vars.get_mut(index)) {
            Some(variable) => {
                variable.operand = operand;
                Ok(())
            }
            None => Err(self.undefined(target.name)),
        }
    }

    #[inline]
    fn variable(&self, slot: u32, name: Span) -> Result<Operand> {
        let index = self.find(slot, name);
        match index.and_then(|index| self.ctx.vars.get(index)) {
            Some(variable) => Ok(variable.operand.clone()),
            None => Err(self.undefined(name)),
        }
    }

    #[inline]
    pub(super) fn expr(&self, id: u32) -> Expr {
        self.unit.exprs.get(id as usize).copied().unwrap_or(Expr { pos: 0, kind: ExprKind::Nil })
    }

    /// Arguments are only for functions and methods.
    #[inline]
    fn no_arguments(&self, operand: u32, given: &Given) -> Result<()> {
        if given.count() == 0 {
            return Ok(());
        }
        // A pipeline as the first word is shown without its parentheses, as Go does.
        let text = crate::print::expr(self.unit, self.expr(operand));
        Err(self.failure(format!("can't give argument to non-function {}", String::from_utf8_lossy(&text))))
    }

    /// Evaluates a command; `last` is the value of the command before it in the pipeline.
    fn command(&mut self, dot: &Operand, command: u32, last: Option<Operand>) -> Result<Operand> {
        let Some(words) = self.unit.commands.get(command as usize).map(|command| command.args.indices())
        else {
            return Ok(Operand::INVALID);
        };
        let first = words.start;
        let kind = self.expr(first).kind;
        if words.len() == 1 && last.is_none() && !matches!(kind, ExprKind::Nil) {
            return self.reflected(dot, first);
        }
        let given = Given { words: first + 1..words.end, last };
        match kind {
            ExprKind::Field(fields) => {
                self.place = Place::Expr(first);
                self.fields(dot, dot, first, fields, given)
            }
            ExprKind::Variable { slot, name, fields } => {
                self.place = Place::Expr(first);
                let value = self.variable(slot, name)?;
                if fields.count == 0 {
                    self.no_arguments(first, &given)?;
                    return Ok(value);
                }
                self.fields(dot, &value, first, fields, given)
            }
            ExprKind::Chain { operand, fields } => {
                let value = self.chain_operand(dot, first, operand)?;
                self.fields(dot, &value, first, fields, given)
            }
            ExprKind::Function { function, name } => {
                self.place = Place::Expr(first);
                self.call(dot, function, name, Place::Command(command), given)
            }
            ExprKind::Pipe(pipe) => {
                self.no_arguments(first, &given)?;
                self.nested(|exec| exec.pipe(dot, pipe))
            }
            kind => {
                self.place = Place::Expr(first);
                self.no_arguments(first, &given)?;
                match kind {
                    ExprKind::Dot => Ok(dot.clone()),
                    ExprKind::Nil => Err(self.failure("nil is not a command")),
                    _ => self.constant(kind),
                }
            }
        }
    }

    /// The value before the fields of a chain.
    fn chain_operand(&mut self, dot: &Operand, chain: u32, operand: u32) -> Result<Operand> {
        self.place = Place::Expr(chain);
        let kind = self.expr(operand).kind;
        if matches!(kind, ExprKind::Nil) {
            let text = crate::print::expr(self.unit, self.expr(chain));
            return Err(self
                .failure(format!("indirection through explicit nil in {}", String::from_utf8_lossy(&text))));
        }
        self.reflected(dot, operand)
    }

    /// The value of a literal where no type is asked for.
    fn constant(&self, kind: ExprKind) -> Result<Operand> {
        Ok(Operand::concrete(match kind {
            ExprKind::Bool(value) => Value::Bool(value),
            ExprKind::String(literal) => self.literal(literal),
            ExprKind::Number(number) => return self.ideal_constant(number),
            _ => Value::Nil,
        }))
    }

    #[inline]
    fn literal(&self, literal: u32) -> Value {
        match self.unit.literals.get(literal as usize) {
            Some(literal) => Value::String(Str::shared(&literal.value)),
            None => Value::Nil,
        }
    }

    fn number(&self, number: u32) -> Number {
        self.unit.numbers.get(number as usize).copied().unwrap_or_default()
    }

    /// A number whose syntax decides its type.
    fn ideal_constant(&self, number: u32) -> Result<Operand> {
        let number = self.number(number);
        let text = self.unit.slice(number.text);
        if let Some((real, imaginary)) = number.complex {
            return Ok(Operand::concrete(Value::Complex(real, imaginary)));
        }
        let hex = matches!(text, [b'0', b'x' | b'X', _, ..])
            && !text.iter().any(|byte| matches!(byte, b'p' | b'P'));
        let rune = text.first() == Some(&b'\'');
        let looks_like_float = text.iter().any(|byte| b".eEpP".contains(byte));
        Ok(Operand::concrete(match number {
            Number { float: Some(float), .. } if !hex && !rune && looks_like_float => Value::float64(float),
            Number { int: Some(int), .. } => Value::int(int),
            Number { uint: Some(_), .. } => {
                return Err(self.failure(format!("{} overflows int", String::from_utf8_lossy(text))));
            }
            _ => Value::Nil,
        }))
    }

    /// Evaluates an argument without asking for a type.
    pub(super) fn reflected(&mut self, dot: &Operand, id: u32) -> Result<Operand> {
        self.place = Place::Expr(id);
        match self.expr(id).kind {
            ExprKind::Dot => Ok(dot.clone()),
            ExprKind::Nil => Ok(Operand::INVALID),
            ExprKind::Field(fields) => self.fields(dot, dot, id, fields, Given::NOTHING),
            ExprKind::Variable { slot, name, fields } => {
                let value = self.variable(slot, name)?;
                if fields.count == 0 {
                    return Ok(value);
                }
                self.fields(dot, &value, id, fields, Given::NOTHING)
            }
            ExprKind::Chain { operand, fields } => {
                let value = self.chain_operand(dot, id, operand)?;
                self.fields(dot, &value, id, fields, Given::NOTHING)
            }
            ExprKind::Function { function, name } => {
                self.call(dot, function, name, Place::Expr(id), Given::NOTHING)
            }
            ExprKind::Pipe(pipe) => self.nested(|exec| exec.pipe(dot, pipe)),
            kind => self.constant(kind),
        }
    }

    /// Evaluates an argument for a parameter of the given type.
    pub(super) fn argument(&mut self, dot: &Operand, typ: &'static Type, id: u32) -> Result<Value> {
        let kind = self.expr(id).kind;
        match kind {
            ExprKind::Nil => {
                self.place = Place::Expr(id);
                if typ.can_be_nil() {
                    return Ok(typ.zero());
                }
                Err(self.failure(format!("cannot assign nil to {typ}")))
            }
            ExprKind::Bool(_) | ExprKind::Number(_) | ExprKind::String(_) => {
                self.place = Place::Expr(id);
                self.literal_argument(typ, kind, id)
            }
            _ => {
                let operand = self.reflected(dot, id)?;
                self.checked(operand, typ)
            }
        }
    }

    fn literal_argument(&self, typ: &'static Type, kind: ExprKind, id: u32) -> Result<Value> {
        let expected = match (typ.kind(), kind) {
            (Kind::Interface, _) => return Ok(self.constant(kind)?.value),
            (Kind::Bool, ExprKind::Bool(value)) => return Ok(Value::Bool(value)),
            (Kind::Bool, _) => "bool",
            (Kind::String, ExprKind::String(literal)) => return Ok(self.literal(literal)),
            (Kind::String, _) => "string",
            (Kind::Int(int), kind) => match self.number_of(kind).and_then(|number| number.int) {
                Some(value) => return Ok(Value::Int(int, int.wrap(value))),
                None => "integer",
            },
            (Kind::Uint(uint), kind) => match self.number_of(kind).and_then(|number| number.uint) {
                Some(value) => return Ok(Value::Uint(uint, uint.wrap(value))),
                None => "unsigned integer",
            },
            (Kind::Float(float), kind) => match self.number_of(kind).and_then(|number| number.float) {
                Some(value) => return Ok(Value::Float(float, float.round(value))),
                None => "float",
            },
            (Kind::Complex, kind) => match self.number_of(kind).and_then(|number| number.complex) {
                Some((real, imaginary)) => return Ok(Value::Complex(real, imaginary)),
                None => "complex",
            },
            _ => {
                let text = self.text_of(id);
                return Err(self.failure(format!("can't handle {text} for arg of type {typ}")));
            }
        };
        let text = self.text_of(id);
        Err(self.failure(format!("expected {expected}; found {text}")))
    }

    fn text_of(&self, id: u32) -> String {
        String::from_utf8_lossy(&crate::print::expr(self.unit, self.expr(id))).into_owned()
    }

    fn number_of(&self, kind: ExprKind) -> Option<Number> {
        match kind {
            ExprKind::Number(number) => Some(self.number(number)),
            _ => None,
        }
    }

    /// Checks that a value can be assigned to a parameter, and gives it the parameter's type.
    pub(super) fn checked(&self, operand: Operand, typ: &'static Type) -> Result<Value> {
        if matches!(typ, Type::Interface) {
            return Ok(operand.value);
        }
        match (&operand.value, typ) {
            (Value::String(_), Type::String) | (Value::Bool(_), Type::Bool) => return Ok(operand.value),
            (Value::Nil, _) if !operand.boxed => {
                if typ.can_be_nil() {
                    return Ok(typ.zero());
                }
                return Err(self.failure(format!("invalid value; expected {typ}")));
            }
            _ => {}
        }
        match operand.value.type_of() {
            Some(own) if own == *typ => Ok(operand.value),
            Some(own) if own.assignable_to(typ) => Ok(retyped(operand.value, typ)),
            _ => {
                let own = operand.value.type_of().unwrap_or(Type::Interface);
                Err(self.failure(format!("wrong type for value; expected {typ}; got {own}")))
            }
        }
    }
}

/// A value of a defined type as one of the plain type, or the other way round.
pub(super) fn retyped(value: Value, typ: &'static Type) -> Value {
    match value {
        Value::Map(map) => Value::Map(map.retyped(typ)),
        Value::List(list) => Value::List(list.retyped(typ)),
        Value::TypedNil(_) => Value::TypedNil(typ),
        Value::Native(native) => match native.underlying() {
            Some(Value::Map(map)) => Value::Map(map.retyped(typ)),
            Some(Value::List(list)) => Value::List(list.retyped(typ)),
            Some(plain) => plain,
            None => Value::Native(native),
        },
        other => other,
    }
}
