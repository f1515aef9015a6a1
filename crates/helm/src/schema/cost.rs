//! How often a schema asks itself about one and the same value.
//!
//! The library below validates without a count of steps, and thirty small schemas of which each asks the next one twice
//! would keep it busy for ever. So what a schema can come to is reckoned before.

use std::collections::HashMap;

use serde_json::Value as Json;

/// Schemas that may be asked about one value.
const MOST: u64 = 100_000;

/// References inside one another.
const MAX_DEPTH: usize = 500;

/// Refuses a schema that refers to itself about the same value, or asks too often.
pub(super) fn check(schema: &Json) -> Result<(), String> {
    let mut anchors = HashMap::new();
    collect_anchors(schema, &mut anchors);
    let mut reckoning = Reckoning { root: schema, anchors, known: HashMap::new() };
    reckoning.everywhere(schema)
}

fn collect_anchors<'a>(value: &'a Json, anchors: &mut HashMap<&'a str, &'a Json>) {
    match value {
        Json::Array(items) => items.iter().for_each(|item| collect_anchors(item, anchors)),
        Json::Object(entries) => {
            for key in ["$anchor", "$dynamicAnchor"] {
                if let Some(Json::String(name)) = entries.get(key) {
                    anchors.insert(name, value);
                }
            }
            entries.values().for_each(|entry| collect_anchors(entry, anchors));
        }
        _ => {}
    }
}

struct Reckoning<'a> {
    root: &'a Json,
    anchors: HashMap<&'a str, &'a Json>,
    /// What a schema comes to, by its address; `None` while it is being reckoned.
    known: HashMap<*const Json, Option<u64>>,
}

impl<'a> Reckoning<'a> {
    /// Any object may be a schema; those that are none come to little.
    fn everywhere(&mut self, value: &'a Json) -> Result<(), String> {
        match value {
            Json::Array(items) => items.iter().try_for_each(|item| self.everywhere(item)),
            Json::Object(entries) => {
                self.cost(value, 0)?;
                entries.values().try_for_each(|entry| self.everywhere(entry))
            }
            _ => Ok(()),
        }
    }

    fn cost(&mut self, schema: &'a Json, depth: usize) -> Result<u64, String> {
        let Json::Object(keywords) = schema else { return Ok(1) };
        match self.known.get(&std::ptr::from_ref(schema)) {
            Some(Some(cost)) => return Ok(*cost),
            Some(None) => return Err("the schema refers to itself without an end".to_owned()),
            None if depth > MAX_DEPTH => {
                return Err(format!("the schema has more than {MAX_DEPTH} references inside one another"));
            }
            None => {}
        }
        self.known.insert(schema, None);
        let mut cost: u64 = 1;
        for (keyword, value) in keywords {
            for inner in self.asked(keyword, value) {
                cost = cost.saturating_add(self.cost(inner, depth + 1)?);
            }
        }
        if cost > MOST {
            return Err(format!("the schema asks more than {MOST} times about one value"));
        }
        self.known.insert(schema, Some(cost));
        Ok(cost)
    }

    /// The schemas that a keyword asks about the same value.
    fn asked(&self, keyword: &str, value: &'a Json) -> Vec<&'a Json> {
        match (keyword, value) {
            ("allOf" | "anyOf" | "oneOf", Json::Array(schemas)) => schemas.iter().collect(),
            ("not" | "if" | "then" | "else", schema) => vec![schema],
            ("dependentSchemas" | "dependencies", Json::Object(schemas)) => schemas.values().collect(),
            ("$ref" | "$dynamicRef" | "$recursiveRef", Json::String(reference)) => {
                let target = reference.strip_prefix('#').and_then(|fragment| match fragment {
                    "" => Some(self.root),
                    pointer if pointer.starts_with('/') => self.root.pointer(pointer),
                    anchor => self.anchors.get(anchor).copied(),
                });
                target.into_iter().collect()
            }
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn schemas_may_ask_themselves_about_what_is_inside() {
        let tree = json!({"properties": {"children": {"items": {"$ref": "#"}}}});
        assert_eq!(check(&tree), Ok(()));
        let twice = json!({"allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#b"}], "$defs": {"a": {}, "b": {"$anchor": "b"}}});
        assert_eq!(check(&twice), Ok(()));
    }

    #[test]
    fn schemas_may_not_ask_without_end() {
        for endless in
            [json!({"$ref": "#"}), json!({"properties": {"a": {"not": {"$ref": "#/properties/a"}}}})]
        {
            assert!(check(&endless).unwrap_err().contains("without an end"), "{endless}");
        }
        let mut definitions = serde_json::Map::new();
        for level in 0..30 {
            let next = json!({"$ref": format!("#/$defs/{}", level + 1)});
            definitions.insert(level.to_string(), json!({"anyOf": [next, next]}));
        }
        assert!(check(&json!({"$defs": definitions})).unwrap_err().contains("more than 100000 times"));
    }
}
