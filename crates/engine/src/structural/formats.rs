//! Formats of texts, as `k8s.io/kube-openapi/pkg/validation/strfmt` reads them.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use jiff::Timestamp;
use jiff::civil::Date;
use regex::Regex;

/// What a format says of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// It has this format, or the format says nothing.
    Fits,
    /// It has not.
    Differs,
    /// The API server knows this format, and it is not known here.
    Unknown,
}

impl From<bool> for Format {
    fn from(fits: bool) -> Self {
        if fits { Self::Fits } else { Self::Differs }
    }
}

/// Formats that the API server knows and that are rarely used.
const RARE: [&str; 8] =
    ["bsonobjectid", "isbn", "isbn10", "isbn13", "creditcard", "ssn", "rgbcolor", "email"];

/// What a format says of a text. The server does not mind dashes in the names of formats, nor formats that it does not
/// know.
pub(super) fn check(format: &str, text: &str) -> Format {
    match format.replace('-', "").as_str() {
        "datetime" => is_date_time(text).into(),
        "date" => (text.is_empty() || text.parse::<Date>().is_ok() && text.len() == 10).into(),
        "duration" => duration(text).is_some().into(),
        "byte" => (STANDARD.decode(text).is_ok() && !text.is_empty() || is_empty_bytes(text)).into(),
        "ipv4" => (text.parse::<Ipv4Addr>().is_ok() || is_mapped(text)).into(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok().into(),
        "cidr" => is_cidr(text).into(),
        "mac" => is_mac(text).into(),
        "uri" => is_request_uri(text).into(),
        "hostname" => is_hostname(text).into(),
        "uuid" => matches(&UUID, text).into(),
        "uuid3" => matches(&UUID3, text).into(),
        "uuid4" => matches(&UUID4, text).into(),
        "uuid5" => matches(&UUID5, text).into(),
        "hexcolor" => matches(&HEX_COLOUR, text).into(),
        "k8sshortname" | "k8slongname" => Format::Unknown,
        rare if RARE.contains(&rare) => Format::Unknown,
        _ => Format::Fits,
    }
}

type Expression = LazyLock<Option<Regex>>;

static UUID: Expression = LazyLock::new(|| {
    Regex::new("(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$").ok()
});
static UUID3: Expression = LazyLock::new(|| {
    Regex::new("(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$").ok()
});
static UUID4: Expression = LazyLock::new(|| {
    Regex::new("(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$").ok()
});
static UUID5: Expression = LazyLock::new(|| {
    Regex::new("(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$").ok()
});
static HEX_COLOUR: Expression = LazyLock::new(|| Regex::new("^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$").ok());
static HOST: Expression = LazyLock::new(|| {
    Regex::new(
        r"^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)|([a-zA-Z0-9\p{S}\p{L}](([a-zA-Z0-9-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}([a-zA-Z\p{L}]){2,63})$",
    )
    .ok()
});
static DATE_TIME: Expression = LazyLock::new(|| {
    Regex::new(r"^([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))$").ok()
});

fn matches(expression: &Expression, text: &str) -> bool {
    expression.as_ref().is_some_and(|it| it.is_match(text))
}

fn is_empty_bytes(text: &str) -> bool {
    text.is_empty() && STANDARD_NO_PAD.decode(text).is_ok()
}

/// RFC 3339, with any case of `T` and `Z`.
fn is_date_time(text: &str) -> bool {
    let lower = text.to_lowercase();
    let Some((date, time)) = lower.split_once('t') else { return false };
    let Some(time_without_zone) = time.get(..8) else { return false };
    let is_in_range = time_without_zone.parse::<jiff::civil::Time>().is_ok();
    date.len() == 10 && date.parse::<Date>().is_ok() && is_in_range && matches(&DATE_TIME, time)
}

/// The instant of a text of the format `date-time` or `date`.
pub(super) fn timestamp(text: &str) -> Option<Timestamp> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_uppercase() };
    whole.parse().ok()
}

/// Nanoseconds of a duration as Go's `time.ParseDuration` reads it, or as Scala writes it (`3 days`).
pub(super) fn duration(text: &str) -> Option<i64> {
    go_duration(text).or_else(|| long_duration(text))
}

fn go_duration(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut total = 0.0_f64;
    let mut is_any = false;
    while !rest.is_empty() {
        let length = rest.find(|it: char| !it.is_ascii_digit() && it != '.')?;
        let (number, after) = rest.split_at(length);
        let units = [
            ("ns", 1.0),
            ("us", 1e3),
            ("µs", 1e3),
            ("μs", 1e3),
            ("ms", 1e6),
            ("h", 3.6e12),
            ("m", 6e10),
            ("s", 1e9),
        ];
        let (unit, worth) = units.into_iter().find(|(unit, _)| after.starts_with(unit))?;
        if number.is_empty() || number == "." {
            return None;
        }
        total += number.parse::<f64>().ok()? * worth;
        rest = after.strip_prefix(unit)?;
        is_any = true;
    }
    whole(total * sign).filter(|_| is_any)
}

