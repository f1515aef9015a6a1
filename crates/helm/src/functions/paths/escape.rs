//! Percent signs in URLs, by Go's rules.

use std::fmt;

use gotemplate::quote;

/// The part of a URL that a text stands in, which decides what must be escaped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Path,
    Host,
    Zone,
    UserPassword,
    Fragment,
}

/// Why a text is not a part of a URL.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum EscapeError {
    Escape(Vec<u8>),
    HostCharacter(Vec<u8>),
}

impl fmt::Display for EscapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Escape(text) => write!(f, "invalid URL escape {}", quote(text)),
            Self::HostCharacter(text) => write!(f, "invalid character {} in host name", quote(text)),
        }
    }
}

/// Whether a byte must be escaped in a part.
pub(super) fn should_escape(byte: u8, part: Part) -> bool {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => false,
        // A host keeps what RFC 3986 allows there, and what browsers and others let through besides.
        b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'[' | b']'
        | b'<' | b'>' | b'"'
            if matches!(part, Part::Host | Part::Zone) =>
        {
            false
        }
        b'$' | b'&' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'?' | b'@' => match part {
            Part::Path => byte == b'?',
            Part::UserPassword => matches!(byte, b'@' | b'/' | b'?' | b':'),
            Part::Fragment => false,
            Part::Host | Part::Zone => true,
        },
        b'!' | b'(' | b')' | b'*' => part != Part::Fragment,
        _ => true,
    }
}

/// The text with percent signs in place of what must be escaped.
pub(super) fn escape(text: &[u8], part: Part) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |number: u8| DIGITS.get(usize::from(number)).copied().unwrap_or_default();
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        if should_escape(byte, part) {
            out.extend([b'%', digit(byte >> 4), digit(byte & 15)]);
        } else {
            out.push(byte);
        }
    }
    out
}

/// The text without percent signs.
pub(super) fn unescape(text: &[u8], part: Part) -> Result<Vec<u8>, EscapeError> {
    let in_host = matches!(part, Part::Host | Part::Zone);
    // As Go does, look at the whole text before anything is replaced.
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'%' {
            let (decoded, tail) = decode(rest, part)?;
            out.push(decoded);
            rest = tail;
            continue;
        }
        if in_host && byte < 0x80 && should_escape(byte, part) {
            return Err(EscapeError::HostCharacter(vec![byte]));
        }
        out.push(byte);
        rest = tail;
    }
    Ok(out)
}

/// The byte that a percent sign and two digits stand for, and what follows them.
fn decode(text: &[u8], part: Part) -> Result<(u8, &[u8]), EscapeError> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let decoded = match text {
        [_, high, low, tail @ ..] => digit(*high).zip(digit(*low)).map(|(high, low)| (high, low, tail)),
        _ => None,
    };
    let shown = text.get(..3).unwrap_or(text);
    let refused = || EscapeError::Escape(shown.to_vec());
    let (high, low, tail) = decoded.ok_or_else(refused)?;
    let byte = high << 4 | low;
    let is_percent = shown == b"%25";
    match part {
        // A host may have bytes beyond ASCII escaped, and nothing else.
        Part::Host if high < 8 && !is_percent => Err(refused()),
        Part::Zone if !is_percent && byte != b' ' && should_escape(byte, Part::Host) => Err(refused()),
        _ => Ok((byte, tail)),
    }
}
