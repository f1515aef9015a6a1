//! Where the objects of a rendering go: every namespaced object gets its namespace, every other loses it.
//!
//! The controller and `tiphys diff --local` share this, so that they plan the same.

use tiphys_api::ApplicationSpec;
use tiphys_manifest::{GroupVersionKind, Manifest, Origin, stream};

use crate::discovery::{Kinds, Lookup, Scope};
use crate::error::{Class, Error};
use crate::plan::Refusal;

/// Manifests in their places.
#[derive(Clone, Debug, Default)]
pub struct Placed {
    /// All of them; those of kinds that nobody serves as they are.
    pub manifests: Vec<Manifest>,
    /// Why some cannot be applied: nobody serves their kind, or they come twice.
    pub refusals: Vec<Refusal>,
}

/// Puts manifests into their places; `namespace` is for those that name none.
///
/// Kinds that come with the rendering itself, as CustomResourceDefinitions, are known by these.
pub async fn place(kinds: &Kinds, manifests: Vec<Manifest>, namespace: &str) -> Result<Placed, Error> {
    let defined: Vec<_> = manifests.iter().filter_map(definition).collect();
    let mut placed = Placed::default();
    for manifest in manifests {
        match scope_of(kinds, &defined, manifest.gvk()).await? {
            Ok(scope) => match put(manifest, scope, namespace) {
                Ok(manifest) => placed.manifests.push(manifest),
                Err(refusal) => placed.refusals.push(*refusal),
            },
            Err(message) => {
                placed.refusals.push(refusal(&manifest, message));
                placed.manifests.push(manifest);
            }
        }
    }
    if let Err(error) = stream::reject_duplicates(&placed.manifests, namespace)
        && let Some(first) = placed.manifests.first()
    {
        placed.refusals.push(refusal(first, error.to_string()));
    }
    Ok(placed)
}

/// The destination's namespace as an object that only has to exist, when the Application asks for it.
pub fn namespace_to_ensure(spec: &ApplicationSpec, namespace: &str) -> Option<Manifest> {
    let object =
        serde_json::json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
    let origin = Origin::new("spec.destination.createNamespace", 0);
    let is_wanted = spec.destination.create_namespace;
    is_wanted.then(|| Manifest::from_value(object, origin).ok()).flatten()
}

/// Group, kind and scope that a CustomResourceDefinition brings.
fn definition(manifest: &Manifest) -> Option<(String, String, Scope)> {
    let gvk = manifest.gvk();
    if gvk.group != "apiextensions.k8s.io" || gvk.kind != "CustomResourceDefinition" {
        return None;
    }
    let spec = manifest.object().get("spec")?;
    let text = |pointer: &str| spec.pointer(pointer)?.as_str().map(str::to_owned);
    let scope = match text("/scope")?.as_str() {
        "Cluster" => Scope::Cluster,
        _ => Scope::Namespaced,
    };
    Some((text("/group")?, text("/names/kind")?, scope))
}

/// The scope of a kind, or why it is not known.
async fn scope_of(
    kinds: &Kinds,
    defined: &[(String, String, Scope)],
    gvk: &GroupVersionKind,
) -> Result<Result<Scope, String>, Error> {
    if let Lookup::Served(kind) = kinds.lookup(gvk) {
        return Ok(Ok(kind.scope));
    }
    if let Some((_, _, scope)) = defined.iter().find(|it| it.0 == gvk.group && it.1 == gvk.kind) {
        return Ok(Ok(*scope));
    }
    Ok(match kinds.resolve(gvk).await? {
        Lookup::Served(kind) => Ok(kind.scope),
        Lookup::Unknown => {
            Err(format!("the server behind {} does not answer: try again later", gvk.api_version()))
        }
        Lookup::NotServed => Err(format!(
            "the cluster does not know the kind {} in {}: correct apiVersion and kind, or bring its \
             CustomResourceDefinition first or in the same source",
            gvk.kind,
            gvk.api_version()
        )),
    })
}

fn put(mut manifest: Manifest, scope: Scope, namespace: &str) -> Result<Manifest, Box<Refusal>> {
    match (scope, manifest.namespace()) {
        (Scope::Namespaced, None) => {
            manifest.set_namespace(namespace);
            Ok(manifest)
        }
        // kubectl drops the namespace of a cluster-wide object silently, and charts rely on it.
        (Scope::Cluster, Some(_)) => without_namespace(manifest),
        (Scope::Namespaced, Some(_)) | (Scope::Cluster, None) => Ok(manifest),
    }
}

fn without_namespace(manifest: Manifest) -> Result<Manifest, Box<Refusal>> {
    let before = manifest.clone();
    let edited = manifest.edit(|object| {
        if let Some(metadata) = object.get_mut("metadata").and_then(|it| it.as_object_mut()) {
            metadata.remove("namespace");
        }
    });
    edited.map_err(|error| Box::new(refusal(&before, error.to_string())))
}

fn refusal(manifest: &Manifest, message: String) -> Refusal {
    Refusal { id: manifest.id(), origin: Some(manifest.origin().clone()), class: Class::Invalid, message }
}
