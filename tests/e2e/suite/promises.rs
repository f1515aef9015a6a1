//! The promises of the design, each with the test that fails when it is broken.
//!
//! Promises 4 and 5 need a controller of their own and are in `../faults/promises.rs`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use serde_json::{Value, json};
use tiphys_api::{APPLICATION_LABEL, Phase, Repository};
use tiphys_tests::{Access, GitFault, eventually};

use crate::bystander::Bystander;
use crate::support::manifests::{Deployment, config_map, secret};
use crate::support::shared::{controller, git, stage};
use crate::support::stage::Stage;
use crate::support::{LONG, message, phase};

/// Version and managers of every object of a namespace, but for what we and the cluster write about it.
fn everything(access: &Access, ns: &str) -> BTreeMap<String, (String, Value)> {
    let kinds = access.kubectl(["api-resources", "--verbs=list", "--namespaced", "-o", "name"]);
    let skipped = [
        "events",
        "events.events.k8s.io",
        "leases.coordination.k8s.io",
        "syncs.tiphys.dev",
        "pods.metrics.k8s.io",
    ];
    let kinds: Vec<_> = kinds.split_whitespace().filter(|it| !skipped.contains(it)).collect();
    let list = access.kubectl([
        "get",
        &kinds.join(","),
        "-n",
        ns,
        "-o",
        "json",
        "--show-managed-fields",
        "--ignore-not-found",
    ]);
    // Warnings follow.
    let list = serde_json::Deserializer::from_str(&list).into_iter::<Value>().next();
    let list = list.expect("kubectl prints something").expect("kubectl prints JSON");
    let mut objects: Vec<Value> = list["items"].as_array().expect("a list").clone();
    let namespace = access.kubectl(["get", "namespace", ns, "-o", "json", "--show-managed-fields"]);
    objects.push(serde_json::from_str(&namespace).expect("kubectl prints JSON"));
    objects
        .into_iter()
        // The plan itself is kept in such a Secret.
        .filter(|it| it["type"] != "tiphys.dev/snapshot")
        .map(|it| {
            let metadata = &it["metadata"];
            let id = format!("{} {}", it["kind"].as_str().unwrap(), metadata["name"].as_str().unwrap());
            (
                id,
                (metadata["resourceVersion"].as_str().unwrap().to_owned(), metadata["managedFields"].clone()),
            )
        })
        .collect()
}

