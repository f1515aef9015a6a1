//! YAML as Kubernetes and Helm read and write it: sigs.k8s.io/yaml 1.6 over go-yaml v2.4.

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

/// What a text may cost at most; whatever is larger is an error that names the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Size of the text in bytes, and also of all its strings together after aliases are expanded.
    pub bytes: usize,
    /// Mappings and lists inside each other.
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
    reader::read_first(bytes, limits)
}

/// Reads the first document of a text with default limits.
pub fn read(text: &str) -> Result<Value, Error> {
    read_document(text.as_bytes(), &Limits::default()).map(|document| document.value)
}
