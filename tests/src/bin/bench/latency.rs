//! From an event to its effect.

use std::time::Instant;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use tiphys_tests::Controller;

use crate::fleet::{Fleet, LIMIT, is_ready};
use crate::table::{Goal, Table, Times};
use crate::watching::Watching;
use crate::{Plan, progress};

/// The Application of a run: each time another one, far from the one before.
fn chosen(fleet: &Fleet, run: usize) -> usize {
    run * 37 % fleet.size()
}

fn version(configmap: &ConfigMap) -> Option<&str> {
    configmap.data.as_ref()?.get("version").map(String::as_str)
}

/// A commit changes one Application, and the forge tells of it.
pub async fn push(fleet: &Fleet, controller: &Controller, plan: &Plan, table: &mut Table) {
    progress("push to live");
    let webhook = controller.webhook();
    let (mut live, mut ready) = (Times::default(), Times::default());
    for run in 0..plan.runs {
        let index = chosen(fleet, run);
        let name = fleet.application_name(index);
        let wanted = format!("push-{run}");
        let (before, after) = fleet.commit_version(index, &wanted);
        let configmaps: Api<ConfigMap> = Api::namespaced(fleet.client(), fleet.namespace(index));
        let mut configmap = Watching::one(&configmaps, &name).await;
        let mut application = Watching::one(&fleet.applications(), &name).await;
        let began = Instant::now();
        let told = async {
            let answer =
                webhook.push(fleet.repo().url(), "main", &before, &after).await.expect("it is received");
            assert_eq!(answer.status, 202, "{}", answer.body);
        };
        let changed = configmap.until("the pushed version is live", LIMIT, |it| version(it) == Some(&wanted));
        let done = application.until("the pushed version is recorded", LIMIT, |it| {
            let revision = it.status.as_ref().and_then(|it| it.revision.clone());
            is_ready(it) && revision.is_some_and(|it| it.ends_with(&after))
        });
        let ((), changed, done) = futures::join!(told, changed, done);
        live.add(changed.duration_since(began));
        ready.add(done.duration_since(began));
    }
    let what = format!("push (webhook) to live, one of {} Applications of one repository", fleet.size());
    table.latency(&what, &live, Goal::within(0.3, 0.5));
    table.latency("the same until the Application says that it is live and healthy", &ready, Goal::None);
}

/// Somebody edits a live object of an Application that heals.
pub async fn edit(fleet: &Fleet, plan: &Plan, table: &mut Table) {
    progress("foreign edit to corrected");
    let mut corrected = Times::default();
    for run in 0..plan.runs {
        let index = chosen(fleet, run);
        let name = fleet.application_name(index);
        let configmaps: Api<ConfigMap> = Api::namespaced(fleet.client(), fleet.namespace(index));
        let right = configmaps.get(&name).await.expect("it is there");
        let right = version(&right).expect("it has a version").to_owned();
        let mut configmap = Watching::one(&configmaps, &name).await;
        let mut application = Watching::one(&fleet.applications(), &name).await;
        let wrong = format!("edit-{run}");
        let patch = Patch::Merge(json!({ "data": { "version": wrong } }));
        let began = Instant::now();
        configmaps.patch(&name, &PatchParams::default(), &patch).await.expect("it can be edited");
        configmap.until("the edit is live", LIMIT, |it| version(it) == Some(&wrong)).await;
        let back = configmap.until("the edit is corrected", LIMIT, |it| version(it) == Some(&right)).await;
        corrected.add(back.duration_since(began));
        // The next edit must not meet the recording of this one.
        application.until("the Application is Ready again", LIMIT, is_ready).await;
    }
    table.latency("foreign edit to corrected", &corrected, Goal::within(0.1, 0.2));
}
