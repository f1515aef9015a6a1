//! Which replica holds which slots: free ones are taken, and whoever has two fewer than another asks for one.
//!
//! # Guarantees
//! - Replicas that spread Applications among different numbers of slots never work beside each other. A slot is taken only
//!   while no other Lease says another number, and because two replicas may see that at the same time, each looks again
//!   after it has taken slots and before it works on them: at least one of them sees the other then, and gives back.
//! - A replica that cannot renew one of its slots in time stops with all of them.
//!
//! # Costs
//! A replica that holds all slots renews its Leases and looks at nothing else. The others list the Leases.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{ListParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::fence::Fence;
use crate::lease::{Candidate, Ended, Held, WANTED_ANNOTATION, holder, shards, sign_of_life, wanted_by};
use crate::slots::{self, Phase, Slot, Slots, slot_of_lease};

/// Stands for election until `over`, and gives back then what is held. `lost` is cancelled when a slot was held and lost:
/// nothing may be written any more. Each renewal opens the `fence` for as long as we may write.
pub async fn stand(
    client: Client,
    candidate: Candidate,
    (slots, fence): (Arc<Slots>, Arc<Fence>),
    over: CancellationToken,
    lost: CancellationToken,
) {
    let api = Api::namespaced(client, &candidate.namespace);
    let election = Election { api, candidate, slots, fence, first_seen: HashMap::new(), said: None };
    election.run(over, lost).await;
}

struct Election {
    api: Api<Lease>,
    candidate: Candidate,
    slots: Arc<Slots>,
    fence: Arc<Fence>,
    /// The sign of life of each holder that was seen last, and when it was first seen.
    first_seen: HashMap<Slot, (String, Instant)>,
    /// What was last said about replicas with another number of slots.
    said: Option<String>,
}

/// A Lease, as far as it matters to others than its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    slot: Slot,
    /// Who holds it, unless it was left unchanged for so long that nobody does.
    holder: Option<String>,
    /// Among how many slots the holder spreads Applications, if it says so.
    shards: Option<u16>,
    wanted_by: Option<String>,
}

/// What to do about the slots that are not ours.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// Nothing for now.
    Wait,
    /// Take these.
    Take(Vec<Slot>),
    /// Ask the holder of this one for it.
    Ask(Slot),
    /// Nothing may be taken: this replica spreads Applications among another number of slots.
    Foreign(String, u16),
    /// The same, while we hold slots, and it is of a version that does not look for us.
    Yield(String),
}

/// A replica that may work on Applications which are not those of its slot by our count.
fn foreign<'a>(seen: &'a [Seen], me: &str, count: u16) -> Option<(&'a str, &'a Seen)> {
    seen.iter().find_map(|it| {
        let holder = it.holder.as_deref().filter(|holder| *holder != me)?;
        (it.shards.unwrap_or(1) != count).then_some((holder, it))
    })
}

/// Decides what to do about the slots that are not ours: a pure function.
fn decide(seen: &[Seen], me: &str, count: u16, held: &[Slot]) -> Step {
    if let Some((holder, lease)) = foreign(seen, me, count) {
        return match lease.shards {
            None if !held.is_empty() => Step::Yield(holder.to_owned()),
            shards => Step::Foreign(holder.to_owned(), shards.unwrap_or(1)),
        };
    }
    let holder_of = |slot: Slot| seen.iter().find(|it| it.slot == slot).and_then(|it| it.holder.as_deref());
    let is_free = |slot: &Slot| !held.contains(slot) && holder_of(*slot).is_none_or(|holder| holder == me);
    let free: Vec<_> = (0..count).filter(is_free).collect();
    if !free.is_empty() {
        return Step::Take(free);
    }
    wish(seen, me, count).map_or(Step::Wait, Step::Ask)
}

/// The slot to ask for, when somebody has two more than we.
fn wish(seen: &[Seen], me: &str, count: u16) -> Option<Slot> {
    // A slot that somebody asked for counts for whoever asked.
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for it in seen.iter().filter(|it| it.slot < count) {
        if let Some(holder) = it.wanted_by.as_deref().or(it.holder.as_deref()) {
            *counts.entry(holder).or_default() += 1;
        }
    }
    let mine = counts.get(me).copied().unwrap_or(0);
    let others = counts.iter().filter(|(name, _)| **name != me);
    let (fullest, _) =
        others.max_by_key(|(_, theirs)| **theirs).filter(|(_, theirs)| mine + 2 <= **theirs)?;
    let theirs = seen.iter().filter(|it| it.slot < count && it.holder.as_deref() == Some(*fullest));
    // The first slot has most to take along, so it is asked for last.
    theirs.filter(|it| it.wanted_by.is_none()).map(|it| it.slot).max()
}