/// Promise 1.
#[tokio::test]
async fn t23_a_plan_changes_nothing() {
    let stage = stage("plan").await;
    let files = [
        config_map("changes", "1"),
        config_map("goes", "1"),
        config_map("stays", "1"),
        secret("secret", "1"),
    ];
    let files = [files.join("---\n"), Deployment::new("web").yaml()].join("---\n");
    let first = stage.push_file("all.yaml", &files).await;
    stage.create("web", json!({ "sync": { "selfHeal": false } })).await;
    stage.synced("web", &first).await;
    stage.change("web", json!({ "sync": { "auto": false } })).await;
    // One object of each fate; one that drifted; one that kubectl wrote and whose fields would be taken over.
    stage.namespace.apply(&config_map("adopted", "kubectl").replace("  value:", "  old: field\n  value:"));
    stage.namespace.kubectl(&["patch", "configmap", "stays", "-p", r#"{"data":{"value":"drifted"}}"#]);
    let files = [
        config_map("changes", "2"),
        config_map("comes", "2"),
        config_map("stays", "1"),
        secret("secret", "2"),
    ];
    let more =
        [config_map("adopted", "git"), Deployment::new("web").image("registry.example.com/app:2").yaml()];
    let pushed = k8s_openapi::jiff::Timestamp::now().as_second();
    let second = stage.push_file("all.yaml", &[files.join("---\n"), more.join("---\n")].join("---\n")).await;
    stage
        .wait("web", "the new revision and the drift were seen", LONG, |it| {
            let status = it.status.as_ref()?;
            status
                .resources
                .iter()
                .any(|it| it.message.as_ref().is_some_and(|it| it.contains("value")))
                .then_some(())
        })
        .await;
    stage.looked_at("web").await;
    // What the push changed beside the Application: that is written a moment later.
    eventually("the Repository tells of the fetch", LONG, || async {
        let repository =
            stage.namespace.api::<Repository>().get("deploy").await.map_err(|it| it.to_string())?;
        let fetched = repository.status.and_then(|it| it.fetched_at).map(|it| it.0.as_second());
        if fetched.is_some_and(|it| it >= pushed) {
            Ok(())
        } else {
            Err(format!("{fetched:?}, not {pushed}"))
        }
    })
    .await;

    let before = everything(stage.access, stage.ns());
    stage.request("web", "question", json!({ "dryRun": true })).await;
    let answer = stage.succeeded("question").await.status.unwrap();
    assert!(answer.revision.unwrap().ends_with(&second));
    let plan = answer.plan.unwrap();
    assert_eq!((plan.create, plan.adopt, plan.prune), (1, 1, 1), "{plan:?}");
    assert_eq!(plan.change, 4, "the ConfigMap, the drifted one, the Secret, the Deployment: {plan:?}");
    stage.looked_at("web").await;
    let mut after = everything(stage.access, stage.ns());
    let mut before = before;
    // Changed by this test itself, to know that the controller was done.
    let application = "Application web";
    assert!(before.remove(application).is_some() && after.remove(application).is_some());
    assert_eq!(before, after);
}

/// Promise 2.
#[tokio::test]
async fn everything_is_checked_before_anything_is_written() {
    let stage = stage("checked").await;
    let first = stage.push_file("a.yaml", &config_map("first", "1")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &first).await;
    let version =
        || async { stage.namespace.api::<ConfigMap>().get("first").await.unwrap().metadata.resource_version };
    let before = version().await;
    // In the order of applying the bad one is last.
    let bad = Deployment::new("bad").yaml().replace("replicas: 1", "replicas: -1");
    stage
        .push(&[
            ("a.yaml", Some(&config_map("first", "2"))),
            ("b.yaml", Some(&config_map("second", "2"))),
            ("deep/../z.yaml".trim_start_matches("deep/../"), Some(&bad)),
        ])
        .await;
    let message = stage.stalls("web", "nothing was written").await;
    assert!(message.contains("apps/Deployment") && message.contains("bad"), "the object: {message}");
    assert!(message.contains("app/z.yaml:1") || message.contains("z.yaml:1"), "the place: {message}");
    assert!(message.contains("replicas"), "the field: {message}");
    assert_eq!(version().await, before);
    assert_eq!(stage.value("second").await, None);
    let failed = stage.last_sync("web").await;
    assert_eq!(phase(&failed), Phase::Failed);
    assert!(failed.status.unwrap().objects.iter().any(|it| it.name == "bad"));
}

/// Promise 3.
#[tokio::test]
async fn nothing_is_pruned_that_we_did_not_apply() {
    let stage = stage("safe").await;
    let names = ["pruned", "kept", "let-go", "taken"];
    let file = |name: &str| (format!("{name}.yaml"), config_map(name, "1"));
    let mut files: Vec<_> = names.iter().map(|it| file(it)).collect();
    files[1].1 = files[1].1.replace("metadata:", "metadata:\n  annotations: {tiphys.dev/prune: Disabled}");
    files.push(file("stays"));
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), Some(text.as_str()))).collect();
    let first = stage.push(&files).await;
    stage.create("web", json!({ "sync": { "selfHeal": false } })).await;
    stage.synced("web", &first).await;
    // Never ours, without our mark, and with a mark that is not ours.
    stage.namespace.kubectl(&["create", "configmap", "strangers"]);
    stage.namespace.kubectl(&["label", "configmap", "let-go", &format!("{APPLICATION_LABEL}-")]);
    stage.namespace.kubectl(&[
        "label",
        "configmap",
        "taken",
        "--overwrite",
        &format!("{APPLICATION_LABEL}=somebody-else"),
    ]);
    let gone: Vec<_> = names.iter().map(|it| format!("{it}.yaml")).collect();
    let gone: Vec<_> = gone.iter().map(|it| (it.as_str(), None)).collect();
    let second = stage.push(&gone).await;
    stage.synced("web", &second).await;
    let mut left: Vec<_> = stage
        .namespace
        .api::<ConfigMap>()
        .list(&kube::api::ListParams::default())
        .await
        .unwrap()
        .items
        .into_iter()
        .filter_map(|it| it.metadata.name)
        .filter(|it| it != "kube-root-ca.crt")
        .collect();
    left.sort();
    assert_eq!(left, ["kept", "let-go", "stays", "strangers", "taken"]);
}

