//! The API as a person meets it with kubectl.

use serde_json::{Value, json};
use tiphys_tests::Identity;

use crate::support::manifests::config_map;
use crate::support::shared::stage;
use crate::support::stage::Stage;

/// A person with the rights that the shipped ClusterRole `edit` gives in the stage's namespace.
fn editor(stage: &Stage<'_>, name: &str) -> Identity {
    let user = format!("{name}-of-{}", stage.ns());
    let binding = format!("--user={user}");
    stage.namespace.kubectl(&["create", "rolebinding", name, "--clusterrole=edit", &binding]);
    stage.access.impersonate(&user, &["system:authenticated"])
}

async fn create(stage: &Stage<'_>, who: &Identity, object: &Value) -> (bool, String) {
    // A binding is in effect some milliseconds after it is written.
    tiphys_tests::eventually("the rights are in effect", crate::support::LONG, || async {
        let ask = ["-n", stage.ns(), "auth", "can-i", "create", "syncs.tiphys.dev"];
        let (yes, answer) = stage.access.try_kubectl(who, ask, "");
        if yes { Ok(()) } else { Err(answer) }
    })
    .await;
    stage.access.try_kubectl(who, ["-n", stage.ns(), "create", "-f", "-"], &object.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "json! is written at the place of the call")]
fn sync(name: &str, spec: Value) -> Value {
    json!({ "apiVersion": "tiphys.dev/v1alpha1", "kind": "Sync", "metadata": { "name": name }, "spec": spec })
}

#[tokio::test]
async fn kubectl_can_wait_for_applications_and_syncs() {
    let stage = stage("kubectl-wait").await;
    stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.namespace.kubectl(&["wait", "--for=condition=Ready", "--timeout=60s", "app/web"]);
    stage.namespace.kubectl(&["wait", "--for=condition=Ready", "--timeout=60s", "sync/web-1"]);
    stage.push_file("config.yaml", "kind: Nonsense").await;
    stage.namespace.kubectl(&["wait", "--for=condition=Stalled", "--timeout=60s", "app/web"]);
    stage.namespace.kubectl(&[
        "wait",
        "--for=jsonpath={.status.phase}=Failed",
        "--timeout=60s",
        "sync/web-2",
    ]);
}

#[tokio::test]
async fn kubectl_get_tells_the_story() {
    let stage = stage("columns").await;
    let commit = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    let columns = |arguments: &[&str]| {
        let text = stage.namespace.kubectl(arguments);
        let header = text.lines().next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        (header, text)
    };
    let (header, text) = columns(&["get", "app"]);
    assert_eq!(header, "NAME PROJECT SYNC HEALTH REVISION AGE");
    assert!(text.contains("Synced") && text.contains("Healthy") && text.contains(&commit), "{text}");
    let (header, text) = columns(&["get", "applications", "-o", "wide"]);
    assert_eq!(header, "NAME PROJECT SYNC HEALTH REVISION AGE MESSAGE PATH DESTINATION");
    assert!(text.contains(&format!("in-cluster/{}", stage.ns())), "{text}");
    let (header, text) = columns(&["get", "syncs", "-o", "wide"]);
    assert_eq!(header, "NAME APPLICATION NUMBER PHASE REVISION BY DURATION AGE MESSAGE");
    assert!(text.contains("Succeeded") && text.contains("is live and healthy"), "{text}");
    assert_eq!(columns(&["get", "repositories"]).0, "NAME URL READY AGE");
    let all = stage.namespace.kubectl(&["get", "tiphys", "-o", "name"]);
    for part in ["application.tiphys.dev/web", "sync.tiphys.dev/web-1", "repository.tiphys.dev/deploy"] {
        assert!(all.contains(part), "{part} is missing in {all}");
    }
    stage.create("other", json!({ "source": { "path": "elsewhere" }, "sync": { "auto": false } })).await;
    stage.request("other", "other-by-hand", json!({})).await;
    let of_web = ["get", "syncs", "--field-selector", "spec.application=web", "-o", "name"];
    assert_eq!(stage.namespace.kubectl(&of_web).trim(), "sync.tiphys.dev/web-1");
    let selector = format!("--field-selector=spec.source.repo={}", stage.repo.url());
    assert_eq!(stage.namespace.kubectl(&["get", "app", &selector, "-o", "name"]).lines().count(), 2);
}

