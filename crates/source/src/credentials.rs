//! Credentials, in types that do not print them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// A text that must not be seen: `Debug` does not show it, there is no `Display` and no `Serialize`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. Every use of it can be found by this name.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// How to prove who we are to a Git server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Credentials {
    /// Not at all: for public repositories over http(s).
    #[default]
    Anonymous,
    /// User name and password (or a token in its place) over http(s).
    Basic {
        /// The user name. Empty: the one of the address, or `git`.
        username: String,
        /// The password.
        password: Secret,
    },
    /// `Authorization: Bearer` over http(s).
    Bearer {
        /// The token.
        token: Secret,
    },
    /// A private key over ssh. The user is the one of the address, or `git`.
    SshKey {
        /// The key in PEM or OpenSSH form.
        private_key: Secret,
        /// What the key is encrypted with, if it is.
        passphrase: Option<Secret>,
    },
}

/// Credentials as they go to the worker over its pipe, and nowhere else.
#[derive(Serialize, Deserialize)]
pub(crate) enum Authentication {
    /// Nothing is sent.
    None,
    /// A whole header line, sent with every request.
    Header(String),
    /// A key for ssh.
    SshKey { user: String, private_key: String, passphrase: Option<String> },
}

impl Authentication {
    /// The header or key for these credentials, or what is wrong with them.
    pub(crate) fn new(
        credentials: &Credentials,
        user_of_address: Option<&str>,
    ) -> Result<Self, &'static str> {
        let user = |own: &str| match (own, user_of_address) {
            ("", Some(user)) => user.to_owned(),
            ("", None) => "git".to_owned(),
            (own, _) => own.to_owned(),
        };
        match credentials {
            Credentials::Anonymous => Ok(Self::None),
            Credentials::Basic { username, password } => {
                let username = user(username);
                if username.contains(':') || username.chars().any(char::is_control) {
                    return Err("the user name in the Secret contains a colon or a control character");
                }
                if password.reveal().is_empty() || password.reveal().chars().any(char::is_control) {
                    return Err(
                        "the password in the Secret is empty or contains a control character (a line break at its end?)",
                    );
                }
                let pair = STANDARD.encode(format!("{username}:{}", password.reveal()));
                Ok(Self::Header(format!("Authorization: Basic {pair}")))
            }
            Credentials::Bearer { token } => {
                let token = token.reveal();
                if token.is_empty() || !token.chars().all(|it| it.is_ascii_graphic()) {
                    return Err(
                        "the bearer token in the Secret is empty or contains a blank, a line break or a non-ASCII character",
                    );
                }
                Ok(Self::Header(format!("Authorization: Bearer {token}")))
            }
            Credentials::SshKey { private_key, passphrase } => Ok(Self::SshKey {
                user: user(""),
                private_key: private_key.reveal().to_owned(),
                passphrase: passphrase.as_ref().map(|it| it.reveal().to_owned()),
            }),
        }
    }

    /// All texts that must not appear in any message.
    pub(crate) fn secrets(&self) -> Vec<&str> {
        match self {
            Self::None => Vec::new(),
            Self::Header(line) => line.rsplit(' ').next().into_iter().collect(),
            Self::SshKey { private_key, passphrase, .. } => {
                [Some(private_key.as_str()), passphrase.as_deref()].into_iter().flatten().collect()
            }
        }
    }
}
