//! The connection to a cluster, with the kubeconfig and the rights that kubectl has.

use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{DynamicObject, ListParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::ApiResource;
use kube::{Api, Client, Config};
use serde::de::DeserializeOwned;
use tiphys_api::{Application, Sync};

use crate::arguments::GlobalArguments;
use crate::error::Error;
use crate::failure::{Class, Failure};

/// How long the API server may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A cluster, a user and a namespace.
#[derive(Clone)]
pub struct Cluster {
    /// Talks to the API server.
    pub client: Client,
    /// The namespace that `-n` or the context names.
    pub namespace: String,
    /// URL of the API server.
    pub server: String,
}

/// Which namespaces a command looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The one of the connection.
    Namespace,
    /// All of them.
    AllNamespaces,
}

impl Cluster {
    /// Connects as the command line and the kubeconfig say. Makes no request.
    pub async fn connect(arguments: &GlobalArguments) -> Result<Self, Error> {
        let mut config = configuration(arguments).await?;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        if let Some(user) = &arguments.impersonate {
            config.auth_info.impersonate = Some(user.clone());
        }
        if !arguments.impersonate_groups.is_empty() {
            config.auth_info.impersonate_groups = Some(arguments.impersonate_groups.clone());
        }
        let namespace = arguments.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        let client = Client::try_from(config)
            .map_err(|error| Error::Client { server: server.clone(), source: Failure::from(error) })?;
        Ok(Self { client, namespace, server })
    }

    /// The Applications of the namespace.
    pub fn applications(&self) -> Api<Application> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The Syncs of the namespace.
    pub fn syncs(&self) -> Api<Sync> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// One Application.
    pub async fn application(&self, name: &str) -> Result<Application, Error> {
        let found = self.applications().get(name).await;
        found.map_err(|error| self.about_application(name, "read", error))
    }

    /// One object, with every field that the API server sent.
    pub async fn raw<K>(&self, name: &str) -> Result<DynamicObject, Error>
    where
        K: kube::Resource<DynamicType = ()>,
    {
        let resource = ApiResource::erase::<K>(&());
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &self.namespace, &resource);
        api.get(name).await.map_err(|error| self.about_application(name, "read", error))
    }

    /// All Applications that match a label selector.
    pub async fn list_applications(
        &self,
        scope: Scope,
        selector: Option<&str>,
    ) -> Result<Vec<Application>, Error> {
        let api = match scope {
            Scope::Namespace => self.applications(),
            Scope::AllNamespaces => Api::all(self.client.clone()),
        };
        list(api, selector).await
    }

    /// All Applications that match a label selector, with every field that the API server sent.
    pub async fn list_raw_applications(
        &self,
        scope: Scope,
        selector: Option<&str>,
    ) -> Result<Vec<DynamicObject>, Error> {
        let resource = ApiResource::erase::<Application>(&());
        let api = match scope {
            Scope::Namespace => Api::namespaced_with(self.client.clone(), &self.namespace, &resource),
            Scope::AllNamespaces => Api::all_with(self.client.clone(), &resource),
        };
        list(api, selector).await
    }

    /// The Syncs of one Application, in no particular order.
    pub async fn syncs_of(&self, application: &str) -> Result<Vec<Sync>, Error> {
        let parameters = ListParams::default().fields(&format!("spec.application={application}"));
        let list = self.syncs().list(&parameters).await;
        list.map(|it| it.items)
            .map_err(|error| Error::request(format!("list the Syncs of `{application}`"), error))
    }

    /// The name under which the API server knows us; `None` where it does not say.
    pub async fn user(&self) -> Result<Option<String>, Error> {
        let api: Api<SelfSubjectReview> = Api::all(self.client.clone());
        match api.create(&PostParams::default(), &SelfSubjectReview::default()).await {
            Ok(review) => Ok(review.status.and_then(|it| it.user_info).and_then(|it| it.username)),
            Err(error) => {
                let failure = Failure::from(error);
                match failure.class() {
                    // Who may not ask for his own name leaves it to the admission policy.
                    Some(Class::Forbidden | Class::NotServed | Class::NotFound) => Ok(None),
                    _ => Err(Error::request("ask the API server who we are", failure)),
                }
            }
        }
    }

    /// The error of a request about an Application.
    pub fn about_application(&self, name: &str, verb: &str, error: kube::Error) -> Error {
        let failure = Failure::from(error);
        if failure.class() == Some(Class::NotFound) {
            return Error::NoApplication { name: name.to_owned(), namespace: self.namespace.clone() };
        }
        Error::request(format!("{verb} Application `{name}`"), failure)
    }
}

async fn list<K>(api: Api<K>, selector: Option<&str>) -> Result<Vec<K>, Error>
where
    K: Clone + std::fmt::Debug + DeserializeOwned,
{
    let mut parameters = ListParams::default();
    if let Some(selector) = selector {
        parameters = parameters.labels(selector);
    }
    let found = api.list(&parameters).await;
    found.map(|it| it.items).map_err(|error| Error::request("list Applications", error))
}

async fn configuration(arguments: &GlobalArguments) -> Result<Config, Error> {
    let options = KubeConfigOptions { context: arguments.context.clone(), ..KubeConfigOptions::default() };
    let kubeconfig = match &arguments.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    match kubeconfig {
        Ok(kubeconfig) => {
            let own_proxy = names_proxy(&kubeconfig, arguments.context.as_deref());
            let mut config =
                Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(Error::Kubeconfig)?;
            if own_proxy == OwnProxy::No && !environment_proxies(&config) {
                config.proxy_url = None;
            }
            Ok(config)
        }
        // As kubectl does: without a kubeconfig, the pod that this may run in.
        Err(error) if arguments.kubeconfig.is_none() && arguments.context.is_none() && is_absent(&error) => {
            Config::incluster().map_err(Error::NoCluster)
        }
        Err(error) => Err(Error::Kubeconfig(error)),
    }
}

fn is_absent(error: &kube::config::KubeconfigError) -> bool {
    use kube::config::KubeconfigError;
    match error {
        KubeconfigError::FindPath => true,
        KubeconfigError::ReadConfig(source, _) => source.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OwnProxy {
    Yes,
    No,
}

fn names_proxy(kubeconfig: &Kubeconfig, context: Option<&str>) -> OwnProxy {
    let context = context.or(kubeconfig.current_context.as_deref());
    let cluster = kubeconfig
        .contexts
        .iter()
        .find(|it| Some(it.name.as_str()) == context)
        .and_then(|it| it.context.as_ref());
    let proxy = kubeconfig
        .clusters
        .iter()
        .find(|it| cluster.is_some_and(|cluster| cluster.cluster == it.name))
        .and_then(|it| it.cluster.as_ref()?.proxy_url.as_ref());
    match proxy {
        Some(it) if !it.is_empty() => OwnProxy::Yes,
        _ => OwnProxy::No,
    }
}

/// Whether HTTPS_PROXY and NO_PROXY send requests to this server through a proxy.
///
/// kube-client 5.0 compares NO_PROXY with the proxy's own address instead of the server's, so it cannot be left to it.
/// As in kubectl, this very machine is never asked for through a proxy.
fn environment_proxies(config: &Config) -> bool {
    let host = config.cluster_url.host().unwrap_or_default().trim_matches(['[', ']']);
    let local = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|it| it.is_loopback());
    !local && Matcher::from_env().intercept(&config.cluster_url).is_some()
}
