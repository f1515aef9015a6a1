//! Where an Application may deploy, tried in every way to do more.

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;
use tiphys_api::Project;
use tiphys_tests::{Auth, Installation, TestNamespace, eventually, repository_manifests};

use crate::support::LONG;
use crate::support::manifests::config_map;
use crate::support::projects::TestProject;
use crate::support::shared::{git, stage};

fn named(kind: &str, api_version: &str, name: &str, namespace: Option<&str>, rest: &str) -> String {
    let namespace = namespace.map(|it| format!("  namespace: {it}\n")).unwrap_or_default();
    format!("apiVersion: {api_version}\nkind: {kind}\nmetadata:\n  name: {name}\n{namespace}{rest}")
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "most of it is a table")]
async fn a_tenant_cannot_leave_its_namespace() {
    let stage = stage("tenant").await;
    let victim = TestNamespace::create(stage.access, "victim").await;
    let name = format!("escape-of-{}", stage.ns());
    let role = "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}\nsubjects: []\n";
    let own = json!({});
    // What lies in the repository, what the Application says beside it, and the words with which it is refused.
    let cases = [
        (
            "other-namespace",
            named("ConfigMap", "v1", &name, Some(victim.name()), ""),
            own.clone(),
            "deploys there only",
        ),
        (
            "installation",
            named("ConfigMap", "v1", &name, Some(Installation::NAMESPACE), ""),
            own.clone(),
            "deploys there only",
        ),
        ("default", named("ConfigMap", "v1", &name, Some("default"), ""), own.clone(), "deploys there only"),
        (
            "cluster-role",
            named("ClusterRole", "rbac.authorization.k8s.io/v1", &name, None, "rules: []\n"),
            own.clone(),
            "namespaced kinds only",
        ),
        (
            "binding",
            named("ClusterRoleBinding", "rbac.authorization.k8s.io/v1", &name, None, role),
            own.clone(),
            "namespaced kinds only",
        ),
        // The namespace of a cluster-wide object is dropped, and does not make it the tenant's.
        (
            "pretends",
            named("ClusterRole", "rbac.authorization.k8s.io/v1", &name, Some(stage.ns()), "rules: []\n"),
            own.clone(),
            "namespaced kinds only",
        ),
        ("namespace", named("Namespace", "v1", &name, None, ""), own.clone(), "namespaced kinds only"),
        (
            "in-a-list",
            format!(
                "apiVersion: v1\nkind: List\nitems:\n- {{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, namespace: {}}}}}\n",
                victim.name()
            ),
            own.clone(),
            "deploys there only",
        ),
        (
            "sync",
            named("Sync", "tiphys.dev/v1alpha1", &name, None, "spec: {application: web}\n"),
            own.clone(),
            "cannot be deployed",
        ),
        (
            "destination",
            config_map(&name, "1"),
            json!({ "destination": { "namespace": victim.name() } }),
            "deploys there only",
        ),
        (
            "creates",
            config_map(&name, "1"),
            json!({ "destination": { "namespace": format!("{name}-x"), "createNamespace": true } }),
            "deploys there only",
        ),
        (
            "project",
            config_map(&name, "1"),
            json!({ "project": "of-somebody" }),
            "there is no Project of-somebody",
        ),
    ];
    let mut commit = stage.repo.commit("main");
    for (case, manifest, _, _) in &cases {
        commit = commit
            .write(&format!("{case}/manifest.yaml"), manifest)
            .write(&format!("{case}/own.yaml"), config_map(&format!("own-{case}"), "1"));
    }
    commit.finish();
    for (case, _, patch, _) in &cases {
        let mut spec = json!({ "source": { "path": case } });
        crate::support::merge(&mut spec, patch.clone());
        stage.create(case, spec).await;
    }
    for (case, _, _, wanted) in &cases {
        let message = stage.stalls(case, wanted).await;
        assert!(!message.is_empty());
        assert_eq!(stage.value(&format!("own-{case}")).await, None, "{case}: nothing at all is written");
    }
    let (_, found) = stage.access.try_kubectl(
        &stage.access.admin_identity(),
        [
            "get",
            "configmaps,clusterroles,clusterrolebindings,namespaces,syncs",
            "-A",
            "--ignore-not-found",
            "-o",
            "name",
        ],
        "",
    );
    assert!(!found.contains(&name), "{found}");
}

