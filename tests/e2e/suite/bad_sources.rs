//! Faults of the source, one by one. In each: a clear error where it belongs, and another Application goes on meanwhile.

use std::time::Duration;

use serde_json::json;
use tiphys_api::{ConditionStatus, Repository};
use tiphys_tests::{Auth, Cluster, GitFault, SshKey, SshKeyKind, SshServer, eventually};

use crate::bystander::Bystander;
use crate::support::LONG;
use crate::support::controller::Endpoints;
use crate::support::manifests::config_map;
use crate::support::shared::{controller, git, stage};
use crate::support::stage::Stage;

#[tokio::test]
async fn credentials_that_are_wrong_and_servers_that_are_gone_are_told_apart() {
    let bystander = Bystander::start().await;
    let endpoints = Endpoints::of(controller().await);
    let auth = Auth::Basic { user: "robot".to_owned(), password: "right".to_owned() };
    let reference = json!({ "secretRef": { "name": "credentials" }, "interval": "1s" });
    let stage = Stage::set_with(Cluster::shared(), endpoints, git(), "credentials", auth, reference).await;
    stage.create("no-secret", json!({})).await;
    stage.stalls("no-secret", "credentials").await;
    stage.secret("credentials", &[("username", "robot"), ("password", "wrong")]).await;
    stage.namespace.kubectl(&["annotate", "repository", "deploy", "touched=1"]);
    let message = stage.stalls("no-secret", "refused the credentials").await;
    assert!(!message.contains("wrong") && message.contains("secretRef"), "{message}");
    let commit = stage.push_file("config.yaml", &config_map("config", "one")).await;
    // The right ones are found without anybody touching the Repository.
    stage.secret("credentials", &[("username", "robot"), ("password", "right")]).await;
    stage.synced("no-secret", &commit).await;
    stage.access.kubectl([
        "wait",
        "--for=condition=Ready",
        "--timeout=60s",
        "-n",
        stage.ns(),
        "repository/deploy",
    ]);
    bystander.goes_on().await;
}

