//! Reading a time by a layout, with Go's rules and messages.

use gotemplate::Str;
use jiff::tz::TimeZone;

use super::calendar::{Civil, MONTHS, WEEKDAYS, days_before, days_in, is_leap};
use super::duration::quoted;
use super::layout::{Chunk, ZoneForm, next_chunk};
use super::location::Location;
use super::time::Time;

/// Reads a time by a layout. What says nothing of its zone is local. The error is Go's message.
pub(super) fn parse(layout: &[u8], text: &[u8], local: &TimeZone) -> Result<Time, String> {
    let mut reader = Reader { rest: text, ..Reader::default() };
    let mut layout_rest = layout;
    let cannot = |found: &[u8], wanted: &[u8]| {
        format!(
            "parsing time {} as {}: cannot parse {} as {}",
            quoted(text),
            quoted(layout),
            quoted(found),
            quoted(wanted)
        )
    };
    let fails = |problem: &str| format!("parsing time {}: {problem}", quoted(text));
    loop {
        let chunk = next_chunk(layout_rest);
        let prefix = chunk.map_or(layout_rest, |(prefix, ..)| prefix);
        reader.rest = skip(reader.rest, prefix).map_err(|rest| cannot(rest, prefix))?;
        let Some((_, chunk, suffix)) = chunk else { break };
        let word_end = layout_rest.len() - suffix.len();
        let word = layout_rest.get(prefix.len()..word_end).unwrap_or_default();
        let before = reader.rest;
        match reader.read(chunk, suffix) {
            Ok(()) => {}
            Err(Problem::Bad) => return Err(cannot(before, word)),
            Err(Problem::Range(what)) => return Err(fails(&format!("{what} out of range"))),
        }
        layout_rest = suffix;
    }
    if !reader.rest.is_empty() {
        return Err(fails(&format!("extra text: {}", quoted(reader.rest))));
    }
    reader.time(local).map_err(fails)
}

