//! Single values in the grammar of `helm --set` (Helm 4: package `strvals`).

use std::iter::Peekable;
use std::str::Chars;

use serde_json::{Map, Value};

/// Dots and indices inside each other (Helm: `MaxNestedNameLevel`).
const MAX_DEPTH: usize = 30;
/// The largest index of a list (Helm: `MaxIndex`).
const MAX_INDEX: usize = 65_536;

/// Sets what `expression` says, such as `image.tag=v1,hosts[0].name=a,ports={80,443}`. The error is a sentence.
///
/// A backslash takes the meaning of the next character. `true`, `false`, `null` and integers that do not start with
/// 0 have a type, everything else is a string.
pub(super) fn apply(values: &mut Map<String, Value>, expression: &str) -> Result<(), String> {
    let mut parser = Parser { rest: expression.chars().peekable(), expression };
    while parser.rest.peek().is_some() {
        let path = parser.path()?;
        let value = parser.value()?;
        let (first, steps) = path.split_first().ok_or_else(|| parser.error("there is no key"))?;
        let Step::Key(key) = first else {
            return Err(parser.error("an index needs a key before it"));
        };
        let slot = values.entry(key.clone()).or_insert(Value::Null);
        insert(slot, steps, value).map_err(|problem| parser.error(&format!("{key}: {problem}")))?;
    }
    Ok(())
}

#[derive(Debug, Clone)]
enum Step {
    Key(String),
    Index(usize),
}

struct Parser<'a> {
    rest: Peekable<Chars<'a>>,
    expression: &'a str,
}

impl Parser<'_> {
    fn error(&self, problem: &str) -> String {
        // The value may be a secret, so only the part before it is shown.
        let key = self.expression.split('=').next().unwrap_or_default();
        format!("{problem} (at {key:?}); write path.to.key=value")
    }

    /// Everything up to the `=`.
    fn path(&mut self) -> Result<Vec<Step>, String> {
        let mut steps = Vec::new();
        loop {
            let (text, end) = self.text(&['.', '[', '=', ',']);
            // After an index there is nothing before the next dot or bracket.
            let after_index = matches!(steps.last(), Some(Step::Index(_)));
            if !text.is_empty() {
                steps.push(Step::Key(text));
            } else if !after_index {
                return Err(self.error("a key is empty"));
            }
            if steps.len() > MAX_DEPTH {
                return Err(self.error(&format!("it is nested more than {MAX_DEPTH} levels deep")));
            }
            match end {
                Some('=') => return Ok(steps),
                Some('.') => {}
                Some('[') => {
                    self.indices(&mut steps)?;
                    if self.rest.next_if_eq(&'=').is_some() {
                        return Ok(steps);
                    }
                    if self.rest.next_if_eq(&'.').is_none() {
                        return Err(self.error("after an index comes a dot or ="));
                    }
                }
                _ => return Err(self.error("a key has no value")),
            }
        }
    }

    /// `0]`, or `0][1]` for lists in lists; the first bracket is already read.
    fn indices(&mut self, steps: &mut Vec<Step>) -> Result<(), String> {
        loop {
            let (text, end) = self.text(&[']']);
            let index = text.parse().ok().filter(|index| end.is_some() && *index <= MAX_INDEX);
            let index =
                index.ok_or_else(|| self.error(&format!("an index is a number up to {MAX_INDEX} in []")))?;
            steps.push(Step::Index(index));
            if self.rest.next_if_eq(&'[').is_none() {
                return Ok(());
            }
        }
    }

    /// Everything up to the comma that ends the value.
    fn value(&mut self) -> Result<Value, String> {
        if self.rest.next_if_eq(&'{').is_none() {
            return Ok(typed(self.text(&[',']).0));
        }
        let mut items = Vec::new();
        loop {
            let (text, end) = self.text(&[',', '}']);
            items.push(typed(text));
            match end {
                Some(',') => {}
                Some(_) => break,
                None => return Err(self.error("a list has no closing }")),
            }
        }
        match self.rest.next() {
            None | Some(',') => Ok(Value::Array(items)),
            Some(_) => Err(self.error("after a list comes a comma")),
        }
    }

    /// The text up to one of `stops`, which is read too; `None` when the expression ends first.
    fn text(&mut self, stops: &[char]) -> (String, Option<char>) {
        let mut text = String::new();
        while let Some(character) = self.rest.next() {
            match character {
                '\\' => text.extend(self.rest.next()),
                stop if stops.contains(&stop) => return (text, Some(stop)),
                other => text.push(other),
            }
        }
        (text, None)
    }
}

