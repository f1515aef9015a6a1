//! What the tests of this program share: one installation with one controller, and one Git server.

use std::sync::OnceLock;

use tiphys_tests::{Cluster, Controller, GitServer, Installation, Receiver};
use tokio::sync::OnceCell;

use super::controller::Endpoints;
use super::stage::Stage;

/// The Git server, with a repository for each test.
pub fn git() -> &'static GitServer {
    static GIT: OnceLock<GitServer> = OnceLock::new();
    GIT.get_or_init(GitServer::start)
}

/// Where the controller sends its traces.
pub fn collector() -> &'static Receiver {
    static COLLECTOR: OnceLock<Receiver> = OnceLock::new();
    COLLECTOR.get_or_init(Receiver::start)
}

/// The controller, under the account and the rights that are shipped.
pub async fn controller() -> &'static Controller {
    // A static is never dropped; the kernel ends the process together with this one.
    static CONTROLLER: OnceCell<Controller> = OnceCell::const_new();
    CONTROLLER
        .get_or_init(|| async {
            let cluster = Cluster::shared();
            let installation = Installation::apply(cluster).await;
            installation
                .controller(cluster)
                // All receivers of tests are on this machine, and all namespaces of tests are those of tenants.
                .arg("--notification-network=127.0.0.0/8")
                .arg(format!("--otlp-endpoint={}", collector().url("")))
                .env("OTEL_EXPORTER_OTLP_HEADERS", "api-key=canary-of-the-collector")
                .start()
                .await
        })
        .await
}

/// A stage on the shared cluster.
pub async fn stage(hint: &str) -> Stage<'static> {
    Stage::set(Cluster::shared(), Endpoints::of(controller().await), git(), hint).await
}
