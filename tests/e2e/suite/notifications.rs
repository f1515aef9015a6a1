//! Notifications: who is told of a Sync, once, and nobody else.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tiphys_api::{ConditionStatus, NotificationStatus, Phase, READY, STALLED};
use tiphys_tests::{CertificateFor, Process, Received, Receiver, TestCertificate};

use crate::support::manifests::{Deployment, config_map};
use crate::support::shared::stage;
use crate::support::{LONG, condition, hex};

/// What each request tells of: Sync and phase.
fn told(received: &[Received]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let told = received.iter().map(Received::json);
    told.map(|it| (text(&it["sync"]["name"]), text(&it["sync"]["phase"]))).collect()
}

fn pair(sync: &str, phase: &str) -> (String, String) {
    (sync.to_owned(), phase.to_owned())
}

fn says<'a>(status: &'a NotificationStatus, type_: &str) -> Option<&'a str> {
    condition(&status.conditions, type_).map(|it| it.message.as_str())
}

fn is_ready(status: &NotificationStatus) -> Option<()> {
    let ready = condition(&status.conditions, READY)?;
    (ready.status == ConditionStatus::True).then_some(())
}

/// A webhook without encryption.
fn webhook(receiver: &Receiver) -> Value {
    json!({ "webhook": { "url": receiver.url("/hook"), "insecure": true } })
}

#[tokio::test]
async fn a_webhook_tells_of_success_failure_and_rollback_once_each() {
    let stage = stage("tell").await;
    let receiver = Receiver::start();
    let good = stage.push_file("web.yaml", &Deployment::new("web").yaml()).await;
    stage.create("web", json!({ "sync": { "onFailure": "Rollback", "timeout": "10s" } })).await;
    stage.synced("web", &good).await;

    stage.secret("tell", &[("hmacKey", "the key"), ("header.Authorization", "Bearer me")]).await;
    let mut spec = webhook(&receiver);
    spec["webhook"]["secretRef"] = json!({ "name": "tell" });
    stage.notification("tell", spec).await;
    stage.wait_notification("tell", "it is ready", is_ready).await;
    let second = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.synced("web", &second).await;
    let first = receiver.wait_for(1, LONG).await;
    assert_eq!(told(&first), [pair("web-2", "Succeeded")], "nothing is told of the past");
    assert_eq!((first[0].method.as_str(), first[0].path.as_str()), ("POST", "/hook"));
    assert_eq!(first[0].header("authorization"), "Bearer me");
    let mut mac = Hmac::<Sha256>::new_from_slice(b"the key").unwrap();
    mac.update(&first[0].body);
    let signature = hex(&mac.finalize().into_bytes());
    assert_eq!(first[0].header("x-signature"), format!("sha256={signature}"));
    let body = first[0].json();
    assert_eq!(body["id"], first[0].header("x-tiphys-delivery"));
    assert_eq!(body["application"], json!({ "namespace": stage.ns(), "name": "web" }));
    assert_eq!(body["sync"]["commit"], second);
    assert!(body["text"].as_str().unwrap().contains("web-2 succeeded"), "{body}");

    stage.push_file("web.yaml", &Deployment::new("web").image("registry.invalid/app:2").yaml()).await;
    stage.succeeded("web-4").await;
    let all = receiver.wait_for(3, LONG).await;
    let expected = [pair("web-2", "Succeeded"), pair("web-3", "Failed"), pair("web-4", "Succeeded")];
    assert_eq!(told(&all), expected);
    assert_eq!(all[2].json()["sync"]["trigger"], "rollback");
    assert!(all[1].json()["sync"]["message"].as_str().unwrap().contains("Deployment"), "{:?}", all[1].json());
    let delivered = |it: &NotificationStatus| (it.delivered == 3 && it.failed == 0).then_some(());
    stage.wait_notification("tell", "three are delivered", delivered).await;
    stage.looked_at("web").await;
    assert_eq!(receiver.received().len(), 3, "a question is nothing to tell of");
    let metric = format!("tiphys_notifications_total{{namespace=\"{}\"", stage.ns());
    assert!((stage.endpoints.metric(&metric).await - 3.0).abs() < 0.1);
}

