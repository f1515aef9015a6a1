//! Which texts go-yaml v2 takes for timestamps. They stay text when read and are quoted when written.

/// Go: `time.Parse` with the four layouts that go-yaml allows.
pub(super) fn is_timestamp(text: &str) -> bool {
    parse_date(text).is_some_and(|rest| {
        rest.is_empty()
            || rest.strip_prefix(['T', 't']).and_then(parse_time).is_some_and(is_zone)
            || rest.strip_prefix(' ').map(|rest| rest.trim_start_matches(' ')).and_then(parse_time)
                == Some("")
    })
}

/// Takes a date with a month and day of one or two digits, and gives the rest.
fn parse_date(text: &str) -> Option<&str> {
    let (year, rest) = text.split_at_checked(4)?;
    let year: u32 = year.bytes().all(|byte| byte.is_ascii_digit()).then(|| year.parse().ok())??;
    let (month, rest) = take_number(rest.strip_prefix('-')?)?;
    let (day, rest) = take_number(rest.strip_prefix('-')?)?;
    (day >= 1 && day <= days_in(year, month)?).then_some(rest)
}

fn days_in(year: u32, month: u32) -> Option<u32> {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 => Some(if is_leap { 29 } else { 28 }),
        _ => None,
    }
}

/// Takes hours, minutes, seconds and perhaps a fraction, and gives the rest.
fn parse_time(text: &str) -> Option<&str> {
    let (hour, rest) = take_number(text)?;
    let (minute, rest) = take_number(rest.strip_prefix(':')?)?;
    let (second, rest) = take_number(rest.strip_prefix(':')?)?;
    let rest = match rest.strip_prefix(['.', ',']) {
        Some(fraction) if fraction.starts_with(|first: char| first.is_ascii_digit()) => {
            fraction.trim_start_matches(|digit: char| digit.is_ascii_digit())
        }
        _ => rest,
    };
    (hour < 24 && minute < 60 && second < 60).then_some(rest)
}

/// `Z`, or a sign, hours and minutes. Go lets 24 hours and 60 minutes pass.
fn is_zone(text: &str) -> bool {
    if text == "Z" {
        return true;
    }
    match text.as_bytes() {
        [b'+' | b'-', h1, h2, b':', m1, m2] => {
            [h1, h2, m1, m2].iter().all(|digit| digit.is_ascii_digit())
                && (*h1, *h2) <= (b'2', b'4')
                && (*m1, *m2) <= (b'6', b'0')
        }
        _ => false,
    }
}

/// Takes a number of one or two digits.
fn take_number(text: &str) -> Option<(u32, &str)> {
    let digits = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, rest))
}
