//! Go's string and character literals.

use std::borrow::Cow;

use crate::unicode;

/// The value of a string literal in double or back quotes. `None` if it is not valid.
pub(super) fn unquote(source: &[u8]) -> Option<Cow<'_, [u8]>> {
    let quote = *source.first()?;
    let inner = source.get(1..source.len().checked_sub(1)?)?;
    if quote == b'`' {
        if !inner.contains(&b'\r') {
            return Some(Cow::Borrowed(inner));
        }
        return Some(Cow::Owned(inner.iter().copied().filter(|byte| *byte != b'\r').collect()));
    }
    if memchr::memchr2(b'\\', b'\n', inner).is_none() && std::str::from_utf8(inner).is_ok() {
        return Some(Cow::Borrowed(inner));
    }
    let mut value = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while !rest.is_empty() {
        if rest.first() == Some(&b'\n') {
            return None;
        }
        let (unquoted, tail) = unquote_char(rest, quote)?;
        match unquoted {
            Unquoted::Byte(byte) => value.push(byte),
            Unquoted::Char(character) => {
                value.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        rest = tail;
    }
    Some(Cow::Owned(value))
}

/// A character of a literal. An escape may stand for a byte that is no character by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unquoted {
    Byte(u8),
    Char(char),
}

impl Unquoted {
    pub(super) fn code(self) -> u32 {
        match self {
            Self::Byte(byte) => u32::from(byte),
            Self::Char(character) => u32::from(character),
        }
    }
}

/// The first character of a literal's inside, and what follows it.
pub(super) fn unquote_char(text: &[u8], quote: u8) -> Option<(Unquoted, &[u8])> {
    let (first, rest) = text.split_first()?;
    if *first == quote && matches!(quote, b'\'' | b'"') {
        return None;
    }
    if *first >= 0x80 {
        let (character, width) = unicode::decode(text);
        return Some((Unquoted::Char(character), text.get(width..)?));
    }
    if *first != b'\\' {
        return Some((Unquoted::Byte(*first), rest));
    }
    let (escape, rest) = rest.split_first()?;
    let byte = match escape {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0C,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0B,
        b'\\' => b'\\',
        b'\'' | b'"' if *escape == quote => quote,
        b'x' => {
            return hex(rest, 2)
                .and_then(|(code, rest)| Some((Unquoted::Byte(u8::try_from(code).ok()?), rest)));
        }
        b'u' => {
            return hex(rest, 4).and_then(|(code, rest)| Some((Unquoted::Char(char::from_u32(code)?), rest)));
        }
        b'U' => {
            return hex(rest, 8).and_then(|(code, rest)| Some((Unquoted::Char(char::from_u32(code)?), rest)));
        }
        b'0'..=b'7' => return octal(*escape, rest),
        _ => return None,
    };
    Some((Unquoted::Byte(byte), rest))
}

fn hex(text: &[u8], digits: usize) -> Option<(u32, &[u8])> {
    let mut code: u32 = 0;
    for byte in text.get(..digits)? {
        code = code.wrapping_shl(4) | char::from(*byte).to_digit(16)?;
    }
    Some((code, text.get(digits..)?))
}

fn octal(first: u8, text: &[u8]) -> Option<(Unquoted, &[u8])> {
    let mut code = u32::from(first - b'0');
    for byte in text.get(..2)? {
        code = code << 3 | char::from(*byte).to_digit(8)?;
    }
    Some((Unquoted::Byte(u8::try_from(code).ok()?), text.get(2..)?))
}
