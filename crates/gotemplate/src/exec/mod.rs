//! Execution of compiled templates.

#![expect(clippy::unnecessary_box_returns, reason = "results carry errors in boxes, so that they stay small")]

mod call;
mod eval;
mod field;
mod operand;
mod walk;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

pub(crate) use operand::Operand;

use crate::error::{Error, ExecError};
use crate::exec::walk::Exec;
use crate::fmt::Printer;
use crate::limits::{Limit, Limits, Meter};
use crate::node::{Span, Unit};
use crate::set::{Set, Template};
use crate::value::{Str, Value};

/// Stack that is left before more is taken from the heap, and how much is taken then.
const RED_ZONE: usize = 192 * 1024;
const MORE_STACK: usize = 2 * 1024 * 1024;

/// Runs `inner` with enough stack for one more level of nesting.
///
/// Templates, parentheses and values may be nested as deep as the limits allow, on threads with any stack.
#[inline]
pub(crate) fn with_stack<T>(inner: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(RED_ZONE, MORE_STACK, inner)
}

/// A variable of a template that is being executed.
struct Variable {
    name: Span,
    operand: Operand,
}

/// An execution: a set of templates, a state for functions, and what has been used so far.
///
/// One context can execute many templates; the limits count over all of them.
///
/// ```
/// use std::sync::Arc;
/// use gotemplate::{Context, Limits, Set, Value};
///
/// let mut set = Set::new("example");
/// set.parse("a", "{{range $i := 3}}{{$i}}{{end}}")?;
/// set.parse("b", "{{range 1000000000}}{{end}}")?;
/// let mut ctx = Context::new(&Arc::new(set), Limits { steps: 10_000, ..Limits::default() });
/// assert_eq!(ctx.execute("a", Value::Nil)?, b"012");
/// let error = ctx.execute("b", Value::Nil).unwrap_err();
/// assert!(error.limit().is_some());
/// # Ok::<(), gotemplate::Error>(())
/// ```
pub struct Context<'h> {
    set: Arc<Set>,
    host: Option<&'h mut dyn Any>,
    meter: Meter,
    /// Output of the templates being executed; inner ones take theirs off the end.
    out: Vec<u8>,
    vars: Vec<Variable>,
    depth: u32,
    /// Statements and parentheses inside one another, over all templates.
    nesting: u32,
    /// The name of the template being executed.
    current: Option<Arc<[u8]>>,
    /// Argument lists that are not in use.
    spare_args: Vec<Vec<Value>>,
    spare_operands: Vec<Vec<Operand>>,
    /// Where strings are printed to before they become values.
    scratch: Vec<u8>,
}

impl<'h> Context<'h> {
    /// A context over a set.
    pub fn new(set: &Arc<Set>, limits: Limits) -> Self {
        Self {
            set: Arc::clone(set),
            host: None,
            meter: Meter::new(limits),
            out: Vec::new(),
            vars: Vec::new(),
            depth: 0,
            nesting: 0,
            current: None,
            spare_args: Vec::new(),
            spare_operands: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Gives functions a state that they can reach with [`host`](Context::host).
    #[must_use]
    pub fn with_host(mut self, host: &'h mut dyn Any) -> Self {
        self.host = Some(host);
        self
    }

    /// The state given with [`with_host`](Context::with_host), if it is a `T`.
    pub fn host<T: 'static>(&mut self) -> Option<&mut T> {
        self.host.as_deref_mut()?.downcast_mut()
    }

    /// The set whose templates are executed.
    pub fn set(&self) -> &Arc<Set> {
        &self.set
    }

    /// The name of the template that is being executed; `None` outside of one.
    pub fn template(&self) -> Option<&[u8]> {
        self.current.as_deref()
    }

    /// How many templates are being executed, one inside the other.
    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// Executes a template of the set and gives its output.
    pub fn execute(&mut self, name: impl AsRef<[u8]>, data: Value) -> Result<Vec<u8>, Error> {
        let start = self.run(name.as_ref(), data)?;
        if start == 0 {
            return Ok(std::mem::take(&mut self.out));
        }
        let output = self.out.get(start..).unwrap_or_default().to_vec();
        self.out.truncate(start);
        Ok(output)
    }

    /// As [`execute`](Context::execute), for a function that gives the output to a template (`include`).
    pub fn execute_to_str(&mut self, name: impl AsRef<[u8]>, data: Value) -> Result<Str, Error> {
        let start = self.run(name.as_ref(), data)?;
        Ok(self.take_output(start))
    }

    /// Executes the template that a compiled text itself is, even if the set has another one under its name (`tpl`).
    /// Templates that it calls are looked for in the set.
    pub fn execute_unit_to_str(&mut self, unit: &Arc<Unit>, data: Value) -> Result<Str, Error> {
        let template = Template { unit: Arc::clone(unit), index: unit.main_tree() };
        let start = self.run_entered(&template, data)?;
        Ok(self.take_output(start))
    }

    fn take_output(&mut self, start: usize) -> Str {
        let output = Str::new(self.out.get(start..).unwrap_or_default());
        self.out.truncate(start);
        output
    }

    /// Runs `inner` with another set in place of this context's, such as an overlay (`tpl`).
    pub fn with_set<T>(&mut self, set: Arc<Set>, inner: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.set, set);
        let result = inner(self);
        self.set = outer;
        result
    }

