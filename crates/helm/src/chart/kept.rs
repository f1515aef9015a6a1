//! Charts that were loaded before, found again by what is in their files.
//!
//! A chart is loaded anew for every change of its values, and the same library chart comes with many others. What was
//! made of the same bytes before (metadata, default values, compiled templates and schema) is taken again, after every byte was
//! compared. Only what is in the files of a chart is kept: no value that was given, and nothing that templates printed.
//!
//! What the values of a chart take in memory is not counted here. The workers in which untrusted charts are rendered are
//! replaced when they hold more than 64 MiB after a rendering, so what is kept takes no rendering its room.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash as _, Hasher};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use tiphys_manifest::yaml;

use super::budget::Spent;
use super::{Chart, File};
use crate::limits::Limits;

/// Bytes of the files of all charts that are kept. What is made of them takes about as much again.
const MAX_BYTES: usize = 24 << 20;
/// Bytes at the beginning and at the end of a file by which charts are looked for. All bytes are compared with what is found.
const HASHED: usize = 8 << 10;
/// Bytes of the files of a chart that is kept.
const MAX_CHART_BYTES: usize = 8 << 20;
/// Charts that are kept, those in others counted, too.
const MAX_CHARTS: usize = 500;
/// How long a chart is kept that nobody asks for.
const MAX_IDLE: Duration = Duration::from_mins(15);

static KEPT: LazyLock<Mutex<Kept>> = LazyLock::new(Mutex::default);

fn kept() -> MutexGuard<'static, Kept> {
    // A thread that panicked has at worst not counted a chart.
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What decides of files what becomes of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rules {
    /// How many charts the chart is in.
    depth: usize,
    most_depth: usize,
    values: yaml::Limits,
}

/// What a chart is made of.
pub(super) struct Question<'f> {
    files: &'f [File],
    rules: Rules,
    bytes: usize,
    hash: u64,
}

impl<'f> Question<'f> {
    pub(super) fn new(files: &'f [File], depth: usize, limits: &Limits) -> Self {
        static HASHES: LazyLock<RandomState> = LazyLock::new(RandomState::default);
        let mut hasher = HASHES.build_hasher();
        let mut bytes = 0_usize;
        for file in files {
            file.path.hash(&mut hasher);
            hash_ends(&file.data, &mut hasher);
            bytes = bytes.saturating_add(file.data.len());
        }
        depth.hash(&mut hasher);
        let rules = Rules { depth, most_depth: limits.chart_depth, values: limits.values };
        Self { files, rules, bytes, hash: hasher.finish() }
    }

    /// The chart that was loaded from the same, and what that cost.
    pub(super) fn find(&self) -> Option<(Chart, Spent)> {
        let found = {
            let mut kept = kept();
            let entry = kept.charts.get_mut(&self.hash)?;
            entry.used = Instant::now();
            Arc::clone(&entry.loaded)
        };
        let same = found.rules == self.rules && *found.files == *self.files;
        same.then(|| (found.chart.clone(), found.spent))
    }

    /// What is kept of the question.
    pub(super) fn into_record(self) -> Option<Record> {
        let Self { files, rules, bytes, hash } = self;
        (bytes <= MAX_CHART_BYTES).then(|| Record { files: files.to_vec(), rules, bytes, hash })
    }
}

/// Takes all of a small file and both ends of a large one into a hash.
fn hash_ends(data: &[u8], hasher: &mut impl Hasher) {
    match (data.first_chunk::<HASHED>(), data.last_chunk::<HASHED>()) {
        (Some(first), Some(last)) if data.len() > 2 * HASHED => (data.len(), first, last).hash(hasher),
        _ => data.hash(hasher),
    }
}

/// A question whose answer is on its way.
pub(super) struct Record {
    files: Vec<File>,
    rules: Rules,
    bytes: usize,
    hash: u64,
}