#[tokio::test]
async fn a_destination_that_fails_is_tried_again_and_one_that_is_dead_holds_nobody_up() {
    let stage = stage("tell-again").await;
    let (shaky, dead) = (Receiver::start(), Receiver::start());
    shaky.answer_next(&[503, 500]);
    dead.fall_silent();
    stage.notification("shaky", webhook(&shaky)).await;
    stage.notification("dead", webhook(&dead)).await;
    let first = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &first).await;
    let tries = shaky.wait_for(3, LONG).await;
    let ids: Vec<_> = tries.iter().map(|it| it.json()["id"].clone()).collect();
    assert!(ids.iter().all(|it| *it == ids[0]), "each attempt is the same delivery: {ids:?}");
    stage
        .wait_notification("shaky", "it is ready again", |it| {
            is_ready(it).filter(|()| it.delivered == 1 && it.pending.is_empty())
        })
        .await;
    let why = |it: &NotificationStatus| {
        says(it, READY).filter(|it| it.contains("did not answer")).map(str::to_owned)
    };
    stage.wait_notification("dead", "it says that nobody answers", why).await;
    // Neither a Sync nor another Notification waits for the dead one.
    let began = std::time::Instant::now();
    let second = stage.push_file("config.yaml", &config_map("config", "two")).await;
    stage.synced("web", &second).await;
    shaky.wait_for(4, Duration::from_secs(20)).await;
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    stage.wait_notification("dead", "both wait", |it| (it.pending.len() == 2).then_some(())).await;
}

#[tokio::test]
async fn what_cannot_be_delivered_is_said() {
    let stage = stage("tell-not").await;
    let (redirects, elsewhere, refuses) = (Receiver::start(), Receiver::start(), Receiver::start());
    redirects.redirect_to(&elsewhere.url("/hook"));
    refuses.answer_always(404);
    stage.notification("redirects", webhook(&redirects)).await;
    stage.notification("refuses", webhook(&refuses)).await;
    let metadata = json!({ "webhook": { "url": "http://169.254.169.254/latest", "insecure": true } });
    stage.notification("metadata", metadata).await;
    let mut broken = webhook(&elsewhere);
    broken["when"] = json!("sync.status.phase = 'Failed'");
    stage.notification("broken", broken).await;
    let mut greedy = webhook(&elsewhere);
    greedy["applications"] = json!({ "namespaces": ["*"] });
    stage.notification("greedy", greedy).await;
    stage
        .notification(
            "secretless",
            json!({ "slack": { "secretRef": { "name": "later" }, "insecure": true } }),
        )
        .await;
    for (name, words) in [
        ("broken", "spec.when cannot be used"),
        ("greedy", "sees only the Applications of its own"),
        ("secretless", "Secret later does not exist"),
    ] {
        let stalled = |it: &NotificationStatus| says(it, STALLED).filter(|it| it.contains(words)).map(drop);
        stage.wait_notification(name, &format!("it is stalled, saying {words:?}"), stalled).await;
    }
    let first = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &first).await;
    for (name, words) in [
        ("redirects", "answered 307, and no redirect is followed"),
        ("refuses", "answered 404"),
        ("metadata", "no address that Notifications outside"),
    ] {
        let given_up = |it: &NotificationStatus| {
            says(it, READY)
                .filter(|said| said.contains(words) && it.failed == 1 && it.pending.is_empty())
                .map(drop)
        };
        stage.wait_notification(name, &format!("it was given up, saying {words:?}"), given_up).await;
    }
    let list = stage.namespace.kubectl(&["get", "notifications", "-o", "json"]);
    assert!(!list.contains("the body of a stranger"), "what is there is not read out: {list}");
    // What waited for its Secret is told when that is there.
    let slack = Receiver::start();
    stage.secret("later", &[("url", &slack.url("/services/T0"))]).await;
    let messages = slack.wait_for(1, LONG).await;
    assert_eq!(messages[0].path, "/services/T0");
    assert!(messages[0].json()["text"].as_str().unwrap().contains("web-1 succeeded"));
    stage.wait_notification("secretless", "it is ready", is_ready).await;
    assert_eq!(elsewhere.received().len(), 0);
    // What makes no sense is refused at admission, in words.
    let refused = [
        (json!({}), "name exactly one destination"),
        (json!({ "webhook": { "url": "http://example.com" } }), "url must start with https://"),
        (json!({ "webhook": {} }), "say where to"),
        (json!({ "webhook": { "url": "https://me:pw@example.com" } }), "do not put credentials into the url"),
        (
            json!({ "email": { "host": "mail", "from": "a@b.c", "to": ["a@b.c"], "encryption": "None" } }),
            "encryption: None sends everything in the clear",
        ),
        (
            json!({ "commitStatus": { "provider": "GitHub", "apiUrl": "http://api", "secretRef": { "name": "x" } } }),
            "apiUrl must start with https://",
        ),
    ];
    for (spec, words) in refused {
        let error =
            stage.try_notification(stage.ns(), "refused", spec.clone()).await.expect_err("it is refused");
        assert!(error.to_string().contains(words), "{spec}: {error}");
    }
}

