//! Bad input and faults of the source, one by one. In each: a clear error where it belongs, and another Application
//! goes on meanwhile.
//!
//! What can be said as a file and a sentence is a row of [`RENDERED_BADLY`] or [`APPLIED_BADLY`]; the rest is a test of
//! its own. Faults of the control plane and of the controller are in `../faults`.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::DeleteParams;
use serde_json::{Value, json};
use tiphys_api::{ConditionStatus, Phase, Repository};
use tiphys_tests::{Auth, Cluster, GitFault, SshKey, SshKeyKind, SshServer, eventually};

use crate::bystander::Bystander;
use crate::support::controller::Endpoints;
use crate::support::manifests::{Deployment, config_map};
use crate::support::shared::{controller, git, stage};
use crate::support::stage::Stage;
use crate::support::{LONG, message, phase};

/// Files that cannot be rendered: name, files below the path, the spec of the source, words of the message.
struct Case {
    name: &'static str,
    files: &'static [(&'static str, &'static str)],
    source: &'static str,
    wanted: &'static [&'static str],
}

const CHART: &str = "apiVersion: v2\nname: chart\nversion: 1.0.0\n";

const RENDERED_BADLY: &[Case] = &[
    Case {
        name: "malformed-yaml",
        files: &[("a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a\ndata: {}\n")],
        source: "{}",
        wanted: &["a.yaml:"],
    },
    Case {
        name: "no-kind",
        files: &[("a.yaml", "apiVersion: v1\nmetadata:\n  name: a\n")],
        source: "{}",
        wanted: &["a.yaml:1", "kind"],
    },
    Case {
        name: "no-name",
        files: &[("a.yaml", "---\n# nothing\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {}\n")],
        source: "{}",
        wanted: &["a.yaml:4", "name"],
    },
    Case {
        name: "same-object-twice",
        files: &[
            ("a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: twice}\n"),
            ("b.yaml", "\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: twice}\n"),
        ],
        source: "{}",
        wanted: &["twice", "a.yaml:1", "b.yaml:2"],
    },
    Case {
        name: "template-error",
        files: &[
            ("Chart.yaml", CHART),
            ("values.yaml", ""),
            ("templates/a.yaml.tera", "a: 1\nb: {{ values.missing.deep }}\n"),
        ],
        source: "{}",
        wanted: &["templates/a.yaml.tera", "2"],
    },
    Case {
        name: "template-syntax",
        files: &[("Chart.yaml", CHART), ("values.yaml", ""), ("templates/a.yaml.tera", "a: 1\n{% if %}\n")],
        source: "{}",
        wanted: &["templates/a.yaml.tera", "2"],
    },
    Case {
        name: "endless-template",
        files: &[
            ("Chart.yaml", CHART),
            ("values.yaml", ""),
            (
                "templates/a.yaml.tera",
                "{% for a in range(end=100000) %}{% for b in range(end=100000) %}{% endfor %}{% endfor %}",
            ),
        ],
        source: "{}",
        wanted: &["a.yaml.tera"],
    },
    Case {
        name: "endless-output",
        files: &[
            ("Chart.yaml", CHART),
            ("values.yaml", ""),
            (
                "templates/a.yaml.tera",
                "{% for a in range(end=100000) %}{% for b in range(end=100000) %}x: 0123456789012345678901234567890123456789\n{% endfor %}{% endfor %}",
            ),
        ],
        source: "{}",
        wanted: &["a.yaml.tera"],
    },
    Case {
        name: "schema",
        files: &[
            ("Chart.yaml", CHART),
            ("values.yaml", "replicas: many\n"),
            ("values.schema.json", r#"{"type":"object","properties":{"replicas":{"type":"integer"}}}"#),
            ("templates/a.yaml.tera", "a: 1\n"),
        ],
        source: "{}",
        wanted: &["replicas", "integer"],
    },
    Case {
        name: "no-value-file",
        files: &[("Chart.yaml", CHART), ("values.yaml", ""), ("templates/a.yaml.tera", "")],
        source: r#"{"tera":{"valueFiles":["values-moon.yaml"]}}"#,
        wanted: &["values-moon.yaml"],
    },
    Case {
        name: "value-file-outside",
        files: &[("Chart.yaml", CHART), ("values.yaml", ""), ("templates/a.yaml.tera", "")],
        source: r#"{"tera":{"valueFiles":["../../../../etc/passwd"]}}"#,
        wanted: &["etc/passwd"],
    },
    Case {
        name: "lfs",
        files: &[(
            "a.yaml",
            "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n",
        )],
        source: "{}",
        wanted: &["a.yaml", "LFS"],
    },
    Case {
        name: "not-utf-8-chart",
        files: &[("Chart.yaml", "name: [\n"), ("values.yaml", ""), ("templates/a.yaml.tera", "")],
        source: "{}",
        wanted: &["Chart.yaml"],
    },
];

#[tokio::test]
async fn what_cannot_be_rendered_is_said_with_file_and_line() {
    let bystander = Bystander::start().await;
    let stage = stage("rendered-badly").await;
    let mut commit = stage.repo.commit("main");
    for case in RENDERED_BADLY {
        for (path, text) in case.files {
            commit = commit.write(&format!("{}/{path}", case.name), text);
        }
    }
    commit.finish();
    for case in RENDERED_BADLY {
        let mut source: Value = serde_json::from_str(case.source).unwrap();
        source["path"] = json!(case.name);
        stage.create(case.name, json!({ "source": source })).await;
    }
    bystander.goes_on().await;
    let mut wrong = Vec::new();
    for case in RENDERED_BADLY {
        let message = stage.stalls(case.name, "").await;
        if !case.wanted.iter().all(|it| message.contains(it)) {
            wrong.push(format!("{} wants {:?}: {message}", case.name, case.wanted));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    bystander.goes_on().await;
}

#[tokio::test]
async fn a_bomb_of_aliases_is_refused() {
    let stage = stage("bomb").await;
    let bomb = (1..40).fold("a0: &a0 [x, x]\n".to_owned(), |text, level| {
        format!("{text}a{level}: &a{level} [*a{0}, *a{0}, *a{0}, *a{0}]\n", level - 1)
    });
    stage.push_file("bomb.yaml", &bomb).await;
    stage.create("web", json!({})).await;
    stage.stalls("web", "bomb.yaml").await;
}

#[tokio::test]
async fn a_manifest_of_100_mib_is_refused() {
    let bystander = Bystander::start().await;
    let stage = stage("huge").await;
    let commit = stage.repo.commit("main").write("app/huge.yaml", vec![b'#'; 100 << 20]).finish();
    stage.tell(&commit).await;
    stage.create("web", json!({})).await;
    bystander.goes_on().await;
    let message = stage.stalls("web", "huge.yaml").await;
    assert!(message.contains("MiB") || message.contains("bytes"), "{message}");
    let resident = controller().await.resident_bytes();
    assert!(resident < 600 << 20, "{} MiB", resident >> 20);
}

/// Objects that the cluster does not take: name, manifest, words of the message. All of them lie beside a good object,
/// which must not be written.
fn applied_badly(ns: &str) -> Vec<(&'static str, String, Vec<&'static str>)> {
    let object = |api: &str, kind: &str, rest: &str| {
        format!("apiVersion: {api}\nkind: {kind}\nmetadata:\n  name: bad\n{rest}")
    };
    vec![
        (
            "unknown-kind",
            object("example.com/v1", "Gizmo", ""),
            vec!["example.com/Gizmo", "bad.yaml:1", "CustomResourceDefinition"],
        ),
        ("unknown-version", object("apps/v9", "Deployment", ""), vec!["Deployment", "apps/v9"]),
        (
            "unknown-field",
            Deployment::new("bad").yaml().replace("replicas", "replicaz"),
            vec!["replicaz", "bad.yaml:1"],
        ),
        ("wrong-type", object("v1", "ConfigMap", "data:\n  a: 1\n"), vec!["ConfigMap", "bad", "data"]),
        ("bad-name", object("v1", "ConfigMap", "").replace("bad", "Not_A_Name"), vec!["Not_A_Name"]),
        (
            "invalid",
            Deployment::new("worse").yaml().replacen("app: worse", "app: other", 1),
            vec!["selector", "bad.yaml:1"],
        ),
        ("missing-namespace", object("v1", "ConfigMap", &format!("  namespace: {ns}-gone\n")), vec!["gone"]),
    ]
}

#[tokio::test]
async fn what_the_cluster_does_not_take_is_said_before_anything_is_written() {
    let bystander = Bystander::start().await;
    let stage = stage("applied-badly").await;
    let cases = applied_badly(stage.ns());
    let mut commit = stage.repo.commit("main");
    for (name, manifest, _) in &cases {
        commit = commit.write(&format!("{name}/bad.yaml"), manifest);
        commit = commit.write(&format!("{name}/good.yaml"), config_map(&format!("good-{name}"), "1"));
    }
    commit.finish();
    for (name, _, _) in &cases {
        stage.create(name, json!({ "source": { "path": name } })).await;
    }
    let mut wrong = Vec::new();
    for (name, _, wanted) in &cases {
        let message = stage.stalls(name, "nothing was written").await;
        if !wanted.iter().all(|it| message.contains(it)) {
            wrong.push(format!("{name} wants {wanted:?}: {message}"));
        }
        if stage.value(&format!("good-{name}")).await.is_some() {
            wrong.push(format!("{name}: something was written"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    bystander.goes_on().await;
}

#[tokio::test]
async fn a_key_that_comes_twice_is_warned_of_in_the_record() {
    let stage = stage("twice").await;
    let twice = config_map("config", "lost") + "  value: kept\n";
    let commit = stage.push_file("config.yaml", &twice).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    assert_eq!(
        stage.value("config").await.as_deref(),
        Some("kept"),
        "the last wins, as in Kubernetes and Helm"
    );
    let status = stage.succeeded("web-1").await.status.unwrap();
    let named = |it: &String| it.contains("config.yaml:") && it.contains("value") && !it.contains("lost");
    assert!(status.warnings.iter().any(named), "{:?}", status.warnings);
}

#[tokio::test]
async fn a_field_that_cannot_be_changed_is_named_and_recreated_on_request() {
    let stage = stage("field").await;
    let first = stage.push_file("web.yaml", &Deployment::new("web").yaml()).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &first).await;
    let uid = || stage.namespace.kubectl(&["get", "deployment", "web", "-o", "jsonpath={.metadata.uid}"]);
    let before = uid();
    let other = Deployment::new("web").yaml().replace("app: web", "app: other");
    let second = stage.push_file("web.yaml", &other).await;
    let message = stage.stalls("web", "immutable").await;
    assert!(message.contains("selector") && message.contains("recreate"), "{message}");
    assert_eq!(uid(), before);
    stage.request("web", "anew", json!({ "recreate": true })).await;
    stage.succeeded("anew").await;
    stage.synced("web", &second).await;
    assert_ne!(uid(), before);
}

#[tokio::test]
async fn an_admission_refusal_is_passed_on_in_its_own_words() {
    let stage = stage("admission").await;
    let name = format!("no-blue-in-{}", stage.ns());
    let policy = json!([
        { "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": { "name": name },
          "spec": { "failurePolicy": "Fail",
            "matchConstraints": { "resourceRules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"] }] },
            "validations": [{ "expression": "!has(object.data) || !('value' in object.data) || object.data['value'] != 'blue'", "message": "blue is not our colour" }] } },
        { "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": { "name": name },
          "spec": { "policyName": name, "validationActions": ["Deny"],
            "matchResources": { "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": stage.ns() } } } } },
    ]);
    stage.access.kubectl_with_input(
        ["apply", "-f", "-"],
        &json!({ "apiVersion": "v1", "kind": "List", "items": policy }).to_string(),
    );
    eventually("the policy is in effect", LONG, || async {
        let arguments = [
            "-n",
            stage.ns(),
            "create",
            "configmap",
            "probe",
            "--from-literal=value=blue",
            "--dry-run=server",
        ];
        let (created, answer) = stage.access.try_kubectl(&stage.access.admin_identity(), arguments, "");
        if created { Err(answer) } else { Ok(()) }
    })
    .await;
    stage
        .push_file("config.yaml", &[config_map("first", "red"), config_map("config", "blue")].join("---\n"))
        .await;
    stage.create("web", json!({})).await;
    stage.stalls("web", "blue is not our colour").await;
    assert_eq!(stage.value("first").await, None);
    let mended = stage.push_file("config.yaml", &config_map("config", "red")).await;
    stage.synced("web", &mended).await;
    stage.access.kubectl(["delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", &name]);
}

#[tokio::test]
async fn a_quota_that_is_used_up_is_said() {
    let stage = stage("quota").await;
    stage.namespace.kubectl(&["create", "quota", "few", "--hard=configmaps=3"]);
    eventually("the quota is counted", LONG, || async {
        let used =
            stage.namespace.kubectl(&["get", "quota", "few", "-o", "jsonpath={.status.used.configmaps}"]);
        if used.is_empty() { Err("not yet") } else { Ok(()) }
    })
    .await;
    let files: Vec<_> = (0..5).map(|it| config_map(&format!("config-{it}"), "1")).collect();
    stage.push_file("all.yaml", &files.join("---\n")).await;
    stage.create("web", json!({ "sync": { "timeout": "15s" } })).await;
    let message = stage.stalls("web", "quota").await;
    assert!(message.contains("few"), "{message}");
    // Each object alone passed its dry-run, so some may have been written; all of that is in the record.
    let sync = stage.last_sync("web").await;
    assert_eq!(phase(&sync), Phase::Failed);
    stage.namespace.kubectl(&["delete", "quota", "few"]);
    stage.request("web", "again", json!({})).await;
    stage.succeeded("again").await;
}

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

#[tokio::test]
async fn a_sync_that_is_deleted_while_it_waits_leaves_no_trace_of_trouble() {
    let stage = stage("sync-deleted").await;
    stage.push_file("web.yaml", &Deployment::new("web").pod("never-ready").yaml()).await;
    stage.create("web", json!({})).await;
    stage.wait_sync("web-1", "it waits", LONG, |it| (phase(it) == Phase::Waiting).then_some(())).await;
    stage.all_syncs().delete("web-1", &DeleteParams::default()).await.unwrap();
    let good = stage.push_file("web.yaml", &Deployment::new("web").yaml()).await;
    stage.synced("web", &good).await;
    let last = stage.last_sync("web").await;
    assert_eq!(phase(&last), Phase::Succeeded, "{}", message(&last));
}

#[tokio::test]
async fn a_definition_that_is_deleted_under_its_objects_is_said_and_comes_back() {
    let stage = stage("definition").await;
    let group = format!("{}.example.com", stage.ns());
    let definition = format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: gizmos.{group}}}\nspec:\n  \
         group: {group}\n  scope: Namespaced\n  names: {{kind: Gizmo, plural: gizmos}}\n  versions:\n  - {{name: v1, served: true, \
         storage: true, schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}}}\n"
    );
    stage.access.kubectl_with_input(["apply", "-f", "-"], &definition);
    stage.access.kubectl([
        "wait",
        "--for=condition=Established",
        "--timeout=30s",
        &format!("crd/gizmos.{group}"),
    ]);
    // Established is a promise; the API server tells of the kind a moment later.
    eventually("the kind is served", LONG, || async {
        let group = format!("--api-group={group}");
        let kinds = stage.access.kubectl(["api-resources", "--no-headers", "-o", "name", &group]);
        if kinds.contains("gizmos") { Ok(()) } else { Err(kinds) }
    })
    .await;
    let gizmo =
        format!("apiVersion: {group}/v1\nkind: Gizmo\nmetadata: {{name: gizmo}}\nspec: {{size: 1}}\n");
    let commit =
        stage.push(&[("gizmo.yaml", Some(&gizmo)), ("config.yaml", Some(&config_map("config", "1")))]).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    stage.access.kubectl(["delete", "crd", &format!("gizmos.{group}"), "--timeout=60s"]);
    stage
        .wait("web", "it says what is missing", LONG, |it| {
            let ready = crate::support::condition(&it.status.as_ref()?.conditions, "Ready")?;
            ready.message.contains("Gizmo").then_some(())
        })
        .await;
    // The rest of the Application lives: a drift of the ConfigMap is still put right, or a Sync says what is in the way.
    stage.access.kubectl_with_input(["apply", "-f", "-"], &definition);
    stage.access.kubectl([
        "wait",
        "--for=condition=Established",
        "--timeout=30s",
        &format!("crd/gizmos.{group}"),
    ]);
    eventually("the object is back", LONG, || async {
        let arguments = ["-n", stage.ns(), "get", &format!("gizmos.{group}"), "gizmo"].map(ToOwned::to_owned);
        let (found, answer) = stage.access.try_kubectl(&stage.access.admin_identity(), arguments, "");
        if found { Ok(()) } else { Err(answer) }
    })
    .await;
    stage.synced("web", &commit).await;
    stage.access.kubectl(["delete", "crd", &format!("gizmos.{group}"), "--wait=false"]);
}

