//! Nodes as source text, for messages.

use crate::exec::with_stack;
use crate::fmt::quote;
use crate::node::{BranchKind, Command, Expr, ExprKind, Node, Place, Run, Unit};

/// What a message shows of a node; more is cut off.
const MAX_SHOWN: usize = 64 * 1024;

/// The source text of a node as Go writes it, and its position.
pub(crate) fn place(unit: &Unit, place: Place) -> (u32, String) {
    let mut writer = Writer { unit, out: Vec::new(), max: MAX_SHOWN };
    let pos = match place {
        Place::Start => 0,
        Place::Node(node) => match unit.nodes.get(node as usize) {
            Some(node) => {
                writer.node(*node);
                match *node {
                    Node::Text(span) => span.start,
                    Node::Action { pos, .. }
                    | Node::Branch { pos, .. }
                    | Node::Template { pos, .. }
                    | Node::Break { pos }
                    | Node::Continue { pos } => pos,
                }
            }
            None => 0,
        },
        Place::Pipe(pipe) => {
            writer.pipe(pipe);
            unit.pipes.get(pipe as usize).map_or(0, |pipe| pipe.pos)
        }
        Place::Command(command) => match unit.commands.get(command as usize) {
            Some(command) => {
                writer.command(*command);
                command.pos
            }
            None => 0,
        },
        Place::Expr(expr) => match unit.exprs.get(expr as usize) {
            Some(expr) => {
                writer.expr(*expr);
                expr.pos
            }
            None => 0,
        },
    };
    (pos, String::from_utf8_lossy(&writer.out).into_owned())
}

/// The source text of an operand.
pub(crate) fn expr(unit: &Unit, expr: Expr) -> Vec<u8> {
    let mut writer = Writer { unit, out: Vec::new(), max: MAX_SHOWN };
    writer.expr(expr);
    writer.out
}

/// The source text of a list of statements.
pub(crate) fn list(unit: &Unit, list: Run) -> Vec<u8> {
    let mut writer = Writer { unit, out: Vec::new(), max: usize::MAX };
    writer.list(list);
    writer.out
}

struct Writer<'u> {
    unit: &'u Unit,
    out: Vec<u8>,
    /// The length at which writing stops.
    max: usize,
}

impl Writer<'_> {
    fn write(&mut self, text: &[u8]) {
        if self.out.len() < self.max {
            self.out.extend_from_slice(text);
        }
    }

    fn list(&mut self, list: Run) {
        for node in list.of(&self.unit.nodes) {
            if self.out.len() >= self.max {
                break;
            }
            with_stack(|| self.node(*node));
        }
    }

    fn node(&mut self, node: Node) {
        match node {
            Node::Text(span) => self.write(self.unit.slice(span)),
            Node::Action { pipe, .. } => {
                self.write(b"{{");
                self.pipe(pipe);
                self.write(b"}}");
            }
            Node::Branch { kind, branch, .. } => {
                let Some(branch) = self.unit.branches.get(branch as usize) else {
                    return;
                };
                self.write(match kind {
                    BranchKind::If => b"{{if ",
                    BranchKind::With => b"{{with ",
                    BranchKind::Range => b"{{range ",
                });
                self.pipe(branch.pipe);
                self.write(b"}}");
                self.list(branch.body);
                if let Some(otherwise) = branch.otherwise {
                    self.write(b"{{else}}");
                    self.list(otherwise);
                }
                self.write(b"{{end}}");
            }
            Node::Template { name, pipe, .. } => {
                self.write(b"{{template ");
                if let Some(literal) = self.unit.literals.get(name as usize) {
                    self.write(quote::quote(&literal.value).as_bytes());
                }
                if let Some(pipe) = pipe {
                    self.write(b" ");
                    self.pipe(pipe);
                }
                self.write(b"}}");
            }
            Node::Break { .. } => self.write(b"{{break}}"),
            Node::Continue { .. } => self.write(b"{{continue}}"),
        }
    }

    fn pipe(&mut self, pipe: u32) {
        let Some(pipe) = self.unit.pipes.get(pipe as usize) else {
            return;
        };
        for (index, target) in pipe.variables.of(&self.unit.targets).iter().enumerate() {
            if index > 0 {
                self.write(b", ");
            }
            self.write(self.unit.slice(target.name));
        }
        if pipe.variables.count > 0 {
            self.write(if pipe.assign { b" = " } else { b" := " });
        }
        for (index, command) in pipe.commands.of(&self.unit.commands).iter().enumerate() {
            if index > 0 {
                self.write(b" | ");
            }
            self.command(*command);
        }
    }

    fn command(&mut self, command: Command) {
        for (index, arg) in command.args.of(&self.unit.exprs).iter().enumerate() {
            if index > 0 {
                self.write(b" ");
            }
            self.parenthesized(*arg);
        }
    }

    fn parenthesized(&mut self, expr: Expr) {
        if let ExprKind::Pipe(pipe) = expr.kind {
            self.write(b"(");
            with_stack(|| self.pipe(pipe));
            self.write(b")");
        } else {
            self.expr(expr);
        }
    }

    fn expr(&mut self, expr: Expr) {
        let unit = self.unit;
        match expr.kind {
            ExprKind::Dot => self.write(b"."),
            ExprKind::Nil => self.write(b"nil"),
            ExprKind::Bool(true) => self.write(b"true"),
            ExprKind::Bool(false) => self.write(b"false"),
            ExprKind::Number(number) => {
                if let Some(number) = unit.numbers.get(number as usize) {
                    self.write(unit.slice(number.text));
                }
            }
            ExprKind::String(literal) => {
                if let Some(literal) = unit.literals.get(literal as usize) {
                    self.write(unit.slice(literal.source));
                }
            }
            ExprKind::Field(fields) => self.fields(fields),
            ExprKind::Variable { name, fields, .. } => {
                self.write(unit.slice(name));
                self.fields(fields);
            }
            ExprKind::Chain { operand, fields } => {
                if let Some(operand) = unit.exprs.get(operand as usize) {
                    self.parenthesized(*operand);
                }
                self.fields(fields);
            }
            ExprKind::Function { name, .. } => self.write(unit.slice(name)),
            ExprKind::Pipe(pipe) => with_stack(|| self.pipe(pipe)),
        }
    }

    fn fields(&mut self, fields: Run) {
        for field in fields.of(&self.unit.fields) {
            self.write(b".");
            self.write(self.unit.slice(field.name));
        }
    }
}
