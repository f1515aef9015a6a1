//! What can go wrong in this crate, told apart by what one can do about it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tiphys_manifest::{GroupVersionKind, ObjectId};

use crate::requests::failure::Failure;

/// What one can do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Class {
    /// It may well go away by itself: try again later.
    Transient,
    /// Somebody else has to let go first, or the state that was read is old: look again.
    Conflict,
    /// A right is missing: somebody has to grant it.
    Forbidden,
    /// What was asked for is wrong: somebody has to change it.
    Invalid,
}

impl Class {
    /// Whether trying again without any change may help.
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::Transient)
    }
}

/// What was asked of the API server about one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Server-side apply without storing.
    DryRun,
    /// Server-side apply.
    Apply,
    /// Reading an object.
    Get,
    /// Deleting an object.
    Delete,
    /// Handing fields of other managers over to us.
    Migrate,
    /// Asking whether something may be done.
    Review,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DryRun => "check",
            Self::Apply => "apply",
            Self::Get => "read",
            Self::Delete => "delete",
            Self::Migrate => "take over the fields of",
            Self::Review => "ask for the right to apply",
        })
    }
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No client can be made.
    #[error("cannot talk to the cluster")]
    Connect {
        /// Why.
        source: Box<Failure>,
    },

    /// Discovery failed.
    #[error("cannot ask the API server which kinds it serves")]
    Discovery {
        /// Why.
        source: Box<Failure>,
    },

    /// Discovery took too long.
    #[error("the API server did not say within {} s which kinds it serves", limit.as_secs())]
    DiscoveryTimedOut {
        /// How long we waited.
        limit: Duration,
    },

    /// The API server is too old.
    #[error(
        "the API server ({version}) does not know aggregated discovery: Kubernetes 1.30 or newer is needed"
    )]
    NoAggregatedDiscovery {
        /// What it says its version is.
        version: String,
    },

    /// A request about one object failed.
    #[error("cannot {operation} {id}")]
    Request {
        /// What was asked for.
        operation: Operation,
        /// Which object.
        id: Box<ObjectId>,
        /// Why it failed.
        source: Box<Failure>,
    },

    /// Objects of a kind could not be listed.
    #[error("cannot list {resource}")]
    List {
        /// The kind as permissions name it.
        resource: String,
        /// Why.
        source: Box<Failure>,
    },

    /// A list is longer than anybody should ask for.
    #[error("there are more than {limit} {resource}: ask for one by its name, or for those of one namespace")]
    TooMany {
        /// The kind as permissions name it.
        resource: String,
        /// How many may be asked for.
        limit: usize,
    },

    /// We may not watch a kind.
    #[error("we may not list and watch {resource} in the whole cluster: grant these two verbs")]
    WatchForbidden {
        /// The kind as permissions name it.
        resource: String,
        /// The API server's words.
        source: Arc<Failure>,
    },

    /// A kind could not be listed in time.
    #[error("{resource} could not be listed in time")]
    NotListed {
        /// The kind as permissions name it.
        resource: String,
        /// The last thing that went wrong, if anything did.
        source: Option<Arc<Failure>>,
    },

    /// A kind does not support what applying needs.
    #[error("objects of kind {gvk} cannot be applied: the API server lets nobody {verb} them")]
    NotApplicable {
        /// The kind.
        gvk: GroupVersionKind,
        /// The verb that is missing.
        verb: &'static str,
    },

    /// A kind is not served, or not any more.
    #[error("the API server serves no kind {gvk}: is its CustomResourceDefinition installed?")]
    NotServed {
        /// The kind.
        gvk: GroupVersionKind,
    },

    /// Nobody can say whether a kind is served.
    #[error("the server behind the kind {gvk} does not answer")]
    KindUnanswered {
        /// The kind.
        gvk: GroupVersionKind,
    },

    /// A plan is run with other manifests than it was made from.
    #[error("the plan has a step for {id} without its manifest; plan again")]
    ForeignPlan {
        /// The object.
        id: Box<ObjectId>,
    },

    /// An object that was deleted is still there.
    #[error("{id} was deleted and is still there{}", waits_for(finalizers))]
    NotGone {
        /// The object.
        id: Box<ObjectId>,
        /// What it waits for.
        finalizers: Vec<String>,
    },

    /// A definition was applied and its kinds are not served.
    #[error(
        "the CustomResourceDefinition {name} was applied, but its kinds are not served in time: see its conditions"
    )]
    NotEstablished {
        /// Name of the definition.
        name: String,
    },

    /// Another definition has the names of this one.
    #[error("the CustomResourceDefinition {name} was applied, but its names are taken: {message}")]
    NamesTaken {
        /// Name of the definition.
        name: String,
        /// The API server's words.
        message: String,
    },

    /// A page of a snapshot or plan is gone.
    #[error("the Secret {name}, a part of what was kept, is gone or damaged")]
    PageMissing {
        /// Name of the Secret.
        name: String,
    },

    /// The API server sent something that is no object: it has no kind, name or version.
    #[error("an object of the API server has no {field}")]
    NotAnObject {
        /// The field that is missing.
        field: &'static str,
    },

    /// A live object that we keep compressed cannot be read back.
    #[error("the cached copy of {id} cannot be read; restarting the controller lists it again")]
    ReadLive {
        /// The object.
        id: Box<ObjectId>,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// A snapshot or plan cannot be packed into pages.
    #[error("cannot pack the {what}")]
    Pack {
        /// `snapshot` or `plan`.
        what: &'static str,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// Stored pages do not give back what was packed into them.
    #[error("cannot read the stored {what}")]
    Unpack {
        /// `snapshot` or `plan`.
        what: &'static str,
        /// What is wrong with the pages.
        source: crate::snapshot::PageProblem,
    },
}

impl Error {
    /// What one can do about it.
    pub fn class(&self) -> Class {
        match self {
            Self::Connect { source }
            | Self::Discovery { source }
            | Self::Request { source, .. }
            | Self::List { source, .. } => source.class(),
            Self::NotListed { source, .. } => {
                source.as_ref().map_or(Class::Transient, |failure| failure.class())
            }
            Self::DiscoveryTimedOut { .. } | Self::KindUnanswered { .. } | Self::NotGone { .. } => {
                Class::Transient
            }
            Self::WatchForbidden { .. } => Class::Forbidden,
            Self::ForeignPlan { .. } => Class::Conflict,
            Self::NoAggregatedDiscovery { .. }
            | Self::NotApplicable { .. }
            | Self::NotServed { .. }
            | Self::NotEstablished { .. }
            | Self::NamesTaken { .. }
            | Self::TooMany { .. }
            | Self::PageMissing { .. } => Class::Invalid,
            Self::NotAnObject { .. } | Self::ReadLive { .. } | Self::Pack { .. } | Self::Unpack { .. } => {
                Class::Invalid
            }
        }
    }

    /// The failure of the request behind it, if there is one.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Connect { source }
            | Self::Discovery { source }
            | Self::Request { source, .. }
            | Self::List { source, .. } => Some(source),
            Self::WatchForbidden { source, .. } => Some(source),
            Self::NotListed { source, .. } => source.as_deref(),
            _ => None,
        }
    }

    pub(crate) fn request(operation: Operation, id: &ObjectId, failure: Failure) -> Self {
        Self::Request { operation, id: Box::new(id.clone()), source: Box::new(failure) }
    }
}

fn waits_for(finalizers: &[String]) -> String {
    if finalizers.is_empty() {
        return String::new();
    }
    format!(": it waits for the finalizers {}", finalizers.join(", "))
}
