//! Capital and small letters, by the rules of huandu/xstrings and Masterminds/goutils.

use super::super::characters::{is_title, map, runes, to_lower, to_title, to_upper};

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
            _ if character.is_uppercase() || is_title(character) => to_lower(character),
            _ if character.is_lowercase() && starts => to_title(character),
            _ if character.is_lowercase() => to_upper(character),
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
                in_capitals = character.is_uppercase();
                to_upper(character)
            }
            Some(before) if is_connector(before) && !is_connector(character) => {
                in_capitals = character.is_uppercase();
                to_upper(character)
            }
            _ if in_capitals && character.is_uppercase() => to_lower(character),
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

/// Words cut apart where letters change their case, joined with `connector` (`foo_bar` of `FooBar`).
pub(super) fn separated(text: &[u8], connector: char) -> Vec<u8> {
    let characters: Vec<char> = runes(text).map(|(character, _)| character).collect();
    let mut words = Words { rest: &characters }.peekable();
    let mut out = String::new();
    while let Some((kind, word)) = words.next() {
        push(&mut out, kind, word, connector);
        let Some((next, _)) = words.peek() else { break };
        match kind {
            Word::Connector | Word::Punctuation => {}
            Word::Number => joined(&mut out, &mut words, connector),
            _ if *next == Word::Number => after_word(&mut out, &mut words, connector),
            _ if !matches!(next, Word::Connector | Word::Punctuation) => out.push(connector),
            _ => {}
        }
    }
    out.into_bytes()
}

type Rest<'w> = std::iter::Peekable<Words<'w>>;

/// Small letters and numbers stay with the number before them.
fn joined(out: &mut String, words: &mut Rest<'_>, connector: char) {
    while let Some((kind, word)) = words.next_if(|(kind, _)| matches!(kind, Word::Small | Word::Number)) {
        push(out, kind, word, connector);
    }
    if words.peek().is_some_and(|(kind, _)| !matches!(kind, Word::Connector | Word::Punctuation)) {
        out.push(connector);
    }
}

/// A number stays with the word before it (`bld4_floor`) unless small letters follow (`http_2xx`).
fn after_word(out: &mut String, words: &mut Rest<'_>, connector: char) {
    let Some((kind, number)) = words.next() else { return };
    match words.peek() {
        Some((Word::Small, _)) => {
            out.push(connector);
            push(out, kind, number, connector);
            joined(out, words, connector);
        }
        next => {
            let is_cut = next.is_some_and(|(kind, _)| !matches!(kind, Word::Connector | Word::Punctuation));
            push(out, kind, number, connector);
            if is_cut {
                out.push(connector);
            }
        }
    }
}

fn push(out: &mut String, kind: Word, word: &[char], connector: char) {
    match kind {
        Word::Connector => out.extend(word.iter().map(|_| connector)),
        Word::Capitals => out.extend(
            word.iter().map(
                |character| {
                    if character.is_uppercase() { to_lower(*character) } else { *character }
                },
            ),
        ),
        _ => out.extend(word),
    }
}

/// Cuts characters into words.
struct Words<'c> {
    rest: &'c [char],
}

impl<'c> Iterator for Words<'c> {
    type Item = (Word, &'c [char]);

    fn next(&mut self) -> Option<Self::Item> {
        let first = *self.rest.first()?;
        let run = |is_part: &dyn Fn(char) -> bool| {
            1 + self.rest.iter().skip(1).take_while(|character| is_part(**character)).count()
        };
        let (kind, len) = match first {
            _ if is_connector(first) => (Word::Connector, run(&is_connector)),
            _ if is_punctuation(first) => (Word::Punctuation, run(&is_punctuation)),
            _ if first.is_uppercase() => (Word::Capitals, self.capitals()),
            _ if is_alphabetic(first) => {
                (Word::Small, run(&|character| is_alphabetic(character) && !character.is_uppercase()))
            }
            _ if first.is_numeric() => (Word::Number, run(&char::is_numeric)),
            _ => (Word::Other, run(&is_other)),
        };
        let (word, rest) = self.rest.split_at(len);
        self.rest = rest;
        Some((kind, word))
    }
}

impl Words<'_> {
    /// `Status`, or `HTTP`, whose last capital belongs to what follows if that is a letter.
    fn capitals(&self) -> usize {
        let count = |from: usize, is_part: &dyn Fn(char) -> bool| {
            from + self.rest.iter().skip(from).take_while(|character| is_part(**character)).count()
        };
        let capitals = count(0, &char::is_uppercase);
        if capitals == 1 {
            return count(1, &|character| is_alphabetic(character) && !character.is_uppercase());
        }
        let before_letter = self.rest.get(capitals).is_some_and(|next| is_alphabetic(*next));
        if before_letter { capitals - 1 } else { capitals }
    }
}

fn is_other(character: char) -> bool {
    !is_connector(character)
        && !is_alphabetic(character)
        && !character.is_numeric()
        && !is_punctuation(character)
}

/// Letters of scripts that have no spaces between words are none here.
fn is_alphabetic(character: char) -> bool {
    character.is_alphabetic() && !matches!(character, '\u{3034}'..='\u{30FF}' | '\u{4E00}'..='\u{9FFF}')
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
