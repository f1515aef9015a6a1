//! Checks in CEL: rules of which the first that holds decides.
//!
//! An expression sees `object` and `conditions`, a map of the conditions of its status by their type. A field that is
//! not there makes a condition not hold and a text empty: what a controller has not written yet is nothing to fail at.
//! The bounds of expressions are those of [`crate::cel`].

use serde_json::Value as Json;
use tiphys_api::Health;

use super::document::RuleDocument;
use super::{CheckError, shorten};
use crate::cel::{CelError, Expression, Scope};
use crate::health::HealthStatus;

/// A rule, compiled.
pub(super) struct Rule {
    when: Expression,
    health: Health,
    reason: Text,
    message: Text,
}

/// Text with expressions in it.
struct Text(Vec<Part>);

enum Part {
    Literal(String),
    Expression(Expression),
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

impl Text {
    fn compile(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((literal, begun)) = rest.split_once("${") {
            let end = end_of_expression(begun).ok_or_else(|| format!("`${{` without `}}` in `{text}`"))?;
            parts.push(Part::Literal(literal.to_owned()));
            parts.push(Part::Expression(Expression::compile(&begun[..end])?));
            rest = &begun[end + 1..];
        }
        parts.push(Part::Literal(rest.to_owned()));
        Ok(Self(parts))
    }

    fn of(&self, scope: &Scope) -> Result<String, CelError> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Expression(expression) => text.push_str(&expression.text(scope)?),
            }
        }
        Ok(text.trim().to_owned())
    }
}

/// Where the `}` is that ends an expression: outside of texts, and not that of a map in it.
fn end_of_expression(text: &str) -> Option<usize> {
    let (mut depth, mut quote) = (0_usize, None);
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        match (quote, character) {
            (Some(_), '\\') => drop(characters.next()),
            (Some(open), _) if open == character => quote = None,
            (None, '\'' | '"') => quote = Some(character),
            (None, '{') => depth += 1,
            (None, '}') if depth == 0 => return Some(index),
            (None, '}') => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The conditions of an object's status by their type; of two of one type the first, as everywhere.
fn conditions_of(object: &Json) -> impl Iterator<Item = (&str, &Json)> {
    let list = object.pointer("/status/conditions").and_then(Json::as_array);
    // What comes later takes the place of what came before.
    let conditions = list.into_iter().flatten().rev();
    conditions.filter_map(|it| Some((it.get("type")?.as_str()?, it)))
}
