//! The receiver: one route, a bounded body, an answer that tells strangers nothing.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;

use super::provider::{Proof, Push, parse};
use crate::metrics::Metrics;

/// Most bytes that a webhook may have: GitHub sends at most 25 MiB.
pub const MAX_BODY: usize = 25 * 1024 * 1024;

/// What became of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A repository is looked at now.
    Accepted,
    /// It concerns no repository that we know.
    Unknown,
    /// Nothing proves that it is true.
    Forged,
    /// The secret to check it with cannot be read now.
    Unchecked,
}

/// Whoever knows the repositories and their secrets.
pub trait Receiver: Send + std::marker::Sync + 'static {
    /// Checks `proof` of `body` against the repositories that `push` names, and has those that it fits looked at.
    fn receive(&self, push: Push, body: Bytes) -> impl Future<Output = Verdict> + Send;
}

struct Shared<R> {
    receiver: R,
    metrics: Arc<Metrics>,
}

/// The routes of the webhook server.
pub fn router<R: Receiver>(receiver: R, metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route("/webhook", post(receive::<R>))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(Arc::new(Shared { receiver, metrics }))
}

async fn receive<R: Receiver>(
    State(shared): State<Arc<Shared<R>>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, &'static str) {
    let push = match parse(&headers, &body) {
        Ok(push) => push,
        Err(error) => {
            shared.metrics.webhook("unknown", "unreadable");
            tracing::debug!(%error, "a webhook could not be read");
            return (StatusCode::BAD_REQUEST, "not a webhook that Tiphys knows\n");
        }
    };
    let provider = push.provider.as_str();
    if matches!(push.proof, Proof::Missing) && !push.urls.is_empty() {
        tracing::debug!(provider, "a webhook without signature or token");
    }
    let verdict = shared.receiver.receive(push, body).await;
    let (status, word, text) = match verdict {
        Verdict::Accepted => (StatusCode::ACCEPTED, "accepted", "accepted\n"),
        // The same answer as to a true one: a stranger learns nothing of what we watch.
        Verdict::Unknown => (StatusCode::ACCEPTED, "unknown", "accepted\n"),
        Verdict::Forged => (StatusCode::UNAUTHORIZED, "forged", "the signature or token is wrong\n"),
        // Forges deliver again what was not taken.
        Verdict::Unchecked => (StatusCode::SERVICE_UNAVAILABLE, "unchecked", "it cannot be checked now\n"),
    };
    shared.metrics.webhook(provider, word);
    (status, text)
}
