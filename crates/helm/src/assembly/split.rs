//! Where one document ends and the next begins. Helm looks at the text, not at the YAML.

use std::sync::LazyLock;

use memchr::memmem;
use regex::bytes::Regex;

use super::HelmVersion;

/// A document in an output.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    /// Where it begins.
    pub(crate) offset: usize,
    pub(crate) text: &'a [u8],
}

/// The documents of a text that are not blank.
pub(crate) fn split(text: &[u8], version: HelmVersion) -> Vec<Document<'_>> {
    let trim_end = version < HelmVersion::V4_2_0;
    let start = text.len() - trim_start(text).len();
    let whole = if trim_end { trim(text) } else { trim_start(text) };
    let mut documents = Vec::new();
    let mut add = |from: usize, to: usize| {
        let piece = whole.get(from..to).unwrap_or_default();
        let document = trim_start(piece);
        if document.is_empty() {
            return;
        }
        let offset = start + from + (piece.len() - document.len());
        documents.push(Document { offset, text: if trim_end { trim(document) } else { document } });
    };
    let mut from = 0;
    if version < HelmVersion::V4_2_4 {
        for separator in OLD_SEPARATOR.iter().flat_map(|pattern| pattern.find_iter(whole)) {
            add(from, separator.start());
            from = separator.end();
        }
    } else {
        for at in memmem::find_iter(whole, b"---") {
            if at < from || !(at == 0 || whole.get(at - 1) == Some(&b'\n')) {
                continue;
            }
            add(from, at);
            let rest = whole.get(at + 3..).unwrap_or_default();
            let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            from = at + 3 + blanks;
        }
    }
    add(from, whole.len());
    documents
}

/// Up to Helm 4.2.3: at the start of the text, or after white space that ends a line; what follows is cut, too.
static OLD_SEPARATOR: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?-u)(?:^|[\t\n\x0C\r ]*\n)---[\t\n\x0C\r ]*").ok());

/// The line of a place in a text, from 1.
pub(crate) fn line_at(text: &[u8], offset: usize) -> u32 {
    let before = text.get(..offset).unwrap_or_default();
    u32::try_from(memchr::memchr_iter(b'\n', before).count()).unwrap_or(u32::MAX).saturating_add(1)
}

/// Without white space of Unicode at both ends.
pub(crate) fn trim(text: &[u8]) -> &[u8] {
    let mut text = trim_start(text);
    while let Some((character, length)) = last_character(text) {
        if !character.is_whitespace() {
            break;
        }
        text = text.get(..text.len() - length).unwrap_or_default();
    }
    text
}

fn trim_start(mut text: &[u8]) -> &[u8] {
    loop {
        let rest = text.trim_ascii_start();
        // What Rust's ASCII white space lacks, and what is not ASCII.
        let length = match rest.first() {
            Some(0x0B) => 1,
            Some(0x80..) => match rest.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next()) {
                Some(character) if character.is_whitespace() => character.len_utf8(),
                _ => return rest,
            },
            _ => return rest,
        };
        text = rest.get(length..).unwrap_or_default();
    }
}

/// The last character and its length, if the text ends in UTF-8.
fn last_character(text: &[u8]) -> Option<(char, usize)> {
    (1..=4).find_map(|length| {
        let tail = text.get(text.len().checked_sub(length)?..)?;
        let mut characters = std::str::from_utf8(tail).ok()?.chars();
        Some((characters.next()?, length))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str, version: HelmVersion) -> Vec<String> {
        split(text.as_bytes(), version)
            .iter()
            .map(|document| String::from_utf8(document.text.to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn versions_differ_in_where_they_cut() {
        use HelmVersion::{V3, V4_0, V4_2_0, V4_2_4};
        let cases: &[(&str, &[HelmVersion], &[&str])] = &[
            ("a: 1\n---\nb: 2\n", &[V4_2_0], &["a: 1", "b: 2\n"]),
            ("a: 1\n---\nb: 2\n", &[V4_2_4], &["a: 1\n", "b: 2\n"]),
            ("\n\u{a0}a: 1\n\n--- \n\n  b: 2\n\n", &[V3, V4_0], &["a: 1", "b: 2"]),
            ("---apiVersion: v1\n---\n---\n", &[V3, V4_0], &["apiVersion: v1", "---"]),
            ("---apiVersion: v1\n---\n---\n", &[V4_2_4], &["apiVersion: v1\n"]),
            ("---\n---\na: 1\n", &[V4_2_0], &["---\na: 1\n"]),
            ("---\n---\na: 1\n", &[V4_2_4], &["a: 1\n"]),
            ("a: |\n  ---\n  b\n------\n", &[V4_2_4], &["a: |\n  ---\n  b\n", "---\n"]),
            (" \n\t\u{b}", &[V3, V4_2_0, V4_2_4], &[]),
        ];
        for (text, versions, expected) in cases {
            for version in *versions {
                assert_eq!(texts(text, *version), *expected, "{text:?} {version:?}");
            }
        }
    }

    #[test]
    fn places_are_those_of_the_whole_output() {
        let text = b"\n\n---\n# one\na: 1\n---\n\nb: 2\n";
        let lines: Vec<u32> =
            split(text, HelmVersion::V4_2_4).iter().map(|document| line_at(text, document.offset)).collect();
        assert_eq!(lines, [4, 8]);
    }
}
