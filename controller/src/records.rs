//! Our own custom resources, written.
//!
//! A status is replaced as a whole, so a field that is no longer said is removed, and a late request of a replica that
//! lost its Lease changes nothing that the new one does not correct.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde_json::json;
use tiphys_api::{
    Application, ApplicationStatus, FINALIZER, Notification, NotificationStatus, Repository,
    RepositoryStatus, STATUS_FIELD_MANAGER, Sync, SyncSpec, SyncStatus,
};

/// Annotation with which a replica that does not hold all slots, or a person, asks the others for a look at a Repository.
pub const REFRESH_ANNOTATION: &str = "tiphys.dev/refresh-requested-at";

/// How long one write may take: a server that does not answer must not keep an Application from its next try.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Waits for the answer to a request, but not for ever.
pub async fn in_time<T>(request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, kube::Error> {
    let answered = tokio::time::timeout(TIMEOUT, request).await;
    answered.unwrap_or_else(|_| {
        let problem = format!("the API server did not answer within {} s", TIMEOUT.as_secs());
        Err(kube::Error::Service(problem.into()))
    })
}

/// Writes our own custom resources.
#[derive(Clone)]
pub struct Records {
    client: Client,
}

impl Records {
    /// Writes through `client`.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Creates the Sync `name` of `application`, owned by it. `None`: the name is taken.
    pub async fn create_sync(
        &self,
        application: &Application,
        name: &str,
        spec: SyncSpec,
    ) -> Result<Option<Sync>, kube::Error> {
        let mut sync = Sync::new(name, spec);
        sync.metadata = ObjectMeta {
            name: Some(name.to_owned()),
            namespace: application.namespace(),
            owner_references: Some(vec![owner_reference(application)]),
            ..ObjectMeta::default()
        };
        let params =
            PostParams { field_manager: Some(STATUS_FIELD_MANAGER.to_owned()), ..PostParams::default() };
        match in_time(self.api::<Sync>(application.namespace()).create(&params, &sync)).await {
            Ok(sync) => Ok(Some(sync)),
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes `application` the owner of a Sync that a person created, so that history goes with it.
    pub async fn adopt_sync(&self, application: &Application, name: &str) -> Result<Sync, kube::Error> {
        let patch = json!({ "metadata": { "ownerReferences": [owner_reference(application)] } });
        let params =
            PatchParams { field_manager: Some(STATUS_FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        in_time(self.api::<Sync>(application.namespace()).patch(name, &params, &Patch::Merge(&patch))).await
    }

    /// The status of a Sync as it was last written.
    pub async fn read_sync_status(&self, namespace: &str, name: &str) -> Result<SyncStatus, kube::Error> {
        let sync = in_time(self.api::<Sync>(Some(namespace.to_owned())).get(name)).await?;
        Ok(sync.status.unwrap_or_default())
    }

    /// Writes the status of a Sync.
    pub async fn sync_status(
        &self,
        namespace: &str,
        name: &str,
        status: &SyncStatus,
    ) -> Result<Sync, kube::Error> {
        self.status::<Sync, _>(namespace, name, status).await
    }

    /// Writes the status of an Application.
    pub async fn application_status(
        &self,
        namespace: &str,
        name: &str,
        status: &ApplicationStatus,
    ) -> Result<Application, kube::Error> {
        self.status::<Application, _>(namespace, name, status).await
    }

    /// Writes the status of a Repository.
    pub async fn repository_status(
        &self,
        namespace: &str,
        name: &str,
        status: &RepositoryStatus,
    ) -> Result<Repository, kube::Error> {
        self.status::<Repository, _>(namespace, name, status).await
    }

    /// Writes the status of a Notification.
    pub async fn notification_status(
        &self,
        namespace: &str,
        name: &str,
        status: &NotificationStatus,
    ) -> Result<Notification, kube::Error> {
        self.status::<Notification, _>(namespace, name, status).await
    }

    /// Deletes a Sync, and with it its snapshot.
    pub async fn delete_sync(&self, namespace: &str, name: &str) -> Result<(), kube::Error> {
        let deleted =
            in_time(self.api::<Sync>(Some(namespace.to_owned())).delete(name, &DeleteParams::background()))
                .await;
        match deleted {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Adds our finalizer to an Application.
    pub async fn add_finalizer(&self, application: &Application) -> Result<Application, kube::Error> {
        let finalizers: Vec<_> =
            application.finalizers().iter().cloned().chain([FINALIZER.to_owned()]).collect();
        self.finalizers(application, &finalizers).await
    }

    /// Removes our finalizer from an Application, which lets it go.
    pub async fn remove_finalizer(&self, application: &Application) -> Result<(), kube::Error> {
        let others: Vec<_> = application.finalizers().iter().filter(|it| *it != FINALIZER).cloned().collect();
        match self.finalizers(application, &others).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Asks the other replicas to look at a Repository.
    pub async fn request_refresh(&self, namespace: &str, name: &str, at: &str) -> Result<(), kube::Error> {
        let patch = json!({ "metadata": { "annotations": { REFRESH_ANNOTATION: at } } });
        let params =
            PatchParams { field_manager: Some(STATUS_FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let repositories = self.api::<Repository>(Some(namespace.to_owned()));
        in_time(repositories.patch(name, &params, &Patch::Merge(&patch))).await?;
        Ok(())
    }

    /// The list is replaced under a test of what it was, because others keep finalizers there too.
    async fn finalizers(
        &self,
        application: &Application,
        wanted: &[String],
    ) -> Result<Application, kube::Error> {
        let path = "/metadata/finalizers";
        let before = application.finalizers();
        let test = if before.is_empty() {
            json!({ "op": "test", "path": "/metadata/uid", "value": application.uid() })
        } else {
            json!({ "op": "test", "path": path, "value": before })
        };
        let operations = json!([test, { "op": "add", "path": path, "value": wanted }]);
        let operations = serde_json::from_value(operations).map_err(kube::Error::SerdeError)?;
        let params =
            PatchParams { field_manager: Some(STATUS_FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let applications = self.api::<Application>(application.namespace());
        in_time(applications.patch(&application.name_any(), &params, &Patch::Json::<()>(operations))).await
    }

    async fn status<K, S>(&self, namespace: &str, name: &str, status: &S) -> Result<K, kube::Error>
    where
        K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned,
        S: Serialize,
    {
        // A JSON patch, because a server-side apply of the same, which is read as YAML, costs the server a fifth more.
        let operations = json!([{ "op": "add", "path": "/status", "value": status }]);
        let operations = serde_json::from_value(operations).map_err(kube::Error::SerdeError)?;
        let params =
            PatchParams { field_manager: Some(STATUS_FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let api = self.api::<K>(Some(namespace.to_owned()));
        in_time(api.patch_status(name, &params, &Patch::Json::<()>(operations))).await
    }

    fn api<K>(&self, namespace: Option<String>) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &namespace.unwrap_or_default())
    }
}

fn owner_reference(application: &Application) -> OwnerReference {
    OwnerReference {
        api_version: Application::api_version(&()).into_owned(),
        kind: Application::kind(&()).into_owned(),
        name: application.name_any(),
        uid: application.uid().unwrap_or_default(),
        controller: Some(true),
        // The Application waits for nobody's history.
        block_owner_deletion: Some(false),
    }
}
