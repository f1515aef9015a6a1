//! Strings.

mod case;
mod shorten;
mod split;
mod wrap;

use gotemplate::{Args, Context, FunctionError, Functions, Type, Value};

use super::characters::{lowercase, map, runes, to_title, trim, trim_space, uppercase};
use super::support::{ANY, Body, Outcome, fixed, text, variadic};

const STR: Type = Type::String;
const INT: Type = Type::INT;

/// Adds the functions of this group.
pub(super) fn add(functions: &mut Functions) {
    fixed(functions, "hello", &[], STR, |_, _| Ok(Value::from("Hello!")));
    let of_one: [(&str, Body); 11] = [
        ("upper", |ctx, args| changed(ctx, args, |text| uppercase(text).into_owned())),
        ("lower", |ctx, args| changed(ctx, args, |text| lowercase(text).into_owned())),
        ("title", |ctx, args| changed(ctx, args, title)),
        ("untitle", |ctx, args| changed(ctx, args, case::untitle)),
        ("swapcase", |ctx, args| changed(ctx, args, case::swap)),
        ("camelcase", |ctx, args| changed(ctx, args, case::camel)),
        ("snakecase", |ctx, args| changed(ctx, args, |text| case::separated(text, '_'))),
        ("kebabcase", |ctx, args| changed(ctx, args, |text| case::separated(text, '-'))),
        ("initials", |ctx, args| changed(ctx, args, shorten::initials)),
        ("nospace", |ctx, args| changed(ctx, args, shorten::without_blanks)),
        ("trim", |ctx, args| changed(ctx, args, |text| trim_space(text).to_vec())),
    ];
    for (name, body) in of_one {
        fixed(functions, name, &[STR], STR, body);
    }
    add_tests(functions);
    add_trimming(functions);
    add_making(functions);
    add_printing(functions);
    split::add(functions);
}

/// A text made of the only argument, in time and memory that grow with it.
fn changed(ctx: &mut Context<'_>, args: &Args<'_>, change: impl FnOnce(&[u8]) -> Vec<u8>) -> Outcome {
    ctx.allocate(args.str(0).len())?;
    ctx.step(args.str(0).len() as u64 / 16)?;
    Ok(Value::String(change(args.str(0)).into()))
}

/// Go: `strings.Title`: a capital where no letter, digit or underscore stands before.
fn title(text: &[u8]) -> Vec<u8> {
    let is_separator = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => false,
        _ if character.is_ascii() => true,
        _ => character.is_whitespace(),
    };
    let mut after_separator = true;
    let titled = map(text, |character| {
        let starts = std::mem::replace(&mut after_separator, is_separator(character));
        if starts { to_title(character) } else { character }
    });
    titled.into_bytes()
}

fn add_tests(functions: &mut Functions) {
    fixed(functions, "contains", &[STR, STR], Type::Bool, |ctx, args| {
        ctx.step(args.str(1).len() as u64 / 16)?;
        Ok(Value::Bool(memchr::memmem::find(args.str(1), args.str(0)).is_some()))
    });
    fixed(functions, "hasPrefix", &[STR, STR], Type::Bool, |_, args| {
        Ok(Value::Bool(args.str(1).starts_with(args.str(0))))
    });
    fixed(functions, "hasSuffix", &[STR, STR], Type::Bool, |_, args| {
        Ok(Value::Bool(args.str(1).ends_with(args.str(0))))
    });
}

fn add_trimming(functions: &mut Functions) {
    for name in ["trimAll", "trimall"] {
        fixed(functions, name, &[STR, STR], STR, |ctx, args| {
            ctx.step(args.str(1).len() as u64 / 16)?;
            let cut: Vec<char> = runes(args.str(0)).map(|(character, _)| character).collect();
            Ok(Value::String(trim(args.str(1), |character| cut.contains(&character)).into()))
        });
    }
    fixed(functions, "trimPrefix", &[STR, STR], STR, |_, args| {
        match args.str(1).strip_prefix(args.str(0).as_bytes()) {
            Some(rest) => Ok(Value::String(rest.into())),
            None => Ok(args.take(1)),
        }
    });
    fixed(functions, "trimSuffix", &[STR, STR], STR, |_, args| {
        match args.str(1).strip_suffix(args.str(0).as_bytes()) {
            Some(rest) => Ok(Value::String(rest.into())),
            None => Ok(args.take(1)),
        }
    });
    fixed(functions, "trunc", &[INT, STR], STR, |_, args| Ok(truncated(args)));
    fixed(functions, "substr", &[INT, INT, STR], STR, |_, args| shorten::substring(args));
    fixed(functions, "abbrev", &[INT, STR], STR, |_, args| {
        Ok(Value::String(shorten::abbreviate(args.str(1), 0, args.int(0)).into()))
    });
    fixed(functions, "abbrevboth", &[INT, INT, STR], STR, |_, args| {
        Ok(Value::String(shorten::abbreviate_both(args.str(2), args.int(0), args.int(1)).into()))
    });
    fixed(functions, "wrap", &[INT, STR], STR, |ctx, args| {
        wrap::wrap(ctx, args.str(1), args.int(0), b"\n", wrap::LongWords::Keep)
    });
    fixed(functions, "wrapWith", &[INT, STR, STR], STR, |ctx, args| {
        let line_end: &[u8] = if args.str(1).is_empty() { b"\n" } else { args.str(1) };
        wrap::wrap(ctx, args.str(2), args.int(0), line_end, wrap::LongWords::Break)
    });
}

