//! Hooks, waves and dependencies: in our own words, in Argo CD's, and in Helm's.

use std::fmt::Write as _;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment as LiveDeployment;
use k8s_openapi::api::batch::v1::Job as LiveJob;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::ResourceExt as _;
use kube::api::DeleteParams;
use serde_json::json;
use tiphys_api::{Action, HookPhase, Outcome, Phase, Sync};
use tiphys_tests::{Installation, eventually};

use crate::support::manifests::{Deployment, config_map};
use crate::support::shared::stage;
use crate::support::stage::Stage;
use crate::support::{LONG, message, phase};

/// `config_map` or another manifest with annotations.
fn with(manifest: &str, annotations: &[(&str, &str)]) -> String {
    let mut lines = String::from("metadata:\n  annotations:\n");
    for (key, value) in annotations {
        writeln!(lines, "    {key}: {value:?}").unwrap();
    }
    manifest.replacen("metadata:\n", &lines, 1)
}

/// A Job whose pod completes at once, fails (`fail`) or goes on for ever (`run`).
fn job(name: &str, pod: &str, more: &str) -> String {
    let pod = if pod.is_empty() {
        String::new()
    } else {
        format!("      annotations:\n        tests.tiphys.dev/pod: {pod}\n")
    };
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {name}\nspec:\n  backoffLimit: 0\n{more}  template:\n    \
         metadata:\n      labels:\n        app: {name}\n{pod}    spec:\n      restartPolicy: Never\n      \
         containers:\n        - name: app\n          image: registry.example.com/app:1\n"
    )
}

async fn live_job(stage: &Stage<'_>, name: &str) -> Option<LiveJob> {
    stage.namespace.api::<LiveJob>().get_opt(name).await.unwrap()
}

/// When a ConfigMap that nobody changed was created, as a number that grows.
async fn born(stage: &Stage<'_>, name: &str) -> u64 {
    let object = stage.namespace.api::<ConfigMap>().get(name).await.unwrap();
    object.resource_version().unwrap().parse().unwrap()
}

async fn is_there(stage: &Stage<'_>, name: &str) -> bool {
    stage.namespace.api::<ConfigMap>().get_opt(name).await.unwrap().is_some()
}

/// What became of an object in a Sync, and as which hook.
fn result(sync: &Sync, name: &str) -> (Option<HookPhase>, Action, Outcome) {
    let objects = &sync.status.as_ref().unwrap().objects;
    let found = objects.iter().find(|it| it.name == name);
    let found = found.unwrap_or_else(|| panic!("{name} is not among {objects:?}"));
    (found.hook, found.action, found.outcome)
}

