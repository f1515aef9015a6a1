//! Operands: literals, fields, variables, functions and parentheses.

use crate::exec::with_stack;
use crate::fmt::quote;
use crate::lex::{Token, TokenKind};
use crate::node::{Expr, ExprKind, Field, Literal, NO_SLOT, Run, Span};
use crate::parse::{MAX_PAREN_DEPTH, Parser, Result, number, push};
use crate::print;
use crate::value::Key;

impl Parser<'_> {
    /// A term and the fields after it. `None` if the next token does not begin an operand.
    pub(super) fn operand(&mut self) -> Result<Option<Expr>> {
        let first_field = self.unit.fields.len();
        let Some(term) = self.term()? else {
            return Ok(None);
        };
        if self.peek().kind != TokenKind::Field {
            return Ok(Some(term));
        }
        let pos = self.peek().span.start;
        let kind = match term.kind {
            // Fields of parentheses lie between, so the run is begun anew where the term is none of these two.
            ExprKind::Field(_) => ExprKind::Field(self.fields_from(first_field)),
            ExprKind::Variable { slot, name, .. } => {
                ExprKind::Variable { slot, name, fields: self.fields_from(first_field) }
            }
            ExprKind::Dot | ExprKind::Nil | ExprKind::Bool(_) | ExprKind::Number(_) | ExprKind::String(_) => {
                self.fields_from(first_field);
                let text = print::expr(&self.unit, term);
                return self.fail(format!("unexpected . after term {}", quote::quote(&text)));
            }
            ExprKind::Chain { .. } | ExprKind::Function { .. } | ExprKind::Pipe(_) => {
                let operand = push(&mut self.unit.exprs, term);
                let first = self.unit.fields.len();
                ExprKind::Chain { operand, fields: self.fields_from(first) }
            }
        };
        Ok(Some(Expr { pos, kind }))
    }

    /// Reads the fields that follow; gives all from `first` on.
    fn fields_from(&mut self, first: usize) -> Run {
        while self.peek().kind == TokenKind::Field {
            let token = self.next();
            let field = self.field(token);
            self.unit.fields.push(field);
        }
        let narrow = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        Run { first: narrow(first), count: narrow(self.unit.fields.len() - first) }
    }

    /// The field of a token such as `.name`.
    fn field(&self, token: Token) -> Field {
        let name = Span { start: token.span.start + 1, len: token.span.len.saturating_sub(1) };
        Field { name, key: Key::new(self.text_of(token).get(1..).unwrap_or_default()) }
    }

    fn term(&mut self) -> Result<Option<Expr>> {
        let token = self.next_non_space();
        let kind = match token.kind {
            TokenKind::Identifier => {
                let name = self.text_of(token);
                let Some(function) = self.unit.functions.resolve(name) else {
                    return self.fail(format!("function {} not defined", quote::quote(name)));
                };
                ExprKind::Function { function, name: token.span }
            }
            TokenKind::Dot => ExprKind::Dot,
            TokenKind::Nil => ExprKind::Nil,
            TokenKind::Variable => {
                let name = self.text_of(token);
                if self.tree.visible.find(name).is_none() {
                    return self.fail(format!("undefined variable {}", quote::quote(name)));
                }
                let slot = self.tree.declared.find(name).unwrap_or(NO_SLOT);
                ExprKind::Variable { slot, name: token.span, fields: Run::default() }
            }
            TokenKind::Field => {
                let first = {
                    let field = self.field(token);
                    push(&mut self.unit.fields, field)
                };
                ExprKind::Field(Run { first, count: 1 })
            }
            TokenKind::Bool => ExprKind::Bool(self.text_of(token) == b"true"),
            TokenKind::CharConstant | TokenKind::Complex | TokenKind::Number => {
                match number::parse(self.text_of(token), token) {
                    Ok(number) => ExprKind::Number(push(&mut self.unit.numbers, number)),
                    Err(message) => return self.fail(message),
                }
            }
            TokenKind::LeftParen => {
                if self.tree.paren_depth >= MAX_PAREN_DEPTH {
                    return self.fail("max expression depth exceeded");
                }
                self.tree.paren_depth += 1;
                let pipe = with_stack(|| self.pipeline("parenthesized pipeline", TokenKind::RightParen))?;
                self.tree.paren_depth -= 1;
                let pos = self.unit.pipes.get(pipe as usize).map_or(token.span.start, |pipe| pipe.pos);
                return Ok(Some(Expr { pos, kind: ExprKind::Pipe(pipe) }));
            }
            TokenKind::String | TokenKind::RawString => {
                let value = self.unquote(token)?;
                ExprKind::String(push(&mut self.unit.literals, Literal { source: token.span, value }))
            }
            _ => {
                self.backup();
                return Ok(None);
            }
        };
        Ok(Some(Expr { pos: token.span.start, kind }))
    }
}
