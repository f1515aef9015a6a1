//! What expressions see.

use serde_json::{Value, json};
use tiphys_api::{Application, Phase, Sync};
use tiphys_engine::cel::{CelError, Scope};

/// An Application and a Sync of it as expressions see them.
///
/// Of the Application it is what names it, its spec without the values of charts (which may be passwords), and its
/// status; of the Sync it is everything but who wrote which field.
#[derive(Clone, Debug)]
pub struct Facts {
    application: Value,
    sync: Value,
}

impl Facts {
    /// What is to be seen of these two, the Sync in this phase.
    pub fn new(application: &Application, sync: &Sync, phase: Phase) -> Result<Self, serde_json::Error> {
        let metadata = &application.metadata;
        let mut spec = serde_json::to_value(&application.spec)?;
        if let Some(source) = spec.get_mut("source").and_then(Value::as_object_mut) {
            source.remove("helm");
            source.remove("tera");
        }
        let mut sync = serde_json::to_value(sync)?;
        if let Some(metadata) = sync.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        sync["status"]["phase"] = serde_json::to_value(phase)?;
        Ok(Self {
            application: json!({
                "metadata": {
                    "name": metadata.name,
                    "namespace": metadata.namespace,
                    "uid": metadata.uid,
                    "labels": metadata.labels.clone().unwrap_or_default(),
                    "annotations": metadata.annotations.clone().unwrap_or_default(),
                },
                "spec": spec,
                "status": serde_json::to_value(&application.status)?,
            }),
            sync,
        })
    }

    /// The scope for expressions, with a full budget.
    pub(crate) fn scope(&self) -> Result<Scope, CelError> {
        let mut scope = Scope::new()?;
        scope.object("application", &self.application)?;
        scope.object("sync", &self.sync)?;
        Ok(scope)
    }
}