#[tokio::test]
async fn a_repository_of_argo_cd_works_unchanged() {
    let stage = stage("argo").await;
    let all = |value: &str| {
        [
            with(
                &job("migrate", "", ""),
                &[
                    ("argocd.argoproj.io/hook", "PreSync"),
                    ("argocd.argoproj.io/hook-delete-policy", "HookSucceeded"),
                ],
            ),
            with(
                &config_map("before", "x"),
                &[("argocd.argoproj.io/hook", "PreSync"), ("argocd.argoproj.io/sync-wave", "-1")],
            ),
            with(&config_map("first", "x"), &[("argocd.argoproj.io/sync-wave", "-5")]),
            Deployment::new("web").slow("2s").yaml(),
            config_map("config", value),
            with(
                &config_map("last", "x"),
                &[
                    ("argocd.argoproj.io/sync-wave", "5"),
                    ("argocd.argoproj.io/sync-options", "PruneLast=true"),
                ],
            ),
            with(&job("smoke", "", ""), &[("argocd.argoproj.io/hook", "PostSync")]),
            with(&config_map("after", "x"), &[("argocd.argoproj.io/hook", "PostSync")]),
            with(&config_map("skipped", "x"), &[("argocd.argoproj.io/hook", "Skip")]),
        ]
        .join("---\n")
    };
    let first = stage.push_file("all.yaml", &all("one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &first).await;
    let order = [
        born(&stage, "before").await,
        born(&stage, "first").await,
        born(&stage, "last").await,
        born(&stage, "after").await,
    ];
    assert!(order.is_sorted(), "{order:?}");
    let web = stage.namespace.api::<LiveDeployment>().get("web").await.unwrap();
    let ready: u64 = web.resource_version().unwrap().parse().unwrap();
    assert!(
        order[1] < ready && ready < order[2],
        "the wave after the Deployment waits for it: {ready} in {order:?}"
    );
    assert!(live_job(&stage, "migrate").await.is_none(), "HookSucceeded deletes it at the end");
    let smoke = live_job(&stage, "smoke").await.expect("nothing deletes it yet");
    assert!(!is_there(&stage, "skipped").await);
    let sync = stage.succeeded("web-1").await;
    assert_eq!(result(&sync, "migrate"), (Some(HookPhase::PreSync), Action::Hook, Outcome::Applied));
    assert_eq!(result(&sync, "last"), (None, Action::Create, Outcome::Applied));
    let status = sync.status.unwrap();
    assert_eq!(status.plan.unwrap().hooks, 4);
    assert!(
        status.warnings.iter().any(|it| it.contains("ConfigMap") && it.contains("PruneLast=true")),
        "{:?}",
        status.warnings
    );
    // Neither is a hook drift, nor is it pruned, nor does a correction of drift run one.
    stage.namespace.kubectl(&["delete", "configmap", "before"]);
    stage.namespace.kubectl(&["patch", "configmap", "config", "-p", r#"{"data":{"value":"drift"}}"#]);
    stage.has_value("config", "one").await;
    stage.looked_at("web").await;
    assert!(!is_there(&stage, "before").await);
    // The next Sync runs them again.
    let second = stage.push_file("all.yaml", &all("two")).await;
    stage.synced("web", &second).await;
    let again = live_job(&stage, "smoke").await.unwrap();
    assert_ne!(again.uid(), smoke.uid(), "it was deleted before it was created anew");
    assert!(is_there(&stage, "before").await);
}

#[tokio::test]
async fn hooks_of_helm_run_on_their_occasions() {
    let stage = stage("helm-hooks").await;
    let hook = |name: &str, event: &str, weight: &str, policy: &str| {
        let annotations = [
            ("helm.sh/hook", event),
            ("helm.sh/hook-weight", weight),
            ("helm.sh/hook-delete-policy", policy),
        ];
        with(&config_map(name, "x"), &annotations)
    };
    let kept = |value: &str| {
        let keep = with(&config_map("kept", "x"), &[("helm.sh/resource-policy", "keep")]);
        if value == "one" { keep } else { String::new() }
    };
    let all = |value: &str| {
        [
            hook("heavy", "pre-install,pre-upgrade", "5", "before-hook-creation"),
            hook("light", "pre-install,pre-upgrade", "-5", "before-hook-creation"),
            hook("on-install", "pre-install", "0", "before-hook-creation"),
            hook("on-upgrade", "post-upgrade", "0", "before-hook-creation"),
            hook("on-rollback", "pre-rollback", "0", "before-hook-creation"),
            hook("gone", "post-install", "0", "hook-succeeded"),
            hook("test", "test", "0", "before-hook-creation"),
            config_map("config", value),
            kept(value),
        ]
        .join("---\n")
    };
    let first = stage.push_file("all.yaml", &all("one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &first).await;
    let order = [
        born(&stage, "light").await,
        born(&stage, "on-install").await,
        born(&stage, "heavy").await,
        born(&stage, "config").await,
    ];
    assert!(order.is_sorted(), "{order:?}");
    for absent in ["on-upgrade", "on-rollback", "gone", "test"] {
        assert!(!is_there(&stage, absent).await, "{absent}");
    }
    let installed = born(&stage, "on-install").await;
    let second = stage.push_file("all.yaml", &all("two")).await;
    stage.synced("web", &second).await;
    assert!(born(&stage, "on-upgrade").await > born(&stage, "heavy").await);
    assert!(born(&stage, "heavy").await > order[2], "it has run again");
    assert_eq!(born(&stage, "on-install").await, installed);
    assert!(is_there(&stage, "kept").await, "helm.sh/resource-policy: keep");
    assert!(!is_there(&stage, "on-rollback").await);
    // What goes back runs what was kept for that.
    stage.request("web", "back", json!({ "rollbackTo": "web-1" })).await;
    stage.succeeded("back").await;
    assert!(is_there(&stage, "on-rollback").await);
    assert!(born(&stage, "on-rollback").await < born(&stage, "config").await);
    assert_eq!(born(&stage, "on-install").await, installed);
}

#[tokio::test]
async fn a_failing_hook_leaves_everything_untouched() {
    let stage = stage("pre-fails").await;
    let all = |value: &str, pod: &str| {
        [
            with(&job("migrate", pod, ""), &[("tiphys.dev/hook", "PreSync")]),
            with(&config_map("report", value), &[("tiphys.dev/hook", "SyncFail")]),
            config_map("config", value),
            config_map(&format!("only-{value}"), "x"),
        ]
        .join("---\n")
    };
    let good = stage.push_file("all.yaml", &all("one", "")).await;
    stage.create("web", json!({ "sync": { "onFailure": "Rollback" } })).await;
    stage.synced("web", &good).await;
    assert!(!is_there(&stage, "report").await, "nothing failed");
    let version = born(&stage, "config").await;
    stage.push_file("all.yaml", &all("two", "fail")).await;
    let said = stage.stalls("web", "batch/Job").await;
    assert!(said.contains("migrate") && said.contains("PreSync"), "{said}");
    stage.has_value("report", "two").await;
    let failed = stage.failed("web-2", "migrate").await;
    assert_eq!(result(&failed, "migrate"), (Some(HookPhase::PreSync), Action::Hook, Outcome::Applied));
    assert_eq!(result(&failed, "report"), (Some(HookPhase::SyncFail), Action::Hook, Outcome::Applied));
    assert_eq!(result(&failed, "config"), (None, Action::Change, Outcome::Skipped));
    // Neither a rollback nor self-healing has a reason to do something, and drift goes to what is live.
    stage.looked_at("web").await;
    assert_eq!(stage.syncs("web").await.len(), 2);
    assert_eq!(born(&stage, "config").await, version);
    assert!(!is_there(&stage, "only-two").await && is_there(&stage, "only-one").await);
    stage.namespace.kubectl(&["patch", "configmap", "config", "-p", r#"{"data":{"value":"drift"}}"#]);
    stage.has_value("config", "one").await;
    let refused = stage.request("web", "back", json!({ "rollbackTo": "web-2" })).await;
    stage.failed(&refused, "applied nothing").await;
    let mended = stage.push_file("all.yaml", &all("three", "")).await;
    stage.synced("web", &mended).await;
    assert!(is_there(&stage, "only-three").await && !is_there(&stage, "only-one").await);
}

#[tokio::test]
async fn a_wave_that_does_not_work_ends_the_sync_and_goes_back() {
    let stage = stage("wave-fails").await;
    let all = |value: &str, image: &str| {
        [
            Deployment::new("web").image(image).yaml(),
            with(&config_map("late", value), &[("tiphys.dev/sync-wave", "1")]),
            with(
                &job("report", "", ""),
                &[("tiphys.dev/hook", "SyncFail"), ("tiphys.dev/hook-delete-policy", "HookSucceeded")],
            ),
        ]
        .join("---\n")
    };
    let good = stage.push_file("all.yaml", &all("one", "registry.example.com/app:1")).await;
    stage.create("web", json!({ "sync": { "timeout": "15s" } })).await;
    stage.synced("web", &good).await;
    stage.change("web", json!({ "sync": { "onFailure": "Rollback" } })).await;
    stage.push_file("all.yaml", &all("two", "registry.invalid/app:2")).await;
    let failed = stage.failed("web-2", "Deployment").await;
    assert_eq!(result(&failed, "late").2, Outcome::Skipped);
    assert_eq!(result(&failed, "report"), (Some(HookPhase::SyncFail), Action::Hook, Outcome::Applied));
    assert!(live_job(&stage, "report").await.is_some(), "HookSucceeded is about the Sync");
    let back = stage.succeeded("web-3").await;
    assert_eq!(back.spec.rollback_to.as_deref(), Some("web-1"));
    stage.has_value("late", "one").await;
}

#[tokio::test]
async fn a_hook_that_runs_is_not_interrupted() {
    let stage = stage("not-interrupted").await;
    let all = |value: &str, suspend: &str| {
        let hook = [("tiphys.dev/hook", "PreSync")];
        [with(&job("migrate", "", suspend), &hook), config_map("config", value)].join("---\n")
    };
    stage.push_file("all.yaml", &all("one", "  suspend: true\n")).await;
    stage.create("web", json!({})).await;
    stage
        .wait_sync("web-1", "it waits for the hook", LONG, |it| {
            message(it).contains("batch/Job").then_some(())
        })
        .await;
    let running = live_job(&stage, "migrate").await.expect("the hook runs");
    let second = stage.push_file("all.yaml", &all("two", "")).await;
    stage.looked_at("web").await;
    let first = stage.all_syncs().get("web-1").await.unwrap();
    assert_eq!(phase(&first), Phase::Waiting, "{}", message(&first));
    assert_eq!(live_job(&stage, "migrate").await.unwrap().uid(), running.uid());
    assert!(!is_there(&stage, "config").await);
    stage.namespace.kubectl(&["patch", "job", "migrate", "-p", r#"{"spec":{"suspend":false}}"#]);
    stage.synced("web", &second).await;
    assert_eq!(phase(&stage.ended("web-1").await), Phase::Superseded);
    let again = live_job(&stage, "migrate").await.unwrap();
    assert_ne!(again.uid(), running.uid(), "the newer revision runs its own");
}

#[tokio::test]
async fn a_hook_that_never_ends_is_ended() {
    let stage = stage("never-ends").await;
    let hook = with(&job("migrate", "run", ""), &[("tiphys.dev/hook", "PreSync")]);
    stage.push_file("all.yaml", &[hook, config_map("config", "one")].join("---\n")).await;
    stage.create("web", json!({ "sync": { "timeout": "3s" } })).await;
    let failed = stage.failed("web-1", "spec.sync.timeout").await;
    assert!(message(&failed).contains("batch/Job"), "{}", message(&failed));
    eventually("nothing of it is left running", LONG, || async {
        match live_job(&stage, "migrate").await {
            None => Ok(()),
            Some(job) => Err(format!("{:?}", job.status)),
        }
    })
    .await;
    assert!(!is_there(&stage, "config").await);
}

#[tokio::test]
async fn a_hook_without_a_name_gets_one_in_each_sync() {
    let stage = stage("unnamed").await;
    let all = |value: &str| {
        let hook = job("x", "", "").replace("name: x\n", "generateName: migrate-\n");
        [with(&hook, &[("argocd.argoproj.io/hook", "PreSync")]), config_map("config", value)].join("---\n")
    };
    for (number, value) in ["one", "two"].into_iter().enumerate() {
        let commit = stage.push_file("all.yaml", &all(value)).await;
        if number == 0 {
            stage.create("web", json!({})).await;
        }
        stage.synced("web", &commit).await;
        let jobs = stage.namespace.api::<LiveJob>().list(&kube::api::ListParams::default()).await.unwrap();
        assert_eq!(jobs.items.len(), number + 1);
        assert!(jobs.items.iter().all(|it| it.name_any().starts_with("migrate-")));
    }
}

#[tokio::test]
async fn a_job_that_vanishes_when_it_is_done_is_done() {
    let stage = stage("vanishes").await;
    let hook = with(&job("migrate", "", "  ttlSecondsAfterFinished: 0\n"), &[("tiphys.dev/hook", "PreSync")]);
    let commit = stage.push_file("all.yaml", &[hook, config_map("config", "one")].join("---\n")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &commit).await;
}

#[tokio::test]
async fn what_is_depended_on_is_healthy_first_and_a_circle_is_refused() {
    let stage = stage("depends-on").await;
    let circle = [
        with(&config_map("a", "x"), &[("tiphys.dev/depends-on", "ConfigMap/b")]),
        with(&config_map("b", "x"), &[("tiphys.dev/depends-on", "ConfigMap/a")]),
        config_map("c", "x"),
    ];
    stage.push_file("all.yaml", &circle.join("---\n")).await;
    stage.create("web", json!({})).await;
    let said = stage.stalls("web", "circle").await;
    let path = format!("ConfigMap {0}/a -> ConfigMap {0}/b -> ConfigMap {0}/a", stage.ns());
    assert!(said.contains(&path), "{said}");
    assert!(!is_there(&stage, "c").await, "nothing was written");
    stage.push_file("all.yaml", &with(&config_map("a", "x"), &[("tiphys.dev/sync-wave", "first")])).await;
    let said = stage.stalls("web", "tiphys.dev/sync-wave").await;
    assert!(said.contains("ConfigMap") && said.contains("first"), "{said}");
    let chain = [
        with(&config_map("a", "x"), &[("tiphys.dev/depends-on", "apps/Deployment/web")]),
        Deployment::new("web").slow("2s").yaml(),
    ];
    let good = stage.push_file("all.yaml", &chain.join("---\n")).await;
    stage.synced("web", &good).await;
    let web = stage.namespace.api::<LiveDeployment>().get("web").await.unwrap();
    let ready: u64 = web.resource_version().unwrap().parse().unwrap();
    assert!(ready < born(&stage, "a").await);
}

#[tokio::test]
async fn a_namespace_a_definition_and_its_object_go_through_at_the_first_try() {
    let stage = stage("first-try").await;
    let (group, ns) = (format!("{}.example.com", stage.ns()), format!("{}-new", stage.ns()));
    let definition = format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: gizmos.{group}\nspec:\n  \
         group: {group}\n  scope: Namespaced\n  names: {{kind: Gizmo, plural: gizmos}}\n  versions:\n  - {{name: v1, served: true, \
         storage: true, schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}}}\n"
    );
    let gizmo = |name: &str| {
        format!(
            "apiVersion: {group}/v1\nkind: Gizmo\nmetadata:\n  name: {name}\n  namespace: {ns}\nspec: {{size: 1}}\n"
        )
    };
    let all = [
        gizmo("plain"),
        with(&gizmo("early"), &[("tiphys.dev/hook", "PreSync")]),
        with(&gizmo("late"), &[("tiphys.dev/sync-wave", "2")]),
        with(&definition, &[("tiphys.dev/sync-wave", "7")]),
        format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {ns}\n"),
    ];
    let commit = stage.push_file("all.yaml", &all.join("---\n")).await;
    let manifests = tiphys_tests::repository_manifests(Installation::NAMESPACE, stage.ns(), stage.repo.url());
    stage.access.kubectl_with_input(["apply", "-f", "-"], &manifests);
    let name = format!("all-{}", stage.ns());
    stage.create_in(Installation::NAMESPACE, &name, json!({ "deletion": "Prune" })).await.unwrap();
    let syncs: kube::Api<Sync> = kube::Api::namespaced(stage.client(), Installation::NAMESPACE);
    let first = eventually("the first Sync ends", LONG, || async {
        let sync = syncs.get(&format!("{name}-1")).await.map_err(|it| it.to_string())?;
        if phase(&sync).is_finished() { Ok(sync) } else { Err(message(&sync).to_owned()) }
    })
    .await;
    assert_eq!(phase(&first), Phase::Succeeded, "{}", message(&first));
    assert!(first.status.unwrap().revision.unwrap().ends_with(&commit));
    for gizmo in ["plain", "early", "late"] {
        stage.access.kubectl(["get", "-n", &ns, &format!("gizmos.{group}"), gizmo]);
    }
    let applications: kube::Api<tiphys_api::Application> =
        kube::Api::namespaced(stage.client(), Installation::NAMESPACE);
    applications.delete(&name, &DeleteParams::default()).await.unwrap();
    eventually("everything is gone", LONG, || async {
        match applications.get_opt(&name).await.unwrap() {
            None => Ok(()),
            Some(it) => Err(crate::support::words(&it)),
        }
    })
    .await;
    stage.access.kubectl(["delete", "repository", "-n", Installation::NAMESPACE, stage.ns()]);
}

#[tokio::test]
async fn hooks_of_a_deletion_run_before_and_after_it() {
    let stage = stage("deletion-hooks").await;
    let all = [
        with(&job("backup", "fail", ""), &[("tiphys.dev/hook", "PreDelete")]),
        with(&job("bye", "", "  suspend: true\n"), &[("helm.sh/hook", "post-delete")]),
        with(&config_map("left", "x"), &[("tiphys.dev/hook", "PostSync")]),
        config_map("config", "one"),
    ];
    let commit = stage.push_file("all.yaml", &all.join("---\n")).await;
    stage.create("web", json!({ "deletion": "Prune" })).await;
    stage.synced("web", &commit).await;
    assert!(live_job(&stage, "backup").await.is_none(), "a Sync does not run it");
    stage.applications().delete("web", &DeleteParams::default()).await.unwrap();
    stage.says("web", "backup").await;
    assert!(is_there(&stage, "config").await, "nothing is deleted before it has succeeded");
    // Somebody mends it by hand: what counts is a Job of this name that carries the mark of the run.
    let failed = live_job(&stage, "backup").await.unwrap();
    stage
        .stays("the hook is not run again by itself", Duration::from_secs(3), || async {
            let now = live_job(&stage, "backup").await.and_then(|it| it.uid());
            if now == failed.uid() { Ok(()) } else { Err(format!("{now:?}")) }
        })
        .await;
    stage.change("web", json!({ "deletion": "Orphan" })).await;
    eventually("it is let go", LONG, || async {
        match stage.applications().get_opt("web").await.unwrap() {
            None => Ok(()),
            Some(it) => Err(crate::support::words(&it)),
        }
    })
    .await;
    assert!(is_there(&stage, "config").await);
    stage.namespace.kubectl(&["delete", "job", "backup"]);

    let all = [
        with(&job("backup", "", ""), &[("tiphys.dev/hook", "PreDelete")]),
        with(&job("bye", "", "  suspend: true\n"), &[("helm.sh/hook", "post-delete")]),
        with(&config_map("left", "x"), &[("tiphys.dev/hook", "PostSync")]),
        config_map("config", "one"),
    ];
    let commit = stage.push_file("all.yaml", &all.join("---\n")).await;
    stage.create("shop", json!({ "deletion": "Prune" })).await;
    stage.synced("shop", &commit).await;
    stage.applications().delete("shop", &DeleteParams::default()).await.unwrap();
    stage.says("shop", "bye").await;
    assert!(!is_there(&stage, "config").await, "the objects are gone");
    let backup = live_job(&stage, "backup").await.expect("it says that it has run");
    assert!(backup.status.unwrap().succeeded == Some(1));
    stage.namespace.kubectl(&["patch", "job", "bye", "-p", r#"{"spec":{"suspend":false}}"#]);
    eventually("it is gone, and everything of it", LONG, || async {
        let pods = stage.namespace.api::<Pod>().list(&kube::api::ListParams::default()).await.unwrap();
        let application = stage.applications().get_opt("shop").await.unwrap();
        let left = live_job(&stage, "backup").await.is_some() || is_there(&stage, "left").await;
        match (application, left, pods.items.len()) {
            (None, false, 0) => Ok(()),
            (application, left, pods) => {
                Err(format!("{:?}, {left}, {pods} pods", application.as_ref().map(crate::support::words)))
            }
        }
    })
    .await;
}
