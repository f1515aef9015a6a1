//! `values.yaml`, and `values.schema.json` for the values of the chart itself.

use tiphys_manifest::yaml;

use super::source::Entry;
use super::{LintOptions, Report, Source, ensure};
use crate::assembly::HelmVersion;
use crate::error::Error;
use crate::schema::Schema;
use crate::value::map_from_json;
use crate::values::coalesce::{Nulls, merge_tables};
use crate::values::read_one;

const FILE: &str = "values.yaml";

pub(super) fn check(source: &Source, options: &LintOptions, report: &mut Report) -> Result<(), Error> {
    let given = options.values.merged(&options.limits.values)?;
    let is_there = !matches!(source.values, Entry::Absent);
    if !report.info(FILE, ensure(is_there, || "file does not exist".to_owned())) {
        return Ok(());
    }
    let schema = source.schema.text().filter(|schema| !schema.is_empty() && !options.skip_schema);
    let result = read(source, &options.limits.values).and_then(|values| {
        merge_tables(&given, &values, Nulls::Delete(HelmVersion::default()));
        schema.map_or(Ok(()), |schema| Schema::new(schema.into()).check(&given))
    });
    report.error(FILE, result);
    Ok(())
}

/// Helm reads only the first document here.
fn read(source: &Source, limits: &yaml::Limits) -> Result<gotemplate::Map, String> {
    let Entry::File(text) = &source.values else {
        return Err(format!("unable to parse YAML: read {}/{FILE}: is a directory", source.root));
    };
    let values = read_one(text, limits).map_err(|(_, message)| format!("unable to parse YAML: {message}"))?;
    Ok(map_from_json(&values))
}
