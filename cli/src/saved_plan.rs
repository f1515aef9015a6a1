//! A plan in a file: what was asked for, and what came of it. Values of Secrets are hidden in it.

use std::path::Path;

use jiff::Timestamp;
use kube::ResourceExt as _;
use serde::{Deserialize, Serialize};
use tiphys_api::{Application, SyncSpec};
use tiphys_engine::plan::Plan;

use crate::error::Error;
use crate::output::documents::{self, Form};

const API_VERSION: &str = "tiphys.dev/v1alpha1";
const KIND: &str = "SavedPlan";

/// A plan in a file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SavedPlan {
    api_version: String,
    kind: String,
    /// Name of the Application.
    application: String,
    /// Its namespace.
    namespace: String,
    /// When the plan was made.
    made_at: Timestamp,
    /// What was asked for.
    pub spec: SyncSpec,
    /// What would be done.
    pub plan: Plan,
}

impl SavedPlan {
    /// The plan of an Application, made now.
    pub fn new(application: &Application, spec: SyncSpec, plan: Plan) -> Self {
        Self {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            application: application.name_any(),
            namespace: application.namespace().unwrap_or_default(),
            made_at: Timestamp::now(),
            spec: SyncSpec { application: application.name_any(), ..spec },
            plan,
        }
    }

    /// Writes it: as YAML where the name says so, as JSON otherwise.
    pub fn write(&self, file: &Path) -> Result<(), Error> {
        let is_yaml = file.extension().is_some_and(|it| it == "yaml" || it == "yml");
        let form = if is_yaml { Form::Yaml } else { Form::Json };
        let text = documents::document(&documents::value(self)?, form)?;
        std::fs::write(file, text).map_err(|source| Error::WriteFile { path: file.to_owned(), source })
    }

    /// Reads it back.
    pub fn read(file: &Path) -> Result<Self, Error> {
        let text =
            std::fs::read_to_string(file).map_err(|source| Error::Read { path: file.to_owned(), source })?;
        let unusable = |problem: String| Error::SavedPlan { path: file.to_owned(), problem };
        let value = tiphys_manifest::yaml::read(&text).map_err(|error| unusable(error.to_string()))?;
        let saved: Self = serde_json::from_value(value)
            .map_err(|error| unusable(format!("it is no plan that this program has saved ({error})")))?;
        if (saved.api_version.as_str(), saved.kind.as_str()) != (API_VERSION, KIND) {
            return Err(unusable(format!("it is a {} of {}", saved.kind, saved.api_version)));
        }
        Ok(saved)
    }

    /// Fails when it is the plan of another Application.
    pub fn ensure_for(&self, application: &Application, file: &Path) -> Result<(), Error> {
        let (name, namespace) = (application.name_any(), application.namespace().unwrap_or_default());
        if (&self.application, &self.namespace) == (&name, &namespace) {
            return Ok(());
        }
        Err(Error::SavedPlan {
            path: file.to_owned(),
            problem: format!(
                "it is the plan of Application `{}` in namespace `{}`, not of `{name}` in `{namespace}`",
                self.application, self.namespace
            ),
        })
    }
}
