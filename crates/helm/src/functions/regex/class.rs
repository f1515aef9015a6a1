//! Characters and classes of characters in expressions.

use std::fmt::Write as _;

use super::translate::{problem, until};

/// An expression that matches nothing, for characters that are none.
pub(super) const NOTHING: &str = r"[^\x{0}-\x{10FFFF}]";

/// Appends a character that stands for itself, outside or inside of brackets.
pub(super) fn push_literal(out: &mut String, character: char) {
    if character.is_ascii_alphanumeric() || !character.is_ascii() {
        out.push(character);
    } else {
        let _ = write!(out, "\\x{{{:X}}}", u32::from(character));
    }
}

/// The classes of `\d`, `\pL` and the like as they stand in brackets, and what follows; `None` for another escape.
pub(super) fn escaped(text: &str) -> Result<Option<(String, &str)>, String> {
    let Some(kind) = text.strip_prefix('\\').and_then(|rest| rest.chars().next()) else { return Ok(None) };
    let class = match kind {
        'd' => "0-9",
        'D' => r"\x{0}-/:-\x{10FFFF}",
        's' => r"\t\n\f\r ",
        'S' => r"\x{0}-\x{8}\x{B}\x{E}-\x{1F}!-\x{10FFFF}",
        'w' => "0-9A-Za-z_",
        'W' => r"\x{0}-/:-@\x{5B}-\x{5E}\x{60}\x{7B}-\x{10FFFF}",
        'p' | 'P' => return unicode(text, kind == 'P').map(Some),
        _ => return Ok(None),
    };
    Ok(Some((class.to_owned(), text.get(2..).unwrap_or_default())))
}

/// `\pL`, `\p{Greek}`, `\p{^Greek}`.
fn unicode(text: &str, is_negative: bool) -> Result<(String, &str), String> {
    let start = text.get(2..).unwrap_or_default();
    let wrong = |rest: &str| Err(problem("invalid character class range", until(text, rest)));
    let (name, rest) = match start.strip_prefix('{') {
        Some(inner) => match inner.split_once('}') {
            Some(parts) => parts,
            None => return wrong(""),
        },
        None => start.split_at(start.chars().next().map_or(0, char::len_utf8)),
    };
    let (name, is_negative) = match name.strip_prefix('^') {
        Some(name) => (name, !is_negative),
        None => (name, is_negative),
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b' ');
    if name.is_empty() || !name.bytes().all(is_name) {
        return wrong(rest);
    }
    let letter = if is_negative { 'P' } else { 'p' };
    // Categories and scripts, but no other properties, which Go does not know.
    let known = ["gc", "sc"]
        .map(|property| format!("\\{letter}{{{property}={name}}}"))
        .into_iter()
        .find(|class| regex_syntax::parse(class).is_ok());
    known.map_or_else(|| wrong(rest), |class| Ok((class, rest)))
}

/// A character that is written with a backslash, and what follows.
pub(super) fn escape(text: &str) -> Result<(u32, &str), String> {
    let mut rest = text.get(1..).unwrap_or_default();
    let mut next = || {
        let character = rest.chars().next()?;
        rest = rest.get(character.len_utf8()..).unwrap_or_default();
        Some(character)
    };
    let Some(first) = next() else {
        return Err(problem("trailing backslash at end of expression", ""));
    };
    let code = match first {
        'a' => Some(0x07),
        'f' => Some(0x0C),
        'n' => Some(0x0A),
        'r' => Some(0x0D),
        't' => Some(0x09),
        'v' => Some(0x0B),
        '0'..='7' => return octal(text, first),
        'x' => match next() {
            Some('{') => {
                let mut code: u32 = 0;
                let mut digits = 0;
                loop {
                    match next().map(|character| (character, character.to_digit(16))) {
                        Some(('}', _)) => break (digits > 0).then_some(code),
                        Some((_, Some(digit))) if code << 4 | digit <= 0x10_FFFF => {
                            code = code << 4 | digit;
                            digits += 1;
                        }
                        _ => break None,
                    }
                }
            }
            Some(high) => {
                let low = next().and_then(|low| low.to_digit(16));
                high.to_digit(16).zip(low).map(|(high, low)| high << 4 | low)
            }
            None => None,
        },
        _ if first.is_ascii() && !first.is_ascii_alphanumeric() => Some(u32::from(first)),
        _ => None,
    };
    match code {
        Some(code) => Ok((code, rest)),
        None => Err(problem("invalid escape sequence", until(text, rest))),
    }
}

