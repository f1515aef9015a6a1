//! Go's `net/netip`: addresses of IPv4 and IPv6 with the messages for those that are none.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use gotemplate::quote;

/// Reads an address. The error is Go's message.
pub(super) fn parse(text: &[u8]) -> Result<IpAddr, String> {
    match text.iter().find(|byte| matches!(byte, b'.' | b':' | b'%')) {
        Some(b'.') => parse_v4(text, text).map(|octets| IpAddr::V4(Ipv4Addr::from(octets))),
        Some(b':') => V6::parse(text).map(|octets| IpAddr::V6(Ipv6Addr::from(octets))),
        Some(_) => Err(problem(text, "missing IPv6 address", b"")),
        None => Err(problem(text, "unable to parse IP", b"")),
    }
}

fn problem(text: &[u8], problem: &str, at: &[u8]) -> String {
    let at = if at.is_empty() { String::new() } else { format!(" (at {})", quote(at)) };
    format!("ParseAddr({}): {problem}{at}", quote(text))
}

/// Reads the four numbers of an address of IPv4, which may stand at the end of another one.
fn parse_v4(whole: &[u8], text: &[u8]) -> Result<[u8; 4], String> {
    let fails = |words, at| Err(problem(whole, words, at));
    let mut fields = [0; 4];
    let (mut field, mut value, mut digits) = (0, 0_u16, 0);
    for (index, &byte) in text.iter().enumerate() {
        let rest = text.get(index..).unwrap_or_default();
        match byte {
            b'0'..=b'9' => {
                if digits == 1 && value == 0 {
                    return fails("IPv4 field has octet with leading zero", b"");
                }
                value = value * 10 + u16::from(byte - b'0');
                digits += 1;
                if value > 255 {
                    return fails("IPv4 field has value >255", b"");
                }
            }
            b'.' => {
                if digits == 0 || rest.len() == 1 {
                    return fails("IPv4 field must have at least one digit", rest);
                }
                if field == 3 {
                    return fails("IPv4 address too long", b"");
                }
                set(&mut fields, field, value);
                (field, value, digits) = (field + 1, 0, 0);
            }
            _ => return fails("unexpected character", rest),
        }
    }
    if field < 3 {
        return fails("IPv4 address too short", b"");
    }
    set(&mut fields, field, value);
    Ok(fields)
}

fn set(fields: &mut [u8; 4], field: usize, value: u16) {
    if let (Some(place), Ok(value)) = (fields.get_mut(field), u8::try_from(value)) {
        *place = value;
    }
}

/// An address of IPv6 as it is read.
struct V6<'a> {
    whole: &'a [u8],
    has_zone: bool,
    octets: Vec<u8>,
    /// How many octets stand before the `::`.
    gap: Option<usize>,
}

impl<'a> V6<'a> {
    fn parse(whole: &'a [u8]) -> Result<[u8; 16], String> {
        let mut text = whole;
        let mut has_zone = false;
        if let Some(percent) = whole.iter().position(|byte| *byte == b'%') {
            text = whole.get(..percent).unwrap_or_default();
            has_zone = true;
            if percent + 1 == whole.len() {
                return Err(problem(whole, "zone must be a non-empty string", b""));
            }
        }
        let mut address = Self { whole, has_zone, octets: Vec::with_capacity(16), gap: None };
        if let Some(rest) = text.strip_prefix(b"::") {
            address.gap = Some(0);
            text = rest;
            if text.is_empty() {
                return Ok([0; 16]);
            }
        }
        let rest = address.groups(text)?;
        if !rest.is_empty() {
            return Err(address.fails("trailing garbage after address", rest));
        }
        address.expand()
    }

    fn fails(&self, words: &str, at: &[u8]) -> String {
        problem(self.whole, words, at)
    }

    /// Reads up to eight groups and gives what follows them.
    fn groups<'t>(&mut self, mut text: &'t [u8]) -> Result<&'t [u8], String> {
        while self.octets.len() < 16 {
            let digits = self.group(text)?;
            let rest = text.get(digits..).unwrap_or_default();
            if rest.starts_with(b".") {
                self.embedded(text)?;
                return Ok(b"");
            }
            let digits = std::str::from_utf8(text.get(..digits).unwrap_or_default()).unwrap_or_default();
            self.octets.extend(u16::from_str_radix(digits, 16).unwrap_or_default().to_be_bytes());
            text = rest;
            match text {
                [] => break,
                [b':'] => return Err(self.fails("colon must be followed by more characters", text)),
                [b':', b':', tail @ ..] => {
                    if self.gap.is_some() {
                        return Err(self.fails("multiple :: in address", text.get(1..).unwrap_or_default()));
                    }
                    self.gap = Some(self.octets.len());
                    text = tail;
                    if text.is_empty() {
                        break;
                    }
                }
                [b':', tail @ ..] => text = tail,
                _ => return Err(self.fails("unexpected character, want colon", text)),
            }
        }
        Ok(text)
    }

    /// The number of hexadecimal digits at the start of a text.
    fn group(&self, text: &[u8]) -> Result<usize, String> {
        let digits = text.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        match digits {
            0 => Err(self.fails("each colon-separated field must have at least one digit", text)),
            1..=4 => Ok(digits),
            _ => Err(self.fails("each group must have 4 or less digits", text)),
        }
    }

    /// Reads an address of IPv4 in place of the last two groups.
    fn embedded(&mut self, text: &[u8]) -> Result<(), String> {
        if self.gap.is_none() && self.octets.len() != 12 {
            let words = "embedded IPv4 address must replace the final 2 fields of the address";
            return Err(self.fails(words, text));
        }
        if self.octets.len() + 4 > 16 {
            let words = "too many hex fields to fit an embedded IPv4 at the end of the address";
            return Err(self.fails(words, text));
        }
        // Go looks for the numbers up to the end of the text, also where a zone was cut off.
        let text = if self.has_zone {
            text
        } else {
            self.whole.get(self.whole.len() - text.len()..).unwrap_or_default()
        };
        self.octets.extend(parse_v4(self.whole, text)?);
        Ok(())
    }

    /// Fills the gap with zeros.
    fn expand(mut self) -> Result<[u8; 16], String> {
        let missing = 16_usize.saturating_sub(self.octets.len());
        match self.gap {
            None if missing > 0 => Err(self.fails("address string too short", b"")),
            Some(_) if missing == 0 => {
                Err(self.fails("the :: must expand to at least one field of zeros", b""))
            }
            gap => {
                let gap = gap.unwrap_or(self.octets.len());
                self.octets.splice(gap..gap, std::iter::repeat_n(0, missing));
                self.octets.try_into().map_err(|_| problem(self.whole, "address string too short", b""))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_rust() {
        for text in [
            "::",
            "::1",
            "1::",
            "1:2:3:4:5:6:7:8",
            "fe80::1",
            "::ffff:1.2.3.4",
            "1:2:3:4:5:6:1.2.3.4",
            "1.2.3.4",
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap(), text.parse::<IpAddr>().unwrap(), "{text}");
        }
        assert_eq!(parse(b"fe80::1%eth0").unwrap(), "fe80::1".parse::<IpAddr>().unwrap());
        for text in [
            "",
            "1",
            ":",
            ":::",
            "1:2",
            "1::2::3",
            "12345::",
            "1.2.3",
            "01.2.3.4",
            "1.2.3.4.5",
            "::1.2.3.256",
            "::%",
            "1:2:3:4:5:6:7:8:9",
            "1:2:3:4:5:6:7::8",
            "g::",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
