//! Headings, the outcome of each step, and the summary at the end.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};

/// How headings look.
const HEADING: Style = AnsiColor::Yellow.on_default().bold();
/// How success looks.
const GOOD: Style = AnsiColor::Green.on_default().bold();
/// How failure looks.
const BAD: Style = AnsiColor::Red.on_default().bold();
/// How what nobody needs to read looks.
const FAINT: Style = Style::new().dimmed();

/// Why the story ended before its time.
pub type Failure = String;

/// Keeps the time and the outcome of each step.
pub struct Teller {
    began: Instant,
    done: Mutex<Vec<Step>>,
}

struct Step {
    title: &'static str,
    took: Duration,
    failure: Option<Failure>,
}

impl Default for Teller {
    fn default() -> Self {
        Self { began: Instant::now(), done: Mutex::default() }
    }
}

impl Teller {
    /// Plays one step and notes how it went.
    pub async fn step<T>(
        &self,
        title: &'static str,
        step: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let number = self.done.lock().expect("nobody panics here").len() + 1;
        anstream::println!("\n{HEADING}{number}. {title}{HEADING:#}");
        let began = Instant::now();
        let result = step.await;
        let took = began.elapsed();
        let failure = result.as_ref().err().cloned();
        match &failure {
            None => anstream::println!("{GOOD}ok{GOOD:#} {FAINT}{}{FAINT:#}", seconds(took)),
            Some(failure) => anstream::println!("{BAD}failed{BAD:#} {failure}"),
        }
        self.done.lock().expect("nobody panics here").push(Step { title, took, failure });
        result
    }

    /// What was done, how it went, and how long it took.
    pub fn summary(&self, told: &Result<(), Failure>, planned: usize) {
        let done = self.done.lock().expect("nobody panics here");
        anstream::println!("\n{HEADING}Summary{HEADING:#}");
        for (index, step) in done.iter().enumerate() {
            let (style, word) = if step.failure.is_none() { (GOOD, "ok") } else { (BAD, "failed") };
            let (number, title, took) = (index + 1, step.title, seconds(step.took));
            anstream::println!("{number:>3}. {title:<64} {style}{word:<6}{style:#} {took:>7}");
        }
        let good = done.iter().filter(|it| it.failure.is_none()).count();
        let total = seconds(self.began.elapsed());
        match told {
            Ok(()) => {
                anstream::println!("{GOOD}{good} of {planned} steps did what they say{GOOD:#} in {total}");
            }
            Err(failure) => {
                // All of it stands where it happened.
                let failure = failure.lines().next().unwrap_or_default();
                anstream::println!(
                    "{BAD}{good} of {planned} steps did what they say{BAD:#} in {total}: {failure}"
                );
            }
        }
    }
}

/// A sentence between commands.
pub fn say(text: &str) {
    anstream::println!("{FAINT}{text}{FAINT:#}");
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
