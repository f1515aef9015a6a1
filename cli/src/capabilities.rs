//! What charts may know of a cluster.

use tiphys_engine::discovery::Kinds;
use tiphys_render::Capabilities;

use crate::cluster::Cluster;
use crate::error::Error;

/// The version of a cluster, and the API versions and kinds that it serves.
pub async fn of(cluster: &Cluster) -> Result<Capabilities, Error> {
    let kinds = Kinds::discover(cluster.client.clone())
        .await
        .map_err(|source| Error::Discovery { source: Box::new(source) })?;
    Ok(of_kinds(&kinds))
}

/// The same, of kinds that are known already.
pub fn of_kinds(kinds: &Kinds) -> Capabilities {
    let known = kinds.capabilities();
    Capabilities {
        kube_version: known.kube_version.clone(),
        api_versions: known.api_versions.iter().cloned().collect(),
    }
}
