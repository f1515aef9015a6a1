//! Values to TOML, laid out as BurntSushi's library does it: of every table first the plain keys, then the tables.

use gotemplate::{Context, FunctionError, Kind, Limit, Str, Value, print_float};

use super::super::dates::to_toml;
use super::super::support::elements;
use crate::value::Budget;

/// Values inside one another that are written at most.
const MAX_NESTING: u32 = 250;

/// Bytes that a value needs besides its text, roughly.
const VALUE_BYTES: usize = 32;

/// Why nothing was written.
enum Failure {
    /// Go's message.
    Message(String),
    Limit(Limit),
}

impl From<Limit> for Failure {
    fn from(limit: Limit) -> Self {
        Self::Limit(limit)
    }
}

type Written = Result<(), Failure>;

fn message<T>(text: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Message(text.into()))
}

/// The text, or the message of Go's library.
pub(super) fn write(ctx: &mut Context<'_>, value: &Value) -> Result<Result<Vec<u8>, String>, FunctionError> {
    if matches!(value, Value::Nil) {
        return Err(FunctionError::new("reflect: call of reflect.Value.Type on zero Value"));
    }
    let mut writer = Writer { budget: ctx, out: Vec::new(), path: Vec::new(), depth: 0 };
    match writer.entry(value) {
        Ok(()) => Ok(Ok(writer.out)),
        Err(Failure::Message(message)) => Ok(Err(message)),
        Err(Failure::Limit(limit)) => Err(limit.into()),
    }
}

/// What a value is for the layout.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Nothing,
    Plain,
    Table,
    /// A list of nothing but tables, which is not empty.
    Tables,
}

impl Sort {
    fn is_table(self) -> bool {
        matches!(self, Self::Table | Self::Tables)
    }
}

struct Writer<'c, B> {
    budget: &'c mut B,
    out: Vec<u8>,
    /// The keys that lead to the current value, as they are written.
    path: Vec<Vec<u8>>,
    depth: u32,
}

