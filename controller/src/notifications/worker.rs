//! Delivers for one Notification, one message after the other.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::Api;
use tiphys_api::{NotificationSpec, Transition};
use tiphys_notify::{Outcome, SecretValues, destination};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::delivery::{Attempt, deliver};
use super::mailbox::{Going, Mailbox};
use super::recall::recall;
use crate::context::Context;
use crate::outbound::Reach;
use crate::records::in_time;

/// Pauses after attempts that failed; after one more it is given up.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(45),
    Duration::from_mins(2),
];
/// What could not be delivered for so long is no news any more.
const STALE: SignedDuration = SignedDuration::from_hours(1);
/// The status is written at most this often.
const PERIOD: Duration = Duration::from_secs(3);
/// What only moves the beginning of the past is written this late.
const LAZY: Duration = Duration::from_secs(30);
/// A Secret that was read is believed so long.
const SECRET_LIFE: Duration = Duration::from_secs(30);
/// How long a delivery that is under way may take still when the process ends.
const PATIENCE: Duration = Duration::from_secs(2);
/// Pauses between looks for a Secret that cannot be used.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(2));

/// Delivers for one Notification.
pub struct Worker {
    ctx: Arc<Context>,
    mailbox: Arc<Mailbox>,
    stop: CancellationToken,
    reach: Reach,
    setup: Option<Setup>,
    going: Going,
    /// Attempts at the present delivery, and when the next one is due.
    attempts: usize,
    next_try: Instant,
    next_write: Instant,
}

/// What a delivery needs beside the message.
struct Setup {
    spec: Arc<NotificationSpec>,
    generation: i64,
    secret: Result<SecretValues, String>,
    /// Until when it is believed.
    until: Instant,
    /// Pause until the next look, if it cannot be used.
    pause: Duration,
}

impl Worker {
    /// Delivers what is in the mailbox until `stop`.
    pub fn new(ctx: Arc<Context>, mailbox: Arc<Mailbox>, stop: CancellationToken) -> Self {
        let reach = if mailbox.key.0 == ctx.settings.namespace {
            Reach::Anywhere
        } else {
            Reach::Tenant(ctx.settings.notification_networks.clone())
        };
        let now = Instant::now();
        Self {
            ctx,
            mailbox,
            stop,
            reach,
            setup: None,
            going: Going::Well,
            attempts: 0,
            next_try: now,
            next_write: now,
        }
    }

