//! The exact request or mail for each kind of destination.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tiphys_api::{
    CommitStatusDestination, EmailDestination, NotificationSpec, Phase, SlackDestination, StatusProvider,
    WebhookDestination, WebhookMethod,
};

use crate::hidden::{Hidden, SecretValues};
use crate::message::{Message, repository_of};
use crate::{hex, shorten};

/// Longest description of a commit status that every forge takes, in bytes.
const MAX_DESCRIPTION: usize = 140;
/// Longest key of a build at Bitbucket.
const MAX_KEY: usize = 40;

/// What stays as it is in one part of a path.
const PART: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}')
    .add(b'\\')
    .add(b'^')
    .add(b'|');

/// Where a Notification sends to.
#[derive(Clone, Copy, Debug)]
pub enum Destination<'a> {
    /// An address that takes JSON.
    Webhook(&'a WebhookDestination),
    /// An incoming webhook of Slack.
    Slack(&'a SlackDestination),
    /// Mail.
    Email(&'a EmailDestination),
    /// The status of a commit.
    CommitStatus(&'a CommitStatusDestination),
}

/// An HTTP request to a destination.
#[derive(Clone, Debug)]
pub struct Request {
    /// `POST` or `PUT`.
    pub method: &'static str,
    /// The address; it may itself be the secret.
    pub url: Hidden,
    /// Headers beside those that every request has.
    pub headers: Vec<(String, Hidden)>,
    /// The body, JSON.
    pub body: Vec<u8>,
}

/// A mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Its identity, the same at each attempt.
    pub id: String,
    /// Its subject, one line.
    pub subject: String,
    /// Its text.
    pub body: String,
}

/// Where a Notification sends to. None: its spec names nothing, which the API server refuses.
pub fn destination(spec: &NotificationSpec) -> Option<Destination<'_>> {
    let webhook = spec.webhook.as_ref().map(Destination::Webhook);
    let slack = || spec.slack.as_ref().map(Destination::Slack);
    let email = || spec.email.as_ref().map(Destination::Email);
    let commit_status = || spec.commit_status.as_ref().map(Destination::CommitStatus);
    webhook.or_else(slack).or_else(email).or_else(commit_status)
}

impl Destination<'_> {
    /// The word for it in metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Slack(_) => "slack",
            Self::Email(_) => "email",
            Self::CommitStatus(_) => "commit-status",
        }
    }

    /// The name of its Secret.
    pub fn secret(&self) -> Option<&str> {
        match self {
            Self::Webhook(it) => it.secret_ref.as_ref().map(|it| it.name.as_str()),
            Self::Slack(it) => Some(&it.secret_ref.name),
            Self::Email(it) => it.secret_ref.as_ref().map(|it| it.name.as_str()),
            Self::CommitStatus(it) => Some(&it.secret_ref.name),
        }
    }

    /// Whether the Secret has what is needed. The error is a sentence for the status.
    pub fn check(&self, secret: &SecretValues) -> Result<(), String> {
        match self {
            Self::Webhook(it) => webhook_url(it, secret).map(drop),
            Self::Slack(it) => encrypted(secret.need("url")?, it.insecure).map(drop),
            Self::Email(it) if it.secret_ref.is_some() => {
                secret.need("username").and_then(|_| secret.need("password")).map(drop)
            }
            Self::Email(_) => Ok(()),
            Self::CommitStatus(_) => secret.need("token").map(drop),
        }
    }
}

/// The request that brings a message to a destination other than mail. The error is a sentence for the status: the message
/// can never be delivered.
pub fn request(
    destination: Destination<'_>,
    secret: &SecretValues,
    message: &Message,
) -> Result<Request, String> {
    match destination {
        Destination::Webhook(it) => webhook(it, secret, message),
        Destination::Slack(it) => {
            let body = json!({ "text": escape(&message.text) });
            let url = encrypted(secret.need("url")?, it.insecure)?.clone();
            Ok(Request { method: "POST", url, headers: Vec::new(), body: body.to_string().into_bytes() })
        }
        Destination::CommitStatus(it) => commit_status(it, secret, message),
        Destination::Email(_) => Err("mail is not sent by HTTP".to_owned()),
    }
}

