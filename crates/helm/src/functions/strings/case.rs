//! Capital and small letters, by the rules of huandu/xstrings and Masterminds/goutils.

use super::super::characters::{
    is_letter, is_lower, is_title, is_upper, map, runes, to_lower, to_title, to_upper,
};

/// Every word with a small first letter.
pub(super) fn untitle(text: &[u8]) -> Vec<u8> {
    let mut after_blank = true;
    let untitled = map(text, |character| {
        let starts = std::mem::replace(&mut after_blank, character.is_whitespace());
        if starts { to_lower(character) } else { character }
    });
    untitled.into_bytes()
}

/// Small letters for capitals and the other way round; a small letter that begins a word becomes a title letter.
pub(super) fn swap(text: &[u8]) -> Vec<u8> {
    let mut after_blank = true;
    let swapped = map(text, |character| {
        let starts = after_blank;
        after_blank = false;
        match character {
            _ if is_upper(character) || is_title(character) => to_lower(character),
            _ if is_lower(character) && starts => to_title(character),
            _ if is_lower(character) => to_upper(character),
            _ => {
                after_blank = character.is_whitespace();
                character
            }
        }
    });
    swapped.into_bytes()
}

fn is_connector(character: char) -> bool {
    matches!(character, '-' | '_') || character.is_whitespace()
}

/// `FooBar` of `foo_bar`: a capital after every connector, of which all but the first in a row are kept.
pub(super) fn camel(text: &[u8]) -> Vec<u8> {
    let characters: Vec<char> = runes(text).map(|(character, _)| character).collect();
    let start = characters.iter().position(|character| !is_connector(*character));
    let Some(start) = start else {
        // Of nothing but connectors the last one comes twice, as in xstrings.
        return characters.iter().chain(characters.last()).collect::<String>().into_bytes();
    };
    let mut camel: String = characters.iter().take(start).collect();
    let mut in_capitals = false;
    let mut previous = None;
    let words = characters.get(start..).unwrap_or_default();
    for (index, character) in words.iter().copied().enumerate() {
        let next = match previous {
            None => {
                in_capitals = is_upper(character);
                to_upper(character)
            }
            Some(before) if is_connector(before) && !is_connector(character) => {
                in_capitals = is_upper(character);
                to_upper(character)
            }
            _ if in_capitals && is_upper(character) => to_lower(character),
            _ => {
                in_capitals = false;
                character
            }
        };
        let is_last = index + 1 == words.len();
        if !is_connector(character) || is_last || words.get(index + 1).is_some_and(|next| is_connector(*next))
        {
            camel.push(next);
        }
        previous = Some(character);
    }
    camel.into_bytes()
}

/// What a run of characters is for the cutting into words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Connector,
    Punctuation,
    /// A capital letter and what goes with it.
    Capitals,
    Small,
    Number,
    Other,
}

/// A character with the bytes before it that are none. Bytes at the very end belong to what the last one is.
#[derive(Clone, Copy, Debug)]
struct Unit<'t> {
    character: char,
    bytes: &'t [u8],
}

fn units(text: &[u8]) -> Vec<Unit<'_>> {
    let mut units: Vec<Unit<'_>> = Vec::new();
    let (mut start, mut end) = (0, 0);
    for (character, width) in runes(text) {
        end += width;
        if character != char::REPLACEMENT_CHARACTER {
            units.push(Unit { character, bytes: text.get(start..end).unwrap_or_default() });
            start = end;
        }
    }
    if start < text.len() {
        let character = units.last().map_or(char::REPLACEMENT_CHARACTER, |unit| unit.character);
        units.push(Unit { character, bytes: text.get(start..).unwrap_or_default() });
    }
    units
}

/// Words cut apart where letters change their case, joined with `connector` (`foo_bar` of `FooBar`).
pub(super) fn separated(text: &[u8], connector: char) -> Vec<u8> {
    let units = units(text);
    let mut words = Words { rest: &units }.peekable();
    let mut out = Output { bytes: Vec::with_capacity(text.len() + text.len() / 4), connector };
    while let Some((kind, word)) = words.next() {
        out.word(kind, word);
        let Some((next, _)) = words.peek() else { break };
        match kind {
            Word::Connector | Word::Punctuation => {}
            Word::Number => out.joined(&mut words),
            _ if *next == Word::Number => out.after_word(&mut words),
            _ if !matches!(next, Word::Connector | Word::Punctuation) => out.connector(),
            _ => {}
        }
    }
    out.bytes
}

