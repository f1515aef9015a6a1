//! Promises 4 and 5, and those parts of 6 and 7 that need a controller of their own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use http::StatusCode;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use kube::{Client, ResourceExt as _};
use serde_json::json;
use tiphys_api::Phase;
use tiphys_tests::{Fault, FaultProxy, GitFault, Rule, Service, Verb, eventually};

use crate::ground::Ground;
use crate::support::controller::Endpoints;
use crate::support::manifests::{Deployment, config_map};
use crate::support::shared::git;
use crate::support::{LONG, message, phase};

/// Every version of every ConfigMap of a namespace, as the API server tells of them.
pub struct Versions {
    seen: Arc<Mutex<BTreeMap<String, Vec<String>>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Versions {
    pub async fn watch(client: Client, ns: &str) -> Self {
        let api: Api<ConfigMap> = Api::namespaced(client, ns);
        let list = api.list(&ListParams::default()).await.expect("ConfigMaps can be listed");
        let mut version = list.metadata.resource_version.expect("a list has a version");
        let seen: Arc<Mutex<BTreeMap<String, Vec<String>>>> = Arc::default();
        let noted = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            loop {
                let stream =
                    api.watch(&WatchParams::default(), &version).await.expect("ConfigMaps can be watched");
                let mut stream = stream.boxed();
                while let Ok(Some(event)) = stream.try_next().await {
                    let (verb, object) = match event {
                        WatchEvent::Added(it) => ("added", it),
                        WatchEvent::Modified(it) => ("modified", it),
                        WatchEvent::Deleted(it) => ("deleted", it),
                        WatchEvent::Bookmark(_) | WatchEvent::Error(_) => continue,
                    };
                    version = object.resource_version().unwrap_or_default();
                    let value =
                        object.data.as_ref().and_then(|it| it.get("value")).cloned().unwrap_or_default();
                    let text = format!("{verb} {value} at {version}");
                    noted.lock().unwrap().entry(object.name_any()).or_default().push(text);
                }
            }
        });
        Self { seen, task }
    }

    /// What was seen since the last call.
    pub fn take(&self) -> BTreeMap<String, Vec<String>> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

impl Drop for Versions {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Applications that are synced at once: a kill hits each of them at another point of its Sync.
const APPLICATIONS: usize = 20;

/// How often the controller is killed: with the Applications above, at 200 points of a Sync.
/// `TIPHYS_KILLS` and `TIPHYS_SEED` ask for more, or for others.
const KILLS: u64 = 10;

/// A number that the environment gives, or another one.
pub fn from_environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |it| it.parse().expect("a number"))
}

