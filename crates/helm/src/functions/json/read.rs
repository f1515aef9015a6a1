//! JSON texts to values, with the errors of Go's `encoding/json`.

use gotemplate::{Context, FunctionError, List, Map, Str, Value, quote};

use super::super::number::parse_float;
use crate::value::{Budget, json_text};

/// Values inside one another; Go's own limit.
const MAX_NESTING: usize = 10_000;

/// Bytes that a value needs besides its text, roughly.
const VALUE_BYTES: usize = 48;

/// What was read.
pub(super) struct Read {
    /// The value; with a problem, as much of it as Go would have kept.
    pub(super) value: Value,
    /// What is wrong.
    pub(super) problem: Option<Problem>,
}

/// What is wrong with a text, in Go's words.
pub(super) enum Problem {
    /// It is not JSON.
    Syntax(String),
    /// A number is no float64. The rest was read all the same.
    Number(String),
}

/// Reads a text that must be one JSON value, every number a float64.
pub(super) fn read(ctx: &mut Context<'_>, text: &[u8]) -> Result<Read, FunctionError> {
    let mut parser = Parser { text, at: 0, out_of_range: None };
    match parser.document(ctx) {
        Ok(value) => Ok(Read { value, problem: parser.out_of_range.map(Problem::Number) }),
        Err(Failure::Syntax(problem)) => {
            Ok(Read { value: Value::Nil, problem: Some(Problem::Syntax(problem)) })
        }
        Err(Failure::Other(error)) => Err(error),
    }
}

enum Failure {
    Syntax(String),
    Other(FunctionError),
}

type Parsed<T> = Result<T, Failure>;

/// A list or map whose end is not read yet.
enum Open {
    List(Vec<Value>),
    /// With the key of the value that comes next.
    Map(Map, Str),
}

struct Parser<'t> {
    text: &'t [u8],
    at: usize,
    /// Go reads on after a number that is no float, and leaves nil.
    out_of_range: Option<String>,
}

