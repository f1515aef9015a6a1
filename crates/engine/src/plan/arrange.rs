//! What a draft is made of: the manifests, marked and in the order in which they are applied.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use tiphys_manifest::{Manifest, ObjectId};

use crate::definition::{defined_by, is_definition};
use crate::order;
use crate::tracking::{self, Owner};

/// Everything that may be applied, in the order of kinds and names.
pub(super) struct Arranged {
    pub(super) manifests: Vec<Manifest>,
    /// The objects of the Application.
    pub(super) owned: BTreeSet<ObjectId>,
    /// Its hooks, and what is never applied.
    pub(super) hooks: BTreeSet<ObjectId>,
    /// What only has to exist.
    pub(super) ensured: BTreeSet<ObjectId>,
}

/// Marks what is owned, adds what has to exist, and sorts all for applying.
pub(super) fn arrange(manifests: Vec<Manifest>, ensure: Vec<Manifest>, owner: &Owner) -> Arranged {
    let mut manifests: Vec<_> = manifests.into_iter().map(fold_string_data).collect();
    for manifest in &mut manifests {
        tracking::mark(manifest, owner);
    }
    let (owned, hooks): (Vec<_>, Vec<_>) = manifests.iter().partition(|manifest| order::is_plain(manifest));
    let ids = |manifests: Vec<&Manifest>| manifests.into_iter().map(Manifest::id).collect::<BTreeSet<_>>();
    let (owned, hooks) = (ids(owned), ids(hooks));
    let ensure: Vec<_> = ensure.into_iter().filter(|manifest| !owned.contains(&manifest.id())).collect();
    let ensured = ids(ensure.iter().collect());
    manifests.extend(ensure);
    manifests.sort_by_cached_key(Manifest::id);
    manifests.sort_by(|left, right| tiphys_manifest::order::compare_for_apply(&left.id(), &right.id()));
    Arranged { manifests, owned, hooks, ensured }
}

/// Writes the `stringData` of a Secret as `data`.
///
/// The API server does so too, but then does not know any more who owns which key: keys that leave the rendering would
/// stay in the Secret, and drift would not be seen.
fn fold_string_data(manifest: Manifest) -> Manifest {
    let is_secret = manifest.gvk().group.is_empty() && manifest.gvk().kind == "Secret";
    let Some(Value::Object(texts)) = manifest.object().get("stringData").filter(|_| is_secret) else {
        return manifest;
    };
    let mut data = match manifest.object().get("data") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(data)) => data.clone(),
        // What is wrong with it, the API server says better.
        Some(_) => return manifest,
    };
    for (key, value) in texts {
        let Value::String(text) = value else {
            return manifest;
        };
        data.insert(key.clone(), STANDARD.encode(text).into());
    }
    let original = manifest.clone();
    let folded = manifest.edit(|object| {
        object.remove("stringData");
        object.insert("data".to_owned(), Value::Object(data));
    });
    folded.unwrap_or(original)
}

/// The namespaces that come with these manifests.
pub(super) fn namespaces_in(manifests: &[Manifest]) -> BTreeSet<String> {
    manifests
        .iter()
        .filter(|manifest| manifest.gvk().group.is_empty() && manifest.gvk().kind == "Namespace")
        .map(|manifest| manifest.name().to_owned())
        .collect()
}

/// Groups and kinds that are defined by these manifests.
pub(super) fn definitions_in(manifests: &[Manifest]) -> BTreeSet<(String, String)> {
    manifests
        .iter()
        .filter(|manifest| is_definition(&manifest.id()))
        .filter_map(|manifest| defined_by(manifest.object()))
        .collect()
}
