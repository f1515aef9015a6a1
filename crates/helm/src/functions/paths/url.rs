//! Go's `net/url`: a URL in parts, and back.

use std::fmt;

use gotemplate::quote;

use super::address;
use super::escape::{EscapeError, Part, escape, unescape};

/// A URL in its parts.
#[derive(Debug, Default)]
pub(super) struct Url {
    pub(super) scheme: Vec<u8>,
    /// What follows the scheme, if it does not begin with a slash.
    pub(super) opaque: Vec<u8>,
    pub(super) user: Option<Userinfo>,
    /// Host and port.
    pub(super) host: Vec<u8>,
    /// The path without escapes.
    pub(super) path: Vec<u8>,
    pub(super) raw_query: Vec<u8>,
    /// The fragment without escapes.
    pub(super) fragment: Vec<u8>,
}

/// User and password.
#[derive(Debug)]
pub(super) struct Userinfo {
    user: Vec<u8>,
    password: Option<Vec<u8>>,
}

/// Why a text is not a URL, as Go says it.
#[derive(Debug)]
pub(super) struct UrlError {
    url: Vec<u8>,
    problem: Problem,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "parse {}: {}", quote(&self.url), self.problem)
    }
}

#[derive(Debug)]
enum Problem {
    Text(&'static str),
    Escape(EscapeError),
    Port(Vec<u8>),
    Host(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Escape(error) => error.fmt(f),
            Self::Port(port) => write!(f, "invalid port {} after host", quote(port)),
            Self::Host(problem) => write!(f, "invalid host: {problem}"),
        }
    }
}

impl From<EscapeError> for Problem {
    fn from(error: EscapeError) -> Self {
        Self::Escape(error)
    }
}

impl Url {
    /// Reads a URL.
    pub(super) fn parse(text: &[u8]) -> Result<Self, UrlError> {
        let (main, fragment) = cut(text, b'#').unwrap_or((text, b""));
        let mut url =
            Self::without_fragment(main).map_err(|problem| UrlError { url: main.to_vec(), problem })?;
        url.fragment = unescape(fragment, Part::Fragment)
            .map_err(|error| UrlError { url: text.to_vec(), problem: error.into() })?;
        Ok(url)
    }

    fn without_fragment(text: &[u8]) -> Result<Self, Problem> {
        if text.iter().any(u8::is_ascii_control) {
            return Err(Problem::Text("net/url: invalid control character in URL"));
        }
        let mut url = Self::default();
        if text == b"*" {
            url.path = text.to_vec();
            return Ok(url);
        }
        let (scheme, rest) = split_scheme(text)?;
        url.scheme = scheme.to_ascii_lowercase();
        let (mut rest, query) = cut(rest, b'?').unwrap_or((rest, b""));
        url.raw_query = query.to_vec();
        if !rest.starts_with(b"/") {
            if !scheme.is_empty() {
                url.opaque = rest.to_vec();
                return Ok(url);
            }
            if first_segment(rest).contains(&b':') {
                return Err(Problem::Text("first path segment in URL cannot contain colon"));
            }
        }
        if (!scheme.is_empty() || !rest.starts_with(b"///"))
            && let Some(authority) = rest.strip_prefix(b"//")
        {
            let end = authority.iter().position(|byte| *byte == b'/').unwrap_or(authority.len());
            let (authority, path) = authority.split_at(end);
            (url.user, url.host) = parse_authority(&url.scheme, authority)?;
            rest = path;
        }
        url.path = unescape(rest, Part::Path)?;
        Ok(url)
    }

    /// The host without its port and brackets.
    pub(super) fn hostname(&self) -> &[u8] {
        let host = match self.host.iter().rposition(|byte| *byte == b':') {
            Some(colon) if is_optional_port(self.host.get(colon..).unwrap_or_default()) => {
                self.host.get(..colon).unwrap_or_default()
            }
            _ => &self.host,
        };
        host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]")).unwrap_or(host)
    }

    /// The URL as a text, of parts that came without their escapes.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.scheme.is_empty() {
            out.extend_from_slice(&self.scheme);
            out.push(b':');
        }
        if self.opaque.is_empty() {
            self.push_hierarchy(&mut out);
        } else {
            out.extend_from_slice(&self.opaque);
        }
        if !self.raw_query.is_empty() {
            out.push(b'?');
            out.extend_from_slice(&self.raw_query);
        }
        if !self.fragment.is_empty() {
            out.push(b'#');
            out.extend(escape(&self.fragment, Part::Fragment));
        }
        out
    }

    /// Adds user, host and path.
    fn push_hierarchy(&self, out: &mut Vec<u8>) {
        if !self.scheme.is_empty() || !self.host.is_empty() || self.user.is_some() {
            if !self.host.is_empty() || !self.path.is_empty() || self.user.is_some() {
                out.extend_from_slice(b"//");
            }
            if let Some(user) = &self.user {
                out.extend(user.to_bytes());
                out.push(b'@');
            }
            out.extend(escape(&self.host, Part::Host));
        }
        let path = if self.path == b"*" { self.path.clone() } else { escape(&self.path, Part::Path) };
        if path.first().is_some_and(|first| *first != b'/') && !self.host.is_empty() {
            out.push(b'/');
        }
        // Else the text before the colon would be read as a scheme (RFC 3986, section 4.2).
        if out.is_empty() && first_segment(&path).contains(&b':') {
            out.extend_from_slice(b"./");
        }
        out.extend(path);
    }
}