#[tokio::test]
async fn tenants_hear_only_of_their_own() {
    let (one, other) = (stage("tell-one").await, stage("tell-other").await);
    let (of_one, of_all) = (Receiver::start(), Receiver::start());
    one.notification("all", webhook(&of_one)).await;
    let mut spec = webhook(&of_all);
    spec["applications"] = json!({ "namespaces": [one.ns(), other.ns()] });
    let name = format!("all-{}", one.ns());
    one.try_notification("tiphys", &name, spec).await.expect("it can be created");
    for stage in [&other, &one] {
        let commit = stage.push_file("config.yaml", &config_map("config", "one")).await;
        stage.create("web", json!({})).await;
        stage.synced("web", &commit).await;
    }
    let namespaces = |received: Vec<Received>| {
        let namespaces = received.iter().map(|it| it.json()["application"]["namespace"].clone());
        let mut namespaces: Vec<_> = namespaces.map(|it| it.as_str().unwrap().to_owned()).collect();
        namespaces.sort();
        namespaces
    };
    let mut both = vec![one.ns().to_owned(), other.ns().to_owned()];
    both.sort();
    assert_eq!(namespaces(of_all.wait_for(2, LONG).await), both);
    assert_eq!(namespaces(of_one.wait_for(1, LONG).await), [one.ns().to_owned()]);
    one.looked_at("web").await;
    assert_eq!(of_one.received().len(), 1);
    one.access.kubectl(["delete", "notification", "-n", "tiphys", &name]);
}

#[tokio::test]
async fn commit_statuses_follow_a_sync_over_https() {
    let stage = stage("tell-commit").await;
    let certificate = TestCertificate::new(CertificateFor::Localhost);
    let forge = Receiver::start_tls(&certificate);
    stage.secret("forge", &[("token", "t0ken"), ("ca.crt", certificate.ca_pem())]).await;
    let spec = json!({ "commitStatus": {
        "provider": "GitHub", "apiUrl": forge.url("/api/v3"), "secretRef": { "name": "forge" },
    } });
    stage.notification("commits", spec).await;
    let commit = stage.push_file("web.yaml", &Deployment::new("web").slow("4s").yaml()).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    let done = |it: &NotificationStatus| {
        let succeeded = it.last_delivery.as_ref().is_some_and(|it| it.phase == Phase::Succeeded);
        (succeeded && it.delivered >= 2 && it.failed == 0).then_some(())
    };
    stage.wait_notification("commits", "success is told after what came before", done).await;
    let statuses = forge.received();
    let path = format!("/api/v3/repos/{}/deploy/statuses/{commit}", stage.ns());
    let context = format!("tiphys/{}/web", stage.ns());
    for (number, status) in statuses.iter().enumerate() {
        assert_eq!(status.path, path);
        assert_eq!(status.header("authorization"), "Bearer t0ken");
        let state = if number + 1 == statuses.len() { "success" } else { "pending" };
        let body = status.json();
        assert_eq!((&body["state"], &body["context"]), (&json!(state), &json!(context)), "{body}");
    }
    // A certificate that nobody trusts is nobody to talk to.
    stage.secret("stranger", &[("token", "t0ken")]).await;
    let spec = json!({ "commitStatus": {
        "provider": "Gitea", "apiUrl": forge.url("/api/v1"), "secretRef": { "name": "stranger" },
    } });
    stage.notification("stranger", spec).await;
    let commit = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.synced("web", &commit).await;
    let tls = |it: &NotificationStatus| says(it, READY).filter(|it| it.contains("its TLS failed")).map(drop);
    stage.wait_notification("stranger", "it says that TLS fails", tls).await;
    let statuses = forge.wait_for(statuses.len() + 1, LONG).await;
    assert!(statuses.iter().all(|it| it.path.starts_with("/api/v3/")));
}

