//! The lexer: texts to tokens, with Go's rules for delimiters, trim markers and line numbers.

use memchr::memmem;

use crate::fmt::{quote, unicode_point};
use crate::node::Span;
use crate::unicode;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Error,
    Bool,
    Char,
    CharConstant,
    Complex,
    Assign,
    Declare,
    Eof,
    Field,
    Identifier,
    LeftDelim,
    LeftParen,
    Number,
    Pipe,
    RawString,
    RightDelim,
    RightParen,
    Space,
    String,
    Text,
    Variable,
    Block,
    Break,
    Continue,
    Dot,
    Define,
    Else,
    End,
    If,
    Nil,
    Range,
    Template,
    With,
}

impl TokenKind {
    fn is_keyword(self) -> bool {
        use TokenKind as K;
        matches!(
            self,
            K::Block
                | K::Break
                | K::Continue
                | K::Dot
                | K::Define
                | K::Else
                | K::End
                | K::If
                | K::Nil
                | K::Range
                | K::Template
                | K::With
        )
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) span: Span,
    pub(crate) line: u32,
}

/// The words that are keywords only while no function has their name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoopWords {
    pub(crate) break_is_keyword: bool,
    pub(crate) continue_is_keyword: bool,
}

const LEFT_COMMENT: &[u8] = b"/*";
const RIGHT_COMMENT: &[u8] = b"*/";
/// A trim marker: the minus and the white space beside it.
const TRIM_MARKER_LEN: usize = 2;

pub(crate) struct Lexer<'t> {
    text: &'t [u8],
    left: &'t [u8],
    right: &'t [u8],
    find_left: memmem::Finder<'t>,
    pos: usize,
    start: usize,
    at_eof: bool,
    paren_depth: i64,
    line: u32,
    start_line: u32,
    inside_action: bool,
    words: LoopWords,
    error: String,
}

/// What a state of the lexer leads to.
enum Next {
    Token(Token),
    Text,
    LeftDelim,
    RightDelim,
}

impl<'t> Lexer<'t> {
    pub(crate) fn new(text: &'t [u8], left: &'t [u8], right: &'t [u8], words: LoopWords) -> Self {
        Self {
            text,
            left,
            right,
            find_left: memmem::Finder::new(left),
            pos: 0,
            start: 0,
            at_eof: false,
            paren_depth: 0,
            line: 1,
            start_line: 1,
            inside_action: false,
            words,
            error: String::new(),
        }
    }

    pub(crate) fn next_token(&mut self) -> Token {
        let mut next = if self.inside_action { self.inside_action() } else { Next::Text };
        loop {
            next = match next {
                Next::Token(token) => return token,
                Next::Text => self.text(),
                Next::LeftDelim => self.left_delim(),
                Next::RightDelim => self.right_delim(),
            };
        }
    }

    /// The token as it stands in messages.
    pub(crate) fn describe(&self, token: Token, source: &[u8]) -> String {
        let start = token.span.start as usize;
        let value = source.get(start..start + token.span.len as usize).unwrap_or_default();
        match token.kind {
            TokenKind::Eof => "EOF".to_owned(),
            TokenKind::Error => self.error.clone(),
            kind if kind.is_keyword() => format!("<{}>", String::from_utf8_lossy(value)),
            _ if value.len() > 10 => {
                let cut = crate::fmt::cut_runes(value, 10);
                format!("{}...", quote::quote(cut))
            }
            _ => quote::quote(value),
        }
    }

