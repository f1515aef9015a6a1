//! Bad input, piece by piece. In each: a clear error where it belongs, and another Application goes on meanwhile.
//!
//! What can be said as a file and a sentence is a row of [`RENDERED_BADLY`] or [`APPLIED_BADLY`]; the rest is a test of
//! its own. Faults of the source are in `bad_sources`, those of the control plane and of the controller in `../faults`.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::DeleteParams;
use serde_json::{Value, json};
use tiphys_api::Phase;
use tiphys_tests::eventually;

use crate::bystander::Bystander;
use crate::support::manifests::{Deployment, config_map};
use crate::support::shared::{controller, stage};
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
