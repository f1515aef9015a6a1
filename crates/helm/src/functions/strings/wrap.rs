//! Lines of a limited length, by the rules of Masterminds/goutils.

use gotemplate::{Context, Value};

use super::super::support::Outcome;

/// What happens to a word that is longer than a line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LongWords {
    /// It stands on a line of its own.
    Keep,
    /// It is broken, between any two bytes.
    Break,
}

/// Breaks a text at blanks into lines of so many bytes. Line ends of the text itself do not count.
pub(super) fn wrap(
    ctx: &mut Context<'_>,
    text: &[u8],
    width: i64,
    line_end: &[u8],
    long_words: LongWords,
) -> Outcome {
    let width = usize::try_from(width.max(1)).unwrap_or(usize::MAX);
    let most_lines = text.len() / width.min(text.len().max(1)) + 1;
    ctx.allocate(text.len().saturating_add(most_lines.saturating_mul(line_end.len())))?;
    ctx.step(text.len() as u64 / 16)?;
    let mut wrapped = Vec::with_capacity(text.len());
    let mut rest = text;
    while rest.len() > width {
        if let Some(tail) = rest.strip_prefix(b" ") {
            rest = tail;
            continue;
        }
        let (fitting, _) = rest.split_at(width + 1);
        let blank = memchr::memrchr(b' ', fitting);
        let (end, next) = match (blank, long_words) {
            (Some(blank), _) => (blank, blank + 1),
            (None, LongWords::Break) => (width, width),
            (None, LongWords::Keep) => match rest.get(width..).and_then(|tail| memchr::memchr(b' ', tail)) {
                Some(blank) => (width + blank, width + blank + 1),
                None => break,
            },
        };
        wrapped.extend_from_slice(rest.get(..end).unwrap_or_default());
        wrapped.extend_from_slice(line_end);
        rest = rest.get(next..).unwrap_or_default();
    }
    wrapped.extend_from_slice(rest);
    Ok(Value::String(wrapped.into()))
}