/// Promise 4.
#[tokio::test]
async fn t11_killed_anywhere_it_converges() {
    let ground = Ground::prepare().await;
    let data = tempfile::tempdir().unwrap();
    let start = || ground.installation.controller(&ground).data_dir(data.path());
    let mut controller = start().start().await;
    let mut stage = ground.stage(Endpoints::of(&controller), "killed").await;
    let (kills, seed) = (from_environment("TIPHYS_KILLS", KILLS), from_environment("TIPHYS_SEED", 4));
    eprintln!("{kills} kills with seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let names: Vec<_> = (0..APPLICATIONS).map(|it| format!("app-{it:02}")).collect();
    // Each commit changes one object, makes one and removes one.
    let commit_of = |stage: &crate::support::stage::Stage<'_>, round: u64| {
        let mut commit = stage.repo.commit("main").delete_all();
        for name in &names {
            let files = [
                config_map(&format!("{name}-changes"), &round.to_string()),
                config_map(&format!("{name}-stays"), "0"),
                config_map(&format!("{name}-in-{round}"), "0"),
            ];
            commit = commit.write(&format!("{name}/all.yaml"), files.join("---\n"));
        }
        commit.finish()
    };
    let first = commit_of(&stage, 0);
    for name in &names {
        stage.create(name, json!({ "source": { "path": name } })).await;
    }
    for name in &names {
        stage.synced(name, &first).await;
    }
    let versions = Versions::watch(stage.client(), stage.ns()).await;
    for round in 1..=kills {
        let commit = commit_of(&stage, round);
        stage.tell(&commit).await;
        tokio::time::sleep(Duration::from_millis(random.u64(0..1_000))).await;
        controller.kill();
        // Sometimes once more, while it finds out what it was about.
        if random.bool() {
            let second = start().launch();
            tokio::time::sleep(Duration::from_millis(random.u64(0..1_500))).await;
            second.kill();
        }
        controller = start().start().await;
        stage.endpoints = Endpoints::of(&controller);
        // Whoever was killed before it looked is told by nobody: a person would wait for the next poll.
        stage.tell(&commit).await;
        for name in &names {
            stage.synced(name, &commit).await;
        }
        let seen = eventually("everything was watched", LONG, || async {
            let seen = versions.seen.lock().unwrap().clone();
            let done = names.iter().all(|it| {
                seen.contains_key(&format!("{it}-in-{round}"))
                    && seen.contains_key(&format!("{it}-in-{}", round - 1))
            });
            if done { Ok(seen) } else { Err(format!("{} objects", seen.len())) }
        })
        .await;
        versions.take();
        for name in &names {
            let changes = |part: &str| seen.get(&format!("{name}-{part}")).map_or(&[][..], Vec::as_slice);
            assert_eq!(changes("changes").len(), 1, "round {round}: {:?}", changes("changes"));
            assert!(changes("stays").is_empty(), "round {round}: {:?}", changes("stays"));
            for (part, verb) in [(format!("in-{round}"), "added"), (format!("in-{}", round - 1), "deleted")] {
                let events = changes(&part);
                assert!(
                    events.len() == 1 && events[0].starts_with(verb),
                    "round {round}: {part}: {events:?}"
                );
            }
        }
    }
    // Every Sync has come to an end, and no two share a number.
    for name in &names {
        let syncs = stage.syncs(name).await;
        for sync in &syncs {
            assert!(phase(sync).is_finished(), "{}: {:?} {}", sync.name_any(), phase(sync), message(sync));
        }
        let mut numbers: Vec<_> = syncs.iter().filter_map(|it| it.status.as_ref()?.number).collect();
        let all = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!((numbers.len(), syncs.len()), (all, all), "{name}: {numbers:?}");
    }
}

/// Promise 4, for a Sync that waits: it goes on as what it is.
#[tokio::test]
async fn a_wait_is_taken_up_after_a_kill() {
    let ground = Ground::prepare().await;
    let controller = ground.installation.controller(&ground).start().await;
    let mut stage = ground.stage(Endpoints::of(&controller), "taken-up").await;
    let commit = stage.push_file("web.yaml", &Deployment::new("web").slow("6s").yaml()).await;
    stage.create("web", json!({})).await;
    stage.wait_sync("web-1", "it waits", LONG, |it| (phase(it) == Phase::Waiting).then_some(())).await;
    controller.kill();
    let controller = ground.installation.controller(&ground).start().await;
    stage.endpoints = Endpoints::of(&controller);
    stage.succeeded("web-1").await;
    stage.synced("web", &commit).await;
    assert_eq!(stage.syncs("web").await.len(), 1);
    // And one whose health came while nobody looked.
    let commit = stage.push_file("web.yaml", &Deployment::new("web").slow("1s").yaml()).await;
    stage.wait_sync("web-2", "it waits", LONG, |it| (phase(it) == Phase::Waiting).then_some(())).await;
    controller.kill();
    stage.namespace.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    let controller = ground.installation.controller(&ground).start().await;
    stage.endpoints = Endpoints::of(&controller);
    stage.succeeded("web-2").await;
    stage.synced("web", &commit).await;
    drop(controller);
}

