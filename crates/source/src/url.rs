//! Addresses of Git repositories: what is accepted, how it is shown, what is one and the same.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The address of a Git repository that Tiphys may talk to: `https://`, `ssh://`, `user@host:path`, and `http://`
/// where the [`Remote`](crate::Remote) allows it. Everything else is refused when it is parsed.
///
/// `Display` and `Debug` never show the user of an http address (some people put tokens there); a password cannot be
/// part of an address at all.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RemoteUrl {
    scheme: Scheme,
    user: Option<String>,
    host: Host,
    port: Option<u16>,
    path: Path,
}

/// How a repository is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scheme {
    /// Git over TLS.
    Https,
    /// Git in the clear.
    Http,
    /// Git over ssh.
    Ssh,
}

/// A host name in lower case, or an address. IPv6 is kept without brackets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Host {
    Name(String),
    V6(Ipv6Addr),
}

/// The path as it goes to the server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Path {
    /// Begins with `/`.
    Absolute(String),
    /// Relative to the home directory of the ssh user, as in `git@host:path`.
    Home(String),
}

/// Why a text is not an address that Tiphys talks to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum UrlError {
    /// Another scheme, or a path on this machine.
    #[error("{kind} is refused as a repository address; use https://, ssh:// or user@host:path")]
    Scheme {
        /// What was given, in words that contain no credentials.
        kind: String,
    },
    /// A password in the address.
    #[error("the repository address contains a password; put it into a Secret and name it in secretRef")]
    Password,
    /// A control character, a blank or something else that has no place in an address.
    #[error("the repository address contains {what}; write it as %XX or remove it")]
    Character {
        /// The character, in words.
        what: String,
    },
    /// No host, or not a host name.
    #[error("the repository address has no valid host name")]
    Host,
    /// Not a port number.
    #[error("the repository address has no valid port; it is a number from 1 to 65535")]
    Port,
    /// Not a user name.
    #[error("the repository address has no valid user name")]
    User,
    /// No path, or one with `..`, a query or a fragment.
    #[error("the repository address has no valid path: {problem}")]
    Path {
        /// What is wrong with it.
        problem: Cow<'static, str>,
    },
}

impl RemoteUrl {
    /// Parses an address.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if let Some(character) = text.chars().find(|it| it.is_control() || it.is_whitespace()) {
            return Err(UrlError::Character { what: format!("the character {character:?}") });
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            let scheme = match scheme.to_ascii_lowercase().as_str() {
                "https" => Scheme::Https,
                "http" => Scheme::Http,
                "ssh" | "git+ssh" | "ssh+git" => Scheme::Ssh,
                _ => return Err(refused(scheme, "://")),
            };
            return parse_hierarchical(scheme, rest);
        }
        if let Some((helper, _)) = text.split_once("::")
            && !helper.contains(['@', '[', '/'])
        {
            return Err(refused(helper, "::"));
        }
        parse_scp(text)
    }

    /// How the repository is spoken to.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The user in the address. For http it is only a default for the user name of the credentials.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The host: a name in lower case, or an IP address without brackets.
    pub fn host(&self) -> String {
        match &self.host {
            Host::Name(name) => name.clone(),
            Host::V6(address) => address.to_string(),
        }
    }

    /// The port, given or usual.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.scheme {
            Scheme::Https => 443,
            Scheme::Http => 80,
            Scheme::Ssh => 22,
        })
    }

    /// Whether both are at one server, spoken to in the same way: where credentials of one may be used for the other.
    pub fn same_server(&self, other: &Self) -> bool {
        (self.scheme, &self.host, self.port()) == (other.scheme, &other.host, other.port())
    }

    /// Whether both name one repository, however it is spoken to: `https://git.example.com/acme/deploy.git` and
    /// `git@git.example.com:acme/deploy`. It is how a webhook finds what it is about; it must not decide about access.
    pub fn same_repository(&self, other: &Self) -> bool {
        self.host == other.host && self.bare_path().eq_ignore_ascii_case(other.bare_path())
    }

    /// The address of a submodule, as it stands in `.gitmodules`: `./` and `../` are relative to this repository.
    pub(crate) fn join(&self, reference: &str) -> Result<Self, UrlError> {
        if !reference.starts_with("./") && !reference.starts_with("../") {
            return Self::parse(reference);
        }
        let mut parts: Vec<&str> = self.path_text().trim_matches('/').split('/').collect();
        for part in reference.trim_end_matches('/').split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    if parts.pop().is_none() {
                        return Err(UrlError::Path { problem: "it climbs out of the server".into() });
                    }
                }
                part => parts.push(part),
            }
        }
        let joined = parts.join("/");
        check_path(&joined)?;
        let path = match self.path {
            Path::Absolute(_) => Path::Absolute(format!("/{joined}")),
            Path::Home(_) => Path::Home(joined),
        };
        Ok(Self { path, ..self.clone() })
    }

    /// The address in the form that libgit2 understands, without a user for http.
    pub(crate) fn to_libgit2(&self) -> String {
        match (&self.path, &self.user) {
            (Path::Home(path), Some(user)) => format!("{user}@{}:{path}", self.bracketed_host()),
            (Path::Home(path), None) => format!("{}:{path}", self.bracketed_host()),
            (Path::Absolute(_), _) => self.to_string(),
        }
    }

    fn path_text(&self) -> &str {
        match &self.path {
            Path::Absolute(path) | Path::Home(path) => path,
        }
    }

    fn bare_path(&self) -> &str {
        let path = self.path_text().trim_matches('/');
        path.strip_suffix(".git").unwrap_or(path)
    }

    fn bracketed_host(&self) -> String {
        match &self.host {
            Host::Name(name) => name.clone(),
            Host::V6(address) => format!("[{address}]"),
        }
    }
}

