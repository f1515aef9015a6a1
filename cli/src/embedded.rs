//! What an installation consists of: the CRDs, the admission policies and the controller, built into this program.

use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use serde_json::{Map, Value};
use tiphys_manifest::{Manifest, order, stream, yaml};

use crate::cluster::Cluster;
use crate::error::Error;
use crate::failure::{Class, Failure};

include!(concat!(env!("OUT_DIR"), "/manifests.rs"));

/// Where the controller is installed unless somebody says otherwise; the manifests say so, too.
pub const NAMESPACE: &str = "tiphys";

/// What an installation consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The custom resources.
    Crds,
    /// Everything else.
    Controller,
}

/// The manifests of a part, in the order in which they are applied.
pub fn manifests(part: Part) -> Result<Vec<Manifest>, Error> {
    let files = match part {
        Part::Crds => CRDS,
        Part::Controller => CONTROLLER,
    };
    let mut manifests = Vec::new();
    for (name, text) in files {
        let read = stream::read(name, text.as_bytes(), &yaml::Limits::default());
        manifests.extend(read.map_err(|error| Error::Embedded(Box::new(error)))?.manifests);
    }
    manifests.sort_by(|left, right| order::compare_for_apply(&left.id(), &right.id()));
    Ok(manifests)
}

/// A manifest for an installation in another namespace.
pub fn relocate(manifest: Manifest, namespace: &str) -> Result<Manifest, Error> {
    if namespace == NAMESPACE {
        return Ok(manifest);
    }
    let is_namespace = manifest.gvk().kind == "Namespace";
    let edited = manifest.edit(|object| {
        for (key, value) in object.iter_mut() {
            relocate_value(key, value, namespace);
        }
        if is_namespace && let Some(Value::Object(metadata)) = object.get_mut("metadata") {
            metadata.insert("name".to_owned(), namespace.into());
        }
    });
    edited.map_err(|error| Error::Embedded(Box::new(error)))
}

