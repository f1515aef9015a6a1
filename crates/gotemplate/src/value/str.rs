//! Go strings: immutable bytes, usually UTF-8, cheap to clone.

use std::borrow::{Borrow, Cow};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

/// Strings of up to this many bytes live inside the value and need no allocation.
pub(crate) const INLINE: usize = 22;

/// A Go string: a run of bytes that need not be UTF-8.
///
/// Up to 22 bytes are stored in place; longer texts are reference counted, so a clone never copies them.
/// It dereferences to `[u8]`.
///
/// ```
/// use gotemplate::Str;
///
/// let name = Str::from("web");
/// assert_eq!(name.as_str(), Some("web"));
/// assert!(name.starts_with(b"w"));
/// ```
#[derive(Clone)]
pub struct Str(Repr);

#[derive(Clone)]
enum Repr {
    Inline { len: u8, bytes: [u8; INLINE] },
    Local(Rc<[u8]>),
    Shared(Arc<[u8]>),
}

impl Str {
    /// The empty string.
    pub const fn empty() -> Self {
        Self(Repr::Inline { len: 0, bytes: [0; INLINE] })
    }

    /// Copies `bytes` into a new string.
    pub fn new(bytes: &[u8]) -> Self {
        match Self::inline(bytes) {
            Some(inline) => inline,
            None => Self(Repr::Local(Rc::from(bytes))),
        }
    }

    /// A string over bytes that other threads share too, such as a file that is kept between executions.
    pub fn shared(bytes: &Arc<[u8]>) -> Self {
        match Self::inline(bytes) {
            Some(inline) => inline,
            None => Self(Repr::Shared(Arc::clone(bytes))),
        }
    }

    fn inline(source: &[u8]) -> Option<Self> {
        let len = u8::try_from(source.len()).ok()?;
        let mut bytes = [0; INLINE];
        bytes.get_mut(..source.len())?.copy_from_slice(source);
        Some(Self(Repr::Inline { len, bytes }))
    }

    /// The bytes of the string.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Repr::Local(bytes) => bytes,
            Repr::Shared(bytes) => bytes,
        }
    }

    /// The text, if the bytes are UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(self.as_bytes()).ok()
    }

    /// The text, with U+FFFD in place of what is not UTF-8.
    pub fn to_string_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.as_bytes())
    }

    /// Bytes on the heap that nobody else holds.
    pub(crate) fn own_bytes(&self) -> usize {
        match &self.0 {
            Repr::Local(bytes) if Rc::strong_count(bytes) == 1 => bytes.len(),
            _ => 0,
        }
    }
}

/// A short text that is known before any value is, made ready to be compared with many keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    len: u8,
    bytes: [u8; INLINE],
}

impl Key {
    /// `None` for a text that is not short.
    pub(crate) fn new(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; INLINE];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self { len: u8::try_from(text.len()).ok()?, bytes })
    }

    /// Whether a string is this text. Strings in place are filled up with zeros, so all bytes are compared at once.
    #[inline]
    pub(crate) fn is(&self, text: &Str) -> bool {
        matches!(&text.0, Repr::Inline { len, bytes } if *len == self.len && *bytes == self.bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl Deref for Str {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl AsRef<[u8]> for Str {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Borrow<[u8]> for Str {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Default for Str {
    fn default() -> Self {
        Self::empty()
    }
}

impl PartialEq for Str {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Str {}

impl PartialOrd for Str {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Str {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for Str {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl PartialEq<str> for Str {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for Str {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string_lossy(), f)
    }
}

impl fmt::Display for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.to_string_lossy(), f)
    }
}

impl From<&str> for Str {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes())
    }
}

impl From<&[u8]> for Str {
    fn from(bytes: &[u8]) -> Self {
        Self::new(bytes)
    }
}

impl From<String> for Str {
    fn from(text: String) -> Self {
        Self::from(text.into_bytes())
    }
}

impl From<&String> for Str {
    fn from(text: &String) -> Self {
        Self::new(text.as_bytes())
    }
}

impl From<Vec<u8>> for Str {
    fn from(bytes: Vec<u8>) -> Self {
        match Self::inline(&bytes) {
            Some(inline) => inline,
            None => Self(Repr::Local(Rc::from(bytes))),
        }
    }
}

impl From<Cow<'_, str>> for Str {
    fn from(text: Cow<'_, str>) -> Self {
        match text {
            Cow::Borrowed(text) => Self::from(text),
            Cow::Owned(text) => Self::from(text),
        }
    }
}

impl From<char> for Str {
    fn from(character: char) -> Self {
        let mut buffer = [0; 4];
        Self::new(character.encode_utf8(&mut buffer).as_bytes())
    }
}
