//! Live objects that no longer are what was applied: who changed what, what is remembered of that, and who changes it
//! after each correction. Pure.

mod fights;
mod log;
mod sighting;

pub use fights::{Ended, Fights, LeftAlone, PATIENCE, ROUNDS, WINDOW};
pub use log::{Log, MAX_RECORDS};
pub use sighting::{By, Sighting, sightings};

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
