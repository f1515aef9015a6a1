//! What charts may know of a cluster.

use std::collections::BTreeSet;

use kube::Discovery;
use tiphys_render::Capabilities;

use crate::cluster::Cluster;
use crate::error::Error;

/// The version of a cluster, and the API versions and kinds that it serves.
pub async fn of(cluster: &Cluster) -> Result<Capabilities, Error> {
    let version = cluster.client.apiserver_version().await;
    let version = version.map_err(|error| Error::request("ask the API server for its version", error))?;
    let discovery = Discovery::new(cluster.client.clone()).run_aggregated().await;
    let discovery = discovery.map_err(|error| Error::request("ask the API server for its kinds", error))?;
    let mut api_versions = BTreeSet::new();
    for group in discovery.groups() {
        for version in group.versions() {
            for (resource, _) in group.versioned_resources(version) {
                api_versions.insert(format!("{}/{}", resource.api_version, resource.kind));
                api_versions.insert(resource.api_version);
            }
        }
    }
    Ok(Capabilities {
        kube_version: version.git_version,
        api_versions,
    })
}
