//! Whose object is this: marks on objects, and claims inside one controller.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tiphys_api::{APPLICATION_LABEL, OWNER_ANNOTATION};
use tiphys_manifest::{Manifest, ObjectId};

use crate::digest::Digest;

/// Tells installations that share a cluster apart, such as the uid of the installation's namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InstallationId(pub String);

/// One Application of one installation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Owner {
    /// The installation.
    pub installation: InstallationId,
    /// Namespace of the Application.
    pub namespace: String,
    /// Name of the Application.
    pub name: String,
}

/// Longest readable part of a label value: with `-` and 16 digits the value has at most 63 characters.
const READABLE: usize = 46;

impl Owner {
    /// Value of the tracking label: the readable start of the name, and 64 bits of a hash over everything that
    /// tells Applications apart. At most 63 characters, all of them allowed in a label value.
    pub fn label_value(&self) -> String {
        let readable: String = self.name.chars().take(READABLE).collect();
        let readable = readable.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let parts = [&self.installation.0, &self.namespace, &self.name];
        let digest = Digest::of(&parts.map(String::as_bytes)).to_string();
        let hash: String = digest.chars().take(16).collect();
        if readable.is_empty() { hash } else { format!("{readable}-{hash}") }
    }

    /// Value of the annotation that says it in words: `namespace/name`.
    pub fn annotation(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Whose a live object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It carries our mark.
    Ours,
    /// It carries no mark.
    Nobody,
    /// It carries the mark of another Application.
    Other {
        /// Who that is, for people.
        words: String,
    },
}

/// Puts the owner's mark on a manifest.
pub fn mark(manifest: &mut Manifest, owner: &Owner) {
    manifest.set_label(APPLICATION_LABEL, &owner.label_value());
    manifest.set_annotation(OWNER_ANNOTATION, &owner.annotation());
}

/// Whether a manifest carries no mark: it only has to exist.
pub(crate) fn is_unmarked(manifest: &Manifest) -> bool {
    manifest.label(APPLICATION_LABEL).is_none()
}

/// Whose a live object is, as seen by `owner`.
pub fn claim(object: &Value, owner: &Owner) -> Claim {
    let metadata = |field: &str, key: &str| {
        object.get("metadata").and_then(|metadata| metadata.get(field)?.get(key)?.as_str())
    };
    match metadata("labels", APPLICATION_LABEL) {
        None | Some("") => Claim::Nobody,
        Some(label) if label == owner.label_value() => Claim::Ours,
        Some(label) => {
            let words = match metadata("annotations", OWNER_ANNOTATION) {
                // The same name under another label value: the Application of another installation.
                Some(other) if other == owner.annotation() => {
                    format!("Application {other} of another installation")
                }
                Some(other) => format!("Application {other}"),
                None => format!("the Application with the label {APPLICATION_LABEL}={label}"),
            };
            Claim::Other { words }
        }
    }
}

/// An object that another Application of this controller works on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{id} belongs to Application {owner}: remove it from one of the two")]
pub struct Conflict {
    /// The object.
    pub id: ObjectId,
    /// Who has it.
    pub owner: Owner,
}

/// Which Application of this controller works on which object.
///
/// Marks on live objects are only there after the first apply; this keeps two Applications from planning the same
/// new object at once.
#[derive(Debug, Default)]
pub struct Claims {
    owners: BTreeMap<ObjectId, Owner>,
}

impl Claims {
    /// Claims all of `ids` for `owner`, or none of them when another Application has one.
    pub fn claim_all<'a>(
        &mut self,
        owner: &Owner,
        ids: impl IntoIterator<Item = &'a ObjectId>,
    ) -> Result<(), Vec<Conflict>> {
        let ids: Vec<_> = ids.into_iter().collect();
        let conflicts: Vec<_> = ids
            .iter()
            .filter_map(|id| {
                let other = self.owners.get(id).filter(|other| *other != owner)?;
                Some(Conflict { id: (*id).clone(), owner: other.clone() })
            })
            .collect();
        if !conflicts.is_empty() {
            return Err(conflicts);
        }
        for id in ids {
            self.owners.insert(id.clone(), owner.clone());
        }
        Ok(())
    }

    /// Takes all of `ids` for `owner`, whoever has them: those let them go.
    pub fn take_over<'a>(&mut self, owner: &Owner, ids: impl IntoIterator<Item = &'a ObjectId>) {
        self.owners.extend(ids.into_iter().map(|id| (id.clone(), owner.clone())));
    }

    /// Gives up all that `owner` has but does not name in `keep`.
    pub fn retain(&mut self, owner: &Owner, keep: impl Fn(&ObjectId) -> bool) {
        self.owners.retain(|id, it| it != owner || keep(id));
    }

    /// Gives up all that `owner` has.
    pub fn release(&mut self, owner: &Owner) {
        self.retain(owner, |_| false);
    }
}
