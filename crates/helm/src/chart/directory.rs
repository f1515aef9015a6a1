//! A chart from a directory on disk.

use std::ffi::CString;
use std::fs::File as DiskFile;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::path::Arg;

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
    let opened = DiskFile::open(directory).map_err(|error| cannot_read("", &error))?;
    read(opened.into(), &mut Budget::new(limits, None))
}

/// Charts are many small files, so every call of the system counts. Files are opened by their names in their directory,
/// for the system to look up one name of each path.
fn read(directory: OwnedFd, budget: &mut Budget) -> Result<Vec<File>, Error> {
    let mut buffer = Vec::new();
    let ignore_file = match open(&directory, IGNORE_FILE) {
        Ok(file) => Some(budget.clone().read_file(file.into(), IGNORE_FILE, &mut buffer)?.to_vec()),
        Err(rustix::io::Errno::NOENT) => None,
        Err(error) => return Err(cannot_read(IGNORE_FILE, &error.into())),
    };
    let rules = IgnoreRules::parse(ignore_file.as_deref().unwrap_or_default())?;
    let mut walk = Walk { rules, ignore_file, budget, files: Vec::new(), buffer };
    walk.directory(directory, "", 0)?;
    Ok(walk.files)
}

impl Chart {
    /// Loads a chart from a directory, without what its `.helmignore` names. Links are followed, also out of it.
    pub fn from_directory(directory: &Path, limits: &Limits) -> Result<Self, Error> {
        let shown = directory.display().to_string();
        let opened = DiskFile::open(directory).map_err(|error| cannot_read(&shown, &error))?;
        Self::from_opened(directory, opened, limits)
    }

    fn from_opened(directory: &Path, opened: DiskFile, limits: &Limits) -> Result<Self, Error> {
        let mut budget = Budget::new(limits, None);
        let files = read(opened.into(), &mut budget);
        let is_chart = |files: &[File]| files.iter().any(|file| &*file.path == "Chart.yaml");
        if !files.as_deref().is_ok_and(is_chart) {
            let about = directory.join("Chart.yaml");
            if !about.exists() {
                let path = about.display();
                let message =
                    format!("unable to detect chart at {path}: open {path}: no such file or directory");
                return Err(Error::Load { place: None, message });
            }
        }
        Self::assemble(files?, &mut budget, limits)
    }

    /// Loads a chart from a directory or an archive, whichever is there.
    pub fn from_path(path: &Path, limits: &Limits) -> Result<Self, Error> {
        let shown = path.display().to_string();
        let failed = |error: io::Error| cannot_read(&shown, &error);
        let opened = DiskFile::open(path).map_err(failed)?;
        let metadata = opened.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Self::from_opened(path, opened, limits);
        }
        if metadata.len() > limits.chart_bytes {
            let message = format!("{shown} is larger than the maximum size {}", limits.chart_bytes);
            return Err(Error::Load { place: None, message });
        }
        let mut data = Vec::new();
        opened.take(limits.chart_bytes).read_to_end(&mut data).map_err(failed)?;
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
    fn directory(&mut self, directory: OwnedFd, path: &str, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            let message = format!("{path}: more than {MAX_DEPTH} directories inside one another");
            return Err(Error::Load { place: None, message });
        }
        let failed = |error: rustix::io::Errno| cannot_read(path, &error.into());
        let mut directory = Dir::new(directory).map_err(failed)?;
        let entries = entries(&mut directory).map_err(failed)?;
        let directory = directory.fd().map_err(failed)?;
        for (name, kind) in entries {
            let shown = name.to_string_lossy();
            let path = if path.is_empty() { shown.into_owned() } else { [path, "/", &shown].concat() };
            let failed = |error: rustix::io::Errno| cannot_read(&path, &error.into());
            let kind = followed(directory, &name, kind).map_err(failed)?;
            let open = || open(directory, &name).map_err(failed);
            if kind == FileType::Directory {
                if !self.rules.ignore(&path, true) {
                    self.directory(open()?, &path, depth + 1)?;
                }
            } else if !self.rules.ignore(&path, false) {
                if kind != FileType::RegularFile {
                    let message =
                        format!("cannot load irregular file {path} as it has file mode type bits set");
                    return Err(Error::Load { place: Some(Place { file: path, line: 0 }), message });
                }
                match self.ignore_file.take_if(|_| path == IGNORE_FILE) {
                    Some(known) => {
                        self.budget.take(known.len())?;
                        self.files.push(File::new(path, super::load::without_mark(&known)));
                    }
                    None => self.file(open()?, path)?,
                }
            }
        }
        Ok(())
    }

    fn file(&mut self, file: OwnedFd, path: String) -> Result<(), Error> {
        let data = self.budget.read_file(file.into(), &path, &mut self.buffer)?;
        self.files.push(File::new(path, super::load::without_mark(data)));
        Ok(())
    }
}

fn open(directory: impl AsFd, name: impl Arg + Copy) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    rustix::io::retry_on_intr(|| rustix::fs::openat(&directory, name, flags, Mode::empty()))
}

/// What is in a directory, sorted by name.
fn entries(directory: &mut Dir) -> rustix::io::Result<Vec<(CString, FileType)>> {
    let mut entries = Vec::new();
    for entry in directory {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            entries.push((entry.file_name().to_owned(), entry.file_type()));
        }
    }
    entries.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
    Ok(entries)
}

/// What an entry of a directory is: what it leads to, if it is a link. Some file systems do not say it with the name.
fn followed(directory: impl AsFd, name: &CString, kind: FileType) -> rustix::io::Result<FileType> {
    if !matches!(kind, FileType::Symlink | FileType::Unknown) {
        return Ok(kind);
    }
    let status = rustix::fs::statat(directory, name, AtFlags::empty())?;
    Ok(FileType::from_raw_mode(status.st_mode))
}

pub(super) fn cannot_read(path: &str, error: &io::Error) -> Error {
    Error::Load {
        place: Some(Place { file: path.to_owned(), line: 0 }),
        message: format!("error reading {path}: {error}"),
    }
}