/// At most so many bytes of the beginning, or, if the number is negative, of the end.
fn truncated(args: &mut Args<'_>) -> Value {
    let text = args.str(1);
    let wanted = usize::try_from(args.int(0).unsigned_abs()).unwrap_or(usize::MAX);
    if wanted >= text.len() {
        return args.take(1);
    }
    let kept = if args.int(0) < 0 { text.get(text.len() - wanted..) } else { text.get(..wanted) };
    Value::String(kept.unwrap_or_default().into())
}

fn add_making(functions: &mut Functions) {
    fixed(functions, "repeat", &[INT, STR], STR, |ctx, args| {
        let (count, text) = (repetitions(args.int(0))?, args.str(1));
        ctx.allocate(count.saturating_mul(text.len()))?;
        Ok(Value::String(if text.is_empty() { "".into() } else { text.repeat(count).into() }))
    });
    fixed(functions, "replace", &[STR, STR, STR], STR, replace);
    fixed(functions, "indent", &[INT, STR], STR, |ctx, args| indent(ctx, args, b""));
    fixed(functions, "nindent", &[INT, STR], STR, |ctx, args| indent(ctx, args, b"\n"));
    fixed(functions, "plural", &[STR, STR, INT], STR, |_, args| {
        let chosen = usize::from(args.int(2) != 1);
        Ok(args.take(chosen))
    });
}

fn repetitions(count: i64) -> Result<usize, FunctionError> {
    usize::try_from(count).map_err(|_| FunctionError::new("strings: negative Repeat count"))
}

/// Go: `strings.ReplaceAll(text, old, new)`; an empty `old` is found before every character and at the end.
fn replace(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Outcome {
    let (old, new, text) = (args.str(0), args.str(1), args.str(2));
    ctx.step(text.len() as u64 / 16)?;
    if old.is_empty() {
        ctx.allocate(text.len().saturating_mul(new.len() + 1))?;
        let mut replaced = new.to_vec();
        let mut rest = text.as_bytes();
        for (_, width) in runes(text) {
            let (character, tail) = rest.split_at(width.min(rest.len()));
            replaced.extend_from_slice(character);
            replaced.extend_from_slice(new);
            rest = tail;
        }
        return Ok(Value::String(replaced.into()));
    }
    let finder = memchr::memmem::Finder::new(old.as_bytes());
    let count = finder.find_iter(text).count();
    if count == 0 {
        return Ok(args.take(2));
    }
    ctx.allocate(text.len().saturating_add(count.saturating_mul(new.len())))?;
    let mut replaced = Vec::with_capacity(text.len());
    let mut end = 0;
    for at in finder.find_iter(text) {
        replaced.extend_from_slice(text.get(end..at).unwrap_or_default());
        replaced.extend_from_slice(new);
        end = at + old.len();
    }
    replaced.extend_from_slice(text.get(end..).unwrap_or_default());
    Ok(Value::String(replaced.into()))
}

/// Puts blanks before every line, empty ones too.
fn indent(ctx: &mut Context<'_>, args: &mut Args<'_>, before: &[u8]) -> Outcome {
    let (width, text) = (repetitions(args.int(0))?, args.str(1));
    let lines = memchr::memchr_iter(b'\n', text).count() + 1;
    let size = width.saturating_mul(lines).saturating_add(text.len() + before.len());
    ctx.allocate(size)?;
    let mut indented = Vec::with_capacity(size);
    indented.extend_from_slice(before);
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        if index > 0 {
            indented.push(b'\n');
        }
        indented.resize(indented.len() + width, b' ');
        indented.extend_from_slice(line);
    }
    Ok(Value::String(indented.into()))
}

fn add_printing(functions: &mut Functions) {
    variadic(functions, "quote", &[ANY], STR, |ctx, args| {
        printed(ctx, args, |ctx, value| {
            let text = Value::String(text(ctx, value)?);
            Ok(ctx.sprintf(b"%q", &[text])?.to_vec())
        })
    });
    variadic(functions, "squote", &[ANY], STR, |ctx, args| {
        printed(ctx, args, |ctx, value| Ok(ctx.sprintf(b"'%v'", std::slice::from_ref(value))?.to_vec()))
    });
    variadic(functions, "cat", &[ANY], STR, |ctx, args| {
        printed(ctx, args, |ctx, value| Ok(ctx.sprintf(b"%v", std::slice::from_ref(value))?.to_vec()))
    });
}

/// What is printed of each value that is not nil, with blanks between.
fn printed(
    ctx: &mut Context<'_>,
    args: &Args<'_>,
    print: fn(&mut Context<'_>, &Value) -> Result<Vec<u8>, FunctionError>,
) -> Outcome {
    let mut parts = Vec::new();
    for value in args.rest(0).iter().filter(|value| !matches!(value, Value::Nil)) {
        parts.push(print(ctx, value)?);
    }
    Ok(Value::String(parts.join(b" ".as_slice()).into()))
}
