//! Lists.

use gotemplate::{Args, Context, FunctionError, Functions, Kind, List, Str, Type, Value};

use super::number::{to_int, truncate};
use super::support::{
    ANY, Outcome, charge_list, elements, fixed, go_len, is_nil_texts, list_elements, nil_dereference, text,
    texts, variadic,
};

const LIST: Type = Type::ANY_LIST;
const LIST_OF_LISTS: Type = Type::Slice(&Type::ANY_LIST);

/// The `[]interface {}` that Go has when nothing was put into one.
const NIL_LIST: Value = Value::TypedNil(&Type::ANY_LIST);

/// Adds the functions of this group. Each `must` function is the same as the one without: that one panics where the
/// other has an error, and templates make an error of a panic.
pub(super) fn add(functions: &mut Functions) {
    for name in ["list", "tuple"] {
        variadic(functions, name, &[ANY], LIST, |_, args| Ok(Value::from(args.take_rest(0))));
    }
    for name in ["append", "mustAppend", "push", "mustPush"] {
        fixed(functions, name, &[ANY, ANY], LIST, append);
    }
    for name in ["prepend", "mustPrepend"] {
        fixed(functions, name, &[ANY, ANY], LIST, prepend);
    }
    for name in ["chunk", "mustChunk"] {
        fixed(functions, name, &[Type::INT, ANY], LIST_OF_LISTS, chunk);
    }
    for name in ["slice", "mustSlice"] {
        variadic(functions, name, &[ANY, ANY], ANY, slice);
    }
    variadic(functions, "concat", &[ANY], ANY, concat);
    for name in ["has", "mustHas"] {
        fixed(functions, name, &[ANY, ANY], Type::Bool, has);
    }
    fixed(functions, "sortAlpha", &[ANY], Type::STRING_LIST, sort_alpha);
    fixed(functions, "join", &[Type::String, ANY], Type::String, join);
    add_parts(functions);
    add_filters(functions);
}

fn add_parts(functions: &mut Functions) {
    for name in ["first", "mustFirst"] {
        fixed(functions, name, &[ANY], ANY, |_, args| {
            Ok(list_elements(args.get(0), "find first on type")?.first().cloned().unwrap_or_default())
        });
    }
    for name in ["last", "mustLast"] {
        fixed(functions, name, &[ANY], ANY, |_, args| {
            Ok(list_elements(args.get(0), "find last on type")?.last().cloned().unwrap_or_default())
        });
    }
    for name in ["rest", "mustRest"] {
        fixed(functions, name, &[ANY], LIST, |ctx, args| {
            let items = list_elements(args.get(0), "find rest on type")?;
            part(ctx, items.split_first().map(|(_, rest)| rest))
        });
    }
    for name in ["initial", "mustInitial"] {
        fixed(functions, name, &[ANY], LIST, |ctx, args| {
            let items = list_elements(args.get(0), "find initial on type")?;
            part(ctx, items.split_last().map(|(_, initial)| initial))
        });
    }
}

fn add_filters(functions: &mut Functions) {
    for name in ["reverse", "mustReverse"] {
        fixed(functions, name, &[ANY], LIST, |ctx, args| {
            let items = list_elements(args.get(0), "find reverse on type")?;
            charge_list(ctx, items.len())?;
            Ok(Value::from(items.iter().rev().cloned().collect::<Vec<_>>()))
        });
    }
    for name in ["compact", "mustCompact"] {
        fixed(functions, name, &[ANY], LIST, |ctx, args| {
            let items = list_elements(args.get(0), "compact on type")?;
            charge_list(ctx, items.len())?;
            Ok(Value::from(items.iter().filter(|item| item.truth()).cloned().collect::<Vec<_>>()))
        });
    }
    for name in ["uniq", "mustUniq"] {
        fixed(functions, name, &[ANY], LIST, |ctx, args| {
            let items = list_elements(args.get(0), "find uniq on type")?;
            filter(ctx, &items, |ctx, item, kept| Ok(!contains(ctx, kept, item)?))
        });
    }
    for name in ["without", "mustWithout"] {
        variadic(functions, name, &[ANY, ANY], LIST, |ctx, args| {
            let items = list_elements(args.get(0), "find without on type")?;
            filter(ctx, &items, |ctx, item, _| Ok(!contains(ctx, args.rest(1), item)?))
        });
    }
}

fn part(ctx: &mut Context<'_>, items: Option<&[Value]>) -> Outcome {
    let Some(items) = items else { return Ok(NIL_LIST) };
    charge_list(ctx, items.len())?;
    Ok(Value::from(items.to_vec()))
}

