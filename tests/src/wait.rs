//! Waiting for something to become true.

use std::fmt::Display;
use std::future::Future;
use std::panic::Location;
use std::time::{Duration, Instant};

/// How long to wait between two attempts: short at first, because most things are true soon.
fn pause(attempts: u32) -> Duration {
    Duration::from_millis(u64::from(attempts.clamp(1, 10)) * 5)
}

fn give_up(what: &str, within: Duration, attempts: u32, last: &dyn Display, caller: &Location<'_>) -> ! {
    panic!("{caller}: not within {within:?} ({attempts} attempts): {what}\nlast seen: {last}");
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
    mut attempt: F,
) -> impl Future<Output = T> + use<T, E, F, Attempt>
where
    E: Display,
    F: FnMut() -> Attempt,
    Attempt: Future<Output = Result<T, E>>,
{
    let caller = Location::caller();
    let what = what.to_owned();
    async move {
        let deadline = Instant::now() + within;
        let mut last = "nothing: the first attempt did not come back".to_owned();
        let mut attempts = 0;
        loop {
            attempts += 1;
            let left = deadline.saturating_duration_since(Instant::now());
            match tokio::time::timeout(left, attempt()).await {
                Ok(Ok(value)) => return value,
                Ok(Err(seen)) => last = seen.to_string(),
                Err(_) => give_up(&what, within, attempts, &last, caller),
            }
            if Instant::now() >= deadline {
                give_up(&what, within, attempts, &last, caller);
            }
            tokio::time::sleep(pause(attempts)).await;
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
            Err(seen) if Instant::now() >= deadline => give_up(what, within, attempts, &seen, caller),
            Err(_) => std::thread::sleep(pause(attempts)),
        }
    }
}
