//! Go's time layouts: the reference time of 2 January 2006, 15:04:05 in zone MST, written the way a time is to be.

/// A part of a layout that stands for a part of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunk {
    LongMonth,
    Month,
    NumMonth,
    ZeroMonth,
    LongWeekday,
    Weekday,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    /// `PM` or, with `lower`, `pm`.
    Half {
        lower: bool,
    },
    ZoneName,
    ZoneOffset(ZoneForm),
    /// A separator and so many digits; with `trim` without zeros at the end.
    Fraction {
        separator: u8,
        digits: usize,
        trim: bool,
    },
}

/// How an offset from UTC is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ZoneForm {
    /// UTC is written `Z`.
    pub(super) has_z: bool,
    pub(super) colons: bool,
    /// Hours, and with 2 also minutes, and with 3 also seconds.
    pub(super) parts: usize,
}

/// The offsets of layouts without their sign or `Z`, whether they have colons, and their parts. Those that begin
/// with another come first.
const ZONES: [(&[u8], bool, usize); 5] = [
    (b"070000", false, 3),
    (b"07:00:00", true, 3),
    (b"0700", false, 2),
    (b"07:00", true, 2),
    (b"07", false, 1),
];

/// The first chunk of a layout, with what stands before and after it.
pub(super) fn next_chunk(layout: &[u8]) -> Option<(&[u8], Chunk, &[u8])> {
    (0..layout.len()).find_map(|start| {
        let (prefix, rest) = layout.split_at(start);
        let (skipped, chunk, length) = chunk_at(rest)?;
        let prefix = if skipped > 0 { layout.get(..start + skipped)? } else { prefix };
        Some((prefix, chunk, rest.get(length..)?))
    })
}

/// The chunk that a text begins with: how many bytes of it are not part of the chunk, the chunk, where it ends.
fn chunk_at(text: &[u8]) -> Option<(usize, Chunk, usize)> {
    let begins = |word: &[u8]| text.starts_with(word);
    let lower_follows = text.get(3).is_some_and(u8::is_ascii_lowercase);
    let second = text.get(1).copied().unwrap_or_default();
    let (chunk, length) = match text.first()? {
        b'J' if begins(b"January") => (Chunk::LongMonth, 7),
        b'J' if begins(b"Jan") && !lower_follows => (Chunk::Month, 3),
        b'M' if begins(b"Monday") => (Chunk::LongWeekday, 6),
        b'M' if begins(b"Mon") && !lower_follows => (Chunk::Weekday, 3),
        b'M' if begins(b"MST") => (Chunk::ZoneName, 3),
        b'0' => match second {
            b'1' => (Chunk::ZeroMonth, 2),
            b'2' => (Chunk::ZeroDay, 2),
            b'3' => (Chunk::ZeroHour12, 2),
            b'4' => (Chunk::ZeroMinute, 2),
            b'5' => (Chunk::ZeroSecond, 2),
            b'6' => (Chunk::Year, 2),
            b'0' if begins(b"002") => (Chunk::ZeroYearDay, 3),
            _ => return None,
        },
        b'1' if second == b'5' => (Chunk::Hour, 2),
        b'1' => (Chunk::NumMonth, 1),
        b'2' if begins(b"2006") => (Chunk::LongYear, 4),
        b'2' => (Chunk::Day, 1),
        // An underscore before a year is only an underscore.
        b'_' if begins(b"_2006") => return Some((1, Chunk::LongYear, 5)),
        b'_' if second == b'2' => (Chunk::UnderDay, 2),
        b'_' if begins(b"__2") => (Chunk::UnderYearDay, 3),
        b'3' => (Chunk::Hour12, 1),
        b'4' => (Chunk::Minute, 1),
        b'5' => (Chunk::Second, 1),
        b'P' if second == b'M' => (Chunk::Half { lower: false }, 2),
        b'p' if second == b'm' => (Chunk::Half { lower: true }, 2),
        sign @ (b'-' | b'Z') => zone(*sign == b'Z', text.get(1..)?)?,
        separator @ (b'.' | b',') => fraction(*separator, text.get(1..)?)?,
        _ => return None,
    };
    Some((0, chunk, length))
}

fn zone(has_z: bool, text: &[u8]) -> Option<(Chunk, usize)> {
    let (word, colons, parts) = ZONES.iter().find(|(word, ..)| text.starts_with(word))?;
    Some((Chunk::ZoneOffset(ZoneForm { has_z, colons: *colons, parts: *parts }), word.len() + 1))
}

/// Zeros or nines that no other digit follows.
fn fraction(separator: u8, text: &[u8]) -> Option<(Chunk, usize)> {
    let digit = *text.first().filter(|digit| matches!(digit, b'0' | b'9'))?;
    let digits = text.iter().take_while(|byte| **byte == digit).count();
    if text.get(digits).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    Some((Chunk::Fraction { separator, digits, trim: digit == b'9' }, digits + 1))
}
