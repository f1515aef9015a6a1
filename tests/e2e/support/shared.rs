//! What the tests of this program share: one installation with one controller, and one Git server.

use std::sync::OnceLock;

use tiphys_tests::{Cluster, Controller, GitServer, Installation};
use tokio::sync::OnceCell;

use super::controller::Endpoints;
use super::stage::Stage;

/// The Git server, with a repository for each test.
pub fn git() -> &'static GitServer {
    static GIT: OnceLock<GitServer> = OnceLock::new();
    GIT.get_or_init(GitServer::start)
}

/// The controller, under the account and the rights that are shipped.
pub async fn controller() -> &'static Controller {
    // A static is never dropped; the kernel ends the process together with this one.
    static CONTROLLER: OnceCell<Controller> = OnceCell::const_new();
    CONTROLLER
        .get_or_init(|| async {
            let cluster = Cluster::shared();
            Installation::apply(cluster).await.controller(cluster).start().await
        })
        .await
}

/// A stage on the shared cluster.
pub async fn stage(hint: &str) -> Stage<'static> {
    Stage::set(Cluster::shared(), Endpoints::of(controller().await), git(), hint).await
}