impl Record {
    /// Keeps the chart that was loaded.
    pub(super) fn keep(self, chart: &Chart, spent: Spent) {
        let Self { files, rules, bytes, hash } = self;
        let loaded = Arc::new(Loaded { files, rules, chart: chart.clone(), spent });
        kept().insert(hash, Entry { loaded, bytes, used: Instant::now() });
    }
}

/// A chart, what it was made of, and what loading it cost.
struct Loaded {
    files: Vec<File>,
    rules: Rules,
    chart: Chart,
    spent: Spent,
}

struct Entry {
    loaded: Arc<Loaded>,
    bytes: usize,
    used: Instant,
}

/// All that is kept, by the hashes of the questions.
#[derive(Default)]
struct Kept {
    charts: HashMap<u64, Entry, RandomState>,
    bytes: usize,
}

impl Kept {
    fn insert(&mut self, hash: u64, entry: Entry) {
        let now = entry.used;
        let bytes = &mut self.bytes;
        self.charts.retain(|_, entry| {
            let stays = now.saturating_duration_since(entry.used) < MAX_IDLE;
            *bytes -= if stays { 0 } else { entry.bytes };
            stays
        });
        self.bytes += entry.bytes;
        if let Some(old) = self.charts.insert(hash, entry) {
            self.bytes -= old.bytes;
        }
        while self.bytes > MAX_BYTES || self.charts.len() > MAX_CHARTS {
            let oldest = self.charts.iter().min_by_key(|(_, entry)| entry.used).map(|(hash, _)| *hash);
            let Some(entry) = oldest.and_then(|hash| self.charts.remove(&hash)) else { break };
            self.bytes -= entry.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(bytes: usize, used: Instant) -> Entry {
        let chart = Chart { data: Arc::default() };
        let rules = Rules { depth: 0, most_depth: 1, values: yaml::Limits::default() };
        let loaded = Loaded { files: Vec::new(), rules, chart, spent: Spent::default() };
        Entry { loaded: Arc::new(loaded), bytes, used }
    }

    #[test]
    fn charts_that_differ_in_the_middle_of_a_large_file_are_told_apart() {
        let load = |middle: u8| {
            let mut large = vec![b'.'; 4 * HASHED];
            large[2 * HASHED] = middle;
            let about = b"apiVersion: v2\nname: middle\nversion: 1.0.0\n".as_slice();
            let files = [File::new("Chart.yaml", about), File::new("large.txt", large)];
            let chart = Chart::from_files(files, &Limits::default()).unwrap();
            chart.files().iter().map(|file| file.data[2 * HASHED]).collect::<Vec<_>>()
        };
        for middle in [b'a', b'b', b'b', b'a'] {
            assert_eq!(load(middle), [middle]);
        }
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let mut kept = Kept::default();
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        for hash in 0..3 {
            kept.insert(hash, entry(MAX_CHART_BYTES, at(hash)));
        }
        kept.charts.get_mut(&0).unwrap().used = at(3);
        kept.insert(3, entry(MAX_CHART_BYTES, at(4)));
        let mut hashes: Vec<u64> = kept.charts.keys().copied().collect();
        hashes.sort_unstable();
        assert_eq!((hashes, kept.bytes), (vec![0, 2, 3], 3 * MAX_CHART_BYTES));
    }

    #[test]
    fn nothing_is_kept_that_nobody_asks_for() {
        let mut kept = Kept::default();
        let begin = Instant::now();
        kept.insert(1, entry(10, begin));
        kept.insert(2, entry(20, begin + MAX_IDLE / 2));
        kept.insert(2, entry(30, begin + MAX_IDLE));
        assert_eq!((kept.charts.len(), kept.bytes), (1, 30));
    }

    #[test]
    fn many_small_charts_are_bounded_in_number() {
        let mut kept = Kept::default();
        for hash in 0..MAX_CHARTS as u64 + 5 {
            kept.insert(hash, entry(1, Instant::now()));
        }
        assert_eq!((kept.charts.len(), kept.bytes), (MAX_CHARTS, MAX_CHARTS));
    }
}
