//! The evaluation of a [`Job`]. Pure, and not bounded by itself: that is what the worker is for.

use jaq_core::data::JustLut;
use jaq_core::load::{Arena, File, Loader, lex, parse, span};
use jaq_core::native::{Fun, bome, run};
use jaq_core::{Compiler, Ctx, Filter, Vars, load, unwrap_valr};
use jaq_json::{Val, read};
use serde_json::Value;

use crate::{Found, Job, Step, Unusable};

type Data = JustLut<Val>;

/// Most paths that one expression may give for one object.
pub const MAX_PATHS: usize = 1000;

/// Functions that read or write something beside the object, or end the process.
const UNAVAILABLE: &[&str] =
    &["debug_empty", "env", "halt", "localtime", "mktime", "now", "stderr_empty", "strflocaltime"];

/// What an expression that gives something else than a path is told.
const NO_PATH: &str = "it gives something that is no path to a field, such as a slice";
/// What an expression that ends in an error is told. jq's own words are not passed on: they have values of the object in
/// them, which may be secret.
const ENDED: &str = "it ended in an error, as when a value has no such field or items, when what it gives is no path to a field, or when \
     it uses what is not available here (env, now, halt)";

/// What each expression leads to in each object: of the first object all expressions, then of the second. `note` is told
/// of each expression before it is compiled or evaluated.
pub fn evaluate(job: &Job, note: &dyn Fn(&str)) -> Result<Vec<Found>, Unusable> {
    let mut programs = Vec::with_capacity(job.expressions.len());
    for expression in &job.expressions {
        note(expression);
        let unusable = |message| Unusable { expression: expression.clone(), message };
        compile(expression).map_err(unusable)?;
        // What is complete by itself is so in brackets too; a comment at its end needs the end of the line.
        programs.push((expression, compile(&format!("path({expression}\n)")).map_err(unusable)?));
    }
    let mut found = Vec::with_capacity(programs.len() * job.objects.len());
    for object in &job.objects {
        for (expression, program) in &programs {
            note(expression);
            let paths = paths(program, object);
            found.push(paths.map_err(|message| Unusable { expression: (*expression).clone(), message })?);
        }
    }
    Ok(found)
}

fn compile(code: &str) -> Result<Filter<Data>, String> {
    let definitions = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let arena = Arena::default();
    let modules = Loader::new(definitions)
        .load(&arena, File { code, path: () })
        .map_err(|errors| first(errors.iter().map(|(file, error)| load_error(file.code, error))))?;
    let functions = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs()).map(available);
    Compiler::default().with_funs(functions).compile(modules).map_err(|errors| {
        first(errors.iter().flat_map(|(file, errors)| {
            errors.iter().map(|(name, kind)| {
                format!("{}: there is no {} {name}", position(file.code, name), kind.as_str())
            })
        }))
    })
}

fn available((name, arguments, native): Fun<Data>) -> Fun<Data> {
    if !UNAVAILABLE.contains(&name) {
        return (name, arguments, native);
    }
    run((name, arguments, |_| bome(Err(jaq_core::Error::str("this function is not available here")))))
}

fn first(mut messages: impl Iterator<Item = String>) -> String {
    messages.next().unwrap_or_else(|| "it cannot be understood".to_owned())
}

fn load_error(code: &str, error: &load::Error<&str>) -> String {
    match error {
        load::Error::Io(errors) => {
            first(errors.iter().map(|(path, error)| format!("{}: {error}", position(code, path))))
        }
        load::Error::Lex(errors) => first(errors.iter().map(|error| lex_error(code, error))),
        load::Error::Parse(errors) => first(errors.iter().map(|error| parse_error(code, error))),
    }
}

fn lex_error(code: &str, (expected, at): &lex::Error<&str>) -> String {
    format!("{}: expected {}", position(code, at), expected.as_str())
}

fn parse_error(code: &str, (expected, at): &parse::Error<&str>) -> String {
    let found = if at.is_empty() { "the end" } else { at };
    format!("{}: expected {}, found {found}", position(code, at), expected.as_str())
}

/// Where a part of the code is. Counted in characters from 1.
fn position(code: &str, part: &str) -> String {
    let inside = code.as_bytes().as_ptr_range().contains(&part.as_ptr());
    let start = if inside { span(code, part).start } else { code.len() };
    let before = code.get(..start).unwrap_or(code);
    format!("character {}", before.chars().count() + 1)
}

fn paths(program: &Filter<Data>, object: &Value) -> Result<Found, String> {
    let mut found = Found::default();
    let json = serde_json::to_vec(object).map_err(|error| error.to_string())?;
    let input = read::parse_single(&json).map_err(|error| error.to_string())?;
    let context = Ctx::<Data>::new(&program.lut, Vars::new([]));
    for output in program.id.run((context, input)).map(unwrap_valr) {
        match output {
            Ok(_) if found.paths.len() == MAX_PATHS => {
                return Err(format!("it leads to more than {MAX_PATHS} fields of one object"));
            }
            Ok(path) => match steps(&path, object) {
                Some(path) => found.paths.push(path),
                None => found.failure = Some(NO_PATH.to_owned()),
            },
            Err(_) => {
                found.failure = Some(ENDED.to_owned());
                break;
            }
        }
    }
    Ok(found)
}

/// A path as jq gives it; places that count from the end of a list are counted from its start.
fn steps(path: &Val, object: &Value) -> Option<Vec<Step>> {
    let Val::Arr(path) = path else { return None };
    let mut here = Some(object);
    let mut steps = Vec::with_capacity(path.len());
    for part in path.iter() {
        let step = match part {
            Val::TStr(name) => Step::Field(String::from_utf8_lossy(name).into_owned()),
            Val::Num(number) => {
                let index: i64 = number.to_string().parse().ok()?;
                let length = here.and_then(Value::as_array).map_or(0, Vec::len);
                let from_start =
                    if index < 0 { index.checked_add(i64::try_from(length).ok()?)? } else { index };
                Step::Index(usize::try_from(from_start).ok()?)
            }
            _ => return None,
        };
        here = here.and_then(|value| match &step {
            Step::Field(name) => value.get(name),
            Step::Index(index) => value.get(index),
        });
        steps.push(step);
    }
    Some(steps)
}
