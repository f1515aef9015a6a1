//! Statements.

use std::sync::Arc;

use crate::error::{Call, ExecError, Frame, Position, Reason};
use crate::exec::{Context, Operand, Variable, with_stack};
use crate::fmt::{Printer, sprint};
use crate::function::FunctionError;
use crate::limits::Limit;
use crate::node::{Branch, BranchKind, Node, Place, Run, Tree, Unit};
use crate::print;
use crate::value::{Kind, Value};

/// Bytes of a value that a message shows.
const MAX_SHOWN: usize = 1 << 20;

pub(super) type Failure = Box<ExecError>;
pub(super) type Result<T> = std::result::Result<T, Failure>;

/// How a list of statements ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    On,
    Break,
    Continue,
}

/// The execution of one template.
pub(super) struct Exec<'c, 'h, 'u> {
    pub(super) ctx: &'c mut Context<'h>,
    pub(super) unit: &'u Unit,
    pub(super) tree: &'u Tree,
    /// Where this template's variables begin.
    pub(super) base: usize,
    /// The node being evaluated, for messages.
    pub(super) place: Place,
}

/// Statements and parentheses that may be inside one another for each template that may be.
const NESTING_PER_DEPTH: u32 = 10;

/// How many levels of nesting one look at the stack is good for.
const LEVELS_PER_CHECK: u32 = 16;

impl<'c, 'h, 'u> Exec<'c, 'h, 'u> {
    pub(super) fn new(ctx: &'c mut Context<'h>, unit: &'u Unit, tree: &'u Tree, base: usize) -> Self {
        Self { ctx, unit, tree, base, place: Place::Start }
    }

    pub(super) fn run(&mut self, dot: &Operand) -> Result<()> {
        self.list(dot, self.tree.body).map(|_| ())
    }

    /// The current place for an error.
    fn frame(&self, call: Option<Call>) -> Frame {
        let (pos, node) = print::place(self.unit, self.place);
        let (line, column) = self.unit.line_and_column(pos);
        Frame {
            template: String::from_utf8_lossy(&self.tree.name).into_owned(),
            position: Position { file: String::from_utf8_lossy(&self.unit.name).into_owned(), line, column },
            node,
            call,
        }
    }

    #[cold]
    pub(super) fn failure(&self, message: impl Into<String>) -> Failure {
        Box::new(ExecError::new(self.frame(None), Reason::Message(message.into())))
    }

    #[cold]
    pub(super) fn limit(&self, limit: Limit) -> Failure {
        Box::new(ExecError::new(self.frame(None), Reason::Limit(limit)))
    }

    /// The failure of a call of `function`.
    #[cold]
    pub(super) fn call_failure(&self, function: &str, error: FunctionError) -> Failure {
        let frame = |prefix: String| self.frame(Some(Call { function: function.to_owned(), prefix }));
        Box::new(match error {
            FunctionError::Limit(limit) => return self.limit(limit),
            FunctionError::Message(message) => ExecError::new(frame(String::new()), Reason::Message(message)),
            FunctionError::Other(error) => ExecError::new(frame(String::new()), Reason::Other(error)),
            FunctionError::Template { prefix, error } => match *error {
                crate::error::Error::Exec(mut error) => {
                    error.push(frame(prefix));
                    return error;
                }
                error => ExecError::new(frame(prefix), Reason::Other(Box::new(error))),
            },
        })
    }

    #[inline]
    pub(super) fn step(&mut self) -> Result<()> {
        match self.ctx.meter.step() {
            Ok(()) => Ok(()),
            Err(limit) => Err(self.limit(limit)),
        }
    }

    fn list(&mut self, dot: &Operand, list: Run) -> Result<Flow> {
        let unit = self.unit;
        for (index, node) in list.indices().zip(list.of(&unit.nodes)) {
            self.place = Place::Node(index);
            self.step()?;
            match *node {
                Node::Text(span) => {
                    let text = unit.slice(span);
                    self.wrote(text.len())?;
                    self.ctx.out.extend_from_slice(text);
                }
                Node::Action { pipe, .. } => {
                    let value = self.pipe(dot, pipe)?;
                    if unit.pipes.get(pipe as usize).is_some_and(|pipe| pipe.variables.count == 0) {
                        self.place = Place::Node(index);
                        self.print(&value.value)?;
                    }
                }
                Node::Branch { kind, branch, .. } => {
                    let Some(branch) = unit.branches.get(branch as usize) else {
                        continue;
                    };
                    let mark = self.ctx.vars.len();
                    let flow = self.nested(|exec| match kind {
                        BranchKind::Range => exec.range(dot, branch),
                        BranchKind::If | BranchKind::With => exec.if_or_with(dot, kind, branch),
                    });
                    self.ctx.vars.truncate(mark);
                    let flow = flow?;
                    if flow != Flow::On {
                        return Ok(flow);
                    }
                }
                Node::Template { name, pipe, .. } => self.template(dot, name, pipe)?,
                Node::Break { .. } => return Ok(Flow::Break),
                Node::Continue { .. } => return Ok(Flow::Continue),
            }
        }
        Ok(Flow::On)
    }

