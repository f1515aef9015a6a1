//! Every fault of the proxy for some seconds: the Sync gets through, or goes on as soon as the fault is over.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use tiphys_tests::{After, Fault, FaultProxy, Rule, WatchEnd};

use crate::ground::Ground;
use crate::support::controller::Endpoints;
use crate::support::manifests::config_map;
use crate::support::{message, phase};

/// How long a fault lasts at least.
const LASTS: Duration = Duration::from_secs(5);

fn faults() -> Vec<(&'static str, Rule)> {
    let status = |code: u16| Fault::Status(StatusCode::from_u16(code).expect("a status"));
    let watch = |how: WatchEnd| Fault::EndWatch { after: After::Events(1), how };
    vec![
        ("429", Rule::new(Fault::TooManyRequests { retry_after: Duration::from_secs(1) }).probability(0.3)),
        ("500", Rule::new(status(500)).probability(0.3)),
        ("503", Rule::new(status(503)).probability(0.3)),
        ("504", Rule::new(status(504)).probability(0.3)),
        ("409", Rule::new(status(409)).writes().probability(0.3)),
        ("latency", Rule::new(Fault::Latency(Duration::from_millis(300)))),
        ("refused", Rule::new(Fault::Refuse).probability(0.3)),
        ("hanging", Rule::new(Fault::Hang).writes().probability(0.1)),
        ("lost answers", Rule::new(Fault::DropAnswer).writes().probability(0.5)),
        ("watches closed", Rule::new(watch(WatchEnd::Closed))),
        ("watches cut", Rule::new(watch(WatchEnd::Cut))),
        ("watches expired", Rule::new(watch(WatchEnd::Expired))),
        // The last one: its commit brings a kind that is not watched yet, so that a watch is opened while it lasts.
        ("watches gone", Rule::new(status(410)).verbs(&[tiphys_tests::Verb::Watch])),
    ]
}

#[tokio::test]
async fn every_fault_of_the_api_server_is_outlived() {
    let ground = Ground::prepare().await;
    let proxy = FaultProxy::start(&ground, 7);
    let controller = ground.installation.controller(&proxy).start().await;
    let stage = ground.stage(Endpoints::of(&controller), "faults").await;
    let names = ["one", "two", "three"];
    let files = |value: &str| {
        let mut commit = stage.repo.commit("main").delete_all();
        for name in names {
            let maps = (0..4).map(|it| config_map(&format!("{name}-{it}"), value));
            // One that comes and goes each time.
            let mut all: Vec<_> = maps.chain([config_map(&format!("{name}-at-{value}"), value)]).collect();
            if value == faults().len().to_string() {
                all.push(format!("apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: {name}\n"));
            }
            commit = commit.write(&format!("{name}/all.yaml"), all.join("---\n"));
        }
        commit.finish()
    };
    let first = files("0");
    for name in names {
        stage.create(name, json!({ "source": { "path": name }, "sync": { "timeout": "2m" } })).await;
    }
    for name in names {
        stage.synced(name, &first).await;
    }
    for (number, (what, rule)) in faults().into_iter().enumerate() {
        let value = (number + 1).to_string();
        let rule = proxy.add(rule);
        let commit = files(&value);
        stage.tell(&commit).await;
        tokio::time::sleep(LASTS).await;
        assert!(controller.is_running(), "{what}");
        let hits = proxy.hits(rule);
        proxy.remove(rule);
        assert!(hits > 0, "{what}: the fault hit nothing");
        for name in names {
            stage.synced(name, &commit).await;
            for map in 0..4 {
                assert_eq!(
                    stage.value(&format!("{name}-{map}")).await.as_deref(),
                    Some(value.as_str()),
                    "{what}"
                );
            }
            assert_eq!(stage.value(&format!("{name}-at-{number}")).await, None, "{what}: pruned");
        }
    }
    for name in names {
        for sync in stage.syncs(name).await {
            assert!(phase(&sync).is_finished(), "{}: {}", sync.spec.application, message(&sync));
        }
    }
}
