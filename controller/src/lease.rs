//! One writer at a time for each slot, by a Lease.
//!
//! # Guarantees
//! - The holder stops writing [`Timing::give_up`] after its last successful renewal, which is before
//!   [`Timing::duration`] is over, so a successor never writes beside it.
//! - A follower judges by its own clock how long the Lease was left unchanged; clocks need not agree.
//! - A holder that ends in good order gives the Lease back, and a follower takes it within [`Timing::retry`].
//! - A holder that was asked for a slot ends what is under way for it and writes the Lease in the name of whoever asked, so
//!   that the slot belongs to somebody all the time.
//!
//! # Caveats
//! A Lease does not fence. [`Fence`] lets no write begin after [`Timing::give_up`], but a request of the old holder that
//! is still under way may arrive late. What protects then is server-side apply by one field manager and the resource
//! version of the Lease itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, ResourceExt as _};
use tokio_util::sync::CancellationToken;

use crate::fence::Fence;
use crate::slots::{Phase, Slot, Slots, lease_name};

/// Annotation that says among how many slots the holder spreads Applications.
pub const SHARDS_ANNOTATION: &str = "tiphys.dev/shards";

/// Annotation that names the replica that asks the holder for the slot.
pub const WANTED_ANNOTATION: &str = "tiphys.dev/wanted-by";

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

/// Who stands for election.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Namespace of the Leases.
    pub namespace: String,
    /// Who we are; unique to this process.
    pub identity: String,
    /// The periods.
    pub timing: Timing,
}

/// The annotation of a Lease.
fn annotation<'a>(lease: &'a Lease, key: &str) -> Option<&'a str> {
    lease.annotations().get(key).map(String::as_str).filter(|it| !it.is_empty())
}

/// Who holds a Lease, if anybody does.
pub fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref().filter(|it| !it.is_empty())
}

/// Among how many slots its holder spreads Applications. One from before there were shards does not say so.
pub fn shards(lease: &Lease) -> Option<u16> {
    annotation(lease, SHARDS_ANNOTATION)?.parse().ok()
}

/// What its holder writes anew each time that it renews. Others write to a Lease too, when they ask for it.
pub fn sign_of_life(lease: &Lease) -> String {
    let renewed = lease.spec.as_ref().and_then(|it| it.renew_time.as_ref());
    format!("{:?} {:?}", holder(lease), renewed.map(|it| it.0))
}

/// Who asks for it.
pub fn wanted_by(lease: &Lease) -> Option<&str> {
    annotation(lease, WANTED_ANNOTATION)
}

/// How holding a Lease ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was lost while something may have been under way: nothing may be written any more.
    Lost,
    /// It was given to the one that asked for it.
    HandedOver,
    /// It was given back, or will expire.
    GivenBack,
}

/// A Lease that is ours.
pub struct Held {
    api: Api<Lease>,
    candidate: Candidate,
    slot: Slot,
    slots: Arc<Slots>,
    fence: Arc<Fence>,
    /// The Lease as we wrote it last. A renewal writes over it without reading: whoever wrote meanwhile makes a conflict.
    written: Option<Lease>,
    /// When we last renewed.
    renewed: Instant,
    /// Who asked for it.
    wanted_by: Option<String>,
}

impl Held {
    /// Takes the Lease of a slot, whose state was `before`. None: somebody else was faster.
    pub async fn take(
        api: Api<Lease>,
        candidate: Candidate,
        slot: Slot,
        before: Option<&Lease>,
        (slots, fence): (Arc<Slots>, Arc<Fence>),
    ) -> Result<Option<Self>, kube::Error> {
        let asked = Instant::now();
        let mut held =
            Self { api, candidate, slot, slots, fence, written: None, renewed: asked, wanted_by: None };
        let is_new = before.and_then(holder) != Some(&held.candidate.identity);
        Ok(held.write(before, Some(&held.candidate.identity.clone()), is_new).await?.then_some(held))
    }

    /// Which slot it is.
    pub fn slot(&self) -> Slot {
        self.slot
    }

    /// From now on we may write, and work on the slot.
    pub fn begin(&self) {
        self.fence.open_until(self.slot, self.renewed + self.candidate.timing.give_up);
        self.slots.take(self.slot);
    }

    /// Renews until `over`, or until it is lost, or until it was handed over to somebody who asked for it.
    pub async fn keep(mut self, over: CancellationToken) -> Ended {
        let timing = self.candidate.timing;
        let mut pause = timing.renew;
        loop {
            tokio::select! {
                () = over.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
                () = self.slots.until(self.slot, Phase::Empty) => return self.hand_over(&over).await,
            }
            let left = timing.give_up.saturating_sub(self.renewed.elapsed());
            let attempt = tokio::time::timeout(left, self.renew());
            let attempt = tokio::select! {
                () = over.cancelled() => break,
                attempt = attempt => attempt,
            };
            pause = if matches!(attempt, Ok(Ok(true))) { timing.renew } else { timing.retry };
            match attempt {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => {
                    tracing::error!(
                        lease = lease_name(self.slot),
                        "the lease was taken over by another replica"
                    );
                    return self.lost();
                }
                Ok(Err(error)) => tracing::warn!(%error, "the lease could not be read or written"),
                Err(_) => tracing::warn!("the lease could not be read or written in time"),
            }
            if self.renewed.elapsed() >= timing.give_up {
                tracing::error!(lease = lease_name(self.slot), "the lease could not be renewed in time");
                return self.lost();
            }
            if self.wanted_by.is_some() {
                self.slots.close(self.slot);
            }
        }
        self.give_back().await;
        Ended::GivenBack
    }