/// Up to three octal digits; a single one that is not zero would be a reference to a group.
fn octal(text: &str, first: char) -> Result<(u32, &str), String> {
    let digits = text.chars().skip(1).take(3).take_while(|digit| digit.is_digit(8)).count();
    if first != '0' && digits < 2 {
        return Err(problem("invalid escape sequence", text.get(..2).unwrap_or_default()));
    }
    let (digits, rest) = text.split_at(1 + digits);
    let code = u32::from_str_radix(digits.get(1..).unwrap_or_default(), 8).unwrap_or(0);
    Ok((code, rest))
}

/// A class in brackets, and what follows.
pub(super) fn bracketed(text: &str) -> Result<(String, &str), String> {
    let inner = text.get(1..).unwrap_or_default();
    let (mut rest, opening) = inner.strip_prefix('^').map_or((inner, "["), |rest| (rest, "[^"));
    let mut class = opening.to_owned();
    let mut is_first = true;
    while is_first || !rest.starts_with(']') {
        is_first = false;
        if let Some(after) = named(rest)? {
            class.push_str(until(rest, after));
            rest = after;
        } else if let Some((escaped, after)) = escaped(rest)? {
            class.push_str(&escaped);
            rest = after;
        } else {
            rest = range(text, rest, &mut class)?;
        }
    }
    if class == "[" || class == "[^" {
        // All of it were characters that are none.
        class = if class == "[" { NOTHING.to_owned() } else { r"[\x{0}-\x{10FFFF}]".to_owned() };
    } else {
        class.push(']');
    }
    Ok((class, rest.get(1..).unwrap_or_default()))
}

/// What follows a class such as `[:alpha:]`, if there is one.
fn named(text: &str) -> Result<Option<&str>, String> {
    const NAMES: [&str; 14] = [
        "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
        "upper", "word", "xdigit",
    ];
    let Some((name, rest)) = text.strip_prefix("[:").and_then(|inner| inner.split_once(":]")) else {
        return Ok(None);
    };
    if NAMES.contains(&name.strip_prefix('^').unwrap_or(name)) {
        Ok(Some(rest))
    } else {
        Err(problem("invalid character class range", until(text, rest)))
    }
}

/// A character or a range of them.
fn range<'t>(whole: &str, text: &'t str, class: &mut String) -> Result<&'t str, String> {
    let (low, mut rest) = class_character(whole, text)?;
    let mut high = low;
    if let Some(after) = rest.strip_prefix('-')
        && !after.is_empty()
        && !after.starts_with(']')
    {
        (high, rest) = class_character(whole, after)?;
        if high < low {
            return Err(problem("invalid character class range", until(text, rest)));
        }
    }
    // Halves of surrogate pairs are in no text.
    let low = if (0xD800..0xE000).contains(&low) { 0xE000 } else { low };
    let high = if (0xD800..0xE000).contains(&high) { 0xD7FF } else { high };
    if low <= high {
        let _ = write!(class, "\\x{{{low:X}}}-\\x{{{high:X}}}");
    }
    Ok(rest)
}

fn class_character<'t>(whole: &str, text: &'t str) -> Result<(u32, &'t str), String> {
    match text.chars().next() {
        None => Err(problem("missing closing ]", whole)),
        Some('\\') => escape(text),
        Some(character) => Ok((character.into(), text.get(character.len_utf8()..).unwrap_or_default())),
    }
}
