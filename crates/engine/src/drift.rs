//! Live objects that no longer are what was applied, and managers that fight over them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tiphys_manifest::ObjectId;

use crate::inventory::InventoryEntry;
use crate::plan::Live;
use crate::tracking::Owner;

/// Whether a live object still is what was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drift {
    /// It is.
    InSync,
    /// What we own of it is not what it was: ask for a dry-run to see what that means.
    Drifted,
    /// It is gone, or does not carry our mark any more.
    Missing,
    /// Nobody can say, because it is not known how it was or how it is.
    Unknown,
}

/// Compares a live object with what was applied.
pub fn assess(owner: &Owner, entry: &InventoryEntry, live: &Live) -> Drift {
    let live = match live {
        Live::Absent => return Drift::Missing,
        Live::Unknown => return Drift::Unknown,
        Live::Present(live) => live,
    };
    if live.owner_label.as_deref() != Some(owner.label_value().as_str()) {
        return Drift::Missing;
    }
    match (entry.live, live.projection) {
        (None, _) => Drift::Unknown,
        (applied, now) if applied == now => Drift::InSync,
        _ => Drift::Drifted,
    }
}

/// A field manager that keeps changing back what we correct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fight {
    /// Its name.
    pub manager: String,
    /// The fields that it changes.
    pub fields: Vec<String>,
    /// How often it did within the window.
    pub rounds: u32,
    /// How long to wait before the next correction.
    pub slow_down: Duration,
}

/// Finds fights in the corrections that were made.
#[derive(Debug, Default)]
pub struct Oscillation {
    rounds: BTreeMap<(ObjectId, String), Vec<Instant>>,
}

/// So many corrections of the same object against the same manager are a fight.
const ROUNDS: usize = 3;
/// Corrections count for so long.
const WINDOW: Duration = Duration::from_mins(10);
/// How long to wait once a fight is recognised; it doubles with each further round.
const SLOW_DOWN: Duration = Duration::from_secs(30);
/// The longest wait. It is shorter than the window, so that a fight that goes on stays recognised.
const SLOWEST: Duration = Duration::from_mins(5);

impl Oscillation {
    /// Notes that `fields` of an object, changed by `manager`, are corrected at `now`. Says whether that is a fight.
    pub fn correct(
        &mut self,
        id: &ObjectId,
        manager: &str,
        fields: &[String],
        now: Instant,
    ) -> Option<Fight> {
        self.forget_before(now);
        let rounds = self.rounds.entry((id.clone(), manager.to_owned())).or_default();
        rounds.push(now);
        let further = u32::try_from(rounds.len().checked_sub(ROUNDS)?).unwrap_or(u32::MAX);
        let factor = 2_u32.checked_pow(further).unwrap_or(u32::MAX);
        Some(Fight {
            manager: manager.to_owned(),
            fields: fields.to_vec(),
            rounds: u32::try_from(rounds.len()).unwrap_or(u32::MAX),
            slow_down: SLOW_DOWN.saturating_mul(factor).min(SLOWEST),
        })
    }

    /// Forgets an object.
    pub fn forget(&mut self, id: &ObjectId) {
        self.rounds.retain(|(it, _), _| it != id);
    }

    fn forget_before(&mut self, now: Instant) {
        self.rounds.retain(|_, rounds| {
            rounds.retain(|round| now.saturating_duration_since(*round) < WINDOW);
            !rounds.is_empty()
        });
    }
}
