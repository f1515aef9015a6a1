use std::sync::Arc;

use serde_json::Value;
use tiphys_manifest::{Manifest, ObjectId};

use super::Tracking;
use crate::error::Class;
use crate::live_object::LiveObject;
use crate::modes::Mode;

/// An object that the API server has to be asked about: would it accept the manifest, and what would come of it?
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The object.
    pub id: &'a ObjectId,
    /// What would be applied.
    pub manifest: &'a Manifest,
    /// Place of the manifest in [`super::Draft::manifests`].
    pub index: usize,
    /// Whether it would belong to the Application.
    pub tracking: Tracking,
    /// How it would be applied.
    pub mode: Mode,
    /// The live object, as far as the cache has it: objects without our mark are not in there.
    pub live: Option<&'a Arc<LiveObject>>,
    /// What the same plan may bring that the object needs.
    pub surroundings: Surroundings,
    /// Whether what an earlier run of the hook left would be deleted first.
    pub deletes_first: bool,
    /// Whether to find out, when an immutable field changed, if creating it anew would be accepted.
    pub try_creating: bool,
}

/// What a plan brings that an object needs. It may be there already: only then can the object be dry-run as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The plan applies the object's namespace.
    pub namespace: bool,
    /// The plan applies the CustomResourceDefinition of the object's kind.
    pub definition: bool,
}

/// What the API server said about an object.
#[derive(Clone)]
pub enum Checked {
    /// It accepts the manifest.
    Predicted {
        /// The object as it would become.
        object: Value,
        /// Whether it exists.
        existed: Existed,
        /// The object as it is. Must be there when it exists and the question came without it.
        live: Option<Value>,
        /// What the server warned of.
        warnings: Vec<String>,
        /// Versions that a CustomResourceDefinition would no longer serve though there are objects of its kind.
        dropped: Vec<String>,
    },
    /// Its kind, or the present schema of that, comes with the same plan: the server cannot be asked, and the schema was.
    BySchema(BySchema),
    /// It refuses only because immutable fields changed.
    Immutable {
        /// The server's words.
        message: String,
        /// The object as it is. Must be there when the question came without it.
        live: Option<Value>,
        /// Whether creating it anew would be accepted.
        creating: Creating,
    },
    /// It refuses. Said of an object that would be pruned: to delete it.
    Refused {
        /// What one can do about it.
        class: Class,
        /// The server's words.
        message: String,
    },
    /// Nobody can say yet, because what the object needs only comes with the same plan. Said of an object that would be
    /// pruned: whether it may be deleted.
    Unverifiable {
        /// What that is.
        why: String,
    },
    /// Said of a CustomResourceDefinition that would be pruned ([`super::Draft::definitions_to_prune`]): it has no
    /// objects.
    NoObjects,
}

/// What the schema says of an object that comes with the same plan.
#[derive(Clone, Default)]
pub struct BySchema {
    /// The object as it is. Must be there when it exists and the question came without it.
    pub live: Option<Value>,
    /// What could not be checked by the schema alone.
    pub unverified: Option<String>,
    /// What there is to be warned of.
    pub warnings: Vec<String>,
}

/// Whether an object exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existed {
    /// It would be created.
    No,
    /// It would be changed.
    Yes,
}

/// Whether creating an object anew would be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Creating {
    /// It would.
    Accepted,
    /// It would not.
    Refused {
        /// The server's words.
        message: String,
    },
    /// Nobody asked, because recreating is not allowed.
    NotAsked,
}

impl std::fmt::Debug for Checked {
    /// Says what kind of answer it is; objects may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Predicted { existed, .. } => {
                f.debug_struct("Predicted").field("existed", existed).finish_non_exhaustive()
            }
            Self::BySchema(by_schema) => {
                f.debug_struct("BySchema").field("unverified", &by_schema.unverified).finish_non_exhaustive()
            }
            Self::Immutable { message, creating, .. } => f
                .debug_struct("Immutable")
                .field("message", message)
                .field("creating", creating)
                .finish_non_exhaustive(),
            Self::Refused { class, message } => {
                f.debug_struct("Refused").field("class", class).field("message", message).finish()
            }
            Self::Unverifiable { why } => f.debug_struct("Unverifiable").field("why", why).finish(),
            Self::NoObjects => f.write_str("NoObjects"),
        }
    }
}
