//! Values to YAML, byte for byte as go-yaml writes them: v2 for Helm's `toYaml`, v3 for `toYamlPretty`.

mod keys;
mod scalar;
mod text;

use std::borrow::Cow;
use std::fmt::Write as _;

use self::keys::sort_keys;
use self::scalar::ScalarText;
use super::error::{Error, Problem};
use super::node::Node;
use super::reader::read_first;
use super::{Limits, input};

/// Columns by which a block is further in than what it belongs to.
const INDENT: usize = 2;
/// Keys of more bytes than this get a line of their own, after a question mark.
const MAX_KEY_LENGTH: usize = 128;
/// JSON text of keys from this length on may be too long for the YAML reader (1024 characters).
const SUSPICIOUS_KEY_LENGTH: usize = 150;

/// Which library's habits to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// go-yaml v2 behind sigs.k8s.io/yaml: lines folded at 80 columns, lists at the column of their key.
    V2,
    /// go-yaml v3 with an indentation of 2: no folding, lists further in.
    V3,
}

/// Writes YAML as sigs.k8s.io/yaml does (Helm's `toYaml`), with a line feed at the end.
///
/// Where that fails, because its detour through JSON makes text that its own reader refuses (see [`to_yaml`]), this
/// escapes the characters in question instead.
pub fn write<'a>(value: impl Into<Node<'a>>) -> String {
    Emitter::new(Dialect::V2).document(&value.into())
}

/// Writes YAML as go-yaml v3 does with an indentation of two columns (Helm's `toYamlPretty`), with a line feed at the
/// end.
pub fn write_pretty<'a>(value: impl Into<Node<'a>>) -> String {
    Emitter::new(Dialect::V3).document(&value.into())
}

/// What `Marshal` of sigs.k8s.io/yaml gives, its failures included: control characters such as U+007F, keys of more
/// than about a thousand characters, infinities and NaN are errors, and U+0085 turns into a blank.
///
/// Helm's `toYaml` is this without the last line feed, and an empty text for an error.
pub fn to_yaml<'a>(value: impl Into<Node<'a>>) -> Result<String, Error> {
    let node = value.into();
    if survives_json(&node)? {
        return Ok(write(node));
    }
    let json = escaped(&node.to_json().to_string());
    let limits = Limits { bytes: usize::MAX, nodes: usize::MAX, ..Limits::default() };
    let read = read_first(json.as_bytes(), &limits, |_, _| true)?;
    Ok(write(&read.value))
}

/// JSON with the escapes of Go's `encoding/json`. They count in the length of a key, which the reader bounds.
fn escaped(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                // Writing to a string does not fail.
                let _ = write!(escaped, "\\u{:04x}", u32::from(character));
            }
            other => escaped.push(other),
        }
    }
    escaped
}

/// Is a value surely the same after it was written as JSON and read as YAML?
fn survives_json(node: &Node<'_>) -> Result<bool, Error> {
    let is_plain = |text: &str| {
        // Without a branch for each byte, many bytes are looked at together.
        let ordinary = text.bytes().fold(0, u8::max) < 0x7F;
        ordinary
            || text
                .chars()
                .all(|character| character < ' ' || (input::is_allowed(character) && character != '\u{85}'))
    };
    match node {
        Node::Float(float) if !float.is_finite() => {
            Err(Error::new(1, 1, Problem::Meaning("infinity and NaN cannot be said in JSON".to_owned())))
        }
        Node::String(text) => Ok(is_plain(text)),
        Node::Sequence(items) => {
            items.iter().try_fold(true, |survives, item| Ok(survives_json(item)? && survives))
        }
        Node::Mapping(entries) => entries.iter().try_fold(true, |survives, (key, value)| {
            let key_survives = key.len() < SUSPICIOUS_KEY_LENGTH && is_plain(key);
            Ok(survives_json(value)? && key_survives && survives)
        }),
        _ => Ok(true),
    }
}

/// What a node is part of, as far as its look depends on it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parent {
    /// The document or a list.
    Other,
    Mapping,
}

