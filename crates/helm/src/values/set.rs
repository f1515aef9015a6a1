//! The language of `--set` and its kin: `a.b[0].c=v,d={x,y}`, a backslash before what is meant literally.
//!
//! Helm 4.3.1: `pkg/strvals`, with its errors, also those that come from Go's type assertions.

use gotemplate::{List, Map, Value, quote};
use serde_json::Value as Json;

use crate::value::from_json;

/// How the text after `=` is read.
#[derive(Clone, Copy)]
pub(super) enum Kind<'a> {
    /// Booleans, null and integers are what they look like.
    Typed,
    /// Everything is text.
    Text,
    /// A JSON value, or null if there is nothing.
    Json,
    /// The content of the file that is named.
    File(&'a dyn Fn(&str) -> Result<Vec<u8>, String>),
    /// Text up to the end, where nothing is special.
    Literal,
}

/// Names inside one another.
const MAX_NESTING: usize = 30;
const MAX_INDEX: i64 = 65_536;

/// Sets what a text says in `values`.
pub(super) fn apply(text: &str, kind: Kind<'_>, values: &Map) -> Result<(), String> {
    let mut parser = Parser { rest: text, kind };
    loop {
        match parser.key(values, 0) {
            Ok(()) => {}
            Err(Stop::End) => return Ok(()),
            Err(Stop::Problem(message)) => return Err(message),
        }
    }
}

/// Why the parser went no further.
enum Stop {
    /// The text is at its end.
    End,
    Problem(String),
}

impl From<String> for Stop {
    fn from(message: String) -> Self {
        Self::Problem(message)
    }
}

struct Parser<'a> {
    rest: &'a str,
    kind: Kind<'a>,
}

