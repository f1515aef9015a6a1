//! What the forges send: pure functions from headers and a body to the repositories that a push concerns.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// A forge whose webhooks we read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    /// GitHub and GitHub Enterprise.
    GitHub,
    /// GitLab.
    GitLab,
    /// Gitea and Forgejo.
    Gitea,
    /// Bitbucket Cloud.
    BitbucketCloud,
    /// Bitbucket Server and Data Center.
    BitbucketServer,
    /// Azure DevOps.
    AzureDevOps,
    /// Ours: `{"repository": "<url>"}` with `X-Tiphys-Signature` or a bearer token.
    Generic,
}

impl Provider {
    /// The word used in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
            Self::Gitea => "gitea",
            Self::BitbucketCloud => "bitbucket-cloud",
            Self::BitbucketServer => "bitbucket-server",
            Self::AzureDevOps => "azure-devops",
            Self::Generic => "generic",
        }
    }
}

/// A push, as it was told and before it is believed.
#[derive(Debug)]
pub struct Push {
    /// Who told it.
    pub provider: Provider,
    /// URLs of the repository, each in any form that the forge uses.
    pub urls: Vec<String>,
    /// What proves it.
    pub proof: Proof,
}

/// What proves that a webhook comes from the forge.
pub enum Proof {
    /// HMAC-SHA256 of the body with the shared secret as key.
    Signature(Vec<u8>),
    /// The shared secret itself.
    Token(String),
    /// Nothing.
    Missing,
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Signature(_) => "Signature(hidden)",
            Self::Token(_) => "Token(hidden)",
            Self::Missing => "Missing",
        })
    }
}

impl Proof {
    /// Whether this proves, in constant time, that the sender of `body` knows `secret`.
    pub fn holds(&self, secret: &[u8], body: &[u8]) -> bool {
        // A Repository with an empty token would otherwise be open to everybody.
        if secret.is_empty() {
            return false;
        }
        match self {
            Self::Signature(signature) => match Hmac::<Sha256>::new_from_slice(secret) {
                Ok(mut mac) => {
                    mac.update(body);
                    mac.verify_slice(signature).is_ok()
                }
                Err(_) => false,
            },
            // Comparing digests takes the same time whatever the token is, and hides its length.
            Self::Token(token) => {
                let key = Sha256::digest(secret);
                let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key) else {
                    return false;
                };
                mac.update(token.as_bytes());
                let Ok(mut expected) = Hmac::<Sha256>::new_from_slice(&key) else {
                    return false;
                };
                expected.update(secret);
                mac.verify_slice(&expected.finalize().into_bytes()).is_ok()
            }
            Self::Missing => false,
        }
    }
}

/// Why a webhook cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The body is not what the headers promise.
    #[error("the body is not JSON")]
    NotJson(#[source] serde_json::Error),
    /// No header says which forge sent it.
    #[error("no header names a forge that Tiphys knows: see the list of webhooks in the documentation")]
    UnknownSender,
}

/// Reads a webhook. A push without URLs is one that concerns no repository (a ping, another event).
pub fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Push, Unreadable> {
    let provider = provider(headers).ok_or(Unreadable::UnknownSender)?;
    let body: Value = serde_json::from_slice(body).map_err(Unreadable::NotJson)?;
    Ok(Push { provider, urls: urls(provider, &body), proof: proof(provider, headers) })
}

/// The part of a repository's URL that all its forms share: host and path, in lower case, without `.git`.
pub fn repository_name(url: &str) -> Option<String> {
    let rest = match url.split_once("://") {
        Some((_, rest)) => rest.to_owned(),
        // user@host:path
        None => url.replacen(':', "/", 1),
    };
    let (authority, path) = rest.split_once('/')?;
    let host = authority.rsplit('@').next()?.split(':').next()?;
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    (!host.is_empty() && !path.is_empty()).then(|| format!("{host}/{path}").to_lowercase())
}

fn provider(headers: &HeaderMap) -> Option<Provider> {
    let has = |name: &str| headers.contains_key(name);
    // Gitea and Forgejo send GitHub's headers too, so they come first.
    if has("x-gitea-event") || has("x-forgejo-event") {
        Some(Provider::Gitea)
    } else if has("x-github-event") {
        Some(Provider::GitHub)
    } else if has("x-gitlab-event") {
        Some(Provider::GitLab)
    } else if has("x-hook-uuid") && has("x-event-key") {
        Some(Provider::BitbucketCloud)
    } else if has("x-event-key") {
        Some(Provider::BitbucketServer)
    } else if has("x-vss-activityid") || has("x-vss-subscriptionid") {
        Some(Provider::AzureDevOps)
    } else if has("x-tiphys-signature") || has("authorization") {
        Some(Provider::Generic)
    } else {
        None
    }
}

