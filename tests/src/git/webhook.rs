//! What a forge sends when somebody has pushed.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

use crate::http::{HttpResponse, http_post};

/// A webhook in GitHub's format: JSON, signed by HMAC-SHA256 with a shared secret.
#[derive(Clone, Debug)]
pub struct Webhook {
    url: String,
    secret: String,
}

impl Webhook {
    /// Sends to this plain `http://` address, signed with this secret.
    pub fn github(url: &str, secret: &str) -> Self {
        Self { url: url.to_owned(), secret: secret.to_owned() }
    }

    /// Says that a branch of the repository at this address moved. A commit of 40 zeros means that the branch was not
    /// there before, or is not there any more. `Err` says in words why there was no answer.
    pub async fn push(
        &self,
        repository: &str,
        branch: &str,
        before: &str,
        after: &str,
    ) -> Result<HttpResponse, String> {
        let page = repository.trim_end_matches(".git");
        let name = page.rsplit("//").next().and_then(|it| it.split_once('/')).map_or("", |(_, path)| path);
        let nowhere = |id: &str| id.bytes().all(|it| it == b'0');
        let body = json!({
            "ref": format!("refs/heads/{branch}"),
            "before": before,
            "after": after,
            "created": nowhere(before),
            "deleted": nowhere(after),
            "forced": false,
            "repository": {
                "full_name": name,
                "html_url": page,
                "clone_url": repository,
                "default_branch": "main",
            },
            "pusher": { "name": "test-author", "email": "author@example.com" },
            "head_commit": if nowhere(after) { json!(null) } else { json!({ "id": after }) },
        });
        self.send("push", &body.to_string()).await
    }

    /// Sends any event with any body, signed. `Err` says in words why there was no answer.
    pub async fn send(&self, event: &str, body: &str) -> Result<HttpResponse, String> {
        let signature = signature(&self.secret, body.as_bytes());
        let headers = [
            ("content-type", "application/json"),
            ("user-agent", "GitHub-Hookshot/test"),
            ("x-github-event", event),
            ("x-github-delivery", "00000000-0000-0000-0000-000000000000"),
            ("x-hub-signature-256", signature.as_str()),
        ];
        http_post(&self.url, &headers, body.to_owned()).await
    }
}

/// The value of `X-Hub-Signature-256`.
fn signature(secret: &str, body: &[u8]) -> String {
    let mut code = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length of key will do");
    code.update(body);
    let mut text = "sha256=".to_owned();
    for byte in code.finalize().into_bytes() {
        write!(text, "{byte:02x}").expect("a String takes everything");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of GitHub's documentation of webhooks.
    #[test]
    fn the_signature_is_that_of_github() {
        let expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert_eq!(signature("It's a Secret to Everybody", b"Hello, World!"), expected);
    }
}