/// Promises 4 and 7: a Sync is written first, and what follows from it a moment later. Nothing of that is lost in between.
#[tokio::test]
async fn what_follows_from_a_sync_is_not_lost_with_the_process() {
    let ground = Ground::prepare().await;
    let proxy = FaultProxy::start(&ground, 1);
    let controller = ground.installation.controller(&proxy).start().await;
    let mut stage = ground.stage(Endpoints::of(&controller), "follows").await;
    let first = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &first).await;
    let second = stage.push_file("config.yaml", &config_map("config", "two")).await;
    stage.synced("web", &second).await;
    // From here on the status of the Application cannot be written.
    let unavailable = || {
        let fault = Fault::Status(StatusCode::SERVICE_UNAVAILABLE);
        Rule::new(fault).verbs(&[Verb::Patch]).path("/applications/web/status")
    };
    let rule = proxy.add(unavailable());
    stage.request("web", "back", json!({ "rollbackTo": "web-1" })).await;
    stage.succeeded("back").await;
    controller.kill();
    proxy.remove(rule);
    let controller = ground.installation.controller(&proxy).start().await;
    stage.endpoints = Endpoints::of(&controller);
    stage.says("web", "held at").await;
    stage.tell(&second).await;
    stage.looked_at("web").await;
    stage.has_value("config", "one").await;
    // Nor is the way back that a failure asks for, when it could not be asked for at once.
    stage.change("web", json!({ "sync": { "onFailure": "Rollback", "timeout": "3s" } })).await;
    let third = stage.push_file("config.yaml", &config_map("config", "three")).await;
    stage.synced("web", &third).await;
    let fault = Fault::Status(StatusCode::SERVICE_UNAVAILABLE);
    let rule = proxy.add(Rule::new(fault).verbs(&[Verb::Create]).path("/syncs").skip(1));
    let broken = [config_map("config", "four"), Deployment::new("web").pod("never-ready").yaml()];
    stage.push_file("config.yaml", &broken.join("---\n")).await;
    let failed = |it: &tiphys_api::Sync| phase(it) == Phase::Failed;
    eventually("a Sync failed and the way back is refused", LONG, || async {
        let syncs = stage.syncs("web").await;
        if syncs.iter().any(failed) && proxy.hits(rule) > 0 {
            Ok(())
        } else {
            Err(format!("{}", syncs.len()))
        }
    })
    .await;
    controller.kill();
    proxy.remove(rule);
    let controller = ground.installation.controller(&proxy).start().await;
    stage.endpoints = Endpoints::of(&controller);
    stage.has_value("config", "three").await;
    stage.says("web", "held at").await;
}

/// Promise 5.
#[tokio::test]
async fn t18_unchanged_costs_nothing() {
    let ground = Ground::prepare().await;
    let proxy = FaultProxy::start(&ground, 5);
    let controller = ground.installation.controller(&proxy).start().await;
    let stage = ground.stage(Endpoints::of(&controller), "unchanged").await;
    let names = ["touched", "other-a", "other-b"];
    let mut commit = stage.repo.commit("main");
    for name in names {
        commit = commit.write(&format!("{name}/config.yaml"), config_map(name, "1"));
    }
    let first = commit.finish();
    for name in names {
        stage.create(name, json!({ "source": { "path": name } })).await;
    }
    for name in names {
        stage.synced(name, &first).await;
    }
    let is_request = |it: &tiphys_tests::RecordedRequest| it.verb != Verb::Watch && it.resource != "leases";
    // What is only written a moment later, such as the status of the Repository.
    eventually("it is quiet", LONG, || async {
        proxy.forget();
        tokio::time::sleep(Duration::from_secs(5)).await;
        match proxy.count(is_request) {
            0 => Ok(()),
            count => Err(format!("{count} requests, the last {:?}", proxy.requests().last())),
        }
    })
    .await;
    let rendered = "tiphys_renders_total{result=\"rendered\"}";
    let before = stage.endpoints.metric(rendered).await;
    git().forget();
    let second = stage.repo.commit_file("main", "touched/config.yaml", config_map("touched", "2"));
    stage.tell(&second).await;
    stage.synced("touched", &second).await;
    // The others have been looked at when the record of the one that changed is written; give them the time even so.
    tokio::time::sleep(Duration::from_secs(2)).await;
    // Over http, what is wanted and what we have are told in two requests.
    let requests = git().requests(&stage.repo);
    assert!(git().count(&stage.repo, Service::UploadPack) <= 2, "one fetch for all: {requests:?}");
    assert_eq!(git().count(&stage.repo, Service::Refs), 1, "{requests:?}");
    assert!((stage.endpoints.metric(rendered).await - before - 1.0).abs() < 0.1, "one rendering");
    let about_others: Vec<_> =
        proxy.requests().into_iter().filter(|it| it.path_and_query.contains("other-")).collect();
    assert!(about_others.is_empty(), "{about_others:?}");
    assert_eq!(stage.syncs("other-a").await.len(), 1);

    // Then nothing at all happens for longer than a round of tidying up.
    eventually("it is quiet again", LONG, || async {
        proxy.forget();
        tokio::time::sleep(Duration::from_secs(17)).await;
        match proxy.count(is_request) {
            0 => Ok(()),
            count => Err(format!("{count} requests, the last {:?}", proxy.requests().last())),
        }
    })
    .await;
}

