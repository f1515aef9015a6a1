//! When a repository is looked at again.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use crate::error::Class;

/// The first wait after a failure that may be gone at once.
const FIRST_RETRY: Duration = Duration::from_secs(5);
/// The longest wait, in intervals.
const MAX_INTERVALS: u32 = 4;

/// The time until the next look.
///
/// After a success it is the interval, give or take a tenth, so that the repositories of one server do not come all at
/// once. After failures it grows from failure to failure: from seconds when the trouble may pass by itself, from the
/// interval when a person has to do something (servers lock out accounts that try too often).
pub(crate) fn next_look(interval: Duration, failures: u32, class: Option<Class>, chance: f64) -> Duration {
    let longest = interval * MAX_INTERVALS;
    let wait = match class {
        None => interval,
        Some(Class::Transient) => {
            FIRST_RETRY.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)))
        }
        Some(Class::Forbidden | Class::NotFound | Class::Invalid) => interval.saturating_mul(failures.max(1)),
    };
    wait.min(longest).max(Duration::from_secs(1)).mul_f64(0.9 + 0.2 * chance)
}

/// A number from 0 to 1, good enough to spread load.
pub(crate) fn chance() -> f64 {
    // Every RandomState has other keys, so hashing nothing gives another number each time.
    let bits = u32::try_from(RandomState::new().build_hasher().finish() >> 32).unwrap_or_default();
    f64::from(bits) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits() {
        let interval = Duration::from_mins(3);
        for (failures, class, expected) in [
            (0, None, 180),
            (1, Some(Class::Transient), 5),
            (2, Some(Class::Transient), 10),
            (5, Some(Class::Transient), 80),
            (9, Some(Class::Transient), 720),
            (4_000_000_000, Some(Class::Transient), 720),
            (1, Some(Class::Forbidden), 180),
            (2, Some(Class::Forbidden), 360),
            (100, Some(Class::Invalid), 720),
        ] {
            let middle = next_look(interval, failures, class, 0.5);
            assert_eq!(middle, Duration::from_secs(expected), "{failures} {class:?}");
            assert!(next_look(interval, failures, class, 0.0) >= middle.mul_f64(0.89));
            assert!(next_look(interval, failures, class, 1.0) <= middle.mul_f64(1.11));
        }
        assert!(next_look(Duration::ZERO, 0, None, 0.0) >= Duration::from_millis(900));
    }

    #[test]
    fn chances_differ_and_stay_in_range() {
        let chances: Vec<f64> = (0..100).map(|_| chance()).collect();
        assert!(chances.iter().all(|it| (0.0..=1.0).contains(it)));
        assert!(chances.iter().any(|it| *it < 0.5) && chances.iter().any(|it| *it > 0.5));
    }
}
