//! What everything is measured on: a cluster without limits on requests, a Git server, Tiphys as it ships.

use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{Api, DeleteParams, ListParams, ObjectMeta, PostParams};
use kube::{Client, ResourceExt};
use tiphys_tests::{
    Access, Auth, ClusterOptions, ControllerBuilder, GitServer, Installation, OwnCluster, eventually,
};

use crate::fleet::Fleet;

/// Into how many namespaces the objects of a fleet are spread.
const NAMESPACES: usize = 10;

/// Where the controller logs to when it is told what to log.
const LOG: &str = "target/bench-controller.log";

/// How long namespaces may take to come and to go.
const LIMIT: std::time::Duration = std::time::Duration::from_mins(2);

/// A cluster, a Git server, and Tiphys installed.
pub struct Stage {
    cluster: OwnCluster,
    git: GitServer,
    installation: Installation,
    client: Client,
    log: Option<String>,
}

impl Stage {
    /// Starts the cluster and installs Tiphys. `log` is what the controller logs to [`LOG`].
    pub async fn raise(log: Option<&str>) -> Self {
        let options =
            ClusterOptions { qps: Some(1000), no_priority_and_fairness: true, ..ClusterOptions::default() };
        let cluster = OwnCluster::start(&options);
        let installation = Installation::apply(&cluster).await;
        let client = cluster.admin();
        Self { cluster, git: GitServer::start(), installation, client, log: log.map(str::to_owned) }
    }

    /// The cluster.
    pub fn cluster(&self) -> &OwnCluster {
        &self.cluster
    }

    /// A client of the admin.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// A client with the rights and the token of the controller.
    pub fn client_of_controller(&self) -> Client {
        self.cluster.client(self.installation.identity())
    }

    /// The controller, straight at the API server.
    pub fn controller(&self) -> ControllerBuilder {
        self.controller_at(&self.cluster)
    }

    /// The controller at this address.
    pub fn controller_at(&self, access: &Access) -> ControllerBuilder {
        let builder = self.installation.controller(access);
        match &self.log {
            Some(filter) => builder.log(filter).log_file(LOG),
            None => builder,
        }
    }

    /// A repository of its own with so many Applications, and namespaces for them. Nothing is created for the
    /// controller yet but the Repository.
    pub async fn fleet(&self, name: &str, size: usize) -> Fleet {
        let repo = self.git.create_repo(&format!("bench/{name}"), Auth::Anonymous);
        let namespaces = self.namespaces(name).await;
        Fleet::new(self, name, size, repo, namespaces)
    }

    /// Makes namespaces, and returns when pods can be created in them.
    pub async fn namespaces(&self, name: &str) -> Vec<String> {
        let namespaces: Api<Namespace> = Api::all(self.client());
        let names: Vec<String> = (0..NAMESPACES).map(|it| format!("{name}-{it}")).collect();
        for name in &names {
            let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
            let namespace = Namespace { metadata, ..Namespace::default() };
            namespaces.create(&PostParams::default(), &namespace).await.expect("a namespace can be created");
        }
        for name in &names {
            let accounts: Api<ServiceAccount> = Api::namespaced(self.client(), name);
            eventually("the namespace has its account", LIMIT, || accounts.get("default")).await;
        }
        names
    }

    /// Deletes namespaces with all that is in them, and returns when they are gone, so that this work disturbs
    /// nothing that is measured later.
    pub async fn remove_namespaces(&self, names: &[String]) {
        let namespaces: Api<Namespace> = Api::all(self.client());
        for name in names {
            namespaces.delete(name, &DeleteParams::background()).await.expect("a namespace can be deleted");
        }
        eventually("the namespaces are gone", LIMIT, || async {
            let left = namespaces.list(&ListParams::default()).await.map_err(|error| error.to_string())?;
            let left: Vec<String> =
                left.iter().map(ResourceExt::name_any).filter(|it| names.contains(it)).collect();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        })
        .await;
    }
}