/// Promise 3, its second half: what a Sync that was refused says it would be confirmed with.
async fn digest_of_refusal(stage: &Stage<'_>, sync: &str, wanted: &str) -> String {
    let sync = stage.failed(sync, wanted).await;
    let message = message(&sync);
    assert!(message.contains("confirm"), "{message}");
    let digest = sync.status.as_ref().unwrap().plan.as_ref().unwrap().digest.clone().unwrap();
    assert!(message.contains(&digest), "{message} does not name {digest}");
    digest
}

#[tokio::test]
async fn t21_an_empty_rendering_is_refused_until_it_is_confirmed() {
    let stage = stage("empty").await;
    let first =
        stage.push(&[("a.yaml", Some(&config_map("a", "1"))), ("b.yaml", Some(&config_map("b", "1")))]).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &first).await;
    let second = stage.push(&[("a.yaml", None), ("b.yaml", None), ("readme.txt", Some("empty"))]).await;
    let digest = digest_of_refusal(&stage, "web-2", "no object at all").await;
    assert_eq!(stage.value("a").await.as_deref(), Some("1"));
    stage.request("web", "guess", json!({ "confirm": "0123456789abcdef" })).await;
    stage.failed("guess", "confirm").await;
    assert_eq!(stage.value("a").await.as_deref(), Some("1"));
    stage.request("web", "sure", json!({ "confirm": digest })).await;
    stage.succeeded("sure").await;
    assert_eq!((stage.value("a").await, stage.value("b").await), (None, None));
    stage.synced("web", &second).await;
}

#[tokio::test]
async fn what_holds_data_is_pruned_only_when_that_is_confirmed() {
    let stage = stage("data").await;
    let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\nspec:\n  accessModes: [ReadWriteOnce]\n  \
                 storageClassName: none\n  resources: {requests: {storage: 1Gi}}\n";
    // Nothing binds the claim on this cluster, so it is never healthy, and nothing waits for it for long.
    stage.push(&[("a.yaml", Some(&config_map("a", "1"))), ("claim.yaml", Some(claim))]).await;
    stage.create("web", json!({ "sync": { "timeout": "2s" } })).await;
    stage.ended("web-1").await;
    stage.push(&[("claim.yaml", None)]).await;
    let digest = digest_of_refusal(&stage, "web-2", "PersistentVolumeClaim").await;
    stage.namespace.kubectl(&["get", "pvc", "data"]);
    stage.request("web", "sure", json!({ "confirm": digest })).await;
    stage.succeeded("sure").await;
    stage.namespace.kubectl(&["wait", "--for=delete", "pvc/data", "--timeout=30s"]);
}

