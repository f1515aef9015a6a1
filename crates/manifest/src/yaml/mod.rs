//! YAML as Kubernetes and Helm read and write it: sigs.k8s.io/yaml 1.6 over go-yaml v2.4, go-yaml v3 for
//! `toYamlPretty`.
//!
//! # Reading
//!
//! YAML 1.1: `yes`, `on` and `n` are booleans (as keys, too, where they become `"true"` and `"false"`), `0777` and
//! `0o777` are octal, `1_000` is a number, `1:30` and dates are text, `<<` merges where it stands. Of two equal keys the
//! last counts, with a [`Warning`]. What JSON cannot say is an error: null keys, infinities, NaN. Whole floats are
//! integers.
//!
//! Every text ends in a value or an [`Error`] with its place, in time and memory that grow with the text and within
//! [`Limits`].
//!
//! # Where this differs from go-yaml on purpose
//!
//! * Text on the line of a flow collection that could be a key (`{}a: b`) is an error; go-yaml ignores what follows.
//! * A null key or an infinity is an error where it stands, even if a later key of the same name replaces it.
//! * `-0.0` is 0. A byte order mark before a later document of a stream is skipped, as kubectl does.
//! * Of keys that are the same only as text (`1` and `"1"`) the last counts; go-yaml leaves it to chance.
//! * [`Limits`] take the place of go-yaml's (10,000 levels, a share of aliases).
//!
//! `tests/cases` has a table of all this, `tests/read_fuzz.rs` and `tests/write_fuzz.rs` compare with the Go libraries.

mod decode;
mod error;
mod input;
mod json;
mod node;
mod number;
mod parser;
mod reader;
mod resolve;
mod scanner;
mod timestamp;
mod token;
mod tree;
mod write;

use serde_json::Value;

pub use error::{Error, Problem};
pub(crate) use json::read_json;
pub use node::Node;
pub(crate) use reader::{LocatedDocument, read_located};
pub use write::{to_yaml, write, write_pretty};

/// A thread of 2 MiB bears this many levels even without optimisation.
const MAX_DEPTH: usize = 250;

/// What a text may cost at most; whatever is larger is an error that names the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Size of the text in bytes, and also of all its strings together after aliases are expanded.
    pub bytes: usize,
    /// Mappings and lists inside each other. Each takes some of the stack, so that more than 250 count as 250.
    pub depth: usize,
    /// Mappings, lists, keys and scalars of the whole text after aliases are expanded.
    pub nodes: usize,
    /// Documents in a stream.
    pub documents: usize,
}

impl Default for Limits {
    /// 32 MiB; a depth of 120, since serde_json, and so our Kubernetes client, reads no more than 127; two million
    /// nodes, which cost about 150 bytes of memory each; 10,000 documents.
    fn default() -> Self {
        Self { bytes: 32 << 20, depth: 120, nodes: 2_000_000, documents: 10_000 }
    }
}

impl Limits {
    fn within_stack(self) -> Self {
        Self { depth: self.depth.min(MAX_DEPTH), ..self }
    }
}

/// One document of a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// The content; null when the document is empty.
    pub value: Value,
    /// Line of the first content, counted from 1.
    pub line: u32,
    /// What is allowed but hardly meant.
    pub warnings: Vec<Warning>,
}

/// Something that is read without an error, though it is hardly meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The line, counted from 1.
    pub line: u32,
    /// What stands there and how it is understood.
    pub message: String,
    /// The key that stands twice in its mapping.
    pub repeated_key: String,
}

/// Reads all documents of a stream; empty ones are null.
///
/// Documents are separated as YAML says (`---` and `...`), so that text may follow `---` on its line.
pub fn read_documents(bytes: &[u8], limits: &Limits) -> Result<Vec<Document>, Error> {
    let documents = reader::read_located(bytes, limits, usize::MAX)?;
    Ok(documents.into_iter().map(|located| located.document).collect())
}

/// Reads the first document of a text and looks no further, as go-yaml's `Unmarshal` does; an empty text is null.
pub fn read_document(bytes: &[u8], limits: &Limits) -> Result<Document, Error> {
    reader::read_first(bytes, limits, |_, _| true)
}

/// As [`read_document`], but keeps only the entries of mappings that are wanted, by the number of mappings and lists that
/// they are in (at least 1) and their keys. What is left out must be right all the same.
pub fn read_parts(
    bytes: &[u8],
    limits: &Limits,
    wanted: fn(depth: usize, key: &str) -> bool,
) -> Result<Document, Error> {
    reader::read_first(bytes, limits, wanted)
}

/// Reads the first document of a text with default limits.
pub fn read(text: &str) -> Result<Value, Error> {
    read_document(text.as_bytes(), &Limits::default()).map(|document| document.value)
}
