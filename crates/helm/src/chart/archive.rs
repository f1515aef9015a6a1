//! A chart from a `.tgz`.

use std::io::{self, Read};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use tar::{Archive, Builder, Entry, EntryType, Header};

use super::budget::Budget;
use super::{Chart, File};
use crate::error::{Error, Place};
use crate::limits::Limits;

impl Chart {
    /// Loads a chart from the bytes of a `.tgz`, in which it lies in a single directory.
    pub fn from_archive(data: &[u8], limits: &Limits) -> Result<Self, Error> {
        let mut budget = Budget::new(limits, Some(data.len()));
        let files = read(data, &mut budget).map_err(|error| {
            bad(
                error.place().map(|place| place.file.as_str()),
                format!("unable to load chart archive: {error}"),
            )
        })?;
        if !files.iter().any(|file| &*file.path == "Chart.yaml") {
            return Err(bad(None, "unable to detect chart version, no Chart.yaml found"));
        }
        Self::assemble(files, &mut budget, limits)
    }
}

/// The bytes of a `.tgz` in which the files of a chart lie in a directory with its name.
pub fn write_archive(name: &str, files: &[File]) -> io::Result<Vec<u8>> {
    let mut archive = Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for file in files {
        let mut header = Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(file.data.len() as u64);
        archive.append_data(&mut header, format!("{name}/{}", file.path), &*file.data)?;
    }
    archive.into_inner()?.finish()
}

/// The files of an archive that holds a chart.
pub(crate) fn files_of_archive(data: &[u8], limits: &Limits) -> Result<Vec<File>, Error> {
    read(data, &mut Budget::new(limits, Some(data.len())))
}

/// The files of an archive, without the directory that all of them are in.
pub(super) fn read(data: &[u8], budget: &mut Budget) -> Result<Vec<File>, Error> {
    if !data.starts_with(&[0x1F, 0x8B]) {
        return Err(bad(None, if data.is_empty() { "EOF" } else { "gzip: invalid header" }));
    }
    let mut archive = Archive::new(GzDecoder::new(data));
    let mut files = Vec::new();
    let broken = |error: io::Error| bad(None, error.to_string());
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = entry.header().entry_type();
        if kind.is_dir()
            || name.ends_with('/')
            || matches!(kind, EntryType::XGlobalHeader | EntryType::XHeader)
        {
            continue;
        }
        let path = checked_path(&name)?;
        check_kind(&entry, &name)?;
        let size = if kind.is_file() { entry.size() } else { 0 };
        let data = budget.read(entry.by_ref().take(size), &name, size)?;
        files.push(File::new(path, super::load::without_mark(&data)));
    }
    if files.is_empty() {
        return Err(bad(None, "no files in chart archive"));
    }
    Ok(files)
}

/// Links within the chart are empty files, as Helm has them. Those that lead out, and devices, are refused.
fn check_kind<R: Read>(entry: &Entry<'_, R>, name: &str) -> Result<(), Error> {
    let kind = entry.header().entry_type();
    if kind.is_symlink() || kind.is_hard_link() {
        let target = entry.link_name_bytes().map(|target| String::from_utf8_lossy(&target).into_owned());
        let target = target.unwrap_or_default();
        let depth = name.matches('/').count();
        if target.starts_with('/') || target.split('/').filter(|part| *part == "..").count() >= depth.max(1) {
            let message = format!("chart illegally contains a link that leads out of it: {name} -> {target}");
            return Err(bad(Some(name), message));
        }
    } else if kind.is_character_special() || kind.is_block_special() || kind.is_fifo() {
        return Err(bad(Some(name), format!("chart illegally contains a device: {name}")));
    }
    Ok(())
}

/// The path below the chart's directory.
fn checked_path(name: &str) -> Result<String, Error> {
    let refuse = |message: &str| Err(bad(Some(name), message));
    // Archives made on Windows may have backslashes.
    let delimiter = if name.contains('\\') { '\\' } else { '/' };
    let (top, rest) = name.split_once(delimiter).unwrap_or((name, ""));
    let rest = rest.replace(delimiter, "/");
    if rest.starts_with('/') {
        return refuse("chart illegally contains absolute paths");
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in rest.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let path = parts.join("/");
    if path.is_empty() {
        let name = gotemplate::quote(name);
        return refuse(&format!("chart illegally contains content outside the base directory: {name}"));
    }
    if path.starts_with("..") {
        return refuse("chart illegally references parent directory");
    }
    let mut start = path.chars();
    let drive = (start.next(), start.next(), start.next());
    if matches!(drive, (Some(letter), Some(':'), Some('/')) if letter.is_ascii_alphabetic()) {
        return refuse("chart contains illegally named files");
    }
    if top == "Chart.yaml" {
        return refuse("chart yaml not in base directory");
    }
    Ok(path)
}

fn bad(file: Option<&str>, message: impl Into<String>) -> Error {
    let place = file.map(|file| Place { file: file.to_owned(), line: 0 });
    Error::Load { place, message: message.into() }
}
