//! Text to tokens, by the rules that libyaml 0.1 and go-yaml v2 share, with go-yaml's own deviations.
//!
//! Why not a crate: `libyaml-safer` 0.3 follows libyaml 0.2.5, which reads flow collections differently (`?` and `:`
//! in plain scalars, characters of tags), takes `%YAML 1.2`, panics on `[!a,b]` and on a text that ends in a
//! backslash within quotes, and looks at every open bracket for every token. `saphyr-parser` 0.3 scans YAML 1.2 and
//! differs far more. Kubernetes reads with go-yaml, so a text that they read differently would be deployed wrongly.

mod block;
mod cursor;
mod property;
mod scalar;

use std::collections::VecDeque;

use self::cursor::Cursor;
pub(super) use self::cursor::error_at;
use super::error::{Error, Problem};
use super::token::{LocatedToken, Mark, Token};

/// How far a simple key may be from its colon, in characters.
const MAX_SIMPLE_KEY_LENGTH: usize = 1024;

/// A place where a key without `?` may have begun; there is one for each flow level.
#[derive(Clone, Copy, Debug, Default)]
struct SimpleKey {
    possible: bool,
    /// In a block, a key at the indentation of its siblings cannot be anything else.
    required: bool,
    /// Number of the token that would be the key, counted from the start of the stream.
    token_number: usize,
    mark: Mark,
}

/// Makes tokens as they are asked for.
pub(super) struct Scanner<'a> {
    text: &'a str,
    cursor: Cursor<'a>,
    tokens: VecDeque<LocatedToken<'a>>,
    tokens_taken: usize,
    head_is_certain: bool,
    /// Column of the current block collection plus one; 0 outside of any.
    indent: usize,
    outer_indents: Vec<usize>,
    simple_key_allowed: bool,
    /// The last is that of the current flow level.
    simple_keys: Vec<SimpleKey>,
    max_depth: usize,
}

impl<'a> Scanner<'a> {
    /// `text` has passed [`super::input::decode`]. Brackets inside each other beyond `max_depth` are an error.
    pub(super) fn new(text: &'a str, max_depth: usize) -> Self {
        Self {
            text,
            cursor: Cursor::new(text),
            tokens: VecDeque::new(),
            tokens_taken: 0,
            head_is_certain: false,
            indent: 0,
            outer_indents: Vec::new(),
            simple_key_allowed: true,
            simple_keys: vec![SimpleKey::default()],
            max_depth,
        }
    }

