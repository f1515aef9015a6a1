//! Objects that are dangerous to read.
//!
//! Git stores objects as differences to other objects. Whoever makes a pack by hand can store a file of ten bytes as a
//! difference to one of two gigabytes that takes two megabytes in the pack; reading the ten bytes would first build the
//! two gigabytes in memory, and libgit2 has no limit for that. So a worker looks through every pack that it received,
//! and writes the ids of such objects beside it, where the reader finds them. As a rule there are none.
//!
//! The formats of packs and their indexes are those of gitformat-pack(5).

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use flate2::{Decompress, FlushDecompress};
use git2::Oid;

/// Bytes that may be needed to build one object from differences.
const MAX_BYTES: u64 = 32 << 20;
/// Bytes at the beginning of an object that are read: the header, the name of the base, and enough compressed data to
/// see how large the result is.
const START_BYTES: usize = 128;
/// The ending of the files with the ids.
const EXTENSION: &str = "heavy";

/// Looks through the pack of an index, unless that was done before.
pub(crate) fn note(index: &Path) -> io::Result<()> {
    let file = index.with_extension(EXTENSION);
    if file.exists() {
        return Ok(());
    }
    let ids = Pack::open(index)?.heavy()?;
    // The list appears complete or not at all.
    let unfinished = index.with_extension("heavy-lock");
    fs::write(
        &unfinished,
        ids.iter().flat_map(Oid::as_bytes).copied().collect::<Vec<u8>>(),
    )?;
    fs::rename(unfinished, file)
}

/// Removes what was noted about a pack that is gone.
pub(crate) fn forget(index: &Path) -> io::Result<()> {
    match fs::remove_file(index.with_extension(EXTENSION)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// All objects of a mirror that must not be read.
pub(crate) fn read(objects: &Path) -> io::Result<BTreeSet<Oid>> {
    let mut ids = BTreeSet::new();
    let entries = match fs::read_dir(objects.join("pack")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ids),
        other => other?,
    };
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == EXTENSION) {
            let content = match fs::read(&path) {
                // Its pack was merged into another one just now, and so was what is known about it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other?,
            };
            ids.extend(content.chunks_exact(20).filter_map(|it| Oid::from_bytes(it).ok()));
        }
    }
    Ok(ids)
}

struct Pack {
    file: File,
    /// Where each object begins, by its number in the index.
    offsets: Vec<u64>,
    ids: Vec<Oid>,
    by_offset: HashMap<u64, usize>,
}

/// An object as it is stored.
#[derive(Debug, Clone, Copy)]
struct Stored {
    /// Bytes of the object itself.
    size: u64,
    /// For a difference: the number of the object that it is one to (`None`: not in this pack), and its own bytes.
    delta: Option<(Option<usize>, u64)>,
}

/// What it takes to build an object.
#[derive(Debug, Clone, Copy)]
struct Weight {
    size: u64,
    peak: u64,
}

impl Pack {
    fn open(index: &Path) -> io::Result<Self> {
        let content = fs::read(index)?;
        let (ids, offsets) = parse_index(&content).ok_or_else(|| malformed("the index of a pack"))?;
        let by_offset = offsets
            .iter()
            .enumerate()
            .map(|(number, offset)| (*offset, number))
            .collect();
        Ok(Self {
            file: File::open(index.with_extension("pack"))?,
            offsets,
            ids,
            by_offset,
        })
    }

    /// The objects that need too much memory, sorted.
    fn heavy(&self) -> io::Result<BTreeSet<Oid>> {
        let mut inflate = Decompress::new(true);
        let stored: Vec<Stored> = self
            .offsets
            .iter()
            .map(|offset| self.look(*offset, &mut inflate))
            .collect::<io::Result<_>>()?;
        let mut weights: Vec<Option<Weight>> = vec![None; stored.len()];
        let mut heavy = BTreeSet::new();
        for number in 0..stored.len() {
            let weight = weigh(number, &stored, &mut weights);
            if stored[number].delta.is_some() && weight.is_none_or(|it| it.peak > MAX_BYTES) {
                heavy.insert(self.ids[number]);
            }
        }
        Ok(heavy)
    }

    /// Reads the beginning of the object at `offset`.
    fn look(&self, offset: u64, inflate: &mut Decompress) -> io::Result<Stored> {
        let mut start = [0; START_BYTES];
        let mut length = 0;
        while length < start.len() {
            match self.file.read_at(&mut start[length..], offset + length as u64)? {
                0 => break,
                count => length += count,
            }
        }
        self.parse(offset, &start[..length], inflate)
            .ok_or_else(|| malformed("an object of a pack"))
    }

    fn parse(&self, offset: u64, start: &[u8], inflate: &mut Decompress) -> Option<Stored> {
        let (kind, size, rest) = parse_header(start)?;
        let (base, compressed) = match kind {
            6 => {
                let (distance, rest) = parse_distance(rest)?;
                (self.by_offset.get(&offset.checked_sub(distance)?).copied(), rest)
            }
            7 => {
                let id = Oid::from_bytes(rest.get(..20)?).ok()?;
                // The index is sorted by id.
                (self.ids.binary_search(&id).ok(), &rest[20..])
            }
            _ => return Some(Stored { size, delta: None }),
        };
        let mut delta = [0; 32];
        inflate.reset(true);
        inflate
            .decompress(compressed, &mut delta, FlushDecompress::None)
            .ok()?;
        let produced = usize::try_from(inflate.total_out()).ok()?;
        let (_, rest) = parse_size(delta.get(..produced)?)?;
        let (result, _) = parse_size(rest)?;
        Some(Stored {
            size: result,
            delta: Some((base, size)),
        })
    }
}

