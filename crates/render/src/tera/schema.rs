//! `values.schema.json`.

use serde_json::{Map, Value};

use crate::chart::{ChartError, TextFile, Violation};

/// How many violations are told at once.
const MAX_VIOLATIONS: usize = 10;

/// Refuses values that do not fit the schema. References to other files and to the network are never followed.
pub(super) fn enforce(file: &TextFile, values: &Map<String, Value>) -> Result<(), ChartError> {
    let unusable = |problem: String| ChartError::Schema { file: file.path.clone(), problem };
    tiphys_worker::note(&file.path);
    let schema: Value =
        serde_json::from_str(&file.text).map_err(|error| unusable(format!("it is not JSON: {error}")))?;
    let validator = jsonschema::options()
        .offline()
        .build(&schema)
        .map_err(|error| unusable(format!("it is not a JSON schema that can be used here: {error}")))?;
    let values = Value::Object(values.clone());
    let violations: Vec<Violation> = validator
        .iter_errors(&values)
        .take(MAX_VIOLATIONS)
        .map(|error| Violation {
            pointer: error.instance_path().to_string(),
            message: error.masked().to_string(),
        })
        .collect();
    if violations.is_empty() {
        Ok(())
    } else {
        Err(ChartError::Violations { file: file.path.clone(), violations })
    }
}