    fn rest(&self) -> &'t [u8] {
        self.text.get(self.pos..).unwrap_or_default()
    }

    /// The next character and its length; U+FFFD with length 1 for a byte that is not UTF-8.
    fn next(&mut self) -> Option<char> {
        let Some(&byte) = self.text.get(self.pos) else {
            self.at_eof = true;
            return None;
        };
        if byte < 0x80 {
            self.pos += 1;
            if byte == b'\n' {
                self.line += 1;
            }
            return Some(char::from(byte));
        }
        let (character, width) = unicode::decode(self.rest());
        self.pos += width;
        Some(character)
    }

    fn peek(&mut self) -> Option<char> {
        let next = self.next();
        self.backup();
        next
    }

    fn backup(&mut self) {
        if self.at_eof || self.pos == 0 {
            return;
        }
        let (character, width) = unicode::decode_last(self.text.get(..self.pos).unwrap_or_default());
        self.pos -= width;
        if character == '\n' {
            self.line -= 1;
        }
    }

    fn this_token(&mut self, kind: TokenKind) -> Token {
        let token = Token { kind, span: span(self.start, self.pos), line: self.start_line };
        self.start = self.pos;
        self.start_line = self.line;
        token
    }

    fn emit(&mut self, kind: TokenKind) -> Next {
        Next::Token(self.this_token(kind))
    }

    fn count_lines(&mut self) {
        let passed = self.text.get(self.start..self.pos).unwrap_or_default();
        let lines = memchr::memchr_iter(b'\n', passed).count();
        self.line = self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
    }

    fn ignore(&mut self) {
        self.count_lines();
        self.start = self.pos;
        self.start_line = self.line;
    }

    fn accept(&mut self, valid: &[u8]) -> bool {
        if self.text.get(self.pos).is_some_and(|byte| valid.contains(byte)) {
            self.pos += 1;
            return true;
        }
        self.at_eof |= self.pos >= self.text.len();
        false
    }

    fn accept_run(&mut self, valid: &[u8]) {
        while self.accept(valid) {}
    }

    fn fail(&mut self, message: impl Into<String>) -> Next {
        let token =
            Token { kind: TokenKind::Error, span: span(self.start, self.start), line: self.start_line };
        self.error = message.into();
        self.text = &[];
        self.start = 0;
        self.pos = 0;
        Next::Token(token)
    }

    fn text(&mut self) -> Next {
        let Some(found) = self.find_left.find(self.rest()) else {
            self.pos = self.text.len();
            if self.pos > self.start {
                self.count_lines();
                return self.emit(TokenKind::Text);
            }
            return self.emit(TokenKind::Eof);
        };
        if found > 0 {
            self.pos += found;
            let after = self.text.get(self.pos + self.left.len()..).unwrap_or_default();
            let mut trimmed = 0;
            if has_left_trim_marker(after) {
                let before = self.text.get(self.start..self.pos).unwrap_or_default();
                trimmed = before.iter().rev().take_while(|byte| is_space_byte(**byte)).count();
            }
            self.pos -= trimmed;
            self.count_lines();
            let token = self.this_token(TokenKind::Text);
            self.pos += trimmed;
            self.ignore();
            if token.span.len > 0 {
                return Next::Token(token);
            }
        }
        Next::LeftDelim
    }

    /// Whether the lexer stands at a right delimiter, and whether a trim marker is before it.
    fn at_right_delim(&self) -> (bool, bool) {
        let rest = self.rest();
        if has_right_trim_marker(rest)
            && rest.get(TRIM_MARKER_LEN..).is_some_and(|rest| rest.starts_with(self.right))
        {
            return (true, true);
        }
        (rest.starts_with(self.right), false)
    }

    fn left_delim(&mut self) -> Next {
        self.pos += self.left.len();
        let after_marker = if has_left_trim_marker(self.rest()) { TRIM_MARKER_LEN } else { 0 };
        if self.rest().get(after_marker..).is_some_and(|rest| rest.starts_with(LEFT_COMMENT)) {
            self.pos += after_marker;
            self.ignore();
            return self.comment();
        }
        let token = self.this_token(TokenKind::LeftDelim);
        self.inside_action = true;
        self.pos += after_marker;
        self.ignore();
        self.paren_depth = 0;
        Next::Token(token)
    }

    fn comment(&mut self) -> Next {
        self.pos += LEFT_COMMENT.len();
        let Some(end) = memmem::find(self.rest(), RIGHT_COMMENT) else {
            return self.fail("unclosed comment");
        };
        self.pos += end + RIGHT_COMMENT.len();
        let (at_delim, trim) = self.at_right_delim();
        if !at_delim {
            return self.fail("comment ends before closing delimiter");
        }
        self.ignore();
        if trim {
            self.pos += TRIM_MARKER_LEN;
        }
        self.pos += self.right.len();
        if trim {
            self.pos += leading_space(self.rest());
        }
        self.ignore();
        Next::Text
    }

    fn right_delim(&mut self) -> Next {
        let (_, trim) = self.at_right_delim();
        if trim {
            self.pos += TRIM_MARKER_LEN;
            self.ignore();
        }
        self.pos += self.right.len();
        let token = self.this_token(TokenKind::RightDelim);
        if trim {
            self.pos += leading_space(self.rest());
            self.ignore();
        }
        self.inside_action = false;
        Next::Token(token)
    }

    fn inside_action(&mut self) -> Next {
        if self.at_right_delim().0 {
            if self.paren_depth == 0 {
                return Next::RightDelim;
            }
            return self.fail("unclosed left paren");
        }
        let Some(character) = self.next() else {
            return self.fail("unclosed action");
        };
        match character {
            ' ' | '\t' | '\r' | '\n' => {
                self.backup();
                self.space()
            }
            '=' => self.emit(TokenKind::Assign),
            ':' => {
                if self.next() != Some('=') {
                    return self.fail("expected :=");
                }
                self.emit(TokenKind::Declare)
            }
            '|' => self.emit(TokenKind::Pipe),
            '"' => self.quoted(b'"', TokenKind::String, "unterminated quoted string"),
            '`' => self.raw_quoted(),
            '$' => {
                if self.at_terminator() {
                    return self.emit(TokenKind::Variable);
                }
                self.field_or_variable(TokenKind::Variable)
            }
            '\'' => self.quoted(b'\'', TokenKind::CharConstant, "unterminated character constant"),
            '.' if self.text.get(self.pos).is_some_and(|byte| !byte.is_ascii_digit()) => {
                self.field_or_variable(TokenKind::Field)
            }
            '.' | '+' | '-' | '0'..='9' => {
                self.backup();
                self.number()
            }
            _ if is_alphanumeric(character) => {
                self.backup();
                self.identifier()
            }
            '(' => {
                self.paren_depth += 1;
                self.emit(TokenKind::LeftParen)
            }
            ')' => {
                self.paren_depth -= 1;
                if self.paren_depth < 0 {
                    return self.fail("unexpected right paren");
                }
                self.emit(TokenKind::RightParen)
            }
            '!'..='~' => self.emit(TokenKind::Char),
            _ => self.fail(format!("unrecognized character in action: {}", unicode_point(character))),
        }
    }

    fn space(&mut self) -> Next {
        let mut spaces = 0;
        while let Some(byte) = self.text.get(self.pos).filter(|byte| is_space_byte(**byte)) {
            self.line += u32::from(*byte == b'\n');
            self.pos += 1;
            spaces += 1;
        }
        // A closing delimiter with a trim marker begins with a space, which is not this token's.
        let last = self.text.get(self.pos - 1..).unwrap_or_default();
        if has_right_trim_marker(last)
            && last.get(TRIM_MARKER_LEN..).is_some_and(|rest| rest.starts_with(self.right))
        {
            self.backup();
            if spaces == 1 {
                return Next::RightDelim;
            }
        }
        self.emit(TokenKind::Space)
    }

    /// Goes over letters and digits; gives the character after them.
    fn word(&mut self) -> Option<char> {
        while self.text.get(self.pos).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
            self.pos += 1;
        }
        if let Some(after) = self.text.get(self.pos).filter(|byte| byte.is_ascii()) {
            return Some(char::from(*after));
        }
        loop {
            let next = self.next();
            if !next.is_some_and(is_alphanumeric) {
                self.backup();
                return next;
            }
        }
    }

    fn identifier(&mut self) -> Next {
        let after = self.word();
        if !self.at_terminator() {
            return self.bad_character(after);
        }
        let kind = match self.text.get(self.start..self.pos).unwrap_or_default() {
            b"block" => TokenKind::Block,
            b"break" if self.words.break_is_keyword => TokenKind::Break,
            b"continue" if self.words.continue_is_keyword => TokenKind::Continue,
            b"define" => TokenKind::Define,
            b"else" => TokenKind::Else,
            b"end" => TokenKind::End,
            b"if" => TokenKind::If,
            b"range" => TokenKind::Range,
            b"nil" => TokenKind::Nil,
            b"template" => TokenKind::Template,
            b"with" => TokenKind::With,
            b"true" | b"false" => TokenKind::Bool,
            _ => TokenKind::Identifier,
        };
        self.emit(kind)
    }

    fn field_or_variable(&mut self, kind: TokenKind) -> Next {
        if self.at_terminator() {
            let kind = if kind == TokenKind::Variable { kind } else { TokenKind::Dot };
            return self.emit(kind);
        }
        let after = self.word();
        if !self.at_terminator() {
            return self.bad_character(after);
        }
        self.emit(kind)
    }

    fn bad_character(&mut self, character: Option<char>) -> Next {
        // At the end of the text every word is terminated, so there is always a character here.
        let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
        self.fail(format!("bad character {}", unicode_point(character)))
    }

    fn at_terminator(&mut self) -> bool {
        match self.text.get(self.pos) {
            None => {
                self.at_eof = true;
                true
            }
            Some(b' ' | b'\t' | b'\r' | b'\n' | b'.' | b',' | b'|' | b':' | b')' | b'(') => true,
            Some(_) => self.rest().starts_with(self.right),
        }
    }

    /// A string or character constant; its first quote has been read.
    fn quoted(&mut self, quote: u8, kind: TokenKind, unterminated: &str) -> Next {
        loop {
            match self.text.get(self.pos) {
                Some(b'\\') => match self.text.get(self.pos + 1) {
                    None | Some(b'\n') => return self.fail(unterminated),
                    Some(_) => {
                        self.pos += 1;
                        self.next();
                    }
                },
                None | Some(b'\n') => return self.fail(unterminated),
                Some(byte) if *byte == quote => {
                    self.pos += 1;
                    return self.emit(kind);
                }
                Some(_) => self.pos += 1,
            }
        }
    }

    fn raw_quoted(&mut self) -> Next {
        let Some(end) = memchr::memchr(b'`', self.rest()) else {
            return self.fail("unterminated raw quoted string");
        };
        let first = self.pos;
        self.pos += end + 1;
        let lines = memchr::memchr_iter(b'\n', self.text.get(first..self.pos).unwrap_or_default()).count();
        self.line = self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
        self.emit(TokenKind::RawString)
    }

    fn number(&mut self) -> Next {
        if !self.scan_number() {
            return self.bad_number();
        }
        if matches!(self.peek(), Some('+' | '-')) {
            // A complex number without blanks: 1+2i.
            if !self.scan_number() || self.text.get(self.pos.wrapping_sub(1)) != Some(&b'i') {
                return self.bad_number();
            }
            return self.emit(TokenKind::Complex);
        }
        self.emit(TokenKind::Number)
    }

    fn bad_number(&mut self) -> Next {
        let text = self.text.get(self.start..self.pos).unwrap_or_default();
        self.fail(format!("bad number syntax: {}", quote::quote(text)))
    }

    fn scan_number(&mut self) -> bool {
        const DECIMAL: &[u8] = b"0123456789_";
        const HEX: &[u8] = b"0123456789abcdefABCDEF_";
        self.accept(b"+-");
        let mut digits = DECIMAL;
        if self.accept(b"0") {
            if self.accept(b"xX") {
                digits = HEX;
            } else if self.accept(b"oO") {
                digits = b"01234567_";
            } else if self.accept(b"bB") {
                digits = b"01_";
            }
        }
        self.accept_run(digits);
        if self.accept(b".") {
            self.accept_run(digits);
        }
        let exponent: &[u8] = match digits {
            DECIMAL => b"eE",
            HEX => b"pP",
            _ => b"",
        };
        if self.accept(exponent) {
            self.accept(b"+-");
            self.accept_run(DECIMAL);
        }
        self.accept(b"i");
        if self.peek().is_some_and(is_alphanumeric) {
            self.next();
            return false;
        }
        true
    }
}

fn span(start: usize, end: usize) -> Span {
    // Texts are limited to 4 GiB before they come here.
    let narrow = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
    Span { start: narrow(start), len: narrow(end.saturating_sub(start)) }
}

fn is_space_byte(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn is_alphanumeric(character: char) -> bool {
    character == '_'
        || if character.is_ascii() {
            character.is_ascii_alphanumeric()
        } else {
            unicode::is_letter(character) || unicode::is_digit(character)
        }
}

fn has_left_trim_marker(text: &[u8]) -> bool {
    matches!(text, [b'-', space, ..] if is_space_byte(*space))
}

fn has_right_trim_marker(text: &[u8]) -> bool {
    matches!(text, [space, b'-', ..] if is_space_byte(*space))
}

fn leading_space(text: &[u8]) -> usize {
    text.iter().take_while(|byte| is_space_byte(**byte)).count()
}
