//! The filters and functions that charts need beside Tera's own.
//!
//! None of them depends on time, chance or environment, and Tera's core has none that does but `group_by`, which is
//! replaced here.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};
use tera::value::Key;
use tera::{Error, Kwargs, Map, State, Tera, TeraResult, Value};
use tiphys_manifest::yaml;
use tiphys_version::{Constraint, Version};

use crate::rendering::Hex;

use super::convert::{from_json, to_json};

/// The widest indentation; Tera's own `indent` has the same limit.
const MAX_INDENTATION: usize = 1000;

/// Adds all filters and functions but those for files.
pub(super) fn register(tera: &mut Tera) {
    tera.register_filter("to_yaml", to_yaml);
    tera.register_filter("to_json", |value: &Value, _: Kwargs, _: &State<'_>| {
        Ok::<_, Error>(to_json(value)?.to_string())
    });
    tera.register_filter("to_json_pretty", to_json_pretty);
    tera.register_filter("from_yaml", from_yaml);
    tera.register_filter("from_json", parse_json);
    tera.register_filter("nindent", nindent);
    tera.register_filter("quote", quote);
    tera.register_filter("squote", squote);
    tera.register_filter("b64encode", b64encode);
    tera.register_filter("b64decode", b64decode);
    tera.register_filter("sha256", sha256);
    tera.register_filter("required", required);
    tera.register_filter("default", default);
    tera.register_filter("group_by", group_by);
    tera.register_filter("merge", merge);
    tera.register_filter("semver_matches", semver_matches);
    tera.register_filter("trunc", trunc);
    tera.register_filter("trim_prefix", trim_prefix);
    tera.register_filter("trim_suffix", trim_suffix);
    tera.register_function("fail", fail);
}

/// YAML as Helm's `toYaml` writes it, without the line break at the end.
fn to_yaml(value: &Value, _: Kwargs, _: &State<'_>) -> TeraResult<String> {
    let mut text = yaml::write(&to_json(value)?);
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

fn to_json_pretty(value: &Value, _: Kwargs, _: &State<'_>) -> TeraResult<String> {
    serde_json::to_string_pretty(&to_json(value)?).map_err(|error| Error::message(error.to_string()))
}

fn from_yaml(text: &str, _: Kwargs, _: &State<'_>) -> TeraResult<Value> {
    from_json(&yaml::read(text).map_err(|error| Error::message(format!("this is not YAML: {error}")))?)
}

fn parse_json(text: &str, _: Kwargs, _: &State<'_>) -> TeraResult<Value> {
    let json: Json =
        serde_json::from_str(text).map_err(|error| Error::message(format!("this is not JSON: {error}")))?;
    from_json(&json)
}

/// A line break, then the text with every line indented: for a block under a key.
fn nindent(value: &Value, arguments: Kwargs, _: &State<'_>) -> TeraResult<String> {
    let text = text(value)?;
    let width = arguments.get::<usize>("width")?.unwrap_or(2).min(MAX_INDENTATION);
    let indentation = " ".repeat(width);
    let mut indented = String::with_capacity(text.len() + text.len() / 4);
    for line in text.lines() {
        indented.push('\n');
        if !line.is_empty() {
            indented.push_str(&indentation);
            indented.push_str(line);
        }
    }
    Ok(indented)
}

/// The value in double quotes, with what YAML needs escaped.
fn quote(value: &Value, _: Kwargs, _: &State<'_>) -> TeraResult<String> {
    Ok(Json::String(text(value)?).to_string())
}

/// The value in single quotes, in which YAML knows no escapes.
fn squote(value: &Value, _: Kwargs, _: &State<'_>) -> TeraResult<String> {
    Ok(format!("'{}'", text(value)?.replace('\'', "''")))
}

fn b64encode(value: &Value, _: Kwargs, _: &State<'_>) -> TeraResult<String> {
    match value.as_bytes() {
        Some(bytes) => Ok(BASE64_STANDARD.encode(bytes)),
        None => Ok(BASE64_STANDARD.encode(text(value)?)),
    }
}

fn b64decode(encoded: &str, _: Kwargs, _: &State<'_>) -> TeraResult<Value> {
    // The decoder's message would show a part of what may be a secret.
    let bytes = BASE64_STANDARD.decode(encoded.trim()).map_err(|_| Error::message("this is not base64"))?;
    Ok(match String::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(error) => Value::bytes(error.into_bytes()),
    })
}

/// The SHA-256 in hexadecimal digits.
fn sha256(value: &Value, _: Kwargs, _: &State<'_>) -> TeraResult<String> {
    let digest = match value.as_bytes() {
        Some(bytes) => Sha256::digest(bytes),
        None => Sha256::digest(text(value)?),
    };
    Ok(Hex(&digest).to_string())
}

