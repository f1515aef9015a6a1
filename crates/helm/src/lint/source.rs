//! What the rules look at.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::chart::{Chart, File, files_of_archive};
use crate::limits::Limits;

/// A chart that need not be a good one.
#[derive(Clone, Debug)]
pub struct Source {
    /// The directory, for messages.
    pub(super) root: String,
    pub(super) chart_file: Entry,
    pub(super) values: Entry,
    pub(super) schema: Entry,
    pub(super) templates: Entry,
    pub(super) crds: Entry,
    /// The chart, or why it cannot be loaded.
    pub(super) chart: Result<Chart, String>,
}

/// What is found at a path.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    Absent,
    Directory,
    File(Arc<[u8]>),
}

impl Entry {
    fn read(path: &Path) -> Self {
        match fs::read(path) {
            Ok(data) => Self::File(data.into()),
            Err(_) if path.is_dir() => Self::Directory,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::Absent,
            // Helm, too, finds out when it looks into the file.
            Err(_) => Self::File(Arc::default()),
        }
    }

    fn of(files: &[File], name: &str) -> Self {
        let folder = format!("{name}/");
        match files.iter().find(|file| &*file.path == name) {
            Some(file) => Self::File(file.data.clone()),
            None if files.iter().any(|file| file.path.starts_with(&folder)) => Self::Directory,
            None => Self::Absent,
        }
    }

    /// The text of the file.
    pub(super) fn text(&self) -> Option<&[u8]> {
        match self {
            Self::File(data) => Some(data),
            _ => None,
        }
    }
}

impl Source {
    /// Reads a directory, or an archive by its ending. The error is Helm's text.
    pub fn from_path(path: &str, limits: &Limits) -> Result<Self, String> {
        if [".tgz", ".tar.gz"].iter().any(|ending| path.ends_with(ending)) {
            let data = fs::read(path)
                .map_err(|error| format!("unable to open tarball: open {path}: {}", reason(&error)))?;
            return Self::from_archive(path, &data, limits);
        }
        let directory = Path::new(path);
        let chart_file = directory.join("Chart.yaml");
        fs::metadata(&chart_file).map_err(|error| {
            let (file, reason) = (chart_file.display(), reason(&error));
            format!("unable to check Chart.yaml file in chart: stat {file}: {reason}")
        })?;
        let root = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
        Ok(Self {
            root: root.display().to_string(),
            chart_file: Entry::read(&chart_file),
            values: Entry::read(&directory.join("values.yaml")),
            schema: Entry::read(&directory.join("values.schema.json")),
            templates: Entry::read(&directory.join("templates")),
            crds: Entry::read(&directory.join("crds")),
            chart: Chart::from_directory(directory, limits).map_err(|error| error.to_string()),
        })
    }

    fn from_archive(path: &str, data: &[u8], limits: &Limits) -> Result<Self, String> {
        let files =
            files_of_archive(data, limits).map_err(|error| format!("unable to extract tarball: {error}"))?;
        let chart_file = Entry::of(&files, "Chart.yaml");
        if matches!(chart_file, Entry::Absent) {
            let reason = "no such file or directory";
            return Err(format!(
                "unable to check Chart.yaml file in chart: stat {path}/Chart.yaml: {reason}"
            ));
        }
        Ok(Self {
            root: path.to_owned(),
            chart_file,
            values: Entry::of(&files, "values.yaml"),
            schema: Entry::of(&files, "values.schema.json"),
            templates: Entry::of(&files, "templates"),
            crds: Entry::of(&files, "crds"),
            // What is unpacked is read as a directory, with its `.helmignore`.
            chart: Chart::from_files(files, limits).map_err(|error| error.to_string()),
        })
    }
}

/// In Go's words.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::NotADirectory => "not a directory".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}