#[tokio::test]
async fn the_repositories_and_credentials_of_others_are_out_of_reach() {
    let stage = stage("borrower").await;
    let owner = TestNamespace::create(stage.access, "lender").await;
    let auth = Auth::Basic { user: "robot".to_owned(), password: "hard to guess".to_owned() };
    let private = git().create_repo(&format!("{}/private", owner.name()), auth);
    private.commit_file("main", "app/config.yaml", config_map("config", "private"));
    owner.apply(&repository_manifests(owner.name(), "private", private.url()));
    let secret = json!({ "stringData": { "username": "robot", "password": "hard to guess" } });
    owner.kubectl(&["patch", "secret", "private-webhook", "-p", &secret.to_string()]);
    owner.kubectl(&[
        "patch",
        "repository",
        "private",
        "--type=merge",
        "-p",
        r#"{"spec":{"secretRef":{"name":"private-webhook"}}}"#,
    ]);
    // By name, by URL, and with a Repository of its own that names the Secret of another namespace.
    stage.create("by-name", json!({ "source": { "repo": "private" } })).await;
    stage.stalls("by-name", "there is no Repository private in namespace").await;
    stage.create("by-url", json!({ "source": { "repo": private.url() } })).await;
    stage.stalls("by-url", "insecure").await;
    let own = json!({ "apiVersion": "tiphys.dev/v1alpha1", "kind": "Repository", "metadata": { "name": "own" },
        "spec": { "url": private.url(), "insecure": true, "secretRef": { "name": "private-webhook" } } });
    stage.namespace.apply(&own.to_string());
    stage.stalls("by-url", "private-webhook").await;
    assert!(git().requests(&private).iter().all(|it| it.authorization.is_none() || it.status == 200));
    assert_eq!(stage.value("config").await, None);
}

#[tokio::test]
async fn a_project_grants_a_tenant_more() {
    let stage = stage("granted").await;
    let other = TestNamespace::create(stage.access, "granted-too").await;
    let role = format!("granted-to-{}", stage.ns());
    let files = [
        named("ConfigMap", "v1", "config", Some(other.name()), ""),
        named("ClusterRole", "rbac.authorization.k8s.io/v1", &role, None, "rules: []\n"),
    ];
    let first = stage.push_file("all.yaml", &files.join("---\n")).await;
    let project = TestProject::create(
        &stage,
        json!({
            "namespaces": [stage.ns()],
            "destinations": [{ "namespace": other.name() }],
            "clusterKinds": [{ "group": "rbac.authorization.k8s.io", "kind": "ClusterRole" }],
        }),
    )
    .await;
    stage.create("web", json!({ "project": project.name })).await;
    stage.synced("web", &first).await;
    other.kubectl(&["get", "configmap", "config"]);
    // Not more than that.
    let binding =
        "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}\nsubjects: []\n";
    stage
        .push_file(
            "more.yaml",
            &named("ClusterRoleBinding", "rbac.authorization.k8s.io/v1", &role, None, binding),
        )
        .await;
    stage.stalls("web", "spec.clusterKinds").await;
    stage.push(&[("more.yaml", Some(&named("ConfigMap", "v1", "config", Some("kube-public"), "")))]).await;
    stage.stalls("web", "kube-public").await;
    stage
        .push(&[("more.yaml", Some(&named("ConfigMap", "v1", "config", Some(Installation::NAMESPACE), "")))])
        .await;
    stage.stalls("web", Installation::NAMESPACE).await;
    // The Project can say which repositories, too; it is looked at again when it changes.
    let projects: Api<Project> = Api::namespaced(stage.client(), Installation::NAMESPACE);
    let patch = Patch::Merge(json!({ "spec": { "sources": ["https://git.example.com/*"] } }));
    projects.patch(&project.name, &PatchParams::default(), &patch).await.unwrap();
    stage.push(&[("more.yaml", None)]).await;
    // What is live and in Git again needs nobody's permission; a Sync does.
    stage.says("web", "is live").await;
    stage.request("web", "refused", json!({})).await;
    stage.failed("refused", "spec.sources").await;
    let patch = Patch::Merge(json!({ "spec": { "sources": ["*"] } }));
    projects.patch(&project.name, &PatchParams::default(), &patch).await.unwrap();
    stage.request("web", "now", json!({})).await;
    stage.succeeded("now").await;
    // A Project of others is not for this namespace.
    let patch = Patch::Merge(json!({ "spec": { "namespaces": [other.name()] } }));
    projects.patch(&project.name, &PatchParams::default(), &patch).await.unwrap();
    stage.request("web", "not-now", json!({})).await;
    stage.failed("not-now", "may not be used from namespace").await;
    stage.access.kubectl(["delete", "clusterrole", &role]);
}

