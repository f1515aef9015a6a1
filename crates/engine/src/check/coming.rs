//! Definitions that come, or change, with the plan whose objects are checked.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::Value;
use tiphys_manifest::ObjectId;

use crate::definition::{defined_by, is_definition};
use crate::plan::{Checked, Draft};
use crate::structural::{Definition, dropped_versions};

/// Definitions by the group and kind that they define.
#[derive(Default)]
pub(super) struct Coming {
    definitions: BTreeMap<(String, String), ComingDefinition>,
}

/// A definition that comes or changes. What it says is read when somebody asks, for that takes time.
pub(super) struct ComingDefinition {
    becomes: Value,
    before: Option<Value>,
    read: OnceLock<Option<Definition>>,
    read_before: OnceLock<Option<Definition>>,
}

impl Coming {
    /// Takes in what the API server said of the definitions of a draft.
    pub(super) fn learn(&mut self, answers: &BTreeMap<ObjectId, Checked>, draft: &Draft) {
        for question in draft.questions().filter(|question| is_definition(question.id)) {
            let Some(Checked::Predicted { object, live, .. }) = answers.get(question.id) else { continue };
            let cached = || question.live.and_then(|it| it.object().ok());
            self.add(object.clone(), live.clone().or_else(cached));
        }
    }

    /// Adds a definition that stays as it is, of a kind that is not served all the same.
    pub(super) fn add_settled(
        &mut self,
        draft: &Draft,
        wanted: &(String, String),
        answers: &BTreeMap<ObjectId, Checked>,
    ) {
        let manifests =
            draft.manifests().iter().filter(|it| is_definition(&it.id()) && !answers.contains_key(&it.id()));
        let mut defining = manifests.filter(|it| defined_by(it.object()).as_ref() == Some(wanted));
        if let Some(manifest) = defining.next().filter(|_| !self.definitions.contains_key(wanted)) {
            self.add(Value::Object(manifest.object().clone()), None);
        }
    }

    fn add(&mut self, becomes: Value, before: Option<Value>) {
        let Some(defined) = becomes.as_object().and_then(defined_by) else { return };
        let read = ComingDefinition { becomes, before, read: OnceLock::new(), read_before: OnceLock::new() };
        self.definitions.insert(defined, read);
    }

    pub(super) fn of(&self, id: &ObjectId) -> Option<&ComingDefinition> {
        self.definitions.get(&(id.group.clone(), id.kind.clone()))
    }

    /// The definitions that would no longer serve a version that they serve now.
    pub(super) fn dropping(&self) -> impl Iterator<Item = (&Value, Vec<String>)> {
        self.definitions.values().filter_map(|it| {
            let dropped = dropped_versions(it.before.as_ref()?, &it.becomes);
            (!dropped.is_empty()).then_some((&it.becomes, dropped))
        })
    }
}

impl ComingDefinition {
    /// What it will say.
    pub(super) fn definition(&self) -> Option<&Definition> {
        self.read.get_or_init(|| Definition::new(&self.becomes)).as_ref()
    }

    /// The plural that permissions use.
    pub(super) fn plural(&self) -> &str {
        self.becomes.pointer("/spec/names/plural").and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether the present schema has nothing against an object.
    pub(super) fn was_accepted(&self, version: &str, object: &Value) -> bool {
        let before = self.before.as_ref();
        let before = before.and_then(|it| self.read_before.get_or_init(|| Definition::new(it)).as_ref());
        let verdict = before.map(|it| it.judge(version, object, None, true));
        verdict.is_some_and(|it| it.problems.is_empty() && it.unverified.is_empty())
    }

    /// Whether objects of a version are told differently than now.
    pub(super) fn changes(&self, version: &str) -> bool {
        let Some(before) = &self.before else { return true };
        if before.pointer("/spec/versions") == self.becomes.pointer("/spec/versions") {
            return false;
        }
        let before = self.read_before.get_or_init(|| Definition::new(before)).as_ref();
        match (before, self.definition()) {
            (Some(before), Some(becomes)) => !before.same_schema(becomes, version),
            _ => true,
        }
    }
}
