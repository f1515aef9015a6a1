//! An Application of somebody else, which goes on whatever happens to that of the test.

use std::time::Duration;

use serde_json::json;

use crate::support::manifests::config_map;
use crate::support::shared::stage;
use crate::support::stage::Stage;

/// Longer than a push takes on a busy machine, and shorter than anything that waits for somebody.
const SOON: Duration = Duration::from_secs(10);

/// An Application in a namespace of its own, with a repository of its own.
pub struct Bystander {
    stage: Stage<'static>,
}

impl Bystander {
    /// Brings it up.
    pub async fn start() -> Self {
        let stage = stage("bystander").await;
        let commit = stage.push_file("config.yaml", &config_map("config", "0")).await;
        stage.create("bystander", json!({})).await;
        stage.synced("bystander", &commit).await;
        Self { stage }
    }

    /// A commit of its own is live soon.
    pub async fn goes_on(&self) {
        let value = self.stage.repo.git(&["rev-list", "--count", "main"]);
        self.stage.push_file("config.yaml", &config_map("config", &value)).await;
        self.stage.has_value_within("config", &value, SOON).await;
    }
}
