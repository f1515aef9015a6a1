//! What there is no way around: the same objects, written by a loop that does nothing else.

use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::Value;

use crate::fleet::{LIMIT, ROUND, objects};
use crate::stage::Stage;
use crate::watching::Watching;

/// How many requests are under way at once.
const CONCURRENCY: usize = 16;

/// What the loop does with each object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loop {
    /// A dry-run, and then the apply.
    ChecksAndApplies,
    /// Only the apply.
    Applies,
}

/// Writes the objects of so many Applications into these namespaces, and gives the time until all Deployments are
/// available.
pub async fn run(
    stage: &Stage,
    client: &Client,
    kind: Loop,
    name: &str,
    size: usize,
    namespaces: &[String],
) -> Duration {
    let deployments: Api<Deployment> = Api::all(stage.client());
    let mut watching = Watching::all(&deployments, &format!("bench.tiphys.dev/fleet={name}")).await;
    let began = Instant::now();
    let written = write_all(client, kind, name, size, namespaces, None);
    let available = watching.until_all("Deployments are available", size, LIMIT, is_available);
    let ((), ended) = futures::join!(written, available);
    ended.duration_since(began)
}

/// Writes them once more with another value of a label of every object, and gives the time that takes.
pub async fn update(
    client: &Client,
    kind: Loop,
    name: &str,
    size: usize,
    namespaces: &[String],
    round: &str,
) -> Duration {
    let began = Instant::now();
    write_all(client, kind, name, size, namespaces, Some(round)).await;
    began.elapsed()
}

async fn write_all(
    client: &Client,
    kind: Loop,
    name: &str,
    size: usize,
    namespaces: &[String],
    round: Option<&str>,
) {
    let all = (0..size).flat_map(|index| {
        let namespace = &namespaces[index % namespaces.len()];
        objects(name, index, "0").into_iter().map(move |object| (namespace, object))
    });
    stream::iter(all)
        .for_each_concurrent(CONCURRENCY, |(namespace, mut object)| async move {
            if let Some(round) = round {
                object["metadata"]["labels"][ROUND] = round.into();
            }
            write(client, kind, namespace, object).await;
        })
        .await;
}

async fn write(client: &Client, kind: Loop, namespace: &str, mut object: Value) {
    object["metadata"]["namespace"] = namespace.into();
    let text = |field: &str| object[field].as_str().expect("an object has it").to_owned();
    let (api_version, kind_name) = (text("apiVersion"), text("kind"));
    let name = object["metadata"]["name"].as_str().expect("an object has a name").to_owned();
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &kind_name));
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let apply = PatchParams::apply("bench").force();
    if kind == Loop::ChecksAndApplies {
        let question = PatchParams { dry_run: true, ..apply.clone() };
        api.patch(&name, &question, &Patch::Apply(&object)).await.expect("a dry-run succeeds");
    }
    api.patch(&name, &apply, &Patch::Apply(&object)).await.expect("an apply succeeds");
}

fn is_available(deployment: &Deployment) -> bool {
    let status = deployment.status.clone().unwrap_or_default();
    status.observed_generation == deployment.metadata.generation && status.available_replicas == Some(1)
}
