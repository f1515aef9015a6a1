//! Where chance and time come from when templates ask for them.
//!
//! Helm draws from the operating system, so a chart that makes a password renders differently every time, and in
//! GitOps that is drift without end. [`Chance::Seeded`] makes such a chart a pure function of its inputs and of a
//! secret. It holds that
//!
//! * the same seed, file and files of the chart give the same bytes, in whatever order the files are rendered:
//!   a call draws from a generator of its own, told apart by the file that is rendered and by how many calls
//!   there were before it in this file;
//! * two seeds never give the same password or key, and nobody without the seed can tell what a call gives, not even
//!   from what all other calls gave: the generator is ChaCha20, its key HMAC-SHA256 of file and ordinal under the seed;
//! * the clock stands still at the time the seed was made, so certificates keep their validity; time zones are built in;
//! * prime numbers, signatures and the order of draws are determined by this crate alone. What they were drawn for
//!   stays the same when a library below is replaced.
//!
//! A call that is added to a file moves those after it in this file, and in no other.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng as _, SeedableRng as _};
use gotemplate::{Context, FunctionError};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::host::Host;

/// Where chance and time come from.
#[derive(Debug, Clone, Default)]
pub enum Chance {
    /// The operating system's random numbers, clock and time zone, as Helm has them.
    #[default]
    System,
    /// Nowhere: a chart that asks for either fails with [`Error::ChanceWithheld`](crate::Error::ChanceWithheld), and
    /// may be rendered again with a seed.
    Withheld,
    /// A generator for each call, and a clock that stands still. See the [module](self) for what is guaranteed.
    Seeded {
        /// The secret that everything is drawn from.
        seed: Seed,
        /// The time at which the clock stands: when the secret was made. The time zone is UTC.
        at: Timestamp,
    },
}

/// A secret from which random values are drawn. It does not print, and is wiped when it is dropped.
#[derive(Clone)]
pub struct Seed(Arc<Zeroizing<Vec<u8>>>);

impl Seed {
    /// Bytes that a new seed has.
    pub const LEN: usize = 32;

    /// A seed of these bytes. What can be guessed of them can be guessed of every password drawn from it.
    pub fn new(secret: impl AsRef<[u8]>) -> Self {
        Self(Arc::new(Zeroizing::new(secret.as_ref().to_vec())))
    }

    /// A new seed from the operating system.
    pub fn random() -> Result<Self, NoRandomness> {
        let mut bytes = Zeroizing::new(vec![0; Self::LEN]);
        getrandom::fill(&mut bytes).map_err(NoRandomness)?;
        Ok(Self(Arc::new(bytes)))
    }

    /// The bytes, to be kept in a secret place.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(redacted)")
    }
}

/// The operating system gives no random numbers.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no random numbers: {0}")]
pub struct NoRandomness(#[source] getrandom::Error);

/// Chance as one rendering uses it: with the count of calls.
#[derive(Debug, Default)]
pub(crate) struct Draws {
    chance: Chance,
    /// The file of the last call.
    file: Arc<str>,
    /// The calls that this file has made.
    ordinal: u64,
    /// Whether a template asked for a random value or the time.
    used: bool,
}

impl Draws {
    /// Draws for one rendering.
    pub(crate) fn new(chance: Chance) -> Self {
        Self { chance, ..Self::default() }
    }

    /// Whether a template asked for a random value or the time.
    pub(crate) fn is_used(&self) -> bool {
        self.used
    }

    /// Whether a template asked for what is withheld.
    pub(crate) fn is_missed(&self) -> bool {
        self.used && matches!(self.chance, Chance::Withheld)
    }

    /// The generator for the next call in a file.
    fn generator(&mut self, file: &Arc<str>) -> Result<Generator, NoRandomness> {
        self.used = true;
        let mut key = Zeroizing::new([0; 32]);
        match &self.chance {
            Chance::System | Chance::Withheld => getrandom::fill(&mut *key).map_err(NoRandomness)?,
            Chance::Seeded { seed, .. } => {
                if self.file != *file {
                    self.file = Arc::clone(file);
                    self.ordinal = 0;
                }
                *key = call_key(seed, file, self.ordinal);
                self.ordinal += 1;
            }
        }
        Ok(Generator(ChaCha20Rng::from_seed(*key)))
    }

    /// The clock.
    fn clock(&mut self) -> Clock {
        self.used = true;
        match &self.chance {
            Chance::System | Chance::Withheld => {
                static START: LazyLock<Instant> = LazyLock::new(Instant::now);
                let elapsed = i64::try_from(START.elapsed().as_nanos()).unwrap_or(i64::MAX);
                Clock {
                    now: Timestamp::now(),
                    monotonic: Some(elapsed),
                    zone: TimeZone::system(),
                    zones: jiff::tz::db(),
                }
            }
            Chance::Seeded { at, .. } => {
                static BUNDLED: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);
                Clock { now: *at, monotonic: None, zone: TimeZone::UTC, zones: &BUNDLED }
            }
        }
    }
}