impl Parser<'_> {
    fn document(&mut self, ctx: &mut Context<'_>) -> Parsed<Value> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            let Some(mut value) = self.begin(ctx, &mut open)? else { continue };
            // A value may be the last one of several that end.
            loop {
                match open.pop() {
                    None => {
                        self.skip_blanks();
                        return if self.at < self.text.len() {
                            Err(self.unexpected("after top-level value"))
                        } else {
                            Ok(value)
                        };
                    }
                    Some(Open::List(mut items)) => {
                        items.push(value);
                        if self.comma_or(b']', "after array element")? {
                            open.push(Open::List(items));
                            break;
                        }
                        value = Value::List(List::new(items));
                    }
                    Some(Open::Map(map, key)) => {
                        map.insert(key, value);
                        if self.comma_or(b'}', "after object key:value pair")? {
                            let key = self.key()?;
                            open.push(Open::Map(map, key));
                            break;
                        }
                        value = Value::Map(map);
                    }
                }
            }
        }
    }

    /// Reads a value, or the beginning of one that is still open.
    fn begin(&mut self, ctx: &mut Context<'_>, open: &mut Vec<Open>) -> Parsed<Option<Value>> {
        ctx.take(VALUE_BYTES).map_err(|limit| Failure::Other(limit.into()))?;
        self.skip_blanks();
        let byte = self.peek().ok_or_else(end_of_input)?;
        let value = match byte {
            b'[' | b'{' => {
                self.at += 1;
                if open.len() >= MAX_NESTING {
                    return Err(Failure::Syntax("exceeded max depth".to_owned()));
                }
                self.skip_blanks();
                let closes = if byte == b'[' { b']' } else { b'}' };
                let is_empty = self.peek() == Some(closes);
                self.at += usize::from(is_empty);
                match byte {
                    b'[' if is_empty => Value::List(List::new(Vec::new())),
                    _ if is_empty => Value::Map(Map::new()),
                    b'[' => {
                        open.push(Open::List(Vec::new()));
                        return Ok(None);
                    }
                    _ => {
                        let key = self.key()?;
                        open.push(Open::Map(Map::new(), key));
                        return Ok(None);
                    }
                }
            }
            b'"' => Value::String(self.string()?),
            b't' => self.word("true", Value::Bool(true))?,
            b'f' => self.word("false", Value::Bool(false))?,
            b'n' => self.word("null", Value::Nil)?,
            b'-' | b'0'..=b'9' => self.number()?,
            _ => return Err(self.unexpected("looking for beginning of value")),
        };
        Ok(Some(value))
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// What is wrong with the next byte. At the end of the text Go looks at a blank instead.
    fn unexpected(&self, context: &str) -> Failure {
        let byte = self.peek().unwrap_or(b' ');
        let shown = match byte {
            b'\'' => r"\'".to_owned(),
            b'"' => "\"".to_owned(),
            _ => quote(char::from(byte).to_string()).trim_matches('"').to_owned(),
        };
        Failure::Syntax(format!("invalid character '{shown}' {context}"))
    }

    /// Whether a comma comes before the end of a list or map.
    fn comma_or(&mut self, close: u8, context: &str) -> Parsed<bool> {
        self.skip_blanks();
        match self.peek() {
            None => Err(end_of_input()),
            Some(byte) if byte == b',' || byte == close => {
                self.at += 1;
                Ok(byte == b',')
            }
            Some(_) => Err(self.unexpected(context)),
        }
    }

    /// A key and its colon.
    fn key(&mut self) -> Parsed<Str> {
        self.skip_blanks();
        match self.peek() {
            None => return Err(end_of_input()),
            Some(b'"') => {}
            Some(_) => return Err(self.unexpected("looking for beginning of object key string")),
        }
        let key = self.string()?;
        self.skip_blanks();
        match self.peek() {
            None => Err(end_of_input()),
            Some(b':') => {
                self.at += 1;
                Ok(key)
            }
            Some(_) => Err(self.unexpected("after object key")),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Parsed<Value> {
        for expected in word.bytes() {
            if self.peek() != Some(expected) {
                let expected = char::from(expected);
                return Err(self.unexpected(&format!("in literal {word} (expecting '{expected}')")));
            }
            self.at += 1;
        }
        Ok(value)
    }

    fn number(&mut self) -> Parsed<Value> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits("in numeric literal")?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits("in exponent of numeric literal")?;
        }
        let text = String::from_utf8_lossy(self.text.get(start..self.at).unwrap_or_default());
        let float = parse_float(&text);
        if float.is_none() && self.out_of_range.is_none() {
            let problem = format!("json: cannot unmarshal number {text} into Go value of type float64");
            self.out_of_range = Some(problem);
        }
        Ok(float.map_or(Value::Nil, Value::float64))
    }

    /// One digit or more.
    fn digits(&mut self, context: &str) -> Parsed<()> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.unexpected(context));
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Ok(())
    }

    /// A string, from its first quotation mark to its last.
    fn string(&mut self) -> Parsed<Str> {
        self.at += 1;
        let mut text = String::new();
        let mut start = self.at;
        loop {
            let byte = self.peek().ok_or_else(end_of_input)?;
            if !matches!(byte, b'"' | b'\\' | 0..=0x1F) {
                self.at += 1;
                continue;
            }
            text.push_str(&json_text(self.text.get(start..self.at).unwrap_or_default()));
            match byte {
                b'"' => {
                    self.at += 1;
                    return Ok(Str::from(text));
                }
                b'\\' => {
                    self.at += 1;
                    self.escape(&mut text)?;
                    start = self.at;
                }
                _ => return Err(self.unexpected("in string literal")),
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self, text: &mut String) -> Parsed<()> {
        // At the end of the text Go looks at a blank instead.
        let byte = self.peek().unwrap_or(b' ');
        let character = match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.at += 1;
                let character = self.code_point()?;
                text.push(character);
                return Ok(());
            }
            _ => return Err(self.unexpected("in string escape code")),
        };
        self.at += 1;
        text.push(character);
        Ok(())
    }

    /// Four hexadecimal digits, or twice four that together are one character.
    fn code_point(&mut self) -> Parsed<char> {
        let first = self.hexadecimal()?;
        if let Some(character) = char::from_u32(first) {
            return Ok(character);
        }
        let before = self.at;
        if first < 0xDC00 && self.text.get(self.at..self.at + 2) == Some(b"\\u") {
            self.at += 2;
            let second = self.hexadecimal()?;
            if (0xDC00..0xE000).contains(&second) {
                let code = 0x1_0000 + ((first - 0xD800) << 10 | (second - 0xDC00));
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = before;
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hexadecimal(&mut self) -> Parsed<u32> {
        let mut code = 0;
        for _ in 0..4 {
            let byte = self.peek().unwrap_or(b' ');
            let Some(digit) = char::from(byte).to_digit(16) else {
                return Err(self.unexpected("in \\u hexadecimal character escape"));
            };
            code = code << 4 | digit;
            self.at += 1;
        }
        Ok(code)
    }
}

fn end_of_input() -> Failure {
    Failure::Syntax("unexpected end of JSON input".to_owned())
}
