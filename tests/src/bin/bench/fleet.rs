//! Many Applications of one repository.

use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use kube::Client;
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::{Value, json};
use tiphys_api::{Application, ConditionStatus, Health, READY, SyncState};
use tiphys_tests::{Installation, TestRepo, repository_manifests};

use crate::stage::Stage;
use crate::watching::Watching;

/// How long a whole fleet may take for anything.
pub const LIMIT: Duration = Duration::from_mins(30);

/// A label that a commit changes on all objects.
pub const ROUND: &str = "bench.tiphys.dev/round";

/// How many requests are under way at once when all Applications are created.
const AT_ONCE: usize = 16;

/// Applications of four objects each: ConfigMap, ServiceAccount, Service, and a Deployment of one replica.
pub struct Fleet {
    name: String,
    repo: TestRepo,
    namespaces: Vec<String>,
    size: usize,
    client: Client,
}

impl Fleet {
    /// Fills the repository and makes it known.
    pub fn new(stage: &Stage, name: &str, size: usize, repo: TestRepo, namespaces: Vec<String>) -> Self {
        let mut commit = repo.commit("main").message("All applications");
        for index in 0..size {
            for object in objects(name, index, "0") {
                let kind = object["kind"].as_str().expect("an object has a kind").to_lowercase();
                commit = commit.write(&format!("{}/{kind}.json", folder(index)), pretty(&object));
            }
        }
        commit.finish();
        let repository = repository_manifests(Installation::NAMESPACE, name, repo.url());
        stage.cluster().kubectl_with_input(["apply", "--filename=-"], &repository);
        Self { name: name.to_owned(), repo, namespaces, size, client: stage.client() }
    }

    /// How many Applications there are.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The repository.
    pub fn repo(&self) -> &TestRepo {
        &self.repo
    }

    /// The namespaces of the objects.
    pub fn namespaces(&self) -> &[String] {
        &self.namespaces
    }

    /// The namespace of the objects of an Application.
    pub fn namespace(&self, index: usize) -> &str {
        &self.namespaces[index % self.namespaces.len()]
    }

    /// The name of an Application, and of each of its objects.
    pub fn application_name(&self, index: usize) -> String {
        name_of(&self.name, index)
    }

    /// All Applications.
    pub fn applications(&self) -> Api<Application> {
        Api::namespaced(self.client.clone(), Installation::NAMESPACE)
    }

    /// A client of the admin.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Creates all Applications at once, and gives the time until the last one was Ready.
    pub async fn bring_up(&self) -> Duration {
        let mut watching = Watching::all(&self.applications(), "").await;
        let began = Instant::now();
        let all = stream::iter(0..self.size).for_each_concurrent(AT_ONCE, |index| async move {
            let application = self.application(index);
            self.applications()
                .create(&PostParams::default(), &application)
                .await
                .expect("it can be created");
        });
        let prefix = format!("{}-", self.name);
        let ready = watching.until_all("Applications are Ready", self.size, LIMIT, |it: &Application| {
            is_ready(it) && it.metadata.name.as_ref().is_some_and(|it| it.starts_with(&prefix))
        });
        let ((), ended) = futures::join!(all, ready);
        ended.duration_since(began)
    }

    /// Deletes all Applications and leaves their objects, and returns when they are gone.
    pub async fn remove_applications(&self) {
        let applications = self.applications();
        stream::iter(0..self.size)
            .for_each_concurrent(AT_ONCE, |index| {
                let (applications, name) = (applications.clone(), self.application_name(index));
                async move {
                    applications.delete(&name, &DeleteParams::default()).await.expect("it can be deleted");
                    let gone = || async {
                        match applications.get_opt(&name).await {
                            Ok(None) => Ok(()),
                            Ok(Some(it)) => Err(format!("{name} is there: {:?}", it.status)),
                            Err(error) => Err(error.to_string()),
                        }
                    };
                    tiphys_tests::eventually("the Application is gone", LIMIT, gone).await;
                }
            })
            .await;
    }

    /// Commits another version of the ConfigMap of one Application, and gives the ids of the commits before and after.
    pub fn commit_version(&self, index: usize, version: &str) -> (String, String) {
        let before = self.repo.id("main");
        let configmap = objects(&self.name, index, version).swap_remove(0);
        let path = format!("{}/configmap.json", folder(index));
        let after = self.repo.commit("main").write(&path, pretty(&configmap)).message("Change one").finish();
        (before, after)
    }

    /// Commits another value of a label of every object, and gives the ids of the commits before and after.
    pub fn commit_all(&self, value: &str) -> (String, String) {
        let before = self.repo.id("main");
        let mut commit = self.repo.commit("main").message("Change all");
        for index in 0..self.size {
            for mut object in objects(&self.name, index, "0") {
                object["metadata"]["labels"][ROUND] = value.into();
                let kind = object["kind"].as_str().expect("an object has a kind").to_lowercase();
                commit = commit.write(&format!("{}/{kind}.json", folder(index)), pretty(&object));
            }
        }
        (before, commit.finish())
    }

    fn application(&self, index: usize) -> Application {
        let application = json!({
            "apiVersion": "tiphys.dev/v1alpha1", "kind": "Application",
            "metadata": { "name": self.application_name(index), "namespace": Installation::NAMESPACE },
            "spec": {
                "source": { "repo": self.name, "revision": "main", "path": folder(index) },
                "destination": { "namespace": self.namespace(index) },
                "sync": { "auto": true, "selfHeal": true, "prune": true },
            },
        });
        serde_json::from_value(application).expect("it is an Application")
    }
}

/// Whether an Application is what its source says, and works.
pub fn is_ready(application: &Application) -> bool {
    let Some(status) = &application.status else { return false };
    let ready = status.conditions.iter().find(|it| it.type_ == READY);
    ready.is_some_and(|it| it.status == ConditionStatus::True)
        && status.sync == Some(SyncState::Synced)
        && status.health == Some(Health::Healthy)
        && status.observed_generation == application.metadata.generation
}

/// The objects of one Application, without a namespace. The ConfigMap comes first and holds the version.
pub fn objects(fleet: &str, index: usize, version: &str) -> Vec<Value> {
    let name = name_of(fleet, index);
    let labels = json!({ "app.kubernetes.io/name": name, "bench.tiphys.dev/fleet": fleet });
    let metadata = json!({ "name": name, "labels": labels });
    let selector = json!({ "app.kubernetes.io/name": name });
    vec![
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata,
            "data": { "version": version, "greeting": "hello", "mode": "production" },
        }),
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata }),
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": metadata,
            "spec": { "selector": selector, "ports": [{ "name": "http", "port": 80, "targetPort": 8080 }] },
        }),
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
            "spec": {
                "replicas": 1,
                "selector": { "matchLabels": selector },
                "template": {
                    "metadata": { "labels": labels },
                    "spec": {
                        "serviceAccountName": name,
                        "containers": [{
                            "name": "web",
                            "image": "docker.io/nginxinc/nginx-unprivileged:1.29-alpine",
                            "ports": [{ "containerPort": 8080 }],
                            "envFrom": [{ "configMapRef": { "name": name } }],
                            "resources": { "requests": { "cpu": "10m", "memory": "16Mi" } },
                        }],
                    },
                },
            },
        }),
    ]
}

fn name_of(fleet: &str, index: usize) -> String {
    format!("{fleet}-{index:03}")
}

fn folder(index: usize) -> String {
    format!("apps/{index:03}")
}

fn pretty(object: &Value) -> String {
    serde_json::to_string_pretty(object).expect("it is JSON")
}
