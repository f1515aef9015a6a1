//! The objects that an Application has applied and so may prune.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tiphys_manifest::{GroupVersionKind, ObjectId};

use crate::digest::Digest;
use crate::fields::ProjectionHash;

/// The objects that an Application has applied, those that it could not prune yet included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    entries: BTreeMap<ObjectId, InventoryEntry>,
}

/// What was applied to one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryEntry {
    /// API version in which it was applied, without the group.
    pub version: String,
    /// Digest of what was asked for.
    pub desired: Digest,
    /// Hash of what we owned of the live object after that. Absent when nobody could say yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<ProjectionHash>,
}

impl Inventory {
    /// What is known about one object.
    pub fn get(&self, id: &ObjectId) -> Option<&InventoryEntry> {
        self.entries.get(id)
    }

    /// Whether the object is in it.
    pub fn contains(&self, id: &ObjectId) -> bool {
        self.entries.contains_key(id)
    }

    /// All objects, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&ObjectId, &InventoryEntry)> {
        self.entries.iter()
    }

    /// The kinds of all objects, in the versions in which they were applied, each once.
    pub fn kinds(&self) -> Vec<GroupVersionKind> {
        let mut kinds: Vec<_> = self
            .entries
            .iter()
            .map(|(id, entry)| GroupVersionKind::new(&id.group, &entry.version, &id.kind))
            .collect();
        kinds.sort();
        kinds.dedup();
        kinds
    }

    /// Number of objects.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Notes an object that was, or is about to be, applied.
    pub fn insert(&mut self, id: ObjectId, entry: InventoryEntry) {
        self.entries.insert(id, entry);
    }

    /// Notes what we own of a live object as the state that it should stay in.
    ///
    /// Used with the answer to an apply, and when a dry-run said that a live object is as it should be though its
    /// hash is another. Objects that are not in the inventory stay out of it.
    pub fn settle(&mut self, id: &ObjectId, live: Option<ProjectionHash>) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.live = live;
        }
    }

    /// Notes that an object has to be looked at, however it is now.
    pub fn unsettle(&mut self, id: &ObjectId) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.live = Some(ProjectionHash::from(Digest::of(&[b"to be looked at"])));
        }
    }

    /// Forgets an object that is gone, or that another Application took over.
    pub fn forget(&mut self, id: &ObjectId) {
        self.entries.remove(id);
    }
}

impl FromIterator<(ObjectId, InventoryEntry)> for Inventory {
    fn from_iter<I: IntoIterator<Item = (ObjectId, InventoryEntry)>>(entries: I) -> Self {
        Self { entries: entries.into_iter().collect() }
    }
}

/// An entry with its object: JSON has no maps with such keys.
#[derive(Serialize, Deserialize)]
struct Line<Id, Entry> {
    #[serde(flatten)]
    id: Id,
    #[serde(flatten)]
    entry: Entry,
}

impl Serialize for Inventory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.entries.iter().map(|(id, entry)| Line { id, entry }))
    }
}

impl<'de> Deserialize<'de> for Inventory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let lines: Vec<Line<ObjectId, InventoryEntry>> = Vec::deserialize(deserializer)?;
        Ok(lines.into_iter().map(|line| (line.id, line.entry)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_json() {
        let inventory: Inventory = [("Namespace web", None), ("apps/Deployment web/web", Some(b"x"))]
            .into_iter()
            .map(|(id, live)| {
                let entry = InventoryEntry {
                    version: "v1".to_owned(),
                    desired: Digest::of(&[id.as_bytes()]),
                    live: live.map(|bytes| ProjectionHash::from(Digest::of(&[bytes]))),
                };
                (id.parse().unwrap(), entry)
            })
            .collect();
        let json = serde_json::to_string(&inventory).unwrap();
        assert_eq!(serde_json::from_str::<Inventory>(&json).unwrap(), inventory);
        assert_eq!(inventory.kinds().len(), 2);
    }
}
