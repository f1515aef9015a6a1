//! Fields of typed YAML documents, as Go reads them into a struct (sigs.k8s.io/yaml over encoding/json): names fit in
//! any case, numbers and booleans become text where text is wanted, null changes nothing.

use serde_json::{Map, Value};

/// The fields of a mapping that stands for a Go struct.
pub(crate) struct Fields<'a> {
    entries: &'a Map<String, Value>,
    /// The type for messages, such as `v2.Metadata`.
    name: &'static str,
    /// The field of the outer struct, if this is an element of it.
    outer: &'static str,
}

impl<'a> Fields<'a> {
    /// `None` for null.
    pub(crate) fn of(
        value: &'a Value,
        name: &'static str,
        outer: &'static str,
    ) -> Result<Option<Self>, String> {
        match value {
            Value::Object(entries) => Ok(Some(Self { entries, name, outer })),
            Value::Null => Ok(None),
            other if outer.is_empty() => Err(mismatch(other, &format!("value of type {name}"))),
            other => Err(mismatch(other, &format!("struct field Metadata.{outer} of type {name}"))),
        }
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        // Go goes through the keys in order, so of several that fit the last one counts.
        let fitting = self.entries.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        fitting.max_by(|(left, _), (right, _)| left.cmp(right)).map(|(_, value)| value)
    }

    /// The fields of a struct in this one; `None` if it is not there or null.
    pub(crate) fn inner(&self, name: &'static str, typ: &str) -> Result<Option<Self>, String> {
        match self.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(entries)) => Ok(Some(Self { entries, name: "", outer: name })),
            Some(other) => Err(self.mismatch(name, other, typ)),
        }
    }

    pub(crate) fn string(&self, name: &str, target: &mut String) -> Result<(), String> {
        match self.get(name) {
            None | Some(Value::Null) => {}
            Some(value) => *target = as_text(value).ok_or_else(|| self.mismatch(name, value, "string"))?,
        }
        Ok(())
    }

    pub(super) fn boolean(&self, name: &str, target: &mut bool) -> Result<(), String> {
        match self.get(name) {
            None | Some(Value::Null) => Ok(()),
            Some(Value::Bool(value)) => {
                *target = *value;
                Ok(())
            }
            Some(other) => Err(self.mismatch(name, other, "bool")),
        }
    }

    pub(super) fn is_null(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Value::Null))
    }

    /// `None` if the field is not there; null is an empty list.
    pub(super) fn list(&self, name: &str, typ: &str) -> Result<Option<&'a [Value]>, String> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(&[])),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(other) => Err(self.mismatch(name, other, typ)),
        }
    }

    pub(super) fn strings(&self, name: &str, target: &mut Vec<String>) -> Result<(), String> {
        if let Some(items) = self.list(name, "[]string")? {
            *target = items
                .iter()
                .map(|item| match item {
                    Value::Null => Ok(String::new()),
                    item => as_text(item).ok_or_else(|| self.mismatch(name, item, "string")),
                })
                .collect::<Result<_, _>>()?;
        }
        Ok(())
    }

    pub(crate) fn string_map(
        &self,
        name: &str,
        target: &mut Option<Vec<(String, String)>>,
    ) -> Result<(), String> {
        let entries = match self.get(name) {
            None => return Ok(()),
            Some(Value::Null) => {
                *target = None;
                return Ok(());
            }
            Some(Value::Object(entries)) => entries,
            Some(other) => return Err(self.mismatch(name, other, "map[string]string")),
        };
        let mut texts = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let text = match value {
                Value::Null => String::new(),
                value => as_text(value).ok_or_else(|| self.mismatch(name, value, "string"))?,
            };
            texts.push((key.clone(), text));
        }
        *target = Some(texts);
        Ok(())
    }

    fn mismatch(&self, field: &str, value: &Value, typ: &str) -> String {
        let own = self.name.rsplit('.').next().unwrap_or_default();
        let path = if self.outer.is_empty() { field.to_owned() } else { format!("{}.{field}", self.outer) };
        mismatch(value, &format!("struct field {own}.{path} of type {typ}"))
    }
}

fn mismatch(value: &Value, target: &str) -> String {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    format!("error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {found} into Go {target}")
}

/// A scalar as text. sigs.k8s.io/yaml: numbers are written anew, so that `1.10` is `1.1`.
fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(boolean) => Some(boolean.to_string()),
        Value::Number(number) => Some(match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(integer), ..) => integer.to_string(),
            (None, Some(integer), _) => integer.to_string(),
            (None, None, float) => gotemplate::print_float(float.unwrap_or_default()),
        }),
        _ => None,
    }
}

/// White space becomes blanks, what cannot be printed goes (Helm 4: `sanitizeString`).
pub(super) fn sanitize(text: &mut String) {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return;
    }
    let cleaned = |character: char| match character {
        character if character.is_whitespace() => Some(' '),
        character if is_printable(character) => Some(character),
        _ => None,
    };
    *text = text.chars().filter_map(cleaned).collect();
}

/// Go's `unicode.IsPrint`, asked through the escapes of its quoting.
fn is_printable(character: char) -> bool {
    match character {
        '"' | '\\' => true,
        _ => !gotemplate::quote(character.encode_utf8(&mut [0; 4])).contains('\\'),
    }
}
