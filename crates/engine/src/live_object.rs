//! A live object as the cache keeps it: what is asked for often is at hand, the rest is compressed.

use serde_json::Value;
use tiphys_api::{APPLICATION_LABEL, FIELD_MANAGER};
use tiphys_manifest::{GroupVersionKind, ObjectId};

use crate::compressed::{compress, decompress};
use crate::error::Error;
use crate::fields::ProjectionHash;
use crate::health::checks::Checks;
use crate::health::{self, HealthStatus};

/// What we know about an object of the cluster.
#[derive(Clone)]
pub struct LiveObject {
    /// Which object it is.
    pub id: ObjectId,
    /// Its kind, in the version in which it was read.
    pub gvk: GroupVersionKind,
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// Value of the tracking label, if it carries one.
    pub owner_label: Option<String>,
    /// Hash of what our field manager owns of it, if it applied anything in this version of the API: in another one
    /// the fields have other names.
    pub projection: Option<ProjectionHash>,
    /// Its health.
    pub health: HealthStatus,
    /// Whether its deletion was asked for and it waits for finalizers or a grace period.
    pub deleting: bool,
    /// The whole object as JSON, compressed.
    raw: Box<[u8]>,
    /// Length of the JSON in bytes.
    raw_length: usize,
}

impl LiveObject {
    /// Takes in an object as the API server sent it.
    ///
    /// Fails with [`Error::NotAnObject`] when it has no kind or name.
    pub fn new(object: &Value) -> Result<Self, Error> {
        Self::with_checks(object, &Checks::default())
    }

    /// Like [`LiveObject::new`], with the health checks of an installation.
    pub fn with_checks(object: &Value, checks: &Checks) -> Result<Self, Error> {
        let (id, gvk) = identify(object)?;
        let json = serde_json::to_vec(object).map_err(|error| unreadable(&id, error))?;
        let raw = compress(&json).map_err(|error| unreadable(&id, error))?;
        Ok(Self {
            id,
            gvk,
            uid: text(object, "/metadata/uid").unwrap_or_default().to_owned(),
            resource_version: text(object, "/metadata/resourceVersion").unwrap_or_default().to_owned(),
            owner_label: object
                .pointer("/metadata/labels")
                .and_then(|labels| labels.get(APPLICATION_LABEL)?.as_str())
                .map(str::to_owned),
            projection: ProjectionHash::of_live(object).filter(|_| is_applied_at_this_version(object)),
            health: health::assess_with(object, checks),
            deleting: text(object, "/metadata/deletionTimestamp").is_some_and(|time| !time.is_empty()),
            raw: raw.into_boxed_slice(),
            raw_length: json.len(),
        })
    }

    /// The same object, its health told anew. None when that changes nothing.
    pub fn reassessed(&self, checks: &Checks) -> Result<Option<Self>, Error> {
        let health = health::assess_with(&self.object()?, checks);
        Ok((health != self.health).then(|| Self { health, ..self.clone() }))
    }

    /// The whole object.
    pub fn object(&self) -> Result<Value, Error> {
        let json = decompress(&self.raw, self.raw_length).map_err(|error| unreadable(&self.id, error))?;
        serde_json::from_slice(&json).map_err(|error| unreadable(&self.id, error))
    }
}

impl std::fmt::Debug for LiveObject {
    /// Says which object it is; content may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveObject")
            .field("id", &self.id)
            .field("resource_version", &self.resource_version)
            .finish_non_exhaustive()
    }
}

fn is_applied_at_this_version(object: &Value) -> bool {
    let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
    entries.into_iter().flatten().any(|entry| {
        // Objects that are replaced or only created are not applied.
        let ours = text(entry, "/manager") == Some(FIELD_MANAGER) && text(entry, "/subresource").is_none();
        ours && entry.get("apiVersion").is_none_or(|version| Some(version) == object.get("apiVersion"))
    })
}

/// What an object of the API server is called.
pub fn identify(object: &Value) -> Result<(ObjectId, GroupVersionKind), Error> {
    let required = |pointer, field| {
        text(object, pointer).filter(|text| !text.is_empty()).ok_or(Error::NotAnObject { field })
    };
    let kind = required("/kind", "kind")?;
    let gvk = GroupVersionKind::parse(required("/apiVersion", "apiVersion")?, kind)
        .map_err(|_| Error::NotAnObject { field: "apiVersion" })?;
    let id = ObjectId {
        group: gvk.group.clone(),
        kind: gvk.kind.clone(),
        namespace: text(object, "/metadata/namespace")
            .filter(|namespace| !namespace.is_empty())
            .map(str::to_owned),
        name: required("/metadata/name", "metadata.name")?.to_owned(),
    };
    Ok((id, gvk))
}

fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer)?.as_str()
}

fn unreadable(id: &ObjectId, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::ReadLive { id: Box::new(id.clone()), source: Box::new(error) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keeps_what_is_asked_for_and_gives_the_rest_back() {
        let object = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {
                "name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "7",
                "labels": {APPLICATION_LABEL: "web-1"}, "deletionTimestamp": "2026-01-01T00:00:00Z",
                "managedFields": [{"manager": "tiphys", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}}],
            },
            "spec": {"replicas": 2},
        });
        let live = LiveObject::new(&object).unwrap();
        assert_eq!(live.id.to_string(), "apps/Deployment shop/web");
        assert_eq!(live.gvk.version, "v1");
        assert_eq!(live.owner_label.as_deref(), Some("web-1"));
        assert_eq!((live.uid.as_str(), live.resource_version.as_str()), ("u", "7"));
        assert!(live.deleting && live.projection.is_some());
        assert_eq!(live.object().unwrap(), object);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for object in [
            json!({}),
            json!([]),
            json!({"kind": "A", "apiVersion": "v1"}),
            json!({"kind": "A", "apiVersion": "a/b/c", "metadata": {"name": "a"}}),
            json!({"kind": "", "apiVersion": "v1", "metadata": {"name": "a"}}),
        ] {
            assert!(matches!(LiveObject::new(&object), Err(Error::NotAnObject { .. })), "{object}");
        }
    }

    #[test]
    fn content_is_not_printed() {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": {"k": "aHVudGVyMg=="}});
        assert!(!format!("{:?}", LiveObject::new(&secret).unwrap()).contains("hunter"));
    }
}
