//! The stage of one test.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use tiphys_api::{Application, Notification, NotificationStatus, Phase, Repository, Sync, SyncState};
use tiphys_tests::{Access, Auth, GitServer, TestNamespace, TestRepo, WEBHOOK_SECRET, Webhook, eventually};

use super::audit::secrets_stay_secret;
use super::controller::Endpoints;
use super::{LONG, is_ready, merge, message, phase, stalled, words};

/// A namespace with a Repository in it, and Applications that deploy into the same namespace unless a test says
/// otherwise. Everything in it is seen and written as admin.
pub struct Stage<'a> {
    /// The API server.
    pub access: &'a Access,
    /// The controller.
    pub endpoints: Endpoints,
    /// The namespace.
    pub namespace: TestNamespace<'a>,
    /// The server of the repository.
    pub git: &'a GitServer,
    /// The repository.
    pub repo: TestRepo,
    began: usize,
}

impl<'a> Stage<'a> {
    /// Sets a stage for the test of this name: lower-case letters and dashes, at most 30.
    pub async fn set(access: &'a Access, endpoints: Endpoints, git: &'a GitServer, hint: &str) -> Self {
        Self::set_with(access, endpoints, git, hint, Auth::Anonymous, json!({})).await
    }

    /// [`Self::set`] with a repository that asks for credentials and a Repository with this in its spec.
    pub async fn set_with(
        access: &'a Access,
        endpoints: Endpoints,
        git: &'a GitServer,
        hint: &str,
        auth: Auth,
        repository: Value,
    ) -> Self {
        let namespace = TestNamespace::create(access, hint).await;
        let repo = git.create_repo(&format!("{}/deploy", namespace.name()), auth);
        let stage = Self { access, began: endpoints.log().len(), endpoints, namespace, git, repo };
        stage.secret("webhook", &[("token", WEBHOOK_SECRET)]).await;
        let mut spec = json!({
            "url": stage.repo.url(),
            "insecure": true,
            "webhook": { "secretRef": { "name": "webhook" } },
        });
        merge(&mut spec, repository);
        let object = json!({
            "apiVersion": "tiphys.dev/v1alpha1", "kind": "Repository", "metadata": { "name": "deploy" }, "spec": spec,
        });
        let object: Repository = serde_json::from_value(object).expect("a Repository");
        stage
            .namespace
            .api::<Repository>()
            .create(&PostParams::default(), &object)
            .await
            .expect("it can be created");
        stage
    }

    /// The namespace's name.
    pub fn ns(&self) -> &str {
        self.namespace.name()
    }

    /// The admin's client.
    pub fn client(&self) -> Client {
        self.namespace.client()
    }

    /// The Applications of this namespace.
    pub fn applications(&self) -> Api<Application> {
        self.namespace.api()
    }

    /// The Syncs of this namespace.
    pub fn all_syncs(&self) -> Api<Sync> {
        self.namespace.api()
    }

