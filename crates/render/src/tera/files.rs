//! The variable `files` and the filters for it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use globset::GlobBuilder;
use tera::{Error, Kwargs, Map, State, Tera, TeraResult, Value};

use crate::chart::Content;

/// The files of the chart: a map from path to text, or to bytes when they are not UTF-8.
pub(super) fn variable(files: &BTreeMap<String, Content>) -> Value {
    let files = files.iter().map(|(path, content)| {
        let content = match content {
            Content::Text(text) => Value::from(text.as_str()),
            // Our own encoding, so it can be decoded.
            Content::Base64(text) => Value::bytes(BASE64_STANDARD.decode(text).unwrap_or_default()),
        };
        (path.clone().into(), content)
    });
    Value::from(files.collect::<Map>())
}

/// Adds the filters for files.
pub(super) fn register(tera: &mut Tera) {
    tera.register_filter("glob", glob);
    tera.register_filter("lines", lines);
    tera.register_filter("as_config", as_config);
    tera.register_filter("as_secrets", as_secrets);
}

/// `files | glob(pattern="config/*")`: the files whose path matches.
fn glob(files: &Map, arguments: Kwargs, _: &State<'_>) -> TeraResult<Map> {
    let pattern: &str = arguments.must_get("pattern")?;
    let matcher = GlobBuilder::new(pattern)
        .literal_separator(true)
        .empty_alternates(true)
        .build()
        .map_err(|error| Error::message(error.to_string()))?
        .compile_matcher();
    let matching = files.iter().filter(|(path, _)| path.as_str().is_some_and(|path| matcher.is_match(path)));
    Ok(matching.map(|(path, content)| (path.clone(), content.clone())).collect())
}

/// `files["hosts.txt"] | lines`: the lines of a text.
fn lines(text: &str, _: Kwargs, _: &State<'_>) -> Vec<Value> {
    text.lines().map(Value::from).collect()
}

/// `files | glob(pattern="config/*") | as_config`: file names to texts, for the `data` of a ConfigMap.
fn as_config(files: &Map, _: Kwargs, _: &State<'_>) -> TeraResult<Map> {
    by_name(files, |path, content| {
        let text = content.as_str().map(Value::from);
        text.ok_or_else(|| {
            Error::message(format!("{path} is not text; use as_secrets, or b64encode and binaryData"))
        })
    })
}

/// `files | glob(pattern="tls/*") | as_secrets`: file names to base64, for the `data` of a Secret.
fn as_secrets(files: &Map, _: Kwargs, _: &State<'_>) -> TeraResult<Map> {
    by_name(files, |path, content| {
        let bytes = content.as_str().map(str::as_bytes).or_else(|| content.as_bytes());
        let encoded = bytes.map(|bytes| Value::from(BASE64_STANDARD.encode(bytes)));
        encoded.ok_or_else(|| Error::message(format!("{path} is not a file")))
    })
}

fn by_name(files: &Map, convert: impl Fn(&str, &Value) -> TeraResult<Value>) -> TeraResult<Map> {
    let mut named = Map::new();
    for (path, content) in files {
        let path = path.as_value().to_string();
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        if named.insert(name.clone().into(), convert(&path, content)?).is_some() {
            return Err(Error::message(format!("two of the files are called {name}; choose with glob")));
        }
    }
    Ok(named)
}
