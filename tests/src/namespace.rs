//! A namespace for one test.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use kube::{Api, Client};

use crate::access::Access;
use crate::kit;

/// A namespace with a unique name. Dropping it deletes it; when the test is failing, what is in it is shown first.
///
/// The API server is asked to delete it and does so in its own time: nothing waits for finalizers.
pub struct TestNamespace<'a> {
    name: String,
    access: &'a Access,
    client: Client,
}

impl<'a> TestNamespace<'a> {
    /// Creates a namespace whose name starts with the hint, and returns when pods can be created in it.
    pub async fn create(access: &'a Access, hint: &str) -> Self {
        Self::create_labelled(access, hint, &[]).await
    }

    /// [`Self::create`] with labels on the namespace.
    pub async fn create_labelled(access: &'a Access, hint: &str, labels: &[(&str, &str)]) -> Self {
        let name = format!("{hint}-{}", kit::unique());
        let client = access.admin();
        let namespace = Namespace {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                labels: Some(
                    labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
                ),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        Api::<Namespace>::all(client.clone())
            .create(&PostParams::default(), &namespace)
            .await
            .unwrap_or_else(|error| panic!("create namespace {name}: {error}"));
        let created = Self { name, access, client };
        created.make_account().await;
        created
    }

    /// Makes the account that pods run as. The controller-manager makes it too, but not for up to a minute where the
    /// API server was killed again and again: one that has just started forbids everything for a moment, and the
    /// controller-manager's watches then pause ever longer.
    async fn make_account(&self) {
        let account = ServiceAccount {
            metadata: ObjectMeta { name: Some("default".to_owned()), ..ObjectMeta::default() },
            ..ServiceAccount::default()
        };
        match self.api::<ServiceAccount>().create(&PostParams::default(), &account).await {
            Ok(_) => {}
            // The controller-manager was faster.
            Err(kube::Error::Api(status)) if status.is_already_exists() => {}
            Err(error) => panic!("create the service account of namespace {}: {error}", self.name),
        }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The admin's client, of the runtime that created the namespace.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// An `Api` for objects in this namespace, as admin.
    pub fn api<Kind>(&self) -> Api<Kind>
    where
        Kind: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        Kind::DynamicType: Default,
    {
        Api::namespaced(self.client(), &self.name)
    }

    /// kubectl in this namespace: see [`Access::kubectl`].
    #[track_caller]
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.access.kubectl([&["--namespace", &self.name], arguments].concat())
    }

    /// `kubectl apply -f -` in this namespace.
    #[track_caller]
    pub fn apply(&self, manifests: &str) -> String {
        let arguments = ["--namespace", &self.name, "apply", "--filename=-"];
        self.access.kubectl_with_input(arguments, manifests)
    }

    fn show(&self) {
        for arguments in [
            ["get", "all,configmaps", "--output=wide"],
            ["get", "applications,syncs", "--output=wide"],
            ["get", "events", "--sort-by=.lastTimestamp"],
        ] {
            let in_namespace = [&arguments[..], &["--namespace", &self.name, "--ignore-not-found"]].concat();
            let (_, output) = self.access.try_kubectl(&self.access.admin_identity(), in_namespace, "");
            eprintln!("namespace {}, kubectl {}:\n{output}", self.name, arguments.join(" "));
        }
    }
}

impl Drop for TestNamespace<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.show();
        }
        let name = self.name.clone();
        let config = self.access.config(&self.access.admin_identity());
        // Best effort: a cluster that does not answer is about to be removed whole.
        let _ = kit::blocking(Duration::from_secs(2), async move {
            let client = Client::try_from(config).ok()?;
            Api::<Namespace>::all(client).delete(&name, &DeleteParams::background()).await.ok()
        });
    }
}
