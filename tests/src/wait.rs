//! Waiting for something to become true.

use std::fmt::{self, Display};
use std::future::Future;
use std::panic::Location;
use std::time::{Duration, Instant};

/// How long to wait between two attempts: short at first, because most things are true soon.
fn pause(attempts: u32) -> Duration {
    Duration::from_millis(u64::from(attempts.clamp(1, 10)) * 5)
}

/// What was waited for has not come.
#[derive(Clone, Debug)]
pub struct NotInTime {
    what: String,
    within: Duration,
    attempts: u32,
    last: String,
}

impl Display for NotInTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, within, attempts, last } = self;
        write!(f, "not within {within:?} ({attempts} attempts): {what}\nlast seen: {last}")
    }
}

impl std::error::Error for NotInTime {}

/// [`eventually`] for a caller that has something better to do than to panic when the time is over.
pub async fn within<T, E, F, Attempt>(what: &str, limit: Duration, mut attempt: F) -> Result<T, NotInTime>
where
    E: Display,
    F: FnMut() -> Attempt,
    Attempt: Future<Output = Result<T, E>>,
{
    let deadline = Instant::now() + limit;
    let mut last = "nothing: the first attempt did not come back".to_owned();
    let mut attempts = 0;
    loop {
        attempts += 1;
        let left = deadline.saturating_duration_since(Instant::now());
        let in_time = match tokio::time::timeout(left, attempt()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(seen)) => {
                last = seen.to_string();
                Instant::now() < deadline
            }
            Err(_) => false,
        };
        if !in_time {
            return Err(NotInTime { what: what.to_owned(), within: limit, attempts, last });
        }
        tokio::time::sleep(pause(attempts)).await;
    }
}

/// Tries until the attempt gives `Ok`, and gives back what is in it.
///
/// An attempt says in its `Err` what it saw instead. When `within` is over, the panic shows the place of the call, what
/// was waited for and what the last attempt saw. An attempt that itself does not come back is given up too.
///
/// ```
/// # use std::time::Duration;
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let file = std::env::temp_dir();
/// let metadata = tiphys_tests::eventually("the folder is there", Duration::from_secs(1), || async {
///     std::fs::metadata(&file)
/// }).await;
/// assert!(metadata.is_dir());
/// # });
/// ```
#[track_caller]
pub fn eventually<T, E, F, Attempt>(
    what: &str,
    within: Duration,
    attempt: F,
) -> impl Future<Output = T> + use<T, E, F, Attempt>
where
    E: Display,
    F: FnMut() -> Attempt,
    Attempt: Future<Output = Result<T, E>>,
{
    let caller = Location::caller();
    let what = what.to_owned();
    async move {
        match self::within(&what, within, attempt).await {
            Ok(value) => value,
            Err(error) => panic!("{caller}: {error}"),
        }
    }
}

/// [`eventually`] for a test without a runtime.
#[track_caller]
pub fn eventually_blocking<T, E: Display>(
    what: &str,
    within: Duration,
    mut attempt: impl FnMut() -> Result<T, E>,
) -> T {
    let caller = Location::caller();
    let deadline = Instant::now() + within;
    let mut attempts = 0;
    loop {
        attempts += 1;
        match attempt() {
            Ok(value) => return value,
            Err(seen) if Instant::now() >= deadline => {
                let error = NotInTime { what: what.to_owned(), within, attempts, last: seen.to_string() };
                panic!("{caller}: {error}");
            }
            Err(_) => std::thread::sleep(pause(attempts)),
        }
    }
}
