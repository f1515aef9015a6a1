//! Compiled templates: flat tables of small nodes that refer to each other and to the source by number.

use std::sync::Arc;

use crate::function::{FunctionRef, Functions};
use crate::value::Key;

/// A piece of the source: byte offset and length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

/// A run of neighbours in one of the tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) first: u32,
    pub(crate) count: u32,
}

impl Run {
    #[inline]
    pub(crate) fn of<T>(self, table: &[T]) -> &[T] {
        let first = self.first as usize;
        table.get(first..first + self.count as usize).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn indices(self) -> std::ops::Range<u32> {
        self.first..self.first + self.count
    }
}

/// A statement.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Node {
    Text(Span),
    Action { pos: u32, pipe: u32 },
    Branch { kind: BranchKind, pos: u32, branch: u32 },
    Template { pos: u32, name: u32, pipe: Option<u32> },
    Break { pos: u32 },
    Continue { pos: u32 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BranchKind {
    If,
    With,
    Range,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Branch {
    pub(crate) pipe: u32,
    pub(crate) body: Run,
    pub(crate) otherwise: Option<Run>,
}

/// A pipeline with the variables that it declares or assigns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pipe {
    pub(crate) pos: u32,
    pub(crate) assign: bool,
    pub(crate) variables: Run,
    pub(crate) commands: Run,
}

/// A variable that a pipeline declares or assigns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) name: Span,
    pub(crate) slot: u32,
}

/// An operand followed by its arguments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Command {
    pub(crate) pos: u32,
    pub(crate) args: Run,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Expr {
    pub(crate) pos: u32,
    pub(crate) kind: ExprKind,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum ExprKind {
    Dot,
    Nil,
    Bool(bool),
    Number(u32),
    String(u32),
    Field(Run),
    /// A variable and the fields after it.
    Variable {
        slot: u32,
        name: Span,
        fields: Run,
    },
    /// Any other operand and the fields after it.
    Chain {
        operand: u32,
        fields: Run,
    },
    Function {
        function: FunctionRef,
        name: Span,
    },
    Pipe(u32),
}

/// A field in a chain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: Span,
    /// The name made ready for maps, if it is short.
    pub(crate) key: Option<Key>,
}

/// The slot of a variable that is not declared where it is used, and so is an error when used.
pub(crate) const NO_SLOT: u32 = u32::MAX;

/// A number, as every type that can hold it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Number {
    pub(crate) text: Span,
    pub(crate) int: Option<i64>,
    pub(crate) uint: Option<u64>,
    pub(crate) float: Option<f64>,
    pub(crate) complex: Option<(f64, f64)>,
}

/// A string literal: its source with the quotes, and its value.
#[derive(Clone, Debug)]
pub(crate) struct Literal {
    pub(crate) source: Span,
    pub(crate) value: Arc<[u8]>,
}

/// A template defined in a text.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    pub(crate) name: Arc<[u8]>,
    pub(crate) body: Run,
    /// Whether there is nothing in it but white space and comments.
    pub(crate) empty: bool,
    /// Whether variables must be found by name, because some may or may not have been declared.
    pub(crate) dynamic: bool,
}

/// A text that was compiled: its templates, and everything they need. It never changes and any number of threads
/// and sets can share it.
#[derive(Debug)]
pub struct Unit {
    pub(crate) name: Arc<[u8]>,
    pub(crate) text: Arc<[u8]>,
    pub(crate) functions: Arc<Functions>,
    pub(crate) trees: Vec<Tree>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) branches: Vec<Branch>,
    pub(crate) pipes: Vec<Pipe>,
    pub(crate) targets: Vec<Target>,
    pub(crate) commands: Vec<Command>,
    pub(crate) exprs: Vec<Expr>,
    pub(crate) fields: Vec<Field>,
    pub(crate) numbers: Vec<Number>,
    pub(crate) literals: Vec<Literal>,
}

impl Unit {
    pub(crate) fn new(name: &[u8], text: &Arc<[u8]>, functions: Arc<Functions>) -> Self {
        Self {
            name: Arc::from(name),
            text: Arc::clone(text),
            functions,
            trees: Vec::new(),
            nodes: Vec::new(),
            branches: Vec::new(),
            pipes: Vec::new(),
            targets: Vec::new(),
            commands: Vec::new(),
            exprs: Vec::new(),
            fields: Vec::new(),
            numbers: Vec::new(),
            literals: Vec::new(),
        }
    }

    /// The name under which the text was parsed.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The template that the text itself is.
    pub(crate) fn main_tree(&self) -> usize {
        self.trees.iter().position(|tree| tree.name == self.name).unwrap_or_default()
    }

    /// The names of the templates that the text defines, the text itself included.
    pub fn templates(&self) -> impl Iterator<Item = &[u8]> {
        self.trees.iter().map(|tree| &*tree.name)
    }

    /// A template as it was understood, in the form in which Go prints its trees: without comments, trim markers and
    /// superfluous blanks.
    pub fn source(&self, template: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        let tree = self.trees.iter().find(|tree| *tree.name == *template.as_ref())?;
        Some(crate::print::list(self, tree.body))
    }

    #[inline]
    pub(crate) fn slice(&self, span: Span) -> &[u8] {
        let start = span.start as usize;
        self.text.get(start..start + span.len as usize).unwrap_or_default()
    }

    /// Line from 1 and byte in the line from 0, as Go counts them.
    pub(crate) fn line_and_column(&self, pos: u32) -> (u32, u32) {
        let before = self.text.get(..pos as usize).unwrap_or_default();
        let line = 1 + memchr::memchr_iter(b'\n', before).count();
        let column =
            memchr::memrchr(b'\n', before).map_or(before.len(), |newline| before.len() - newline - 1);
        (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
    }
}

/// Any node, as the place of an error.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Start,
    Node(u32),
    Pipe(u32),
    Command(u32),
    Expr(u32),
}
