//! One writer at a time, by a Lease.
//!
//! # Guarantees
//! - The holder stops writing [`Timing::give_up`] after its last successful renewal, which is before
//!   [`Timing::duration`] is over, so a successor never writes beside it.
//! - A follower judges by its own clock how long the Lease was left unchanged; clocks need not agree.
//! - A holder that ends in good order gives the Lease back, and a follower takes it within [`Timing::retry`].
//!
//! # Caveats
//! A Lease does not fence. [`Fence`] lets no write begin after [`Timing::give_up`], but a request of the old holder that
//! is still under way may arrive late. What protects then is server-side apply by one field manager and the resource
//! version of the Lease itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::fence::Fence;

/// The periods of an election.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How long a Lease that nobody renews keeps others out.
    pub duration: Duration,
    /// How often the holder renews.
    pub renew: Duration,
    /// How long after its last renewal the holder stops.
    pub give_up: Duration,
    /// How often a follower looks.
    pub retry: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(15),
            renew: Duration::from_secs(3),
            give_up: Duration::from_secs(12),
            retry: Duration::from_secs(2),
        }
    }
}

/// Who stands for election, and for what.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Name of the Lease.
    pub lease: String,
    /// Its namespace.
    pub namespace: String,
    /// Who we are; unique to this process.
    pub identity: String,
    /// The periods.
    pub timing: Timing,
}

/// What to do about a Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Nobody holds it: take it.
    Acquire,
    /// We hold it: say so again.
    Renew,
    /// Somebody else holds it.
    Wait,
}

fn decide(spec: Option<&LeaseSpec>, identity: &str, unchanged_for: Duration, duration: Duration) -> Step {
    match spec.and_then(|it| it.holder_identity.as_deref()) {
        None | Some("") => Step::Acquire,
        Some(holder) if holder == identity => Step::Renew,
        Some(_) if unchanged_for >= duration => Step::Acquire,
        Some(_) => Step::Wait,
    }
}

/// Stands for election until `stop`. The receiver says whether we hold the Lease; the task ends when the Lease was
/// held and lost, or after `stop`, having given it back. Each renewal opens the `fence` for as long as we may write.
pub fn stand(
    client: Client,
    candidate: Candidate,
    fence: Arc<Fence>,
    stop: CancellationToken,
) -> (watch::Receiver<bool>, tokio::task::JoinHandle<()>) {
    let (leads, receiver) = watch::channel(false);
    let api = Api::namespaced(client, &candidate.namespace);
    let term = Term { api, candidate, fence, seen: None, written: None, renewed: None };
    (receiver, tokio::spawn(term.run(leads, stop)))
}

struct Term {
    api: Api<Lease>,
    candidate: Candidate,
    fence: Arc<Fence>,
    /// The last version that was seen of somebody else's Lease, and when it was first seen.
    seen: Option<(String, Instant)>,
    /// The Lease as we wrote it last. A renewal writes over it without reading: whoever wrote meanwhile makes a conflict.
    written: Option<Lease>,
    /// When we last renewed.
    renewed: Option<Instant>,
}