#[tokio::test]
async fn an_object_whose_definition_comes_later_is_applied_then() {
    let stage = stage("later").await;
    let group = format!("{}.example.com", stage.ns());
    let gizmo =
        format!("apiVersion: {group}/v1\nkind: Gizmo\nmetadata: {{name: gizmo}}\nspec: {{size: 1}}\n");
    let commit = stage.push_file("gizmo.yaml", &gizmo).await;
    stage.create("web", json!({})).await;
    stage.stalls("web", "CustomResourceDefinition").await;
    let definition = format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: gizmos.{group}}}\nspec:\n  \
         group: {group}\n  scope: Namespaced\n  names: {{kind: Gizmo, plural: gizmos}}\n  versions:\n  - {{name: v1, served: true, \
         storage: true, schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}}}\n"
    );
    stage.access.kubectl_with_input(["apply", "-f", "-"], &definition);
    stage.synced("web", &commit).await;
    stage.access.kubectl(["delete", "crd", &format!("gizmos.{group}"), "--wait=false"]);
}

#[tokio::test]
async fn a_definition_and_its_object_come_in_one_commit() {
    let stage = stage("with-crd").await;
    let group = format!("{}.example.com", stage.ns());
    let files = format!(
        "apiVersion: {group}/v1\nkind: Gizmo\nmetadata: {{name: gizmo, namespace: {0}}}\nspec: {{size: 1}}\n---\n\
         apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: gizmos.{group}}}\nspec:\n  \
         group: {group}\n  scope: Namespaced\n  names: {{kind: Gizmo, plural: gizmos}}\n  versions:\n  - {{name: v1, served: true, \
         storage: true, schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}}}\n",
        stage.ns()
    );
    stage.push_file("all.yaml", &files).await;
    let manifests = tiphys_tests::repository_manifests("tiphys", stage.ns(), stage.repo.url());
    stage.access.kubectl_with_input(["apply", "-f", "-"], &manifests);
    let name = format!("{}-crd", stage.ns());
    stage.create_in("tiphys", &name, json!({ "deletion": "Orphan" })).await.unwrap();
    stage.access.kubectl(["wait", "--for=condition=Ready", "--timeout=60s", "-n", "tiphys", "app", &name]);
    stage.namespace.kubectl(&["get", &format!("gizmos.{group}"), "gizmo"]);
    // With objects in it the definition is not deleted by a slip.
    stage.push(&[("all.yaml", None), ("config.yaml", Some(&config_map("config", "1")))]).await;
    stage.access.kubectl(["wait", "--for=condition=Stalled", "--timeout=60s", "-n", "tiphys", "app", &name]);
    let said = stage.access.kubectl([
        "get",
        "app",
        "-n",
        "tiphys",
        &name,
        "-o",
        "jsonpath={.status.conditions[0].message}",
    ]);
    assert!(said.contains("CustomResourceDefinition") && said.contains("confirm"), "{said}");
    stage.namespace.kubectl(&["get", &format!("gizmos.{group}"), "gizmo"]);
    stage.access.kubectl(["delete", "app", "-n", "tiphys", &name, "--timeout=60s"]);
    stage.access.kubectl(["delete", "crd", &format!("gizmos.{group}"), "--wait=false"]);
    stage.access.kubectl(["delete", "repository", "-n", "tiphys", stage.ns()]);
}

#[tokio::test]
async fn an_object_that_is_being_deleted_by_others_does_not_confuse() {
    let stage = stage("deleting").await;
    let commit = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
    let config_maps = stage.namespace.api::<ConfigMap>();
    let finalizers = |list: &[&str]| kube::api::Patch::Merge(json!({ "metadata": { "finalizers": list } }));
    config_maps
        .patch("config", &kube::api::PatchParams::default(), &finalizers(&["example.com/wait"]))
        .await
        .unwrap();
    config_maps.delete("config", &DeleteParams::default()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    config_maps.patch("config", &kube::api::PatchParams::default(), &finalizers(&[])).await.unwrap();
    eventually("it is made anew", LONG, || async {
        match config_maps.get_opt("config").await.unwrap() {
            Some(it) if it.metadata.deletion_timestamp.is_none() => Ok(()),
            other => Err(format!("{:?}", other.map(|it| it.metadata.deletion_timestamp))),
        }
    })
    .await;
    stage.synced("web", &commit).await;
}
