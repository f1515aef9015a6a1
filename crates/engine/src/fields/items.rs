use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::set::{Element, FieldSet};

/// A place right below a set: its name as written, and what the set has below it.
type Child<'a> = (&'a str, &'a FieldSet);

/// The places of a set that name items of a list, made to be looked up: lists may have thousands of items.
#[derive(Default)]
pub(crate) struct Items<'a> {
    indices: BTreeMap<usize, Child<'a>>,
    /// By the item itself, as JSON.
    values: BTreeMap<String, Child<'a>>,
    /// By the values of some fields of the item, as JSON; for each choice of fields. Nearly always there is one.
    keys: Vec<(Vec<String>, BTreeMap<String, Child<'a>>)>,
}

impl<'a> Items<'a> {
    /// The items right below a set.
    pub(crate) fn of(set: &'a FieldSet) -> Self {
        let mut items = Self::default();
        for (name, child) in &set.children {
            let child = (name.as_str(), child);
            match Element::parse(name) {
                Some(Element::Index(index)) => {
                    items.indices.insert(index, child);
                }
                Some(Element::Value(value)) => {
                    items.values.insert(value.to_string(), child);
                }
                Some(Element::Key(key)) => items.insert_key(&key, child),
                Some(Element::Field(_)) | None => {}
            }
        }
        items
    }

    /// The place that names the item at `index`.
    pub(crate) fn get(&self, index: usize, item: &Value) -> Option<Child<'a>> {
        if let Some(child) = self.indices.get(&index) {
            return Some(*child);
        }
        if !self.values.is_empty() {
            return self.values.get(&item.to_string()).copied();
        }
        self.keys.iter().find_map(|(fields, items)| {
            let values: Option<Vec<_>> = fields.iter().map(|field| item.get(field)).collect();
            items.get(&text_of(&values?)).copied()
        })
    }

    fn insert_key(&mut self, key: &Map<String, Value>, child: Child<'a>) {
        let text = text_of(&key.values().collect::<Vec<_>>());
        if let Some((_, items)) = self.keys.iter_mut().find(|(fields, _)| fields.iter().eq(key.keys())) {
            items.insert(text, child);
        } else {
            let fields = key.keys().cloned().collect();
            self.keys.push((fields, BTreeMap::from([(text, child)])));
        }
    }
}

fn text_of(values: &[&Value]) -> String {
    let texts: Vec<_> = values.iter().map(ToString::to_string).collect();
    texts.join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn items_are_found_however_they_are_named() {
        let set = FieldSet::parse(&json!({
            "k:{\"port\":53,\"protocol\":\"UDP\"}": {}, "k:{\"name\":\"a <b>\"}": {},
            "v:\"x\"": {}, "v:7": {}, "i:3": {}, "f:name": {}, "k:broken": {},
        }));
        let items = Items::of(&set);
        let mut without_values = set.clone();
        without_values.children.retain(|name, _| !name.starts_with("v:"));
        let keys = Items::of(&without_values);
        for (items, index, item, expected) in [
            (&items, 0, json!("x"), Some("v:\"x\"")),
            (&items, 0, json!(7), Some("v:7")),
            (&items, 3, json!("y"), Some("i:3")),
            (&items, 0, json!("y"), None),
            (
                &keys,
                0,
                json!({"port": 53, "protocol": "UDP", "more": 1}),
                Some("k:{\"port\":53,\"protocol\":\"UDP\"}"),
            ),
            (&keys, 0, json!({"name": "a <b>"}), Some("k:{\"name\":\"a <b>\"}")),
            (&keys, 0, json!({"port": 53, "protocol": "TCP"}), None),
            (&keys, 0, json!({"port": 53}), None),
            (&keys, 0, json!("text"), None),
        ] {
            assert_eq!(items.get(index, &item).map(|(name, _)| name), expected, "{index} {item}");
        }
    }
}
