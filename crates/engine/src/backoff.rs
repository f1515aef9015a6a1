//! Pauses that grow, with jitter.

use std::time::Duration;

/// A sequence of pauses: each is chosen at random between half and all of a bound that doubles up to a limit.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    bound: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, bound: first }
    }

    /// The next pause.
    pub(crate) fn next(&mut self) -> Duration {
        let pause = self.bound.mul_f64(0.5 + fastrand::f64() / 2.0);
        self.bound = self.bound.saturating_mul(2).min(self.longest);
        pause
    }

    /// Starts over with the first pause.
    pub(crate) fn reset(&mut self) {
        self.bound = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_limit_and_start_over() {
        let millis = Duration::from_millis;
        let mut backoff = Backoff::new(millis(100), millis(350));
        for bound in [100, 200, 350, 350] {
            let pause = backoff.next();
            assert!(millis(bound / 2) <= pause && pause <= millis(bound), "{pause:?} of {bound}");
        }
        backoff.reset();
        assert!(backoff.next() <= millis(100));
    }
}
