//! Values of Secrets, in a type that does not print.

use std::collections::BTreeMap;
use std::fmt;

/// A text that nobody but its destination may see.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(String);

impl Hidden {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. Every use of it can be found by this name.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden")
    }
}

/// The values of one Secret by their keys, without white space at their ends.
#[derive(Clone, Debug, Default)]
pub struct SecretValues {
    name: String,
    values: BTreeMap<String, Hidden>,
}

impl SecretValues {
    /// The values of the Secret of this name; a value that is not text is an error that names its key.
    pub fn new(name: &str, data: impl IntoIterator<Item = (String, Vec<u8>)>) -> Result<Self, String> {
        let mut values = BTreeMap::new();
        for (key, value) in data {
            let Ok(text) = String::from_utf8(value) else {
                return Err(format!("key {key} of Secret {name} is not text"));
            };
            values.insert(key, Hidden::new(text.trim()));
        }
        Ok(Self { name: name.to_owned(), values })
    }

    /// The value of a key, if it is there and not empty.
    pub fn get(&self, key: &str) -> Option<&Hidden> {
        self.values.get(key).filter(|it| !it.reveal().is_empty())
    }

    /// The value of a key that must be there.
    pub fn need(&self, key: &str) -> Result<&Hidden, String> {
        self.get(key).ok_or_else(|| format!("Secret {} has no key {key}: add it", self.name))
    }

    /// All keys with this prefix, without it.
    pub(crate) fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a Hidden)> {
        self.values.iter().filter_map(move |(key, value)| Some((key.strip_prefix(prefix)?, value)))
    }
}
