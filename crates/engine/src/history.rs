//! Which finished Syncs fall to `history.limit`.

use std::collections::BTreeSet;

use tiphys_api::Phase;

/// A Sync as the history sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Name of the Sync.
    pub name: &'a str,
    /// Its number; none when it never started.
    pub number: Option<u64>,
    /// How far it got.
    pub phase: Phase,
}

/// The Syncs to delete, oldest first.
///
/// The newest `limit` finished ones stay, and so do those that are not finished, the newest that succeeded, and
/// those named in `in_use`: a hold goes back to them, or their snapshot holds the inventory.
pub fn expired<'a>(records: &[Record<'a>], limit: u32, in_use: &[&str]) -> Vec<&'a str> {
    let mut finished: Vec<_> = records.iter().filter(|record| record.phase.is_finished()).collect();
    finished.sort_by_key(|record| (record.number, record.name));
    let last_good =
        finished.iter().rev().find(|record| record.phase == Phase::Succeeded).map(|record| record.name);
    let in_use: BTreeSet<_> = in_use.iter().copied().chain(last_good).collect();
    let surplus = finished.len().saturating_sub(limit as usize);
    finished
        .into_iter()
        .take(surplus)
        .map(|record| record.name)
        .filter(|name| !in_use.contains(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_and_the_needed_stay() {
        use Phase::{Failed, Pending, Running, Succeeded, Superseded};
        let records = |list: &[(&'static str, u64, Phase)]| -> Vec<Record<'static>> {
            list.iter()
                .map(|(name, number, phase)| Record {
                    name,
                    number: (*number > 0).then_some(*number),
                    phase: *phase,
                })
                .collect()
        };
        let all = records(&[
            ("e", 5, Running),
            ("c", 3, Failed),
            ("a", 1, Succeeded),
            ("b", 2, Succeeded),
            ("d", 4, Failed),
            ("never", 0, Superseded),
            ("waiting", 0, Pending),
        ]);
        for (limit, in_use, expected) in [
            (10, vec![], vec![]),
            (5, vec![], vec![]),
            (4, vec![], vec!["never"]),
            (2, vec![], vec!["never", "a"]),
            (2, vec!["a"], vec!["never"]),
            (0, vec![], vec!["never", "a", "c", "d"]),
        ] {
            assert_eq!(expired(&all, limit, &in_use), expected, "limit {limit}, in use {in_use:?}");
        }
    }
}
