//! Regular expressions in Go's RE2 syntax.

mod class;
mod expand;
mod pattern;
mod translate;

use std::ops::Range;
use std::rc::Rc;

use gotemplate::{Args, Context, FunctionError, Functions, List, Str, Type, Value, quote};

use self::pattern::{Pattern, Text};
use super::support::{Outcome, charge_list, fixed};

const STR: Type = Type::String;
const INT: Type = Type::INT;

/// Whether a function returns the error of an expression or panics with it, which gives another text.
#[derive(Clone, Copy)]
enum Failure {
    Error,
    Panic,
}

/// Adds the functions of this group.
pub(super) fn add(functions: &mut Functions) {
    fixed(functions, "regexMatch", &[STR, STR], Type::Bool, |ctx, args| {
        match is_match(ctx, args, Failure::Error) {
            Err(FunctionError::Message(_)) => Ok(Value::Bool(false)),
            outcome => outcome,
        }
    });
    fixed(functions, "mustRegexMatch", &[STR, STR], Type::Bool, |ctx, args| {
        is_match(ctx, args, Failure::Error)
    });
    fixed(functions, "regexFind", &[STR, STR], STR, |ctx, args| find(ctx, args, Failure::Panic));
    fixed(functions, "mustRegexFind", &[STR, STR], STR, |ctx, args| find(ctx, args, Failure::Error));
    let lists = Type::STRING_LIST;
    fixed(functions, "regexFindAll", &[STR, STR, INT], lists, |ctx, args| {
        find_all(ctx, args, Failure::Panic)
    });
    fixed(functions, "mustRegexFindAll", &[STR, STR, INT], lists, |ctx, args| {
        find_all(ctx, args, Failure::Error)
    });
    fixed(functions, "regexSplit", &[STR, STR, INT], lists, |ctx, args| split(ctx, args, Failure::Panic));
    fixed(functions, "mustRegexSplit", &[STR, STR, INT], lists, |ctx, args| split(ctx, args, Failure::Error));
    add_replacing(functions);
    fixed(functions, "regexQuoteMeta", &[STR], STR, |ctx, args| {
        ctx.allocate(args.str(0).len().saturating_mul(2))?;
        let mut quoted = Vec::with_capacity(args.str(0).len());
        for byte in args.str(0).iter() {
            if br"\.+*?()|[]{}^$".contains(byte) {
                quoted.push(b'\\');
            }
            quoted.push(*byte);
        }
        Ok(Value::String(quoted.into()))
    });
}

fn add_replacing(functions: &mut Functions) {
    const PARAMS: &[Type] = &[STR, STR, STR];
    fixed(functions, "regexReplaceAll", PARAMS, STR, |ctx, args| replace(ctx, args, Failure::Panic, true));
    fixed(functions, "mustRegexReplaceAll", PARAMS, STR, |ctx, args| {
        replace(ctx, args, Failure::Error, true)
    });
    fixed(functions, "regexReplaceAllLiteral", PARAMS, STR, |ctx, args| {
        replace(ctx, args, Failure::Panic, false)
    });
    fixed(functions, "mustRegexReplaceAllLiteral", PARAMS, STR, |ctx, args| {
        replace(ctx, args, Failure::Error, false)
    });
}

/// The expression that is the first argument, and the text that is the second.
fn compile<'a>(
    ctx: &mut Context<'_>,
    args: &'a Args<'_>,
    failure: Failure,
) -> Result<(Rc<Pattern>, Text<'a>), FunctionError> {
    let expression = args.str(0);
    let pattern = pattern::compile(ctx, expression)?.map_err(|error| match failure {
        Failure::Error => FunctionError::new(error),
        Failure::Panic => FunctionError::new(format!("regexp: Compile({}): {error}", backquoted(expression))),
    })?;
    let text = Text::new(args.str(1));
    ctx.step(args.str(1).len() as u64 / 8 + 1)?;
    ctx.allocate(text.own_bytes())?;
    Ok((pattern, text))
}

