//! A control plane of one test with Tiphys installed on it.

use std::ops::Deref;

use tiphys_tests::{ClusterOptions, Installation, OwnCluster};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::support::controller::Endpoints;
use crate::support::shared::git;
use crate::support::stage::Stage;

/// So many control planes at once are what a small machine carries: most of these tests wait most of their time.
static ROOM: Semaphore = Semaphore::const_new(4);

/// A control plane with Tiphys installed and no controller running.
pub struct Ground {
    /// What is installed.
    pub installation: Installation,
    cluster: OwnCluster,
    _room: SemaphorePermit<'static>,
}

impl Ground {
    /// Waits for room and starts one.
    pub async fn prepare() -> Self {
        let room = ROOM.acquire().await.expect("it is never closed");
        let cluster = tokio::task::spawn_blocking(|| OwnCluster::start(&ClusterOptions::default()));
        let cluster = cluster.await.expect("the cluster starts");
        Self { installation: Installation::apply(&cluster).await, cluster, _room: room }
    }

    /// A stage on it.
    pub async fn stage(&self, endpoints: Endpoints, hint: &str) -> Stage<'_> {
        Stage::set(&self.cluster, endpoints, git(), hint).await
    }
}

impl Deref for Ground {
    type Target = OwnCluster;

    fn deref(&self) -> &OwnCluster {
        &self.cluster
    }
}