/// The weight of an object, and of all that it is built from. `None` when it cannot be built from this pack.
fn weigh(number: usize, stored: &[Stored], weights: &mut [Option<Weight>]) -> Option<Weight> {
    // From the object down to one that is stored whole or is weighed already. A loop is longer than there are objects.
    let mut chain = Vec::new();
    let mut next = number;
    let mut below = loop {
        if let Some(weight) = weights[next] {
            break weight;
        }
        let Stored { size, delta } = stored[next];
        match delta {
            None => {
                let weight = Weight { size, peak: size };
                weights[next] = Some(weight);
                break weight;
            }
            Some((base, _)) if chain.len() < stored.len() => {
                chain.push(next);
                next = base?;
            }
            Some(_) => return None,
        }
    };
    for number in chain.into_iter().rev() {
        let Stored { size, delta } = stored[number];
        let own = delta.map_or(0, |(_, own)| own);
        let peak = below
            .peak
            .max(below.size.saturating_add(own).saturating_add(size));
        below = Weight { size, peak };
        weights[number] = Some(below);
    }
    Some(below)
}

/// Reads an index of version 2: the ids, sorted, and where the objects begin.
fn parse_index(content: &[u8]) -> Option<(Vec<Oid>, Vec<u64>)> {
    let content = content.strip_prefix(b"\xfftOc\0\0\0\x02")?;
    let (fan_out, rest) = content.split_at_checked(256 * 4)?;
    let count = usize::try_from(number_of_4(*fan_out.last_chunk()?)).ok()?;
    let (ids, rest) = rest.split_at_checked(count.checked_mul(20)?)?;
    let (_checksums, rest) = rest.split_at_checked(count.checked_mul(4)?)?;
    let (offsets, large) = rest.split_at_checked(count.checked_mul(4)?)?;
    let ids = ids
        .chunks_exact(20)
        .map(|it| Oid::from_bytes(it).ok())
        .collect::<Option<_>>()?;
    let offset = |it: &[u8]| {
        let offset = number_of_4(*it.first_chunk()?);
        if offset & (1 << 31) == 0 {
            return Some(u64::from(offset));
        }
        let place = usize::try_from(offset & !(1 << 31)).ok()?.checked_mul(8)?;
        large
            .get(place..)?
            .first_chunk()
            .map(|it| u64::from_be_bytes(*it))
    };
    Some((ids, offsets.chunks_exact(4).map(offset).collect::<Option<_>>()?))
}

fn number_of_4(bytes: [u8; 4]) -> u32 {
    u32::from_be_bytes(bytes)
}

/// The header of an object: its kind, its size, and the rest. The first byte has four bits of the size, the others
/// seven, lowest first.
fn parse_header(bytes: &[u8]) -> Option<(u8, u64, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (kind, size) = ((first >> 4) & 7, u64::from(first & 15));
    if first & 0x80 == 0 {
        return Some((kind, size, rest));
    }
    let (more, rest) = parse_size(rest)?;
    Some((kind, size | more.checked_shl(4)?, rest))
}

/// Seven bits a byte, lowest first.
fn parse_size(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut size = 0;
    for (index, byte) in bytes.iter().enumerate().take(9) {
        size |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((size, &bytes[index + 1..]));
        }
    }
    None
}

/// Seven bits a byte, highest first, with one added at each step.
fn parse_distance(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut distance: u64 = 0;
    for (index, byte) in bytes.iter().enumerate().take(9) {
        distance = (distance << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((distance, &bytes[index + 1..]));
        }
        distance += 1;
    }
    None
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{what} is malformed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(parse_header(&[0x35, 9]), Some((3, 5, &[9][..])));
        assert_eq!(
            parse_header(&[0xb5, 0x82, 0x01, 9]),
            Some((3, 5 + (2 << 4) + (1 << 11), &[9][..]))
        );
        assert_eq!(parse_header(&[0xb5, 0x82]), None);
        assert_eq!(parse_size(&[0x80, 0x80, 0x01]), Some((1 << 14, &[][..])));
        assert_eq!(parse_size(&[0xff; 12]), None);
        assert_eq!(parse_distance(&[0x80, 0x00]), Some((128, &[][..])));
        assert_eq!(parse_distance(&[0x7f, 1]), Some((127, &[1][..])));
    }

    #[test]
    fn weights() {
        let whole = |size| Stored { size, delta: None };
        let delta = |size, base| Stored {
            size,
            delta: Some((base, 10)),
        };
        let stored = [
            whole(100),
            delta(50, Some(0)),
            delta(1_000_000, Some(1)),
            delta(7, Some(2)),
            delta(1, None),
            delta(1, Some(4)),
            delta(1, Some(7)),
            delta(1, Some(6)),
        ];
        let peak = |number| weigh(number, &stored, &mut vec![None; stored.len()]).map(|it| it.peak);
        let peaks: Vec<_> = (0..stored.len()).map(peak).collect();
        assert_eq!(
            peaks,
            [
                Some(100),
                Some(160),
                Some(1_000_060),
                Some(1_000_017).max(Some(1_000_060)),
                None,
                None,
                None,
                None
            ]
        );
    }
}