/// Whoever may edit Secrets of a namespace may edit the snapshots in it; that must not be worth anything.
#[tokio::test]
async fn t12_a_snapshot_that_was_tampered_with_gives_no_rights() {
    let stage = stage("tampered").await;
    let first = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &first).await;
    let second = stage.push_file("config.yaml", &config_map("config", "two")).await;
    stage.synced("web", &second).await;
    let of = |sync: &tiphys_api::Sync| sync.status.as_ref().unwrap().snapshot.clone().unwrap();
    let syncs = stage.syncs("web").await;
    let secrets = stage.namespace.api::<Secret>();
    // The snapshot of the second in place of that of the first: well-formed, and not what was recorded.
    let forged = secrets.get(&of(&syncs[1])).await.unwrap();
    let mut victim = secrets.get(&of(&syncs[0])).await.unwrap();
    victim.data = forged.data;
    let name = of(&syncs[0]);
    let is_immutable = victim.immutable == Some(true);
    if is_immutable {
        secrets.delete(&name, &DeleteParams::default()).await.unwrap();
        victim.metadata.resource_version = None;
        victim.metadata.uid = None;
        secrets.create(&PostParams::default(), &victim).await.unwrap();
    } else {
        secrets.replace(&name, &PostParams::default(), &victim).await.unwrap();
    }
    stage.request("web", "back", json!({ "rollbackTo": "web-1" })).await;
    stage.failed("back", "web-1").await;
    assert_eq!(stage.value("config").await.as_deref(), Some("two"));
}

#[tokio::test]
async fn two_applications_do_not_fight_over_an_object() {
    let stage = stage("conflict").await;
    let commit = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("first", json!({})).await;
    stage.synced("first", &commit).await;
    stage.create("second", json!({})).await;
    let message = stage.stalls("second", "nothing was written").await;
    assert!(message.contains("config") && message.contains("/first"), "{message}");
    let live = stage.namespace.api::<ConfigMap>().get("config").await.unwrap();
    assert_eq!(live.metadata.annotations.unwrap()["tiphys.dev/owner"], format!("{}/first", stage.ns()));
    // When the first lets go, the second may have it.
    stage.applications().delete("first", &DeleteParams::default()).await.unwrap();
    eventually("the first is gone", LONG, || async {
        stage.applications().get_opt("first").await.unwrap().map_or(Ok(()), |_| Err("still there"))
    })
    .await;
    stage.request("second", "now", json!({})).await;
    stage.succeeded("now").await;
}

#[tokio::test]
async fn a_rollback_names_a_sync_of_the_same_application() {
    let stage = stage("foreign-sync").await;
    let commit = stage.repo.commit("main").write("second/config.yaml", config_map("other", "one"));
    let commit = commit.write("app/config.yaml", config_map("config", "one")).finish();
    stage.create("first", json!({})).await;
    stage.synced("first", &commit).await;
    stage.create("second", json!({ "source": { "path": "second" } })).await;
    stage.synced("second", &commit).await;
    stage.request("second", "steal", json!({ "rollbackTo": "first-1" })).await;
    stage.failed("steal", "there is no Sync first-1 of this Application").await;
    stage.request("second", "nowhere", json!({ "rollbackTo": "second-77" })).await;
    stage.failed("nowhere", "second-77").await;
}

#[tokio::test]
async fn a_project_limits_the_applications_of_the_installation() {
    let stage = stage("limited").await;
    let other = TestNamespace::create(stage.access, "limited-out").await;
    let manifests = repository_manifests(Installation::NAMESPACE, stage.ns(), stage.repo.url());
    stage.access.kubectl_with_input(["apply", "-f", "-"], &manifests);
    let project = TestProject::create(
        &stage,
        json!({ "destinations": [{ "namespace": stage.ns() }], "clusterKinds": [] }),
    )
    .await;
    let application = format!("{}-web", stage.ns());
    let commit = stage.push_file("config.yaml", &config_map("config", "1")).await;
    stage.create_in(Installation::NAMESPACE, &application, json!({ "project": project.name })).await.unwrap();
    let ready = |condition: &str| {
        let condition = format!("--for=condition={condition}");
        let timeout = "--timeout=60s";
        stage.access.kubectl([
            "wait",
            &condition,
            timeout,
            "-n",
            Installation::NAMESPACE,
            "app",
            &application,
        ]);
    };
    ready("Ready");
    assert_eq!(stage.value("config").await.as_deref(), Some("1"), "{commit}");
    for outside in [
        named("ConfigMap", "v1", "config", Some(other.name()), ""),
        named("ClusterRole", "rbac.authorization.k8s.io/v1", stage.ns(), None, "rules: []\n"),
    ] {
        stage.push_file("outside.yaml", &outside).await;
        ready("Stalled");
        stage.push(&[("outside.yaml", None)]).await;
        ready("Ready");
    }
    let (found, answer) = stage.access.try_kubectl(
        &stage.access.admin_identity(),
        ["get", "configmap", "config", "-n", other.name()],
        "",
    );
    assert!(!found, "{answer}");
    let delete = ["delete", "app", "-n", Installation::NAMESPACE, &application, "--timeout=60s"];
    stage.access.kubectl(delete);
    stage.access.kubectl(["delete", "repository", "-n", Installation::NAMESPACE, stage.ns()]);
}
