//! The host keys that we trust, in the format of OpenSSH's `known_hosts` (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT").

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// A parsed `known_hosts`.
#[derive(Debug, Clone)]
pub(crate) struct KnownHosts {
    lines: Vec<Line>,
}

#[derive(Debug, Clone)]
struct Line {
    number: usize,
    marker: Marker,
    hosts: Hosts,
    key: HostKey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marker {
    None,
    Revoked,
    CertificateAuthority,
}

#[derive(Debug, Clone)]
enum Hosts {
    Patterns(Vec<String>),
    /// `|1|salt|hash`: HMAC-SHA1 of the name, with the salt as its key.
    Hashed {
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
}

/// A public key of a host, as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostKey(Vec<u8>);

/// What `known_hosts` says about a key that a host presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Trusted,
    /// The key is marked `@revoked`.
    Revoked {
        line: usize,
    },
    /// The host is known with another key of the same type.
    Changed {
        line: usize,
    },
    /// The host is known, but only with keys of other types.
    OtherType {
        known: Vec<String>,
    },
    /// The host is known only through a `@cert-authority`, which is not supported.
    AuthorityOnly {
        line: usize,
    },
    Unknown,
}

impl KnownHosts {
    /// Parses the file. The error names the line and says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut lines = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let number = index + 1;
            lines.push(parse_line(number, line).map_err(|problem| format!("line {number}: {problem}"))?);
        }
        if lines.is_empty() {
            return Err("it has no entry".to_owned());
        }
        Ok(Self { lines })
    }

    pub(crate) fn check(&self, host: &str, port: u16, key: &HostKey) -> Verdict {
        let about_host = self.about(host, port);
        if let Some(line) = about_host.iter().find(|it| it.marker == Marker::Revoked && it.key == *key) {
            return Verdict::Revoked { line: line.number };
        }
        let plain: Vec<_> = about_host.iter().filter(|it| it.marker == Marker::None).collect();
        if plain.iter().any(|it| it.key == *key) {
            return Verdict::Trusted;
        }
        if let Some(line) = plain.iter().find(|it| it.key.key_type() == key.key_type()) {
            return Verdict::Changed { line: line.number };
        }
        if !plain.is_empty() {
            let mut known: Vec<String> = plain.iter().map(|it| it.key.key_type().to_owned()).collect();
            known.dedup();
            return Verdict::OtherType { known };
        }
        match about_host.iter().find(|it| it.marker == Marker::CertificateAuthority) {
            Some(line) => Verdict::AuthorityOnly { line: line.number },
            None => Verdict::Unknown,
        }
    }

    /// A file of plain lines with the trusted keys of one host: libgit2 asks the server for a key of these types.
    pub(crate) fn plain_lines(&self, host: &str, port: u16) -> String {
        let name = host_name(host, port);
        let lines = self.about(host, port).into_iter().filter(|it| it.marker == Marker::None);
        lines.map(|it| it.key.line(&name) + "\n").collect()
    }

    /// The lines about a host. As in OpenSSH, a host at an unusual port may be listed without the port, but lines with
    /// it come first.
    fn about(&self, host: &str, port: u16) -> Vec<&Line> {
        let matching = |name: &str| self.lines.iter().filter(|it| it.hosts.matches(name)).collect::<Vec<_>>();
        let with_port = matching(&host_name(host, port));
        let is_listed = with_port.iter().any(|it| it.marker == Marker::None);
        if port == 22 || is_listed {
            return with_port;
        }
        with_port.into_iter().chain(matching(&host.to_ascii_lowercase())).collect()
    }
}

impl Hosts {
    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Hashed { salt, hash } => Hmac::<Sha1>::new_from_slice(salt)
                .is_ok_and(|mac| mac.chain_update(name.as_bytes()).verify_slice(hash).is_ok()),
            Self::Patterns(patterns) => {
                let negated = |it: &String| it.strip_prefix('!').is_some_and(|it| matches_pattern(it, name));
                patterns.iter().any(|it| matches_pattern(it, name)) && !patterns.iter().any(negated)
            }
        }
    }
}

impl HostKey {
    pub(crate) fn new(blob: &[u8]) -> Self {
        Self(blob.to_vec())
    }

    /// The name of the type, the first string in the blob; `unknown` when there is none.
    pub(crate) fn key_type(&self) -> &str {
        let name = self.0.split_first_chunk().and_then(|(length, rest)| {
            let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
            std::str::from_utf8(rest.get(..length)?).ok()
        });
        name.filter(|it| it.chars().all(|it| it.is_ascii_graphic())).unwrap_or("unknown")
    }

