//! When a reconciliation that failed is tried again.

use std::time::{Duration, Instant};

use super::state::State;

/// Time until the next try. One that an event brought before its time takes nothing from it and adds nothing to it: an
/// Application of which much is heard would be left alone for a minute after a few of them.
pub fn next_try(state: &mut State, now: Instant) -> Duration {
    if let Some(at) = state.again_at.filter(|at| *at > now) {
        return at.duration_since(now);
    }
    state.failures = state.failures.saturating_add(1);
    let pause = pause(state.failures);
    state.again_at = Some(now + pause);
    pause
}

/// 0.25 s, then twice as long each time, up to a minute.
fn pause(failures: u32) -> Duration {
    let factor = 2_u32.checked_pow(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    Duration::from_millis(250).saturating_mul(factor).min(Duration::from_mins(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_do_not_put_off_the_next_try() {
        let (mut state, begin) = (State::default(), Instant::now());
        let at = |ms| begin + Duration::from_millis(ms);
        assert_eq!(next_try(&mut state, at(0)), Duration::from_millis(250));
        assert_eq!(next_try(&mut state, at(100)), Duration::from_millis(150));
        assert_eq!(next_try(&mut state, at(249)), Duration::from_millis(1));
        assert_eq!(next_try(&mut state, at(250)), Duration::from_millis(500));
        assert_eq!(next_try(&mut state, at(750)), Duration::from_secs(1));
    }
}