impl Parser<'_> {
    fn is_literal(&self) -> bool {
        matches!(self.kind, Kind::Literal)
    }

    fn next(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let next = characters.next();
        self.rest = characters.as_str();
        next
    }

    /// Text up to one of `stops`, and which one it was; `None` at the end of the text.
    fn until(&mut self, stops: &[char]) -> (String, Option<char>) {
        let mut text = String::new();
        while let Some(character) = self.next() {
            if stops.contains(&character) {
                return (text, Some(character));
            }
            if character == '\\' && !self.is_literal() {
                match self.next() {
                    Some(escaped) => text.push(escaped),
                    None => break,
                }
            } else {
                text.push(character);
            }
        }
        (text, None)
    }

    fn key(&mut self, data: &Map, nesting: usize) -> Result<(), Stop> {
        let stops: &[char] = if self.is_literal() { &['=', '[', '.'] } else { &['=', '[', ',', '.'] };
        let (key, stop) = self.until(stops);
        match stop {
            None if key.is_empty() => Err(Stop::End),
            None => Err(format!("key {} has no value", quote(&key)).into()),
            Some('[') => {
                let index = self.index()?;
                let mut list = match data.get(&key) {
                    None => Vec::new(),
                    Some(Value::List(list)) => list.as_slice().to_vec(),
                    Some(other) => return Err(not_a("[]interface {}", &other)),
                };
                let result = self.list_item(&mut list, index, nesting);
                set(data, &key, Value::from(list));
                result
            }
            Some('=') => self.value_of(data, &key),
            Some(',') => {
                set(data, &key, Value::from(""));
                Err(format!("key {} has no value (cannot end with ,)", quote(&key)).into())
            }
            Some(_) => self.inner(data, &key, nesting + 1),
        }
    }

    /// What stands after a point.
    fn inner(&mut self, data: &Map, key: &str, nesting: usize) -> Result<(), Stop> {
        if nesting > MAX_NESTING {
            return Err(format!(
                "value name nested level is greater than maximum supported nested level of {MAX_NESTING}"
            )
            .into());
        }
        let inner = match data.get(key) {
            None => Map::new(),
            Some(Value::Map(inner)) => inner,
            Some(other) => return Err(not_a("map[string]interface {}", &other)),
        };
        let result = self.key(&inner, nesting);
        if result.is_ok() && inner.is_empty() {
            return Err(format!("key map {} has no value", quote(key)).into());
        }
        if !inner.is_empty() {
            set(data, key, Value::Map(inner));
        }
        result
    }

    /// What stands after `=`, for a key of a map.
    fn value_of(&mut self, data: &Map, key: &str) -> Result<(), Stop> {
        if self.is_literal() {
            set(data, key, Value::from(std::mem::take(&mut self.rest)));
            return Ok(());
        }
        if let Kind::Json = self.kind {
            let value = self.json()?;
            set(data, key, value);
            return Ok(());
        }
        match self.value() {
            Read::Value(value) => {
                set(data, key, value);
                Ok(())
            }
            Read::Nothing => {
                set(data, key, Value::from(""));
                Err(Stop::End)
            }
            Read::Wrong(message) => Err(message.into()),
            Read::NoFile(message) => {
                set(data, key, Value::Nil);
                Err(message.into())
            }
        }
    }

    /// What stands after an index.
    fn list_item(&mut self, list: &mut Vec<Value>, index: i64, nesting: usize) -> Result<(), Stop> {
        if index < 0 {
            return Err(format!("negative {index} index not allowed").into());
        }
        let (text, stop) = self.until(&['[', '.', '=']);
        if !text.is_empty() {
            return Err(format!("unexpected data at end of array index: {}", quote(&text)).into());
        }
        let position = usize::try_from(index).unwrap_or(usize::MAX);
        match stop {
            None => Err(Stop::End),
            Some('=') => {
                let value = if self.is_literal() {
                    Value::from(std::mem::take(&mut self.rest))
                } else if let Kind::Json = self.kind {
                    self.json()?
                } else {
                    match self.value() {
                        Read::Value(value) => value,
                        Read::Nothing => Value::from(""),
                        Read::Wrong(message) | Read::NoFile(message) => return Err(message.into()),
                    }
                };
                Ok(set_index(list, index, value)?)
            }
            Some('[') => {
                let inner_index = self.index()?;
                let mut inner = match list.get(position) {
                    None | Some(Value::Nil) => Vec::new(),
                    Some(Value::List(inner)) => inner.as_slice().to_vec(),
                    Some(other) => return Err(not_a("[]interface {}", other)),
                };
                self.list_item(&mut inner, inner_index, nesting)?;
                Ok(set_index(list, index, Value::from(inner))?)
            }
            Some(_) => {
                let inner = match list.get_mut(position) {
                    None => Map::new(),
                    Some(Value::Map(inner)) => inner.clone(),
                    Some(other) => {
                        let inner = Map::new();
                        *other = Value::Map(inner.clone());
                        inner
                    }
                };
                self.key(&inner, nesting)?;
                Ok(set_index(list, index, Value::Map(inner))?)
            }
        }
    }

    fn index(&mut self) -> Result<i64, Stop> {
        let (text, stop) = self.until(&[']']);
        let problem = |error: &str| Stop::Problem(format!("error parsing index: {error}"));
        if stop.is_none() {
            // Helm takes the missing bracket for the end of all.
            return Err(Stop::End);
        }
        text.parse().map_err(|error: std::num::ParseIntError| {
            let reason = match error.kind() {
                std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => {
                    "value out of range"
                }
                _ => "invalid syntax",
            };
            problem(&format!("strconv.Atoi: parsing {}: {reason}", quote(&text)))
        })
    }

    /// A JSON value, with the comma after it.
    fn json(&mut self) -> Result<Value, Stop> {
        if self.skip_empty() {
            return Ok(Value::Nil);
        }
        let mut values = serde_json::Deserializer::from_str(self.rest).into_iter::<Json>();
        match values.next() {
            Some(Ok(value)) => {
                let read = values.byte_offset();
                self.rest = self.rest.get(read..).unwrap_or_default();
                self.skip_empty();
                Ok(from_json(&value))
            }
            Some(Err(error)) => Err(error.to_string().into()),
            None => Err(Stop::End),
        }
    }

    /// Skips blanks and one comma; whether that or the end was all there was.
    fn skip_empty(&mut self) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(',') {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => self.rest.is_empty(),
        }
    }

    /// A list in braces or a single value, with the comma after it.
    fn value(&mut self) -> Read {
        if self.rest.is_empty() {
            return Read::Nothing;
        }
        if let Some(rest) = self.rest.strip_prefix('{') {
            self.rest = rest;
            return self.list();
        }
        let (text, _) = self.until(&[',']);
        match self.typed(&text) {
            Ok(value) => Read::Value(value),
            Err(message) => Read::NoFile(message),
        }
    }

    fn list(&mut self) -> Read {
        let mut items = Vec::new();
        loop {
            let (text, stop) = self.until(&[',', '}']);
            if stop.is_none() {
                return Read::Wrong("list must terminate with '}'".to_owned());
            }
            match self.typed(&text) {
                Ok(value) => items.push(value),
                Err(message) => return Read::Wrong(message),
            }
            if stop == Some('}') {
                self.rest = self.rest.strip_prefix(',').unwrap_or(self.rest);
                return Read::Value(Value::List(List::new(items)));
            }
        }
    }

    fn typed(&self, text: &str) -> Result<Value, String> {
        Ok(match self.kind {
            Kind::File(read) => Value::String(read(text)?.as_slice().into()),
            Kind::Typed => typed(text),
            _ => Value::from(text),
        })
    }
}

/// A value as it was read.
enum Read {
    Value(Value),
    /// The text ended before it.
    Nothing,
    Wrong(String),
    /// The file that it names could not be read.
    NoFile(String),
}

fn set(data: &Map, key: &str, value: Value) {
    if !key.is_empty() {
        data.insert(key, value);
    }
}

fn set_index(list: &mut Vec<Value>, index: i64, value: Value) -> Result<(), String> {
    if index > MAX_INDEX {
        return Err(format!("index of {index} is greater than maximum supported index of {MAX_INDEX}"));
    }
    let index = usize::try_from(index).unwrap_or_default();
    if list.len() <= index {
        list.resize(index + 1, Value::Nil);
    }
    if let Some(item) = list.get_mut(index) {
        *item = value;
    }
    Ok(())
}

/// What Go says when a value is not of the type that a path wants.
fn not_a(wanted: &str, found: &Value) -> Stop {
    let found = match found {
        Value::Nil => "nil".to_owned(),
        other => other.type_name(),
    };
    Stop::Problem(format!(
        "unable to parse key: interface conversion: interface {{}} is {found}, not {wanted}"
    ))
}

fn typed(text: &str) -> Value {
    if text.eq_ignore_ascii_case("true") {
        Value::Bool(true)
    } else if text.eq_ignore_ascii_case("false") {
        Value::Bool(false)
    } else if text.eq_ignore_ascii_case("null") {
        Value::Nil
    } else if text == "0" {
        Value::int64(0)
    } else {
        let integer = if text.starts_with('0') { None } else { text.parse().ok() };
        integer.map_or_else(|| Value::from(text), Value::int64)
    }
}
