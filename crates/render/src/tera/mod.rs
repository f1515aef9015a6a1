//! The evaluation of a Tera chart: from a [`Job`] to what its templates print. Runs in the worker.
//!
//! Pure: the result depends on the job alone. Not bounded by itself: that is what the worker is for.

mod convert;
mod failure;
#[expect(clippy::needless_pass_by_value, reason = "Tera calls filters with their arguments by value")]
mod files;
#[expect(clippy::needless_pass_by_value, reason = "Tera calls filters with their arguments by value")]
mod filters;
mod schema;
mod set;
mod values;

use std::io;

use serde_json::{Map, Value, json};
use tera::{Context, ErrorKind, Tera};
use tiphys_version::{Constraint, Version};
use tiphys_worker::CappedBuffer;

use crate::chart::{ChartError, Job, Output, Printed};

/// The name under which Tera gives all variables at once, in an order that differs from run to run.
const DUMP_OF_CONTEXT: &str = "__tera_context";

/// Renders all templates of a chart.
pub(crate) fn evaluate(job: &Job) -> Result<Output, ChartError> {
    let chart = read_chart(job)?;
    check_kube_version(job, &chart)?;
    let mut warnings = Vec::new();
    let values = values::compute(job, &mut warnings)?;
    if let Some(schema) = &job.schema {
        schema::enforce(schema, &values)?;
    }
    let tera = compile(job)?;
    let context = context(job, chart, values).map_err(|error| failure::of_templates(job, &error))?;
    let mut budget = job.output_bytes;
    let mut texts = Vec::with_capacity(job.rendered.len());
    for template in &job.rendered {
        tiphys_worker::note(template);
        let mut output = CappedBuffer::new(budget);
        tera.render_to(template, &context, &mut output).map_err(|error| match error.kind() {
            ErrorKind::Io(io::ErrorKind::FileTooLarge) => {
                ChartError::OutputTooLarge { template: template.clone(), limit_bytes: job.output_bytes }
            }
            _ => failure::of_template(job, template, &error),
        })?;
        // Tera prints nothing but UTF-8, except for bytes that it was given as such.
        let text = String::from_utf8_lossy(&output.into_bytes()).into_owned();
        budget = budget.saturating_sub(text.len() as u64);
        texts.push(Printed { template: template.clone(), text });
    }
    Ok(Output { texts, warnings })
}

fn read_chart(job: &Job) -> Result<Map<String, Value>, ChartError> {
    let error = |problem: String| ChartError::Chart { file: job.chart.path.clone(), problem };
    let chart = values::read(&job.chart, &mut Vec::new()).map_err(error)?;
    for field in ["name", "version"] {
        match chart.get(field) {
            Some(Value::String(text)) if !text.is_empty() => {}
            _ => return Err(error(format!("{field} must be a text that is not empty"))),
        }
    }
    match chart.get("dependencies") {
        Some(Value::Array(dependencies)) if !dependencies.is_empty() => Err(error(
            "dependencies are not available to Tera charts; make the dependency an Application of its own"
                .to_owned(),
        )),
        _ => Ok(chart),
    }
}

fn check_kube_version(job: &Job, chart: &Map<String, Value>) -> Result<(), ChartError> {
    let Some(Value::String(wanted)) = chart.get("kubeVersion") else {
        return Ok(());
    };
    let error = |problem: String| ChartError::Chart { file: job.chart.path.clone(), problem };
    let constraint: Constraint =
        wanted.parse().map_err(|problem| error(format!("kubeVersion {wanted:?}: {problem}")))?;
    let actual = &job.capabilities.kube_version;
    let mut version: Version =
        actual.parse().map_err(|problem| error(format!("the cluster's version {actual:?}: {problem}")))?;
    // Vendors append their own builds (`-gke.100`, `+k3s1`), which are no pre-releases.
    version.pre.clear();
    if constraint.matches(&version) {
        Ok(())
    } else {
        Err(error(format!("the chart is for Kubernetes {wanted}, but the cluster has {actual}")))
    }
}

fn compile(job: &Job) -> Result<Tera, ChartError> {
    let mut tera = Tera::new();
    tera.autoescape_on(Vec::<&str>::new());
    let prefix = format!("{}/", job.templates_directory);
    tera.set_fallback_prefixes([prefix]).map_err(|error| failure::of_templates(job, &error))?;
    filters::register(&mut tera);
    files::register(&mut tera);
    if let Some(template) = job.templates.iter().find(|template| template.text.contains(DUMP_OF_CONTEXT)) {
        let message = format!("{DUMP_OF_CONTEXT} is not available; name the variables that you need");
        return Err(failure::simple(template, DUMP_OF_CONTEXT, message));
    }
    let templates = job.templates.iter().map(|template| (template.path.as_str(), template.text.as_str()));
    tera.add_raw_templates(templates).map_err(|error| failure::of_templates(job, &error))?;
    Ok(tera)
}

fn context(job: &Job, chart: Map<String, Value>, values: Map<String, Value>) -> tera::TeraResult<Context> {
    let mut context = Context::new();
    let version: Option<Version> = job.capabilities.kube_version.parse().ok();
    let number = |part: fn(&Version) -> u64| version.as_ref().map(part).unwrap_or_default().to_string();
    let capabilities = json!({
        "kube_version": {
            "version": job.capabilities.kube_version,
            "major": number(|version| version.major),
            "minor": number(|version| version.minor),
        },
        "api_versions": job.capabilities.api_versions,
    });
    let release = json!({
        "name": job.release.name,
        "namespace": job.release.namespace,
        "service": "Tiphys",
    });
    let variables = [
        ("values", Value::Object(values)),
        ("chart", Value::Object(chart)),
        ("release", release),
        ("capabilities", capabilities),
    ];
    for (name, value) in variables {
        context.insert_value(name, tera::Value::try_from_serializable(&value)?);
    }
    context.insert_value("files", files::variable(&job.files));
    Ok(context)
}
