//! Checks in CEL: rules of which the first that holds decides.
//!
//! An expression sees `object` and `conditions`, a map of the conditions of its status by their type. A field that is
//! not there makes a condition not hold and a text empty: what a controller has not written yet is nothing to fail at.
//! The bounds of expressions are those of [`crate::cel`].

use serde_json::Value as Json;
use tiphys_api::Health;

use super::document::RuleDocument;
use super::{CheckError, shorten};
use crate::cel::{Expression, Scope, Text};
use crate::health::HealthStatus;

/// A rule, compiled.
pub(super) struct Rule {
    when: Expression,
    health: Health,
    reason: Text,
    message: Text,
}

/// What the first rule that holds says.
pub(super) fn judge<'a>(
    rules: impl IntoIterator<Item = &'a Rule>,
    object: &Json,
) -> Result<Option<HealthStatus>, CheckError> {
    let mut scope = Scope::new()?;
    scope.object("object", object)?;
    scope.map("conditions", conditions_of(object))?;
    for rule in rules {
        if rule.when.holds(&scope)? {
            let reason = rule.reason.of(&scope)?;
            let message = shorten(rule.message.of(&scope)?);
            return Ok(Some(HealthStatus::new(rule.health, reason, message)));
        }
    }
    Ok(None)
}

impl Rule {
    /// Whether it says that an object is suspended.
    pub(super) fn suspends(&self) -> bool {
        self.health == Health::Suspended
    }

    pub(super) fn compile(rule: &RuleDocument) -> Result<Self, String> {
        Ok(Self {
            when: Expression::compile(&rule.when)?,
            health: rule.health,
            reason: Text::compile(&rule.reason)?,
            message: Text::compile(&rule.message)?,
        })
    }
}

/// The conditions of an object's status by their type; of two of one type the first, as everywhere.
fn conditions_of(object: &Json) -> impl Iterator<Item = (&str, &Json)> {
    let list = object.pointer("/status/conditions").and_then(Json::as_array);
    // What comes later takes the place of what came before.
    let conditions = list.into_iter().flatten().rev();
    conditions.filter_map(|it| Some((it.get("type")?.as_str()?, it)))
}
