//! What every test here needs.

use std::time::Duration;

use serde_json::{Value, json};
use tiphys_api::APPLICATION_LABEL;
use tiphys_engine::Cluster;
use tiphys_engine::requests::RequestLimits;
use tiphys_manifest::{GroupVersionKind, ObjectId};
use tiphys_tests::{Access, Identity};
use tokio::time::Instant;

/// A connection as admin.
pub async fn connect(access: &Access) -> Cluster {
    connect_as(access, &access.admin_identity()).await
}

pub async fn connect_as(access: &Access, identity: &Identity) -> Cluster {
    let client = tiphys_engine::client(access.config(identity)).unwrap();
    Cluster::connect(client, RequestLimits::default()).await.unwrap()
}

pub async fn watch(cluster: &Cluster, kinds: &[GroupVersionKind]) {
    let ensured = cluster.live.ensure(kinds, soon(20)).await.unwrap();
    assert!(ensured.not_served.is_empty() && ensured.unknown.is_empty(), "{ensured:?}");
}

/// So many seconds from now.
pub fn soon(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds)
}

pub fn config_maps() -> GroupVersionKind {
    GroupVersionKind::new("", "v1", "ConfigMap")
}

pub fn config_map_id(ns: &str, name: &str) -> ObjectId {
    format!("ConfigMap {ns}/{name}").parse().unwrap()
}

/// A ConfigMap with one value, marked as the owner's.
pub fn config_map(ns: &str, name: &str, owner: &str, value: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": ns, "labels": {APPLICATION_LABEL: owner}},
        "data": {"key": value},
    })
}

/// A definition of a namespaced kind `Gadget` in a group of this test alone.
pub fn definition(group: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("gadgets.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": {"kind": "Gadget", "plural": "gadgets", "singular": "gadget"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "properties": {"spec": {
                        "type": "object",
                        "properties": {"size": {"type": "integer", "minimum": 1}, "colour": {"type": "string"}},
                    }},
                }},
            }],
        },
    })
}
