//! From the errors of Tera to ours.

use tera::{Error, ErrorKind, ReportError};

use crate::chart::{ChartError, Job, Place, TemplateError, TextFile};

/// How many errors are told at once.
const MAX_ERRORS: usize = 10;

/// What Tera writes before the place of an error, and before each caller.
const ARROW: &str = "--> ";
const CALLER: &str = "note: called from ";

/// What stands before and after the value in messages that repeat it.
const VALUE_MESSAGES: [(&str, &str); 3] = [
    ("The string `", "` cannot be converted"),
    ("Value `", "` is not a container"),
    ("Value `", "` is out of range"),
];

/// How a line of a Go template can be told.
const GO_SYNTAX: [&str; 3] = ["{{ .", "{{- .", "{{."];

/// An error of the templates as a whole: they do not compile.
pub(super) fn of_templates(job: &Job, error: &Error) -> ChartError {
    of(job, &job.templates_directory, error)
}

/// An error while `template` was rendered.
pub(super) fn of_template(job: &Job, template: &str, error: &Error) -> ChartError {
    of(job, template, error)
}

/// An error that we found ourselves at the first occurrence of `word`.
pub(super) fn simple(template: &TextFile, word: &str, message: String) -> ChartError {
    let before = template.text.split(word).next().unwrap_or_default();
    let line = before.matches('\n').count();
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
    let position = u32::try_from(line + 1).ok().zip(u32::try_from(column + 1).ok());
    let place = Some(Place { template: template.path.clone(), position });
    ChartError::Templates {
        errors: vec![TemplateError { message, place, excerpt: String::new(), callers: Vec::new() }],
    }
}

fn of(job: &Job, template: &str, error: &Error) -> ChartError {
    let at = |template: &str, message: String| TemplateError {
        message,
        place: Some(Place { template: template.to_owned(), position: None }),
        excerpt: String::new(),
        callers: Vec::new(),
    };
    let mut errors = match error.kind() {
        ErrorKind::SyntaxError(report) | ErrorKind::RenderingError(report) => {
            vec![of_report(report, &error.to_string())]
        }
        ErrorKind::Msg(text) => of_message(text).unwrap_or_else(|| vec![at(template, text.clone())]),
        ErrorKind::CircularExtend { tpl, .. } | ErrorKind::CircularInclude { tpl, .. } => {
            vec![at(tpl, error.to_string())]
        }
        ErrorKind::MissingParent { current, .. } => vec![at(current, error.to_string())],
        _ => vec![at(template, error.to_string())],
    };
    errors.truncate(MAX_ERRORS);
    for error in &mut errors {
        error.message = without_value(&error.message);
        if error.message.starts_with("Found `.`") && GO_SYNTAX.iter().any(|sign| error.excerpt.contains(sign))
        {
            error.message.push_str(". This looks like a Go template; Tera writes {{ values.name }}");
        }
    }
    if job.values.is_none() {
        for error in errors.iter_mut().filter(|error| error.message.contains("is not defined")) {
            error.message.push_str(" The chart has no values.yaml.");
        }
    }
    ChartError::Templates { errors }
}

/// Some messages of Tera repeat the value that they are about, which may be a secret.
fn without_value(message: &str) -> String {
    let hidden = VALUE_MESSAGES.iter().find_map(|(before, after)| {
        let (_, rest) = message.strip_prefix(before)?.rsplit_once(after)?;
        Some(format!("{before}(hidden){after}{rest}"))
    });
    hidden.unwrap_or_else(|| message.to_owned())
}

/// The message may have any text in it, so it is taken from the report and only what follows it is parsed.
fn of_report(report: &ReportError, text: &str) -> TemplateError {
    let head = format!("error: {}", report.message());
    let tail = text.strip_prefix(&head).unwrap_or_default();
    parse(report.message(), tail)
}

/// The errors of compilation come as one text: reports with an empty line between them.
fn of_message(text: &str) -> Option<Vec<TemplateError>> {
    let reports = text.strip_prefix("error: ")?.split("\n\nerror: ");
    reports.map(|report| report.split_once('\n').map(|(message, tail)| parse(message, tail))).collect()
}

/// Takes the place, the excerpt and the callers out of what follows the message.
fn parse(message: &str, tail: &str) -> TemplateError {
    let mut lines = tail.lines().skip_while(|line| !line.trim_start().starts_with(ARROW));
    let place = lines.next().and_then(|line| parse_place(line.trim_start().strip_prefix(ARROW)?));
    let excerpt: Vec<&str> = lines.by_ref().take_while(|line| !line.is_empty()).skip(1).collect();
    let callers = lines.filter_map(|line| parse_place(line.strip_prefix(CALLER)?)).collect();
    TemplateError { message: message.to_owned(), place, excerpt: excerpt.join("\n"), callers }
}

fn parse_place(text: &str) -> Option<Place> {
    let mut parts = text.rsplitn(3, ':');
    let column = parts.next()?.parse().ok()?;
    let line = parts.next()?.parse().ok()?;
    Some(Place { template: parts.next()?.to_owned(), position: Some((line, column)) })
}