#[tokio::test]
async fn a_sync_is_a_record_and_cannot_be_changed() {
    let stage = stage("immutable").await;
    stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage
        .wait_sync("web-1", "it ends", crate::support::LONG, |it| {
            crate::support::phase(it).is_finished().then_some(())
        })
        .await;
    for patch in [
        r#"{"spec":{"revision":"other"}}"#,
        r#"{"spec":{"application":"other"}}"#,
        r#"{"spec":{"initiatedBy":{"user":"x"}}}"#,
    ] {
        let arguments = ["-n", stage.ns(), "patch", "sync", "web-1", "--type=merge", "-p", patch];
        let (done, answer) = stage.access.try_kubectl(&stage.access.admin_identity(), arguments, "");
        assert!(
            !done && answer.contains("a Sync is a record and cannot be changed: create a new one"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn nobody_starts_a_sync_in_somebody_elses_name() {
    let stage = stage("forger").await;
    stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({ "sync": { "auto": false } })).await;
    let alice = editor(&stage, "alice");
    let user = format!("alice-of-{}", stage.ns());
    for (name, initiated_by, wanted) in [
        ("as-bob", json!({ "user": "bob" }), "spec.initiatedBy.user is bob, but you are"),
        (
            "as-auto",
            json!({ "trigger": "auto" }),
            "spec.initiatedBy.trigger is auto, which only the controller may say",
        ),
        ("as-hook", json!({ "trigger": "webhook" }), "which only the controller may say"),
        ("as-heal", json!({ "trigger": "self-heal" }), "which only the controller may say"),
        ("as-back", json!({ "trigger": "rollback" }), "which only the controller may say"),
    ] {
        let object = sync(name, json!({ "application": "web", "initiatedBy": initiated_by }));
        let (created, answer) = create(&stage, &alice, &object).await;
        assert!(!created && answer.contains(wanted), "{name}: {answer}");
    }
    for (name, initiated_by) in [("own-name", json!({ "user": user })), ("no-name", json!({}))] {
        let object = sync(name, json!({ "application": "web", "initiatedBy": initiated_by }));
        let (created, answer) = create(&stage, &alice, &object).await;
        assert!(created, "{name}: {answer}");
        let done = stage.succeeded(name).await;
        assert_eq!(done.spec.initiated_by.user.as_deref(), Some(user.as_str()), "{name}");
        assert_eq!(done.status.unwrap().by.as_deref(), Some(user.as_str()), "{name}");
    }
    // Nor does somebody write the record.
    let arguments = [
        "-n",
        stage.ns(),
        "patch",
        "sync",
        "no-name",
        "--subresource=status",
        "--type=merge",
        "-p",
        r#"{"status":{"by":"bob"}}"#,
    ];
    let (done, answer) = stage.access.try_kubectl(&alice, arguments, "");
    assert!(!done && answer.to_lowercase().contains("forbidden"), "{answer}");
}

/// What is refused at once, and the sentence with which.
#[tokio::test]
async fn what_makes_no_sense_is_refused_with_a_sentence() {
    let stage = stage("sentences").await;
    let application = |patch: Value| {
        let spec = stage.spec(patch);
        json!({ "apiVersion": "tiphys.dev/v1alpha1", "kind": "Application", "metadata": { "name": "web" }, "spec": spec })
    };
    let repository = |spec: Value| json!({ "apiVersion": "tiphys.dev/v1alpha1", "kind": "Repository", "metadata": { "name": "r" }, "spec": spec });
    let mut long = application(json!({}));
    long["metadata"]["name"] = json!("a".repeat(53));
    let cases = [
        (
            application(json!({ "source": { "helm": {}, "tera": {} } })),
            "set at most one of helm, tera and directory",
        ),
        (
            application(json!({ "source": { "path": "/etc" } })),
            "path is relative to the repository and cannot leave it",
        ),
        (
            application(json!({ "source": { "path": "a/../../b" } })),
            "path is relative to the repository and cannot leave it",
        ),
        (application(json!({ "destination": { "cluster": "moon" } })), "cluster must be in-cluster"),
        (application(json!({ "sync": { "timeout": "soon" } })), "timeout"),
        (application(json!({ "sync": { "onFailure": "Panic" } })), "onFailure"),
        (application(json!({ "history": { "limit": 0 } })), "history.limit"),
        (application(json!({ "ignoreDifferences": [{ "kind": "Secret" }] })), "name what to ignore"),
        (long, "at most 52 characters"),
        (repository(json!({ "url": "http://git.example.com/a.git" })), "use https://, or set insecure: true"),
        (repository(json!({ "url": "file:///etc" })), "url must start with https:// or ssh://"),
        (repository(json!({ "url": "ext::sh -c id" })), "url must start with https:// or ssh://"),
        (
            repository(json!({ "url": "https://me:secret@git.example.com/a.git" })),
            "do not put a password into the url",
        ),
        (sync("s", json!({ "application": "web", "revision": "a", "rollbackTo": "b" })), "not both"),
        (sync("s", json!({ "application": "web", "hold": "Indefinite" })), "it needs rollbackTo"),
        (sync("s", json!({})), "application"),
    ];
    for (object, wanted) in cases {
        let arguments = ["-n", stage.ns(), "create", "-f", "-"];
        let (created, answer) =
            stage.access.try_kubectl(&stage.access.admin_identity(), arguments, &object.to_string());
        assert!(!created && answer.contains(wanted), "{object}\n{answer}");
    }
}

#[tokio::test]
async fn what_only_the_controller_can_know_is_shown_as_stalled() {
    let stage = stage("stalled").await;
    stage.push_file("config.yaml", &config_map("config", "one")).await;
    for (name, source, wanted) in [
        ("no-repo", json!({ "repo": "nowhere" }), "there is no Repository nowhere"),
        ("no-scheme", json!({ "repo": "file:///etc" }), "file"),
        ("no-branch", json!({ "revision": "gone" }), "gone"),
        ("no-path", json!({ "path": "not/there" }), "not/there"),
    ] {
        stage.create(name, json!({ "source": source })).await;
        stage.stalls(name, wanted).await;
    }
}
