//! Traces of Syncs for OpenTelemetry: one trace for each Sync, with a span for each of its steps.
//!
//! A trace is made when its Sync ends, from what was noted anyway; nothing is carried around meanwhile, and nothing is done
//! when nobody asked for traces. The id of a trace is the UID of its Sync without dashes, so the one is found from the
//! other. Traces wait in a bounded queue: what cannot be sent in time is dropped and counted, and holds nobody up.

mod export;
mod spans;

use std::sync::Arc;

use tiphys_notify::Hidden;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

pub use self::spans::SyncTrace;

use crate::metrics::Metrics;
use crate::{Error, RunArguments};

/// Most traces that wait to be sent.
const QUEUE: usize = 1000;

/// Where traces go to.
#[derive(Clone, Debug)]
pub struct Traces {
    sender: mpsc::Sender<SyncTrace>,
    metrics: Arc<Metrics>,
}

impl Traces {
    /// A Sync ended.
    pub fn send(&self, trace: SyncTrace) {
        if self.sender.try_send(trace).is_err() {
            self.metrics.traced("dropped", 1);
        }
    }
}

/// Starts to send traces, if the arguments say where to.
pub fn start(
    arguments: &RunArguments,
    metrics: &Arc<Metrics>,
    tasks: &mut JoinSet<()>,
) -> Result<Option<Traces>, Error> {
    let Some(endpoint) = arguments.otlp_endpoint.as_deref().filter(|it| !it.is_empty()) else {
        return Ok(None);
    };
    if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
        return Err(Error::Otlp("it must start with http:// or https://, such as http://collector:4318"));
    }
    let (sender, receiver) = mpsc::channel(QUEUE);
    let exporter = export::Exporter {
        url: Hidden::new(format!("{}/v1/traces", endpoint.trim_end_matches('/'))),
        headers: export::headers(arguments.otlp_headers.reveal()),
        identity: arguments.identity.clone(),
        metrics: Arc::clone(metrics),
    };
    tasks.spawn(exporter.run(receiver));
    Ok(Some(Traces { sender, metrics: Arc::clone(metrics) }))
}
