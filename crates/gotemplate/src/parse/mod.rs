//! The parser: tokens to flat tables of nodes, with variables and functions resolved.

mod control;
mod literal;
mod number;
mod operand;
mod pipeline;
mod scope;

use std::sync::Arc;

use foldhash::HashMap;

use crate::error::ParseError;
use crate::fmt::quote;
use crate::function::Functions;
use crate::lex::{Lexer, LoopWords, Token, TokenKind};
use crate::node::{Command, Expr, Node, Run, Span, Tree, Unit};
use crate::parse::scope::Names;
use crate::unicode;

/// Statements inside one another. Go has no such limit but its stack; this many are far more than anyone writes.
const MAX_CONTROL_DEPTH: u32 = 10_000;
/// Parentheses inside one another, as in Go.
const MAX_PAREN_DEPTH: u32 = 10_000;

type Result<T> = std::result::Result<T, ParseError>;

/// The marks around actions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delimiters {
    left: Arc<[u8]>,
    right: Arc<[u8]>,
}

impl Delimiters {
    pub(crate) fn new(left: &[u8], right: &[u8]) -> Self {
        let or = |given: &[u8], default: &[u8]| Arc::from(if given.is_empty() { default } else { given });
        Self { left: or(left, b"{{"), right: or(right, b"}}") }
    }
}

impl Default for Delimiters {
    fn default() -> Self {
        Self::new(b"", b"")
    }
}

/// Parses a text and the templates defined in it.
pub(crate) fn parse(
    name: &[u8],
    text: &Arc<[u8]>,
    delimiters: &Delimiters,
    functions: &Arc<Functions>,
) -> Result<Unit> {
    if u32::try_from(text.len()).is_err() {
        return Err(ParseError {
            file: String::from_utf8_lossy(name).into_owned(),
            line: 1,
            message: "the text is larger than 4 GiB".to_owned(),
        });
    }
    let words = LoopWords {
        break_is_keyword: functions.get("break").is_none(),
        continue_is_keyword: functions.get("continue").is_none(),
    };
    let none = Token { kind: TokenKind::Eof, span: Span::default(), line: 0 };
    let mut parser = Parser {
        unit: Unit::new(name, text, Arc::clone(functions)),
        source: text,
        lexer: Lexer::new(text, &delimiters.left, &delimiters.right, words),
        tokens: [none; 3],
        peek_count: 0,
        names: HashMap::default(),
        tree: TreeState::new(),
        nodes: Vec::new(),
        commands: Vec::new(),
        args: Vec::new(),
        depth: 0,
    };
    parser.top_level(name)?;
    Ok(parser.unit)
}

struct Parser<'t> {
    unit: Unit,
    source: &'t [u8],
    lexer: Lexer<'t>,
    tokens: [Token; 3],
    peek_count: usize,
    /// The trees of the unit by name.
    names: HashMap<Arc<[u8]>, usize>,
    tree: TreeState<'t>,
    /// Statements, commands and arguments that are not yet complete lists.
    nodes: Vec<Node>,
    commands: Vec<Command>,
    args: Vec<Expr>,
    /// Statements inside one another, over all trees.
    depth: u32,
}

/// What belongs to one template and starts anew with each.
struct TreeState<'t> {
    /// The variables that may be used, as the parser sees them.
    visible: Names<'t>,
    /// The variables that will be there at execution, where a declaration counts after its pipeline.
    declared: Names<'t>,
    dynamic: bool,
    action_line: u32,
    range_depth: u32,
    paren_depth: u32,
}

impl TreeState<'_> {
    fn new() -> Self {
        let mut state = Self {
            visible: Names::default(),
            declared: Names::default(),
            dynamic: false,
            action_line: 0,
            range_depth: 0,
            paren_depth: 0,
        };
        state.visible.declare(b"$");
        state.declared.declare(b"$");
        state
    }
}

/// How a list of statements ended.
enum End {
    End,
    Else,
}

impl End {
    fn describe(&self) -> &'static str {
        match self {
            Self::End => "{{end}}",
            Self::Else => "{{else}}",
        }
    }
}

/// A statement, or the end of the list that it would stand in.
enum Statement {
    Node(Node),
    End(End),
}