fn whole(nanoseconds: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "it is in range where it is used")]
    let cut = nanoseconds as i64;
    (nanoseconds.abs() < 9.2e18).then_some(cut)
}

fn long_duration(text: &str) -> Option<i64> {
    let number: String = text.chars().take_while(char::is_ascii_digit).collect();
    let unit = text.get(number.len()..)?.trim().to_lowercase();
    let worth = match unit.as_str() {
        it if it.starts_with("nano") => 1.0,
        it if it.starts_with("micro") => 1e3,
        it if it.starts_with("milli") => 1e6,
        "ns" => 1.0,
        "us" | "µs" => 1e3,
        "ms" => 1e6,
        it if it == "s" || it.starts_with("sec") => 1e9,
        it if it == "m" || it.starts_with("min") => 6e10,
        it if it == "h" || it == "hr" || it.starts_with("hour") => 3.6e12,
        it if it == "d" || it.starts_with("day") => 8.64e13,
        it if it == "w" || it == "wk" || it.starts_with("week") => 6.048e14,
        _ => return None,
    };
    whole(number.parse::<f64>().ok()? * worth)
}

/// `::ffff:1.2.3.4` has a point in it, and that is all the server asks for.
fn is_mapped(text: &str) -> bool {
    text.contains('.') && text.parse::<Ipv6Addr>().is_ok()
}

fn is_cidr(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    let most = if address.parse::<Ipv4Addr>().is_ok() {
        32
    } else if address.parse::<Ipv6Addr>().is_ok() {
        128
    } else {
        return false;
    };
    length.chars().all(|it| it.is_ascii_digit()) && length.parse::<u8>().is_ok_and(|it| it <= most)
}

fn is_mac(text: &str) -> bool {
    let parts = |separator: char, digits: usize, counts: &[usize]| {
        let parts: Vec<_> = text.split(separator).collect();
        let is_part = |it: &&str| it.len() == digits && it.chars().all(|it| it.is_ascii_hexdigit());
        counts.contains(&parts.len()) && parts.iter().all(is_part)
    };
    parts(':', 2, &[6, 8, 20]) || parts('-', 2, &[6, 8, 20]) || parts('.', 4, &[3, 4, 10])
}

/// As Go's `url.ParseRequestURI`: absolute, or a path from the root.
fn is_request_uri(text: &str) -> bool {
    let is_clean = !text.chars().any(|it| it.is_ascii_control() || it == ' ');
    let is_scheme = |scheme: &str| {
        let inner = |it: char| it.is_ascii_alphanumeric() || matches!(it, '+' | '-' | '.');
        scheme.chars().next().is_some_and(|it| it.is_ascii_alphabetic()) && scheme.chars().all(inner)
    };
    is_clean && (text.starts_with('/') || text.split_once(':').is_some_and(|(scheme, _)| is_scheme(scheme)))
}

fn is_hostname(text: &str) -> bool {
    text.len() <= 255 && text.split('.').all(|part| part.len() <= 63) && matches(&HOST, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_those_of_the_api_server() {
        for (format, text, expected) in [
            ("date-time", "2026-01-31T12:00:00Z", Format::Fits),
            ("date-time", "2026-01-31t12:00:00.5+02:00", Format::Fits),
            ("date-time", "2026-01-31", Format::Differs),
            ("date-time", "2026-02-31T12:00:00Z", Format::Differs),
            ("date", "2026-01-31", Format::Fits),
            ("date", "2026-1-31", Format::Differs),
            ("duration", "1h30m", Format::Fits),
            ("duration", "-1.5s", Format::Fits),
            ("duration", "3 days", Format::Fits),
            ("duration", "5", Format::Differs),
            ("duration", "soon", Format::Differs),
            ("byte", "aGk=", Format::Fits),
            ("byte", "a b", Format::Differs),
            ("ipv4", "10.0.0.1", Format::Fits),
            ("ipv4", "10.0.0.256", Format::Differs),
            ("ipv6", "::1", Format::Fits),
            ("ipv6", "10.0.0.1", Format::Differs),
            ("cidr", "10.0.0.0/8", Format::Fits),
            ("cidr", "10.0.0.0/33", Format::Differs),
            ("mac", "00:11:22:33:44:55", Format::Fits),
            ("mac", "00:11:22:33:44", Format::Differs),
            ("uri", "https://example.com/a?b", Format::Fits),
            ("uri", "/a", Format::Fits),
            ("uri", "example.com", Format::Differs),
            ("hostname", "a-b.example.com", Format::Fits),
            ("hostname", "a_b", Format::Differs),
            ("uuid", "F47AC10B-58CC-4372-A567-0E02B2C3D479", Format::Fits),
            ("uuid", "f47ac10b", Format::Differs),
            ("uuid3", "f47ac10b-58cc-4372-a567-0e02b2c3d479", Format::Differs),
            ("password", "anything", Format::Fits),
            ("isbn", "1", Format::Unknown),
            ("of-our-own", "anything", Format::Fits),
        ] {
            assert_eq!(check(format, text), expected, "{format} {text}");
        }
    }
}
