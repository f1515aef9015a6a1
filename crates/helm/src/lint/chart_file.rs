//! `Chart.yaml`.

use std::fmt::Write as _;

use serde_json::Value;
use tiphys_manifest::yaml;

use super::address::{is_email, is_request_url, is_url};
use super::source::Entry;
use super::{Report, Source, ensure};
use crate::chart::Metadata;
use crate::semver::{Constraint, Version};

const FILE: &str = "Chart.yaml";

pub(super) fn check(source: &Source, report: &mut Report) {
    let is_directory = matches!(source.chart_file, Entry::Directory);
    report.error(FILE, ensure(!is_directory, || "should be a file, not a directory".to_owned()));
    let parsed = parse(source);
    let problem = parsed.as_ref().err();
    report.error(FILE, problem.map_or(Ok(()), |error| Err(format!("unable to parse YAML\n\t{error}"))));
    let Ok((document, metadata)) = parsed else { return };
    report.warning(
        FILE,
        is_strict(&document)
            .map_err(|error| format!("failed to strictly parse chart metadata file\n\t{error}")),
    );
    let document = &document.value;
    report.error(FILE, name(&metadata));
    report.error(FILE, api_version(&metadata));
    report.error(FILE, is_text(document, "version"));
    report.error(FILE, version(&metadata));
    report.error(FILE, is_text(document, "appVersion"));
    report.error(FILE, maintainers(document, &metadata));
    report.error(FILE, sources(&metadata));
    report.info(FILE, ensure(!metadata.icon.is_empty(), || "icon is recommended".to_owned()));
    report.error(FILE, icon(&metadata));
    report.error(FILE, kind(&metadata));
    report.error(FILE, dependencies(&metadata));
    report.warning(FILE, strict_version(&metadata));
}

fn parse(source: &Source) -> Result<(yaml::Document, Metadata), String> {
    let Entry::File(text) = &source.chart_file else {
        return Err(format!("read {}/{FILE}: is a directory", source.root));
    };
    let document = yaml::read_document(text, &yaml::Limits::default())
        .map_err(|error| format!("error converting YAML to JSON: yaml: {error}"))?;
    let mut metadata = Metadata::default();
    metadata.read(&document.value)?;
    Ok((document, metadata))
}

/// Keys that come twice, and keys that mean nothing.
fn is_strict(document: &yaml::Document) -> Result<(), String> {
    const CHART: [&str; 17] = [
        "name",
        "home",
        "sources",
        "version",
        "description",
        "keywords",
        "maintainers",
        "icon",
        "apiVersion",
        "condition",
        "tags",
        "appVersion",
        "deprecated",
        "annotations",
        "kubeVersion",
        "dependencies",
        "type",
    ];
    const MAINTAINER: [&str; 3] = ["name", "email", "url"];
    const DEPENDENCY: [&str; 8] =
        ["name", "version", "repository", "condition", "tags", "enabled", "import-values", "alias"];
    let mut twice = String::new();
    for warning in &document.warnings {
        let key = gotemplate::quote(&warning.repeated_key);
        // Writing to a string cannot fail.
        let _ = write!(twice, "\n  line {}: key {key} already set in map", warning.line);
    }
    if !twice.is_empty() {
        return Err(format!("error converting YAML to JSON: yaml: unmarshal errors:{twice}"));
    }
    let mut keys: Vec<(&str, &Value)> =
        document.value.as_object().into_iter().flatten().map(|(key, value)| (key.as_str(), value)).collect();
    keys.sort_unstable_by_key(|(key, _)| *key);
    let inner = |value: &Value, known: &[&str]| -> Result<(), String> {
        let mut entries = value.as_array().into_iter().flatten();
        entries.try_for_each(|entry| {
            let mut keys: Vec<&String> =
                entry.as_object().into_iter().flatten().map(|(key, _)| key).collect();
            keys.sort_unstable();
            keys.into_iter().try_for_each(|key| is_known(key, known))
        })
    };
    for (key, value) in keys {
        is_known(key, &CHART)?;
        match key.to_ascii_lowercase().as_str() {
            "maintainers" => inner(value, &MAINTAINER)?,
            "dependencies" => inner(value, &DEPENDENCY)?,
            _ => {}
        }
    }
    Ok(())
}

