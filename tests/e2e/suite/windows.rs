//! Sync windows: what they keep back, whom they refuse, and that they open by themselves.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use k8s_openapi::jiff::tz::TimeZone;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tiphys_api::{Phase, Project, Trigger, WaitReason};
use tiphys_tests::Installation;

use crate::support::manifests::config_map;
use crate::support::shared::stage;
use crate::support::stage::Stage;
use crate::support::{LONG, message, phase};

/// A window that is open from the beginning of this minute until so many seconds from now.
fn open_for(kind: &str, seconds: i64) -> (Value, Timestamp) {
    let now = Timestamp::now().to_zoned(TimeZone::UTC);
    let lasts = i64::from(now.second()) + seconds;
    let begin = now.timestamp().as_second() - i64::from(now.second());
    let window = json!({
        "kind": kind, "schedule": format!("{} {} * * *", now.minute(), now.hour()), "duration": format!("{lasts}s"),
        "reason": "the fair",
    });
    (window, Timestamp::from_second(begin + lasts).unwrap())
}

async fn live(hint: &str) -> Stage<'static> {
    let stage = stage(hint).await;
    let first = stage.push_file("config.yaml", &config_map("config", "one")).await;
    stage.create("web", json!({})).await;
    stage.synced("web", &first).await;
    stage
}

