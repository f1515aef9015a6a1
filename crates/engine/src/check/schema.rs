//! Objects whose kind, or the schema of it, comes with the plan that is checked.

use serde_json::Value;
use tiphys_manifest::{GroupVersionKind, ObjectId};

use super::coming::ComingDefinition;
use super::{Round, no_namespace};
use crate::discovery::{Lookup, ServedKind};
use crate::error::{Class, Error};
use crate::plan::{BySchema, Checked, Existed, Question};
use crate::structural::Definition;

impl Round<'_> {
    /// What an object of a kind that comes with the same plan becomes, by the schema of that.
    pub(super) async fn of_kind_to_come(&self, question: &Question<'_>) -> Result<Checked, Error> {
        let coming = self.coming.of(question.id).and_then(|it| Some((it, it.definition()?)));
        let Some((coming, definition)) = coming else {
            let kind = question.manifest.gvk();
            return Ok(Checked::Unverifiable {
                why: format!("the definition of its kind {kind} is refused"),
            });
        };
        if !self.may_apply(coming.plural(), question.id).await? {
            let namespace = question.id.namespace.as_ref().map(|it| format!(" in namespace {it}"));
            return Ok(Checked::Refused {
                class: Class::Forbidden,
                message: format!(
                    "{}.{} is forbidden: no right to create and patch it{}; grant it",
                    coming.plural(),
                    question.id.group,
                    namespace.unwrap_or_default()
                ),
            });
        }
        if let Some(namespace) = &question.id.namespace
            && !self.namespace_exists(namespace).await?
        {
            return Ok(no_namespace(namespace));
        }
        Ok(by_schema(question, definition, There::No))
    }

    /// What an answer means once the schema is another one.
    pub(super) async fn under_new_schema(
        &self,
        question: &Question<'_>,
        kind: &ServedKind,
        coming: &ComingDefinition,
        answered: Checked,
    ) -> Result<Checked, Error> {
        let Some(definition) = coming.definition() else { return Ok(answered) };
        let version = &question.manifest.gvk().version;
        match answered {
            Checked::Predicted { object, existed, live, warnings, dropped } => {
                let cached = || question.live.and_then(|it| it.object().ok());
                let old = live.clone().or_else(cached).filter(|_| existed == Existed::Yes);
                let manifest = Value::Object(question.manifest.object().clone());
                let verdict = definition.judge(version, &object, old.as_ref(), false);
                let unknown = definition.unknown_fields(version, &manifest).into_iter();
                let mut problems: Vec<_> =
                    unknown.map(|path| format!("{path}: field not declared in schema")).collect();
                if problems.is_empty() && !verdict.problems.is_empty() {
                    problems.push(definition.refusal(&question.id.name, &verdict.problems));
                }
                if let Some(first) = problems.first() {
                    return Ok(changed_refusal(first));
                }
                let unverified = verdict.unverified.into_iter();
                let unverified =
                    unverified.map(|why| format!("not checked by the schema that comes with it: {why}"));
                let warnings = warnings.into_iter().chain(unverified).collect();
                Ok(Checked::Predicted { object, existed, live, warnings, dropped })
            }
            Checked::Refused { class: Class::Invalid, .. }
                if coming.was_accepted(version, &Value::Object(question.manifest.object().clone())) =>
            {
                // It is not the schema that is in the way.
                Ok(answered)
            }
            Checked::Refused { class: Class::Invalid, .. } => {
                let live = match question.live {
                    Some(_) => None,
                    None => self.read(question, kind).await?,
                };
                let exists = question.live.is_some() || live.is_some();
                let there = if exists { There::Yes(live) } else { There::No };
                Ok(by_schema(question, definition, there))
            }
            other => Ok(other),
        }
    }

    /// Whether we have the rights that an apply needs. What this plan itself may grant counts as granted.
    pub(super) async fn may_apply(&self, resource: &str, id: &ObjectId) -> Result<bool, Error> {
        if self.brings_rights {
            return Ok(true);
        }
        let key = (format!("{resource}.{}", id.group), id.namespace.clone());
        let mut rights = self.rights.lock().await;
        if let Some(known) = rights.get(&key) {
            return Ok(*known);
        }
        let mut may = true;
        for verb in ["patch", "create"] {
            may = may && self.cluster.requests.may(verb, resource, id, self.options.deadline).await?;
        }
        rights.insert(key, may);
        Ok(may)
    }

    /// Whether a namespace is there, or comes with this plan.
    async fn namespace_exists(&self, name: &str) -> Result<bool, Error> {
        if self.missing_namespaces.contains(name) || self.cluster.live.has_namespace(name) {
            return Ok(true);
        }
        let mut namespaces = self.namespaces.lock().await;
        if let Some(known) = namespaces.get(name) {
            return Ok(*known);
        }
        let gvk = GroupVersionKind::new("", "v1", "Namespace");
        let id =
            ObjectId { group: String::new(), kind: gvk.kind.clone(), namespace: None, name: name.to_owned() };
        let exists = match self.cluster.kinds.lookup(&gvk) {
            Lookup::Served(kind) => {
                self.cluster.requests.get(&kind, &id, self.options.deadline).await?.is_some()
            }
            Lookup::NotServed | Lookup::Unknown => true,
        };
        namespaces.insert(name.to_owned(), exists);
        Ok(exists)
    }
}

/// Whether an object is there, and what was read of it.
enum There {
    No,
    Yes(Option<Value>),
}

/// What the schema that comes says of an object.
fn by_schema(question: &Question<'_>, definition: &Definition, there: There) -> Checked {
    let manifest = Value::Object(question.manifest.object().clone());
    let mut verdict = definition.judge(&question.manifest.gvk().version, &manifest, None, true);
    if let There::Yes(live) = there {
        // What is live may fill in what the manifest does not say, and rules speak of both together.
        verdict.problems.retain(|it| !it.is_about_the_whole());
        verdict.unverified.push(
            "the definition of its kind changes with the same plan; what is required and its rules are checked when it \
             is applied"
                .to_owned(),
        );
        if verdict.problems.is_empty() {
            let unverified = Some(verdict.unverified.join("; "));
            return Checked::BySchema(BySchema { live, unverified, warnings: Vec::new() });
        }
    }
    if verdict.problems.is_empty() {
        let unverified = (!verdict.unverified.is_empty()).then(|| verdict.unverified.join("; "));
        return Checked::BySchema(BySchema { live: None, unverified, warnings: Vec::new() });
    }
    Checked::Refused {
        class: Class::Invalid,
        message: definition.refusal(&question.id.name, &verdict.problems),
    }
}

fn changed_refusal(why: &str) -> Checked {
    let message = format!("the definition of its kind changes with the same plan, and then: {why}");
    Checked::Refused { class: Class::Invalid, message }
}