/// Promise 6: a wait costs no worker.
#[tokio::test]
async fn many_that_wait_do_not_hold_up_others() {
    let ground = Ground::prepare().await;
    let controller = ground.installation.controller(&ground).arg("--concurrency=1").start().await;
    let stage = ground.stage(Endpoints::of(&controller), "waiting").await;
    let mut commit = stage.repo.commit("main").write("app/config.yaml", config_map("config", "1"));
    for number in 0..20 {
        let name = format!("waits-{number}");
        commit = commit.write(&format!("{name}/web.yaml"), Deployment::new(&name).pod("never-ready").yaml());
    }
    commit.finish();
    for number in 0..20 {
        let name = format!("waits-{number}");
        stage.create(&name, json!({ "source": { "path": name }, "sync": { "timeout": "30m" } })).await;
    }
    for number in 0..20 {
        let name = format!("waits-{number}-1");
        stage.wait_sync(&name, "it waits", LONG, |it| (phase(it) == Phase::Waiting).then_some(())).await;
    }
    stage.create("web", json!({})).await;
    stage.has_value_within("config", "1", Duration::from_secs(5)).await;
    let second = stage.push_file("config.yaml", &config_map("config", "2")).await;
    stage.has_value_within("config", "2", Duration::from_secs(5)).await;
    stage.synced("web", &second).await;
}

/// Promise 7: with nothing left but the cluster.
#[tokio::test]
async fn back_is_possible_with_nothing_but_the_cluster() {
    let ground = Ground::prepare().await;
    let controller = ground.installation.controller(&ground).start().await;
    let mut stage = ground.stage(Endpoints::of(&controller), "only-cluster").await;
    let first = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &first).await;
    let second = stage.push_file("config.yaml", &config_map("config", "two")).await;
    stage.synced("web", &second).await;
    drop(controller);
    git().set_fault(&stage.repo, Some(GitFault::Status(503)));
    let away = stage.repo.path().with_extension("away");
    std::fs::rename(stage.repo.path(), &away).unwrap();
    // Its mirrors went with the temporary folder of the first.
    let controller = ground.installation.controller(&ground).start().await;
    stage.endpoints = Endpoints::of(&controller);
    stage.request("web", "back", json!({ "rollbackTo": "web-1" })).await;
    stage.succeeded("back").await;
    stage.has_value("config", "one").await;
    // Drift is put right as well, from what is kept.
    stage.namespace.kubectl(&["patch", "configmap", "config", "-p", r#"{"data":{"value":"drift"}}"#]);
    stage.has_value("config", "one").await;
    // What comes back is what was there before: that is no newer revision.
    std::fs::rename(&away, stage.repo.path()).unwrap();
    git().set_fault(&stage.repo, None);
    stage.tell(&second).await;
    stage.says("web", "held at").await;
    stage.looked_at("web").await;
    stage.has_value("config", "one").await;
    let third = stage.push_file("config.yaml", &config_map("config", "three")).await;
    stage.synced("web", &third).await;
}
