//! Bytes that are kept compressed.

use std::cell::RefCell;
use std::io;

use zstd::bulk::{Compressor, Decompressor};

/// Fast, and still a third of the size: objects are compressed at each of their watch events.
const LEVEL: i32 = 1;

thread_local! {
    /// To make one takes longer than to compress an object with it.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Compresses bytes.
pub(crate) fn compress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|kept| {
        let compressor = match kept {
            Some(compressor) => compressor,
            None => kept.insert(Compressor::new(LEVEL)?),
        };
        compressor.compress(bytes)
    })
}

/// The bytes again, of which there are no more than `length`.
pub(crate) fn decompress(compressed: &[u8], length: usize) -> io::Result<Vec<u8>> {
    DECOMPRESSOR.with_borrow_mut(|kept| {
        let decompressor = match kept {
            Some(decompressor) => decompressor,
            None => kept.insert(Decompressor::new()?),
        };
        decompressor.decompress(compressed, length)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_as_they_were() {
        for bytes in [Vec::new(), b"web".repeat(1000), (0..=255).collect(), vec![0; 3 << 20], b"a".to_vec()] {
            let compressed = compress(&bytes).unwrap();
            assert_eq!(decompress(&compressed, bytes.len()).unwrap(), bytes);
            assert!(bytes.is_empty() || decompress(&compressed, bytes.len() - 1).is_err());
        }
        assert!(decompress(b"not compressed", 100).is_err());
        assert_eq!(decompress(&compress(b"after an error").unwrap(), 14).unwrap(), b"after an error");
    }
}
