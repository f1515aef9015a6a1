//! Which subcharts take part, and what of their values their parents import.
//!
//! Helm 4.3.1: `pkg/chart/v2/util/dependencies.go`.

use gotemplate::{Map, Value};
use serde_json::Value as Json;

use super::coalesce::{Nulls, coalesce, merge_tables};
use super::{deep_copy, table};
use crate::assembly::HelmVersion;
use crate::chart::Dependency;
use crate::error::Error;
use crate::tree::Node;

/// Removes what is disabled, puts aliases in place, and imports values.
pub(crate) fn process(root: &mut Node, values: &Map, version: HelmVersion) -> Result<(), Error> {
    let failed = |error: Error| Error::Values {
        place: error.place().cloned(),
        message: format!("chart dependencies processing failed: {error}"),
    };
    keep_enabled(root, values, "", version).map_err(failed)?;
    import_values(root).map_err(failed)
}

fn keep_enabled(node: &mut Node, values: &Map, path: &str, version: HelmVersion) -> Result<(), Error> {
    if node.declared.is_none() {
        return Ok(());
    }
    node.resolve_declared();
    // Helm looks at the values of the whole tree for every chart, under the path to the chart.
    let values = deep_copy(values);
    coalesce(node, &values, Nulls::Delete(version))?;
    let declared = node.declared.take().unwrap_or_default();
    let tags = table(&values, "tags");
    let (enabled, disabled): (Vec<Dependency>, Vec<Dependency>) = declared
        .into_iter()
        .map(|mut dependency| {
            dependency.enabled = is_enabled(&dependency, tags.as_ref(), &values, path);
            dependency
        })
        .partition(|dependency| dependency.enabled);
    let is_off = |name: &str| disabled.iter().any(|dependency| dependency.name == name);
    node.dependencies.retain(|dependency| !is_off(dependency.name()));
    for dependency in &mut node.dependencies {
        let path = format!("{path}{}.", dependency.name());
        keep_enabled(dependency, &values, &path, version)?;
    }
    let enabled: Vec<Dependency> =
        enabled.into_iter().filter(|dependency| !is_off(&dependency.name)).collect();
    node.declared = Some(enabled).filter(|enabled| !enabled.is_empty());
    Ok(())
}

/// Tags first, then the first condition that holds a boolean.
fn is_enabled(dependency: &Dependency, tags: Option<&Map>, values: &Map, path: &str) -> bool {
    let condition = dependency
        .condition
        .trim()
        .split(',')
        .filter(|condition| !condition.is_empty())
        .find_map(|condition| boolean_at(values, &format!("{path}{condition}")));
    condition.unwrap_or_else(|| {
        let tag = |name: &String| match tags?.get(name)? {
            Value::Bool(tag) => Some(tag),
            _ => None,
        };
        let tags: Vec<bool> = dependency.tags.iter().filter_map(tag).collect();
        tags.is_empty() || tags.contains(&true)
    })
}

fn boolean_at(values: &Map, path: &str) -> Option<bool> {
    let (table, key) = match path.rsplit_once('.') {
        Some((folder, key)) => (table(values, folder)?, key),
        None => (values.clone(), path),
    };
    match table.get(key)? {
        Value::Bool(value) => Some(value),
        _ => None,
    }
}

/// From the leaves up: the values of the subcharts become part of those of their parents, and what is to be imported
/// ranks below the parents' own.
fn import_values(node: &mut Node) -> Result<(), Error> {
    for dependency in &mut node.dependencies {
        import_values(dependency)?;
    }
    if node.declared.is_none() {
        return Ok(());
    }
    let values = Map::new();
    coalesce(node, &values, Nulls::Keep)?;
    let imported = Map::new();
    for dependency in node.declared.iter_mut().flatten() {
        let imports: Vec<(String, String)> = dependency.import_values.iter().filter_map(import).collect();
        for (child, parent) in &imports {
            if let Some(table) = table(&values, &format!("{}.{child}", dependency.name)) {
                merge_tables(&imported, &below_path(parent, table), Nulls::Keep);
            }
        }
        dependency.import_values = imports
            .into_iter()
            .map(|(child, parent)| serde_json::json!({ "child": child, "parent": parent }))
            .collect();
    }
    let values = deep_copy(&values);
    merge_tables(&values, &imported, Nulls::Keep);
    node.defaults = Some(values);
    Ok(())
}

/// Where an import comes from in the subchart, and where it goes to in the parent.
fn import(import: &Json) -> Option<(String, String)> {
    match import {
        Json::String(name) => Some((format!("exports.{name}"), ".".to_owned())),
        Json::Object(paths) => {
            let path = |key: &str| {
                let path = paths.get(key).map_or(Value::Nil, crate::value::from_json);
                String::from_utf8_lossy(&gotemplate::sprintf(b"%v", &[path])).into_owned()
            };
            Some((path("child"), path("parent")))
        }
        _ => None,
    }
}

/// A map in maps, so that it is found at the path.
fn below_path(path: &str, table: Map) -> Map {
    if path == "." {
        return table;
    }
    path.rsplit('.').fold(table, |inner, key| Map::from([(key, Value::Map(inner))]))
}