impl<B: Budget> Writer<'_, B> {
    /// A value under the current path.
    fn entry(&mut self, value: &Value) -> Written {
        self.budget.take(VALUE_BYTES + 2 * self.path.len())?;
        if self.path.is_empty() && matches!(value, Value::Complex(..) | Value::Func(_)) {
            return message(format!("unsupported type for key '': {}", value.kind()));
        }
        match self.sort(value)? {
            Sort::Nothing if self.path.is_empty() && value.kind() == Kind::Slice => self.inline(value),
            Sort::Nothing => Ok(()),
            Sort::Tables => self.tables(value),
            Sort::Table => {
                if self.path.len() == 1 {
                    self.line();
                }
                if !self.path.is_empty() {
                    self.header("[", "]");
                }
                self.nested(|writer| writer.table(value))
            }
            Sort::Plain => {
                if let Some(key) = self.path.last().cloned() {
                    self.indent();
                    self.out.extend_from_slice(&key);
                    self.out.extend_from_slice(b" = ");
                    self.inline(value)?;
                    self.line();
                    return Ok(());
                }
                self.inline(value)
            }
        }
    }

    fn nested(&mut self, inner: impl FnOnce(&mut Self) -> Written) -> Written {
        if self.depth >= MAX_NESTING {
            return Err(Failure::Limit(Limit::Nesting(MAX_NESTING)));
        }
        self.depth += 1;
        inner(self)?;
        self.depth -= 1;
        Ok(())
    }

    /// Ends a line, but does not begin the text with an empty one.
    fn line(&mut self) {
        if !self.out.is_empty() {
            self.out.push(b'\n');
        }
    }

    fn indent(&mut self) {
        let levels = self.path.len().saturating_sub(1);
        self.out.resize(self.out.len() + 2 * levels, b' ');
    }

    fn header(&mut self, open: &str, close: &str) {
        self.indent();
        self.out.extend_from_slice(open.as_bytes());
        self.out.extend_from_slice(&self.path.join(b".".as_slice()));
        self.out.extend_from_slice(close.as_bytes());
        self.line();
    }

    fn tables(&mut self, list: &Value) -> Written {
        if self.path.is_empty() {
            return message("toml: top-level values must be Go maps or structs");
        }
        for item in elements(list).unwrap_or_default().iter() {
            if matches!(item, Value::TypedNil(_)) {
                continue;
            }
            self.line();
            self.header("[[", "]]");
            self.nested(|writer| writer.table(item))?;
        }
        Ok(())
    }

    /// Plain keys before tables; nils are left out.
    fn table(&mut self, table: &Value) -> Written {
        let (plain, tables) = self.entries(table)?;
        for (key, value) in plain.into_iter().chain(tables) {
            if value.is_nil() {
                continue;
            }
            self.budget.take(key.len() * (self.path.len() + 1))?;
            self.path.push(written_key(&key));
            self.entry(&value)?;
            self.path.pop();
        }
        Ok(())
    }

    /// The entries with plain values, and those with tables.
    #[expect(clippy::type_complexity, reason = "two lists of entries")]
    fn entries(&mut self, table: &Value) -> Result<(Vec<(Str, Value)>, Vec<(Str, Value)>), Failure> {
        let entries = match table {
            Value::Native(native) if table.as_map().is_none() => {
                let is_exported = |name: &str| name.starts_with(char::is_uppercase);
                let fields = native.fields().into_iter().filter(|(name, _)| is_exported(name));
                fields.map(|(name, value)| (Str::from(name), value)).collect()
            }
            _ => table.as_map().map(|map| map.entries()).unwrap_or_default(),
        };
        let (mut plain, mut tables) = (Vec::new(), Vec::new());
        for (key, value) in entries {
            let list = if self.sort(&value)?.is_table() { &mut tables } else { &mut plain };
            list.push((key, value));
        }
        Ok((plain, tables))
    }

    fn sort(&mut self, value: &Value) -> Result<Sort, Failure> {
        self.budget.take(0)?;
        Ok(match value {
            Value::Nil | Value::TypedNil(_) => Sort::Nothing,
            Value::Complex(..) | Value::Func(_) => {
                return message(format!("unsupported type: {}", value.kind()));
            }
            Value::Map(_) => Sort::Table,
            Value::Native(native) if native.to_json().is_some() => Sort::Plain,
            Value::Native(native) => match native.underlying() {
                Some(plain) => self.sort(&plain)?,
                None => Sort::Table,
            },
            Value::List(list) => {
                let mut only_tables = !list.is_empty();
                for item in list {
                    let mut sort = Sort::Nothing;
                    self.nested(|writer| {
                        sort = writer.sort(item)?;
                        Ok(())
                    })?;
                    if sort == Sort::Nothing {
                        return message("toml: cannot encode array with nil element");
                    }
                    only_tables &= sort == Sort::Table;
                }
                if only_tables { Sort::Tables } else { Sort::Plain }
            }
            _ => Sort::Plain,
        })
    }

    /// A value on the line of its key.
    fn inline(&mut self, value: &Value) -> Written {
        self.budget.take(VALUE_BYTES)?;
        match value {
            Value::Bool(_) | Value::Int(..) | Value::Uint(..) => {
                self.out.extend_from_slice(value.to_string().as_bytes());
            }
            Value::Float(_, float) => self.out.extend_from_slice(float_text(*float).as_bytes()),
            Value::String(text) => {
                self.budget.take(text.len())?;
                push_quoted(&mut self.out, text);
            }
            Value::List(_) | Value::Bytes(_) => self.nested(|writer| writer.inline_list(value))?,
            Value::Map(_) => self.nested(|writer| writer.inline_table(value))?,
            Value::TypedNil(typ) if typ.kind() == Kind::Slice => self.out.extend_from_slice(b"[]"),
            Value::Native(native) => {
                if let Some(time) = to_toml(value) {
                    self.out.extend_from_slice(&time);
                } else if let Some(Value::String(text)) = native.to_json() {
                    push_quoted(&mut self.out, &text);
                } else if let Some(plain) = native.underlying() {
                    return self.nested(|writer| writer.inline(&plain));
                } else {
                    return self.nested(|writer| writer.inline_table(value));
                }
            }
            // Nothing else is sorted as something that is written.
            _ => {}
        }
        Ok(())
    }

    fn inline_list(&mut self, list: &Value) -> Written {
        self.out.push(b'[');
        for (index, item) in elements(list).unwrap_or_default().iter().enumerate() {
            if index > 0 {
                self.out.extend_from_slice(b", ");
            }
            self.inline(item)?;
        }
        self.out.push(b']');
        Ok(())
    }

    fn inline_table(&mut self, table: &Value) -> Written {
        let (plain, tables) = self.entries(table)?;
        self.out.push(b'{');
        for (entries, more_follow) in [(&plain, !tables.is_empty()), (&tables, false)] {
            for (index, (key, value)) in entries.iter().enumerate() {
                if value.is_nil() {
                    continue;
                }
                self.out.extend_from_slice(&written_key(key));
                self.out.extend_from_slice(b" = ");
                self.inline(value)?;
                if more_follow || index + 1 < entries.len() {
                    self.out.extend_from_slice(b", ");
                }
            }
        }
        self.out.push(b'}');
        Ok(())
    }
}

fn written_key(key: &[u8]) -> Vec<u8> {
    let is_bare = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !key.is_empty() && key.iter().all(is_bare) {
        return key.to_vec();
    }
    let mut quoted = Vec::with_capacity(key.len() + 2);
    push_quoted(&mut quoted, key);
    quoted
}

fn push_quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for byte in text {
        match byte {
            b'\t' => out.extend_from_slice(br"\t"),
            b'\n' => out.extend_from_slice(br"\n"),
            b'\r' => out.extend_from_slice(br"\r"),
            b'"' => out.extend_from_slice(br#"\""#),
            b'\\' => out.extend_from_slice(br"\\"),
            0x08 => out.extend_from_slice(br"\b"),
            0x0C => out.extend_from_slice(br"\f"),
            0..=0x1F | 0x7F => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(*byte),
        }
    }
    out.push(b'"');
}

/// A whole number gets a fraction, so that it stays a float.
fn float_text(float: f64) -> String {
    if !float.is_finite() {
        let word = if float.is_nan() { "nan" } else { "inf" };
        return if float.is_sign_negative() && float.is_infinite() {
            format!("-{word}")
        } else {
            word.to_owned()
        };
    }
    let text = print_float(float);
    if text.contains(['e', '.']) { text } else { format!("{text}.0") }
}
