//! The values of a chart, with the precedence of Helm: the chart's own, value files in order, `values`, `set`.

use serde_json::{Map, Value};
use tiphys_manifest::yaml::{self, Limits};

use super::set;
use crate::chart::{ChartError, Job, TextFile};

/// Mappings and lists inside each other in the values of an Application.
const MAX_DEPTH: usize = 100;

/// What one file of values may be. Far more than anyone writes by hand, far less than the memory of a worker.
const LIMITS: Limits = Limits { bytes: 4 << 20, depth: MAX_DEPTH, nodes: 200_000, documents: 100 };

/// The values that the templates see.
///
/// Helm: what a person gives is put together first, then laid over the chart's own values; a null there takes the
/// chart's value away.
pub(super) fn compute(job: &Job, warnings: &mut Vec<String>) -> Result<Map<String, Value>, ChartError> {
    let mut given = Map::new();
    for file in &job.value_files {
        let values = read(file, warnings).map_err(|problem| of_file(file, problem))?;
        overlay(&mut given, values);
    }
    overlay(&mut given, job.inline_values.clone());
    for (index, expression) in job.set.iter().enumerate() {
        set::apply(&mut given, expression).map_err(|problem| ChartError::Set { index, problem })?;
    }
    if depth(&given) > MAX_DEPTH {
        return Err(ChartError::Values {
            file: "spec.source.tera".to_owned(),
            problem: format!("the values are nested more than {MAX_DEPTH} levels deep"),
        });
    }
    let mut values = match &job.values {
        Some(file) => read(file, warnings).map_err(|problem| of_file(file, problem))?,
        None => Map::new(),
    };
    coalesce(&mut values, given);
    Ok(values)
}

/// Reads a file that holds one mapping. The error is a sentence without the name of the file.
pub(super) fn read(file: &TextFile, warnings: &mut Vec<String>) -> Result<Map<String, Value>, String> {
    tiphys_worker::note(&file.path);
    let documents = yaml::read_documents(file.text.as_bytes(), &LIMITS).map_err(|error| error.to_string())?;
    let mut documents = documents.into_iter();
    let document = documents.next();
    if let Some(second) = documents.find(|document| !document.value.is_null()) {
        return Err(format!("line {}: there is a second document; remove it", second.line));
    }
    let Some(document) = document else {
        return Ok(Map::new());
    };
    let warning = |warning: yaml::Warning| format!("{}:{}: {}", file.path, warning.line, warning.message);
    warnings.extend(document.warnings.into_iter().map(warning));
    match document.value {
        Value::Object(values) => Ok(values),
        Value::Null => Ok(Map::new()),
        _ => Err(format!("line {}: there must be a mapping, as in `key: value`", document.line)),
    }
}

fn of_file(file: &TextFile, problem: String) -> ChartError {
    ChartError::Values { file: file.path.clone(), problem }
}

/// Lays `over` on `base`: mappings are merged, everything else is replaced. Nulls stay, they still have to act.
fn overlay(base: &mut Map<String, Value>, over: Map<String, Value>) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Object(base)), Value::Object(over)) => overlay(base, over),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// Lays what a person gave on the values of the chart; nulls take values away.
fn coalesce(chart: &mut Map<String, Value>, given: Map<String, Value>) {
    for (key, value) in given {
        match (chart.get_mut(&key), value) {
            (_, Value::Null) => {
                chart.remove(&key);
            }
            (Some(Value::Object(chart)), Value::Object(given)) => coalesce(chart, given),
            (_, Value::Object(given)) => {
                let mut values = Map::new();
                coalesce(&mut values, given);
                chart.insert(key, Value::Object(values));
            }
            (_, value) => {
                chart.insert(key, value);
            }
        }
    }
}

fn depth(values: &Map<String, Value>) -> usize {
    fn of(value: &Value) -> usize {
        match value {
            Value::Object(values) => depth(values),
            Value::Array(values) => 1 + values.iter().map(of).max().unwrap_or_default(),
            _ => 0,
        }
    }
    1 + values.values().map(of).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn later_values_win_and_nulls_take_away() {
        let mut given = map(&json!({"a": {"x": 1, "y": null}, "list": [1]}));
        overlay(
            &mut given,
            map(&json!({"a": {"x": 2}, "list": [2], "gone": null, "new": {"deep": null, "b": 1}})),
        );
        let mut chart =
            map(&json!({"a": {"x": 0, "y": 0, "z": 0}, "gone": {"k": 1}, "list": [0, 0], "own": null}));
        coalesce(&mut chart, given);
        let expected = json!({"a": {"x": 2, "z": 0}, "list": [2], "new": {"b": 1}, "own": null});
        assert_eq!(Value::Object(chart), expected);
    }
}
