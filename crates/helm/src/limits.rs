//! What a chart may cost.

use std::time::Duration;

use tiphys_manifest::yaml;

/// What loading and rendering a chart may cost at most. Whatever needs more is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all files of a chart together, after decompression; Helm 4: 100 MiB.
    pub chart_bytes: u64,
    /// Files in a chart, those of its subcharts included.
    pub chart_files: usize,
    /// Charts inside one another.
    pub chart_depth: usize,
    /// How much larger the files of an archive may be than the archive.
    pub archive_ratio: u64,
    /// Texts of values.
    pub values: yaml::Limits,
    /// What templates may use. Their deadline is set by `timeout`, if that comes first.
    pub templates: gotemplate::Limits,
    /// How long a rendering may take.
    pub timeout: Option<Duration>,
}

impl Default for Limits {
    /// 100 MiB, 20,000 files, 16 charts inside one another, a ratio of 200 (tables of numbers reach 100), the
    /// defaults for texts and templates, and 30 seconds.
    fn default() -> Self {
        Self {
            chart_bytes: 100 << 20,
            chart_files: 20_000,
            chart_depth: 16,
            archive_ratio: 200,
            values: yaml::Limits::default(),
            templates: gotemplate::Limits::default(),
            timeout: Some(Duration::from_secs(30)),
        }
    }
}
