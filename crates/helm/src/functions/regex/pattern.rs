//! Compiled expressions, and the texts that they are looked for in.

use std::borrow::Cow;
use std::ops::Range;
use std::rc::Rc;

use gotemplate::{Context, FunctionError};
use regex::{Regex, RegexBuilder};

use super::translate::translate;
use crate::recent::Recent;
use crate::value::json_text;

/// Bytes that a compiled expression may take.
const MAX_BYTES: usize = 64 << 20;

/// The size up to which expressions are kept for the next call.
const KEPT_SIZE: u64 = 2000;

thread_local! {
    static RECENT: Recent<Pattern> = Recent::default();
}

/// A compiled expression.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) regex: Regex,
    /// The names of the groups from the first on; empty for those without.
    pub(super) names: Vec<String>,
}

/// Compiles an expression, or gives the message of Go's `regexp.Compile`.
pub(super) fn compile(
    ctx: &mut Context<'_>,
    expression: &[u8],
) -> Result<Result<Rc<Pattern>, String>, FunctionError> {
    if let Some(pattern) = RECENT.with(|recent| recent.find(expression)) {
        return Ok(Ok(pattern));
    }
    ctx.step(expression.len() as u64)?;
    let translated = match translate(expression) {
        Ok(translated) => translated,
        Err(message) => return Ok(Err(format!("error parsing regexp: {message}"))),
    };
    ctx.step(translated.size)?;
    let mut builder = RegexBuilder::new(&translated.text);
    builder.size_limit(MAX_BYTES).nest_limit(10_000);
    let built = stacker::maybe_grow(4 << 20, 16 << 20, || builder.build());
    let Ok(regex) = built else {
        let shown = String::from_utf8_lossy(expression);
        return Ok(Err(format!("error parsing regexp: expression too large: `{shown}`")));
    };
    let pattern = Rc::new(Pattern { regex, names: translated.names });
    if translated.size <= KEPT_SIZE {
        RECENT.with(|recent| recent.keep(expression, &pattern));
    }
    Ok(Ok(pattern))
}

/// A text as expressions see it: every byte that is not UTF-8 is one character, U+FFFD.
pub(super) struct Text<'t> {
    bytes: &'t [u8],
    seen: Cow<'t, str>,
}

impl<'t> Text<'t> {
    pub(super) fn new(bytes: &'t [u8]) -> Self {
        Self { bytes, seen: json_text(bytes) }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.seen
    }

    /// Bytes that the text takes besides the one it was made of.
    pub(super) fn own_bytes(&self) -> usize {
        if matches!(self.seen, Cow::Owned(_)) { self.seen.len() } else { 0 }
    }

    /// The bytes that stand for a part of what expressions see.
    pub(super) fn bytes(&self, range: Range<usize>) -> &'t [u8] {
        if matches!(self.seen, Cow::Borrowed(_)) {
            return self.bytes.get(range).unwrap_or_default();
        }
        let (start, end) = (self.position(range.start), self.position(range.end));
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// The place in the bytes for one in what is seen: a byte that is not UTF-8 is seen as three.
    fn position(&self, seen: usize) -> usize {
        let (mut at, mut seen_at) = (0, 0);
        for chunk in self.bytes.utf8_chunks() {
            let valid = chunk.valid().len();
            if seen <= seen_at + valid {
                return at + (seen - seen_at);
            }
            (at, seen_at) = (at + valid, seen_at + valid);
            let width = char::REPLACEMENT_CHARACTER.len_utf8();
            for _ in chunk.invalid() {
                if seen <= seen_at {
                    return at;
                }
                (at, seen_at) = (at + 1, seen_at + width);
            }
        }
        at
    }
}
