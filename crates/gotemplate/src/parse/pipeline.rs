//! Pipelines and commands.

use crate::lex::{Token, TokenKind};
use crate::node::{Command, ExprKind, NO_SLOT, Pipe, Run, Target};
use crate::parse::{Parser, Result, finish, push};

impl Parser<'_> {
    /// `$x, $y := command | command ...` up to the token `end`, which is read.
    pub(super) fn pipeline(&mut self, context: &str, end: TokenKind) -> Result<u32> {
        let pos = self.peek_non_space().span.start;
        let (variables, assign) = self.declarations(context)?;
        let mark = self.commands.len();
        loop {
            let token = self.next_non_space();
            if token.kind == end {
                break;
            }
            match token.kind {
                TokenKind::Bool
                | TokenKind::CharConstant
                | TokenKind::Complex
                | TokenKind::Dot
                | TokenKind::Field
                | TokenKind::Identifier
                | TokenKind::Number
                | TokenKind::Nil
                | TokenKind::RawString
                | TokenKind::String
                | TokenKind::Variable
                | TokenKind::LeftParen => {
                    self.backup();
                    let command = self.command()?;
                    self.commands.push(command);
                }
                _ => return self.unexpected(token, context),
            }
        }
        self.check_pipeline(mark, context)?;
        let commands = finish(&mut self.unit.commands, &mut self.commands, mark);
        let variables = self.resolve_targets(variables, assign, end);
        Ok(push(&mut self.unit.pipes, Pipe { pos, assign, variables, commands }))
    }

    /// The variables before `:=` or `=`: none, one, or for `range` two.
    fn declarations(&mut self, context: &str) -> Result<(Vec<Token>, bool)> {
        let mut variables = Vec::new();
        loop {
            let variable = self.peek_non_space();
            if variable.kind != TokenKind::Variable {
                return Ok((variables, false));
            }
            self.next();
            // "$x foo" and "$x := foo" differ only in the token after the blank, so up to three are looked at.
            let after = self.peek();
            let next = self.peek_non_space();
            match next.kind {
                TokenKind::Assign | TokenKind::Declare => {
                    self.next_non_space();
                    variables.push(variable);
                    self.tree.visible.declare(self.text_of(variable));
                    return Ok((variables, next.kind == TokenKind::Assign));
                }
                TokenKind::Char if self.text_of(next) == b"," => {
                    self.next_non_space();
                    variables.push(variable);
                    self.tree.visible.declare(self.text_of(variable));
                    if context != "range" || variables.len() >= 2 {
                        return self.fail(format!("too many declarations in {context}"));
                    }
                    match self.peek_non_space().kind {
                        TokenKind::Variable | TokenKind::RightDelim | TokenKind::RightParen => {}
                        _ => return self.fail("range can only initialize variables"),
                    }
                }
                _ => {
                    if after.kind == TokenKind::Space {
                        self.backup3(variable, after);
                    } else {
                        self.backup2(variable);
                    }
                    return Ok((variables, false));
                }
            }
        }
    }

    fn check_pipeline(&self, mark: usize, context: &str) -> Result<()> {
        let commands = self.commands.get(mark..).unwrap_or_default();
        if commands.is_empty() {
            return self.fail(format!("missing value for {context}"));
        }
        for (index, command) in commands.iter().enumerate().skip(1) {
            let first = command.args.of(&self.unit.exprs).first();
            let constant = first.is_some_and(|first| {
                matches!(
                    first.kind,
                    ExprKind::Bool(_)
                        | ExprKind::Dot
                        | ExprKind::Nil
                        | ExprKind::Number(_)
                        | ExprKind::String(_)
                )
            });
            if constant {
                return self.fail(format!("non executable command in pipeline stage {}", index + 1));
            }
        }
        Ok(())
    }

    /// Gives the variables of a pipeline their slots, now that its commands have been seen.
    fn resolve_targets(&mut self, variables: Vec<Token>, assign: bool, end: TokenKind) -> Run {
        let mut run = Run { first: u32::try_from(self.unit.targets.len()).unwrap_or(u32::MAX), count: 0 };
        for variable in variables {
            let name = self.text_of(variable);
            let slot = if assign {
                self.tree.declared.find(name).unwrap_or(NO_SLOT)
            } else {
                // In parentheses it may be left out by `and` and `or`, so slots cannot be counted.
                self.tree.dynamic |= end == TokenKind::RightParen;
                self.tree.declared.declare(name)
            };
            self.unit.targets.push(Target { name: variable.span, slot });
            run.count += 1;
        }
        run
    }

    /// An operand and its arguments, up to a pipe (which is read) or the end of the pipeline (which is not).
    fn command(&mut self) -> Result<Command> {
        let pos = self.peek_non_space().span.start;
        let mark = self.args.len();
        loop {
            self.peek_non_space();
            if let Some(operand) = self.operand()? {
                self.args.push(operand);
            }
            let token = self.next();
            match token.kind {
                TokenKind::Space => continue,
                TokenKind::RightDelim | TokenKind::RightParen => self.backup(),
                TokenKind::Pipe => {}
                _ => return self.unexpected(token, "operand"),
            }
            break;
        }
        if self.args.len() == mark {
            return self.fail("empty command");
        }
        let args = finish(&mut self.unit.exprs, &mut self.args, mark);
        Ok(Command { pos, args })
    }
}