/// The value, or an error when it is not defined, null or an empty text.
fn required(value: Value, arguments: Kwargs, _: &State<'_>) -> TeraResult<Value> {
    let missing = value.is_undefined() || value.is_none() || value.as_str() == Some("");
    if !missing {
        return Ok(value);
    }
    Err(Error::message(arguments.get::<&str>("message")?.unwrap_or("a required value is missing")))
}

/// The value, or another when it is not defined or null; with `boolean=true` also when it is empty, zero or false.
fn default(value: Value, arguments: Kwargs, _: &State<'_>) -> TeraResult<Value> {
    let other = arguments.must_get::<Value>("value")?;
    let for_false = arguments.get::<bool>("boolean")?.unwrap_or_default();
    let missing = value.is_undefined() || value.is_none() || (for_false && !value.is_truthy());
    Ok(if missing { other } else { value })
}

/// As Tera's own, but with the groups in the order of their first members; there it differs from run to run.
fn group_by(items: &[Value], arguments: Kwargs, _: &State<'_>) -> TeraResult<Map> {
    let attribute = arguments.must_get::<&str>("attribute")?;
    let mut places: BTreeMap<Key<'static>, usize> = BTreeMap::new();
    let mut groups: Vec<(Key<'static>, Vec<Value>)> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let value = item.get_from_path(attribute);
        let value = value.ok_or_else(|| Error::message(format!("item {index} has no {attribute}")))?;
        if value.is_none() {
            continue;
        }
        let key = key_of(value)?;
        let place = *places.entry(key.clone()).or_insert(groups.len());
        if place == groups.len() {
            groups.push((key, Vec::new()));
        }
        groups[place].1.push(item.clone());
    }
    Ok(groups.into_iter().map(|(key, members)| (key, Value::from(members))).collect())
}

fn key_of(value: &Value) -> TeraResult<Key<'static>> {
    if let Some(text) = value.as_str() {
        return Ok(Key::from(text.to_owned()));
    }
    let number = value.as_i128().map(Key::from).or_else(|| value.as_bool().map(Key::Bool));
    number.ok_or_else(|| Error::message(format!("a {} cannot be a key", value.name())))
}

/// `base | merge(with=over)`: mappings are merged at every depth, everything else of `over` wins.
fn merge(base: &Map, arguments: Kwargs, _: &State<'_>) -> TeraResult<Map> {
    let over = arguments.must_get::<&Map>("with")?;
    Ok(merged(base, over))
}

fn merged(base: &Map, over: &Map) -> Map {
    let mut result = base.clone();
    for (key, value) in over {
        let value = match (base.get(key).and_then(Value::as_map), value.as_map()) {
            (Some(base), Some(over)) => Value::from(merged(base, over)),
            _ => value.clone(),
        };
        result.insert(key.clone(), value);
    }
    result
}

/// `version | semver_matches(constraint=">=1.30-0")`.
fn semver_matches(version: &str, arguments: Kwargs, _: &State<'_>) -> TeraResult<bool> {
    let text = arguments.must_get::<&str>("constraint")?;
    let constraint: Constraint =
        text.parse().map_err(|problem| Error::message(format!("constraint {text:?}: {problem}")))?;
    let version: Version =
        version.parse().map_err(|problem| Error::message(format!("version {version:?}: {problem}")))?;
    Ok(constraint.matches(&version))
}

/// The first `length` characters; without the dots that Tera's `truncate` adds.
fn trunc(value: &str, arguments: Kwargs, _: &State<'_>) -> TeraResult<String> {
    let length = arguments.must_get::<usize>("length")?;
    Ok(value.chars().take(length).collect())
}

fn trim_prefix(value: &str, arguments: Kwargs, _: &State<'_>) -> TeraResult<String> {
    let prefix = arguments.must_get::<&str>("prefix")?;
    Ok(value.strip_prefix(prefix).unwrap_or(value).to_owned())
}

fn trim_suffix(value: &str, arguments: Kwargs, _: &State<'_>) -> TeraResult<String> {
    let suffix = arguments.must_get::<&str>("suffix")?;
    Ok(value.strip_suffix(suffix).unwrap_or(value).to_owned())
}

/// `{{ fail(message="...") }}` ends the rendering.
fn fail(arguments: Kwargs, _: &State<'_>) -> TeraResult<bool> {
    Err(Error::message(arguments.must_get::<&str>("message")?))
}

/// The value as it would be printed.
fn text(value: &Value) -> TeraResult<String> {
    if value.is_undefined() {
        return Err(Error::message("the value is not defined"));
    }
    if value.is_bytes() {
        return Err(Error::message("the value is bytes, not text; use the filter b64encode first"));
    }
    Ok(value.to_string())
}
