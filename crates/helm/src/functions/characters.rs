//! Characters as Go sees them in strings that need not be UTF-8.

use std::borrow::Cow;

/// The characters of a text, U+FFFD for every byte that is part of none, with the number of their bytes.
pub(super) fn runes(text: &[u8]) -> impl Iterator<Item = (char, usize)> + '_ {
    text.utf8_chunks().flat_map(|chunk| {
        let valid = chunk.valid().chars().map(|character| (character, character.len_utf8()));
        valid.chain(chunk.invalid().iter().map(|_| (char::REPLACEMENT_CHARACTER, 1)))
    })
}

/// Every character changed by `map`.
pub(super) fn map(text: &[u8], map: impl FnMut(char) -> char) -> String {
    let mut map = map;
    runes(text).map(|(character, _)| map(character)).collect()
}

/// Go: `strings.ToUpper`.
pub(super) fn uppercase(text: &[u8]) -> Cow<'_, [u8]> {
    if text.is_ascii() { text.to_ascii_uppercase().into() } else { map(text, to_upper).into_bytes().into() }
}

/// Go: `strings.ToLower`.
pub(super) fn lowercase(text: &[u8]) -> Cow<'_, [u8]> {
    if text.is_ascii() { text.to_ascii_lowercase().into() } else { map(text, to_lower).into_bytes().into() }
}

/// Go: `unicode.ToUpper`, which gives one character for each.
pub(super) fn to_upper(character: char) -> char {
    // Greek letters with an iota below, whose capitals Rust writes as two characters.
    match u32::from(character) {
        code @ (0x1F80..=0x1F87 | 0x1F90..=0x1F97 | 0x1FA0..=0x1FA7) => offset(code, 8),
        code @ (0x1FB3 | 0x1FC3 | 0x1FF3) => offset(code, 9),
        _ => only(character.to_uppercase(), character),
    }
}

/// Go: `unicode.ToLower`.
pub(super) fn to_lower(character: char) -> char {
    match character {
        'İ' => 'i',
        _ => only(character.to_lowercase(), character),
    }
}

/// Go: `unicode.ToTitle`: as [`to_upper`], but for letters that look like two, and for Georgian ones.
pub(super) fn to_title(character: char) -> char {
    match character {
        'Ǆ'..='ǆ' => 'ǅ',
        'Ǉ'..='ǉ' => 'ǈ',
        'Ǌ'..='ǌ' => 'ǋ',
        'Ǳ'..='ǳ' => 'ǲ',
        '\u{10D0}'..='\u{10FF}' => character,
        _ => to_upper(character),
    }
}

fn offset(code: u32, by: u32) -> char {
    char::from_u32(code + by).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn only(mut mapped: impl ExactSizeIterator<Item = char>, character: char) -> char {
    if mapped.len() == 1 { mapped.next().unwrap_or(character) } else { character }
}

/// Whether a letter is one of those that stand at the beginning of a word and look like two.
pub(super) fn is_title(character: char) -> bool {
    matches!(character, 'ǅ' | 'ǈ' | 'ǋ' | 'ǲ')
        || matches!(u32::from(character),
            0x1F88..=0x1F8F | 0x1F98..=0x1F9F | 0x1FA8..=0x1FAF | 0x1FBC | 0x1FCC | 0x1FFC)
}

/// Go: `unicode.IsUpper`, which leaves out what only looks like a capital, such as Roman numerals.
pub(super) fn is_upper(character: char) -> bool {
    character.is_uppercase()
        && !matches!(u32::from(character),
            0x2160..=0x216F | 0x24B6..=0x24CF | 0x1F130..=0x1F149 | 0x1F150..=0x1F169 | 0x1F170..=0x1F189)
}

/// Go: `unicode.IsLower`, which leaves out what only looks like a small letter.
pub(super) fn is_lower(character: char) -> bool {
    character.is_lowercase()
        && !matches!(u32::from(character),
            0xAA | 0xBA | 0x2B0..=0x2B8 | 0x2C0 | 0x2C1 | 0x2E0..=0x2E4 | 0x345 | 0x37A | 0x1D2C..=0x1D6A
            | 0x1D78 | 0x1D9B..=0x1DBF | 0x2071 | 0x207F | 0x2090..=0x209C | 0x2170..=0x217F
            | 0x24D0..=0x24E9 | 0x2C7C | 0x2C7D)
}

/// Go: `unicode.IsLetter`.
pub(super) fn is_letter(character: char) -> bool {
    character.is_alphabetic()
        && !character.is_numeric()
        && !matches!(u32::from(character), 0x24B6..=0x24E9 | 0x1F130..=0x1F189)
}

/// Go: `strings.TrimSpace`.
pub(super) fn trim_space(text: &[u8]) -> &[u8] {
    trim(text, char::is_whitespace)
}

/// Go: `strings.TrimFunc`.
pub(super) fn trim(text: &[u8], is_cut: impl Fn(char) -> bool) -> &[u8] {
    let width = |text: &[u8]| -> usize {
        runes(text).take_while(|(character, _)| is_cut(*character)).map(|(_, width)| width).sum()
    };
    let text = text.get(width(text)..).unwrap_or_default();
    let mut end = text.len();
    while let Some((character, width)) = last_rune(text.get(..end).unwrap_or_default()) {
        if !is_cut(character) {
            break;
        }
        end -= width;
    }
    text.get(..end).unwrap_or_default()
}

fn last_rune(text: &[u8]) -> Option<(char, usize)> {
    let start = (1..=4.min(text.len())).find_map(|width| {
        let tail = std::str::from_utf8(text.get(text.len() - width..)?).ok()?;
        let mut characters = tail.chars();
        let character = characters.next()?;
        characters.next().is_none().then_some((character, width))
    });
    start.or_else(|| text.last().map(|_| (char::REPLACEMENT_CHARACTER, 1)))
}