/// Starts a real mail server; gives its port.
fn mail_server(mode: &str, certificate: &TestCertificate, folder: &std::path::Path) -> (Process, u16) {
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("it can be written");
        path
    };
    let (pem, key) =
        (write("tls.crt", certificate.certificate_pem()), write("tls.key", certificate.key_pem()));
    let port =
        std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|it| it.local_addr()).expect("a free port");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/smtp/server.py");
    let process = Process::builder("smtp", "/usr/bin/python3")
        .arg(script)
        .args([mode])
        .arg(pem)
        .arg(key)
        .args(["robot", "pass-word"])
        .arg(port.port().to_string())
        .start();
    process.wait_for_line("^listening", LONG);
    (process, port.port())
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_is_sent_with_encryption_and_credentials() {
    let stage = stage("tell-mail").await;
    let certificate = TestCertificate::new(CertificateFor::Localhost);
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (starttls, port) = mail_server("starttls", &certificate, folders[0].path());
    let (tls, tls_port) = mail_server("tls", &certificate, folders[1].path());
    let ca = ("ca.crt", certificate.ca_pem());
    stage.secret("mail", &[("username", "robot"), ("password", "pass-word"), ca]).await;
    stage.secret("wrong", &[("username", "robot"), ("password", "guess"), ca]).await;
    let spec = |port: u16, encryption: &str, secret: &str| {
        json!({
            "when": "sync.status.phase == 'Succeeded'",
            "template": "Good news: ${sync.status.message}",
            "email": {
                "host": "localhost", "port": port, "encryption": encryption, "secretRef": { "name": secret },
                "from": "Tiphys <tiphys@example.com>", "to": ["team@example.com", "Boss <boss@example.com>"],
            },
        })
    };
    stage.notification("starttls", spec(port, "StartTls", "mail")).await;
    stage.notification("tls", spec(tls_port, "Tls", "mail")).await;
    stage.notification("wrong", spec(port, "StartTls", "wrong")).await;
    let commit = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    for server in [&starttls, &tls] {
        let line = tokio::task::block_in_place(|| server.wait_for_line("^mail ", LONG));
        let mail: Value = serde_json::from_str(line.trim_start_matches("mail ")).unwrap();
        assert_eq!(mail["subject"], format!("{}/web: web-1 succeeded", stage.ns()));
        assert_eq!(mail["from"], "tiphys@example.com");
        assert_eq!(mail["to"], json!(["team@example.com", "boss@example.com"]));
        assert_eq!((&mail["encrypted"], &mail["authenticated"]), (&json!(true), &json!(true)), "{mail}");
        assert!(mail["text"].as_str().unwrap().starts_with("Good news: main@sha1:"), "{mail}");
    }
    let refused = |it: &NotificationStatus| {
        says(it, READY).filter(|it| it.contains("refused it with code 535")).map(drop)
    };
    stage.wait_notification("wrong", "its credentials are refused", refused).await;
    stage.wait_notification("starttls", "it is delivered", |it| (it.delivered == 1).then_some(())).await;
    assert_eq!(starttls.log().matches("mail {").count(), 1);
}