fn filter(
    ctx: &mut Context<'_>,
    items: &[Value],
    mut is_kept: impl FnMut(&mut Context<'_>, &Value, &[Value]) -> Result<bool, FunctionError>,
) -> Outcome {
    charge_list(ctx, items.len())?;
    let mut kept = Vec::new();
    for item in items {
        if is_kept(ctx, item, &kept)? {
            kept.push(item.clone());
        }
    }
    Ok(Value::from(kept))
}

fn contains(ctx: &mut Context<'_>, items: &[Value], wanted: &Value) -> Result<bool, FunctionError> {
    ctx.step(items.len() as u64)?;
    Ok(items.iter().any(|item| wanted.deep_equal(item)))
}

fn append(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Outcome {
    let value = args.take(1);
    let items = list_elements(args.get(0), "push on type")?;
    charge_list(ctx, items.len() + 1)?;
    let mut appended = Vec::with_capacity(items.len() + 1);
    appended.extend_from_slice(&items);
    appended.push(value);
    Ok(Value::from(appended))
}

fn prepend(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Outcome {
    let value = args.take(1);
    let items = list_elements(args.get(0), "prepend on type")?;
    charge_list(ctx, items.len() + 1)?;
    let mut prepended = Vec::with_capacity(items.len() + 1);
    prepended.push(value);
    prepended.extend_from_slice(&items);
    Ok(Value::from(prepended))
}

/// Lists of `size` elements each. How many is worked out in floating point, as in Sprig, which is what makes some sizes
/// below 1 work.
#[expect(clippy::cast_precision_loss, reason = "as Sprig computes")]
fn chunk(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Outcome {
    let bad_length = || FunctionError::new("runtime error: makeslice: len out of range");
    let size = args.int(0);
    let items = list_elements(args.get(1), "chunk type")?;
    let len = go_len(items.len());
    let count = truncate(((len - 1) as f64 / size as f64).floor()).wrapping_add(1);
    let count = usize::try_from(count).map_err(|_| bad_length())?;
    charge_list(ctx, items.len().saturating_add(count))?;
    let mut chunks = Vec::with_capacity(count);
    for index in 0..count {
        let rest = truncate((len as f64 % size as f64).floor());
        let wanted = if index + 1 == count && rest != 0 { rest } else { size };
        let wanted = usize::try_from(wanted).map_err(|_| bad_length())?;
        let start = usize::try_from(size).unwrap_or(0).saturating_mul(index);
        let chunk = items.get(start..start.saturating_add(wanted)).unwrap_or_default();
        chunks.push(Value::from(chunk.to_vec()));
    }
    Ok(Value::List(List::with_type(&LIST_OF_LISTS, chunks)))
}

fn slice(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Outcome {
    let value = args.get(0);
    let Some(items) = elements(value) else {
        return Err(match value {
            Value::Nil => nil_dereference(),
            _ => FunctionError::new(format!("list should be type of slice or array but {}", value.kind())),
        });
    };
    if items.is_empty() {
        return Ok(Value::Nil);
    }
    let start = args.rest(1).first().map_or(0, to_int);
    let end = args.rest(2).first().map_or(go_len(items.len()), to_int);
    let capacity = if let Value::List(list) = value { list.capacity() } else { items.len() };
    let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    let Some((start, end)) = range.filter(|(start, end)| start <= end && *end <= capacity) else {
        return Err(FunctionError::new("reflect.Value.Slice: slice index out of bounds"));
    };
    charge_list(ctx, end - start)?;
    Ok(match value {
        // In Go what follows is still within the capacity of the slice. To take it along would make a loop over parts of
        // a long list copy all of it each time.
        Value::List(list) => Value::List(list.reslice(start, end, end)),
        Value::Bytes(bytes) => Value::Bytes(bytes.get(start..end).unwrap_or_default().into()),
        _ => Value::from(items.get(start..end).unwrap_or_default().to_vec()),
    })
}

fn concat(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Outcome {
    let mut all = Vec::new();
    for value in args.rest(0) {
        let Some(items) = elements(value) else {
            return Err(match value {
                Value::Nil => nil_dereference(),
                _ => FunctionError::new(format!("Cannot concat type {} as list", value.kind())),
            });
        };
        charge_list(ctx, items.len())?;
        all.extend_from_slice(&items);
    }
    Ok(if all.is_empty() { NIL_LIST } else { Value::from(all) })
}

fn has(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Outcome {
    if matches!(args.get(1), Value::Nil) {
        return Ok(Value::Bool(false));
    }
    let items = list_elements(args.get(1), "find has on type")?;
    Ok(Value::Bool(contains(ctx, &items, args.get(0))?))
}

fn sort_alpha(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Outcome {
    let value = args.get(0);
    if is_nil_texts(value) {
        return Ok(args.take(0));
    }
    let mut sorted = if value.kind() == Kind::Slice { texts(ctx, value)? } else { vec![text(ctx, value)?] };
    sorted.sort_unstable();
    Ok(Value::List(List::of_strings(sorted)))
}

fn join(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Outcome {
    let parts = texts(ctx, args.get(1))?;
    let separators = args.str(0).len().saturating_mul(parts.len().saturating_sub(1));
    ctx.allocate(parts.iter().map(|part| part.len()).sum::<usize>().saturating_add(separators))?;
    let parts: Vec<&[u8]> = parts.iter().map(Str::as_bytes).collect();
    Ok(Value::String(parts.join(args.str(0).as_bytes()).into()))
}