impl Election {
    async fn run(mut self, over: CancellationToken, lost: CancellationToken) {
        let mut held: JoinSet<(Slot, Ended)> = JoinSet::new();
        while !over.is_cancelled() {
            if !lost.is_cancelled() && !self.slots.in_phase(Phase::Elsewhere).is_empty() {
                let limit = self.candidate.timing.give_up;
                let look = self.look(&over, &mut held);
                match tokio::time::timeout(limit, look).await {
                    Ok(Ok(true)) => {}
                    Ok(Ok(false)) => lost.cancel(),
                    Ok(Err(error)) => tracing::warn!(%error, "the leases could not be read or written"),
                    Err(_) => tracing::warn!("the leases could not be read or written in time"),
                }
            }
            let mut pause = std::pin::pin!(tokio::time::sleep(self.pause()));
            loop {
                tokio::select! {
                    Some(ended) = held.join_next() => self.note_end(ended.ok(), &lost),
                    () = over.cancelled() => break,
                    () = &mut pause => break,
                }
            }
        }
        if lost.is_cancelled() {
            // What was under way was dropped and not ended: the other Leases have to expire, too.
            held.shutdown().await;
        }
        while let Some(ended) = held.join_next().await {
            self.note_end(ended.ok(), &lost);
        }
    }

    fn note_end(&self, ended: Option<(Slot, Ended)>, lost: &CancellationToken) {
        match ended {
            Some((slot, Ended::HandedOver | Ended::GivenBack)) => self.slots.leave(slot),
            // A task that failed renews nothing any more.
            Some((_, Ended::Lost)) | None => lost.cancel(),
        }
    }

    /// A moment shorter for each replica, so that two that are in each other's way do not stay so.
    fn pause(&self) -> Duration {
        let spread = slots::hash(&self.candidate.identity) % 400;
        self.candidate.timing.retry.saturating_sub(Duration::from_millis(spread))
    }