    /// A slot for which nothing is under way any more can be lost without harm.
    fn lost(&self) -> Ended {
        if self.slots.phase(self.slot) == Phase::Empty { Ended::HandedOver } else { Ended::Lost }
    }

    /// Says that it is still ours; whether it is.
    async fn renew(&mut self) -> Result<bool, kube::Error> {
        let identity = self.candidate.identity.clone();
        if let Some(lease) = self.written.take()
            && self.write(Some(&lease), Some(&identity), false).await?
        {
            return Ok(true);
        }
        let lease = self.api.get_opt(&lease_name(self.slot)).await?;
        let Some(lease) = lease.filter(|it| holder(it) == Some(&identity)) else { return Ok(false) };
        let asked = wanted_by(&lease).filter(|it| *it != identity).map(str::to_owned);
        self.wanted_by = self.wanted_by.take().or(asked);
        self.write(Some(&lease), Some(&identity), false).await
    }

    /// Writes the Lease as held by `to`; whether nobody else was faster.
    async fn write(
        &mut self,
        before: Option<&Lease>,
        to: Option<&str>,
        is_new: bool,
    ) -> Result<bool, kube::Error> {
        let wanted = self.wanted_by.as_deref().filter(|_| !is_new);
        let lease = lease_of(&self.candidate, (self.slot, self.slots.count()), before, (to, wanted), is_new);
        let parameters = PostParams::default();
        let asked = Instant::now();
        let written = match before {
            None => self.api.create(&parameters, &lease).await,
            Some(_) => self.api.replace(&lease_name(self.slot), &parameters, &lease).await,
        };
        match written {
            Ok(lease) => {
                // Counted from before the request, so that we are never later than the server thinks.
                self.renewed = asked;
                if self.slots.phase(self.slot) != Phase::Elsewhere && to == Some(&self.candidate.identity) {
                    self.fence.open_until(self.slot, asked + self.candidate.timing.give_up);
                }
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

    /// Writes the Lease in the name of the replica that asked for it. Nothing is written for the slot from now on, whatever
    /// becomes of this.
    async fn hand_over(mut self, over: &CancellationToken) -> Ended {
        self.fence.forget(self.slot);
        let Some(to) = self.wanted_by.clone() else { return Ended::HandedOver };
        let timing = self.candidate.timing;
        while self.renewed.elapsed() < timing.duration && !over.is_cancelled() {
            match tokio::time::timeout(timing.retry, self.give_to(&to)).await {
                Ok(Ok(true)) => {
                    tracing::info!(lease = lease_name(self.slot), to, "handed over");
                    return Ended::HandedOver;
                }
                Ok(Ok(false)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the lease could not be handed over"),
                Err(_) => tracing::warn!("the lease could not be handed over in time"),
            }
            self.written = None;
            tokio::time::sleep(timing.retry / 4).await;
        }
        self.give_back().await;
        Ended::HandedOver
    }

    /// One try to write the Lease in another's name; whether it is not ours any more.
    async fn give_to(&mut self, to: &str) -> Result<bool, kube::Error> {
        let lease = match self.written.take() {
            Some(lease) => Some(lease),
            None => self.api.get_opt(&lease_name(self.slot)).await?,
        };
        let Some(lease) = lease.filter(|it| holder(it) == Some(&self.candidate.identity)) else {
            return Ok(true);
        };
        self.write(Some(&lease), Some(to), true).await
    }

    /// Gives the Lease back, if it can still be ours.
    pub async fn give_back(&mut self) {
        if self.renewed.elapsed() >= self.candidate.timing.duration {
            return;
        }
        self.fence.forget(self.slot);
        // A server that does not answer must not keep a process that has to end.
        match tokio::time::timeout(self.candidate.timing.retry, self.release()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the lease could not be given back; it will expire"),
            Err(_) => tracing::warn!("the lease could not be given back in time; it will expire"),
        }
    }

    async fn release(&self) -> Result<(), kube::Error> {
        let mut lease = self.api.get(&lease_name(self.slot)).await?;
        if holder(&lease) == Some(&self.candidate.identity) {
            lease.spec.get_or_insert_default().holder_identity = None;
            self.api.replace(&lease_name(self.slot), &PostParams::default(), &lease).await?;
        }
        Ok(())
    }
}

/// The Lease as it is written.
fn lease_of(
    candidate: &Candidate,
    (slot, count): (Slot, u16),
    before: Option<&Lease>,
    (to, wanted): (Option<&str>, Option<&str>),
    is_new: bool,
) -> Lease {
    let now = MicroTime(Timestamp::now());
    let spec = before.and_then(|it| it.spec.clone()).unwrap_or_default();
    let annotations =
        [(SHARDS_ANNOTATION, Some(count.to_string())), (WANTED_ANNOTATION, wanted.map(str::to_owned))];
    let annotations: BTreeMap<_, _> =
        annotations.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
    Lease {
        metadata: ObjectMeta {
            name: Some(lease_name(slot)),
            namespace: Some(candidate.namespace.clone()),
            resource_version: before.and_then(|it| it.metadata.resource_version.clone()),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: to.map(str::to_owned),
            lease_duration_seconds: i32::try_from(candidate.timing.duration.as_secs()).ok(),
            acquire_time: if is_new { Some(now.clone()) } else { spec.acquire_time },
            lease_transitions: Some(spec.lease_transitions.unwrap_or(0) + i32::from(is_new)),
            renew_time: Some(now),
            ..LeaseSpec::default()
        }),
    }
}
