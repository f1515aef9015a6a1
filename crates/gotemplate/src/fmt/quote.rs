//! Quoted strings and characters in Go's syntax.

use std::fmt;

use crate::unicode;

/// Which characters stay as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charset {
    /// All that can be printed.
    Printable,
    /// Only ASCII.
    Ascii,
}

/// The string in double quotes, with escapes where needed, as `%q` and `strconv.Quote` write it.
///
/// ```
/// assert_eq!(gotemplate::quote(b"a\"b\n\xff"), r#""a\"b\n\xff""#);
/// ```
pub fn quote(text: impl AsRef<[u8]>) -> String {
    let text = text.as_ref();
    let mut out = Vec::with_capacity(text.len() + 2);
    append_quoted(&mut out, text, b'"', Charset::Printable);
    // What is quoted is always UTF-8.
    String::from_utf8(out).unwrap_or_default()
}

/// Quotes when it is displayed.
pub(crate) fn quoted(text: &str) -> impl fmt::Display + '_ {
    struct Quoted<'a>(&'a str);
    impl fmt::Display for Quoted<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(&quote(self.0))
        }
    }
    Quoted(text)
}

pub(crate) fn append_quoted(out: &mut Vec<u8>, text: &[u8], mark: u8, charset: Charset) {
    out.push(mark);
    let mut rest = text;
    while let Some(&first) = rest.first() {
        let plain = rest.iter().take_while(|byte| is_plain(**byte, mark)).count();
        if plain > 0 {
            let (run, after) = rest.split_at_checked(plain).unwrap_or((rest, &[]));
            out.extend_from_slice(run);
            rest = after;
            continue;
        }
        let (character, width) = unicode::decode(rest);
        if width == 1 && first >= 0x80 {
            append_hex(out, b'x', u32::from(first), 2);
        } else {
            append_escaped(out, character, mark, charset);
        }
        rest = rest.get(width..).unwrap_or_default();
    }
    out.push(mark);
}

/// Whether a byte is a printable ASCII character that needs no escape.
fn is_plain(byte: u8, mark: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != mark && byte != b'\\'
}

/// A character in single quotes; U+FFFD for what is none.
pub(crate) fn append_quoted_char(out: &mut Vec<u8>, code: u64, charset: Charset) {
    out.push(b'\'');
    append_escaped(out, to_char(code), b'\'', charset);
    out.push(b'\'');
}

/// The character of a code point; U+FFFD for what is none.
pub(crate) fn to_char(code: u64) -> char {
    u32::try_from(code).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)
}

pub(crate) fn append_char(out: &mut Vec<u8>, character: char) {
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

fn append_escaped(out: &mut Vec<u8>, character: char, mark: u8, charset: Charset) {
    if character == char::from(mark) || character == '\\' {
        out.push(b'\\');
        append_char(out, character);
        return;
    }
    if unicode::is_print(character) && (charset == Charset::Printable || character.is_ascii()) {
        append_char(out, character);
        return;
    }
    let short = match character {
        '\u{7}' => b'a',
        '\u{8}' => b'b',
        '\u{c}' => b'f',
        '\n' => b'n',
        '\r' => b'r',
        '\t' => b't',
        '\u{b}' => b'v',
        _ => {
            let code = u32::from(character);
            match code {
                0..0x20 | 0x7F => append_hex(out, b'x', code, 2),
                ..0x1_0000 => append_hex(out, b'u', code, 4),
                _ => append_hex(out, b'U', code, 8),
            }
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

fn append_hex(out: &mut Vec<u8>, letter: u8, code: u32, digits: u32) {
    out.extend_from_slice(&[b'\\', letter]);
    for place in (0..digits).rev() {
        let digit = code >> (place * 4) & 0xF;
        out.push(char::from_digit(digit, 16).map_or(b'0', |digit| digit as u8));
    }
}

/// Whether the string can stand between back quotes on one line.
pub(crate) fn can_backquote(text: &[u8]) -> bool {
    unicode::Runes(text).all(|(character, width)| match width {
        1 => {
            character == '\t'
                || !matches!(character, '\0'..' ' | '`' | '\u{7f}' | char::REPLACEMENT_CHARACTER)
        }
        _ => character != '\u{feff}',
    })
}
