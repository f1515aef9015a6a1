//! A structural schema, read once and asked often.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::Value;

use super::rules::Rule;

/// The schema of a value.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a keyword of its own")]
pub(super) struct Schema {
    /// As it was written.
    pub(super) source: Value,
    /// `type`; none says nothing.
    pub(super) kind: Option<Kind>,
    pub(super) int_or_string: bool,
    pub(super) nullable: bool,
    pub(super) preserve_unknown: bool,
    pub(super) embedded: bool,
    pub(super) properties: BTreeMap<String, Self>,
    pub(super) additional: Additional,
    pub(super) items: Option<Box<Self>>,
    pub(super) default: Option<Value>,
    pub(super) required: Vec<String>,
    pub(super) allowed: Option<Vec<Value>>,
    pub(super) format: Option<String>,
    pub(super) pattern: Option<Pattern>,
    pub(super) minimum: Option<Bound>,
    pub(super) maximum: Option<Bound>,
    pub(super) multiple_of: Option<f64>,
    pub(super) length: Range,
    pub(super) item_count: Range,
    pub(super) property_count: Range,
    pub(super) unique_items: bool,
    pub(super) list: List,
    pub(super) all_of: Vec<Self>,
    pub(super) any_of: Vec<Self>,
    pub(super) one_of: Vec<Self>,
    pub(super) not: Option<Box<Self>>,
    pub(super) rules: Vec<Rule>,
}

/// `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
}

impl Kind {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "object" => Self::Object,
            "array" => Self::Array,
            "string" => Self::String,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "boolean" => Self::Boolean,
            _ => return None,
        })
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }
}

/// What an object may hold beside its properties.
#[derive(Default)]
pub(super) enum Additional {
    /// Nothing is said.
    #[default]
    Unsaid,
    /// Anything, or nothing.
    Allowed(bool),
    /// Values of this schema.
    Of(Box<Schema>),
}

/// What identifies the items of a list.
#[derive(Default)]
pub(super) enum List {
    #[default]
    Atomic,
    Set,
    Map(Vec<String>),
}

/// A bound of numbers.
pub(super) struct Bound {
    pub(super) value: f64,
    pub(super) exclusive: bool,
}

/// Bounds of a count.
#[derive(Default)]
pub(super) struct Range {
    pub(super) least: Option<u64>,
    pub(super) most: Option<u64>,
}

/// A regular expression.
pub(super) struct Pattern {
    pub(super) source: String,
    /// None where it is not understood here.
    pub(super) compiled: Option<Regex>,
}

impl Schema {
    /// Reads what the API server accepted; what it does not know of is not there.
    pub(super) fn new(source: &Value) -> Self {
        let get = |key: &str| source.get(key);
        let is = |key: &str| get(key).and_then(Value::as_bool).unwrap_or_default();
        let text = |key: &str| get(key).and_then(Value::as_str).map(str::to_owned);
        let count = |key: &str| get(key).and_then(Value::as_u64);
        let range = |least: &str, most: &str| Range { least: count(least), most: count(most) };
        let bound = |key: &str, exclusive: &str| {
            let value = get(key).and_then(Value::as_f64)?;
            Some(Bound { value, exclusive: is(exclusive) })
        };
        let many = |key: &str| {
            let schemas = get(key).and_then(Value::as_array).into_iter().flatten();
            schemas.map(Self::new).collect::<Vec<_>>()
        };
        let properties = get("properties").and_then(Value::as_object).into_iter().flatten();
        let strings = |key: &str| {
            let texts = get(key).and_then(Value::as_array).into_iter().flatten();
            texts.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
        };
        Self {
            kind: text("type").as_deref().and_then(Kind::parse),
            int_or_string: is("x-kubernetes-int-or-string"),
            nullable: is("nullable"),
            preserve_unknown: is("x-kubernetes-preserve-unknown-fields"),
            embedded: is("x-kubernetes-embedded-resource"),
            properties: properties.map(|(name, it)| (name.clone(), Self::new(it))).collect(),
            additional: match get("additionalProperties") {
                None | Some(Value::Null) => Additional::Unsaid,
                Some(Value::Bool(allowed)) => Additional::Allowed(*allowed),
                Some(schema) => Additional::Of(Box::new(Self::new(schema))),
            },
            items: get("items").map(|it| Box::new(Self::new(it))),
            default: get("default").filter(|it| !it.is_null()).cloned(),
            required: strings("required"),
            allowed: get("enum").and_then(Value::as_array).cloned(),
            format: text("format").filter(|it| !it.is_empty()),
            pattern: text("pattern").filter(|it| !it.is_empty()).map(Pattern::new),
            minimum: bound("minimum", "exclusiveMinimum"),
            maximum: bound("maximum", "exclusiveMaximum"),
            multiple_of: get("multipleOf").and_then(Value::as_f64),
            length: range("minLength", "maxLength"),
            item_count: range("minItems", "maxItems"),
            property_count: range("minProperties", "maxProperties"),
            unique_items: is("uniqueItems"),
            list: match text("x-kubernetes-list-type").as_deref() {
                Some("set") => List::Set,
                Some("map") => List::Map(strings("x-kubernetes-list-map-keys")),
                _ => List::Atomic,
            },
            all_of: many("allOf"),
            any_of: many("anyOf"),
            one_of: many("oneOf"),
            not: get("not").map(|it| Box::new(Self::new(it))),
            rules: Rule::all(source),
            source: source.clone(),
        }
    }

    /// The schema of a field.
    pub(super) fn field(&self, name: &str) -> Option<&Self> {
        self.properties.get(name).or(match &self.additional {
            Additional::Of(schema) => Some(schema),
            Additional::Unsaid | Additional::Allowed(_) => None,
        })
    }
}

impl Pattern {
    pub(super) fn new(source: String) -> Self {
        let compiled = Regex::new(&ascii_classes(&source)).ok();
        Self { source, compiled }
    }
}

/// Go's `\d`, `\s`, `\w` and `\b` know ASCII only.
pub(super) fn ascii_classes(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    let mut in_class = false;
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                let escaped = characters.next();
                let class = match escaped {
                    Some('d') => Some("0-9"),
                    Some('w') => Some("0-9A-Za-z_"),
                    Some('s') => Some("\\t\\n\\f\\r "),
                    _ => None,
                };
                match (class, escaped) {
                    (Some(class), _) if in_class => out.push_str(class),
                    (Some(class), _) => out.extend(["[", class, "]"]),
                    (None, Some('b' | 'B')) if !in_class => {
                        out.extend(["(?-u:\\", &String::from_iter(escaped), ")"]);
                    }
                    (None, Some('z')) => out.push_str("\\z"),
                    (None, _) => {
                        out.push('\\');
                        out.extend(escaped);
                    }
                }
            }
            '[' => {
                in_class = true;
                out.push('[');
            }
            ']' => {
                in_class = false;
                out.push(']');
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_those_of_go() {
        for (pattern, text, expected) in [
            (r"^\d+$", "12", true),
            (r"^\d+$", "१२", false),
            (r"^[\w.-]+$", "a_b.c-d", true),
            (r"^[\w.-]+$", "ä", false),
            (r"\bcat\b", "a cat sat", true),
            (r"^a\.b$", "a.b", true),
            (r"^a\.b$", "axb", false),
            (r"^[^\s]+$", "a b", false),
        ] {
            let compiled = Pattern::new(pattern.to_owned()).compiled.unwrap();
            assert_eq!(compiled.is_match(text), expected, "{pattern} {text}");
        }
    }
}
