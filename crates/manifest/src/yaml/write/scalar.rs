//! Which style a scalar gets.

use std::borrow::Cow;

use super::Dialect;
use crate::yaml::node::Node;
use crate::yaml::number::{format_float, json_float};
use crate::yaml::resolve::{Meaning, resolve_plain};
use crate::yaml::timestamp::is_timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
}

/// The text of a scalar and how it is written where lines may break.
#[derive(Debug)]
pub(super) struct ScalarText<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) style: Style,
    is_multiline: bool,
}

impl<'a> ScalarText<'a> {
    /// Of anything but a collection.
    pub(super) fn of(node: &'a Node<'_>, dialect: Dialect) -> Self {
        let text = match node {
            Node::String(text) => return Self::of_string(text, dialect),
            Node::Boolean(true) => Cow::Borrowed("true"),
            Node::Boolean(false) => Cow::Borrowed("false"),
            Node::Integer(integer) => Cow::Owned(integer.to_string()),
            Node::Unsigned(unsigned) => Cow::Owned(unsigned.to_string()),
            Node::Float(float) => Cow::Owned(float_text(*float, dialect)),
            Node::Null | Node::Sequence(_) | Node::Mapping(_) => Cow::Borrowed("null"),
        };
        Self { text, style: Style::Plain, is_multiline: false }
    }

    pub(super) fn of_string(text: &'a str, dialect: Dialect) -> Self {
        let traits = Traits::of(text, dialect);
        let style = match () {
            () if text.contains('\n') && traits.literal_allowed() => Style::Literal,
            () if text.contains('\n') || !is_text_when_plain(text, dialect) => Style::DoubleQuoted,
            () if traits.plain_allowed() => Style::Plain,
            () if traits.single_quotes_allowed() => Style::SingleQuoted,
            () => Style::DoubleQuoted,
        };
        Self { text: Cow::Borrowed(text), style, is_multiline: traits.has_break }
    }

    pub(super) fn is_multiline(&self) -> bool {
        self.is_multiline
    }
}

/// sigs.k8s.io/yaml sends floats through JSON, after which a whole number is an integer.
fn float_text(float: f64, dialect: Dialect) -> String {
    match json_float(float) {
        Some(json) if dialect == Dialect::V2 && !json.is_f64() => json.to_string(),
        _ => format_float(float),
    }
}

/// Would a reader take this for text if it had no quotes?
fn is_text_when_plain(text: &str, dialect: Dialect) -> bool {
    let is_text = match resolve_plain(text) {
        Meaning::Text => !(text.starts_with(|first: char| first.is_ascii_digit()) && is_timestamp(text)),
        // go-yaml v3 reads these as text and quotes them all the same.
        _ => false,
    };
    is_text && !is_base_60(text) && !(dialect == Dialect::V3 && is_signed_octal_1_2(text))
}

/// go-yaml v3 also takes a sign after the prefix of an octal number.
fn is_signed_octal_1_2(text: &str) -> bool {
    let plain = text.replace('_', "");
    let digits = plain.strip_prefix("0o+").or_else(|| plain.strip_prefix("0o-"));
    let digits = digits.filter(|_| text.starts_with('0'));
    digits.is_some_and(|digits| {
        digits.starts_with(|first: char| first.is_digit(8)) && i64::from_str_radix(digits, 8).is_ok()
    })
}

/// YAML 1.1 has numbers like 190:20:30. go-yaml never reads but always quotes them.
fn is_base_60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut parts = unsigned.split(':');
    let whole = parts.next().unwrap_or_default();
    let is_whole = whole.starts_with(|first: char| first.is_ascii_digit())
        && whole.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let mut parts = parts.peekable();
    if !is_whole || parts.peek().is_none() {
        return false;
    }
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        let (digits, fraction) = match part.split_once('.') {
            Some((digits, fraction)) if is_last => (digits, fraction),
            _ => (part, ""),
        };
        let is_sixtieth = match digits.as_bytes() {
            [digit] => digit.is_ascii_digit(),
            [ten, digit] => matches!(ten, b'0'..=b'5') && digit.is_ascii_digit(),
            _ => false,
        };
        if !is_sixtieth || !fraction.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_') {
            return false;
        }
    }
    true
}

pub(super) fn is_break(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Characters that need no escape. go-yaml escapes all beyond the basic plane.
pub(super) fn is_printable(character: char) -> bool {
    matches!(character, '\n' | ' '..='~' | '\u{A0}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}')
        && character != '\u{FEFF}'
}

/// What a text has that rules styles out.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent observations")]
struct Traits {
    has_indicator: bool,
    has_break: bool,
    has_tab: bool,
    has_special: bool,
    edge_blank_or_break: bool,
    ends_with_blank: bool,
    break_before_blank: bool,
    blank_before_break: bool,
}

impl Traits {
    fn of(text: &str, dialect: Dialect) -> Self {
        if is_word(text) {
            return Self::default();
        }
        let mut traits = Self {
            has_indicator: text.starts_with("---") || text.starts_with("..."),
            ends_with_blank: text.ends_with(' '),
            edge_blank_or_break: text.starts_with(|first| first == ' ' || is_break(first))
                || text.ends_with(|last| last == ' ' || is_break(last)),
            ..Self::default()
        };
        let mut previous = None;
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            let blank_follows = characters.peek().is_none_or(|next| matches!(next, ' ' | '\t'));
            traits.has_indicator |= is_indicator(previous, character, blank_follows);
            match character {
                '\t' if dialect == Dialect::V3 => traits.has_tab = true,
                _ if !is_printable(character) => traits.has_special = true,
                _ => {}
            }
            if is_break(character) {
                traits.has_break = true;
                traits.blank_before_break |= previous == Some(' ');
            }
            traits.break_before_blank |= character == ' ' && previous.is_some_and(is_break);
            previous = Some(character);
        }
        traits
    }

    fn plain_allowed(&self) -> bool {
        !self.has_indicator && !self.edge_blank_or_break && !self.has_break && self.single_quotes_allowed()
    }

    fn single_quotes_allowed(&self) -> bool {
        !self.break_before_blank && !self.blank_before_break && !self.has_special && !self.has_tab
    }

    fn literal_allowed(&self) -> bool {
        !self.ends_with_blank && !self.blank_before_break && !self.has_special
    }
}

/// Is this one of the many texts that have nothing in them to be careful about?
fn is_word(text: &str) -> bool {
    let ordinary = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'/' | b'-' | b'=' | b'+' | b'$')
    };
    text.starts_with(|first: char| first.is_ascii_alphanumeric()) && text.bytes().all(ordinary)
}

/// Would the character mean something else than itself in a plain scalar of a block?
fn is_indicator(previous: Option<char>, character: char, blank_follows: bool) -> bool {
    match character {
        ':' => blank_follows,
        '#' => previous.is_none_or(|previous| matches!(previous, ' ' | '\t' | '\0') || is_break(previous)),
        '?' | '-' => previous.is_none() && blank_follows,
        ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => {
            previous.is_none()
        }
        _ => false,
    }
}