impl Userinfo {
    /// User and password as they stand in a URL.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = escape(&self.user, Part::UserPassword);
        if let Some(password) = &self.password {
            out.push(b':');
            out.extend(escape(password, Part::UserPassword));
        }
        out
    }
}

/// What stands before and after the first such byte.
fn cut(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == separator)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

fn first_segment(path: &[u8]) -> &[u8] {
    cut(path, b'/').map_or(path, |(segment, _)| segment)
}

/// The scheme, which may be empty, and what follows its colon.
fn split_scheme(text: &[u8]) -> Result<(&[u8], &[u8]), Problem> {
    for (index, byte) in text.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if index > 0 => {}
            b':' if index == 0 => return Err(Problem::Text("missing protocol scheme")),
            b':' => return Ok(cut(text, b':').unwrap_or((b"", text))),
            _ => break,
        }
    }
    Ok((b"", text))
}

fn parse_authority(scheme: &[u8], authority: &[u8]) -> Result<(Option<Userinfo>, Vec<u8>), Problem> {
    let Some(at) = authority.iter().rposition(|byte| *byte == b'@') else {
        return Ok((None, parse_host(scheme, authority)?));
    };
    let host = parse_host(scheme, authority.get(at + 1..).unwrap_or_default())?;
    let userinfo = authority.get(..at).unwrap_or_default();
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(byte);
    if !userinfo.iter().all(is_allowed) {
        return Err(Problem::Text("net/url: invalid userinfo"));
    }
    let (user, password) = match cut(userinfo, b':') {
        Some((user, password)) => (user, Some(password)),
        None => (userinfo, None),
    };
    let user = unescape(user, Part::UserPassword)?;
    let password = password.map(|password| unescape(password, Part::UserPassword)).transpose()?;
    Ok((Some(Userinfo { user, password }), host))
}

fn parse_host(scheme: &[u8], host: &[u8]) -> Result<Vec<u8>, Problem> {
    match host.iter().rposition(|byte| *byte == b'[') {
        Some(0) => return parse_literal(host),
        Some(_) => return Err(Problem::Text("invalid IP-literal")),
        None => {}
    }
    // Databases put several hosts with ports into one, so only these schemes are looked at from the first colon.
    let strict = matches!(scheme, b"http" | b"https");
    let colon = if strict {
        host.iter().position(|byte| *byte == b':')
    } else {
        host.iter().rposition(|byte| *byte == b':')
    };
    if let Some(colon) = colon {
        let port = host.get(colon..).unwrap_or_default();
        if !is_optional_port(port) {
            return Err(Problem::Port(port.to_vec()));
        }
    }
    Ok(unescape(host, Part::Host)?)
}

/// An address of IPv6 in brackets, with an optional port.
fn parse_literal(host: &[u8]) -> Result<Vec<u8>, Problem> {
    let Some(close) = host.iter().rposition(|byte| *byte == b']') else {
        return Err(Problem::Text("missing ']' in host"));
    };
    let port = host.get(close + 1..).unwrap_or_default();
    if !is_optional_port(port) {
        return Err(Problem::Port(port.to_vec()));
    }
    let port = unescape(port, Part::Host)?;
    let name = host.get(1..close).unwrap_or_default();
    // RFC 6874 writes the percent sign before a zone as %25.
    let address = match name.windows(3).position(|window| window == b"%25") {
        Some(zone) => {
            let (address, zone) = name.split_at(zone);
            [unescape(address, Part::Host)?, unescape(zone, Part::Zone)?].concat()
        }
        None => unescape(name, Part::Host)?,
    };
    if address::parse(&address).map_err(Problem::Host)?.is_ipv4() {
        return Err(Problem::Text("invalid IP-literal"));
    }
    Ok([b"[".as_slice(), &address, b"]", &port].concat())
}

/// Whether a text is empty, or a colon and digits.
fn is_optional_port(text: &[u8]) -> bool {
    match text {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}
