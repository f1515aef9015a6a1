//! What a plain scalar means: YAML 1.1 as go-yaml v2 reads it.

use super::number::{parse_decimal, parse_go_float, parse_integer};
use super::timestamp::is_timestamp;
use super::tree::Tag;

/// A scalar with a type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Meaning {
    Null,
    Boolean(bool),
    Integer(i64),
    /// Beyond the range of [`Meaning::Integer`].
    Unsigned(u64),
    Float(f64),
    /// The text itself. Timestamps are text, too.
    Text,
    /// Text that is base64.
    Binary,
}

/// The meaning of a scalar with an optional tag; `None` when the text does not fit the tag.
pub(super) fn resolve(tag: Option<Tag>, text: &str) -> Option<Meaning> {
    match tag {
        None => Some(resolve_plain(text)),
        Some(Tag::Text | Tag::Merge | Tag::Other) => Some(Meaning::Text),
        Some(Tag::Binary) => Some(Meaning::Binary),
        Some(Tag::Timestamp) => is_timestamp(text).then_some(Meaning::Text),
        Some(tag) => match (tag, resolve_plain(text)) {
            (Tag::Null, Meaning::Null) => Some(Meaning::Null),
            (Tag::Boolean, meaning @ Meaning::Boolean(_))
            | (Tag::Integer, meaning @ (Meaning::Integer(_) | Meaning::Unsigned(_)))
            | (Tag::Float, meaning @ Meaning::Float(_)) => Some(meaning),
            #[expect(clippy::cast_precision_loss, reason = "that is what the tag asks for")]
            (Tag::Float, Meaning::Integer(integer)) => Some(Meaning::Float(integer as f64)),
            _ => None,
        },
    }
}

/// The meaning of a scalar without quotes and tag.
pub(super) fn resolve_plain(text: &str) -> Meaning {
    let Some(first) = text.bytes().next() else {
        return Meaning::Null;
    };
    match first {
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => resolve_word(text),
        b'.' => match special_float(text) {
            Some(float) => Meaning::Float(float),
            None => parse_go_float(text).map_or(Meaning::Text, Meaning::Float),
        },
        b'+' | b'-' | b'0'..=b'9' => match special_float(text) {
            Some(float) => Meaning::Float(float),
            None => resolve_number(text),
        },
        _ => Meaning::Text,
    }
}

fn resolve_word(text: &str) -> Meaning {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Meaning::Boolean(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Meaning::Boolean(false)
        }
        "~" | "null" | "Null" | "NULL" => Meaning::Null,
        _ => Meaning::Text,
    }
}

fn special_float(text: &str) -> Option<f64> {
    match text {
        ".nan" | ".NaN" | ".NAN" => Some(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Some(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// Underscores may stand anywhere after the first character and mean nothing.
fn resolve_number(text: &str) -> Meaning {
    let stripped;
    let plain = if text.contains('_') {
        stripped = text.replace('_', "");
        stripped.as_str()
    } else {
        text
    };
    parse_integer(plain).or_else(|| parse_decimal(plain).map(Meaning::Float)).unwrap_or(Meaning::Text)
}
