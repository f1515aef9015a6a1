use std::borrow::Cow;

use serde_json::Value;

/// An object whose health is asked for.
#[derive(Clone, Copy)]
pub(super) struct Object<'a>(&'a Value);

/// One of its conditions. Absent texts are empty.
#[derive(Clone, Copy)]
pub(super) struct Condition<'a> {
    pub(super) kind: &'a str,
    pub(super) status: &'a str,
    pub(super) reason: &'a str,
    pub(super) message: &'a str,
}

impl Condition<'_> {
    pub(super) fn is_true(&self) -> bool {
        self.status == "True"
    }

    pub(super) fn is_false(&self) -> bool {
        self.status == "False"
    }

    /// Its reason, or a word of ours where it gives none.
    pub(super) fn reason_or(&self, otherwise: &'static str) -> Cow<'static, str> {
        if self.reason.is_empty() { Cow::Borrowed(otherwise) } else { Cow::Owned(self.reason.to_owned()) }
    }
}

impl<'a> Object<'a> {
    pub(super) fn new(value: &'a Value) -> Self {
        Self(value)
    }

    pub(super) fn kind(self) -> &'a str {
        self.text("/kind")
    }

    pub(super) fn group(self) -> &'a str {
        self.text("/apiVersion").split_once('/').map_or("", |(group, _)| group)
    }

    /// The text at a pointer; empty when there is none.
    pub(super) fn text(self, pointer: &str) -> &'a str {
        self.0.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn number(self, pointer: &str) -> Option<i64> {
        self.0.pointer(pointer)?.as_i64()
    }

    /// A count at a pointer; 0 when there is none.
    pub(super) fn count(self, pointer: &str) -> i64 {
        self.number(pointer).unwrap_or(0)
    }

    pub(super) fn has(self, pointer: &str) -> bool {
        self.0.pointer(pointer).is_some_and(|value| !value.is_null())
    }

    pub(super) fn is_set(self, pointer: &str) -> bool {
        self.0.pointer(pointer).and_then(Value::as_bool) == Some(true)
    }

    pub(super) fn list(self, pointer: &str) -> &'a [Value] {
        self.0.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    pub(super) fn annotation(self, key: &str) -> Option<&'a str> {
        self.0.pointer("/metadata/annotations")?.get(key)?.as_str()
    }

    pub(super) fn is_deleting(self) -> bool {
        !self.text("/metadata/deletionTimestamp").is_empty()
    }

    /// Why nothing can be told from the object, if so: a field that every object shares has another type.
    pub(super) fn malformed(self) -> Option<&'static str> {
        let strange = |pointer: &str, fits: fn(&Value) -> bool| {
            self.0.pointer(pointer).is_some_and(|value| !value.is_null() && !fits(value))
        };
        if strange("/metadata/generation", Value::is_i64) {
            return Some("metadata.generation is not a whole number");
        }
        if strange("/status/observedGeneration", Value::is_i64) {
            return Some("status.observedGeneration is not a whole number");
        }
        strange("/status/conditions", Value::is_array).then_some("status.conditions is not a list")
    }

    pub(super) fn conditions(self) -> impl Iterator<Item = Condition<'a>> {
        conditions(self.list("/status/conditions"))
    }

    pub(super) fn condition(self, kind: &str) -> Option<Condition<'a>> {
        self.conditions().find(|condition| condition.kind == kind)
    }
}

pub(super) fn conditions(list: &[Value]) -> impl Iterator<Item = Condition<'_>> {
    fn text<'a>(condition: &'a Value, field: &str) -> &'a str {
        condition.get(field).and_then(Value::as_str).unwrap_or_default()
    }
    list.iter().map(|condition| Condition {
        kind: text(condition, "type"),
        status: text(condition, "status"),
        reason: text(condition, "reason"),
        message: text(condition, "message"),
    })
}
