//! Every fault of the proxy for a minute: the Sync gets through, or goes on as soon as the fault is over.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use tiphys_api::{Application, Health};
use tiphys_tests::{After, Fault, FaultProxy, Rule, Verb, WatchEnd, eventually};

use crate::ground::Ground;
use crate::support::controller::Endpoints;
use crate::support::manifests::config_map;
use crate::support::stage::Stage;
use crate::support::{LONG, message, phase};

/// How long a fault lasts.
const LASTS: Duration = Duration::from_mins(1);

const NAMES: [&str; 3] = ["one", "two", "three"];

fn status(code: u16) -> Fault {
    Fault::Status(StatusCode::from_u16(code).expect("a status"))
}

#[tokio::test]
async fn answers_that_ask_to_try_again_are_outlived() {
    let pause = Duration::from_secs(1);
    let faults = vec![
        ("429", Rule::new(Fault::TooManyRequests { retry_after: pause }).probability(0.3)),
        ("500", Rule::new(status(500)).probability(0.3)),
        ("503", Rule::new(status(503)).probability(0.3)),
    ];
    outlived("try-again", faults).await;
}

#[tokio::test]
async fn answers_of_a_server_that_is_slow_or_contended_are_outlived() {
    let faults = vec![
        ("504", Rule::new(status(504)).probability(0.3)),
        ("409", Rule::new(status(409)).writes().probability(0.3)),
        ("latency", Rule::new(Fault::Latency(Duration::from_millis(300)))),
    ];
    outlived("slow", faults).await;
}

#[tokio::test]
async fn connections_that_fail_are_outlived() {
    let faults = vec![
        ("refused", Rule::new(Fault::Refuse).probability(0.3)),
        ("hanging", Rule::new(Fault::Hang).writes().probability(0.1)),
        ("lost answers", Rule::new(Fault::DropAnswer).writes().probability(0.5)),
    ];
    outlived("connections", faults).await;
}

/// The first webhook of a process needs the Secret that proves it, and few forges send a webhook twice.
#[tokio::test]
async fn a_webhook_is_not_lost_when_its_secret_cannot_be_read_at_once() {
    let ground = Ground::prepare().await;
    let proxy = FaultProxy::start(&ground, 1);
    let controller = ground.installation.controller(&proxy).start().await;
    let stage = ground.stage(Endpoints::of(&controller), "webhook").await;
    let first = stage.repo.commit("main").write("app/config.yaml", config_map("config", "1")).finish();
    stage.create("web", json!({})).await;
    stage.synced("web", &first).await;
    let unreadable = proxy.add(Rule::new(status(503)).verbs(&[Verb::Get]).path("/secrets/").times(2));
    let second = stage.push_file("config.yaml", &config_map("config", "2")).await;
    assert_eq!(proxy.hits(unreadable), 2);
    stage.synced("web", &second).await;
}

/// An API server that just started forbids everything for a moment, watches too. Nothing else happens afterwards.
#[tokio::test]
async fn what_nobody_could_tell_while_a_watch_was_forbidden_is_told_again() {
    let ground = Ground::prepare().await;
    let proxy = FaultProxy::start(&ground, 1);
    let watches = |fault, times| {
        Rule::new(fault).verbs(&[Verb::Watch]).path("^/api/v1/configmaps.*labelSelector").times(times)
    };
    let ends = Fault::EndWatch { after: After::Time(Duration::from_secs(5)), how: WatchEnd::Closed };
    proxy.add(watches(ends, 1));
    // So often that the controller is blind for some ten seconds: its pauses grow.
    let forbidden = proxy.add(watches(status(403), 4));
    let controller = ground.installation.controller(&proxy).start().await;
    let stage = ground.stage(Endpoints::of(&controller), "blind").await;
    let commit = stage.push_file("config.yaml", &config_map("config", "1")).await;
    stage.create("web", json!({ "sync": { "selfHeal": false } })).await;
    stage.synced("web", &commit).await;
    stage.namespace.kubectl(&["delete", "configmap", "config"]);
    let stage = &stage;
    let is = async |wanted: Health| {
        let is_it = |it: &Application| (it.status.as_ref()?.health == Some(wanted)).then_some(());
        stage.wait("web", &format!("it is {wanted:?}"), LONG, is_it).await;
    };
    is(Health::Missing).await;
    eventually("the watch is forbidden", LONG, || async {
        if proxy.hits(forbidden) >= 1 { Ok(()) } else { Err("not yet") }
    })
    .await;
    // Whatever brings somebody to look meanwhile.
    stage.namespace.kubectl(&["annotate", "application", "web", "example.com/note=1"]);
    is(Health::Unknown).await;
    is(Health::Missing).await;
}

