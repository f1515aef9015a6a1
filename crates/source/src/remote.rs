//! A repository on a server, with all that decides about access to it and trust in it.

use std::fmt;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::credentials::Authentication;
use crate::known_hosts::KnownHosts;
use crate::worker::Authority;
use crate::{Credentials, Error, RemoteUrl, Result, Scheme, Secret};

/// A Git repository as one Repository resource describes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Remote {
    /// Where it is.
    pub url: RemoteUrl,
    /// How we prove who we are.
    pub credentials: Credentials,
    /// Whether it may be spoken to in the clear.
    pub transport: Transport,
    /// For ssh: the content of a `known_hosts` file. Required there: unknown hosts are never trusted.
    pub known_hosts: Option<String>,
    /// For https: certificates in PEM that are trusted in place of those of the system.
    pub certificate_authority: Option<String>,
    /// Whether submodules are fetched.
    pub submodules: Submodules,
    /// Bytes that one fetch may receive.
    pub max_bytes: u64,
    /// Time between two looks at the server, when nothing else tells of changes. At least one second.
    pub interval: Duration,
    /// The longest time that one look or fetch may take.
    pub timeout: Duration,
}

/// Whether a repository may be spoken to in the clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Transport {
    /// https and ssh only.
    #[default]
    Encrypted,
    /// `http://` too, with credentials if there are any.
    Insecure,
}

/// Whether submodules are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Submodules {
    /// A submodule in the files that are read is an error.
    #[default]
    Refuse,
    /// They are fetched under the same rules; credentials are used only for the server they are for.
    Fetch,
}

/// The identity of a [`Remote`], and the name of its mirror.
///
/// Two remotes have the same key exactly if they are equal, credentials and trust included. So a mirror is shared by
/// all Applications that use one Repository, and never by two tenants of whom one may not read it or trusts another
/// certificate. Changed settings or renewed credentials make a new mirror; the old one is removed when it is unused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RemoteKey([u8; 16]);

impl RemoteKey {
    /// Parses what `Display` wrote.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits =
            text.len() == 32 && text.bytes().all(|it| it.is_ascii_hexdigit() && !it.is_ascii_uppercase());
        u128::from_str_radix(text, 16).ok().filter(|_| digits).map(|it| Self(it.to_be_bytes()))
    }
}

impl fmt::Display for RemoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl Remote {
    /// A remote without credentials, with the defaults of a Repository resource.
    pub fn new(url: RemoteUrl) -> Self {
        Self {
            url,
            credentials: Credentials::Anonymous,
            transport: Transport::Encrypted,
            known_hosts: None,
            certificate_authority: None,
            submodules: Submodules::Refuse,
            max_bytes: 1 << 30,
            interval: Duration::from_mins(3),
            timeout: Duration::from_mins(1),
        }
    }

    /// Checks that the settings fit together, without asking the server.
    pub fn validate(&self) -> Result<()> {
        let problem = match self.url.scheme() {
            Scheme::Http if self.transport == Transport::Encrypted => {
                Some("http:// sends everything in the clear; use https://, or set insecure: true".to_owned())
            }
            Scheme::Http | Scheme::Https => self.problem_of_http(),
            Scheme::Ssh => self.problem_of_ssh(),
        };
        let problem = problem.or_else(|| self.authentication().err().map(str::to_owned));
        match problem {
            Some(problem) => Err(Error::Configuration { url: self.url.to_string(), problem }),
            None => Ok(()),
        }
    }

    fn problem_of_http(&self) -> Option<String> {
        if matches!(self.credentials, Credentials::SshKey { .. }) {
            return Some(
                "a private key is for ssh:// addresses; use a user name and password, or a bearer token"
                    .into(),
            );
        }
        let authority = self.certificate_authority.as_deref()?;
        let problem = Authority::parse(authority).err()?;
        Some(format!("ca.crt in its Secret is not usable: {problem}"))
    }

    fn problem_of_ssh(&self) -> Option<String> {
        if !matches!(self.credentials, Credentials::SshKey { .. }) {
            return Some("ssh needs a private key: put sshPrivateKey into its Secret".to_owned());
        }
        let Some(known_hosts) = &self.known_hosts else {
            return Some(
                "ssh needs knownHosts in its Secret, because an unknown host is never trusted; \
                 run ssh-keyscan and compare the result with what the server's administrator says"
                    .to_owned(),
            );
        };
        let problem = KnownHosts::parse(known_hosts).err()?;
        Some(format!("knownHosts in its Secret is not usable: {problem}"))
    }

    pub(crate) fn authentication(&self) -> Result<Authentication, &'static str> {
        Authentication::new(&self.credentials, self.url.user())
    }

    /// The repository of a submodule: the same rules, and the credentials only if it is on the same server.
    pub(crate) fn submodule(&self, url: RemoteUrl) -> Self {
        let same_server = self.url.same_server(&url);
        Self {
            credentials: if same_server { self.credentials.clone() } else { Credentials::Anonymous },
            // Applications decide about their own submodules; those of a submodule are part of what was asked for.
            ..Self { url, ..self.clone() }
        }
    }

    /// The key of this remote. The salt keeps the name of a directory from telling anything about a weak password.
    pub(crate) fn key(&self, salt: &[u8]) -> RemoteKey {
        let mut hash = Sha256::new();
        let mut field = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        field(salt);
        field(self.url.to_libgit2().as_bytes());
        field(self.url.user().unwrap_or_default().as_bytes());
        let reveal = |it: &Option<Secret>| it.as_ref().map(|it| it.reveal().to_owned()).unwrap_or_default();
        match &self.credentials {
            Credentials::Anonymous => field(b"anonymous"),
            Credentials::Basic { username, password } => {
                field(b"basic");
                field(username.as_bytes());
                field(password.reveal().as_bytes());
            }
            Credentials::Bearer { token } => {
                field(b"bearer");
                field(token.reveal().as_bytes());
            }
            Credentials::SshKey { private_key, passphrase } => {
                field(b"ssh");
                field(private_key.reveal().as_bytes());
                field(reveal(passphrase).as_bytes());
            }
        }
        field(&[
            u8::from(self.transport == Transport::Insecure),
            u8::from(self.submodules == Submodules::Fetch),
        ]);
        field(format!("{:?}", (&self.known_hosts, &self.certificate_authority)).as_bytes());
        field(format!("{:?}", (self.max_bytes, self.interval, self.timeout)).as_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        RemoteKey(key)
    }
}