fn is_known(key: &str, known: &[&str]) -> Result<(), String> {
    ensure(known.iter().any(|name| name.eq_ignore_ascii_case(key)), || {
        let key = gotemplate::quote(key);
        format!("error unmarshaling JSON: while decoding JSON: json: unknown field {key}")
    })
}

fn name(metadata: &Metadata) -> Result<(), String> {
    let name = metadata.name.as_str();
    ensure(!name.is_empty(), || "name is required".to_owned())?;
    let is_path = name != "/" && name.contains('/');
    ensure(!is_path, || format!("chart name {} is invalid", gotemplate::quote(name)))
}

fn api_version(metadata: &Metadata) -> Result<(), String> {
    match metadata.api_version.as_str() {
        "v1" | "v2" => Ok(()),
        "" => Err("apiVersion is required. The value must be either \"v1\" or \"v2\"".to_owned()),
        other => Err(format!("apiVersion '{other}' is not valid. The value must be either \"v1\" or \"v2\"")),
    }
}

fn is_text(document: &Value, key: &str) -> Result<(), String> {
    match document.get(key) {
        None | Some(Value::String(_)) => Ok(()),
        Some(other) => Err(format!("{key} should be of type string but it's of type {}", go_type(other))),
    }
}

/// The type that Go has for a value from JSON.
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

fn version(metadata: &Metadata) -> Result<(), String> {
    let text = &metadata.version;
    ensure(!text.is_empty(), || "version is required".to_owned())?;
    let version: Version = text.parse().map_err(|_| format!("version '{text}' is not a valid SemVer"))?;
    let some: Result<Constraint, _> = ">0.0.0-0".parse();
    let is_greater = some.is_ok_and(|some| some.matches(&version));
    ensure(is_greater, || format!("version {version} is less than or equal to 0.0.0-0"))
}

fn strict_version(metadata: &Metadata) -> Result<(), String> {
    let text = &metadata.version;
    let numbers = text.split(['-', '+']).next().unwrap_or_default();
    let is_number = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (part.len() == 1 || !part.starts_with('0'))
    };
    let is_strict = numbers.split('.').count() == 3
        && numbers.split('.').all(is_number)
        && text.parse::<Version>().is_ok();
    ensure(is_strict, || format!("version '{text}' is not a valid SemVerV2"))
}

fn maintainers(document: &Value, metadata: &Metadata) -> Result<(), String> {
    let entries = document.get("maintainers").and_then(Value::as_array).into_iter().flatten();
    for (entry, maintainer) in entries.zip(&metadata.maintainers) {
        let (name, email, url) = (&maintainer.name, &maintainer.email, &maintainer.url);
        ensure(!entry.is_null(), || "a maintainer entry is empty".to_owned())?;
        ensure(!name.is_empty(), || "each maintainer requires a name".to_owned())?;
        ensure(email.is_empty() || is_email(email), || {
            format!("invalid email '{email}' for maintainer '{name}'")
        })?;
        ensure(url.is_empty() || is_url(url), || format!("invalid url '{url}' for maintainer '{name}'"))?;
    }
    Ok(())
}

fn sources(metadata: &Metadata) -> Result<(), String> {
    metadata
        .sources
        .iter()
        .try_for_each(|source| ensure(is_request_url(source), || format!("invalid source URL '{source}'")))
}

fn icon(metadata: &Metadata) -> Result<(), String> {
    let icon = &metadata.icon;
    ensure(icon.is_empty() || is_request_url(icon), || format!("invalid icon URL '{icon}'"))
}

fn kind(metadata: &Metadata) -> Result<(), String> {
    let version = &metadata.api_version;
    ensure(metadata.kind.is_empty() || version == "v2", || {
        format!("chart type is not valid in apiVersion '{version}'. It is valid in apiVersion 'v2'")
    })
}

fn dependencies(metadata: &Metadata) -> Result<(), String> {
    let version = &metadata.api_version;
    let none = metadata.dependencies.as_ref().is_none_or(Vec::is_empty);
    ensure(none || version == "v2", || {
        format!(
            "dependencies are not valid in the Chart file with apiVersion '{version}'. They are valid in apiVersion \
             'v2'"
        )
    })
}
