//! What a webhook that can be believed does: its repository is looked at now.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Semaphore;

use crate::context::Context;
use crate::records::Records;
use crate::repositories::{Entry, Repositories, RepositoryKey, read_key};
use crate::webhook::{Push, Receiver, Verdict};

/// Key of the shared secret in the Secret that `spec.webhook.secretRef` names.
const TOKEN_KEY: &str = "token";
/// A token that was read is believed so long, so that a flood of webhooks is no flood of requests.
const TOKEN_LIFE: Duration = Duration::from_secs(30);
/// Pauses after which a token that cannot be read is tried again. Few forges send a webhook twice, and all wait ten seconds.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_millis(600), Duration::from_millis(1200)];

/// Webhooks that wait for such a pause at the same time: a flood of them must not hold their bodies in memory.
const MOST_PATIENT: usize = 8;

/// Checks webhooks and has repositories looked at.
pub struct Deliveries {
    client: Client,
    repositories: Arc<Repositories>,
    tokens: Mutex<HashMap<RepositoryKey, (Instant, Vec<u8>)>>,
    patience: Semaphore,
    leader: Arc<Leader>,
}

/// Where others find the leader's context: there while this process leads.
#[derive(Default)]
pub struct Leader {
    context: RwLock<Option<Arc<Context>>>,
}

impl Leader {
    /// From now on this process leads.
    pub fn set(&self, context: Arc<Context>) {
        *self.context.write() = Some(context);
    }

    /// It does not lead any more.
    pub fn clear(&self) {
        *self.context.write() = None;
    }

    /// The context, if this process leads.
    pub fn get(&self) -> Option<Arc<Context>> {
        self.context.read().clone()
    }
}

impl Deliveries {
    /// Checks against the Secrets of `repositories`.
    pub fn new(client: Client, repositories: Arc<Repositories>, leader: Arc<Leader>) -> Self {
        let patience = Semaphore::new(MOST_PATIENT);
        Self { client, repositories, tokens: Mutex::default(), patience, leader }
    }

    async fn token(&self, key: &RepositoryKey, entry: &Entry) -> Option<Vec<u8>> {
        if let Some((read, token)) = self.tokens.lock().get(key)
            && read.elapsed() < TOKEN_LIFE
        {
            return Some(token.clone());
        }
        let secret = &entry.spec.webhook.as_ref()?.secret_ref.name;
        if let Some(token) = self.read_token(key, secret).await {
            return Some(token);
        }
        // What was true a moment ago is better than to lose a push while the API server is away.
        if let Some((_, token)) = self.tokens.lock().get(key) {
            return Some(token.clone());
        }
        let _patience = self.patience.try_acquire().ok()?;
        for pause in PAUSES {
            tokio::time::sleep(pause).await;
            if let Some(token) = self.read_token(key, secret).await {
                return Some(token);
            }
        }
        None
    }

    async fn read_token(&self, key: &RepositoryKey, secret: &str) -> Option<Vec<u8>> {
        match read_key(&self.client, &key.0, secret, TOKEN_KEY).await {
            Ok(token) => {
                let token = token.trim_ascii_end().to_vec();
                self.tokens.lock().insert(key.clone(), (Instant::now(), token.clone()));
                Some(token)
            }
            Err(problem) => {
                tracing::warn!(
                    repository = key.1,
                    namespace = key.0,
                    problem,
                    "the token of a webhook cannot be read"
                );
                None
            }
        }
    }

    /// Has the repository looked at: here when we lead, and by the other replicas that do, who see the annotation.
    async fn act(&self, key: &RepositoryKey, entry: &Entry) {
        let leader = self.leader.get();
        if let Some(ctx) = &leader {
            refresh(ctx, entry);
        }
        if leader.is_some_and(|ctx| ctx.slots.are_all_open()) {
            return;
        }
        let records = Records::new(self.client.clone());
        let now = Timestamp::now().to_string();
        // We have looked, and need not be told by the annotation.
        self.repositories.note_request(key, &now);
        if let Err(error) = records.request_refresh(&key.0, &key.1, &now).await {
            tracing::warn!(%error, repository = key.1, "a webhook could not be passed on to the other replicas");
        }
    }
}

/// Has a repository looked at now, if an Application reads it.
pub fn refresh(ctx: &Context, entry: &Entry) {
    if let Ok(remote) = &entry.remote {
        let remote = ctx.mirrors.key(remote);
        ctx.told_by_webhook(remote);
        ctx.mirrors.notify(remote);
    }
}

impl Receiver for Arc<Deliveries> {
    async fn receive(&self, push: Push, body: Bytes) -> Verdict {
        let candidates = self.repositories.by_address(&push.urls);
        let candidates: Vec<_> = candidates.into_iter().filter(|(_, it)| it.spec.webhook.is_some()).collect();
        if candidates.is_empty() {
            return Verdict::Unknown;
        }
        let mut verdict = None;
        for (key, entry) in candidates {
            let Some(token) = self.token(&key, &entry).await else {
                verdict.get_or_insert(Verdict::Unchecked);
                continue;
            };
            if push.proof.holds(&token, &body) {
                self.act(&key, &entry).await;
                verdict = Some(Verdict::Accepted);
            }
        }
        verdict.unwrap_or(Verdict::Forged)
    }
}