/// The mail that brings a message.
pub fn mail(message: &Message) -> Mail {
    // One line, whatever names hold.
    let subject = message.title().replace(char::is_control, " ");
    Mail { id: format!("<{}@notifications.tiphys.dev>", message.id), subject, body: message.text.clone() }
}

fn webhook(spec: &WebhookDestination, secret: &SecretValues, message: &Message) -> Result<Request, String> {
    let body = serde_json::to_vec(message).map_err(|error| error.to_string())?;
    let mut headers = vec![("X-Tiphys-Delivery".to_owned(), Hidden::new(message.id.clone()))];
    if let Some(key) = secret.get("hmacKey") {
        let mut mac = Hmac::<Sha256>::new_from_slice(key.reveal().as_bytes())
            .map_err(|_| "the hmacKey cannot be used".to_owned())?;
        mac.update(&body);
        let signature = hex(&mac.finalize().into_bytes());
        headers.push(("X-Signature".to_owned(), Hidden::new(format!("sha256={signature}"))));
    }
    headers.extend(secret.with_prefix("header.").map(|(name, value)| (name.to_owned(), value.clone())));
    let method = match spec.method {
        WebhookMethod::Post => "POST",
        WebhookMethod::Put => "PUT",
    };
    Ok(Request { method, url: webhook_url(spec, secret)?, headers, body })
}

fn webhook_url(spec: &WebhookDestination, secret: &SecretValues) -> Result<Hidden, String> {
    match &spec.url {
        Some(url) => Ok(Hidden::new(url.clone())),
        None => encrypted(secret.need("url")?, spec.insecure).cloned(),
    }
}

/// An address from a Secret, which the API server could not look at.
fn encrypted(url: &Hidden, insecure: bool) -> Result<&Hidden, String> {
    let fits = url.reveal().starts_with("https://") || (insecure && url.reveal().starts_with("http://"));
    fits.then_some(url).ok_or_else(|| {
        "the url in the Secret must start with https://, or with insecure: true with http://".to_owned()
    })
}

/// What Slack would take for a mention or a link is text.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn commit_status(
    spec: &CommitStatusDestination,
    secret: &SecretValues,
    message: &Message,
) -> Result<Request, String> {
    let token = secret.need("token")?.reveal();
    let Some(commit) = &message.sync.commit else {
        return Err(format!("{} has no commit whose status could be set", message.sync.name));
    };
    let derived = || repository_of(spec.provider, &message.repository);
    let Some(repository) = spec.repository.clone().or_else(derived) else {
        return Err(
            "the address of the source does not say which repository it is: set spec.commitStatus.repository"
                .to_owned(),
        );
    };
    let parts: Vec<_> = repository.split('/').map(|it| utf8_percent_encode(it, PART).to_string()).collect();
    let api = spec.api_url.trim_end_matches('/');
    let url = match (spec.provider, &parts[..]) {
        (StatusProvider::GitHub | StatusProvider::Gitea, _) => {
            format!("{api}/repos/{}/statuses/{commit}", parts.join("/"))
        }
        (StatusProvider::GitLab, _) => {
            format!("{api}/projects/{}/statuses/{commit}", utf8_percent_encode(&repository, PART))
        }
        (StatusProvider::BitbucketCloud, _) => {
            format!("{api}/repositories/{}/commit/{commit}/statuses/build", parts.join("/"))
        }
        (StatusProvider::BitbucketServer, [project, name]) => {
            format!("{api}/rest/api/latest/projects/{project}/repos/{name}/commits/{commit}/builds")
        }
        (StatusProvider::AzureDevOps, [project, name]) => {
            format!("{api}/{project}/_apis/git/repositories/{name}/commits/{commit}/statuses?api-version=7.1")
        }
        (StatusProvider::BitbucketServer | StatusProvider::AzureDevOps, _) => {
            return Err(format!("repository {repository}: it must be PROJECT/NAME"));
        }
    };
    Ok(Request {
        method: "POST",
        url: Hidden::new(url),
        headers: authorization(spec.provider, token, secret.get("username")),
        body: status_body(spec, message).to_string().into_bytes(),
    })
}

