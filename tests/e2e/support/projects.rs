//! Projects of tests.

use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tiphys_api::Project;
use tiphys_tests::Installation;

use super::stage::Stage;

/// A Project in the installation's namespace, which is removed when the test is over.
pub struct TestProject<'a> {
    stage: &'a Stage<'a>,
    /// Its name: that of the stage's namespace.
    pub name: String,
}

impl<'a> TestProject<'a> {
    /// Creates one.
    pub async fn create(stage: &'a Stage<'a>, spec: Value) -> Self {
        let name = stage.ns().to_owned();
        let project = json!({
            "apiVersion": "tiphys.dev/v1alpha1", "kind": "Project", "metadata": { "name": name }, "spec": spec,
        });
        let project = serde_json::from_value(project).expect("a Project");
        Self::api(stage).create(&PostParams::default(), &project).await.expect("it can be created");
        Self { stage, name }
    }

    /// Changes it.
    pub async fn change(&self, spec: Value) {
        let patch = Patch::Merge(json!({ "spec": spec }));
        let changed = Self::api(self.stage).patch(&self.name, &PatchParams::default(), &patch).await;
        changed.expect("it can be changed");
    }

    fn api(stage: &Stage<'_>) -> Api<Project> {
        Api::namespaced(stage.client(), Installation::NAMESPACE)
    }
}

impl Drop for TestProject<'_> {
    fn drop(&mut self) {
        let admin = self.stage.access.admin_identity();
        let arguments = ["delete", "project", "-n", Installation::NAMESPACE, &self.name, "--wait=false"];
        drop(self.stage.access.try_kubectl(&admin, arguments, ""));
    }
}
