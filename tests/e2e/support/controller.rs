//! Where a running controller is reached, whichever process that is at the moment.

use std::path::PathBuf;

use tiphys_tests::{Controller, http_get};

/// The addresses and the log of a controller.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// Where webhooks are received.
    pub webhook: String,
    /// Where metrics are served.
    pub metrics: String,
    log: PathBuf,
}

impl Endpoints {
    /// Those of this controller.
    pub fn of(controller: &Controller) -> Self {
        Self {
            webhook: controller.webhook_url(),
            metrics: controller.metrics_url(),
            log: controller.log_path().to_owned(),
        }
    }

    /// Everything that it printed so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// All of its metrics as text.
    pub async fn metrics_text(&self) -> String {
        http_get(&self.metrics).await.expect("metrics are served").body
    }

    /// The sum of all samples whose line starts with this: a metric's name, with labels or without.
    pub async fn metric(&self, start: &str) -> f64 {
        let text = self.metrics_text().await;
        let lines = text.lines().filter(|it| !it.starts_with('#') && it.starts_with(start));
        lines.filter_map(|it| it.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }
}
