//! A chart from a directory on disk.

use std::fs;
use std::io;
use std::path::Path;

use super::budget::Budget;
use super::ignore::IgnoreRules;
use super::{Chart, File};
use crate::error::{Error, Place};
use crate::limits::Limits;

const IGNORE_FILE: &str = ".helmignore";

/// Directories inside one another; links can lead in circles.
const MAX_DEPTH: usize = 64;

/// The files of a directory that holds a chart, without those that its `.helmignore` names. Links are followed, also out
/// of it.
pub fn files_of_directory(directory: &Path, limits: &Limits) -> Result<Vec<File>, Error> {
    read(directory, &mut Budget::new(limits, None))
}

fn read(directory: &Path, budget: &mut Budget) -> Result<Vec<File>, Error> {
    let ignore_file = match fs::read(directory.join(IGNORE_FILE)) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(cannot_read(IGNORE_FILE, &error)),
    };
    let rules = IgnoreRules::parse(ignore_file.as_deref().unwrap_or_default())?;
    let mut walk = Walk { rules, ignore_file, budget, files: Vec::new(), buffer: Vec::new() };
    walk.directory(directory, "", 0)?;
    Ok(walk.files)
}

impl Chart {
    /// Loads a chart from a directory, without what its `.helmignore` names. Links are followed, also out of it.
    pub fn from_directory(directory: &Path, limits: &Limits) -> Result<Self, Error> {
        let about = directory.join("Chart.yaml");
        if !about.exists() {
            let path = about.display();
            let message = format!("unable to detect chart at {path}: open {path}: no such file or directory");
            return Err(Error::Load { place: None, message });
        }
        let mut budget = Budget::new(limits, None);
        let files = read(directory, &mut budget)?;
        Self::assemble(files, &mut budget, limits)
    }

    /// Loads a chart from a directory or an archive, whichever is there.
    pub fn from_path(path: &Path, limits: &Limits) -> Result<Self, Error> {
        let shown = path.display().to_string();
        let metadata = fs::metadata(path).map_err(|error| cannot_read(&shown, &error))?;
        if metadata.is_dir() {
            return Self::from_directory(path, limits);
        }
        if metadata.len() > limits.chart_bytes {
            let message = format!("{shown} is larger than the maximum size {}", limits.chart_bytes);
            return Err(Error::Load { place: None, message });
        }
        let data = fs::read(path).map_err(|error| cannot_read(&shown, &error))?;
        if !data.starts_with(&[0x1F, 0x8B]) {
            let yaml = [".yaml", ".yml"].iter().any(|extension| shown.ends_with(extension));
            let message = if yaml {
                format!("file '{shown}' seems to be a YAML file, but expected a gzipped archive")
            } else {
                format!("file '{shown}' does not appear to be a gzipped archive")
            };
            return Err(Error::Load { place: None, message });
        }
        Self::from_archive(&data, limits)
    }
}

struct Walk<'a> {
    rules: IgnoreRules,
    /// The file that the rules are from. It is not read twice.
    ignore_file: Option<Vec<u8>>,
    budget: &'a mut Budget,
    files: Vec<File>,
    /// What files are read into.
    buffer: Vec<u8>,
}

impl Walk<'_> {
    fn directory(&mut self, directory: &Path, path: &str, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            let message = format!("{path}: more than {MAX_DEPTH} directories inside one another");
            return Err(Error::Load { place: None, message });
        }
        let failed = |error: io::Error| cannot_read(path, &error);
        let entries = fs::read_dir(directory).map_err(failed)?;
        let named = |entry: io::Result<fs::DirEntry>| entry.map(|entry| (entry.file_name(), entry));
        let mut entries = entries.map(named).collect::<io::Result<Vec<_>>>().map_err(failed)?;
        entries.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
        for (name, entry) in entries {
            let name = name.into_string().unwrap_or_else(|name| name.to_string_lossy().into_owned());
            let path = if path.is_empty() { name } else { [path, "/", &name].concat() };
            let mut kind = entry.file_type().map_err(|error| cannot_read(&path, &error))?;
            if kind.is_symlink() {
                kind = fs::metadata(entry.path()).map_err(|error| cannot_read(&path, &error))?.file_type();
            }
            if kind.is_dir() {
                if !self.rules.ignore(&path, true) {
                    self.directory(&entry.path(), &path, depth + 1)?;
                }
            } else if !self.rules.ignore(&path, false) {
                if !kind.is_file() {
                    let message =
                        format!("cannot load irregular file {path} as it has file mode type bits set");
                    return Err(Error::Load { place: Some(Place { file: path, line: 0 }), message });
                }
                self.file(&entry.path(), path)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, file: &Path, path: String) -> Result<(), Error> {
        let known = self.ignore_file.take_if(|_| path == IGNORE_FILE);
        let data = match &known {
            Some(known) => {
                self.budget.take(known.len())?;
                known
            }
            None => self.budget.read_file(file, &path, &mut self.buffer)?,
        };
        self.files.push(File::new(path, super::load::without_mark(data)));
        Ok(())
    }
}

pub(super) fn cannot_read(path: &str, error: &io::Error) -> Error {
    Error::Load {
        place: Some(Place { file: path.to_owned(), line: 0 }),
        message: format!("error reading {path}: {error}"),
    }
}
