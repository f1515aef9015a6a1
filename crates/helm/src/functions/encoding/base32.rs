//! Base32 as Go's `encoding/base32` reads and writes it.

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Digits that 1 to 5 bytes need.
const DIGITS: [usize; 6] = [0, 2, 4, 5, 7, 8];

pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for chunk in bytes.chunks(5) {
        let mut group = [0; 8];
        for (target, byte) in group.iter_mut().skip(3).zip(chunk) {
            *target = *byte;
        }
        let group = u64::from_be_bytes(group);
        let digits = DIGITS.get(chunk.len()).copied().unwrap_or(8);
        for index in 0..8 {
            let value = (group >> (35 - 5 * index) & 31) as usize;
            text.push(if index < digits { char::from(ALPHABET[value]) } else { '=' });
        }
    }
    text
}

/// The bytes, or Go's error with the place of the first byte that does not fit, not counting line ends.
pub(super) fn decode(text: &[u8]) -> Result<Vec<u8>, String> {
    let text: Vec<u8> = text.iter().copied().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect();
    let corrupt = |at: usize| Err(format!("illegal base32 data at input byte {at}"));
    let mut decoded = Vec::with_capacity(text.len() / 8 * 5);
    let mut at = 0;
    while at < text.len() {
        let mut group: u64 = 0;
        let mut digits = 0;
        while digits < 8 {
            let Some(byte) = text.get(at) else { return corrupt(text.len() - digits) };
            at += 1;
            let left = text.len() - at;
            if *byte == b'=' && digits >= 2 && left < 8 {
                if left + digits < 7 {
                    return corrupt(text.len());
                }
                let wrong = text.iter().skip(at).take(7 - digits).position(|byte| *byte != b'=');
                if let Some(wrong) = wrong {
                    return corrupt(at + wrong - 1);
                }
                if matches!(digits, 3 | 6) {
                    return corrupt(at - 1);
                }
                append(&mut decoded, group, digits);
                return Ok(decoded);
            }
            let Some(value) = ALPHABET.iter().position(|digit| digit == byte) else {
                return corrupt(at - 1);
            };
            group |= (value as u64) << (35 - 5 * digits);
            digits += 1;
        }
        append(&mut decoded, group, digits);
    }
    Ok(decoded)
}

fn append(decoded: &mut Vec<u8>, group: u64, digits: usize) {
    let bytes = DIGITS.iter().rposition(|needed| *needed <= digits).unwrap_or(0);
    decoded.extend(group.to_be_bytes().iter().skip(3).take(bytes));
}
