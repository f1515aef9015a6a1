//! What libgit2 says, in words that help. It tells most things apart by text only; the texts are those of libgit2 1.9,
//! which is built into this binary, and tests against real servers hold them.

use std::io;

use git2::{ErrorClass, ErrorCode};

use crate::Error;
use crate::wire::Request;

/// Characters of a foreign text that are shown.
const MAX_DETAIL: usize = 300;

/// Why an attempt failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// For the person who asked.
    Error(Error),
    /// The mirror is not as it should be; a new one may help.
    Damaged(String),
    /// Files could not be read or written, which a new mirror does not change.
    Disk(String),
    /// The server cannot hand out a commit without its history.
    NoShallow,
    /// The server hands out references only, no single commits.
    NoSingleCommit,
    /// The server does not have, or does not give, what was asked for.
    NotOurRef(String),
    /// The server and we could not agree on how to speak ssh: it may have no host key of a type that we know.
    NoSsh(String),
}

impl Failure {
    /// An error of our own files.
    pub(super) fn disk(error: &io::Error) -> Self {
        Self::Disk(error.to_string())
    }

    /// An error of libgit2 about the mirror as it was found.
    pub(super) fn damaged(error: &git2::Error) -> Self {
        match error.class() {
            ErrorClass::Os | ErrorClass::Filesystem | ErrorClass::NoMemory => Self::local(error),
            _ => Self::Damaged(error.message().to_owned()),
        }
    }

    /// An error of libgit2 that has nothing to do with a server, nor with what the mirror contains.
    pub(super) fn local(error: &git2::Error) -> Self {
        Self::Disk(error.message().to_owned())
    }

    /// An error of libgit2 while it talked to the server.
    pub(super) fn of_network(error: &git2::Error, request: &Request) -> Self {
        let detail = harmless(error.message(), request);
        let url = request.url.clone();
        let lower = detail.to_ascii_lowercase();
        let says = |text: &str| lower.contains(text);
        match (error.code(), error.class()) {
            _ if says("server doesn't support shallow") => Self::NoShallow,
            _ if says("cannot fetch a specific object") => Self::NoSingleCommit,
            _ if says("not our ref") || says("unadvertised object") || says("unexpected packet type") => {
                Self::NotOurRef(detail)
            }
            _ if says("failed to start ssh session") => Self::NoSsh(detail),
            _ if says("cannot redirect") => {
                Self::Error(Error::Redirected { url, detail: redirection(&detail) })
            }
            (ErrorCode::Certificate, _) | (_, ErrorClass::Ssl) => {
                Self::Error(Error::Certificate { host: request.host.clone(), detail })
            }
            (ErrorCode::Auth, _) => {
                Self::Error(Error::Authentication { url, detail: authentication(&detail) })
            }
            (_, ErrorClass::NoMemory) => {
                Self::Error(Error::Budget { url, detail: "it needs too much memory".to_owned() })
            }
            (_, ErrorClass::Http) => Self::Error(of_http(url, &detail)),
            _ if says("repository not found")
                || says("does not appear to be a git repository")
                || says("not exported") =>
            {
                Self::Error(Error::RepositoryNotFound { url })
            }
            (_, ErrorClass::Ssh) => Self::Error(of_ssh(url, detail)),
            (_, ErrorClass::Os) if !says("socket") && !says("connect") => Self::Disk(detail),
            (_, ErrorClass::Os) => Self::Error(Error::Unreachable { url, detail }),
            (_, ErrorClass::Net)
                if says("failed to resolve") || says("failed to connect") || says("timed out") =>
            {
                Self::Error(Error::Unreachable { url, detail })
            }
            (_, ErrorClass::Net | ErrorClass::Invalid | ErrorClass::Callback) => {
                Self::Error(Error::Server { url, detail })
            }
            // The rest is about objects, references and their files.
            _ => Self::Damaged(detail),
        }
    }

    pub(super) fn into_error(self, request: &Request) -> Error {
        let url = request.url.clone();
        match self {
            Self::Error(error) => error,
            Self::Damaged(detail) | Self::Disk(detail) => {
                Error::Mirror { url, detail: harmless(&detail, request) }
            }
            Self::NoShallow => {
                Error::Server { url, detail: "it can hand out neither a commit nor its history".to_owned() }
            }
            Self::NoSingleCommit => {
                Error::Server { url, detail: "it does not hand out this commit".to_owned() }
            }
            Self::NoSsh(detail) => Error::Unreachable { url, detail },
            Self::NotOurRef(detail) => Error::Server { url, detail },
        }
    }
}

fn of_http(url: String, detail: &str) -> Error {
    let status = detail.rsplit_once("status code: ").and_then(|(_, code)| code.trim().parse::<u16>().ok());
    match status {
        Some(code @ (401 | 403 | 407)) => Error::Authentication { url, detail: format!("status {code}") },
        Some(404 | 410) => Error::RepositoryNotFound { url },
        Some(code) => Error::Server { url, detail: format!("status {code}") },
        None if detail.contains("content-type") => {
            Error::Server { url, detail: format!("it is not a smart Git server ({detail})") }
        }
        None => Error::Server { url, detail: detail.to_owned() },
    }
}

fn of_ssh(url: String, detail: String) -> Error {
    let lower = detail.to_ascii_lowercase();
    if lower.contains("private key") || lower.contains("passphrase") {
        Error::PrivateKey { url, detail }
    } else if lower.contains("permission denied") || lower.contains("authenticat") {
        Error::Authentication { url, detail }
    } else {
        Error::Server { url, detail }
    }
}

/// libgit2 says "authentication required but no callback set" whether credentials were sent or not.
fn authentication(detail: &str) -> String {
    if detail.contains("no callback set") { "it asks for other ones".to_owned() } else { detail.to_owned() }
}

fn redirection(detail: &str) -> String {
    let places = detail.split_once("cannot redirect ").map_or(detail, |(_, places)| places);
    places.replace('\'', "")
}

/// A foreign text without secrets, control characters and length.
pub(super) fn harmless(text: &str, request: &Request) -> String {
    let mut text = text.to_owned();
    for secret in request.authentication.secrets().into_iter().filter(|it| it.len() >= 4) {
        text = text.replace(secret, "(hidden)");
    }
    let text: String =
        text.chars().map(|it| if it.is_control() { ' ' } else { it }).take(MAX_DETAIL).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