/// Go: the text in backquotes if it can stand there, else in double quotes.
fn backquoted(text: &Str) -> String {
    let fits = |character: char| match character {
        '`' | '\u{7f}' | '\u{feff}' => false,
        '\t' => true,
        _ => character >= ' ',
    };
    match text.as_str() {
        Some(plain) if plain.chars().all(fits) => format!("`{plain}`"),
        _ => quote(text),
    }
}

fn is_match(ctx: &mut Context<'_>, args: &Args<'_>, failure: Failure) -> Outcome {
    let (pattern, text) = compile(ctx, args, failure)?;
    Ok(Value::Bool(pattern.regex.is_match(text.as_str())))
}

fn find(ctx: &mut Context<'_>, args: &Args<'_>, failure: Failure) -> Outcome {
    let (pattern, text) = compile(ctx, args, failure)?;
    let found = pattern.regex.find(text.as_str());
    Ok(Value::String(found.map_or(Str::empty(), |found| text.bytes(found.range()).into())))
}

/// Where matches are, at most so many; a negative number stands for all.
fn matches(
    ctx: &mut Context<'_>,
    pattern: &Pattern,
    text: &Text<'_>,
    most: i64,
) -> Result<Vec<Range<usize>>, FunctionError> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut ranges = Vec::new();
    for found in pattern.regex.find_iter(text.as_str()).take(most) {
        charge_list(ctx, 1)?;
        ranges.push(found.range());
    }
    Ok(ranges)
}

/// Go's `regexp.startSize`: the room that a list of matches has at first, which shows when `slice` goes beyond them.
const FIRST_CAPACITY: usize = 10;

fn find_all(ctx: &mut Context<'_>, args: &Args<'_>, failure: Failure) -> Outcome {
    let (pattern, text) = compile(ctx, args, failure)?;
    let ranges = matches(ctx, &pattern, &text, args.int(2))?;
    if ranges.is_empty() {
        return Ok(Value::TypedNil(&Type::STRING_LIST));
    }
    let found = ranges.into_iter().map(|range| text.bytes(range));
    Ok(Value::List(List::of_appended_strings(found, FIRST_CAPACITY)))
}

fn split(ctx: &mut Context<'_>, args: &Args<'_>, failure: Failure) -> Outcome {
    let (pattern, text) = compile(ctx, args, failure)?;
    let most = args.int(2);
    let len = text.as_str().len();
    if most == 0 {
        return Ok(Value::TypedNil(&Type::STRING_LIST));
    }
    if !args.str(0).is_empty() && len == 0 {
        return Ok(Value::List(List::of_strings([""])));
    }
    let mut parts: Vec<&[u8]> = Vec::new();
    let (mut start, mut end) = (0, 0);
    for found in matches(ctx, &pattern, &text, most)? {
        if usize::try_from(most - 1).is_ok_and(|most| parts.len() == most) {
            break;
        }
        end = found.start;
        if found.end != 0 {
            parts.push(text.bytes(start..end));
        }
        start = found.end;
    }
    if end != len {
        parts.push(text.bytes(start..len));
    }
    Ok(Value::List(List::of_strings(parts)))
}

fn replace(ctx: &mut Context<'_>, args: &Args<'_>, failure: Failure, expands: bool) -> Outcome {
    let (pattern, text) = compile(ctx, args, failure)?;
    let template = args.str(2);
    let mut replaced = Vec::new();
    let mut end = 0;
    for captures in pattern.regex.captures_iter(text.as_str()) {
        let Some(found) = captures.get(0) else { continue };
        let before = replaced.len();
        replaced.extend_from_slice(text.bytes(end..found.start()));
        if expands {
            expand::expand(template, &pattern, &captures, &text, &mut replaced);
        } else {
            replaced.extend_from_slice(template);
        }
        end = found.end();
        ctx.step(1)?;
        ctx.allocate(replaced.len() - before)?;
    }
    replaced.extend_from_slice(text.bytes(end..text.as_str().len()));
    Ok(Value::String(replaced.into()))
}