    /// The fingerprint as `ssh-keygen -l` shows it.
    pub(crate) fn fingerprint(&self) -> String {
        format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(&self.0)))
    }

    /// The line of `known_hosts` that trusts this key for `name`.
    pub(crate) fn line(&self, name: &str) -> String {
        format!("{name} {} {}", self.key_type(), STANDARD.encode(&self.0))
    }
}

/// The name under which a host stands in the file.
pub(crate) fn host_name(host: &str, port: u16) -> String {
    let host = host.to_ascii_lowercase();
    if port == 22 { host } else { format!("[{host}]:{port}") }
}

fn parse_line(number: usize, line: &str) -> Result<Line, String> {
    let mut fields = line.split_ascii_whitespace();
    let mut first = fields.next().unwrap_or_default();
    let marker = match first {
        "@revoked" => Marker::Revoked,
        "@cert-authority" => Marker::CertificateAuthority,
        other if other.starts_with('@') => return Err(format!("{other:?} is not a marker")),
        _ => Marker::None,
    };
    if marker != Marker::None {
        first = fields.next().ok_or("the host is missing")?;
    }
    let (Some(key_type), Some(key)) = (fields.next(), fields.next()) else {
        return Err("a line is \"host type key\"".to_owned());
    };
    let key = STANDARD.decode(key).map(HostKey).map_err(|_| "the key is not base64".to_owned())?;
    if key.key_type() != key_type {
        return Err(format!(
            "the line says {key_type:?}, but the key itself is of type {:?}",
            key.key_type()
        ));
    }
    Ok(Line { number, marker, hosts: parse_hosts(first)?, key })
}

fn parse_hosts(text: &str) -> Result<Hosts, String> {
    let Some(hashed) = text.strip_prefix('|') else {
        return Ok(Hosts::Patterns(text.to_ascii_lowercase().split(',').map(str::to_owned).collect()));
    };
    let parts: Vec<&str> = hashed.split('|').collect();
    let ["1", salt, hash] = parts.as_slice() else {
        return Err("this form of a hashed host name is not known".to_owned());
    };
    match (STANDARD.decode(salt), STANDARD.decode(hash)) {
        (Ok(salt), Ok(hash)) => Ok(Hosts::Hashed { salt, hash }),
        _ => Err("the hashed host name is not base64".to_owned()),
    }
}

