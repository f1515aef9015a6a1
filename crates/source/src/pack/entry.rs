//! What is in a pack at the place of an object: its beginning, and differences.

use super::{Kind, ObjectId};

/// The beginning of an object in a pack.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    pub(super) stored: Stored,
    /// Bytes of what is stored: of the object, or of the difference.
    pub(super) size: u64,
    /// Where its compressed data begin.
    pub(super) data_at: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    Whole(Kind),
    Difference(Base),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    At(u64),
    Id(ObjectId),
}

impl Start {
    /// Reads the header of an object: its kind and size, and for a difference what it is one to.
    pub(super) fn parse(bytes: &[u8], at: u64) -> Option<Self> {
        let (first, mut rest) = bytes.split_first()?;
        // Four bits of the size are in the first byte, the others follow.
        let mut size = u64::from(first & 15);
        if first & 0x80 != 0 {
            let (more, after) = take_size(rest)?;
            size |= more.checked_mul(16)?;
            rest = after;
        }
        let stored = match (first >> 4) & 7 {
            1 => Stored::Whole(Kind::Commit),
            2 => Stored::Whole(Kind::Tree),
            3 => Stored::Whole(Kind::Blob),
            4 => Stored::Whole(Kind::Tag),
            6 => {
                let (distance, after) = take_distance(rest)?;
                rest = after;
                Stored::Difference(Base::At(at.checked_sub(distance).filter(|_| distance > 0)?))
            }
            7 => {
                let (id, after) = rest.split_first_chunk()?;
                rest = after;
                Stored::Difference(Base::Id(*id))
            }
            _ => return None,
        };
        Some(Self { stored, size, data_at: at + (bytes.len() - rest.len()) as u64 })
    }
}

/// Seven bits a byte, lowest first.
pub(super) fn take_size(bytes: &[u8]) -> Option<(u64, &[u8])> {
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
fn take_distance(bytes: &[u8]) -> Option<(u64, &[u8])> {
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

/// Builds an object from its base and the difference to it: a list of "copy these bytes" and "insert these bytes". `None`:
/// the difference does not fit.
pub(super) fn apply(base: &[u8], difference: &[u8]) -> Option<Vec<u8>> {
    let (base_size, rest) = take_size(difference)?;
    let (size, mut rest) = take_size(rest)?;
    if base_size != base.len() as u64 {
        return None;
    }
    let size = usize::try_from(size).ok()?;
    let mut result = Vec::with_capacity(size);
    while let Some((instruction, after)) = rest.split_first() {
        rest = after;
        if *instruction == 0 {
            return None;
        }
        let piece = if instruction & 0x80 == 0 {
            let (piece, after) = rest.split_at_checked(usize::from(*instruction))?;
            rest = after;
            piece
        } else {
            let (from, after) = take_sparse(rest, *instruction, 4)?;
            let (count, after) = take_sparse(after, instruction >> 4, 3)?;
            rest = after;
            let count = if count == 0 { 0x1_0000 } else { count };
            base.get(from..from.checked_add(count)?)?
        };
        // Checked at each step: the size was allowed, more was not.
        if result.len() + piece.len() > size {
            return None;
        }
        result.extend_from_slice(piece);
    }
    (result.len() == size).then_some(result)
}

/// A number of up to `bytes` bytes, lowest first, of which those are left out whose bit is not set.
fn take_sparse(mut rest: &[u8], bits: u8, bytes: u8) -> Option<(usize, &[u8])> {
    let mut number = 0;
    for index in 0..bytes {
        if bits & (1 << index) != 0 {
            let (byte, after) = rest.split_first()?;
            number |= usize::from(*byte) << (8 * index);
            rest = after;
        }
    }
    Some((number, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn beginnings_of_objects() {
        let start = |bytes: &[u8]| Start::parse(bytes, 1000).map(|it| (it.stored, it.size, it.data_at));
        assert_eq!(start(&[0x35, 9]), Some((Stored::Whole(Kind::Blob), 5, 1001)));
        let size = 5 + (2 << 4) + (1 << 11);
        assert_eq!(start(&[0x95, 0x82, 0x01, 9]), Some((Stored::Whole(Kind::Commit), size, 1003)));
        assert_eq!(start(&[0x61, 0x80, 0x00]), Some((Stored::Difference(Base::At(872)), 1, 1003)));
        let id = [7; 20];
        let named = [&[0x72][..], &id].concat();
        assert_eq!(start(&named), Some((Stored::Difference(Base::Id(id)), 2, 1021)));
        for bad in [
            &[][..],
            &[0xb5],
            &[0xb5, 0x82],
            &[0x05],
            &[0x55],
            &[0x61, 0x00],
            &[0x61, 0xff, 0xff, 0x7f],
            &[0x71; 20],
        ] {
            assert_eq!(start(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn differences() {
        let base = b"0123456789";
        for (difference, expected) in [
            (&[10, 3, 3, b'a', b'b', b'c'][..], Some(&b"abc"[..])),
            (&[10, 4, 0x91, 2, 4], Some(b"2345")),
            (&[10, 5, 0x90, 2, 1, b'x', 0x91, 8, 2], Some(b"01x89")),
            (&[10, 0], Some(b"")),
            (&[9, 3, 3, b'a', b'b', b'c'], None),
            (&[10, 3, 2, b'a', b'b'], None),
            (&[10, 1, 2, b'a', b'b'], None),
            (&[10, 3, 3, b'a'], None),
            (&[10, 4, 0x91, 8, 4], None),
            (&[10, 4, 0x80], None),
            (&[10, 1, 0], None),
            (&[10], None),
        ] {
            assert_eq!(apply(base, difference).as_deref(), expected, "{difference:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(base in proptest::collection::vec(0_u8.., 0..40), mut difference in proptest::collection::vec(0_u8.., 0..40)) {
            Start::parse(&difference, 100);
            if let [first, second, ..] = difference.as_mut_slice() {
                *first = u8::try_from(base.len()).unwrap();
                *second &= 0x7f;
            }
            if let Some(result) = apply(&base, &difference) {
                prop_assert!(result.len() < 128);
            }
        }
    }
}