impl Term {
    async fn run(mut self, leads: watch::Sender<bool>, stop: CancellationToken) {
        loop {
            let timing = self.candidate.timing;
            let left = self.renewed.map(|at| timing.give_up.saturating_sub(at.elapsed()));
            let attempt = tokio::time::timeout(left.unwrap_or(timing.give_up), self.attempt());
            let holds = tokio::select! {
                () = stop.cancelled() => break,
                holds = attempt => holds,
            };
            let renewed = matches!(holds, Ok(Ok(true)));
            match holds {
                Ok(Ok(true)) => {
                    leads.send_replace(true);
                }
                Ok(Ok(false)) if self.renewed.is_some() => {
                    tracing::error!(lease = %self.candidate.lease, "the lease was taken over by another replica");
                    break;
                }
                Ok(Ok(false)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the lease could not be read or written"),
                Err(_) => tracing::warn!("the lease could not be read or written in time"),
            }
            if self.renewed.is_some_and(|at| at.elapsed() >= timing.give_up) {
                tracing::error!(lease = %self.candidate.lease, "the lease could not be renewed in time");
                break;
            }
            let pause = if renewed { timing.renew } else { timing.retry };
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        leads.send_replace(false);
        // Those who write watch `leads`; the Lease is given back only after they were told.
        leads.closed().await;
        if self.renewed.is_some_and(|at| at.elapsed() < self.candidate.timing.duration) {
            // A server that does not answer must not keep a process that has to end.
            match tokio::time::timeout(self.candidate.timing.retry, self.give_back()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the lease could not be given back; it will expire"),
                Err(_) => tracing::warn!("the lease could not be given back in time; it will expire"),
            }
        }
    }

    /// One try to take or renew the Lease; whether we hold it afterwards.
    async fn attempt(&mut self) -> Result<bool, kube::Error> {
        if let Some(lease) = self.written.take()
            && self.write(Some((&lease, Step::Renew))).await?
        {
            return Ok(true);
        }
        let lease = self.api.get_opt(&self.candidate.lease).await?;
        let unchanged_for = self.unchanged_for(lease.as_ref());
        let spec = lease.as_ref().and_then(|it| it.spec.as_ref());
        match decide(spec, &self.candidate.identity, unchanged_for, self.candidate.timing.duration) {
            Step::Wait => Ok(false),
            step => self.write(lease.as_ref().map(|lease| (lease, step))).await,
        }
    }

    /// Writes the Lease as ours; whether nobody else was faster.
    async fn write(&mut self, before: Option<(&Lease, Step)>) -> Result<bool, kube::Error> {
        let held = self.held(before);
        let parameters = PostParams::default();
        let asked = Instant::now();
        let written = match before {
            None => self.api.create(&parameters, &held).await,
            Some(_) => self.api.replace(&self.candidate.lease, &parameters, &held).await,
        };
        match written {
            Ok(lease) => {
                // Counted from before the request, so that we are never later than the server thinks.
                self.renewed = Some(asked);
                self.fence.open_until(asked + self.candidate.timing.give_up);
                self.written = Some(lease);
                Ok(true)
            }
            Err(kube::Error::Api(status))
                if status.is_conflict() || status.is_already_exists() || status.is_not_found() =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn unchanged_for(&mut self, lease: Option<&Lease>) -> Duration {
        let version = lease.and_then(|it| it.metadata.resource_version.clone()).unwrap_or_default();
        match &self.seen {
            Some((seen, since)) if *seen == version => since.elapsed(),
            _ => {
                self.seen = Some((version, Instant::now()));
                Duration::ZERO
            }
        }
    }

    fn held(&self, before: Option<(&Lease, Step)>) -> Lease {
        let now = MicroTime(Timestamp::now());
        let spec = before.and_then(|(lease, _)| lease.spec.clone()).unwrap_or_default();
        let acquired = before.is_none_or(|(_, step)| step == Step::Acquire);
        Lease {
            metadata: ObjectMeta {
                name: Some(self.candidate.lease.clone()),
                namespace: Some(self.candidate.namespace.clone()),
                resource_version: before.and_then(|(lease, _)| lease.metadata.resource_version.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.candidate.identity.clone()),
                lease_duration_seconds: i32::try_from(self.candidate.timing.duration.as_secs()).ok(),
                acquire_time: if acquired { Some(now.clone()) } else { spec.acquire_time },
                lease_transitions: Some(spec.lease_transitions.unwrap_or(0) + i32::from(acquired)),
                renew_time: Some(now),
                ..LeaseSpec::default()
            }),
        }
    }

    async fn give_back(&self) -> Result<(), kube::Error> {
        let mut lease = self.api.get(&self.candidate.lease).await?;
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() == Some(&self.candidate.identity) {
            spec.holder_identity = None;
            self.api.replace(&self.candidate.lease, &PostParams::default(), &lease).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_taken_only_when_it_is_free() {
        let duration = Duration::from_secs(15);
        let held_by =
            |holder: &str| LeaseSpec { holder_identity: Some(holder.to_owned()), ..LeaseSpec::default() };
        let cases = [
            (None, 0, Step::Acquire),
            (Some(LeaseSpec::default()), 0, Step::Acquire),
            (Some(held_by("")), 0, Step::Acquire),
            (Some(held_by("me")), 0, Step::Renew),
            (Some(held_by("me")), 60, Step::Renew),
            (Some(held_by("other")), 14, Step::Wait),
            (Some(held_by("other")), 15, Step::Acquire),
        ];
        for (spec, unchanged, expected) in cases {
            let step = decide(spec.as_ref(), "me", Duration::from_secs(unchanged), duration);
            assert_eq!(step, expected, "{spec:?} unchanged for {unchanged} s");
        }
    }
}