impl<'t> Parser<'t> {
    fn text_of(&self, token: Token) -> &'t [u8] {
        let start = token.span.start as usize;
        self.source.get(start..start + token.span.len as usize).unwrap_or_default()
    }

    fn next(&mut self) -> Token {
        if self.peek_count > 0 {
            self.peek_count -= 1;
        } else {
            self.tokens[0] = self.lexer.next_token();
        }
        self.tokens[self.peek_count]
    }

    fn backup(&mut self) {
        self.peek_count += 1;
    }

    fn backup2(&mut self, first: Token) {
        self.tokens[1] = first;
        self.peek_count = 2;
    }

    fn backup3(&mut self, first: Token, second: Token) {
        self.tokens[1] = second;
        self.tokens[2] = first;
        self.peek_count = 3;
    }

    fn peek(&mut self) -> Token {
        if self.peek_count == 0 {
            self.peek_count = 1;
            self.tokens[0] = self.lexer.next_token();
        }
        self.tokens[self.peek_count - 1]
    }

    fn next_non_space(&mut self) -> Token {
        loop {
            let token = self.next();
            if token.kind != TokenKind::Space {
                return token;
            }
        }
    }

    fn peek_non_space(&mut self) -> Token {
        let token = self.next_non_space();
        self.backup();
        token
    }

    fn error(&self, message: impl Into<String>) -> ParseError {
        ParseError {
            file: String::from_utf8_lossy(&self.unit.name).into_owned(),
            line: self.tokens[0].line,
            message: message.into(),
        }
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T> {
        Err(self.error(message))
    }

    fn unexpected<T>(&self, token: Token, context: &str) -> Result<T> {
        let description = self.lexer.describe(token, self.source);
        if token.kind != TokenKind::Error {
            return self.fail(format!("unexpected {description} in {context}"));
        }
        let action_line = self.tree.action_line;
        if action_line == 0 || action_line == token.line {
            return self.fail(description);
        }
        let file = String::from_utf8_lossy(&self.unit.name);
        let place = if description.ends_with(" action") { "" } else { " in action" };
        self.fail(format!("{description}{place} started at {file}:{action_line}"))
    }

    fn expect(&mut self, kind: TokenKind, context: &str) -> Result<Token> {
        let token = self.next_non_space();
        if token.kind == kind { Ok(token) } else { self.unexpected(token, context) }
    }

    /// The whole text: statements and definitions up to the end.
    fn top_level(&mut self, name: &[u8]) -> Result<()> {
        let mark = self.nodes.len();
        while self.peek().kind != TokenKind::Eof {
            if self.peek().kind == TokenKind::LeftDelim {
                let delim = self.next();
                if self.next_non_space().kind == TokenKind::Define {
                    self.definition()?;
                    continue;
                }
                self.backup2(delim);
            }
            match self.statement()? {
                Statement::Node(node) => self.nodes.push(node),
                Statement::End(end) => return self.fail(format!("unexpected {}", end.describe())),
            }
        }
        let body = self.finish_list(mark);
        self.add_tree(name.into(), body)
    }

    /// `{{define "name"}} ... {{end}}`; the keyword has been read.
    fn definition(&mut self) -> Result<()> {
        const CONTEXT: &str = "define clause";
        let outer = std::mem::replace(&mut self.tree, TreeState::new());
        let token = self.next_non_space();
        let name = self.template_name(token, CONTEXT)?;
        self.expect(TokenKind::RightDelim, CONTEXT)?;
        let body = self.whole_body(CONTEXT)?;
        self.add_tree(name, body)?;
        self.tree = outer;
        Ok(())
    }

    /// Statements up to `{{end}}`.
    fn whole_body(&mut self, context: &str) -> Result<Run> {
        match self.list()? {
            (body, End::End) => Ok(body),
            (_, end) => self.fail(format!("unexpected {} in {context}", end.describe())),
        }
    }

    fn template_name(&mut self, token: Token, context: &str) -> Result<Arc<[u8]>> {
        match token.kind {
            TokenKind::String | TokenKind::RawString => self.unquote(token),
            _ => self.unexpected(token, context),
        }
    }

    fn unquote(&self, token: Token) -> Result<Arc<[u8]>> {
        match literal::unquote(self.text_of(token)) {
            Some(value) => Ok(value.as_ref().into()),
            None => self.fail("invalid syntax"),
        }
    }

    /// Statements up to `{{end}}` or `{{else}}`.
    fn list(&mut self) -> Result<(Run, End)> {
        let mark = self.nodes.len();
        while self.peek_non_space().kind != TokenKind::Eof {
            match self.statement()? {
                Statement::Node(node) => self.nodes.push(node),
                Statement::End(end) => return Ok((self.finish_list(mark), end)),
            }
        }
        self.fail("unexpected EOF")
    }

    fn finish_list(&mut self, mark: usize) -> Run {
        finish(&mut self.unit.nodes, &mut self.nodes, mark)
    }

    fn add_tree(&mut self, name: Arc<[u8]>, body: Run) -> Result<()> {
        let empty = self.is_empty(body);
        let tree = Tree { name: Arc::clone(&name), body, empty, dynamic: self.tree.dynamic };
        let existing = self.names.get(&name).and_then(|index| self.unit.trees.get_mut(*index));
        match existing {
            Some(existing) if existing.empty => *existing = tree,
            Some(_) if empty => {}
            Some(_) => {
                return self
                    .fail(format!("template: multiple definition of template {}", quote::quote(&name)));
            }
            None => {
                self.names.insert(name, self.unit.trees.len());
                self.unit.trees.push(tree);
            }
        }
        Ok(())
    }

    /// Whether there is nothing but white space.
    fn is_empty(&self, body: Run) -> bool {
        body.of(&self.unit.nodes).iter().all(|node| match node {
            Node::Text(span) => {
                unicode::Runes(self.unit.slice(*span)).all(|(character, _)| character.is_whitespace())
            }
            _ => false,
        })
    }

    fn statement(&mut self) -> Result<Statement> {
        let token = self.next_non_space();
        match token.kind {
            TokenKind::Text => Ok(Statement::Node(Node::Text(token.span))),
            TokenKind::LeftDelim => {
                self.tree.action_line = token.line;
                let statement = self.action();
                if statement.is_ok() {
                    self.tree.action_line = 0;
                }
                statement
            }
            _ => self.unexpected(token, "input"),
        }
    }
}

/// Moves the end of a stack, from `mark` on, to the end of a table.
fn finish<T>(table: &mut Vec<T>, stack: &mut Vec<T>, mark: usize) -> Run {
    let narrow = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    let first = narrow(table.len());
    table.extend(stack.drain(mark..));
    Run { first, count: narrow(table.len()) - first }
}

/// Appends to a table and gives the place.
fn push<T>(table: &mut Vec<T>, item: T) -> u32 {
    table.push(item);
    // Every entry takes at least one byte of a text of less than 4 GiB.
    u32::try_from(table.len() - 1).unwrap_or(u32::MAX)
}
