//! Slots: every Application has one, and the replica that holds the Lease of a slot works on the Applications of that slot.
//!
//! Which slot an Application has follows from its name alone: jump consistent hash (Lamping and Veach) over the first 64
//! bits of the SHA-256 of `namespace/name`. So all replicas agree, the slots are filled evenly, and only a few Applications
//! move when there are more slots.
//!
//! What a replica does for an Application it does with a [`Term`] in hand. A slot is given away only when all terms of it
//! are over, so nothing of this replica is under way any more when the next one begins.

use std::sync::Arc;

use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use crate::sync_index::ApplicationKey;

/// Number of a slot, from 0.
pub type Slot = u16;

/// The slot whose holder does what is done once for the whole installation.
pub const HOME: Slot = 0;

/// Most slots that there can be.
pub const MAX: u16 = 64;

/// Name of the Lease of slot 0, which is the only one where there are no shards.
const LEASE: &str = "tiphys-controller";

/// Name of the Lease of a slot.
pub fn lease_name(slot: Slot) -> String {
    if slot == HOME { LEASE.to_owned() } else { format!("{LEASE}-{slot}") }
}

/// The slot whose Lease has this name, if it is one of ours.
pub fn slot_of_lease(name: &str) -> Option<Slot> {
    let rest = name.strip_prefix(LEASE)?;
    if rest.is_empty() {
        return Some(HOME);
    }
    let slot: Slot = rest.strip_prefix('-')?.parse().ok()?;
    // Leading zeros or signs are somebody else's names.
    (slot != HOME && lease_name(slot) == name).then_some(slot)
}

/// The slot of an Application among so many.
pub fn slot_of((namespace, name): &ApplicationKey, count: u16) -> Slot {
    if count <= 1 {
        return HOME;
    }
    jump(hash(&format!("{namespace}/{name}")), count)
}

/// 64 bits that are the same everywhere and for ever.
pub fn hash(text: &str) -> u64 {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(8).fold(0, |bits, byte| (bits << 8) | u64::from(*byte))
}

/// Jump consistent hash, with the division done in integers.
fn jump(mut key: u64, count: u16) -> Slot {
    let (mut bucket, mut next) = (0_u64, 0_u64);
    while next < u64::from(count) {
        bucket = next;
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        next = ((bucket + 1) << 31) / ((key >> 33) + 1);
    }
    Slot::try_from(bucket).unwrap_or(HOME)
}

/// How far this replica is with a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// It does not hold it.
    #[default]
    Elsewhere,
    /// It holds the Lease, and does not work yet: it may not know what the one before it did last.
    Taken,
    /// It works on the Applications of the slot.
    Open,
    /// It still holds the Lease, and ends what is under way.
    Closing,
    /// Nothing is under way any more: the Lease may be given away.
    Empty,
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    phase: Phase,
    /// Terms that are not over.
    working: usize,
}

/// Which slots this replica holds.
#[derive(Debug)]
pub struct Slots {
    count: u16,
    places: Mutex<Vec<Place>>,
    changes: watch::Sender<()>,
}

/// Leave to do something for a slot. It is not given away before this is dropped.
#[derive(Debug)]
pub struct Term {
    slots: Arc<Slots>,
    slot: Slot,
}

impl Slots {
    /// Holds none of so many.
    pub fn new(count: u16) -> Self {
        let count = count.clamp(1, MAX);
        let places = Mutex::new(vec![Place::default(); usize::from(count)]);
        Self { count, places, changes: watch::Sender::new(()) }
    }

    /// How many there are.
    pub fn count(&self) -> u16 {
        self.count
    }

    /// The slot of an Application.
    pub fn of(&self, application: &ApplicationKey) -> Slot {
        slot_of(application, self.count)
    }

    /// Whether this replica works on an Application.
    pub fn holds(&self, application: &ApplicationKey) -> bool {
        self.is_open(self.of(application))
    }

    /// Whether this replica works on the Applications of a slot.
    pub fn is_open(&self, slot: Slot) -> bool {
        self.phase(slot) == Phase::Open
    }

    /// Whether this replica works on all Applications.
    pub fn are_all_open(&self) -> bool {
        self.places.lock().iter().all(|it| it.phase == Phase::Open)
    }

    /// How far this replica is with a slot.
    pub fn phase(&self, slot: Slot) -> Phase {
        self.places.lock().get(usize::from(slot)).map_or(Phase::Elsewhere, |it| it.phase)
    }

    /// The slots that this replica is so far with.
    pub fn in_phase(&self, phase: Phase) -> Vec<Slot> {
        let places = self.places.lock();
        (0..).zip(places.iter()).filter(|(_, it)| it.phase == phase).map(|(slot, _)| slot).collect()
    }

