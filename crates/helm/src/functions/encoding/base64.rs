//! Base64 as Go's `encoding/base64` reads and writes it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub(super) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The bytes, or Go's error with the place of the first byte that does not fit. Line ends are passed over.
pub(super) fn decode(text: &[u8]) -> Result<Vec<u8>, String> {
    let mut decoded = Vec::with_capacity(text.len() / 4 * 3);
    let mut at = 0;
    let is_line_end = |at: usize| matches!(text.get(at), Some(b'\n' | b'\r'));
    let corrupt = |at: usize| Err(format!("illegal base64 data at input byte {at}"));
    loop {
        let mut quantum: u32 = 0;
        let mut digits: usize = 0;
        while digits < 4 {
            let Some(byte) = text.get(at) else {
                return if digits == 0 { Ok(decoded) } else { corrupt(at - digits) };
            };
            at += 1;
            match byte {
                b'\n' | b'\r' => {}
                b'=' => break,
                byte => {
                    let Some(value) = digit(*byte) else { return corrupt(at - 1) };
                    quantum |= value << (18 - 6 * digits);
                    digits += 1;
                }
            }
        }
        let bytes = quantum.to_be_bytes();
        if digits == 4 {
            decoded.extend_from_slice(&bytes[1..]);
            continue;
        }
        // A padding character was just read, which ends the text.
        if digits < 2 {
            return corrupt(at - 1);
        }
        if digits == 2 {
            while is_line_end(at) {
                at += 1;
            }
            match text.get(at) {
                None => return corrupt(text.len()),
                Some(b'=') => at += 1,
                Some(_) => return corrupt(at - 1),
            }
        }
        while is_line_end(at) {
            at += 1;
        }
        if at < text.len() {
            return corrupt(at);
        }
        decoded.extend(bytes.iter().skip(1).take(digits - 1));
        return Ok(decoded);
    }
}

fn digit(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}
