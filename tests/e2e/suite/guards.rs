//! What has to be confirmed, and how.

use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;
use tiphys_api::{CONFIRM_ANNOTATION, Phase};
use tiphys_tests::{Installation, TestNamespace, eventually};

use crate::support::manifests::{Deployment, config_map};
use crate::support::shared::stage;
use crate::support::stage::Stage;
use crate::support::{LONG, phase, stalled, words};

/// Confirms a plan as somebody does who has nothing but the Application.
async fn annotate(stage: &Stage<'_>, name: &str, digest: &str) {
    let patch = json!({ "metadata": { "annotations": { CONFIRM_ANNOTATION: digest } } });
    let patched = stage.applications().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
    patched.expect("it can be annotated");
}

async fn digest_of_last(stage: &Stage<'_>, name: &str) -> String {
    let status = stage.last_sync(name).await.status.unwrap();
    status.plan.unwrap().digest.unwrap()
}

#[tokio::test]
async fn a_refused_plan_is_confirmed_by_an_annotation_and_only_that_plan() {
    let stage = stage("confirm").await;
    let all = [config_map("a", "1"), config_map("b", "1"), config_map("c", "1")];
    let first = stage.push_file("all.yaml", &all.join("---\n")).await;
    stage.create("web", json!({ "sync": { "guards": { "prunePercent": 0, "pruneFrom": 1 } } })).await;
    stage.synced("web", &first).await;
    let second = stage.push_file("all.yaml", &all[..2].join("---\n")).await;
    let message = stage.stalls("web", CONFIRM_ANNOTATION).await;
    let digest = digest_of_last(&stage, "web").await;
    assert!(message.contains(&digest) && message.contains("more than 0 %"), "{message}");
    annotate(&stage, "web", &"0".repeat(digest.len())).await;
    stage.looked_at("web").await;
    assert_eq!(stage.value("c").await.as_deref(), Some("1"), "another plan was confirmed");
    annotate(&stage, "web", &digest).await;
    stage.synced("web", &second).await;
    assert_eq!(stage.value("c").await, None);
    // The next one is another plan.
    stage.push_file("all.yaml", &all[..1].join("---\n")).await;
    stage.stalls("web", CONFIRM_ANNOTATION).await;
    assert_eq!(stage.value("b").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn an_application_cannot_be_looser_than_its_project_and_a_new_destination_asks() {
    let stage = stage("limits").await;
    let other = TestNamespace::create(stage.access, "limits-other").await;
    let project = json!({ "apiVersion": "tiphys.dev/v1alpha1", "kind": "Project",
        "metadata": { "name": stage.ns(), "namespace": "tiphys" },
        "spec": { "namespaces": [stage.ns()], "guards": { "prunePercent": 0, "pruneFrom": 1 },
            "destinations": [{ "namespace": stage.ns() }, { "namespace": other.name() }] } });
    stage.access.kubectl_with_input(["apply", "-f", "-"], &project.to_string());
    let all = [config_map("a", "1"), config_map("b", "1")];
    let first = stage.push_file("all.yaml", &all.join("---\n")).await;
    let guards = json!({ "prunePercent": 100, "pruneFrom": 1000 });
    stage.create("web", json!({ "project": stage.ns(), "sync": { "guards": guards } })).await;
    stage.synced("web", &first).await;
    let second = stage.push_file("all.yaml", &all[0]).await;
    stage.stalls("web", "more than 0 %").await;
    let digest = digest_of_last(&stage, "web").await;
    stage.request("web", "confirmed", json!({ "confirm": digest })).await;
    stage.succeeded("confirmed").await;
    stage.synced("web", &second).await;

    stage.change("web", json!({ "destination": { "namespace": other.name() } })).await;
    let message = stage.stalls("web", "the destination changed").await;
    assert!(message.contains(other.name()) && message.contains(stage.ns()), "{message}");
    assert_eq!(stage.value("a").await.as_deref(), Some("1"));
    let digest = digest_of_last(&stage, "web").await;
    annotate(&stage, "web", &digest).await;
    stage.synced("web", &second).await;
    assert_eq!(stage.value("a").await, None, "it is at the new destination");
    other.kubectl(&["get", "configmap", "a"]);
    stage.access.kubectl(["delete", "project", stage.ns(), "-n", "tiphys"]);
}

#[tokio::test]
async fn t06_annotations_say_what_is_kept_and_what_asks_when_an_application_goes() {
    let stage = stage("wishes").await;
    let annotated = |name: &str, key: &str, value: &str| {
        config_map(name, "1")
            .replace("metadata:\n", &format!("metadata:\n  annotations:\n    {key}: {value}\n"))
    };
    let files = [
        annotated("kept", "tiphys.dev/delete", "Disabled"),
        annotated("argo", "argocd.argoproj.io/sync-options", "Delete=false"),
        annotated("asks", "argocd.argoproj.io/sync-options", "Delete=confirm"),
        config_map("goes", "1"),
    ];
    let first = stage.push_file("all.yaml", &files.join("---\n")).await;
    stage.create("web", json!({ "deletion": "Prune" })).await;
    stage.synced("web", &first).await;
    stage.applications().delete("web", &DeleteParams::default()).await.expect("it can be deleted");
    let message = stage.says("web", CONFIRM_ANNOTATION).await;
    assert!(message.contains("asks"), "{message}");
    assert_eq!(stage.value("goes").await.as_deref(), Some("1"), "nothing is deleted before that");
    let (_, rest) = message.split_once(&format!("{CONFIRM_ANNOTATION}: ")).expect("a digest");
    let digest: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
    annotate(&stage, "web", &digest).await;
    eventually("the Application is gone", LONG, || async {
        match stage.applications().get_opt("web").await.expect("it can be read") {
            Some(it) => Err(words(&it)),
            None => Ok(()),
        }
    })
    .await;
    for (name, expected) in [("kept", Some("1")), ("argo", Some("1")), ("asks", None), ("goes", None)] {
        assert_eq!(stage.value(name).await.as_deref(), expected, "{name}");
    }
    let kept = stage.namespace.kubectl(&["get", "configmap", "kept", "-o", "yaml"]);
    assert!(!kept.contains("tiphys.dev/application"), "anybody may adopt it: {kept}");
}

/// A Sync that began harmless is about to take something with it that came only while it waited.
#[tokio::test]
async fn what_has_to_be_confirmed_only_when_a_later_stage_begins_stops_it() {
    let stage = stage("late-guard").await;
    let (home, group) = (Installation::NAMESPACE, format!("{}.example.com", stage.ns()));
    let placed = |manifest: &str| {
        manifest.replacen("metadata:\n", &format!("metadata:\n  namespace: {}\n", stage.ns()), 1)
    };
    let definition = format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: gizmos.{group}\nspec:\n  \
         group: {group}\n  scope: Namespaced\n  names: {{kind: Gizmo, plural: gizmos}}\n  versions:\n  - {{name: v1, served: \
         true, storage: true, schema: {{openAPIV3Schema: {{type: object}}}}}}\n"
    );
    let gizmo = format!(
        "apiVersion: {group}/v1\nkind: Gizmo\nmetadata:\n  name: precious\n  namespace: {}\n",
        stage.ns()
    );
    let slow = placed(&Deployment::new("web").slow("5s").yaml());
    let last = placed(&config_map("last", "1")).replacen(
        "metadata:\n",
        "metadata:\n  annotations:\n    tiphys.dev/sync-wave: \"1\"\n",
        1,
    );
    let repository = tiphys_tests::repository_manifests(home, stage.ns(), stage.repo.url());
    stage.access.kubectl_with_input(["apply", "-f", "-"], &repository);
    let first = placed(&config_map("first", "1"));
    stage.push_file("all.yaml", &[definition, first.clone()].join("---\n")).await;
    let name = format!("late-{}", stage.ns());
    stage.create_in(home, &name, json!({})).await.unwrap();
    stage.access.kubectl(["wait", "--for=condition=Ready", "--timeout=60s", "-n", home, "app", &name]);

    stage.push_file("all.yaml", &[first, slow, last].join("---\n")).await;
    let syncs: kube::Api<tiphys_api::Sync> = kube::Api::namespaced(stage.client(), home);
    eventually("it waits for the first wave", LONG, || async {
        let sync = syncs.get(&format!("{name}-2")).await.map_err(|it| it.to_string())?;
        if phase(&sync) == Phase::Waiting { Ok(()) } else { Err(format!("{:?}", sync.status)) }
    })
    .await;
    stage.access.kubectl_with_input(["apply", "-f", "-"], &gizmo);
    let applications: kube::Api<tiphys_api::Application> = kube::Api::namespaced(stage.client(), home);
    let message = eventually("it stops", LONG, || async {
        let application = applications.get(&name).await.map_err(|it| it.to_string())?;
        stalled(&application).map(str::to_owned).ok_or_else(|| words(&application))
    })
    .await;
    assert!(message.contains("sync again") && message.contains("gizmos"), "{message}");
    stage.access.kubectl(["get", "-n", stage.ns(), &format!("gizmos.{group}"), "precious"]);
    assert_eq!(stage.value("last").await, None, "nothing of its stage was applied");
    stage.access.kubectl(["delete", "app", "-n", home, &name, "--timeout=60s"]);
    stage.access.kubectl(["delete", "crd", &format!("gizmos.{group}"), "--wait=false"]);
    stage.access.kubectl(["delete", "repository", "-n", home, stage.ns()]);
}
