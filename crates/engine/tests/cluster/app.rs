//! One Application without a controller: what a Sync does, step by step.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tiphys_api::{Action, ObjectResult, Outcome};
use tiphys_engine::apply::{ApplyOptions, ApplyReport, Deletions, apply};
use tiphys_engine::check::{CheckOptions, check};
use tiphys_engine::delete::{Deletion, DeletionWishes, delete_all};
use tiphys_engine::plan::{Draft, DraftInput, Plan, Policy, Prune};
use tiphys_engine::tracking::{InstallationId, Owner};
use tiphys_engine::{Cluster, Inventory};
use tiphys_manifest::{Manifest, ObjectId, Origin};

use crate::support::soon;

pub struct App {
    pub cluster: Cluster,
    pub owner: Owner,
    pub inventory: Inventory,
    pub policy: Policy,
    /// What only has to exist.
    pub ensure: Vec<Value>,
    /// Seconds that a check or a run may take.
    pub patience: u64,
}

impl App {
    pub fn new(cluster: &Cluster, ns: &str, name: &str) -> Self {
        Self {
            cluster: cluster.clone(),
            owner: Owner {
                installation: InstallationId("test".to_owned()),
                namespace: ns.to_owned(),
                name: name.to_owned(),
            },
            inventory: Inventory::default(),
            policy: Policy { prune: Prune::Enabled, ..Policy::default() },
            ensure: Vec::new(),
            patience: 60,
        }
    }

    /// Watches what is needed, drafts, asks, and makes the plan.
    pub async fn plan(&self, objects: &[Value]) -> (Draft, Plan) {
        let manifests = manifests(objects);
        let kinds: Vec<_> = manifests.iter().map(|manifest| manifest.gvk().clone()).collect();
        let before = self.inventory.kinds();
        self.cluster.watch(kinds.iter().chain(&before), soon(20)).await.unwrap();
        let draft = Draft::new(DraftInput {
            owner: &self.owner,
            live: &self.cluster.view(&manifests),
            manifests,
            ensure: crate::app::manifests(&self.ensure),
            ignore: &[],
            inventory: &self.inventory,
            policy: self.policy.clone(),
        });
        let options =
            CheckOptions { concurrency: 8, deadline: soon(self.patience), stand_in: "default".to_owned() };
        let answers: BTreeMap<_, _> = check(&self.cluster, &draft, &options).await;
        let plan = draft.finish(&answers);
        (draft, plan)
    }

    /// Runs a plan and keeps its inventory.
    pub async fn run(&mut self, draft: &Draft, plan: &Plan) -> ApplyReport {
        let report =
            apply(&self.cluster, plan, draft.manifests(), &self.inventory, &self.options(), &|_| {}).await;
        self.inventory = report.inventory.clone();
        report
    }

    /// A whole Sync, which must succeed; gives its plan.
    #[track_caller]
    pub fn sync<'a>(&'a mut self, objects: &'a [Value]) -> impl Future<Output = Plan> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let (draft, plan) = self.plan(objects).await;
            assert_eq!(plan.refusals, [], "{caller}");
            let report = self.run(&draft, &plan).await;
            assert!(report.succeeded(), "{caller}: {}", results(&report.results));
            plan
        }
    }

    pub async fn delete_all(&self, patience: u64) -> Deletion {
        let options = ApplyOptions { deadline: soon(patience), ..self.options() };
        let wishes = DeletionWishes::default();
        delete_all(&self.cluster, &self.owner, &self.inventory, &wishes, &options, &|_| {}).await.unwrap()
    }

    fn options(&self) -> ApplyOptions {
        ApplyOptions { concurrency: 8, deadline: soon(self.patience), deletions: Deletions::InOrder }
    }
}

/// The objects as manifests of the file `test.yaml`, each on a line of its own.
pub fn manifests(objects: &[Value]) -> Vec<Manifest> {
    let lines = objects.iter().zip(1..);
    lines
        .map(|(object, line)| Manifest::from_value(object.clone(), Origin::new("test.yaml", line)).unwrap())
        .collect()
}

/// The steps of a plan in a line: `Create ConfigMap a, Prune Service b`.
pub fn steps(plan: &Plan) -> String {
    let steps = plan.steps.iter().map(|step| step_text(step.action, &step.id));
    steps.collect::<Vec<_>>().join(", ")
}

fn step_text(action: Action, id: &ObjectId) -> String {
    format!("{action:?} {} {}", id.kind, id.name)
}

/// What became of each object, in a line.
pub fn results(results: &[ObjectResult]) -> String {
    let results = results.iter().map(|result| {
        let message = result.message.as_deref().unwrap_or_default();
        let outcome = match result.outcome {
            Outcome::Applied => "applied".to_owned(),
            other => format!("{other:?} ({message})"),
        };
        format!("{:?} {} {}: {outcome}", result.action, result.kind, result.name)
    });
    results.collect::<Vec<_>>().join(", ")
}

pub fn data(ns: &str, name: &str, value: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": ns}, "data": {"key": value},
    })
}

pub fn service(ns: &str, name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": ns},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80}]},
    })
}

pub fn deployment(ns: &str, name: &str, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": ns},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": image}]},
            },
        },
    })
}
