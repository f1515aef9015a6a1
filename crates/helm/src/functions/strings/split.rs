//! Strings into parts.

use gotemplate::{Context, Functions, List, Map, Str, Type, Value};

use super::super::characters::runes;
use super::super::support::{Outcome, charge_list, fixed};

/// Adds `split`, `splitn` and `splitList`.
pub(super) fn add(functions: &mut Functions) {
    const STR: Type = Type::String;
    fixed(functions, "splitList", &[STR, STR], Type::STRING_LIST, |ctx, args| {
        let parts = split(args.str(1), args.str(0), None);
        charge_list(ctx, parts.len())?;
        Ok(Value::List(List::of_strings(parts)))
    });
    fixed(functions, "split", &[STR, STR], Type::STRING_MAP, |ctx, args| {
        numbered(ctx, split(args.str(1), args.str(0), None))
    });
    fixed(functions, "splitn", &[STR, Type::INT, STR], Type::STRING_MAP, |ctx, args| {
        let most = usize::try_from(args.int(1)).ok();
        numbered(ctx, split(args.str(2), args.str(0), most))
    });
}

/// The parts under the keys `_0`, `_1` and so on.
fn numbered(ctx: &mut Context<'_>, parts: Vec<&[u8]>) -> Outcome {
    charge_list(ctx, parts.len().saturating_mul(2))?;
    let map = Map::with_type(&Type::STRING_MAP);
    for (index, part) in parts.into_iter().enumerate() {
        map.insert(format!("_{index}"), Str::from(part));
    }
    Ok(Value::Map(map))
}

/// Go: `strings.SplitN`, at most so many parts; an empty separator splits between characters.
fn split<'t>(text: &'t [u8], separator: &[u8], most: Option<usize>) -> Vec<&'t [u8]> {
    let most = most.unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    if most == 0 {
        return parts;
    }
    let mut start = 0;
    if separator.is_empty() {
        for (_, width) in runes(text) {
            if parts.len() + 1 == most {
                break;
            }
            parts.push(text.get(start..start + width).unwrap_or_default());
            start += width;
        }
        if start < text.len() {
            parts.push(text.get(start..).unwrap_or_default());
        }
        return parts;
    }
    for at in memchr::memmem::find_iter(text, separator).take(most - 1) {
        parts.push(text.get(start..at).unwrap_or_default());
        start = at + separator.len();
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}
