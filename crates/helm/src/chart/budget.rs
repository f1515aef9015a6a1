//! What loading a chart has cost so far.

use std::fs::File;
use std::io::{self, Read};

use super::directory::cannot_read;
use crate::error::Error;
use crate::limits::Limits;

/// What loading a chart cost beside the files that it was given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spent {
    bytes: u64,
    files: usize,
}

/// What a chart and the charts in it may still need together.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    bytes_left: u64,
    files_left: usize,
    /// The limit, for messages.
    bytes: u64,
    files: usize,
}

impl Budget {
    /// The budget for a chart; `archive` is the size of the archive that it comes from.
    pub(super) fn new(limits: &Limits, archive: Option<usize>) -> Self {
        // Even a tiny archive may hold some pages of text.
        const LEAST: u64 = 1 << 20;
        let by_ratio = archive.map(|size| (size as u64).saturating_mul(limits.archive_ratio).max(LEAST));
        let bytes = by_ratio.map_or(limits.chart_bytes, |ratio| ratio.min(limits.chart_bytes));
        Self { bytes_left: bytes, files_left: limits.chart_files, bytes, files: limits.chart_files }
    }

    /// What was spent since there was as much as `before`.
    pub(super) fn spent_since(&self, before: &Self) -> Spent {
        Spent { bytes: before.bytes_left - self.bytes_left, files: before.files_left - self.files_left }
    }

    /// Spends what loading a chart cost before; `false`, and nothing spent, if that is more than there is.
    pub(super) fn spend_again(&mut self, spent: Spent) -> bool {
        let left = (self.bytes_left.checked_sub(spent.bytes), self.files_left.checked_sub(spent.files));
        let (Some(bytes), Some(files)) = left else { return false };
        (self.bytes_left, self.files_left) = (bytes, files);
        true
    }

    /// Counts a file that is there already.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), Error> {
        self.take_file()?;
        self.bytes_left = self.bytes_left.checked_sub(bytes as u64).ok_or_else(|| self.too_large())?;
        Ok(())
    }

    fn take_file(&mut self) -> Result<(), Error> {
        self.files_left = self.files_left.checked_sub(1).ok_or_else(|| {
            let message = format!("the chart has more than {} files", self.files);
            Error::Load { place: None, message }
        })?;
        Ok(())
    }

    /// Reads all of a file.
    pub(super) fn read(&mut self, mut source: impl Read, path: &str, size: u64) -> Result<Vec<u8>, Error> {
        self.take_file()?;
        if size > self.bytes_left {
            return Err(self.too_large());
        }
        let mut data = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        let read = source.by_ref().take(self.bytes_left.saturating_add(1)).read_to_end(&mut data);
        let read = read.map_err(|error| cannot_read(path, &error))? as u64;
        self.bytes_left = self.bytes_left.checked_sub(read).ok_or_else(|| self.too_large())?;
        Ok(data)
    }

    /// Reads all of a file into a buffer that is used for many, and gives what was read. The size of the file is not
    /// asked for: most are smaller than the buffer.
    pub(super) fn read_file<'b>(
        &mut self,
        mut source: File,
        path: &str,
        buffer: &'b mut Vec<u8>,
    ) -> Result<&'b [u8], Error> {
        const FIRST: usize = 16 << 10;
        let failed = |error: io::Error| cannot_read(path, &error);
        self.take_file()?;
        let mut length = 0;
        loop {
            if length == buffer.len() {
                buffer.resize((length * 2).max(FIRST), 0);
            }
            match source.read(buffer.get_mut(length..).unwrap_or_default()) {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
            if length as u64 > self.bytes_left {
                return Err(self.too_large());
            }
        }
        self.bytes_left -= length as u64;
        Ok(buffer.get(..length).unwrap_or_default())
    }

    fn too_large(&self) -> Error {
        let message = format!("decompressed chart is larger than the maximum size {}", self.bytes);
        Error::Load { place: None, message }
    }
}
