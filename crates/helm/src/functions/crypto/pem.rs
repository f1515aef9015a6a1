//! PEM blocks, as Go's `encoding/pem` writes and reads them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::functions::encoding;

/// A block: what it says it is, and its bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) label: Vec<u8>,
    pub(super) bytes: Vec<u8>,
}

/// Writes a block.
pub(super) fn encode(label: &str, bytes: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(bytes);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        out.extend(line.iter().map(|byte| char::from(*byte)));
        out.push('\n');
    }
    out.extend(["-----END ", label, "-----\n"]);
    out
}

/// The first block of a text. What is not part of one is passed over.
pub(super) fn decode(text: &[u8]) -> Option<Block> {
    let mut lines = text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    while let Some(line) = lines.next() {
        let label = line.strip_prefix(b"-----BEGIN ").and_then(|line| line.strip_suffix(b"-----"));
        let Some(label) = label else { continue };
        // Other blocks may follow one that is broken.
        let mut ahead = lines.clone();
        if let Some(bytes) = body(&mut ahead, label) {
            return Some(Block { label: label.to_vec(), bytes });
        }
    }
    None
}

/// What stands between the first and the last line of a block.
fn body<'a>(lines: &mut impl Iterator<Item = &'a [u8]>, label: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    for line in lines {
        let end = line.strip_prefix(b"-----END ").and_then(|line| line.strip_suffix(b"-----"));
        if let Some(end) = end {
            return if end == label { encoding::decode_base64(&text).ok() } else { None };
        }
        // Headers stand before all else.
        if text.is_empty() && line.contains(&b':') {
            continue;
        }
        text.extend(line.iter().filter(|byte| !matches!(byte, b' ' | b'\t')));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_again() {
        for length in [0, 1, 47, 48, 49, 200] {
            let bytes = vec![7; length];
            let text = encode("KEY", &bytes);
            let block = Some(Block { label: b"KEY".to_vec(), bytes });
            assert_eq!(decode(text.as_bytes()), block, "{length}");
            assert_eq!(decode(format!("# a comment\n{text}more").as_bytes()), block, "{length}");
            assert_eq!(decode(text.replace('\n', "\r\n").as_bytes()), block, "{length}");
        }
        let headers = "-----BEGIN KEY-----\nA: b\n\nBwc=\n-----END KEY-----\n";
        assert_eq!(decode(headers.as_bytes()).unwrap().bytes, [7, 7]);
    }

    #[test]
    fn broken_blocks_are_passed_over() {
        let good = "-----BEGIN KEY-----\nBwc=\n-----END KEY-----\n";
        for bad in [
            "",
            "x",
            "-----BEGIN KEY-----\nBwc=\n",
            "-----BEGIN KEY-----\n?\n-----END KEY-----\n",
            "-----BEGIN A-----\n-----END B-----\n",
        ] {
            assert_eq!(decode(bad.as_bytes()), None, "{bad}");
        }
        let broken = "-----BEGIN KEY-----\n?\n-----END KEY-----\n";
        assert_eq!(decode(format!("{broken}{good}").as_bytes()).unwrap().bytes, [7, 7]);
    }
}