fn authorization(provider: StatusProvider, token: &str, username: Option<&Hidden>) -> Vec<(String, Hidden)> {
    let header = |name: &str, value: String| vec![(name.to_owned(), Hidden::new(value))];
    let basic = |user: &str| format!("Basic {}", STANDARD.encode(format!("{user}:{token}")));
    match (provider, username) {
        (StatusProvider::GitHub, _) => {
            let mut headers = header("Authorization", format!("Bearer {token}"));
            headers.extend(header("Accept", "application/vnd.github+json".to_owned()));
            headers.extend(header("X-GitHub-Api-Version", "2022-11-28".to_owned()));
            headers
        }
        (StatusProvider::GitLab, _) => header("PRIVATE-TOKEN", token.to_owned()),
        (StatusProvider::Gitea, _) => header("Authorization", format!("token {token}")),
        (StatusProvider::BitbucketCloud, Some(username)) => header("Authorization", basic(username.reveal())),
        (StatusProvider::BitbucketCloud | StatusProvider::BitbucketServer, _) => {
            header("Authorization", format!("Bearer {token}"))
        }
        (StatusProvider::AzureDevOps, _) => header("Authorization", basic("")),
    }
}

fn status_body(spec: &CommitStatusDestination, message: &Message) -> Value {
    let subject = format!("{}/{}", message.application.namespace, message.application.name);
    let context = format!("tiphys/{subject}");
    let state = state(spec.provider, message.sync.phase);
    let description = shorten(&message.text.replace(char::is_control, " "), MAX_DESCRIPTION);
    let link = spec.link.clone().or_else(|| web_address(&message.repository));
    let mut body = match spec.provider {
        StatusProvider::GitHub | StatusProvider::Gitea => {
            json!({ "state": state, "context": context, "description": description, "target_url": link })
        }
        StatusProvider::GitLab => {
            json!({ "state": state, "name": context, "description": description, "target_url": link })
        }
        StatusProvider::BitbucketCloud | StatusProvider::BitbucketServer => json!({
            "key": key(&context), "state": state, "name": context, "description": description, "url": link,
        }),
        StatusProvider::AzureDevOps => json!({
            "state": state, "description": description, "targetUrl": link,
            "context": { "genre": "tiphys", "name": subject },
        }),
    };
    if let Some(fields) = body.as_object_mut() {
        fields.retain(|_, it| !it.is_null());
    }
    body
}

/// The word of a forge for a phase.
fn state(provider: StatusProvider, phase: Phase) -> &'static str {
    let (running, succeeded, failed, superseded) = match provider {
        StatusProvider::GitHub | StatusProvider::Gitea => ("pending", "success", "failure", "error"),
        StatusProvider::GitLab => ("running", "success", "failed", "canceled"),
        StatusProvider::BitbucketCloud => ("INPROGRESS", "SUCCESSFUL", "FAILED", "STOPPED"),
        StatusProvider::BitbucketServer => ("INPROGRESS", "SUCCESSFUL", "FAILED", "CANCELLED"),
        StatusProvider::AzureDevOps => ("pending", "succeeded", "failed", "error"),
    };
    match phase {
        Phase::Pending | Phase::Running | Phase::Waiting => running,
        Phase::Succeeded => succeeded,
        Phase::Failed => failed,
        Phase::Superseded => superseded,
    }
}

/// A key of a build, short enough for Bitbucket.
fn key(context: &str) -> String {
    if context.len() <= MAX_KEY {
        return context.to_owned();
    }
    let digest = Sha256::digest(context);
    format!("tiphys-{}", hex(&digest[..16]))
}

/// The address of a repository for a browser, if it has one, without who logs in.
fn web_address(repository: &str) -> Option<String> {
    let rest = repository.strip_prefix("https://").or_else(|| repository.strip_prefix("http://"));
    let rest = match rest {
        Some(rest) => rest.to_owned(),
        None => match repository.strip_prefix("ssh://") {
            Some(rest) => {
                let (authority, path) = rest.split_once('/')?;
                format!("{}/{path}", authority.split(':').next()?)
            }
            None => repository.replacen(':', "/", 1),
        },
    };
    let (authority, path) = rest.split_once('/')?;
    let host = authority.rsplit('@').next()?;
    let path = path.trim_end_matches('/');
    Some(format!("https://{host}/{}", path.strip_suffix(".git").unwrap_or(path)))
}
