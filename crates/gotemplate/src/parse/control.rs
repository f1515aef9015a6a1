//! Statements.

use crate::exec::with_stack;
use crate::lex::{Token, TokenKind};
use crate::node::{Branch, BranchKind, Literal, Node, Run};
use crate::parse::{End, MAX_CONTROL_DEPTH, Parser, Result, Statement, TreeState, push};

impl Parser<'_> {
    /// What follows a left delimiter.
    pub(super) fn action(&mut self) -> Result<Statement> {
        let token = self.next_non_space();
        let node = match token.kind {
            TokenKind::Block => self.block()?,
            TokenKind::Break => self.loop_word(token, "{{break}}", Node::Break { pos: token.span.start })?,
            TokenKind::Continue => {
                self.loop_word(token, "{{continue}}", Node::Continue { pos: token.span.start })?
            }
            TokenKind::Else => return self.else_(),
            TokenKind::End => {
                self.expect(TokenKind::RightDelim, "end")?;
                return Ok(Statement::End(End::End));
            }
            TokenKind::If => self.branch(BranchKind::If)?,
            TokenKind::Range => self.branch(BranchKind::Range)?,
            TokenKind::Template => self.template()?,
            TokenKind::With => self.branch(BranchKind::With)?,
            _ => {
                self.backup();
                let pos = self.peek().span.start;
                let pipe = self.pipeline("command", TokenKind::RightDelim)?;
                Node::Action { pos, pipe }
            }
        };
        Ok(Statement::Node(node))
    }

    fn loop_word(&mut self, _: Token, word: &str, node: Node) -> Result<Node> {
        let token = self.next_non_space();
        if token.kind != TokenKind::RightDelim {
            return self.unexpected(token, word);
        }
        if self.tree.range_depth == 0 {
            return self.fail(format!("{word} outside {{{{range}}}}"));
        }
        Ok(node)
    }

    fn else_(&mut self) -> Result<Statement> {
        // `else if` and `else with` leave their second word to the statement that they continue.
        if !matches!(self.peek_non_space().kind, TokenKind::If | TokenKind::With) {
            self.expect(TokenKind::RightDelim, "else")?;
        }
        Ok(Statement::End(End::Else))
    }

    /// Runs `inner` one level deeper, with stack to spare.
    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= MAX_CONTROL_DEPTH {
            return self.fail("max control structure depth exceeded");
        }
        self.depth += 1;
        let result = with_stack(|| inner(self));
        self.depth -= 1;
        result
    }

    /// `if`, `with` or `range` up to its `end`; the keyword has been read.
    fn branch(&mut self, kind: BranchKind) -> Result<Node> {
        self.deeper(|parser| parser.branch_inner(kind))
    }

    fn branch_inner(&mut self, kind: BranchKind) -> Result<Node> {
        let context = match kind {
            BranchKind::If => "if",
            BranchKind::With => "with",
            BranchKind::Range => "range",
        };
        let visible = self.tree.visible.len();
        let declared = self.tree.declared.len();
        let pipe = self.pipeline(context, TokenKind::RightDelim)?;
        let body_scope = self.tree.declared.len();
        let is_range = u32::from(kind == BranchKind::Range);
        self.tree.range_depth += is_range;
        let (body, end) = self.list()?;
        self.tree.range_depth -= is_range;
        // What the body declared is gone by the time the other branch runs, though the parser lets it be named.
        self.tree.declared.truncate(body_scope);
        let otherwise = match end {
            End::End => None,
            End::Else => Some(self.otherwise(kind)?),
        };
        self.tree.visible.truncate(visible);
        self.tree.declared.truncate(declared);
        let pos = self.unit.pipes.get(pipe as usize).map_or(0, |pipe| pipe.pos);
        let branch = push(&mut self.unit.branches, Branch { pipe, body, otherwise });
        Ok(Node::Branch { kind, pos, branch })
    }

    /// What follows `else`.
    fn otherwise(&mut self, kind: BranchKind) -> Result<Run> {
        let next = self.peek().kind;
        let chained =
            matches!((kind, next), (BranchKind::If, TokenKind::If) | (BranchKind::With, TokenKind::With));
        if chained {
            // `else if` is an `if` in the `else`, whose `end` ends both.
            self.next();
            let node = self.branch(kind)?;
            let mark = self.nodes.len();
            self.nodes.push(node);
            return Ok(self.finish_list(mark));
        }
        match self.list()? {
            (body, End::End) => Ok(body),
            (_, end) => self.fail(format!("expected end; found {}", end.describe())),
        }
    }

    /// `{{block "name" pipeline}} ... {{end}}`: a definition and its use.
    fn block(&mut self) -> Result<Node> {
        const CONTEXT: &str = "block clause";
        let token = self.next_non_space();
        let name = self.template_name(token, CONTEXT)?;
        let pipe = self.pipeline(CONTEXT, TokenKind::RightDelim)?;
        let outer = std::mem::replace(&mut self.tree, TreeState::new());
        let body = self.deeper(|parser| parser.whole_body(CONTEXT))?;
        self.add_tree(name.clone(), body)?;
        self.tree = outer;
        let name = push(&mut self.unit.literals, Literal { source: token.span, value: name });
        Ok(Node::Template { pos: token.span.start, name, pipe: Some(pipe) })
    }

    /// `{{template "name" pipeline}}`.
    fn template(&mut self) -> Result<Node> {
        const CONTEXT: &str = "template clause";
        let token = self.next_non_space();
        let name = self.template_name(token, CONTEXT)?;
        let mut pipe = None;
        if self.next_non_space().kind != TokenKind::RightDelim {
            self.backup();
            pipe = Some(self.pipeline(CONTEXT, TokenKind::RightDelim)?);
        }
        let name = push(&mut self.unit.literals, Literal { source: token.span, value: name });
        Ok(Node::Template { pos: token.span.start, name, pipe })
    }
}