/// The key of a call's generator. The file's length stands before it, so that no two calls share a text.
fn call_key(seed: &Seed, file: &str, ordinal: u64) -> [u8; 32] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(seed.expose()) else { return [0; 32] };
    mac.update(b"tiphys.dev/chance/v1\0");
    mac.update(&(file.len() as u64).to_be_bytes());
    mac.update(file.as_bytes());
    mac.update(&ordinal.to_be_bytes());
    mac.finalize().into_bytes().into()
}

/// What functions know of time.
pub(crate) struct Clock {
    /// The time.
    pub(crate) now: Timestamp,
    /// Nanoseconds since the program started, which Go prints after the time; none for a clock that stands.
    pub(crate) monotonic: Option<i64>,
    /// Go's `time.Local`.
    pub(crate) zone: TimeZone,
    /// The time zones of the world: the machine's, or for a seed those that are built in.
    pub(crate) zones: &'static TimeZoneDatabase,
}

/// The random numbers of one call.
pub(crate) struct Generator(ChaCha20Rng);

impl Generator {
    /// Fills a buffer.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) {
        self.0.fill_bytes(buffer);
    }

    /// An array of random bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A number below `bound`, each as likely as the others; 0 for a bound of 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        // Numbers from the last, incomplete round of the bound would make the small ones more likely.
        let zone = u64::MAX - (u64::MAX % bound + 1) % bound;
        loop {
            let number = self.0.next_u64();
            if number <= zone {
                return number % bound;
            }
        }
    }
}

/// The generator for a call of a function.
pub(crate) fn generator(ctx: &mut Context<'_>) -> Result<Generator, FunctionError> {
    let made = match ctx.host::<Host>() {
        Some(host) => {
            let file = Arc::clone(&host.file);
            let made = host.chance.generator(&file);
            if host.chance.is_missed() {
                // Keys take long to make, and the rendering is thrown away.
                return Err(FunctionError::new("random values are withheld"));
            }
            made
        }
        None => Draws::default().generator(&Arc::from("")),
    };
    made.map_err(|error| FunctionError::Other(Box::new(error)))
}

/// The clock as a function sees it.
pub(crate) fn clock(ctx: &mut Context<'_>) -> Clock {
    match ctx.host::<Host>() {
        Some(host) => host.chance.clock(),
        None => Draws::default().clock(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seeded(seed: &str) -> Draws {
        Draws::new(Chance::Seeded { seed: Seed::new(seed), at: Timestamp::UNIX_EPOCH })
    }

    fn draw(draws: &mut Draws, file: &str) -> [u8; 32] {
        draws.generator(&Arc::from(file)).unwrap().array()
    }

    #[test]
    fn a_call_is_told_by_seed_file_and_ordinal() {
        let mut one = seeded("one");
        let drawn = [draw(&mut one, "a"), draw(&mut one, "a"), draw(&mut one, "b"), draw(&mut one, "b")];
        let mut other_order = seeded("one");
        let again = [
            draw(&mut other_order, "b"),
            draw(&mut other_order, "b"),
            draw(&mut other_order, "a"),
            draw(&mut other_order, "a"),
        ];
        assert_eq!(drawn, [again[2], again[3], again[0], again[1]]);
        let mut two = seeded("two");
        let mut all = drawn.to_vec();
        all.extend([draw(&mut two, "a"), draw(&mut two, "a"), draw(&mut two, "b")]);
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 7);
    }

    /// What was drawn once is in clusters; this must never change.
    #[test]
    fn the_stream_is_pinned() {
        let mut draws = seeded("seed");
        let mut generator = draws.generator(&Arc::from("web/templates/secret.yaml")).unwrap();
        let numbers: Vec<u64> = (0..6).map(|_| generator.below(1000)).collect();
        assert_eq!(numbers, [230, 155, 55, 571, 45, 752]);
    }

    #[test]
    fn the_system_does_not_repeat_itself() {
        let mut draws = Draws::default();
        assert_ne!(draw(&mut draws, "a"), draw(&mut draws, "a"));
        assert_ne!(draw(&mut Draws::default(), "a"), draw(&mut Draws::default(), "a"));
        assert_ne!(Seed::random().unwrap().expose(), Seed::random().unwrap().expose());
    }

    #[test]
    fn numbers_stay_below_their_bound() {
        let mut generator = seeded("x").generator(&Arc::from("")).unwrap();
        let mut counts = [0; 10];
        for _ in 0..10_000 {
            counts[usize::try_from(generator.below(10)).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
        assert_eq!(generator.below(0), 0);
        assert_eq!(generator.below(1), 0);
    }

    #[test]
    fn what_is_withheld_is_missed_only_by_those_who_ask() {
        let mut draws = Draws::new(Chance::Withheld);
        assert!(!draws.is_missed());
        draws.clock();
        assert!(draws.is_missed());
        assert!(!seeded("x").is_used());
    }

    #[test]
    fn a_seed_does_not_print() {
        let chance = Chance::Seeded { seed: Seed::new("hush"), at: Timestamp::UNIX_EPOCH };
        assert!(!format!("{chance:?}").contains("hush"));
        assert!(!format!("{:?}", Draws::new(chance)).contains("hush"));
    }
}