#[tokio::test]
async fn a_git_server_that_hangs_trickles_or_breaks_holds_nobody_up() {
    let bystander = Bystander::start().await;
    let stage = stage("slow-git").await;
    stage.namespace.kubectl(&[
        "patch",
        "repository",
        "deploy",
        "--type=merge",
        "-p",
        r#"{"spec":{"interval":"1s","timeout":"4s"}}"#,
    ]);
    let mut commit = stage.push_file("config.yaml", &config_map("config", "0")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    let faults = [
        ("hangs", GitFault::Hang),
        ("trickles", GitFault::Trickle(Duration::from_secs(1))),
        ("is broken", GitFault::Status(500)),
        ("cuts", GitFault::CutAfter(40)),
        ("never ends", GitFault::Endless),
        ("leads elsewhere", GitFault::Redirect("http://127.0.0.1:1/elsewhere.git".to_owned())),
    ];
    for (number, (name, fault)) in faults.into_iter().enumerate() {
        git().set_fault(&stage.repo, Some(fault));
        let value = (number + 1).to_string();
        commit = stage.push_file("config.yaml", &config_map("config", &value)).await;
        let what = format!("it says that the server {name}");
        // The Application is as it was; it is the Repository that says what is wrong.
        let repositories = stage.namespace.api::<Repository>();
        let message = eventually(&what, LONG, || async {
            let repository = repositories.get("deploy").await.map_err(|error| error.to_string())?;
            let conditions = repository.status.unwrap_or_default().conditions;
            let ready = crate::support::condition(&conditions, "Ready").cloned().ok_or("no condition yet")?;
            if ready.status == ConditionStatus::False { Ok(ready.message) } else { Err(ready.message) }
        })
        .await;
        assert!(message.contains("127.0.0.1"), "the server that {name} is named: {message}");
        bystander.goes_on().await;
        git().set_fault(&stage.repo, None);
        stage.tell(&commit).await;
        stage.synced("web", &commit).await;
    }
}

#[tokio::test]
async fn a_git_server_that_nobody_reaches_is_said() {
    let stage = stage("unreachable").await;
    stage.namespace.kubectl(&[
        "patch",
        "repository",
        "deploy",
        "--type=merge",
        "-p",
        r#"{"spec":{"url":"http://127.0.0.1:1/a/b.git"}}"#,
    ]);
    stage.create("web", json!({ "source": { "repo": "deploy" } })).await;
    stage.says("web", "127.0.0.1:1").await;
}

#[tokio::test]
async fn an_ssh_host_that_is_not_known_is_not_trusted() {
    let key = SshKey::generate(SshKeyKind::Ed25519, None);
    let server = SshServer::start(&[&key]);
    let repo = server.create_repo("acme/deploy");
    let commit = repo.commit_file("main", "app/config.yaml", config_map("config", "one"));
    let stage = stage("ssh").await;
    let repository = json!({ "apiVersion": "tiphys.dev/v1alpha1", "kind": "Repository", "metadata": { "name": "ssh" },
        "spec": { "url": repo.url(), "secretRef": { "name": "key" }, "interval": "1s" } });
    let write = async |known_hosts: Option<&str>| {
        let mut values = vec![("sshPrivateKey", key.private())];
        values.extend(known_hosts.map(|it| ("knownHosts", it)));
        stage.namespace.kubectl(&["delete", "secret", "key", "--ignore-not-found"]);
        stage.secret("key", &values).await;
        stage.namespace.kubectl(&[
            "annotate",
            "repository",
            "ssh",
            "--overwrite",
            &format!("touched={}", known_hosts.map_or(0, str::len)),
        ]);
    };
    stage.namespace.apply(&repository.to_string());
    write(None).await;
    stage.create("web", json!({ "source": { "repo": "ssh" } })).await;
    stage.stalls("web", "knownHosts").await;
    write(Some(&server.wrong_known_hosts())).await;
    stage.says("web", "HOST KEY").await;
    assert_eq!(stage.value("config").await, None);
    write(Some(&server.known_hosts())).await;
    stage.synced("web", &commit).await;
}

#[tokio::test]
async fn revisions_and_paths_that_are_not_there_are_found_when_they_come() {
    let stage = stage("not-there").await;
    stage.push_file("config.yaml", &config_map("config", "one")).await;
    for (name, revision, path) in [
        ("branch", "release", "app"),
        ("commit", "0123456789012345678901234567890123456789", "app"),
        ("range", ">=2.0.0", "app"),
        ("path", "main", "later"),
    ] {
        stage.create(name, json!({ "source": { "revision": revision, "path": path } })).await;
        let wanted = if name == "path" { path } else { revision };
        stage.stalls(name, wanted).await;
    }
    let commit = stage.repo.commit_file("main", "later/config.yaml", config_map("later", "one"));
    stage.repo.set_branch("release", &commit);
    stage.repo.tag("v2.1.0", &commit);
    stage.repo.delete_branch("nothing-of-this-name");
    stage.tell(&commit).await;
    stage.synced("path", &commit).await;
    // These read the same objects, so that one of them has them; what matters is that they are not stalled any more.
    let found = stage
        .repo
        .commit("release")
        .delete("app/config.yaml")
        .write("app/b.yaml", config_map("b", "one"))
        .finish();
    stage.tell(&found).await;
    stage.synced("branch", &found).await;
}

#[tokio::test]
async fn a_branch_that_is_deleted_or_rewritten_is_noticed() {
    let stage = stage("rewritten").await;
    let first = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &first).await;
    let forced = stage
        .repo
        .commit("main")
        .orphan()
        .write("app/config.yaml", config_map("config", "rewritten"))
        .finish();
    stage.tell(&forced).await;
    stage.synced("web", &forced).await;
    // Without another branch the repository would be an empty one.
    stage.repo.set_branch("other", "main");
    stage.repo.delete_branch("main");
    stage.tell(&"0".repeat(40)).await;
    stage.says("web", "main").await;
    stage.stalls("web", "main").await;
    assert_eq!(
        stage.value("config").await.as_deref(),
        Some("rewritten"),
        "nothing is pruned because a branch is gone"
    );
    let again = stage.push_file("config.yaml", &config_map("config", "again")).await;
    stage.synced("web", &again).await;
}
