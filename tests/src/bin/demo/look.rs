//! What the cluster itself says, asked past all the programs that the story shows.

use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt as _};
use tiphys_api::{Application, ConditionStatus, Health, Phase, READY, Sync, SyncState, Trigger};
use tiphys_tests::{Installation, within};

use crate::stage::TARGET;
use crate::story::APPLICATION;
use crate::teller::Failure;

/// Looks at the cluster.
pub struct Look {
    applications: Api<Application>,
    syncs: Api<Sync>,
    deployments: Api<Deployment>,
    secrets: Api<Secret>,
    patience: Duration,
}

/// A Sync as history must show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub number: u64,
    /// How it ended.
    pub phase: Phase,
    /// What made it start.
    pub trigger: Trigger,
}

impl Look {
    /// Waits as long as `patience` for whatever should come.
    pub fn new(client: &Client, patience: Duration) -> Self {
        Self {
            applications: Api::namespaced(client.clone(), Installation::NAMESPACE),
            syncs: Api::namespaced(client.clone(), Installation::NAMESPACE),
            deployments: Api::namespaced(client.clone(), TARGET),
            secrets: Api::namespaced(client.clone(), TARGET),
            patience,
        }
    }

    /// Waits until the Application is as it should be.
    pub async fn application(
        &self,
        what: &str,
        is_so: impl Fn(&Application) -> bool,
    ) -> Result<Application, Failure> {
        self.until(what, &self.applications, APPLICATION, is_so, |it| it.status.clone()).await
    }

    /// Waits until a commit is live and healthy.
    pub async fn healthy_at(&self, commit: &str) -> Result<(), Failure> {
        let is_so = |it: &Application| {
            let status = it.status.clone().unwrap_or_default();
            let ready = status.conditions.iter().find(|it| it.type_ == READY);
            status.revision.is_some_and(|it| it.ends_with(commit))
                && status.sync == Some(SyncState::Synced)
                && status.health == Some(Health::Healthy)
                && ready.is_some_and(|it| it.status == ConditionStatus::True)
        };
        self.application(&format!("the Application is Ready at {commit}"), is_so).await.map(drop)
    }

    /// Waits until the Deployment runs so many pods of this image, and only those.
    pub async fn rolled_out(&self, image: &str, replicas: i32) -> Result<(), Failure> {
        let is_so = |it: &Deployment| {
            let status = it.status.clone().unwrap_or_default();
            image_of(it) == image
                && it.spec.as_ref().and_then(|it| it.replicas) == Some(replicas)
                && status.observed_generation == it.metadata.generation
                && [status.replicas, status.updated_replicas, status.available_replicas]
                    .iter()
                    .all(|it| *it == Some(replicas))
        };
        let what = format!("the Deployment runs {replicas} pods of {image}");
        self.until(&what, &self.deployments, APPLICATION, is_so, shown).await.map(drop)
    }

    /// The Deployment as it is.
    pub async fn deployment(&self) -> Result<Deployment, Failure> {
        self.deployments.get(APPLICATION).await.map_err(|error| error.to_string())
    }

    /// Waits until the Sync of this number has been started.
    pub async fn started(&self, number: u64, trigger: Trigger) -> Result<(), Failure> {
        let name = format!("{APPLICATION}-{number}");
        let is_so = |it: &Sync| it.spec.initiated_by.trigger == trigger;
        let what = format!("Sync {number} was started by {}", trigger.as_str());
        self.until(&what, &self.syncs, &name, is_so, |it| it.spec.clone()).await.map(drop)
    }

    /// The value of a key of a Secret.
    pub async fn secret(&self, name: &str, key: &str) -> Result<String, Failure> {
        let secret = self.secrets.get(name).await.map_err(|error| error.to_string())?;
        let value = secret.data.as_ref().and_then(|it| it.get(key)).map(|it| it.0.clone());
        let value = value.ok_or_else(|| format!("Secret {name} has no key {key}"))?;
        String::from_utf8(value).map_err(|error| error.to_string())
    }

    /// All Syncs of the Application that were more than questions, in order.
    pub async fn history(&self) -> Result<Vec<Entry>, Failure> {
        let syncs = self.syncs.list(&ListParams::default()).await.map_err(|error| error.to_string())?;
        let mut entries: Vec<Entry> = syncs
            .into_iter()
            .filter(|it| !it.spec.dry_run && it.spec.application == APPLICATION)
            .map(|it| {
                let status = it.status.unwrap_or_default();
                let trigger = it.spec.initiated_by.trigger;
                Entry { number: status.number.unwrap_or_default(), phase: status.phase, trigger }
            })
            .collect();
        entries.sort_by_key(|it| it.number);
        Ok(entries)
    }

    async fn until<Kind, Shown: Debug>(
        &self,
        what: &str,
        api: &Api<Kind>,
        name: &str,
        is_so: impl Fn(&Kind) -> bool,
        shown: impl Fn(&Kind) -> Shown,
    ) -> Result<Kind, Failure>
    where
        Kind: Clone + Debug + serde::de::DeserializeOwned,
    {
        let looked = within(what, self.patience, || async {
            let object = api.get(name).await.map_err(|error| error.to_string())?;
            if is_so(&object) { Ok(object) } else { Err(format!("{:#?}", shown(&object))) }
        });
        looked.await.map_err(|error| error.to_string())
    }
}

/// The image of the only container.
pub fn image_of(deployment: &Deployment) -> String {
    let spec = deployment.spec.as_ref().and_then(|it| it.template.spec.as_ref());
    spec.and_then(|it| it.containers.first()?.image.clone()).unwrap_or_default()
}

fn shown(deployment: &Deployment) -> impl Debug + use<> {
    (deployment.name_any(), image_of(deployment), deployment.status.clone())
}