#[tokio::test]
async fn secrets_of_notifications_stay_secret() {
    let stage = stage("tell-hidden").await;
    let refuses = Receiver::start();
    refuses.answer_always(401);
    let canaries = ["canary-hmac-key", "canary-header", "canary-in-url", "canary-token", "canary-mail"];
    stage
        .secret(
            "hook",
            &[
                ("url", &refuses.url("/canary-in-url")),
                ("hmacKey", canaries[0]),
                ("header.X-Key", canaries[1]),
            ],
        )
        .await;
    stage
        .secret("bad-header", &[("url", &refuses.url("/canary-in-url")), ("header.Host", canaries[1])])
        .await;
    stage.secret("nowhere", &[("url", "https://127.0.0.1:1/canary-in-url")]).await;
    stage.secret("token", &[("token", canaries[3])]).await;
    stage.secret("mail", &[("username", "canary-user"), ("password", canaries[4])]).await;
    let hook = |secret: &str| json!({ "webhook": { "secretRef": { "name": secret }, "insecure": true } });
    stage.notification("hook", hook("hook")).await;
    stage.notification("bad-header", hook("bad-header")).await;
    stage.notification("nowhere", hook("nowhere")).await;
    stage.notification("forge", json!({ "commitStatus": {
        "provider": "GitLab", "apiUrl": refuses.url("/api"), "secretRef": { "name": "token" }, "insecure": true,
    } })).await;
    stage.notification("mail", json!({ "email": {
        "host": "127.0.0.1", "port": 1, "encryption": "None", "insecure": true, "secretRef": { "name": "mail" },
        "from": "a@example.com", "to": ["b@example.com"],
    } })).await;
    let first = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &first).await;
    for name in ["hook", "bad-header", "nowhere", "forge", "mail"] {
        let failed = |it: &NotificationStatus| {
            says(it, READY).filter(|it| it.contains("delivered")).map(str::to_owned)
        };
        let said = stage.wait_notification(name, "its delivery fails", failed).await;
        assert!(!said.contains("canary"), "{name}: {said}");
    }
    assert!(refuses.received().iter().any(|it| it.header("x-key") == canaries[1]), "it went where it should");
    let list = stage.namespace.kubectl(&[
        "get",
        "notifications,events,syncs",
        "-o",
        "json",
        "--show-managed-fields",
    ]);
    let places = [
        ("the objects", list),
        ("the log", stage.endpoints.log()),
        ("the metrics", stage.endpoints.metrics_text().await),
    ];
    for (place, text) in places {
        for canary in canaries.iter().chain(&["canary-user", "canary-of-the-collector"]) {
            assert!(!text.contains(canary), "{canary} is in {place}");
        }
    }
}

#[tokio::test]
async fn a_condition_and_a_selection_choose_what_is_told() {
    let stage = stage("tell-some").await;
    let (people, api) = (Receiver::start(), Receiver::start());
    let mut by_people = webhook(&people);
    by_people["when"] = json!("sync.status.phase == 'Succeeded' && sync.spec.initiatedBy.trigger == 'user'");
    stage.notification("people", by_people).await;
    let mut of_api = webhook(&api);
    of_api["applications"] = json!({ "names": ["api*"] });
    of_api["template"] = json!("${application.metadata.name} has ${sync.status.plan.create} new");
    stage.notification("api", of_api).await;
    let commit = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    stage.request("web", "by-hand", json!({})).await;
    stage.succeeded("by-hand").await;
    assert_eq!(told(&people.wait_for(1, LONG).await), [pair("by-hand", "Succeeded")]);
    stage.namespace.kubectl(&["delete", "application", "web"]);
    stage.namespace.kubectl(&["delete", "configmap", "config"]);
    stage.create("api-1", json!({})).await;
    stage.synced("api-1", &commit).await;
    let first = api.wait_for(1, LONG).await;
    assert_eq!(first[0].json()["text"], "api-1 has 1 new");
    assert_eq!(people.received().len(), 1);
}