#[tokio::test]
async fn a_window_keeps_back_what_happens_by_itself_until_it_is_over() {
    let stage = live("window").await;
    let (window, until) = open_for("Deny", 12);
    stage.change("web", json!({ "sync": { "windows": [window] } })).await;
    stage.namespace.kubectl(&["patch", "configmap", "config", "-p", r#"{"data":{"value":"drift"}}"#]);
    let said = stage.says("web", "keeps Syncs back").await;
    assert!(said.contains("the fair") && said.contains(&format!("until {until}")), "{said}");
    let second = stage.push_file("config.yaml", &config_map("config", "two")).await;
    stage.looked_at("web").await;
    assert_eq!(stage.value("config").await.as_deref(), Some("drift"));
    assert_eq!(stage.syncs("web").await.len(), 1);
    let waits = stage.get("web").await.status.unwrap().waits.unwrap();
    assert_eq!(waits.reason, WaitReason::Window);
    assert_eq!(waits.until.map(|it| it.0), Some(until));
    // It goes on by itself, as what it was.
    let application = stage.synced("web", &second).await;
    assert_eq!(application.status.unwrap().waits, None);
    let sync = stage.last_sync("web").await;
    assert_eq!(sync.spec.initiated_by.trigger, Trigger::Webhook);
    let started = sync.status.unwrap().started_at.unwrap().0;
    let late = started.duration_since(until);
    assert!(
        !late.is_negative() && late < Duration::from_secs(3).try_into().unwrap(),
        "{late} after the window"
    );
}

#[tokio::test]
async fn a_person_is_refused_unless_the_window_or_the_person_says_otherwise() {
    let stage = live("window-people").await;
    let (window, _) = open_for("Deny", 600);
    stage.change("web", json!({ "sync": { "windows": [window] } })).await;
    stage.push_file("config.yaml", &config_map("config", "two")).await;
    stage.says("web", "keeps Syncs back").await;
    stage.request("web", "mine", json!({})).await;
    let refused = stage.failed("mine", "--override-window").await;
    assert!(message(&refused).contains("the fair"), "{}", message(&refused));
    assert_eq!(stage.value("config").await.as_deref(), Some("one"));
    // A question is none, going back is always possible, and whoever overrides it is on record.
    stage.request("web", "question", json!({ "dryRun": true })).await;
    stage.succeeded("question").await;
    stage.request("web", "urgent", json!({ "overrideWindow": true })).await;
    let urgent = stage.succeeded("urgent").await;
    stage.has_value("config", "two").await;
    let overrode = urgent.status.unwrap().overrode.unwrap();
    assert!(overrode.contains("the fair") && urgent.spec.override_window, "{overrode}");
    stage.request("web", "back", json!({ "rollbackTo": "web-1" })).await;
    stage.succeeded("back").await;
    stage.has_value("config", "one").await;
    let (mut window, _) = open_for("Deny", 600);
    window["manual"] = json!(true);
    stage.change("web", json!({ "sync": { "windows": [window] } })).await;
    stage
        .wait("web", "the window that lets people through is seen", LONG, |it| {
            (it.status.as_ref()?.observed_generation == it.metadata.generation).then_some(())
        })
        .await;
    stage.request("web", "by-hand", json!({})).await;
    let by_hand = stage.succeeded("by-hand").await;
    assert_eq!(by_hand.status.unwrap().overrode, None);
    stage.has_value("config", "two").await;
}

#[tokio::test]
async fn what_has_started_goes_on_when_a_window_closes() {
    let stage = live("window-closes").await;
    let web = crate::support::manifests::Deployment::new("web").slow("4s").yaml();
    let second = stage.push_file("web.yaml", &web).await;
    stage.wait_sync("web-2", "it waits", LONG, |it| (phase(it) == Phase::Waiting).then_some(())).await;
    let (window, _) = open_for("Deny", 600);
    stage.change("web", json!({ "sync": { "windows": [window] } })).await;
    stage.succeeded("web-2").await;
    stage.synced("web", &second).await;
}

#[tokio::test]
async fn a_project_has_windows_for_some_of_its_applications() {
    let stage = live("window-project").await;
    let name = stage.ns().to_owned();
    let (deny, _) = open_for("Deny", 600);
    let mut for_web = deny.clone();
    for_web["applications"] = json!([format!("{name}/web")]);
    for_web["namespaces"] = json!([name]);
    let mut for_others = deny;
    for_others["applications"] = json!(["other-*"]);
    let project = json!({
        "apiVersion": "tiphys.dev/v1alpha1", "kind": "Project", "metadata": { "name": name },
        "spec": { "namespaces": [name], "syncWindows": [for_web, for_others] },
    });
    let projects: Api<Project> = Api::namespaced(stage.client(), Installation::NAMESPACE);
    projects.create(&PostParams::default(), &serde_json::from_value(project).unwrap()).await.unwrap();
    // An Application cannot allow what its Project does not.
    let (allow, _) = open_for("Allow", 600);
    stage.change("web", json!({ "project": name, "sync": { "windows": [allow] } })).await;
    stage
        .wait("web", "it has been looked at", LONG, |it| {
            (it.status.as_ref()?.observed_generation == it.metadata.generation).then_some(())
        })
        .await;
    let second = stage.push_file("config.yaml", &config_map("config", "two")).await;
    let said = stage.says("web", "keeps Syncs back").await;
    assert!(said.contains(&format!("Project {name}")), "{said}");
    assert_eq!(stage.value("config").await.as_deref(), Some("one"));
    // Nobody polls: the change of the Project brings the Application on.
    let patch = Patch::Merge(json!({ "spec": { "syncWindows": [for_others] } }));
    projects.patch(&name, &PatchParams::default(), &patch).await.unwrap();
    stage.has_value_within("config", "two", Duration::from_secs(5)).await;
    stage.synced("web", &second).await;
    stage.access.kubectl(["delete", "project", "-n", Installation::NAMESPACE, &name, "--wait=false"]);
}

#[tokio::test]
async fn a_window_that_makes_no_sense_is_told_and_keeps_everything_back() {
    let stage = live("window-wrong").await;
    let window = |schedule: &str, zone: &str| {
        json!({ "sync": { "windows": [
            { "kind": "Deny", "schedule": schedule, "duration": "1h", "timeZone": zone },
        ] } })
    };
    let refused = stage.try_create("three", window("0 0 *", "UTC")).await.unwrap_err().to_string();
    assert!(refused.contains("schedule has five fields"), "{refused}");
    stage.change("web", window("0 0 31 2 *", "UTC")).await;
    stage.stalls("web", "never begins").await;
    stage.change("web", window("61 * * * *", "UTC")).await;
    stage.stalls("web", "cannot be read").await;
    let second = stage.push_file("config.yaml", &config_map("config", "two")).await;
    stage.looked_at("web").await;
    assert_eq!(stage.value("config").await.as_deref(), Some("one"), "it is not taken for leave");
    stage.change("web", window("0 0 * * *", "Mars/Olympus")).await;
    stage.stalls("web", "Mars/Olympus").await;
    stage.change("web", json!({ "sync": { "windows": null } })).await;
    stage.synced("web", &second).await;
}