    /// Creates a Secret, or replaces its values.
    pub async fn secret(&self, name: &str, values: &[(&str, &str)]) {
        let values: BTreeMap<_, _> = values.iter().copied().collect();
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "stringData": values,
        });
        let params = PatchParams::apply("test").force();
        self.namespace
            .api::<Secret>()
            .patch(name, &params, &Patch::Apply(&secret))
            .await
            .expect("it can be written");
    }

    /// The spec that an Application of a test has unless it says otherwise: everything below `app` on `main`, synced
    /// and healed by itself.
    pub fn spec(&self, patch: Value) -> Value {
        let mut spec = json!({
            "source": { "repo": self.repo.url(), "revision": "main", "path": "app" },
            "destination": { "namespace": self.ns() },
            "sync": { "auto": true, "selfHeal": true, "prune": true, "timeout": "60s" },
        });
        merge(&mut spec, patch);
        spec
    }

    /// Creates an Application with [`Self::spec`].
    pub async fn create(&self, name: &str, patch: Value) -> Application {
        self.try_create(name, patch).await.expect("the Application can be created")
    }

    /// [`Self::create`] that may be refused.
    pub async fn try_create(&self, name: &str, patch: Value) -> Result<Application, kube::Error> {
        self.create_in(self.ns(), name, patch).await
    }

    /// Creates an Application in another namespace.
    pub async fn create_in(&self, ns: &str, name: &str, patch: Value) -> Result<Application, kube::Error> {
        let object = json!({
            "apiVersion": "tiphys.dev/v1alpha1", "kind": "Application", "metadata": { "name": name },
            "spec": self.spec(patch),
        });
        let object: Application = serde_json::from_value(object).expect("an Application");
        Api::namespaced(self.client(), ns).create(&PostParams::default(), &object).await
    }

    /// Changes the spec of an Application.
    pub async fn change(&self, name: &str, patch: Value) -> Application {
        let patch = Patch::Merge(json!({ "spec": patch }));
        self.applications().patch(name, &PatchParams::default(), &patch).await.expect("it can be changed")
    }

    /// Creates a Notification in this namespace.
    pub async fn notification(&self, name: &str, spec: Value) {
        self.try_notification(self.ns(), name, spec).await.expect("it can be created");
    }

    /// Creates a Notification in a namespace, which may be refused.
    pub async fn try_notification(
        &self,
        ns: &str,
        name: &str,
        spec: Value,
    ) -> Result<Notification, kube::Error> {
        let object = json!({
            "apiVersion": "tiphys.dev/v1alpha1", "kind": "Notification", "metadata": { "name": name }, "spec": spec,
        });
        let object: Notification = serde_json::from_value(object).expect("a Notification");
        Api::namespaced(self.client(), ns).create(&PostParams::default(), &object).await
    }

    /// Waits until a Notification is as the test says.
    pub async fn wait_notification<T>(
        &self,
        name: &str,
        what: &str,
        check: impl Fn(&NotificationStatus) -> Option<T>,
    ) -> T {
        let notifications: Api<Notification> = self.namespace.api();
        eventually(&format!("Notification {name}: {what}"), LONG, || async {
            let notification = notifications.get(name).await.map_err(|error| error.to_string())?;
            let status = notification.status.unwrap_or_default();
            check(&status).ok_or_else(|| format!("{status:?}"))
        })
        .await
    }

    /// Commits files below `app/` to `main` (no content: the file is deleted) and tells the controller; gives the
    /// commit id.
    pub async fn push(&self, files: &[(&str, Option<&str>)]) -> String {
        let mut commit = self.repo.commit("main");
        for (path, content) in files {
            let path = format!("app/{path}");
            commit = match content {
                Some(content) => commit.write(&path, content),
                None => commit.delete(&path),
            };
        }
        let id = commit.finish();
        self.tell(&id).await;
        id
    }

    /// Commits one file below `app/` and tells the controller; gives the commit id.
    pub async fn push_file(&self, path: &str, content: &str) -> String {
        self.push(&[(path, Some(content))]).await
    }

    /// Sends the webhook of a push to `main`.
    pub async fn tell(&self, id: &str) {
        let webhook = Webhook::github(&self.endpoints.webhook, WEBHOOK_SECRET);
        let response = webhook.push(self.repo.url(), "main", &"1".repeat(40), id).await;
        let response = response.expect("the controller receives webhooks");
        assert_eq!(response.status, 202, "{}", response.body);
    }

    /// The Application as it is.
    pub async fn get(&self, name: &str) -> Application {
        self.applications().get(name).await.expect("the Application is there")
    }

    /// Waits until an Application is as the test says.
    pub async fn wait<T>(
        &self,
        name: &str,
        what: &str,
        within: Duration,
        check: impl Fn(&Application) -> Option<T>,
    ) -> T {
        let applications = self.applications();
        let waited = eventually(&format!("{name}: {what}"), within, || async {
            let application = applications.get(name).await.map_err(|error| error.to_string())?;
            check(&application).ok_or_else(|| words(&application))
        });
        waited.await
    }

    /// Waits until this commit is live, healthy and recorded.
    pub async fn synced(&self, name: &str, commit: &str) -> Application {
        self.wait(name, &format!("{commit} is live and Ready"), LONG, |application| {
            let status = application.status.as_ref()?;
            let live = status.revision.as_ref().is_some_and(|it| it.ends_with(commit));
            let synced = status.sync == Some(SyncState::Synced);
            (live && synced && is_ready(application)).then(|| application.clone())
        })
        .await
    }

    /// Waits until an Application is `Stalled` with these words in its message; gives the message.
    pub async fn stalls(&self, name: &str, wanted: &str) -> String {
        self.wait(name, &format!("it is stalled, saying {wanted:?}"), LONG, |application| {
            stalled(application).filter(|it| it.contains(wanted)).map(str::to_owned)
        })
        .await
    }

    /// Waits until the message of `Ready` holds these words; gives the message.
    pub async fn says(&self, name: &str, wanted: &str) -> String {
        self.wait(name, &format!("it says {wanted:?}"), LONG, |application| {
            let ready = super::condition(&application.status.as_ref()?.conditions, tiphys_api::READY)?;
            ready.message.contains(wanted).then(|| ready.message.clone())
        })
        .await
    }

    /// The Syncs of an Application in the order of their numbers.
    pub async fn syncs(&self, application: &str) -> Vec<Sync> {
        let params = kube::api::ListParams::default().fields(&format!("spec.application={application}"));
        let mut syncs = self.all_syncs().list(&params).await.expect("Syncs can be listed").items;
        syncs.sort_by_key(|it| (it.status.as_ref().and_then(|it| it.number), it.name_any()));
        syncs
    }

    /// The last Sync that ended.
    pub async fn last_sync(&self, application: &str) -> Sync {
        let syncs = self.syncs(application).await;
        syncs.into_iter().rfind(|it| phase(it).is_finished()).expect("a Sync has ended")
    }

    /// Asks for a Sync as a person does; gives its name.
    pub async fn request(&self, application: &str, name: &str, patch: Value) -> String {
        self.try_request(application, name, patch).await.expect("the Sync can be created").name_any()
    }

    /// [`Self::request`] that may be refused.
    pub async fn try_request(
        &self,
        application: &str,
        name: &str,
        patch: Value,
    ) -> Result<Sync, kube::Error> {
        let mut spec = json!({ "application": application });
        merge(&mut spec, patch);
        let object = json!({
            "apiVersion": "tiphys.dev/v1alpha1", "kind": "Sync", "metadata": { "name": name }, "spec": spec,
        });
        let object: Sync = serde_json::from_value(object).expect("a Sync");
        self.all_syncs().create(&PostParams::default(), &object).await
    }

    /// Waits until a Sync is as the test says.
    pub async fn wait_sync<T>(
        &self,
        name: &str,
        what: &str,
        within: Duration,
        check: impl Fn(&Sync) -> Option<T>,
    ) -> T {
        let syncs = self.all_syncs();
        let waited = eventually(&format!("{name}: {what}"), within, || async {
            let sync = syncs.get(name).await.map_err(|error| error.to_string())?;
            check(&sync).ok_or_else(|| format!("{:?}: {}", phase(&sync), message(&sync)))
        });
        waited.await
    }

    /// Waits for the end of a Sync, whatever it is.
    pub async fn ended(&self, name: &str) -> Sync {
        self.wait_sync(name, "it ends", LONG, |sync| phase(sync).is_finished().then(|| sync.clone())).await
    }

    /// Waits for the end of a Sync, which is a success.
    pub async fn succeeded(&self, name: &str) -> Sync {
        let sync = self.ended(name).await;
        assert_eq!(phase(&sync), Phase::Succeeded, "{name}: {}", message(&sync));
        sync
    }

    /// Waits for the end of a Sync, which is a failure with these words in its message.
    pub async fn failed(&self, name: &str, wanted: &str) -> Sync {
        let sync = self.ended(name).await;
        assert_eq!(phase(&sync), Phase::Failed, "{name}: {}", message(&sync));
        assert!(message(&sync).contains(wanted), "{name} says {:?}, not {wanted:?}", message(&sync));
        sync
    }

    /// The value of a ConfigMap of [`super::manifests::config_map`].
    pub async fn value(&self, config_map: &str) -> Option<String> {
        let object =
            self.namespace.api::<ConfigMap>().get_opt(config_map).await.expect("ConfigMaps can be read");
        object?.data?.remove("value")
    }

    /// Waits until a ConfigMap has this value.
    pub async fn has_value(&self, config_map: &str, value: &str) {
        self.has_value_within(config_map, value, LONG).await;
    }

    /// [`Self::has_value`] with a limit of one's own.
    pub async fn has_value_within(&self, config_map: &str, value: &str, within: Duration) {
        eventually(&format!("{config_map} has the value {value}"), within, || async {
            match self.value(config_map).await {
                Some(it) if it == value => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }

    /// Looks again and again, for as long as this, that something stays true.
    pub async fn stays<Check: Future<Output = Result<(), String>>>(
        &self,
        what: &str,
        period: Duration,
        check: impl Fn() -> Check,
    ) {
        let end = Instant::now() + period;
        while Instant::now() < end {
            if let Err(seen) = check().await {
                panic!("{what} did not stay so: {seen}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Makes sure that the controller has looked at an Application after now, source and all: it has answered a
    /// question, of which nothing is left.
    pub async fn looked_at(&self, name: &str) {
        let question = format!("look-{}", fastrand::u64(..));
        self.request(name, &question, json!({ "dryRun": true })).await;
        self.ended(&question).await;
        self.all_syncs().delete(&question, &DeleteParams::default()).await.expect("it can be deleted");
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        let log = self.endpoints.log();
        if !std::thread::panicking() {
            let config = self.access.config(&self.access.admin_identity());
            secrets_stay_secret(config, self.ns(), log.get(self.began..).unwrap_or_default());
            return;
        }
        let lines = log.get(self.began..).unwrap_or_default().lines();
        let ours: Vec<_> = lines.filter(|it| it.contains(self.ns()) || it.contains("panicked")).collect();
        eprintln!(
            "the controller about {}:\n{}",
            self.ns(),
            ours[ours.len().saturating_sub(40)..].join("\n")
        );
        let (_, syncs) = self.access.try_kubectl(
            &self.access.admin_identity(),
            ["get", "syncs,applications", "-n", self.ns(), "-o=wide"],
            "",
        );
        eprintln!("{syncs}");
    }
}
