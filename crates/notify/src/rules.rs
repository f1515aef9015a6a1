//! Which Applications a Notification is about, when it fires, and what it says.

use tiphys_api::{Application, NotificationSpec, Phase};
use tiphys_engine::cel::{Expression, Text};
use tiphys_engine::glob;

use crate::facts::Facts;
use crate::{MAX_TEXT, shorten};

/// What a Notification's spec says about whom and when, compiled.
#[derive(Clone, Debug)]
pub struct Rules {
    spec: NotificationSpec,
    namespace: String,
    when: Option<Expression>,
    template: Option<Text>,
}

impl Rules {
    /// Compiles the rules of a Notification in `namespace`, which is the installation's own or not. The error is a sentence
    /// for its status.
    pub fn compile(spec: &NotificationSpec, namespace: &str, installation: &str) -> Result<Self, String> {
        if namespace != installation && !spec.applications.namespaces.is_empty() {
            return Err(format!(
                "spec.applications.namespaces: a Notification outside of the installation's namespace ({installation}) sees only the Applications of its own; remove the field"
            ));
        }
        let when = spec.when.as_deref().map(Expression::compile).transpose();
        let template = spec.template.as_deref().map(Text::compile).transpose();
        Ok(Self {
            when: when.map_err(|error| format!("spec.when cannot be used: {error}"))?,
            template: template.map_err(|error| format!("spec.template cannot be used: {error}"))?,
            spec: spec.clone(),
            namespace: namespace.to_owned(),
        })
    }

    /// Whether it is about this Application.
    pub fn concerns(&self, application: &Application) -> bool {
        let select = &self.spec.applications;
        let metadata = &application.metadata;
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        let in_namespace = if select.namespaces.is_empty() {
            namespace == self.namespace
        } else {
            fits(&select.namespaces, namespace)
        };
        let labels = metadata.labels.clone().unwrap_or_default();
        in_namespace
            && fits(&select.names, metadata.name.as_deref().unwrap_or_default())
            && fits(&select.projects, &application.spec.project)
            && select.labels.iter().all(|(key, value)| labels.get(key) == Some(value))
    }

    /// Whether it fires now that the Sync has reached this phase. A condition that cannot be evaluated is a sentence for the
    /// status.
    pub fn fires(&self, facts: &Facts, phase: Phase) -> Result<bool, String> {
        let Some(when) = &self.when else {
            return Ok(match phase {
                Phase::Succeeded | Phase::Failed => true,
                Phase::Running | Phase::Waiting | Phase::Superseded => self.spec.commit_status.is_some(),
                Phase::Pending => false,
            });
        };
        let scope = facts.scope().map_err(|error| format!("spec.when: {error}"))?;
        when.holds(&scope).map_err(|error| format!("spec.when: {error}"))
    }

    /// What its template says, at most [`MAX_TEXT`] bytes. None: it has none.
    pub fn words(&self, facts: &Facts) -> Result<Option<String>, String> {
        let Some(template) = &self.template else {
            return Ok(None);
        };
        let words = facts.scope().and_then(|scope| template.of(&scope));
        let words = words.map_err(|error| format!("spec.template: {error}"))?;
        Ok(Some(shorten(&words, MAX_TEXT)))
    }

    /// Whether of one Sync only the newest phase matters: a status replaces the one before.
    pub fn newest_only(&self) -> bool {
        self.spec.commit_status.is_some()
    }
}

/// No globs fit everything.
fn fits(globs: &[String], text: &str) -> bool {
    globs.is_empty() || globs.iter().any(|it| glob::matches(it, text))
}
