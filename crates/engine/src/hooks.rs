//! Hooks as live objects: which run one belongs to, and what became of it. Pure.

use serde_json::{Map, Value, json};
use tiphys_api::{HOOK_FINALIZER, HOOK_RUN_ANNOTATION, Health, HookPhase};
use tiphys_manifest::{Manifest, Origin};

use crate::digest::Digest;
use crate::health::{self, HealthStatus};
use crate::live_object::LiveObject;
use crate::order::{Marks, Occasion, Role};
use crate::plan::Live;

/// One run of the hooks of an Application: by one Sync, or by its deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// What it is for.
    pub occasion: Occasion,
    /// Tells this run from all others. It is made from what does not change when the same Sync is taken up again, so
    /// that no hook runs twice in it.
    pub id: String,
}

impl Run {
    /// What the object of a hook of this run carries in [`HOOK_RUN_ANNOTATION`].
    pub fn mark(&self, phase: HookPhase) -> String {
        format!("{}.{}", self.id, phase.as_str())
    }
}

/// Gives hooks without a name (`generateName`) one for this run: the same when the run is taken up again, another one in
/// another run.
pub fn name_all(manifests: Vec<Manifest>, run: &str) -> Vec<Manifest> {
    manifests.into_iter().map(|manifest| name(manifest, run)).collect()
}

fn name(manifest: Manifest, run: &str) -> Manifest {
    let metadata = manifest.object().get("metadata");
    let Some(prefix) = metadata.and_then(|it| it.get("generateName")?.as_str()).map(str::to_owned) else {
        return manifest;
    };
    let unnamed = manifest.clone().edit(|object| drop(set_name(object, None)));
    let unnamed = unnamed.as_ref().map_or(manifest.object(), Manifest::object);
    let digest = Digest::of_json(&(run, unnamed)).to_string();
    let name = format!("{prefix}{}", digest.chars().take(8).collect::<String>());
    let original = manifest.clone();
    manifest.edit(|object| drop(set_name(object, Some(name)))).unwrap_or(original)
}

/// A manifest without the name that [`name_all`] drew for it. None when it has a name of its own.
pub(crate) fn without_drawn_name(manifest: &Manifest) -> Option<Value> {
    manifest.object().get("metadata")?.get("generateName")?.as_str()?;
    let mut object = manifest.object().clone();
    set_name(&mut object, None);
    Some(Value::Object(object))
}

fn set_name(object: &mut Map<String, Value>, name: Option<String>) -> Option<Value> {
    let metadata = object.get_mut("metadata")?.as_object_mut()?;
    match name {
        Some(name) => metadata.insert("name".to_owned(), name.into()),
        None => metadata.remove("name"),
    }
}

/// A manifest as it is created in the run of `mark`. What would vanish when it is done is held until it is released.
pub(crate) fn marked(mut manifest: Manifest, mark: &str) -> Manifest {
    manifest.set_annotation(HOOK_RUN_ANNOTATION, mark);
    let spec = manifest.object().get("spec");
    if spec.is_none_or(|spec| spec.get("ttlSecondsAfterFinished").is_none()) {
        return manifest;
    }
    let original = manifest.clone();
    let held = manifest.edit(|object| {
        if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
            let finalizers = metadata.entry("finalizers").or_insert_with(|| json!([]));
            if let Value::Array(finalizers) = finalizers {
                finalizers.push(HOOK_FINALIZER.into());
            }
        }
    });
    held.unwrap_or(original)
}

/// The JSON patch that releases the live object of a hook. None when it is not held.
pub fn release(live: &Value) -> Option<Value> {
    let path = "/metadata/finalizers";
    let finalizers = live.pointer(path)?.as_array()?;
    let others: Vec<_> = finalizers.iter().filter(|it| it.as_str() != Some(HOOK_FINALIZER)).collect();
    (others.len() < finalizers.len()).then(|| {
        json!([
            { "op": "test", "path": path, "value": finalizers },
            { "op": "replace", "path": path, "value": others },
        ])
    })
}

/// The run that a live object was created by, if it is that of a hook.
pub fn mark_of(live: &Value) -> Option<&str> {
    live.pointer("/metadata/annotations")?.get(HOOK_RUN_ANNOTATION)?.as_str()
}

/// Whether a live object says of itself that it is a hook, whoever created it.
pub(crate) fn is_hook(live: &Value) -> bool {
    let manifest = Manifest::from_value(live.clone(), Origin::new("live", 0));
    manifest.is_ok_and(|it| !matches!(Marks::of(&it, Occasion::Upgrade).role, Role::Plain))
}

/// What became of a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is not done.
    Running(String),
    /// It is done.
    Succeeded,
    /// It failed, or is gone.
    Failed {
        /// Why.
        message: String,
        /// Whether that may still change by itself.
        may_recover: bool,
    },
}

/// What became of the hook that `mark` names: a Job when it is complete, a Pod when it has succeeded (or is ready, if it
/// is one that never ends), anything else when it is healthy.
pub fn outcome(mark: &str, live: &Live) -> Outcome {
    let live = match live {
        Live::Present(live) => live,
        Live::Absent => return gone("it was deleted before it was done"),
        Live::Unknown => return Outcome::Running("the server behind its kind does not answer".to_owned()),
    };
    let Ok(object) = live.object() else {
        return gone("it cannot be read");
    };
    if mark_of(&object) != Some(mark) {
        return gone("it was replaced before it was done");
    }
    if !live.deleting {
        return by_health(live, &live.health, &object);
    }
    // What is being deleted is never healthy, but it may be done all the same.
    let mut kept = object;
    if let Some(Value::Object(metadata)) = kept.get_mut("metadata") {
        metadata.remove("deletionTimestamp");
    }
    match by_health(live, &health::assess(&kept), &kept) {
        Outcome::Running(_) => gone("it is being deleted before it was done"),
        outcome => outcome,
    }
}

fn by_health(live: &LiveObject, status: &HealthStatus, object: &Value) -> Outcome {
    let message = || status.message.clone();
    match status.health {
        Health::Healthy if ends(live, object) && text(object, "/status/phase") != "Succeeded" => {
            Outcome::Running("it runs".to_owned())
        }
        Health::Healthy => Outcome::Succeeded,
        Health::Degraded => {
            let is_final = live.id.kind == "Job" || text(object, "/status/phase") == "Failed";
            Outcome::Failed { message: message(), may_recover: !is_final }
        }
        Health::Suspended | Health::Progressing | Health::Unknown | Health::Missing => {
            Outcome::Running(message())
        }
    }
}

/// Whether it is a Pod that runs to an end.
fn ends(live: &LiveObject, object: &Value) -> bool {
    let pod = live.id.group.is_empty() && live.id.kind == "Pod";
    pod && matches!(text(object, "/spec/restartPolicy"), "Never" | "OnFailure")
}

fn gone(message: &str) -> Outcome {
    Outcome::Failed { message: message.to_owned(), may_recover: false }
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