fn proof(provider: Provider, headers: &HeaderMap) -> Proof {
    let text = |name: &str| headers.get(name).and_then(|it| it.to_str().ok());
    let signature = |name: &str, prefix: &str| {
        let hex = text(name).and_then(|it| it.strip_prefix(prefix)).and_then(decode_hex);
        hex.map_or(Proof::Missing, Proof::Signature)
    };
    let token = |token: Option<&str>| token.map_or(Proof::Missing, |it| Proof::Token(it.to_owned()));
    match provider {
        Provider::GitHub => signature("x-hub-signature-256", "sha256="),
        Provider::Gitea if headers.contains_key("x-forgejo-signature") => {
            signature("x-forgejo-signature", "")
        }
        Provider::Gitea => signature("x-gitea-signature", ""),
        Provider::BitbucketCloud | Provider::BitbucketServer => signature("x-hub-signature", "sha256="),
        Provider::GitLab => token(text("x-gitlab-token")),
        Provider::AzureDevOps => {
            let basic = text("authorization").and_then(|it| it.strip_prefix("Basic "));
            let decoded =
                basic.and_then(|it| STANDARD.decode(it).ok()).and_then(|it| String::from_utf8(it).ok());
            token(decoded.as_deref().and_then(|it| it.split_once(':')).map(|(_, password)| password))
        }
        Provider::Generic if headers.contains_key("x-tiphys-signature") => {
            signature("x-tiphys-signature", "sha256=")
        }
        Provider::Generic => token(text("authorization").and_then(|it| it.strip_prefix("Bearer "))),
    }
}

fn urls(provider: Provider, body: &Value) -> Vec<String> {
    let pointers: &[&str] = match provider {
        Provider::GitHub | Provider::Gitea => {
            &["/repository/clone_url", "/repository/ssh_url", "/repository/html_url"]
        }
        Provider::GitLab => &["/project/git_http_url", "/project/git_ssh_url", "/project/web_url"],
        Provider::BitbucketCloud => &["/repository/links/html/href"],
        Provider::BitbucketServer => &[],
        Provider::AzureDevOps => &["/resource/repository/remoteUrl", "/resource/repository/sshUrl"],
        Provider::Generic => &["/repository"],
    };
    let mut urls: Vec<String> =
        pointers.iter().filter_map(|it| body.pointer(it)?.as_str().map(str::to_owned)).collect();
    if provider == Provider::BitbucketServer {
        let clones = body.pointer("/repository/links/clone").and_then(Value::as_array);
        urls.extend(
            clones.into_iter().flatten().filter_map(|it| it.get("href")?.as_str().map(str::to_owned)),
        );
    }
    urls
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let nibble = |it: u8| char::from(it).to_digit(16).and_then(|it| u8::try_from(it).ok());
    let bytes = text.as_bytes();
    if !bytes.len().is_multiple_of(2) {
        return None;
    }
    bytes.chunks_exact(2).map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_of_a_url_name_one_repository() {
        for url in [
            "https://git.example.com/acme/deploy.git",
            "https://user@git.example.com/Acme/deploy",
            "ssh://git@git.example.com:2222/acme/deploy.git",
            "git@git.example.com:acme/deploy.git",
            "https://GIT.example.com:8443/acme/deploy/",
        ] {
            assert_eq!(repository_name(url).as_deref(), Some("git.example.com/acme/deploy"), "{url}");
        }
        for url in ["", "deploy", "https://", "https://git.example.com", "https://git.example.com/.git"] {
            assert_eq!(repository_name(url), None, "{url}");
        }
    }

    #[test]
    fn proofs_need_the_secret_and_the_body() {
        let signature = |secret: &[u8], body: &[u8]| {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
            mac.update(body);
            Proof::Signature(mac.finalize().into_bytes().to_vec())
        };
        assert!(signature(b"s", b"body").holds(b"s", b"body"));
        assert!(!signature(b"s", b"body").holds(b"s", b"other"));
        assert!(!signature(b"x", b"body").holds(b"s", b"body"));
        assert!(!Proof::Signature(Vec::new()).holds(b"s", b"body"));
        assert!(Proof::Token("s".into()).holds(b"s", b"body"));
        assert!(!Proof::Token("S".into()).holds(b"s", b"body"));
        assert!(!Proof::Token(String::new()).holds(b"", b"body"), "an empty secret opens nothing");
        assert!(!Proof::Missing.holds(b"s", b"body"));
    }
}
