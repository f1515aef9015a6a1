//! Parts of strings.

use gotemplate::{Args, FunctionError, Value};

use super::super::support::{Outcome, go_len};

const MARKER: &[u8] = b"...";

/// The bytes from the first number to the second; a negative one stands for the beginning or the end.
pub(super) fn substring(args: &Args<'_>) -> Outcome {
    let (start, end, text) = (args.int(0), args.int(1), args.str(2));
    let len = go_len(text.len());
    let problem = match () {
        () if start < 0 && end < 0 => Some(format!(":{end}")),
        () if start < 0 && end > len => Some(format!(":{end}] with length {len}")),
        () if start < 0 => None,
        () if (end < 0 || end > len) && start > len => Some(format!("{start}:{len}")),
        () if end < 0 || end > len => None,
        () => (start > end).then(|| format!("{start}:{end}")),
    };
    if let Some(problem) = problem {
        let close = if problem.contains(']') { "" } else { "]" };
        return Err(FunctionError::new(format!(
            "runtime error: slice bounds out of range [{problem}{close}"
        )));
    }
    let start = start.max(0);
    let end = if args.int(0) >= 0 && (end < 0 || end > len) { len } else { end };
    let range = usize::try_from(start).unwrap_or(0)..usize::try_from(end).unwrap_or(0);
    Ok(Value::String(text.get(range).unwrap_or_default().into()))
}

/// At most `width` bytes, the rest replaced by three dots.
pub(super) fn abbreviate(text: &[u8], offset: i64, width: i64) -> Vec<u8> {
    let len = go_len(text.len());
    if width < 4 || len <= width {
        return text.to_vec();
    }
    let mut offset = offset.min(len);
    if len - offset < width - 3 {
        offset = len - (width - 3);
    }
    let at = |position: i64| usize::try_from(position).unwrap_or(0);
    if offset <= 4 {
        return [text.get(..at(width - 3)).unwrap_or_default(), MARKER].concat();
    }
    if width < 7 {
        return Vec::new();
    }
    if offset + width - 3 < len {
        let rest = text.get(at(offset)..).unwrap_or_default();
        // The rest is longer than this width, so it does not come back here.
        return [MARKER, &abbreviate(rest, 0, width - 3)].concat();
    }
    [MARKER, text.get(at(len - (width - 3))..).unwrap_or_default()].concat()
}

/// As [`abbreviate`], with the beginning replaced by three dots as well.
pub(super) fn abbreviate_both(text: &[u8], offset: i64, width: i64) -> Vec<u8> {
    if width < 4 || (offset > 0 && width < 7) { text.to_vec() } else { abbreviate(text, offset, width) }
}

/// The first byte of every word, as goutils has it: every byte is taken for a character.
pub(super) fn initials(text: &[u8]) -> Vec<u8> {
    let mut initials = String::new();
    let mut after_blank = true;
    for character in text.iter().copied().map(char::from) {
        if !character.is_whitespace() && after_blank {
            initials.push(character);
        }
        after_blank = character.is_whitespace();
    }
    initials.into_bytes()
}

/// The text without blanks, as goutils has it: every byte is taken for a character, unless there are no blanks.
pub(super) fn without_blanks(text: &[u8]) -> Vec<u8> {
    let characters = text.iter().copied().map(char::from);
    let kept: Vec<char> = characters.filter(|character| !character.is_whitespace()).collect();
    if kept.len() == text.len() { text.to_vec() } else { kept.into_iter().collect::<String>().into_bytes() }
}