    /// Runs until told to stop, and writes what is to be known then.
    pub async fn run(mut self) {
        let stop = self.stop.clone();
        while !stop.is_cancelled() {
            self.prepare().await;
            let patience = async {
                stop.cancelled().await;
                tokio::time::sleep(PATIENCE).await;
            };
            tokio::select! {
                () = patience => break,
                () = self.step() => {}
            }
            let until = self.write_if_due().await;
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.mailbox.wake.notified() => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
        self.write(true).await;
    }

    /// Reads the Secret when that is due: the Notification changed, or something is to be delivered and what was read is
    /// old, or what was read cannot be used.
    async fn prepare(&mut self) {
        let (spec, generation) = self.mailbox.spec();
        let now = Instant::now();
        let before = self.setup.as_ref().filter(|it| it.generation == generation);
        let due = before.is_none_or(|it| {
            let deliverable = self.next_try <= now && self.mailbox.next().is_some();
            it.until <= now && (it.secret.is_err() || deliverable)
        });
        if !due {
            return;
        }
        let failed_before = before.filter(|it| it.secret.is_err());
        let pause = failed_before.map_or(LOOK_AGAIN.0, |it| (it.pause * 2).min(LOOK_AGAIN.1));
        if before.is_none() {
            // What failed before may have failed for what is changed now.
            (self.attempts, self.next_try, self.going) = (0, now, Going::Well);
        }
        let secret = self.read_secret(&spec).await;
        let until = Instant::now() + if secret.is_ok() { SECRET_LIFE } else { pause };
        self.setup = Some(Setup { spec, generation, secret, until, pause });
    }

    async fn read_secret(&self, spec: &NotificationSpec) -> Result<SecretValues, String> {
        let Some(destination) = destination(spec) else {
            return Err("it names no destination".to_owned());
        };
        let namespace = &self.mailbox.key.0;
        let secret = match destination.secret() {
            None => SecretValues::default(),
            Some(name) => {
                let secrets: Api<Secret> = Api::namespaced(self.ctx.client.clone(), namespace);
                match in_time(secrets.get_opt(name)).await {
                    Ok(Some(secret)) => {
                        let data = secret.data.unwrap_or_default();
                        SecretValues::new(name, data.into_iter().map(|(key, value)| (key, value.0)))?
                    }
                    Ok(None) => {
                        return Err(format!(
                            "Secret {name} does not exist in namespace {namespace}: create it"
                        ));
                    }
                    Err(error) => return Err(format!("Secret {name} cannot be read: {error}")),
                }
            }
        };
        destination.check(&secret)?;
        Ok(secret)
    }

    /// Makes one attempt at the next delivery, if it is time for it.
    async fn step(&mut self) {
        let next = self.mailbox.next();
        let problem = self.mailbox.problem();
        let problem = problem.or_else(|| self.setup.as_ref()?.secret.as_ref().err().cloned());
        if let Some(problem) = problem {
            self.going = Going::Stalled(problem);
        } else if matches!(self.going, Going::Stalled(_)) {
            self.going = Going::Well;
        }
        let Some((transition, message)) = next.filter(|_| self.next_try <= Instant::now()) else {
            return;
        };
        let age = Timestamp::now().duration_since(transition.at.0);
        let Some(Ok((spec, secret))) =
            self.setup.as_ref().map(|it| it.secret.as_ref().map(|secret| (Arc::clone(&it.spec), secret)))
        else {
            if age > STALE {
                self.settle(&transition, Attempt::Never("nothing could be delivered for an hour".to_owned()));
            }
            return;
        };
        let message = match message {
            Some(message) => Ok(message),
            None => recall(&self.ctx, &self.mailbox, &transition).await,
        };
        let attempt = match message {
            Ok(message) => deliver(&spec, secret, &self.reach, &message).await,
            Err(attempt) => attempt,
        };
        let attempt = match attempt {
            Attempt::Again(why, _) if self.attempts >= PAUSES.len() || age > STALE => Attempt::Never(why),
            other => other,
        };
        self.settle(&transition, attempt);
    }

    /// Notes what came of an attempt.
    fn settle(&mut self, transition: &Transition, attempt: Attempt) {
        let what =
            format!("{} ({}) of {}", transition.sync, transition.phase.as_str(), transition.application);
        let (outcome, result) = match attempt {
            Attempt::Again(why, pause) => {
                let usual = PAUSES.get(self.attempts).copied().unwrap_or_default();
                self.next_try = Instant::now() + pause.unwrap_or(usual).max(usual);
                self.attempts += 1;
                self.going = Going::Retrying(format!("{what} is not delivered yet: {why}; trying again"));
                self.count("retried");
                return;
            }
            Attempt::Delivered => {
                self.going = Going::Well;
                (Outcome::Delivered, "delivered")
            }
            Attempt::Never(why) => {
                tracing::warn!(
                    notification = self.mailbox.key.1,
                    namespace = self.mailbox.key.0,
                    sync = transition.sync,
                    why,
                    "a notification was given up"
                );
                self.going = Going::GivenUp(format!("{what} could not be delivered: {why}"));
                (Outcome::GivenUp, "failed")
            }
        };
        self.attempts = 0;
        self.next_try = Instant::now();
        self.mailbox.settle(transition, outcome);
        self.count(result);
    }

    fn count(&self, result: &'static str) {
        let (spec, _) = self.mailbox.spec();
        let kind = destination(&spec).map_or("none", |it| it.kind());
        self.ctx.metrics.notified(&self.mailbox.key, kind, result);
    }

    /// Writes the status if it changed and it is time for that. Says when to look again without being woken.
    async fn write_if_due(&mut self) -> Instant {
        let now = Instant::now();
        let lazy = self.next_write + LAZY;
        if self.next_write <= now {
            self.write(lazy <= now).await;
        }
        let now = Instant::now();
        let has_next = self.mailbox.next().is_some();
        let unwritten = self.mailbox.changed(&self.going, false).is_some();
        let usable = self.setup.as_ref().is_some_and(|it| it.secret.is_ok());
        let wishes = [
            (has_next && usable).then_some(self.next_try),
            (!usable).then(|| self.setup.as_ref().map_or(now, |it| it.until)),
            unwritten.then_some(self.next_write.max(now + Duration::from_millis(50))),
            self.mailbox.moved().then_some(self.next_write + LAZY),
        ];
        wishes.into_iter().flatten().min().unwrap_or(now + Duration::from_hours(1))
    }

    async fn write(&mut self, everything: bool) {
        let Some(status) = self.mailbox.changed(&self.going, everything) else {
            return;
        };
        let (namespace, name) = &self.mailbox.key;
        self.next_write = Instant::now() + PERIOD;
        match self.ctx.records.notification_status(namespace, name, &status).await {
            Ok(_) => self.mailbox.written(status),
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            Err(error) => {
                tracing::warn!(%error, notification = name, "the status of a notification could not be written");
            }
        }
    }
}
