//! How given values, the values of a chart and those of its subcharts become one tree.
//!
//! Helm 4.3.1: `pkg/chart/common/util/coalesce.go`. Maps are shared just as Helm shares them, because templates can
//! change them.

use gotemplate::{Map, Str, Value};

use crate::assembly::HelmVersion;
use crate::error::Error;
use crate::tree::Node;

/// What happens to nulls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nulls {
    /// They delete what they stand over. Helms differ in the rest.
    Delete(HelmVersion),
    /// They stay, for a later pass.
    Keep,
}

impl Nulls {
    /// Whether those of the charts are dropped: since Helm 4.2.
    fn drops_defaults(self) -> bool {
        matches!(self, Self::Delete(version) if version >= HelmVersion::V4_2_0)
    }

    /// Whether a null deletes its key even where it stands over nothing or over null: in Helm 3.
    fn delete_themselves(self) -> bool {
        self == Self::Delete(HelmVersion::V3)
    }
}

const GLOBAL: &str = "global";

/// Merges values with those of a chart and its subcharts. The given values win.
pub(crate) fn coalesce(chart: &Node, values: &Map, nulls: Nulls) -> Result<(), Error> {
    with_chart(chart, values, nulls);
    for dependency in chart.dependencies() {
        let own = match values.get(dependency.name()) {
            None => {
                let own = Map::new();
                values.insert(dependency.name(), own.clone());
                own
            }
            Some(Value::Map(own)) => own,
            Some(other) => {
                let found = gotemplate::sprintf(b"%t", &[other]);
                let found = String::from_utf8_lossy(&found);
                let message = format!("type mismatch on {}: {found}", dependency.name());
                return Err(Error::Values { place: None, message });
            }
        };
        share_globals(&own, values);
        coalesce(dependency, &own, nulls)?;
    }
    Ok(())
}

/// Merges the `global` of a parent into that of a subchart. The parent wins, nulls stay.
fn share_globals(own: &Map, parent: &Map) {
    let globals = |values: &Map| match values.get(GLOBAL) {
        None => Some(Map::new()),
        Some(Value::Map(globals)) => Some(globals),
        Some(_) => None,
    };
    let (Some(target), Some(source)) = (globals(own), globals(parent)) else {
        return;
    };
    for (key, value) in source.entries() {
        let old = target.get(&key);
        match (value, old) {
            (Value::Map(above), None) => {
                target.insert(key, above.shallow_copy());
            }
            (Value::Map(above), Some(Value::Map(below))) => {
                let merged = above.shallow_copy();
                merge_tables(&merged, &below, Nulls::Keep);
                target.insert(key, merged);
            }
            (Value::Map(_), Some(_)) | (_, Some(Value::Map(_))) => {}
            (value, _) => {
                target.insert(key, value);
            }
        }
    }
    own.insert(GLOBAL, target);
}

/// Merges values with the defaults of one chart.
fn with_chart(chart: &Node, values: &Map, nulls: Nulls) {
    chart.for_each_default(|key, default| match values.get(key) {
        None => match default.copy() {
            Value::Nil if nulls.drops_defaults() => {}
            Value::Map(map) if nulls.drops_defaults() => {
                remove_nulls(&map);
                values.insert(key.clone(), map);
            }
            default => {
                values.insert(key.clone(), default);
            }
        },
        Some(Value::Nil) if nulls != Nulls::Keep => {
            values.remove(key);
        }
        Some(Value::Map(above)) => {
            if let Some(below) = default.copy_map() {
                // The pass over the subchart must still see what is null.
                let nulls = if chart.has_dependency(key) { Nulls::Keep } else { nulls };
                if nulls.drops_defaults() {
                    remove_nulls(&below);
                }
                merge_tables(&above, &below, nulls);
            }
        }
        Some(_) => {}
    });
}

/// Merges `below` into `above`, which wins. `below` is used up: its maps become part of `above`.
pub(crate) fn merge_tables(above: &Map, below: &Map, nulls: Nulls) {
    let mut removed: Vec<Str> = Vec::new();
    for (key, value) in above.entries() {
        if value.is_nil() {
            // Helm also notes the null below, which shows when that map is used again.
            let old = below.insert(key.clone(), Value::Nil);
            let stood_over_something = old.is_some_and(|old| !old.is_nil());
            if nulls != Nulls::Keep && (stood_over_something || nulls.delete_themselves()) {
                removed.push(key);
            }
        }
    }
    for (key, value) in below.entries() {
        match above.get(&key) {
            None => {
                above.insert(key, value);
            }
            Some(Value::Map(above)) => {
                if let Value::Map(below) = value {
                    merge_tables(&above, &below, nulls);
                }
            }
            Some(_) => {}
        }
    }
    for key in removed {
        above.remove(&key);
    }
}

/// Removes what is null, at every depth.
fn remove_nulls(map: &Map) {
    for (key, value) in map.entries() {
        match value {
            Value::Nil => {
                map.remove(&key);
            }
            Value::Map(inner) => remove_nulls(&inner),
            _ => {}
        }
    }
}
