//! Replacements with the texts of groups, by Go's rules: `$1x` is the group of that name, `${1}x` the first one.

use regex::Captures;

use super::super::characters::runes;
use super::pattern::{Pattern, Text};

/// Appends a replacement.
pub(super) fn expand(
    template: &[u8],
    pattern: &Pattern,
    captures: &Captures<'_>,
    text: &Text<'_>,
    out: &mut Vec<u8>,
) {
    let mut rest = template;
    while let Some(at) = memchr::memchr(b'$', rest) {
        let (before, after) = rest.split_at(at);
        out.extend_from_slice(before);
        rest = after.get(1..).unwrap_or_default();
        if let Some(tail) = rest.strip_prefix(b"$") {
            out.push(b'$');
            rest = tail;
        } else if let Some((name, tail)) = reference(rest) {
            if let Some(group) = group(name, pattern, captures) {
                out.extend_from_slice(text.bytes(group.range()));
            }
            rest = tail;
        } else {
            out.push(b'$');
        }
    }
    out.extend_from_slice(rest);
}

/// The name that stands after a dollar sign, perhaps in braces, and what follows it.
fn reference(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let inner = text.strip_prefix(b"{");
    let start = inner.unwrap_or(text);
    let is_part = |character: char| character.is_alphabetic() || character.is_numeric() || character == '_';
    let len = runes(start).take_while(|(character, _)| is_part(*character)).map(|(_, width)| width).sum();
    let (name, tail) = start.split_at_checked(len)?;
    if name.is_empty() {
        return None;
    }
    let tail = if inner.is_some() { tail.strip_prefix(b"}")? } else { tail };
    Some((name, tail))
}

fn group<'t>(name: &[u8], pattern: &Pattern, captures: &Captures<'t>) -> Option<regex::Match<'t>> {
    let is_number =
        name.iter().all(u8::is_ascii_digit) && name.len() < 10 && (name.len() == 1 || name[0] != b'0');
    if is_number {
        return captures.get(std::str::from_utf8(name).ok()?.parse().ok()?);
    }
    // Several groups may have one name; the first that took part counts.
    let mut named = pattern.names.iter().enumerate().filter(|(_, own)| own.as_bytes() == name);
    named.find_map(|(index, _)| captures.get(index + 1))
}
