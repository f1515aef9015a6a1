//! One attempt to deliver a message.

use std::time::Duration;

use tiphys_api::{NotificationSpec, StatusProvider};
use tiphys_notify::{Destination, Message, SecretValues, destination, request};

use super::smtp;
use crate::outbound::{Answer, Outbound, Reach, SendError, send};

/// The longest pause that a destination may ask for.
const MAX_PAUSE: Duration = Duration::from_mins(2);

/// What came of an attempt.
#[derive(Debug)]
pub enum Attempt {
    /// The destination took it.
    Delivered,
    /// It may take it later; at the earliest after this time, if it said so.
    Again(String, Option<Duration>),
    /// It will never take it.
    Never(String),
}

/// Tries to deliver a message once.
pub async fn deliver(
    spec: &NotificationSpec,
    secret: &SecretValues,
    reach: &Reach,
    message: &Message,
) -> Attempt {
    match destination(spec) {
        Some(Destination::Email(email)) => smtp::deliver(email, secret, reach, message).await,
        Some(it) => post(it, secret, reach, message).await,
        None => Attempt::Never("it names no destination".to_owned()),
    }
}

async fn post(it: Destination<'_>, secret: &SecretValues, reach: &Reach, message: &Message) -> Attempt {
    let request = match request(it, secret, message) {
        Ok(request) => request,
        Err(problem) => return Attempt::Never(problem),
    };
    let outbound = Outbound {
        method: request.method,
        url: &request.url,
        headers: &request.headers,
        content_type: "application/json",
        body: request.body,
        authority: secret.get("ca.crt"),
    };
    match send(outbound, reach).await {
        Ok(answer) => judge(it, &answer),
        Err(error) => failed(&error),
    }
}

/// What a failure to send means.
pub fn failed(error: &SendError) -> Attempt {
    let why = format!("the destination: {error}");
    if error.is_transient() { Attempt::Again(why, None) } else { Attempt::Never(why) }
}

/// What an answer means. Of its body nothing is ever shown: whoever names an address must not read through us what is
/// there.
fn judge(destination: Destination<'_>, answer: &Answer) -> Attempt {
    let status = answer.status;
    let said = format!("the destination answered {status}");
    match status {
        200..=299 => Attempt::Delivered,
        300..=399 => Attempt::Never(format!("{said}, and no redirect is followed: name the address itself")),
        400 if is_known_to_gitlab(destination, answer) => Attempt::Delivered,
        401 | 403 => Attempt::Never(format!("{said}: its credentials are refused")),
        404 if matches!(destination, Destination::CommitStatus(_)) => Attempt::Never(format!(
            "{said}: there is no such repository or commit, or the token may not see it"
        )),
        408 | 425 | 429 | 500..=599 => Attempt::Again(said, answer.retry_after.map(|it| it.min(MAX_PAUSE))),
        _ => Attempt::Never(said),
    }
}

/// GitLab refuses a state that a commit has already, which is what was wanted.
fn is_known_to_gitlab(destination: Destination<'_>, answer: &Answer) -> bool {
    matches!(destination, Destination::CommitStatus(it) if it.provider == StatusProvider::GitLab)
        && String::from_utf8_lossy(&answer.body).contains("Cannot transition status")
}

#[cfg(test)]
mod tests {
    use tiphys_api::{CommitStatusDestination, SecretReference, WebhookDestination};

    use super::*;

    #[test]
    fn answers_are_understood() {
        let webhook = WebhookDestination::default();
        let gitlab = CommitStatusDestination {
            provider: StatusProvider::GitLab,
            api_url: "https://gitlab.com/api/v4".to_owned(),
            secret_ref: SecretReference { name: "token".to_owned() },
            repository: None,
            link: None,
            insecure: false,
        };
        let (webhook, gitlab) = (Destination::Webhook(&webhook), Destination::CommitStatus(&gitlab));
        let same = r#"{"message":"Cannot transition status via :run from :running"}"#;
        for (destination, status, body, expected) in [
            (webhook, 200, "", "Delivered"),
            (webhook, 204, "", "Delivered"),
            (webhook, 301, "", "Never"),
            (webhook, 400, same, "Never"),
            (webhook, 404, "", "Never"),
            (webhook, 429, "", "Again"),
            (webhook, 500, "", "Again"),
            (webhook, 503, "", "Again"),
            (gitlab, 201, "", "Delivered"),
            (gitlab, 400, same, "Delivered"),
            (gitlab, 400, "{}", "Never"),
            (gitlab, 403, "", "Never"),
            (gitlab, 404, "", "Never"),
        ] {
            let answer = Answer { status, retry_after: None, body: body.as_bytes().to_vec() };
            let attempt = format!("{:?}", judge(destination, &answer));
            assert!(attempt.starts_with(expected), "{status} {body}: {attempt}");
            assert!(!attempt.contains("transition"), "the body is not shown");
        }
    }

    #[test]
    fn a_pause_is_kept_but_not_for_ever() {
        let webhook = WebhookDestination::default();
        for (asked, pause) in [(7, 7), (100_000, 120)] {
            let retry_after = Some(Duration::from_secs(asked));
            let answer = Answer { status: 429, retry_after, body: Vec::new() };
            let attempt = judge(Destination::Webhook(&webhook), &answer);
            let expected = Some(Duration::from_secs(pause));
            assert!(matches!(attempt, Attempt::Again(_, it) if it == expected), "{asked}");
        }
    }
}
