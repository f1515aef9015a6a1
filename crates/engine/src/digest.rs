//! Short fingerprints of what is desired and of what is live.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// The first 128 bits of a SHA-256, written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 16]);

/// A text that is not 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a digest has 32 hexadecimal digits")]
pub struct InvalidDigest;

impl Digest {
    /// The digest of several byte strings; where one ends and the next begins counts.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let mut digest = [0; 16];
        for (to, from) in digest.iter_mut().zip(hasher.finalize()) {
            *to = from;
        }
        Self(digest)
    }

    /// The digest of a JSON value. Maps are sorted by key, so equal values have equal digests.
    pub fn of_json(value: &impl Serialize) -> Self {
        // Writing JSON into memory fails only for maps with keys that are no strings; those have no digest to share.
        serde_json::to_vec(value).map_or_else(
            |error| Self::of(&[b"unserialisable", error.to_string().as_bytes()]),
            |json| Self::of(&[&json]),
        )
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut digest = [0; 16];
        let bytes = text.as_bytes();
        if bytes.len() != 32 {
            return Err(InvalidDigest);
        }
        for (to, pair) in digest.iter_mut().zip(bytes.chunks_exact(2)) {
            for half in pair {
                let value = char::from(*half).to_digit(16).ok_or(InvalidDigest)?;
                *to = (*to << 4) | u8::try_from(value).map_err(|_| InvalidDigest)?;
            }
        }
        Ok(Self(digest))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_value_agree() {
        let digest = Digest::of(&[b"a"]);
        assert_eq!(digest.to_string().parse(), Ok(digest));
        for text in ["", "0", "zz", &"g".repeat(32), &"0".repeat(31), &"0".repeat(34)] {
            assert_eq!(text.parse::<Digest>(), Err(InvalidDigest), "{text}");
        }
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(Digest::of(&[b"ab", b"c"]), Digest::of(&[b"a", b"bc"]));
        assert_ne!(Digest::of(&[b"", b"a"]), Digest::of(&[b"a", b""]));
    }
}