/// Writes text and keeps account of where it stands, by libyaml's rules.
struct Emitter {
    dialect: Dialect,
    out: String,
    /// Characters since the line began.
    column: usize,
    /// Was a blank written last, or something as good?
    after_blank: bool,
    /// Has this line nothing but indentation and indicators that indent?
    in_indentation: bool,
}

impl Emitter {
    fn new(dialect: Dialect) -> Self {
        Self { dialect, out: String::new(), column: 0, after_blank: true, in_indentation: true }
    }

    fn document(mut self, node: &Node<'_>) -> String {
        self.node(node, None, Parent::Other);
        self.write_indent(0);
        self.out
    }

    /// Writes a node that belongs to a block at column `indent`; the document belongs to none.
    fn node(&mut self, node: &Node<'_>, indent: Option<usize>, parent: Parent) {
        match node {
            Node::Sequence(items) if items.is_empty() => self.empty("[", "]"),
            Node::Mapping(entries) if entries.is_empty() => self.empty("{", "}"),
            Node::Sequence(items) => self.sequence(items, indent, parent),
            Node::Mapping(entries) => self.mapping(entries, indent),
            scalar => {
                let text = ScalarText::of(scalar, self.dialect);
                self.scalar(&text, indent, Parent::Other);
            }
        }
    }

    fn empty(&mut self, open: &str, close: &str) {
        self.write_indicator(open, true, false);
        self.after_blank = true;
        self.write_indicator(close, false, false);
    }

    fn sequence(&mut self, items: &[Node<'_>], indent: Option<usize>, parent: Parent) {
        let at_column_of_key =
            self.dialect == Dialect::V2 && parent == Parent::Mapping && !self.in_indentation;
        let step = if at_column_of_key { 0 } else { INDENT };
        let indent = indent.map_or(0, |indent| indent + step);
        for item in items {
            self.write_indent(indent);
            self.write_indicator("-", true, true);
            self.node(item, Some(indent), Parent::Other);
        }
    }

    fn mapping(&mut self, entries: &[(Cow<'_, str>, Node<'_>)], indent: Option<usize>) {
        let indent = indent.map_or(0, |indent| indent + INDENT);
        for (key, value) in sort_keys(entries, self.dialect) {
            let text = ScalarText::of_string(key, self.dialect);
            self.write_indent(indent);
            if !text.is_multiline() && key.len() <= MAX_KEY_LENGTH {
                self.scalar(&text, Some(indent), Parent::Mapping);
                self.write_indicator(":", false, false);
            } else {
                self.write_indicator("?", true, true);
                self.scalar(&text, Some(indent), Parent::Other);
                self.write_indent(indent);
                self.write_indicator(":", true, true);
            }
            self.node(value, Some(indent), Parent::Mapping);
        }
    }

    /// Begins a line at column `indent`, unless this is already one.
    fn write_indent(&mut self, indent: usize) {
        if !self.in_indentation || self.column > indent || (self.column == indent && !self.after_blank) {
            self.write_break();
        }
        let blanks = indent.saturating_sub(self.column);
        self.out.extend(std::iter::repeat_n(' ', blanks));
        self.column += blanks;
        self.after_blank = true;
        if self.dialect == Dialect::V2 {
            self.in_indentation = true;
        }
    }

    fn write_indicator(&mut self, indicator: &str, needs_blank: bool, indents: bool) {
        if needs_blank && !self.after_blank {
            self.push(' ');
        }
        self.push_all(indicator);
        self.after_blank = false;
        self.in_indentation = self.in_indentation && indents;
    }

    fn write_break(&mut self) {
        self.out.push('\n');
        self.begin_line();
    }

    fn begin_line(&mut self) {
        self.column = 0;
        if self.dialect == Dialect::V3 {
            self.in_indentation = true;
        }
    }

    fn push(&mut self, character: char) {
        self.out.push(character);
        self.column += 1;
    }

    /// Writes text that has no line break.
    fn push_all(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += if text.is_ascii() { text.len() } else { text.chars().count() };
    }
}
