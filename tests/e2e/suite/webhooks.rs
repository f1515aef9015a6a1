//! Webhooks of every forge, true and forged.

use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tiphys_tests::{Service, WEBHOOK_SECRET, http_post};

use crate::support::manifests::config_map;
use crate::support::shared::{git, stage};
use crate::support::stage::Stage;

/// A forge: the body that it sends for a push to the repository at a URL, and its headers.
struct Forge {
    name: &'static str,
    body: fn(&str) -> Value,
    headers: fn(&str, &str) -> Vec<(&'static str, String)>,
}

fn hmac(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let mut text = String::new();
    for byte in mac.finalize().into_bytes() {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

const FORGES: [Forge; 8] = [
    Forge {
        name: "github",
        body: |url| json!({ "ref": "refs/heads/main", "repository": { "clone_url": url, "full_name": "acme/deploy" } }),
        headers: |secret, body| {
            vec![
                ("x-github-event", "push".to_owned()),
                ("x-hub-signature-256", format!("sha256={}", hmac(secret, body))),
            ]
        },
    },
    Forge {
        name: "gitlab",
        body: |url| json!({ "object_kind": "push", "ref": "refs/heads/main", "project": { "git_http_url": url } }),
        headers: |secret, _| {
            vec![("x-gitlab-event", "Push Hook".to_owned()), ("x-gitlab-token", secret.to_owned())]
        },
    },
    Forge {
        name: "gitea",
        body: |url| json!({ "ref": "refs/heads/main", "repository": { "clone_url": url } }),
        headers: |secret, body| {
            vec![
                ("x-gitea-event", "push".to_owned()),
                ("x-github-event", "push".to_owned()),
                ("x-gitea-signature", hmac(secret, body)),
            ]
        },
    },
    Forge {
        name: "forgejo",
        body: |url| json!({ "ref": "refs/heads/main", "repository": { "clone_url": url } }),
        headers: |secret, body| {
            vec![("x-forgejo-event", "push".to_owned()), ("x-forgejo-signature", hmac(secret, body))]
        },
    },
    Forge {
        name: "bitbucket-cloud",
        body: |url| {
            let page = url.trim_end_matches(".git");
            json!({ "push": { "changes": [] }, "repository": { "links": { "html": { "href": page } } } })
        },
        headers: |secret, body| {
            vec![
                ("x-event-key", "repo:push".to_owned()),
                ("x-hook-uuid", "6f3c".to_owned()),
                ("x-hub-signature", format!("sha256={}", hmac(secret, body))),
            ]
        },
    },
    Forge {
        name: "bitbucket-server",
        body: |url| {
            let clone = json!([{ "name": "ssh", "href": "ssh://git@elsewhere.example.com/a.git" }, { "name": "http", "href": url }]);
            json!({ "eventKey": "repo:refs_changed", "repository": { "links": { "clone": clone } } })
        },
        headers: |secret, body| {
            vec![
                ("x-event-key", "repo:refs_changed".to_owned()),
                ("x-hub-signature", format!("sha256={}", hmac(secret, body))),
            ]
        },
    },
    Forge {
        name: "azure-devops",
        body: |url| json!({ "eventType": "git.push", "resource": { "repository": { "remoteUrl": url } } }),
        headers: |secret, _| {
            let basic = base64::engine::general_purpose::STANDARD.encode(format!("tiphys:{secret}"));
            vec![("x-vss-activityid", "1".to_owned()), ("authorization", format!("Basic {basic}"))]
        },
    },
    Forge {
        name: "generic",
        body: |url| json!({ "repository": url }),
        headers: |secret, _| vec![("authorization", format!("Bearer {secret}"))],
    },
];

async fn send(stage: &Stage<'_>, forge: &Forge, url: &str, secret: &str) -> u16 {
    let body = (forge.body)(url).to_string();
    let headers = (forge.headers)(secret, &body);
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    http_post(&stage.endpoints.webhook, &headers, body).await.unwrap().status
}

#[tokio::test]
async fn every_forge_is_understood() {
    let stage = stage("forges").await;
    let commit = stage.push_file("config.yaml", &config_map("config", "none")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    for forge in &FORGES {
        // Nothing but the webhook says that there is something new: polling takes minutes.
        stage.repo.commit_file("main", "app/config.yaml", config_map("config", forge.name));
        assert_eq!(send(&stage, forge, stage.repo.url(), WEBHOOK_SECRET).await, 202, "{}", forge.name);
        stage.has_value("config", forge.name).await;
    }
}

#[tokio::test]
async fn t17_a_forged_webhook_is_refused_counted_and_does_nothing() {
    let stage = stage("forged").await;
    let commit = stage.push_file("config.yaml", &config_map("config", "true")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    stage.repo.commit_file("main", "app/config.yaml", config_map("config", "forged"));
    let before = git().count(&stage.repo, Service::Refs);
    for forge in &FORGES {
        let counter = |name: &str| format!("tiphys_webhooks_total{{provider=\"{name}\",result=\"forged\"}}");
        let label = if forge.name == "forgejo" { "gitea" } else { forge.name };
        let counted = stage.endpoints.metric(&counter(label)).await;
        assert_eq!(send(&stage, forge, stage.repo.url(), "a guess").await, 401, "{}", forge.name);
        assert_eq!(send(&stage, forge, stage.repo.url(), "").await, 401, "{} with nothing", forge.name);
        assert!(stage.endpoints.metric(&counter(label)).await >= counted + 2.0, "{}", forge.name);
    }
    // Without any proof at all.
    let body = (FORGES[0].body)(stage.repo.url()).to_string();
    let answer = http_post(&stage.endpoints.webhook, &[("x-github-event", "push")], body).await.unwrap();
    assert_eq!(answer.status, 401);
    stage
        .stays("the silence", Duration::from_secs(1), || async {
            match git().count(&stage.repo, Service::Refs) {
                count if count == before => Ok(()),
                count => Err(format!("{count} looks at the server instead of {before}")),
            }
        })
        .await;
    assert_eq!(stage.value("config").await.as_deref(), Some("true"));
}

#[tokio::test]
async fn a_webhook_of_an_unknown_repository_does_nothing() {
    let stage = stage("unknown-hook").await;
    let stranger = git().create_repo(&format!("{}/stranger", stage.ns()), tiphys_tests::Auth::Anonymous);
    stranger.commit_file("main", "a", "b");
    for forge in &FORGES {
        assert_eq!(send(&stage, forge, stranger.url(), WEBHOOK_SECRET).await, 202, "{}", forge.name);
    }
    // Nor one of a Repository that no Application reads.
    assert_eq!(send(&stage, &FORGES[0], stage.repo.url(), WEBHOOK_SECRET).await, 202);
    stage
        .stays("the silence", Duration::from_secs(1), || async {
            match git().requests(&stranger).len() + git().requests(&stage.repo).len() {
                0 => Ok(()),
                count => Err(format!("{count} requests")),
            }
        })
        .await;
}

#[tokio::test]
async fn what_is_no_webhook_is_refused_in_bounded_memory() {
    let stage = stage("no-hook").await;
    let url = &stage.endpoints.webhook;
    let github = [("x-github-event", "push")];
    for (headers, body) in [(&github[..], "not json"), (&[][..], "{}"), (&github[..], "")] {
        assert_eq!(http_post(url, headers, body.to_owned()).await.unwrap().status, 400, "{body:?}");
    }
    // Longer than any forge sends. The server may hang up before it has read everything.
    let large = vec![b' '; 30 << 20];
    if let Ok(answer) = http_post(url, &github, large).await {
        assert_eq!(answer.status, 413);
    }
    let health = stage.endpoints.metrics.replace("/metrics", "/healthz");
    assert_eq!(tiphys_tests::http_get(&health).await.unwrap().status, 200);
}
