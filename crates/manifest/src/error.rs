use crate::{ObjectId, Origin, yaml};

/// What can be wrong with manifests. Everything here is the fault of the input and does not go away by retrying.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file is not YAML or JSON, or is larger than the limits allow. The place within is in the source.
    #[error("cannot read {file}")]
    Read {
        /// The file, as the caller named it.
        file: String,
        /// What is wrong, with line and column.
        source: yaml::Error,
    },

    /// A document is no Kubernetes object that could be applied.
    #[error("{origin}: {problem}")]
    Object {
        /// Where the document starts.
        origin: Origin,
        /// What is wrong and what to write instead.
        problem: ObjectProblem,
    },

    /// Two documents of one rendering describe the same object.
    #[error("{id} is described twice: at {first} and at {second}; remove one of them")]
    Duplicate {
        /// The object.
        id: Box<ObjectId>,
        /// Where it was described first.
        first: Origin,
        /// Where it was described again.
        second: Origin,
    },

    /// An `apiVersion` that is neither `version` nor `group/version`.
    #[error("apiVersion {text:?} is neither \"version\" nor \"group/version\"")]
    ApiVersion {
        /// The text as found.
        text: String,
    },

    /// A kind that is empty.
    #[error("kind is empty beside apiVersion {api_version:?}")]
    EmptyKind {
        /// The `apiVersion` that stood beside it.
        api_version: String,
    },

    /// A text that does not name an object.
    #[error("{text:?} does not name an object; write \"[group/]Kind [namespace/]name\"")]
    ObjectId {
        /// The text as found.
        text: String,
    },

    /// A text that is no resource quantity.
    #[error("{text:?} is no quantity; write a number and perhaps a suffix such as m, k, M, Gi or e3")]
    Quantity {
        /// The text as found, or what stood there instead of a text.
        text: String,
    },
}

/// Why a document is no Kubernetes object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectProblem {
    /// The document is a list, a string or a number.
    #[error("a Kubernetes object is a mapping with apiVersion, kind and metadata; this is {found}")]
    NotAMapping {
        /// What stood there instead, as "a list" or "the number 3".
        found: String,
    },

    /// A required field is absent or empty.
    #[error("{field} is missing")]
    Missing {
        /// Path of the field.
        field: &'static str,
    },

    /// A field holds a value of another type.
    #[error("{field} must be {expected}, not {found}{hint}")]
    WrongType {
        /// Path of the field.
        field: String,
        /// What Kubernetes wants, as "a string".
        expected: &'static str,
        /// What stood there instead.
        found: String,
        /// What to do, with its leading punctuation, or nothing.
        hint: &'static str,
    },

    /// `metadata.generateName` instead of `metadata.name`.
    #[error(
        "metadata.generateName makes a new object at every sync and is only for hooks; write metadata.name instead"
    )]
    GenerateName,

    /// `apiVersion` is malformed.
    #[error("apiVersion {text:?} is neither \"version\" nor \"group/version\"")]
    ApiVersion {
        /// The text as found.
        text: String,
    },
}