/// Promise 3, for Applications that deploy into several namespaces.
#[tokio::test]
async fn a_namespace_is_pruned_only_when_that_is_confirmed() {
    let stage = stage("ns-guard").await;
    let manifests = tiphys_tests::repository_manifests("tiphys", stage.ns(), stage.repo.url());
    stage.access.kubectl_with_input(["apply", "-f", "-"], &manifests);
    let doomed = format!("{}-doomed", stage.ns());
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {doomed}}}\n");
    stage.push(&[("ns.yaml", Some(&namespace)), ("config.yaml", Some(&config_map("config", "1")))]).await;
    let name = format!("{}-web", stage.ns());
    stage.create_in("tiphys", &name, json!({})).await.unwrap();
    let wait = |condition: &str| {
        let condition = format!("--for=condition={condition}");
        stage.access.kubectl(["wait", &condition, "--timeout=60s", "-n", "tiphys", "app", &name]);
    };
    wait("Ready");
    stage.push(&[("ns.yaml", None)]).await;
    wait("Stalled");
    let message = ["get", "app", "-n", "tiphys", &name, "-o", "jsonpath={.status.conditions[0].message}"];
    let message = stage.access.kubectl(message);
    assert!(message.contains(&doomed) && message.contains("confirm"), "{message}");
    let phase = stage.access.kubectl(["get", "namespace", &doomed, "-o", "jsonpath={.status.phase}"]);
    assert_eq!(phase, "Active");
    stage.access.kubectl(["delete", "app", "-n", "tiphys", &name, "--timeout=60s"]);
    stage.access.kubectl(["delete", "namespace", &doomed, "--wait=false"]);
    stage.access.kubectl(["delete", "-n", "tiphys", "repository", stage.ns()]);
}

/// Promise 6.
#[tokio::test]
async fn waiting_holds_nobody_up() {
    let stage = stage("superseded").await;
    let first = stage.push_file("web.yaml", &Deployment::new("web").pod("never-ready").yaml()).await;
    stage.create("web", json!({ "sync": { "timeout": "10m" } })).await;
    let waiting =
        stage.wait_sync("web-1", "it waits", LONG, |it| (phase(it) == Phase::Waiting).then(|| it.clone()));
    assert!(waiting.await.status.unwrap().revision.unwrap().ends_with(&first));
    let deployment = Deployment::new("web").yaml();
    let second = stage.push_file("web.yaml", &deployment).await;
    let pushed = Instant::now();
    let limit = Duration::from_secs(2);
    stage
        .wait_sync("web-1", "the newer one takes its place", limit, |it| {
            (phase(it) == Phase::Superseded).then_some(())
        })
        .await;
    let applied =
        stage.wait_sync("web-2", "it is applied", limit, |it| it.status.as_ref()?.applied_at.clone());
    applied.await;
    assert!(pushed.elapsed() < limit, "{:?}", pushed.elapsed());
    stage.synced("web", &second).await;
}