/// `*` stands for any number of characters, `?` for one.
fn matches_pattern(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut at_pattern, mut at_name) = (0, 0);
    // Where the last star stands, and how far the name was when it was met: the place to go back to.
    let mut last_star = None;
    while at_name < name.len() {
        match pattern.get(at_pattern) {
            Some(b'*') => {
                last_star = Some((at_pattern, at_name));
                at_pattern += 1;
            }
            Some(b'?') => {
                at_pattern += 1;
                at_name += 1;
            }
            Some(byte) if *byte == name[at_name] => {
                at_pattern += 1;
                at_name += 1;
            }
            _ => match last_star {
                Some((star, taken)) => {
                    last_star = Some((star, taken + 1));
                    at_pattern = star + 1;
                    at_name = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at_pattern..].iter().all(|it| *it == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
    const B: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIB8eHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgEA";
    const RSA: &str = "AAAAB3NzaC1yc2EAAAADAQABAAAAAgEB";

    fn key(text: &str) -> HostKey {
        HostKey(STANDARD.decode(text).unwrap())
    }

    fn verdict(file: &str, host: &str, port: u16, presented: &str) -> Verdict {
        let file = file.replace("$A", A).replace("$B", B).replace("$RSA", RSA);
        KnownHosts::parse(&file).unwrap().check(host, port, &key(presented))
    }

    #[test]
    fn verdicts() {
        let trusted = || Verdict::Trusted;
        let cases = [
            ("git.example.com ssh-ed25519 $A", "git.example.com", 22, A, trusted()),
            ("git.example.com ssh-ed25519 $A", "GIT.Example.com", 22, A, trusted()),
            ("git.example.com ssh-ed25519 $A comment with blanks", "git.example.com", 22, A, trusted()),
            ("other,git.example.com,10.0.0.1 ssh-ed25519 $A", "10.0.0.1", 22, A, trusted()),
            ("git.example.com ssh-ed25519 $A", "git.example.com", 22, B, Verdict::Changed { line: 1 }),
            ("git.example.com ssh-ed25519 $A", "example.com", 22, A, Verdict::Unknown),
            ("git.example.com ssh-ed25519 $A", "xgit.example.com", 22, A, Verdict::Unknown),
            ("*.example.com ssh-ed25519 $A", "git.example.com", 22, A, trusted()),
            ("*.example.com ssh-ed25519 $A", "example.com", 22, A, Verdict::Unknown),
            ("gi?.example.com ssh-ed25519 $A", "git.example.com", 22, A, trusted()),
            ("*.example.com,!git.example.com ssh-ed25519 $A", "git.example.com", 22, A, Verdict::Unknown),
            ("# c\n\nh ssh-ed25519 $B\nh ssh-ed25519 $A", "h", 22, A, trusted()),
            ("[h]:2222 ssh-ed25519 $A", "h", 2222, A, trusted()),
            ("[h]:2222 ssh-ed25519 $A", "h", 22, A, Verdict::Unknown),
            ("h ssh-ed25519 $A", "h", 2222, A, trusted()),
            ("h ssh-ed25519 $A\n[h]:2222 ssh-ed25519 $B", "h", 2222, A, Verdict::Changed { line: 2 }),
            ("h ssh-rsa $RSA", "h", 22, A, Verdict::OtherType { known: vec!["ssh-rsa".to_owned()] }),
            ("h ssh-ed25519 $A\n@revoked h ssh-ed25519 $A", "h", 22, A, Verdict::Revoked { line: 2 }),
            ("h ssh-ed25519 $A\n@revoked * ssh-ed25519 $A", "h", 22, A, Verdict::Revoked { line: 2 }),
            ("h ssh-ed25519 $A\n@revoked * ssh-ed25519 $B", "h", 22, A, trusted()),
            (
                "h ssh-ed25519 $A\n@revoked [h]:2222 ssh-ed25519 $A",
                "h",
                2222,
                A,
                Verdict::Revoked { line: 2 },
            ),
            ("[h]:2222 ssh-ed25519 $A\n@revoked h ssh-ed25519 $A", "h", 22, A, Verdict::Revoked { line: 2 }),
            (
                "@cert-authority *.example.com ssh-ed25519 $A",
                "a.example.com",
                22,
                A,
                Verdict::AuthorityOnly { line: 1 },
            ),
        ];
        for (file, host, port, presented, expected) in cases {
            assert_eq!(verdict(file, host, port, presented), expected, "{file} for {host}:{port}");
        }
    }

    #[test]
    fn hashed_hosts() {
        let hashed = |name: &str| {
            let hash =
                Hmac::<Sha1>::new_from_slice(b"0123456789abcdefghij").unwrap().chain_update(name).finalize();
            let hash = STANDARD.encode(hash.into_bytes());
            format!("|1|{}|{hash} ssh-ed25519 $A", STANDARD.encode(b"0123456789abcdefghij"))
        };
        assert_eq!(verdict(&hashed("git.example.com"), "git.example.com", 22, A), Verdict::Trusted);
        assert_eq!(
            verdict(&hashed("git.example.com"), "git.example.com", 22, B),
            Verdict::Changed { line: 1 }
        );
        assert_eq!(verdict(&hashed("git.example.com"), "other.example.com", 22, A), Verdict::Unknown);
        assert_eq!(verdict(&hashed("[git.example.com]:2222"), "git.example.com", 2222, A), Verdict::Trusted);
    }

    #[test]
    fn bad_files_name_the_line() {
        for (file, expected) in [
            ("", "it has no entry"),
            ("# only a comment", "it has no entry"),
            ("\nhost", "line 2: a line is"),
            ("h ssh-ed25519 !!!", "line 1: the key is not base64"),
            (&format!("h ssh-rsa {A}"), "line 1: the line says \"ssh-rsa\""),
            (&format!("@trusted h ssh-ed25519 {A}"), "line 1: \"@trusted\" is not a marker"),
            (&format!("|2|a|b ssh-ed25519 {A}"), "line 1: this form of a hashed"),
            (&format!("|1|!|b ssh-ed25519 {A}"), "line 1: the hashed host name"),
        ] {
            let error = KnownHosts::parse(file).unwrap_err();
            assert!(error.starts_with(expected), "{file:?}: {error}");
        }
    }

    #[test]
    fn lines_for_libgit2_are_plain() {
        let file = format!("@revoked h ssh-ed25519 {B}\n*,!x ssh-ed25519 {A}\nother ssh-rsa {RSA}");
        let lines = KnownHosts::parse(&file).unwrap().plain_lines("h", 2222);
        assert_eq!(lines, format!("[h]:2222 ssh-ed25519 {A}\n"));
    }
}