    /// Told of whenever something here changes.
    pub fn subscribe(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Waits until this replica is so far with a slot.
    pub async fn until(&self, slot: Slot, phase: Phase) {
        let mut changes = self.subscribe();
        while self.phase(slot) != phase {
            // The sender lives as long as we do.
            let _ = changes.changed().await;
        }
    }

    /// The Lease of a slot is ours.
    pub fn take(&self, slot: Slot) {
        self.pass(slot, &[Phase::Elsewhere], Phase::Taken);
    }

    /// From now on its Applications are worked on. Says whether that is so: it may have been asked for meanwhile.
    pub fn open(&self, slot: Slot) -> bool {
        self.pass(slot, &[Phase::Taken], Phase::Open)
    }

    /// Nothing more is begun for a slot.
    pub fn close(&self, slot: Slot) {
        self.pass(slot, &[Phase::Taken, Phase::Open], Phase::Closing);
    }

    /// Nothing of a slot that was closed is under way or remembered any more.
    pub fn empty(&self, slot: Slot) {
        self.pass(slot, &[Phase::Closing], Phase::Empty);
    }

    /// The Lease of a slot is another's.
    pub fn leave(&self, slot: Slot) {
        self.pass(slot, &[Phase::Taken, Phase::Open, Phase::Closing, Phase::Empty], Phase::Elsewhere);
    }

    fn pass(&self, slot: Slot, from: &[Phase], to: Phase) -> bool {
        let mut places = self.places.lock();
        let Some(place) = places.get_mut(usize::from(slot)).filter(|it| from.contains(&it.phase)) else {
            return false;
        };
        place.phase = to;
        drop(places);
        self.changes.send_replace(());
        true
    }

    /// Leave to work on an Application, if its slot is ours.
    pub fn enter(self: &Arc<Self>, application: &ApplicationKey) -> Option<Term> {
        self.enter_slot(self.of(application))
    }

    /// Leave to do something for a slot, if it is ours.
    pub fn enter_slot(self: &Arc<Self>, slot: Slot) -> Option<Term> {
        let mut places = self.places.lock();
        let place = places.get_mut(usize::from(slot)).filter(|it| it.phase == Phase::Open)?;
        place.working += 1;
        Some(Term { slots: Arc::clone(self), slot })
    }

    /// Waits until nothing is under way for a slot.
    pub async fn until_idle(&self, slot: Slot) {
        let mut changes = self.subscribe();
        let is_working = || self.places.lock().get(usize::from(slot)).is_some_and(|it| it.working > 0);
        while is_working() {
            let _ = changes.changed().await;
        }
    }
}

impl Drop for Term {
    fn drop(&mut self) {
        let mut places = self.slots.places.lock();
        let Some(place) = places.get_mut(usize::from(self.slot)) else { return };
        place.working = place.working.saturating_sub(1);
        let is_awaited = place.working == 0 && place.phase == Phase::Closing;
        drop(places);
        if is_awaited {
            self.slots.changes.send_replace(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn keys(count: usize) -> Vec<ApplicationKey> {
        (0..count).map(|it| (format!("team-{}", it % 7), format!("app-{it}"))).collect()
    }

    #[test]
    fn slots_are_the_same_for_ever() {
        // Another answer would have two replicas of different versions work on one Application.
        let cases =
            [("shop", "web", 3), ("shop", "db", 4), ("tiphys", "tiphys", 15), ("a", "b/c", 14), ("", "", 9)];
        for (namespace, name, slot) in cases {
            assert_eq!(slot_of(&(namespace.to_owned(), name.to_owned()), 16), slot, "{namespace}/{name}");
        }
        assert!(keys(100).iter().all(|it| slot_of(it, 1) == HOME));
    }

    #[test]
    fn slots_are_filled_evenly() {
        for count in [2, 3, 4, 16, MAX] {
            let mut filled = vec![0_u32; usize::from(count)];
            for key in keys(50_000) {
                filled[usize::from(slot_of(&key, count))] += 1;
            }
            let fair = 50_000 / u32::from(count);
            for (slot, it) in filled.iter().enumerate() {
                assert!(it.abs_diff(fair) < fair / 5, "slot {slot} of {count} has {it}, not about {fair}");
            }
        }
    }

    #[test]
    fn few_move_when_there_are_more_slots() {
        let keys = keys(10_000);
        for count in 1..MAX {
            let places = keys.iter().map(|it| (slot_of(it, count), slot_of(it, count + 1)));
            let moved: Vec<_> = places.filter(|(before, after)| before != after).collect();
            assert!(moved.iter().all(|(_, after)| *after == count), "who moves goes to the new slot");
            let fair = keys.len() / usize::from(count + 1);
            assert!(moved.len() < fair * 3 / 2, "{} of {} moved at {count}", moved.len(), keys.len());
        }
    }

    #[test]
    fn leases_are_told_by_their_names() {
        for slot in 0..MAX {
            assert_eq!(slot_of_lease(&lease_name(slot)), Some(slot));
        }
        for name in ["", "other", "tiphys"] {
            assert_eq!(slot_of_lease(name), None, "{name}");
        }
        for rest in ["-", "-0", "-01", "-x", "-+1", "s"] {
            assert_eq!(slot_of_lease(&format!("tiphys-controller{rest}")), None, "{rest}");
        }
        assert_eq!(lease_name(0), "tiphys-controller");
    }

    #[tokio::test]
    async fn a_slot_is_not_given_away_while_something_is_under_way() {
        let slots = Arc::new(Slots::new(2));
        assert!(slots.enter_slot(1).is_none(), "nobody holds it");
        slots.take(1);
        assert!(slots.enter_slot(1).is_none(), "what the one before did is not known yet");
        assert!(slots.open(1) && !slots.open(0));
        let term = slots.enter_slot(1).unwrap();
        assert!(slots.enter_slot(0).is_none());
        slots.close(1);
        assert!(slots.enter_slot(1).is_none(), "nothing more is begun");
        let mut idle = std::pin::pin!(slots.until_idle(1));
        assert!(tokio::time::timeout(Duration::from_millis(20), &mut idle).await.is_err());
        drop(term);
        tokio::time::timeout(Duration::from_secs(5), idle).await.unwrap();
        slots.empty(1);
        assert_eq!(slots.in_phase(Phase::Empty), [1]);
        slots.leave(1);
        assert!(!slots.open(1));
        assert_eq!(slots.phase(1), Phase::Elsewhere);
    }
}
