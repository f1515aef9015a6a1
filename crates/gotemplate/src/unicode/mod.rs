//! UTF-8 as Go decodes it, and the classes of characters that Go tells apart.
//!
//! Go's tables are of an older Unicode than Rust's, and the difference shows in names and quoted strings.

mod tables;

/// The first character and its length; U+FFFD with length 1 for a byte that is not UTF-8, with 0 for no bytes.
#[inline]
pub(crate) fn decode(bytes: &[u8]) -> (char, usize) {
    match bytes.first() {
        None => (char::REPLACEMENT_CHARACTER, 0),
        Some(&byte) if byte < 0x80 => (char::from(byte), 1),
        Some(&byte) => decode_wide(byte, bytes).unwrap_or((char::REPLACEMENT_CHARACTER, 1)),
    }
}

fn decode_wide(first: u8, bytes: &[u8]) -> Option<(char, usize)> {
    let width = match first {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return None,
    };
    let text = std::str::from_utf8(bytes.get(..width)?).ok()?;
    Some((text.chars().next()?, width))
}

/// The last character and its length, as [`decode`].
pub(crate) fn decode_last(bytes: &[u8]) -> (char, usize) {
    let Some(last) = bytes.last() else {
        return (char::REPLACEMENT_CHARACTER, 0);
    };
    if *last < 0x80 {
        return (char::from(*last), 1);
    }
    for width in 2..=4 {
        let Some(start) = bytes.len().checked_sub(width) else {
            break;
        };
        let tail = bytes.get(start..).unwrap_or_default();
        if let (character, found) = decode(tail)
            && found == width
        {
            return (character, width);
        }
    }
    (char::REPLACEMENT_CHARACTER, 1)
}

/// The characters of a string; U+FFFD for every byte that is not UTF-8.
pub(crate) struct Runes<'a>(pub(crate) &'a [u8]);

impl Iterator for Runes<'_> {
    /// The character and its length in the source.
    type Item = (char, usize);

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let (character, width) = decode(self.0);
        self.0 = self.0.get(width..).unwrap_or_default();
        Some((character, width))
    }
}

/// The number of characters.
pub(crate) fn count(bytes: &[u8]) -> usize {
    if bytes.is_ascii() { bytes.len() } else { Runes(bytes).count() }
}

/// Go's `unicode.IsLetter`.
pub(crate) fn is_letter(character: char) -> bool {
    if character.is_ascii() { character.is_ascii_alphabetic() } else { contains(tables::LETTERS, character) }
}

/// Go's `unicode.IsDigit`.
pub(crate) fn is_digit(character: char) -> bool {
    if character.is_ascii() { character.is_ascii_digit() } else { contains(tables::DIGITS, character) }
}

/// Go's `strconv.IsPrint`, which is also its `unicode.IsPrint`.
pub(crate) fn is_print(character: char) -> bool {
    if character.is_ascii() { matches!(character, ' '..='~') } else { contains(tables::PRINTABLE, character) }
}

fn contains(table: &[(u32, u32)], character: char) -> bool {
    let code = u32::from(character);
    let index = table.partition_point(|(_, last)| *last < code);
    table.get(index).is_some_and(|(first, _)| *first <= code)
}