/// Helm: `typedVal`.
fn typed(text: String) -> Value {
    if text.eq_ignore_ascii_case("true") {
        return Value::Bool(true);
    }
    if text.eq_ignore_ascii_case("false") {
        return Value::Bool(false);
    }
    if text.eq_ignore_ascii_case("null") {
        return Value::Null;
    }
    if text == "0" {
        return Value::from(0);
    }
    match text.parse::<i64>() {
        Ok(number) if !text.starts_with('0') => Value::from(number),
        _ => Value::String(text),
    }
}

fn insert(slot: &mut Value, steps: &[Step], value: Value) -> Result<(), String> {
    let Some((step, steps)) = steps.split_first() else {
        *slot = value;
        return Ok(());
    };
    match step {
        Step::Key(key) => {
            if slot.is_null() {
                *slot = Value::Object(Map::new());
            }
            let Value::Object(values) = slot else {
                return Err(format!("there is a value that has no key {key:?}"));
            };
            insert(values.entry(key.clone()).or_insert(Value::Null), steps, value)
        }
        Step::Index(index) => {
            if slot.is_null() {
                *slot = Value::Array(Vec::new());
            }
            let Value::Array(items) = slot else {
                return Err(format!("there is a value that has no index {index}"));
            };
            if items.len() <= *index {
                items.resize(index + 1, Value::Null);
            }
            insert(&mut items[*index], steps, value)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(expression: &str) -> Result<Value, String> {
        let mut values = json!({"map": {"a": 1}, "list": [1], "text": "x"});
        apply(values.as_object_mut().unwrap(), expression)?;
        Ok(values)
    }

    #[test]
    fn expressions_set_what_helm_sets() {
        let cases = [
            ("a=b", "/a", json!("b")),
            ("a=1,b=2", "/b", json!(2)),
            ("a.b.c=true", "/a/b/c", json!(true)),
            ("a=TRUE", "/a", json!(true)),
            ("a=null", "/a", json!(null)),
            ("a=", "/a", json!("")),
            ("a=0", "/a", json!(0)),
            ("a=007", "/a", json!("007")),
            ("a=-5", "/a", json!(-5)),
            ("a=1.5", "/a", json!("1.5")),
            ("a=1e3", "/a", json!("1e3")),
            ("a=b=c", "/a", json!("b=c")),
            ("a=b c", "/a", json!("b c")),
            (r"a\.b=1", "/a.b", json!(1)),
            (r"a=b\,c", "/a", json!("b,c")),
            ("a={}", "/a", json!([""])),
            ("a={b,2,true}", "/a", json!(["b", 2, true])),
            ("a={b},c=1", "/c", json!(1)),
            ("a[0]=x", "/a", json!(["x"])),
            ("a[2]=x", "/a", json!([null, null, "x"])),
            ("a[0].b=x,a[0].c=y", "/a", json!([{"b": "x", "c": "y"}])),
            ("a[0][1]=x", "/a", json!([[null, "x"]])),
            ("map.b=2", "/map", json!({"a": 1, "b": 2})),
            ("list[1]=2", "/list", json!([1, 2])),
            ("map=flat", "/map", json!("flat")),
        ];
        for (expression, pointer, expected) in cases {
            let values = set(expression).unwrap();
            assert_eq!(values.pointer(pointer), Some(&expected), "{expression}");
        }
    }

    #[test]
    fn malformed_expressions_are_refused_without_the_value() {
        let deep = format!("{}=x", vec!["a"; 31].join("."));
        let cases = [
            ("a", "has no value"),
            ("a,b=1", "has no value"),
            ("=secret", "a key is empty"),
            ("a..b=secret", "a key is empty"),
            ("a[x]=secret", "an index is a number"),
            ("a[1=secret", "an index is a number"),
            ("a[70000]=secret", "an index is a number"),
            ("a[0]b=secret", "comes a dot or ="),
            ("[0]=secret", "a key is empty"),
            ("a={secret", "no closing"),
            ("a={secret}x", "comes a comma"),
            ("text.a=secret", "has no key"),
            ("map[0]=secret", "has no index"),
            (&deep, "nested more than 30"),
        ];
        for (expression, expected) in cases {
            let error = set(expression).unwrap_err();
            assert!(error.contains(expected) && !error.contains("secret"), "{expression}: {error}");
        }
    }
}
