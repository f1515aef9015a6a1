//! Objects that move from one Application to another.

use std::collections::BTreeMap;

use tiphys_manifest::ObjectId;

/// What is known of other Applications of the same installation about objects that move between them. Such an object is
/// handed over with its uid, and never deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handover {
    /// Objects that another Application has in its rendering, by its name in words: they are not pruned here.
    pub wanted: BTreeMap<ObjectId, String>,
    /// Objects that carry the mark of another Application, by its name in words, which has them in its rendering no
    /// more: they may be taken over.
    pub released: BTreeMap<ObjectId, String>,
}

/// Where the objects of an Application were applied before, and where they are now, as `cluster/namespace`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Before.
    pub from: String,
    /// Now.
    pub to: String,
}