/// Fields named `namespace` name it, and the user name of a service account holds it.
fn relocate_value(key: &str, value: &mut Value, namespace: &str) {
    match value {
        Value::String(text) if key == "namespace" && text == NAMESPACE => namespace.clone_into(text),
        Value::String(text) => {
            let user = format!("system:serviceaccount:{NAMESPACE}:");
            if text.contains(&user) {
                *text = text.replace(&user, &format!("system:serviceaccount:{namespace}:"));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|it| relocate_value("", it, namespace)),
        Value::Object(fields) => fields.iter_mut().for_each(|(key, it)| relocate_value(key, it, namespace)),
        _ => {}
    }
}

/// A manifest whose containers run another image; one without containers stays as it is.
pub fn with_image(manifest: Manifest, image: &str) -> Result<Manifest, Error> {
    let edited = manifest.edit(|object| {
        for container in containers(object) {
            container["image"] = image.into();
        }
    });
    edited.map_err(|error| Error::Embedded(Box::new(error)))
}

fn containers(object: &mut Map<String, Value>) -> impl Iterator<Item = &mut Value> {
    let pod = object
        .get_mut("spec")
        .and_then(|it| it.get_mut("template"))
        .and_then(|it| it.get_mut("spec"))
        .and_then(|it| it.get_mut("containers"));
    pod.and_then(Value::as_array_mut).into_iter().flatten()
}

/// The variable of the controller's Deployment that says how many slots there are.
const SHARDS: &str = "TIPHYS_SHARDS";
/// One that works and one that stands by.
const LEAST_REPLICAS: u16 = 2;
/// Two to four times as many slots as replicas spread well.
const SLOTS_OF_A_REPLICA: u16 = 3;

/// A Deployment of the controller whose replicas share so many slots; anything else stays as it is.
pub fn with_shards(manifest: Manifest, shards: u16) -> Result<Manifest, Error> {
    if manifest.gvk().kind != "Deployment" {
        return Ok(manifest);
    }
    let edited = manifest.edit(|object| {
        let replicas = shards.div_ceil(SLOTS_OF_A_REPLICA).max(LEAST_REPLICAS);
        if let Some(spec) = object.get_mut("spec") {
            spec["replicas"] = replicas.into();
        }
        let variables = containers(object).filter_map(|it| it.get_mut("env")?.as_array_mut()).flatten();
        for variable in variables.filter(|it| it["name"] == SHARDS) {
            variable["value"] = shards.to_string().into();
        }
    });
    edited.map_err(|error| Error::Embedded(Box::new(error)))
}

/// Name of the controller's Deployment, as the manifests have it.
pub fn deployment_name() -> Result<Option<String>, Error> {
    let manifests = manifests(Part::Controller)?;
    Ok(manifests.iter().find(|it| it.gvk().kind == "Deployment").map(|it| it.name().to_owned()))
}

/// The controller's Deployment in the cluster.
pub async fn deployment(cluster: &Cluster, namespace: &str) -> Result<Option<Deployment>, Failure> {
    let Ok(Some(name)) = deployment_name() else {
        return Ok(None);
    };
    let api: Api<Deployment> = Api::namespaced(cluster.client.clone(), namespace);
    match api.get(&name).await.map_err(Failure::from) {
        Ok(deployment) => Ok(Some(deployment)),
        Err(failure) if failure.class() == Some(Class::NotFound) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Whether the newest version of a Deployment runs, and nothing else.
pub fn is_rolled_out(deployment: &Deployment) -> bool {
    let (Some(spec), Some(status)) = (&deployment.spec, &deployment.status) else {
        return false;
    };
    let wanted = spec.replicas.unwrap_or(1);
    status.observed_generation >= deployment.metadata.generation
        && status.updated_replicas.unwrap_or(0) >= wanted
        && status.available_replicas.unwrap_or(0) >= wanted
        && status.replicas.unwrap_or(0) == status.updated_replicas.unwrap_or(0)
}

/// The image that the controller runs.
pub fn image(deployment: &Deployment) -> Option<&str> {
    let pod = deployment.spec.as_ref()?.template.spec.as_ref()?;
    pod.containers.first()?.image.as_deref()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Manifest> {
        let mut all = manifests(Part::Crds).unwrap();
        all.extend(manifests(Part::Controller).unwrap());
        all
    }

    #[test]
    fn the_crds_of_this_program_are_those_of_the_api() {
        let embedded: Vec<String> =
            manifests(Part::Crds).unwrap().iter().map(|it| it.name().to_owned()).collect();
        let mut current: Vec<String> =
            tiphys_api::crds().into_iter().filter_map(|it| it.metadata.name).collect();
        current.sort();
        assert_eq!(embedded, current);
    }

    #[test]
    fn an_installation_elsewhere_has_nothing_in_the_usual_namespace() {
        let texts: Vec<String> = all()
            .into_iter()
            .map(|it| Value::Object(relocate(it, "elsewhere").unwrap().into_object()).to_string())
            .collect();
        let text = texts.join("\n");
        assert!(text.contains(r#""namespace":"elsewhere""#));
        assert!(text.contains("system:serviceaccount:elsewhere:"));
        for left_over in [r#""namespace":"tiphys""#, "system:serviceaccount:tiphys:"] {
            assert!(!text.contains(left_over), "{left_over}");
        }
        let namespace = texts.iter().find(|it| it.contains(r#""kind":"Namespace""#)).unwrap();
        assert!(namespace.contains(r#""name":"elsewhere""#), "{namespace}");
    }

    #[test]
    fn another_image_is_for_the_controller_alone() {
        let changed = all().into_iter().map(|it| with_image(it, "registry/tiphys:2").unwrap());
        let images =
            changed.filter(|it| Value::Object(it.object().clone()).to_string().contains("registry/tiphys:2"));
        assert_eq!(images.count(), 1);
    }

    #[test]
    fn slots_and_replicas_are_for_the_controller_alone() {
        for (shards, replicas) in [(2, 2), (6, 2), (7, 3), (8, 3), (64, 22)] {
            let changed = all().into_iter().map(|it| with_shards(it, shards).unwrap());
            let changed: Vec<_> = changed.zip(all()).filter(|(now, before)| now != before).collect();
            let [(deployment, _)] = changed.as_slice() else { panic!("{} changed", changed.len()) };
            let object = Value::Object(deployment.object().clone());
            assert_eq!(object["spec"]["replicas"], replicas, "{shards}");
            let variables =
                object.pointer("/spec/template/spec/containers/0/env").unwrap().as_array().unwrap();
            let numbers = variables.iter().filter(|it| it["name"] == SHARDS).map(|it| &it["value"]);
            assert_eq!(numbers.collect::<Vec<_>>(), [&Value::from(shards.to_string())]);
        }
    }
}