    /// The next token, which stays next. After the end there is always [`Token::StreamEnd`].
    pub(super) fn peek(&mut self) -> Result<&LocatedToken<'a>, Error> {
        if !self.head_is_certain {
            self.make_head_certain()?;
        }
        self.tokens.front().ok_or_else(|| self.cursor.error_here("unexpected end"))
    }

    /// Takes the next token. The end of the stream stays where it is.
    pub(super) fn take(&mut self) -> Result<LocatedToken<'a>, Error> {
        let next = self.peek()?;
        if next.token == Token::StreamEnd {
            return Ok(next.clone());
        }
        self.head_is_certain = false;
        self.tokens_taken += 1;
        self.tokens.pop_front().ok_or_else(|| self.cursor.error_here("unexpected end"))
    }

    pub(super) fn error(&self, mark: Mark, message: impl Into<String>) -> Error {
        error_at(self.text, mark, Problem::Syntax(message.into()))
    }

    fn in_flow(&self) -> bool {
        self.simple_keys.len() > 1
    }

    /// Scans on while the next token may turn out to be a key, before which other tokens must be put.
    fn make_head_certain(&mut self) -> Result<(), Error> {
        while self.tokens.is_empty() || self.head_may_be_key()? {
            self.scan_next()?;
        }
        self.head_is_certain = true;
        Ok(())
    }

    fn head_may_be_key(&mut self) -> Result<bool, Error> {
        let head = self.tokens_taken;
        let key = self.simple_keys.iter().position(|key| key.possible && key.token_number == head);
        key.map_or(Ok(false), |level| self.is_key_still_possible(level))
    }

    /// A simple key ends on its line and within 1024 characters.
    fn is_key_still_possible(&mut self, level: usize) -> Result<bool, Error> {
        let here = self.cursor.mark();
        let Some(key) = self.simple_keys.get_mut(level).filter(|key| key.possible) else {
            return Ok(false);
        };
        let distance = here.offset - key.mark.offset;
        let too_far = distance > MAX_SIMPLE_KEY_LENGTH
            && self.cursor.slice(key.mark.offset, here.offset).chars().count() > MAX_SIMPLE_KEY_LENGTH;
        if key.mark.line == here.line && !too_far {
            return Ok(true);
        }
        key.possible = false;
        if key.required {
            let mark = key.mark;
            return Err(self.error(mark, "a key must be followed by ':' on the same line"));
        }
        Ok(false)
    }

    fn current_key(&mut self) -> Option<&mut SimpleKey> {
        self.simple_keys.last_mut()
    }

    /// Notes that a key may begin here.
    fn save_simple_key(&mut self) -> Result<(), Error> {
        if !self.simple_key_allowed {
            return Ok(());
        }
        self.forget_simple_key()?;
        let saved = SimpleKey {
            possible: true,
            required: !self.in_flow() && self.indent == self.cursor.column() + 1,
            token_number: self.tokens_taken + self.tokens.len(),
            mark: self.cursor.mark(),
        };
        if let Some(key) = self.current_key() {
            *key = saved;
        }
        Ok(())
    }

    /// Something came that cannot follow a key.
    fn forget_simple_key(&mut self) -> Result<(), Error> {
        let Some(key) = self.current_key().filter(|key| key.possible) else {
            return Ok(());
        };
        key.possible = false;
        if key.required {
            let mark = key.mark;
            return Err(self.error(mark, "expected ':' after this key"));
        }
        Ok(())
    }

    fn push(&mut self, token: Token<'a>, mark: Mark) {
        self.tokens.push_back(LocatedToken { token, mark });
    }

    /// Pushes a token of `width` bytes and goes past it.
    fn push_indicator(&mut self, token: Token<'a>, width: usize) {
        let mark = self.cursor.mark();
        self.cursor.skip_bytes(width);
        self.push(token, mark);
    }

    /// Opens a block collection at the column of `mark`, unless it is open already.
    /// Its token goes before the token of that number, or to the end.
    fn roll_indent(&mut self, mark: Mark, before: Option<usize>, token: Token<'a>) -> Result<(), Error> {
        let indent = mark.column as usize + 1;
        if self.in_flow() || self.indent >= indent {
            return Ok(());
        }
        self.outer_indents.push(self.indent);
        self.indent = indent;
        if self.outer_indents.len() > self.max_depth {
            return Err(self.too_deep(mark));
        }
        match before {
            Some(number) => self.insert(number, token, mark),
            None => self.push(token, mark),
        }
        Ok(())
    }

    /// Puts a token before the one of that number.
    fn insert(&mut self, number: usize, token: Token<'a>, mark: Mark) {
        let at = number.saturating_sub(self.tokens_taken).min(self.tokens.len());
        self.tokens.insert(at, LocatedToken { token, mark });
    }

    /// Closes the block collections that are further in than `indent` (a column plus one).
    fn unroll_indent(&mut self, indent: usize) {
        if self.in_flow() {
            return;
        }
        while self.indent > indent {
            let mark = self.cursor.mark();
            self.push(Token::BlockEnd, mark);
            self.indent = self.outer_indents.pop().unwrap_or(0);
        }
    }

    fn too_deep(&self, mark: Mark) -> Error {
        let message = format!("more than {} levels inside each other", self.max_depth);
        error_at(self.text, mark, Problem::Limit(message))
    }

    /// Goes past blanks, comments and line breaks. A tab must not indent a line of a block.
    fn skip_to_token(&mut self) {
        loop {
            // Between documents only: files that were put together may each have had one.
            if self.indent == 0 && !self.in_flow() {
                self.cursor.skip_byte_order_mark();
            }
            let tabs_allowed = self.in_flow() || !self.simple_key_allowed;
            while self.cursor.at(0) == b' ' || (tabs_allowed && self.cursor.at(0) == b'\t') {
                self.cursor.skip_bytes(1);
            }
            self.cursor.skip_comment();
            if !self.cursor.is_break() {
                return;
            }
            self.cursor.skip_break();
            if !self.in_flow() {
                self.simple_key_allowed = true;
            }
        }
    }

    /// Scans one token, sometimes with others before it.
    fn scan_next(&mut self) -> Result<(), Error> {
        self.skip_to_token();
        self.unroll_indent(self.cursor.column() + 1);
        if self.cursor.at_end() {
            return self.scan_stream_end();
        }
        if self.cursor.column() == 0 {
            if self.cursor.at(0) == b'%' {
                return self.scan_between_documents(Self::scan_directive);
            }
            if self.cursor.is_indicator(b'-') {
                return self
                    .scan_between_documents(|scanner| Ok(scanner.document_indicator(Token::DocumentStart)));
            }
            if self.cursor.is_indicator(b'.') {
                return self
                    .scan_between_documents(|scanner| Ok(scanner.document_indicator(Token::DocumentEnd)));
            }
        }
        self.scan_in_document()
    }

    fn scan_in_document(&mut self) -> Result<(), Error> {
        let in_flow = self.in_flow();
        let blank_follows = self.cursor.is_blank_or_end(1);
        match self.cursor.at(0) {
            b'[' => self.scan_flow_start(Token::FlowSequenceStart),
            b'{' => self.scan_flow_start(Token::FlowMappingStart),
            b']' => self.scan_flow_end(Token::FlowSequenceEnd),
            b'}' => self.scan_flow_end(Token::FlowMappingEnd),
            b',' => self.scan_flow_entry(),
            b'-' if blank_follows => self.scan_block_entry(),
            b'?' if in_flow || blank_follows => self.scan_key(),
            b':' if in_flow || blank_follows => self.scan_value(),
            b'*' => self.scan_possible_key(|scanner| scanner.scan_name(Token::Alias)),
            b'&' => self.scan_possible_key(|scanner| scanner.scan_name(Token::Anchor)),
            b'!' => self.scan_possible_key(Self::scan_tag),
            b'|' | b'>' if !in_flow => self.scan_block_scalar(),
            b'\'' => self.scan_possible_key(Self::scan_single_quoted),
            b'"' => self.scan_possible_key(Self::scan_double_quoted),
            b'\t' => Err(self.cursor.error_here("a tab cannot indent a line; use spaces")),
            indicator @ (b'|' | b'>' | b'%' | b'@' | b'`') => {
                let message =
                    format!("a value cannot start with '{}'; put it in quotes", char::from(indicator));
                Err(self.cursor.error_here(message))
            }
            _ => self.scan_possible_key(Self::scan_plain),
        }
    }

    /// Scans something after which no key may begin on the same line.
    fn scan_possible_key(
        &mut self,
        scan: impl FnOnce(&mut Self) -> Result<LocatedToken<'a>, Error>,
    ) -> Result<(), Error> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let token = scan(self)?;
        self.tokens.push_back(token);
        Ok(())
    }

    /// Scans something that ends every open block.
    fn scan_between_documents(
        &mut self,
        scan: impl FnOnce(&mut Self) -> Result<LocatedToken<'a>, Error>,
    ) -> Result<(), Error> {
        self.unroll_indent(0);
        self.forget_simple_key()?;
        self.simple_key_allowed = false;
        let token = scan(self)?;
        self.tokens.push_back(token);
        Ok(())
    }

    fn document_indicator(&mut self, token: Token<'a>) -> LocatedToken<'a> {
        let mark = self.cursor.mark();
        self.cursor.skip_bytes(3);
        LocatedToken { token, mark }
    }

    fn scan_stream_end(&mut self) -> Result<(), Error> {
        self.cursor.finish_last_line();
        self.unroll_indent(0);
        self.forget_simple_key()?;
        self.simple_key_allowed = false;
        self.push_indicator(Token::StreamEnd, 0);
        Ok(())
    }

    fn scan_flow_start(&mut self, token: Token<'a>) -> Result<(), Error> {
        self.save_simple_key()?;
        if self.simple_keys.len() > self.max_depth {
            return Err(self.too_deep(self.cursor.mark()));
        }
        self.simple_keys.push(SimpleKey::default());
        self.simple_key_allowed = true;
        self.push_indicator(token, 1);
        Ok(())
    }

    fn scan_flow_end(&mut self, token: Token<'a>) -> Result<(), Error> {
        self.forget_simple_key()?;
        if self.in_flow() {
            self.simple_keys.pop();
        }
        self.simple_key_allowed = false;
        self.push_indicator(token, 1);
        Ok(())
    }

    fn scan_flow_entry(&mut self) -> Result<(), Error> {
        self.forget_simple_key()?;
        self.simple_key_allowed = true;
        self.push_indicator(Token::FlowEntry, 1);
        Ok(())
    }

    /// A dash. In a flow collection it is an error, which the parser reports since it knows the collection.
    fn scan_block_entry(&mut self) -> Result<(), Error> {
        if !self.in_flow() {
            if !self.simple_key_allowed {
                return Err(self.cursor.error_here("a list item must start on a line of its own"));
            }
            self.roll_indent(self.cursor.mark(), None, Token::BlockSequenceStart)?;
        }
        self.forget_simple_key()?;
        self.simple_key_allowed = true;
        self.push_indicator(Token::BlockEntry, 1);
        Ok(())
    }

    /// A question mark.
    fn scan_key(&mut self) -> Result<(), Error> {
        if !self.in_flow() {
            if !self.simple_key_allowed {
                return Err(self.cursor.error_here("a key with '?' must start on a line of its own"));
            }
            self.roll_indent(self.cursor.mark(), None, Token::BlockMappingStart)?;
        }
        self.forget_simple_key()?;
        self.simple_key_allowed = !self.in_flow();
        self.push_indicator(Token::Key, 1);
        Ok(())
    }

    /// A colon: makes what stands before it a key, if that can be one.
    fn scan_value(&mut self) -> Result<(), Error> {
        let level = self.simple_keys.len() - 1;
        if self.is_key_still_possible(level)?
            && let Some(key) = self.current_key()
        {
            key.possible = false;
            let SimpleKey { token_number, mark, .. } = *key;
            self.insert(token_number, Token::Key, mark);
            self.roll_indent(mark, Some(token_number), Token::BlockMappingStart)?;
            self.simple_key_allowed = false;
        } else {
            if !self.in_flow() {
                if !self.simple_key_allowed {
                    let message = "a ':' cannot stand here; put the value in quotes or on a line of its own";
                    return Err(self.cursor.error_here(message));
                }
                self.roll_indent(self.cursor.mark(), None, Token::BlockMappingStart)?;
            }
            self.simple_key_allowed = !self.in_flow();
        }
        self.push_indicator(Token::Value, 1);
        Ok(())
    }
}
