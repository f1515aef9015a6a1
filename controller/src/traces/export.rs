//! Sends traces to a collector with OTLP over HTTP.

use std::sync::Arc;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use prost::Message as _;
use tiphys_notify::Hidden;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::spans::{SyncTrace, request};
use crate::metrics::Metrics;
use crate::outbound::{Outbound, Reach, send};

/// Most traces in one request.
const BATCH: usize = 64;
/// How long a trace waits for others.
const PERIOD: Duration = Duration::from_secs(1);
/// Pauses after requests that failed; after one more they are given up.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];
/// A collector that does not answer is told of this often.
const TOLD: Duration = Duration::from_mins(5);

/// Sends traces to one collector.
pub struct Exporter {
    /// The address for traces.
    pub url: Hidden,
    /// What every request carries.
    pub headers: Vec<(String, Hidden)>,
    /// Name of this process.
    pub identity: String,
    /// Metrics.
    pub metrics: Arc<Metrics>,
}

/// The headers in the notation of OpenTelemetry: `name=value,name=value`, percent-encoded.
pub fn headers(text: &str) -> Vec<(String, Hidden)> {
    let pairs = text.split(',').filter_map(|it| it.split_once('='));
    pairs
        .map(|(name, value)| {
            let value = percent_decode_str(value.trim()).decode_utf8_lossy().into_owned();
            (name.trim().to_owned(), Hidden::new(value))
        })
        .collect()
}

impl Exporter {
    /// Sends what comes until nobody can send any more.
    pub async fn run(self, mut receiver: mpsc::Receiver<SyncTrace>) {
        let mut told: Option<Instant> = None;
        let mut batch = Vec::new();
        while receiver.recv_many(&mut batch, BATCH).await > 0 {
            // Syncs of one commit end together: they go together.
            let deadline = Instant::now() + PERIOD;
            while batch.len() < BATCH {
                let more = receiver.recv_many(&mut batch, BATCH);
                match tokio::time::timeout_at(deadline, more).await {
                    Ok(count) if count > 0 => {}
                    _ => break,
                }
            }
            let sent = self.send(&batch).await;
            self.metrics.traced(if sent.is_ok() { "sent" } else { "failed" }, batch.len());
            if let Err(why) = sent
                && told.is_none_or(|it| it.elapsed() >= TOLD)
            {
                told = Some(Instant::now());
                tracing::warn!(why, "traces could not be sent to --otlp-endpoint");
            }
            batch.clear();
        }
    }

    async fn send(&self, batch: &[SyncTrace]) -> Result<(), String> {
        let body = request(&self.identity, batch).encode_to_vec();
        let mut attempt = 0;
        loop {
            let outbound = Outbound {
                method: "POST",
                url: &self.url,
                headers: &self.headers,
                content_type: "application/x-protobuf",
                body: body.clone(),
                authority: None,
            };
            let (why, transient) = match send(outbound, &Reach::Anywhere).await {
                Ok(answer) if matches!(answer.status, 200..=299) => return Ok(()),
                Ok(answer) => (
                    format!("the collector answered {}", answer.status),
                    matches!(answer.status, 408 | 429 | 502..=504),
                ),
                Err(error) => (format!("the collector: {error}"), error.is_transient()),
            };
            let Some(pause) = PAUSES.get(attempt).filter(|_| transient) else {
                return Err(why);
            };
            tokio::time::sleep(*pause).await;
            attempt += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_opentelemetry_writes_them() {
        for (text, expected) in [
            ("", vec![]),
            ("api-key=secret", vec![("api-key", "secret")]),
            (" a = b%20c , d=e=f ", vec![("a", "b c"), ("d", "e=f")]),
            ("nonsense", vec![]),
        ] {
            let headers = headers(text);
            let seen: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.reveal())).collect();
            assert_eq!(seen, expected, "{text}");
        }
    }
}