    /// Runs `inner` one level deeper. The levels of all templates count together, because they share the stack.
    #[inline]
    pub(super) fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let most = self.ctx.meter.limits().depth;
        if self.ctx.nesting / NESTING_PER_DEPTH >= most {
            let limit = self.ctx.meter.pass(Limit::Depth(most));
            return Err(self.limit(limit));
        }
        self.ctx.nesting += 1;
        let result = if self.ctx.nesting.is_multiple_of(LEVELS_PER_CHECK) {
            with_stack(|| inner(self))
        } else {
            inner(self)
        };
        self.ctx.nesting -= 1;
        result
    }

    #[inline]
    fn wrote(&mut self, bytes: usize) -> Result<()> {
        self.ctx.meter.output(bytes).map_err(|limit| self.limit(limit))
    }

    fn if_or_with(&mut self, dot: &Operand, kind: BranchKind, branch: &Branch) -> Result<Flow> {
        let value = self.pipe(dot, branch.pipe)?;
        if value.value.truth() {
            return self.list(if kind == BranchKind::With { &value } else { dot }, branch.body);
        }
        match branch.otherwise {
            Some(otherwise) => self.list(dot, otherwise),
            None => Ok(Flow::On),
        }
    }

    /// Writes a value to the output.
    fn print(&mut self, value: &Value) -> Result<()> {
        match value {
            Value::String(text) => {
                self.wrote(text.len())?;
                self.ctx.out.extend_from_slice(text);
                return Ok(());
            }
            Value::Native(native) if native.type_of().kind() != Kind::Func => {}
            _ if value.kind() == Kind::Func => {
                let (_, node) = print::place(self.unit, self.place);
                return Err(self.failure(format!("can't print {node} of type {}", value.type_name())));
            }
            _ => {}
        }
        let out = std::mem::take(&mut self.ctx.out);
        let before = out.len();
        let room = usize::try_from(self.ctx.meter.output_left()).unwrap_or(usize::MAX);
        let mut printer = Printer::new(out, before.saturating_add(room));
        printer.shown(value);
        let (out, failed) = printer.finish();
        let written = out.len() - before;
        self.ctx.out = out;
        self.wrote(written)?;
        match failed {
            Some(limit) => {
                let limit = self.ctx.meter.pass(limit);
                Err(self.limit(limit))
            }
            None => Ok(()),
        }
    }

    fn template(&mut self, dot: &Operand, name: u32, pipe: Option<u32>) -> Result<()> {
        let Some(literal) = self.unit.literals.get(name as usize) else {
            return Ok(());
        };
        let Some(template) = self.ctx.set.find(&literal.value).cloned() else {
            return Err(
                self.failure(format!("template {} not defined", crate::fmt::quote::quote(&literal.value)))
            );
        };
        if let Err(limit) = self.ctx.enter() {
            return Err(self.limit(limit));
        }
        let data = match pipe {
            Some(pipe) => self.pipe(dot, pipe)?,
            None => Operand::INVALID,
        };
        let result = with_stack(|| self.ctx.run_template(&template, &data));
        self.ctx.depth -= 1;
        result
    }

    fn range(&mut self, dot: &Operand, branch: &Branch) -> Result<Flow> {
        let value = self.pipe(dot, branch.pipe)?.value;
        let Some(pipe) = self.unit.pipes.get(branch.pipe as usize) else {
            return Ok(Flow::On);
        };
        let round =
            Round { branch, declares: !pipe.assign, variables: pipe.variables, mark: self.ctx.vars.len() };
        let ran = match &value {
            Value::Native(native) => match native.underlying() {
                Some(plain) => self.range_over(&round, &plain, &value)?,
                None => return Err(self.cannot_range(&value)),
            },
            _ => self.range_over(&round, &value, &value)?,
        };
        match branch.otherwise {
            // A `break` here, allowed by a `range` around this one, ends this one only; a `continue` is for the outer.
            Some(otherwise) if !ran => match self.list(dot, otherwise)? {
                Flow::Break => Ok(Flow::On),
                flow => Ok(flow),
            },
            _ => Ok(Flow::On),
        }
    }

    fn cannot_range(&self, value: &Value) -> Failure {
        let mut printer = Printer::new(Vec::new(), MAX_SHOWN);
        printer.shown(value);
        let (shown, _) = printer.finish();
        self.failure(format!("range can't iterate over {}", String::from_utf8_lossy(&shown)))
    }

    /// Runs the body for every element; `false` if there was none. `original` is the value that messages show, which
    /// differs for a native value.
    fn range_over(&mut self, round: &Round<'_>, value: &Value, original: &Value) -> Result<bool> {
        match value {
            Value::Int(..) | Value::Uint(..) => self.range_number(round, value, original),
            Value::List(list) => {
                let element_type = list.element_type();
                for (index, item) in list.iter().enumerate() {
                    let item = Operand::element(item.clone(), element_type);
                    if !self.round(round, int(index), &item)? {
                        break;
                    }
                }
                Ok(!list.is_empty())
            }
            Value::Bytes(bytes) => {
                for (index, byte) in bytes.iter().enumerate() {
                    if !self.round(round, int(index), &Operand::concrete(Value::from(*byte)))? {
                        break;
                    }
                }
                Ok(!bytes.is_empty())
            }
            Value::Map(map) => {
                let element_type = map.element_type();
                // The entries as they are now: the body may change the map.
                let entries = map.entries();
                let any = !entries.is_empty();
                for (key, item) in entries {
                    let key = Operand::concrete(Value::String(key));
                    if !self.round(round, key, &Operand::element(item, element_type))? {
                        break;
                    }
                }
                Ok(any)
            }
            Value::Nil => Ok(false),
            Value::TypedNil(typ) if matches!(typ.kind(), Kind::Map | Kind::Slice) => Ok(false),
            _ => Err(self.cannot_range(original)),
        }
    }

    fn range_number(&mut self, round: &Round<'_>, value: &Value, original: &Value) -> Result<bool> {
        if round.variables.count > 1 {
            let shown = sprint(std::slice::from_ref(original));
            let shown = String::from_utf8_lossy(&shown);
            return Err(self.failure(format!("can't use {shown} to iterate over more than one variable")));
        }
        let count = match value {
            Value::Int(_, count) => u64::try_from(*count).unwrap_or(0),
            Value::Uint(_, count) => *count,
            _ => 0,
        };
        for number in 0..count {
            let number = match value {
                Value::Int(typ, _) => Value::Int(*typ, number.cast_signed()),
                Value::Uint(typ, _) => Value::Uint(*typ, number),
                _ => Value::Nil,
            };
            let number = match original {
                Value::Native(native) => native.with_underlying(&number).unwrap_or(number),
                _ => number,
            };
            if !self.round(round, Operand::INVALID, &Operand::concrete(number))? {
                break;
            }
        }
        Ok(count > 0)
    }

    /// Runs the body for one element; `false` after a `break`.
    fn round(&mut self, round: &Round<'_>, index: Operand, element: &Operand) -> Result<bool> {
        self.step()?;
        let targets = round.variables.of(&self.unit.targets);
        match (targets, round.declares) {
            ([], _) => {}
            ([_], true) => self.set_top(1, element.clone()),
            ([_, _, ..], true) => {
                self.set_top(1, element.clone());
                self.set_top(2, index);
            }
            ([target], false) => self.assign(*target, element.clone())?,
            ([first, second, ..], false) => {
                self.assign(*first, index)?;
                self.assign(*second, element.clone())?;
            }
        }
        let flow = self.list(element, round.branch.body);
        self.ctx.vars.truncate(round.mark);
        Ok(flow? != Flow::Break)
    }

    /// Sets the variable that is so many from the top.
    #[inline]
    fn set_top(&mut self, from_top: usize, operand: Operand) {
        let index = self.ctx.vars.len().checked_sub(from_top);
        if let Some(variable) = index.and_then(|index| self.ctx.vars.get_mut(index)) {
            variable.operand = operand;
        }
    }

    #[inline]
    pub(super) fn declare(&mut self, name: crate::node::Span, operand: Operand) {
        self.ctx.vars.push(Variable { name, operand });
    }
}

/// What stays the same over all rounds of a `range`.
struct Round<'u> {
    branch: &'u Branch,
    declares: bool,
    variables: Run,
    /// The number of variables before the body declares its own.
    mark: usize,
}

fn int(index: usize) -> Operand {
    Operand::concrete(Value::int(i64::try_from(index).unwrap_or(i64::MAX)))
}

// Compiled templates are shared between threads.
const _: () = {
    const fn assert_shared<T: Send + Sync>() {}
    assert_shared::<Arc<crate::set::Set>>();
    assert_shared::<crate::error::Error>();
};