    /// Looks at the Leases and does something about them. Says whether we may go on.
    async fn look(
        &mut self,
        over: &CancellationToken,
        held: &mut JoinSet<(Slot, Ended)>,
    ) -> Result<bool, kube::Error> {
        let leases = self.list().await?;
        let seen = self.judge(&leases);
        let ours: Vec<_> =
            (0..self.slots.count()).filter(|it| self.slots.phase(*it) != Phase::Elsewhere).collect();
        match decide(&seen, &self.candidate.identity, self.slots.count(), &ours) {
            Step::Wait => {}
            Step::Take(free) => self.take(&free, &leases, over, held).await?,
            Step::Ask(slot) => self.ask(slot, &leases).await?,
            Step::Foreign(holder, shards) => self.say(&holder, shards),
            Step::Yield(holder) => {
                tracing::error!(
                    holder,
                    "a replica of a version without shards took a slot beside us: update all replicas before --shards"
                );
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn say(&mut self, holder: &str, shards: u16) {
        let text = format!(
            "{holder} spreads Applications among {shards} slots, and we among {}: waiting until it has ended",
            self.slots.count()
        );
        if self.said.as_ref() != Some(&text) {
            tracing::info!("{text}");
            self.said = Some(text);
        }
    }

    async fn list(&self) -> Result<BTreeMap<Slot, Lease>, kube::Error> {
        let leases = self.api.list(&ListParams::default()).await?;
        let ours = leases.items.into_iter().filter_map(|it| Some((slot_of_lease(&it.name_any())?, it)));
        Ok(ours.collect())
    }

    /// What the Leases say, judged by our own clock.
    fn judge(&mut self, leases: &BTreeMap<Slot, Lease>) -> Vec<Seen> {
        self.first_seen.retain(|slot, _| leases.contains_key(slot));
        let duration = self.candidate.timing.duration;
        let mut seen = Vec::new();
        for (slot, lease) in leases {
            let sign = sign_of_life(lease);
            let first = self.first_seen.entry(*slot).or_insert_with(|| (sign.clone(), Instant::now()));
            if first.0 != sign {
                *first = (sign, Instant::now());
            }
            let is_live = first.1.elapsed() < duration;
            seen.push(Seen {
                slot: *slot,
                holder: holder(lease).filter(|_| is_live).map(str::to_owned),
                shards: shards(lease),
                wanted_by: wanted_by(lease).filter(|_| is_live).map(str::to_owned),
            });
        }
        seen
    }

    /// Takes slots, and begins to work on them when nobody has taken others with another number in mind meanwhile.
    async fn take(
        &mut self,
        free: &[Slot],
        leases: &BTreeMap<Slot, Lease>,
        over: &CancellationToken,
        held: &mut JoinSet<(Slot, Ended)>,
    ) -> Result<(), kube::Error> {
        let take = |slot: &Slot| {
            let shared = (Arc::clone(&self.slots), Arc::clone(&self.fence));
            Held::take(self.api.clone(), self.candidate.clone(), *slot, leases.get(slot), shared)
        };
        let mut taken = Vec::new();
        for done in join_all(free.iter().map(take)).await {
            match done {
                Ok(lease) => taken.extend(lease),
                Err(error) => tracing::warn!(%error, "a lease could not be taken"),
            }
        }
        if taken.is_empty() {
            return Ok(());
        }
        let after = self.list().await;
        let conflict = after.map(|it| {
            let seen = self.judge(&it);
            let found = foreign(&seen, &self.candidate.identity, self.slots.count());
            found.map(|(holder, lease)| (holder.to_owned(), lease.shards.unwrap_or(1)))
        });
        if let Ok(None) = conflict {
            for lease in taken {
                lease.begin();
                let (slot, over) = (lease.slot(), over.clone());
                held.spawn(async move { (slot, lease.keep(over).await) });
            }
            return Ok(());
        }
        join_all(taken.iter_mut().map(Held::give_back)).await;
        if let Some((holder, shards)) = conflict? {
            self.say(&holder, shards);
        }
        Ok(())
    }

    /// Asks the holder of a slot for it. Its next renewal finds that somebody wrote.
    async fn ask(&self, slot: Slot, leases: &BTreeMap<Slot, Lease>) -> Result<(), kube::Error> {
        let Some(mut lease) = leases.get(&slot).cloned() else { return Ok(()) };
        lease.annotations_mut().insert(WANTED_ANNOTATION.to_owned(), self.candidate.identity.clone());
        tracing::info!(lease = lease.name_any(), holder = holder(&lease), "asking for a slot");
        match self.api.replace(&lease.name_any(), &PostParams::default(), &lease).await {
            // Its holder, or another replica, was faster: it is looked at again.
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => Ok(()),
            asked => asked.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Leases as `slot holder shards wanted-by`, with `-` for what is not there.
    fn seen(text: &str) -> Vec<Seen> {
        let word = |it: &str| (it != "-").then(|| it.to_owned());
        let lease = |line: &str| {
            let words: Vec<_> = line.split_whitespace().collect();
            Seen {
                slot: words[0].parse().unwrap(),
                holder: word(words[1]),
                shards: words[2].parse().ok(),
                wanted_by: words.get(3).copied().and_then(word),
            }
        };
        text.split(',').map(str::trim).filter(|it| !it.is_empty()).map(lease).collect()
    }

    #[test]
    fn slots_are_taken_asked_for_and_left_alone() {
        let foreign = |holder: &str, shards| Step::Foreign(holder.to_owned(), shards);
        let cases: [(&str, u16, &[Slot], Step); 17] = [
            ("", 1, &[], Step::Take(vec![0])),
            ("0 a 1", 1, &[], Step::Wait),
            ("0 - 1", 1, &[], Step::Take(vec![0])),
            // One of a version before shards.
            ("0 a -", 1, &[], Step::Wait),
            ("0 a -", 4, &[], foreign("a", 1)),
            ("0 a -, 1 me 4", 4, &[1], Step::Yield("a".to_owned())),
            ("0 a 1, 1 me 4", 4, &[1], foreign("a", 1)),
            ("3 a 4", 1, &[], foreign("a", 4)),
            ("3 - 4", 1, &[], Step::Take(vec![0])),
            // A Lease of our own from before this process, or one that was handed over to us.
            ("0 me 1, 1 me 2", 2, &[0], Step::Take(vec![1])),
            ("0 a 4, 1 a 4, 2 - 4", 4, &[], Step::Take(vec![2, 3])),
            ("0 a 4, 1 a 4, 2 a 4, 3 a 4", 4, &[], Step::Ask(3)),
            ("0 a 4, 1 a 4, 2 a 4, 3 a 4 me", 4, &[], Step::Ask(2)),
            ("0 a 4, 1 a 4, 2 a 4 b, 3 a 4 me", 4, &[], Step::Wait),
            ("0 a 4, 1 a 4, 2 me 4, 3 me 4", 4, &[2, 3], Step::Wait),
            ("0 a 3, 1 a 3, 2 me 3", 3, &[2], Step::Wait),
            // More replicas than slots.
            ("0 a 2, 1 b 2", 2, &[], Step::Wait),
        ];
        for (leases, count, held, expected) in cases {
            let step = decide(&seen(leases), "me", count, held);
            assert_eq!(step, expected, "{leases} of {count}, ours {held:?}");
        }
    }

    #[test]
    fn asking_comes_to_an_end() {
        for (count, replicas) in [(4_u16, 2), (4, 3), (7, 3), (16, 5), (64, 7), (3, 5)] {
            let all: Vec<_> = (0..count).map(|slot| format!("{slot} r0 {count}")).collect();
            let mut leases = seen(&all.join(","));
            let mut moves = 0;
            loop {
                let before = moves;
                for me in (0..replicas).map(|it| format!("r{it}")) {
                    if let Some(slot) = wish(&leases, &me, count) {
                        moves += 1;
                        leases[usize::from(slot)].wanted_by = Some(me);
                    }
                }
                if moves == before {
                    break;
                }
                for lease in &mut leases {
                    lease.holder = lease.wanted_by.take().or(lease.holder.take());
                }
            }
            let of =
                |me: i32| leases.iter().filter(|it| it.holder.as_deref() == Some(&format!("r{me}"))).count();
            let counts: Vec<_> = (0..replicas).map(of).collect();
            let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            assert!(most - least <= 1, "{counts:?}");
            assert!(moves < usize::from(count), "no slot moves twice: {moves} moves of {count}");
        }
    }
}