/// Why a text is not what a chunk stands for.
enum Problem {
    Bad,
    Range(&'static str),
}

type Read<T> = Result<T, Problem>;

/// The parts of a time as they are read.
#[derive(Default)]
struct Reader<'a> {
    rest: &'a [u8],
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanosecond: i64,
    /// Whether it is after noon.
    half: Option<bool>,
    is_utc: bool,
    offset: Option<i64>,
    zone: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Takes the next bytes.
    fn take(&mut self, count: usize) -> Read<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Problem::Bad)?;
        self.rest = rest;
        Ok(taken)
    }

    /// One or two digits.
    fn number(&mut self, two: bool) -> Read<i64> {
        self.digits(1 + usize::from(two), 2)
    }

    /// As many digits as there are, within bounds.
    fn digits(&mut self, min: usize, max: usize) -> Read<i64> {
        let count = self.rest.iter().take(max).take_while(|byte| byte.is_ascii_digit()).count();
        if count < min {
            return Err(Problem::Bad);
        }
        Ok(self.take(count)?.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
    }

    fn in_range(&mut self, two: bool, max: i64, what: &'static str) -> Read<i64> {
        let number = self.number(two)?;
        if number > max { Err(Problem::Range(what)) } else { Ok(number) }
    }

    /// The place of a name in a list. Case does not matter.
    fn word(&mut self, words: &[&str], length: Option<usize>) -> Read<i64> {
        let found = words.iter().position(|word| {
            let word = word.as_bytes();
            let word = length.and_then(|length| word.get(..length)).unwrap_or(word);
            self.rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
        });
        let index = found.ok_or(Problem::Bad)?;
        let length = length.or(words.get(index).map(|word| word.len())).unwrap_or_default();
        self.take(length)?;
        i64::try_from(index).map_err(|_| Problem::Bad)
    }

    fn skip_blank(&mut self) {
        self.rest = self.rest.strip_prefix(b" ").unwrap_or(self.rest);
    }

    /// Reads what a chunk stands for. `suffix` is the layout after it.
    fn read(&mut self, chunk: Chunk, suffix: &[u8]) -> Read<()> {
        match chunk {
            Chunk::LongYear if !self.rest.first().is_some_and(u8::is_ascii_digit) => {
                return Err(Problem::Bad);
            }
            Chunk::LongYear => self.year = signed(self.take(4)?)?,
            Chunk::Year => {
                let year = signed(self.take(2)?)?;
                self.year = if year >= 69 { year + 1900 } else { year + 2000 };
            }
            Chunk::Month => self.month = Some(self.word(&MONTHS, Some(3))? + 1),
            Chunk::LongMonth => self.month = Some(self.word(&MONTHS, None)? + 1),
            Chunk::NumMonth | Chunk::ZeroMonth => {
                let month = self.in_range(chunk == Chunk::ZeroMonth, 12, "month")?;
                self.month = Some(if month == 0 { return Err(Problem::Range("month")) } else { month });
            }
            Chunk::Weekday => _ = self.word(&WEEKDAYS, Some(3))?,
            Chunk::LongWeekday => _ = self.word(&WEEKDAYS, None)?,
            Chunk::Day | Chunk::UnderDay | Chunk::ZeroDay => {
                if chunk == Chunk::UnderDay {
                    self.skip_blank();
                }
                self.day = Some(self.number(chunk == Chunk::ZeroDay)?);
            }
            Chunk::UnderYearDay => {
                self.skip_blank();
                self.skip_blank();
                self.year_day = Some(self.digits(1, 3)?);
            }
            Chunk::ZeroYearDay => self.year_day = Some(self.digits(3, 3)?),
            Chunk::Hour => self.hour = self.in_range(false, 23, "hour")?,
            Chunk::Hour12 | Chunk::ZeroHour12 => {
                self.hour = self.in_range(chunk == Chunk::ZeroHour12, 12, "hour")?;
            }
            Chunk::Minute | Chunk::ZeroMinute => {
                self.minute = self.in_range(chunk == Chunk::ZeroMinute, 59, "minute")?;
            }
            Chunk::Second | Chunk::ZeroSecond => {
                self.second = self.in_range(chunk == Chunk::ZeroSecond, 59, "second")?;
                self.unasked_fraction(suffix)?;
            }
            Chunk::Half { lower } => {
                let (am, pm): (&[u8], &[u8]) = if lower { (b"am", b"pm") } else { (b"AM", b"PM") };
                let word = self.take(2)?;
                if word != am && word != pm {
                    return Err(Problem::Bad);
                }
                // Once it was said to be after noon, that stays.
                self.half = Some(word == pm || self.half == Some(true));
            }
            Chunk::ZoneOffset(form) => self.zone_offset(form)?,
            Chunk::ZoneName => self.zone_name()?,
            Chunk::Fraction { digits, trim: false, .. } => self.fraction(1 + digits)?,
            Chunk::Fraction { .. } => self.any_fraction()?,
        }
        Ok(())
    }

    /// A fraction after the seconds that the layout does not ask for.
    fn unasked_fraction(&mut self, suffix: &[u8]) -> Read<()> {
        if next_chunk(suffix).is_some_and(|(_, chunk, _)| matches!(chunk, Chunk::Fraction { .. })) {
            return Ok(());
        }
        self.any_fraction()
    }

    /// A separator and all digits after it, if there are any.
    fn any_fraction(&mut self) -> Read<()> {
        match self.rest {
            [b'.' | b',', digits @ ..] => {
                let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
                if count > 0 { self.fraction(1 + count) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    /// A separator and digits, `count` bytes in all.
    fn fraction(&mut self, count: usize) -> Read<()> {
        let taken = self.take(count)?;
        let [b'.' | b',', digits @ ..] = taken else { return Err(Problem::Bad) };
        let digits = digits.get(..9).unwrap_or(digits);
        let number = signed(digits)?;
        if number < 0 {
            return Err(Problem::Range("fractional second"));
        }
        let missing = u32::try_from(9 - digits.len()).unwrap_or_default();
        self.nanosecond = number * 10_i64.pow(missing);
        Ok(())
    }

    fn zone_offset(&mut self, form: ZoneForm) -> Read<()> {
        if form.has_z && self.rest.first() == Some(&b'Z') {
            self.rest = self.rest.get(1..).unwrap_or_default();
            self.is_utc = true;
            return Ok(());
        }
        let sign = self.take(1)?;
        let mut parts = [0; 3];
        let count = form.parts;
        let length = count * 2 + if form.colons { count - 1 } else { 0 };
        let taken = self.take(length)?;
        let step = if form.colons { 3 } else { 2 };
        if form.colons && (1..count).any(|index| taken.get(index * step - 1) != Some(&b':')) {
            return Err(Problem::Bad);
        }
        let mut is_bad = false;
        for (index, part) in parts.iter_mut().take(count).enumerate() {
            let digits = taken.get(index * step..index * step + 2).unwrap_or_default();
            let Ok(number) = (Reader { rest: digits, ..Reader::default() }).number(true) else {
                is_bad = true;
                break;
            };
            *part = number;
        }
        let [hours, minutes, seconds] = parts;
        // Some write offsets of 24 hours, or of 60 minutes. As in Go, this is looked at before what is no number.
        let limits = [
            (hours, 24, "time zone offset hour"),
            (minutes, 60, "time zone offset minute"),
            (seconds, 60, "time zone offset second"),
        ];
        if let Some((.., what)) = limits.into_iter().rfind(|(number, max, _)| number > max) {
            return Err(Problem::Range(what));
        }
        let offset = (hours * 60 + minutes) * 60 + seconds;
        self.offset = Some(match sign {
            _ if is_bad => return Err(Problem::Bad),
            b"+" => offset,
            b"-" => -offset,
            _ => return Err(Problem::Bad),
        });
        Ok(())
    }

    fn zone_name(&mut self) -> Read<()> {
        if let Some(rest) = self.rest.strip_prefix(b"UTC") {
            self.rest = rest;
            self.is_utc = true;
            return Ok(());
        }
        let length = zone_name_length(self.rest).ok_or(Problem::Bad)?;
        self.zone = self.take(length)?;
        Ok(())
    }

    /// The time of the parts.
    fn time(mut self, local: &TimeZone) -> Result<Time, &'static str> {
        match self.half {
            Some(true) if self.hour < 12 => self.hour += 12,
            Some(false) if self.hour == 12 => self.hour = 0,
            _ => {}
        }
        let (month, day) = self.month_and_day()?;
        if day < 1 || day > days_in(month, self.year) {
            return Err("day out of range");
        }
        let civil = Civil {
            year: self.year,
            month,
            day,
            hour: self.hour,
            minute: self.minute,
            second: self.second,
            weekday: 0,
            year_day: 0,
        };
        let at = |location| Time::of_civil(&civil, self.nanosecond, location);
        let local = Location::Local(local.clone());
        if self.is_utc {
            return Ok(at(Location::Utc));
        }
        let name = Str::from(self.zone);
        let utc = at(Location::Utc);
        let shifted = |offset: i64, location| Time { seconds: utc.seconds - offset, location, ..utc.clone() };
        if let Some(offset) = self.offset {
            let here = local.at(utc.seconds - offset);
            let is_local = here.seconds == offset && (name.is_empty() || here.name == name);
            return Ok(shifted(offset, if is_local { local } else { Location::Fixed(name, offset) }));
        }
        if name.is_empty() {
            return Ok(at(local));
        }
        if let Some(offset) = local.offset_of(&name, utc.seconds) {
            return Ok(shifted(offset, local));
        }
        // Nobody knows what offset the name stands for, unless it says so itself.
        let offset = self.zone.strip_prefix(b"GMT").and_then(|hours| signed(hours).ok()).unwrap_or(0) * 3600;
        // Go shows the offset, and takes the time for one of UTC.
        Ok(shifted(0, Location::Fixed(name, offset)))
    }

    /// Month and day, also from the day of the year.
    fn month_and_day(&self) -> Result<(i64, i64), &'static str> {
        let Some(year_day) = self.year_day else {
            return Ok((self.month.unwrap_or(1), self.day.unwrap_or(1)));
        };
        if year_day < 1 || year_day > 365 + i64::from(is_leap(self.year)) {
            return Err("day-of-year out of range");
        }
        let start = days_before(self.year, 1, 1);
        let month = (1..=12).rfind(|month| days_before(self.year, *month, 1) - start < year_day).unwrap_or(1);
        let day = year_day - (days_before(self.year, month, 1) - start);
        if self.month.is_some_and(|given| given != month) {
            return Err("day-of-year does not match month");
        }
        if self.day.is_some_and(|given| given != day) {
            return Err("day-of-year does not match day");
        }
        Ok((month, day))
    }
}

/// The text without a prefix, in which a blank stands for any number of blanks; else where they part.
fn skip<'a>(mut text: &'a [u8], prefix: &[u8]) -> Result<&'a [u8], &'a [u8]> {
    let mut prefix = prefix;
    while let Some((&first, tail)) = prefix.split_first() {
        if first == b' ' {
            if text.first().is_some_and(|byte| *byte != b' ') {
                return Err(text);
            }
            prefix = without_blanks(prefix);
            text = without_blanks(text);
            continue;
        }
        text = text.strip_prefix(&[first]).ok_or(text)?;
        prefix = tail;
    }
    Ok(text)
}

fn without_blanks(text: &[u8]) -> &[u8] {
    let count = text.iter().take_while(|byte| **byte == b' ').count();
    text.get(count..).unwrap_or_default()
}

/// A number with an optional sign.
fn signed(text: &[u8]) -> Read<i64> {
    let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    let is_number = digits.iter().all(u8::is_ascii_digit) && digits.len() < 18 && !text.is_empty();
    if !is_number {
        return Err(Problem::Bad);
    }
    let number = digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
    Ok(if text.starts_with(b"-") { -number } else { number })
}

/// The length of what looks like the name of a zone.
fn zone_name_length(text: &[u8]) -> Option<usize> {
    match text {
        [] | [_] | [_, _] => None,
        [b'C', b'h', b'S', b'T', ..] | [b'M', b'e', b'S', b'T', ..] => Some(4),
        [b'G', b'M', b'T', offset @ ..] => Some(3 + signed_length(offset)),
        [b'+' | b'-', ..] => Some(signed_length(text)).filter(|length| *length > 0),
        _ => {
            let letters = text.iter().take(6).take_while(|byte| byte.is_ascii_uppercase()).count();
            let is_name = match letters {
                3 => true,
                4 => text.get(3) == Some(&b'T') || text.starts_with(b"WITA"),
                5 => text.get(4) == Some(&b'T'),
                _ => false,
            };
            is_name.then_some(letters)
        }
    }
}

/// The length of an offset in hours with its sign; 0 if there is none.
fn signed_length(text: &[u8]) -> usize {
    let [b'+' | b'-', digits @ ..] = text else { return 0 };
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let hours =
        digits.iter().take(count.min(20)).fold(0_u128, |sum, digit| sum * 10 + u128::from(digit - b'0'));
    if count == 0 || hours > 23 { 0 } else { 1 + count }
}