impl fmt::Display for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.scheme {
            Scheme::Https => "https://",
            Scheme::Http => "http://",
            Scheme::Ssh => "ssh://",
        })?;
        if let (Scheme::Ssh, Some(user)) = (self.scheme, &self.user) {
            write!(f, "{user}@")?;
        }
        f.write_str(&self.bracketed_host())?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        match &self.path {
            Path::Absolute(path) => f.write_str(path),
            Path::Home(path) => write!(f, "/{path}"),
        }
    }
}

impl fmt::Debug for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteUrl({self})")
    }
}

impl FromStr for RemoteUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        Self::parse(text)
    }
}

fn refused(scheme: &str, separator: &str) -> UrlError {
    let harmless =
        scheme.len() <= 32 && scheme.chars().all(|it| it.is_ascii_alphanumeric() || "+-.".contains(it));
    UrlError::Scheme {
        kind: if harmless { format!("{scheme}{separator}") } else { "this scheme".to_owned() },
    }
}

fn parse_hierarchical(scheme: Scheme, rest: &str) -> Result<RemoteUrl, UrlError> {
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let (user, host_and_port) = match authority.rsplit_once('@') {
        Some((user, rest)) => (Some(parse_user(user)?), rest),
        None => (None, authority),
    };
    let (host, port) = if let Some(rest) = host_and_port.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or(UrlError::Host)?;
        let address = Host::V6(address.parse().map_err(|_| UrlError::Host)?);
        match port.strip_prefix(':') {
            Some(port) => (address, Some(port)),
            None if port.is_empty() => (address, None),
            None => return Err(UrlError::Host),
        }
    } else {
        match host_and_port.split_once(':') {
            Some((host, port)) => (parse_host(host)?, Some(port)),
            None => (parse_host(host_and_port)?, None),
        }
    };
    let port = port.filter(|port| !port.is_empty()).map(parse_port).transpose()?;
    check_path(path)?;
    let path = match scheme {
        Scheme::Http | Scheme::Https => percent_encode(path.trim_end_matches('/')),
        Scheme::Ssh => path.trim_end_matches('/').to_owned(),
    };
    let url = RemoteUrl { scheme, user, host, port, path: Path::Absolute(path) };
    let usual = RemoteUrl { port: None, ..url.clone() }.port();
    Ok(RemoteUrl { port: url.port.filter(|port| *port != usual), ..url })
}

fn parse_scp(text: &str) -> Result<RemoteUrl, UrlError> {
    // A path of this machine: absolute, relative, or of Windows.
    let local = || UrlError::Scheme { kind: "a path without a host".to_owned() };
    let (user, rest) = text.split_once('@').ok_or_else(local)?;
    if user.contains('/') {
        return Err(local());
    }
    let (host, path) = if let Some(rest) = rest.strip_prefix('[') {
        let (address, rest) = rest.split_once(']').ok_or(UrlError::Host)?;
        let path = rest.strip_prefix(':').ok_or(UrlError::Host)?;
        (Host::V6(address.parse().map_err(|_| UrlError::Host)?), path)
    } else {
        let (host, path) = rest.split_once(':').ok_or_else(local)?;
        (parse_host(host)?, path)
    };
    check_path(path)?;
    let trimmed = path.trim_end_matches('/');
    let path = if trimmed.starts_with('/') {
        Path::Absolute(trimmed.to_owned())
    } else {
        Path::Home(trimmed.to_owned())
    };
    Ok(RemoteUrl { scheme: Scheme::Ssh, user: Some(parse_user(user)?), host, port: None, path })
}

fn parse_user(text: &str) -> Result<String, UrlError> {
    if text.contains(':') {
        return Err(UrlError::Password);
    }
    let user = percent_decode(text).ok_or(UrlError::User)?;
    let good = !user.is_empty()
        && user.len() <= 256
        && !user.starts_with('-')
        && user.chars().all(|it| it.is_ascii_graphic() && !"/:[]".contains(it));
    if good { Ok(user) } else { Err(UrlError::User) }
}

fn parse_host(text: &str) -> Result<Host, UrlError> {
    let good = !text.is_empty()
        && text.len() <= 253
        && !text.starts_with(['-', '.'])
        && text.chars().all(|it| it.is_ascii_alphanumeric() || "-._".contains(it));
    if good { Ok(Host::Name(text.trim_end_matches('.').to_ascii_lowercase())) } else { Err(UrlError::Host) }
}

fn parse_port(text: &str) -> Result<u16, UrlError> {
    let digits = text.chars().all(|it| it.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0).ok_or(UrlError::Port)
}

fn check_path(path: &str) -> Result<(), UrlError> {
    let problem = if path.trim_matches('/').is_empty() {
        "it names no repository"
    } else if path.split('/').any(|part| part == "..") {
        "it contains \"..\""
    } else if path.contains(['?', '#']) {
        "it contains \"?\" or \"#\""
    } else if path.contains(['\'', '"', '\\']) {
        "it contains a quote or a backslash"
    } else if path.starts_with('-') || path.starts_with("/-") {
        "it begins with \"-\""
    } else {
        return Ok(());
    };
    Err(UrlError::Path { problem: problem.into() })
}

fn percent_encode(path: &str) -> String {
    path.bytes()
        .map(|byte| if byte.is_ascii() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (high, low) = (char::from(rest.next()?).to_digit(16)?, char::from(rest.next()?).to_digit(16)?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}