/// Promise 7.
#[tokio::test]
async fn back_is_always_possible() {
    let stage = stage("back").await;
    let first = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &first).await;
    let second = stage.push_file("config.yaml", &config_map("config", "two")).await;
    stage.synced("web", &second).await;
    // Git is down and the repository is gone for good; auto-sync stays on.
    git().set_fault(&stage.repo, Some(GitFault::Status(503)));
    std::fs::remove_dir_all(stage.repo.path()).unwrap();
    stage.request("web", "back", json!({ "rollbackTo": "web-1" })).await;
    let back = stage.succeeded("back").await;
    assert!(back.status.unwrap().revision.unwrap().ends_with(&first));
    stage.has_value("config", "one").await;
    stage.looked_at("web").await;
    stage
        .stays("the old version", Duration::from_secs(3), || async {
            match stage.value("config").await.as_deref() {
                Some("one") => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    assert!(stage.get("web").await.status.unwrap().hold.is_some());
    assert_eq!(stage.syncs("web").await.len(), 3);
}

/// Promise 9: many bad things at once, and the process lives in bounded memory while others go on.
#[tokio::test]
async fn bad_input_is_the_senders_problem() {
    let bystander = Bystander::start().await;
    let stage = stage("bad").await;
    let bomb = (1..30).fold("a0: &a0 [x, x]\n".to_owned(), |text, level| {
        let below = format!("*a{}", level - 1);
        format!("{text}a{level}: &a{level} [{below}, {below}, {below}, {below}]\n")
    });
    let endless = "{% for a in range(end=100000) %}{% for b in range(end=100000) %}{% for c in range(end=100000) %}\
                   {% endfor %}{% endfor %}{% endfor %}";
    let chart = "apiVersion: v2\nname: endless\nversion: 1.0.0\n";
    let commit = stage.repo.commit("main");
    let commit = commit
        .write("bomb/a.yaml", bomb)
        .write("endless/Chart.yaml", chart)
        .write("endless/values.yaml", "")
        .write("endless/templates/a.yaml.tera", endless)
        .write("huge/a.yaml", vec![b'#'; 100 << 20])
        .symlink("link/a.yaml", "../../../../../etc/passwd");
    commit.finish();
    for (path, wanted) in [("bomb", "a.yaml"), ("endless", "endless"), ("huge", "a.yaml"), ("link", "a.yaml")]
    {
        stage.create(path, json!({ "source": { "path": path } })).await;
        let _ = wanted;
    }
    bystander.goes_on().await;
    for (path, wanted) in
        [("bomb", "a.yaml"), ("endless", "a.yaml.tera"), ("huge", "a.yaml"), ("link", "a.yaml")]
    {
        let message = stage.stalls(path, wanted).await;
        assert!(!message.contains("root:"), "what a link leads to is never shown: {message}");
    }
    bystander.goes_on().await;
    let controller = controller().await;
    assert!(controller.is_running());
    let resident = controller.resident_bytes();
    assert!(resident < 600 << 20, "{} MiB", resident >> 20);
}

/// Promise 10.
#[tokio::test]
async fn no_object_of_ours_is_larger_than_512_kib() {
    let stage = stage("large").await;
    let mut random = fastrand::Rng::with_seed(10);
    let mut commit = stage.repo.commit("main");
    for number in 0..2_000 {
        // What cannot be compressed, so that the snapshot is large.
        let value: String = std::iter::repeat_with(|| random.alphanumeric()).take(600).collect();
        commit = commit
            .write(&format!("app/{number:04}.yaml"), config_map(&format!("object-{number:04}"), &value));
    }
    let id = commit.finish();
    stage.create("large", json!({ "sync": { "timeout": "10m" } })).await;
    let synced = stage.wait("large", "2,000 objects are live", Duration::from_mins(5), |application| {
        let status = application.status.as_ref()?;
        let live = status.revision.as_ref().is_some_and(|it| it.ends_with(&id));
        (live && crate::support::is_ready(application)).then(|| application.clone())
    });
    let status = synced.await.status.unwrap();
    assert_eq!(status.summary.map(|it| it.objects), Some(2_000));
    assert_eq!(status.resources.len(), 200);
    let sync = stage.last_sync("large").await;
    assert_eq!(phase(&sync), Phase::Succeeded, "{}", message(&sync));
    let mut pages = 0;
    for kind in ["applications", "syncs", "repositories", "secrets"] {
        let list = stage.namespace.kubectl(&["get", kind, "-o", "json", "--show-managed-fields"]);
        let list: Value = serde_json::from_str(&list).unwrap();
        for object in list["items"].as_array().unwrap() {
            let size = object.to_string().len();
            let name = object["metadata"]["name"].as_str().unwrap();
            assert!(size <= 512 << 10, "{kind} {name} has {size} bytes");
            pages += usize::from(object["type"] == "tiphys.dev/snapshot");
        }
    }
    assert!(pages > 1, "the snapshot was too small to need pages");
    // The pages are a whole: what they hold can be gone back to.
    let secrets =
        stage.namespace.api::<Secret>().list(&kube::api::ListParams::default()).await.unwrap().items.len();
    assert!(secrets >= pages);
    stage.request("large", "back", json!({ "rollbackTo": "large-1", "dryRun": true })).await;
    let plan = stage.succeeded("back").await.status.unwrap().plan.unwrap();
    assert_eq!((plan.unchanged, plan.create, plan.prune), (2_000, 0, 0), "{plan:?}");
}