#[tokio::test]
async fn watches_that_end_are_outlived() {
    let watch = |how: WatchEnd| Fault::EndWatch { after: After::Events(1), how };
    let faults = vec![
        ("watches closed", Rule::new(watch(WatchEnd::Closed))),
        ("watches cut", Rule::new(watch(WatchEnd::Cut))),
        ("watches expired", Rule::new(watch(WatchEnd::Expired))),
        ("watches gone", Rule::new(status(410)).verbs(&[tiphys_tests::Verb::Watch])),
    ];
    outlived("watches", faults).await;
}

/// Commits a state of three Applications: four objects that change, one that comes and goes each time, and, from a
/// number on, one of a kind that was not watched before, so that a watch is opened while the last fault lasts.
fn commit(stage: &Stage<'_>, number: usize, other_kind_from: usize) -> String {
    let mut commit = stage.repo.commit("main").delete_all();
    for name in NAMES {
        let value = number.to_string();
        let maps = (0..4).map(|it| config_map(&format!("{name}-{it}"), &value));
        let mut all: Vec<_> = maps.chain([config_map(&format!("{name}-at-{value}"), &value)]).collect();
        if number >= other_kind_from {
            all.push(format!("apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: {name}\n"));
        }
        commit = commit.write(&format!("{name}/all.yaml"), all.join("---\n"));
    }
    commit.finish()
}

/// Every fault for a minute, with a commit at its beginning and one in its middle: the Syncs get through, or go on as
/// soon as the fault is over.
async fn outlived(hint: &str, faults: Vec<(&str, Rule)>) {
    let ground = Ground::prepare().await;
    let proxy = FaultProxy::start(&ground, 7);
    let controller = ground.installation.controller(&proxy).start().await;
    let stage = ground.stage(Endpoints::of(&controller), hint).await;
    let last = 2 * faults.len() - 1;
    let first = commit(&stage, 0, last);
    for name in NAMES {
        stage.create(name, json!({ "source": { "path": name }, "sync": { "timeout": "2m" } })).await;
    }
    for name in NAMES {
        stage.synced(name, &first).await;
    }
    let mut number = 0;
    for (what, rule) in faults {
        let rule = proxy.add(rule);
        let mut newest = String::new();
        for _ in 0..2 {
            number += 1;
            newest = commit(&stage, number, last);
            stage.tell(&newest).await;
            tokio::time::sleep(LASTS / 2).await;
        }
        assert!(controller.is_running(), "{what}");
        let hits = proxy.hits(rule);
        proxy.remove(rule);
        assert!(hits > 0, "{what}: the fault hit nothing");
        is_live(&stage, number, &newest, what).await;
    }
    for name in NAMES {
        for sync in stage.syncs(name).await {
            assert!(phase(&sync).is_finished(), "{}: {}", sync.spec.application, message(&sync));
        }
    }
}

async fn is_live(stage: &Stage<'_>, number: usize, commit: &str, what: &str) {
    let value = number.to_string();
    for name in NAMES {
        stage.synced(name, commit).await;
        for map in 0..4 {
            let live = stage.value(&format!("{name}-{map}")).await;
            assert_eq!(live.as_deref(), Some(value.as_str()), "{what}");
        }
        assert_eq!(stage.value(&format!("{name}-at-{}", number - 1)).await, None, "{what}: pruned");
    }
}
