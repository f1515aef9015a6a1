//! Figures, and how they are printed.

use std::fmt;
use std::time::Duration;

/// What a figure should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// It is only shown.
    None,
    /// At most so much, in the unit of the row.
    AtMost(f64),
    /// Median and 95th percentile in seconds.
    Within(f64, f64),
}

impl Goal {
    /// Median and 95th percentile in seconds.
    pub fn within(median: f64, p95: f64) -> Self {
        Self::Within(median, p95)
    }
}

/// Times of several runs.
#[derive(Clone, Debug, Default)]
pub struct Times(Vec<f64>);

impl Times {
    /// No times yet.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds that of a run.
    pub fn add(&mut self, time: Duration) {
        self.0.push(time.as_secs_f64());
    }
}

/// The median: the middle one, or between the two in the middle.
fn median(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    } else {
        sorted[middle]
    }
}

/// The 95th percentile: the smallest value that is not below 95 of 100 of them.
fn p95(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    let rank = (sorted.len() * 95).div_ceil(100);
    sorted[rank.max(1) - 1]
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

struct Line {
    what: String,
    median: String,
    p95: String,
    runs: usize,
    goal: String,
    met: Option<bool>,
}

/// All figures.
#[derive(Default)]
pub struct Table(Vec<Line>);

impl Table {
    /// Median and 95th percentile of times.
    pub fn latency(&mut self, what: &str, times: &Times, goal: Goal) {
        let (median, p95) = (median(&times.0), p95(&times.0));
        let (text, met) = match goal {
            Goal::Within(most, most_p95) => {
                (format!("{most} s, {most_p95} s"), Some(median <= most && p95 <= most_p95))
            }
            Goal::AtMost(most) => (format!("{most} s"), Some(median <= most)),
            Goal::None => (String::new(), None),
        };
        self.add(what, seconds(median), seconds(p95), times.0.len(), text, met);
    }

    /// Median and 95th percentile of ratios, run by run.
    pub fn ratio(&mut self, what: &str, ours: &Times, others: &Times, goal: Goal) {
        let ratios: Vec<f64> = ours.0.iter().zip(&others.0).map(|(ours, other)| ours / other).collect();
        let (median, p95) = (median(&ratios), p95(&ratios));
        let (text, met) = at_most(goal, median, |it| format!("{it}"));
        self.add(what, format!("{median:.2}"), format!("{p95:.2}"), ratios.len(), text, met);
    }

    /// An amount of memory, with a goal in MiB.
    pub fn memory(&mut self, what: &str, bytes: u64, goal: Goal) {
        let mebibytes = bytes as f64 / 1024.0 / 1024.0;
        let (text, met) = at_most(goal, mebibytes, |it| format!("{it} MiB"));
        self.add(what, format!("{mebibytes:.1} MiB"), String::new(), 1, text, met);
    }

    /// A number of things.
    pub fn count(&mut self, what: &str, count: usize, goal: Goal) {
        let (text, met) = at_most(goal, count as f64, |it| format!("{it}"));
        self.add(what, count.to_string(), String::new(), 1, text, met);
    }

    /// One time.
    pub fn seconds(&mut self, what: &str, time: Duration, goal: Goal) {
        let (text, met) = at_most(goal, time.as_secs_f64(), |it| format!("{it} s"));
        self.add(what, seconds(time.as_secs_f64()), String::new(), 1, text, met);
    }

    fn add(&mut self, what: &str, median: String, p95: String, runs: usize, goal: String, met: Option<bool>) {
        crate::progress(&format!("{what}: {median} {p95}"));
        self.0.push(Line { what: what.to_owned(), median, p95, runs, goal, met });
    }
}

fn at_most(goal: Goal, value: f64, text: impl Fn(f64) -> String) -> (String, Option<bool>) {
    match goal {
        Goal::AtMost(most) => (text(most), Some(value <= most)),
        Goal::None | Goal::Within(..) => (String::new(), None),
    }
}

fn seconds(value: f64) -> String {
    if value < 10.0 { format!("{value:.3} s") } else { format!("{value:.1} s") }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| what | median | p95 | runs | goal | met |")?;
        writeln!(f, "|---|---:|---:|---:|---|---|")?;
        for Line { what, median, p95, runs, goal, met } in &self.0 {
            let met = match met {
                None => "",
                Some(true) => "yes",
                Some(false) => "**no**",
            };
            writeln!(f, "| {what} | {median} | {p95} | {runs} | {goal} | {met} |")?;
        }
        Ok(())
    }
}
