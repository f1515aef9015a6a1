//! Bytes to text: encodings, and the characters that YAML allows.

use std::borrow::Cow;

use super::error::{Error, Problem};
use super::scanner::error_at;
use super::token::Mark;

/// The text without its byte order mark, all of it characters that may stand in YAML.
pub(super) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, Error> {
    let text = match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => Cow::Borrowed(decode_utf8(rest)?),
        [0xFF, 0xFE, rest @ ..] => Cow::Owned(decode_utf16(rest, u16::from_le_bytes)?),
        [0xFE, 0xFF, rest @ ..] => Cow::Owned(decode_utf16(rest, u16::from_be_bytes)?),
        _ => Cow::Borrowed(decode_utf8(bytes)?),
    };
    // Piece by piece: without a branch for each byte, many bytes are looked at together.
    let piece_needs_look = |piece: &[u8]| piece.iter().fold(false, |found, byte| found | needs_look(*byte));
    match text.as_bytes().chunks(PIECE).position(piece_needs_look) {
        None => Ok(text),
        Some(piece) => {
            let first = text.bytes().skip(piece * PIECE).position(needs_look).unwrap_or_default();
            check_characters(&text, piece * PIECE + first).map(|()| text)
        }
    }
}

/// Bytes that are looked at together.
const PIECE: usize = 64;

fn decode_utf8(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = bytes.get(..error.valid_up_to()).and_then(|valid| std::str::from_utf8(valid).ok());
        let text = valid.unwrap_or_default();
        error_at(text, mark_at(text, text.len()), Problem::Syntax("this is not UTF-8".to_owned()))
    })
}

fn decode_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, Error> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(pairs.len());
    for character in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        match character {
            Ok(character) => text.push(character),
            Err(_) => return Err(not_utf16(&text)),
        }
    }
    if rest.is_empty() { Ok(text) } else { Err(not_utf16(&text)) }
}

fn not_utf16(text: &str) -> Error {
    error_at(text, mark_at(text, text.len()), Problem::Syntax("this is not UTF-16".to_owned()))
}

/// Bytes that control characters and non-characters begin with.
fn needs_look(byte: u8) -> bool {
    (byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) || matches!(byte, 0x7F | 0xC2 | 0xEF)
}

fn check_characters(text: &str, first: usize) -> Result<(), Error> {
    let rest = text.get(first..).unwrap_or_default();
    let Some((offset, character)) = rest.char_indices().find(|(_, character)| !is_allowed(*character)) else {
        return Ok(());
    };
    let message = format!(
        "the character U+{:04X} cannot stand in YAML; escape it in double quotes",
        u32::from(character)
    );
    Err(error_at(text, mark_at(text, first + offset), Problem::Syntax(message)))
}

/// YAML 1.1: printable characters.
pub(super) fn is_allowed(character: char) -> bool {
    matches!(character,
        '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{A0}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}'
        | '\u{10000}'..='\u{10FFFF}')
}

fn mark_at(text: &str, offset: usize) -> Mark {
    let before = text.as_bytes().get(..offset).unwrap_or_default();
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let lines = before.split(|byte| *byte == b'\n').count() - 1;
    Mark {
        offset,
        line: u32::try_from(lines).unwrap_or(u32::MAX),
        column: u32::try_from(offset - line_start).unwrap_or(u32::MAX),
    }
}