type Rest<'w> = std::iter::Peekable<Words<'w>>;

struct Output {
    bytes: Vec<u8>,
    connector: char,
}

impl Output {
    fn push(&mut self, character: char) {
        self.bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }

    fn connector(&mut self) {
        self.push(self.connector);
    }

    fn word(&mut self, kind: Word, word: &[Unit<'_>]) {
        for unit in word {
            if !matches!(kind, Word::Connector | Word::Capitals) {
                self.bytes.extend_from_slice(unit.bytes);
                continue;
            }
            for (character, _) in runes(unit.bytes) {
                match character {
                    _ if is_connector(character) => self.connector(),
                    _ if is_upper(character) => self.push(to_lower(character)),
                    _ => self.push(character),
                }
            }
        }
    }

    /// Small letters and numbers stay with the number before them.
    fn joined(&mut self, words: &mut Rest<'_>) {
        while let Some((kind, word)) = words.next_if(|(kind, _)| matches!(kind, Word::Small | Word::Number)) {
            self.word(kind, word);
        }
        self.connect(words);
    }

    /// A number stays with the word before it (`bld4_floor`) unless small letters follow (`http_2xx`).
    fn after_word(&mut self, words: &mut Rest<'_>) {
        let Some((kind, number)) = words.next() else { return };
        if matches!(words.peek(), Some((Word::Small, _))) {
            self.connector();
            self.word(kind, number);
            self.joined(words);
        } else {
            self.word(kind, number);
            self.connect(words);
        }
    }

    fn connect(&mut self, words: &mut Rest<'_>) {
        if words.peek().is_some_and(|(kind, _)| !matches!(kind, Word::Connector | Word::Punctuation)) {
            self.connector();
        }
    }
}

/// Cuts characters into words.
struct Words<'u> {
    rest: &'u [Unit<'u>],
}

impl<'u> Iterator for Words<'u> {
    type Item = (Word, &'u [Unit<'u>]);

    fn next(&mut self) -> Option<Self::Item> {
        let first = self.rest.first()?.character;
        let (kind, len) = match first {
            _ if is_connector(first) => (Word::Connector, self.run(0, is_connector)),
            _ if is_punctuation(first) => (Word::Punctuation, self.run(0, is_punctuation)),
            _ if is_upper(first) => (Word::Capitals, self.capitals()),
            _ if is_alphabetic(first) => (Word::Small, self.run(0, is_small)),
            _ if first.is_numeric() => (Word::Number, self.run(0, char::is_numeric)),
            _ => (Word::Other, self.run(0, is_other)),
        };
        let (word, rest) = self.rest.split_at(len.max(1));
        self.rest = rest;
        Some((kind, word))
    }
}

impl Words<'_> {
    /// The end of the characters from `start` on that are part of something.
    fn run(&self, start: usize, is_part: fn(char) -> bool) -> usize {
        start + self.rest.iter().skip(start).take_while(|unit| is_part(unit.character)).count()
    }

    /// `Status`, or `HTTP`, whose last capital belongs to what follows if that is a letter.
    fn capitals(&self) -> usize {
        let capitals = self.run(0, is_upper);
        if capitals == 1 {
            return self.run(1, is_small);
        }
        let before_letter = self.rest.get(capitals).is_some_and(|next| is_alphabetic(next.character));
        if before_letter { capitals - 1 } else { capitals }
    }
}

fn is_small(character: char) -> bool {
    is_alphabetic(character) && !is_upper(character)
}

fn is_other(character: char) -> bool {
    !is_connector(character)
        && !is_alphabetic(character)
        && !character.is_numeric()
        && !is_punctuation(character)
}

/// Letters of scripts that have no spaces between words are none here.
fn is_alphabetic(character: char) -> bool {
    is_letter(character) && !matches!(character, '\u{3034}'..='\u{30FF}' | '\u{4E00}'..='\u{9FFF}')
}

/// Go: `unicode.IsPunct`.
fn is_punctuation(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_punctuation()
            && !matches!(character, '$' | '+' | '<' | '=' | '>' | '^' | '`' | '|' | '~');
    }
    matches!(character, '¡' | '§' | '«' | '¶' | '·' | '»' | '¿' | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{2043}'
        | '\u{2045}'..='\u{2051}' | '\u{2053}'..='\u{205E}' | '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}'
        | '\u{FF01}'..='\u{FF03}' | '\u{FF05}'..='\u{FF0A}' | '\u{FF0C}'..='\u{FF0F}' | '\u{FF1A}' | '\u{FF1B}')
}