    /// Counts a piece of work of a function.
    pub fn step(&mut self, count: u64) -> Result<(), Limit> {
        self.meter.steps(count)
    }

    /// Counts bytes that a function is about to allocate. Strings, lists and maps that a function returns are
    /// counted by the engine; a function calls this before it makes something whose size depends on its arguments.
    pub fn allocate(&mut self, bytes: usize) -> Result<(), Limit> {
        self.meter.allocate(bytes)
    }

    /// Prints values as [`sprint`](crate::sprint) does, within what may still be allocated. A function uses this for
    /// values from templates: a small list that contains a list twice, and so on, prints without end.
    pub fn sprint(&mut self, args: &[Value]) -> Result<Str, Limit> {
        self.print_with(|printer| printer.print(args))
    }

    /// Formats values as [`sprintf`](crate::sprintf) does, within what may still be allocated.
    pub fn sprintf(&mut self, format: &[u8], args: &[Value]) -> Result<Str, Limit> {
        self.print_with(|printer| printer.printf(format, args))
    }

    fn print_with(&mut self, print: impl FnOnce(&mut Printer)) -> Result<Str, Limit> {
        let text = self.printed(print)?;
        let result = Str::new(&text);
        self.scratch = text;
        Ok(result)
    }

    /// Prints to the scratch buffer, which the caller gives back when it has copied the text.
    fn printed(&mut self, print: impl FnOnce(&mut Printer)) -> Result<Vec<u8>, Limit> {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        let room = usize::try_from(self.meter.allocation_left()).unwrap_or(usize::MAX);
        let mut printer = Printer::new(scratch, room);
        print(&mut printer);
        let (scratch, failed) = printer.finish();
        self.meter.allocate(scratch.len())?;
        match failed {
            Some(limit) => Err(self.meter.pass(limit)),
            None => Ok(scratch),
        }
    }

    /// The limits of the context.
    pub fn limits(&self) -> &Limits {
        self.meter.limits()
    }

    /// Executes a template and gives where its output begins in `out`.
    fn run(&mut self, name: &[u8], data: Value) -> Result<usize, Error> {
        let Some(template) = self.set.find(name).cloned() else {
            return Err(Error::NoTemplate {
                name: String::from_utf8_lossy(name).into_owned(),
                set: String::from_utf8_lossy(self.set.name()).into_owned(),
            });
        };
        self.run_entered(&template, data)
    }

    fn run_entered(&mut self, template: &Template, data: Value) -> Result<usize, Error> {
        self.enter().map_err(Error::Limit)?;
        let start = self.out.len();
        let result = with_stack(|| self.run_template(template, &Operand::concrete(data)));
        self.depth -= 1;
        match result {
            Ok(()) => Ok(start),
            Err(error) => {
                self.out.truncate(start);
                Err(Error::Exec(error))
            }
        }
    }

    /// One more template inside the others. The depth must be taken back after.
    fn enter(&mut self) -> Result<(), Limit> {
        let most = self.meter.limits().depth;
        if self.depth >= most {
            return Err(self.meter.pass(Limit::Depth(most)));
        }
        self.depth += 1;
        Ok(())
    }

    fn run_template(&mut self, template: &Template, data: &Operand) -> Result<(), Box<ExecError>> {
        let Some(tree) = template.tree() else {
            return Ok(());
        };
        let outer = self.current.replace(Arc::clone(&tree.name));
        let base = self.vars.len();
        self.vars.push(Variable { name: Span::default(), operand: data.clone() });
        let result = Exec::new(self, &template.unit, tree, base).run(data);
        self.vars.truncate(base);
        self.current = outer;
        result
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("depth", &self.depth)
            .field("meter", &self.meter)
            .finish_non_exhaustive()
    }
}
