//! Maps: made, read, changed in place and merged.

use gotemplate::{Args, Context, FunctionError, Functions, Kind, Limit, List, Map, Str, Type, Value};

use super::support::{ANY, Outcome, charge_list, fixed, text, variadic};

/// How deep maps are merged or copied. Deeper ones contain themselves.
const MAX_NESTING: u32 = 1000;

/// Adds the functions of this group.
pub(super) fn add(functions: &mut Functions) {
    const MAP: Type = Type::ANY_MAP;
    variadic(functions, "dict", &[ANY], MAP, dict);
    fixed(functions, "get", &[MAP, Type::String], ANY, |_, args| {
        let found = args.map(0).and_then(|map| map.get(args.str(1)));
        Ok(found.unwrap_or_else(|| Value::from("")))
    });
    fixed(functions, "set", &[MAP, Type::String, ANY], MAP, set);
    fixed(functions, "unset", &[MAP, Type::String], MAP, |_, args| {
        if let Some(map) = args.map(0) {
            map.remove(args.str(1));
        }
        Ok(args.take(0))
    });
    fixed(functions, "hasKey", &[MAP, Type::String], Type::Bool, |_, args| {
        Ok(Value::Bool(args.map(0).is_some_and(|map| map.contains_key(args.str(1)))))
    });
    variadic(functions, "pluck", &[Type::String, MAP], Type::ANY_LIST, |_, args| {
        let found = (1..args.len()).filter_map(|index| args.map(index)?.get(args.str(0)));
        Ok(Value::from(found.collect::<Vec<_>>()))
    });
    variadic(functions, "keys", &[MAP], Type::STRING_LIST, keys);
    fixed(functions, "values", &[MAP], Type::ANY_LIST, |ctx, args| {
        let Some(map) = args.map(0) else { return Ok(Value::from(Vec::new())) };
        charge_list(ctx, map.len())?;
        Ok(Value::from(map.entries().into_iter().map(|(_, value)| value).collect::<Vec<_>>()))
    });
    variadic(functions, "pick", &[MAP, Type::String], MAP, |_, args| Ok(Value::Map(pick(args))));
    variadic(functions, "omit", &[MAP, Type::String], MAP, omit);
    for name in ["merge", "mustMerge"] {
        variadic(functions, name, &[MAP, MAP], ANY, |ctx, args| merge(ctx, args, Overwrite::Empty));
    }
    for name in ["mergeOverwrite", "mustMergeOverwrite"] {
        variadic(functions, name, &[MAP, MAP], ANY, |ctx, args| merge(ctx, args, Overwrite::All));
    }
    for name in ["deepCopy", "mustDeepCopy"] {
        fixed(functions, name, &[ANY], ANY, |ctx, args| match args.get(0) {
            Value::Nil => Err(FunctionError::new("reflect: call of reflect.Value.Type on zero Value")),
            value => Ok(deep_copy(ctx, value, 0)?),
        });
    }
    variadic(functions, "dig", &[ANY], ANY, dig);
}

fn dict(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Outcome {
    let map = Map::new();
    for index in (0..args.len()).step_by(2) {
        let key = text(ctx, args.get(index))?;
        let value = if index + 1 < args.len() { args.take(index + 1) } else { Value::from("") };
        map.insert(key, value);
    }
    Ok(Value::Map(map))
}

fn set(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Outcome {
    let value = args.take(2);
    let Some(map) = args.map(0) else {
        return Err(FunctionError::new("assignment to entry in nil map"));
    };
    ctx.allocate(size_of::<(Str, Value)>())?;
    map.insert(args.str(1).clone(), value);
    Ok(args.take(0))
}

/// In Go the order is random; here it is that of the keys' bytes.
fn keys(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Outcome {
    let mut keys = Vec::new();
    for index in 0..args.len() {
        if let Some(map) = args.map(index) {
            charge_list(ctx, map.len())?;
            keys.extend(map.keys());
        }
    }
    Ok(Value::List(List::of_strings(keys)))
}

fn pick(args: &Args<'_>) -> Map {
    let picked = Map::new();
    if let Some(map) = args.map(0) {
        for index in 1..args.len() {
            if let Some(value) = map.get(args.str(index)) {
                picked.insert(args.str(index).clone(), value);
            }
        }
    }
    picked
}

fn omit(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Outcome {
    let Some(map) = args.map(0) else { return Ok(Value::Map(Map::new())) };
    charge_list(ctx, map.len().saturating_mul(2))?;
    let kept = map.shallow_copy();
    for index in 1..args.len() {
        kept.remove(args.str(index));
    }
    Ok(Value::Map(kept))
}

/// Which entries of the first map give way to those of the others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Overwrite {
    /// Those that are missing or empty.
    Empty,
    /// All of them, also when the other one is nil.
    All,
}

/// Merges all maps into the first one, which changes. Maps in the others are shared, not copied.
fn merge(ctx: &mut Context<'_>, args: &mut Args<'_>, overwrite: Overwrite) -> Outcome {
    let target = args.map(0).cloned().unwrap_or_default();
    for index in 1..args.len() {
        if let Some(source) = args.map(index) {
            merge_into(ctx, &target, source, overwrite, 0)?;
        }
    }
    Ok(Value::Map(target))
}

/// One step of mergo's merge, whose oddities are: a nil of the source is passed over or wins whatever stands there, and
/// a map that is still empty after its merge is replaced by that of the source.
fn merge_into(
    ctx: &mut Context<'_>,
    target: &Map,
    source: &Map,
    overwrite: Overwrite,
    depth: u32,
) -> Result<(), FunctionError> {
    if depth >= MAX_NESTING {
        return Err(Limit::Nesting(MAX_NESTING).into());
    }
    if target.same(source) {
        return Ok(());
    }
    ctx.step(source.len() as u64 + 1)?;
    let (own, given) = (target.element_type(), source.element_type());
    for (key, value) in source.entries() {
        let present = target.get(&key);
        if matches!(value, Value::Nil) {
            if overwrite == Overwrite::All {
                insert(ctx, target, key, value)?;
            }
            continue;
        }
        if value.kind() == Kind::Slice && !given.assignable_to(own) {
            return Err(not_a_slice(own, present.as_ref(), &value));
        }
        let is_merged = match (&present, &value) {
            (Some(Value::Map(inner)), Value::Map(value)) => {
                stacker::maybe_grow(64 << 10, 1 << 20, || {
                    merge_into(ctx, inner, value, overwrite, depth + 1)
                })?;
                !inner.is_empty()
            }
            (Some(Value::Map(inner)), Value::TypedNil(Type::Map(_))) => !inner.is_empty(),
            _ => false,
        };
        let is_free = present.as_ref().is_none_or(|present| !present.truth());
        if !is_merged && (overwrite == Overwrite::All || is_free) {
            if !given.assignable_to(own) {
                return Err(not_assignable(&given.to_string(), own));
            }
            insert(ctx, target, key, value)?;
        }
    }
    Ok(())
}

/// mergo handles slices first: it asks whether what is there is nil, then puts the slice itself, not the interface that
/// holds it, into the map.
fn not_a_slice(own: &Type, present: Option<&Value>, slice: &Value) -> FunctionError {
    if present.is_some() {
        let message = format!("reflect: call of reflect.Value.IsNil on {} Value", own.kind());
        return FunctionError::new(message);
    }
    not_assignable(&slice.type_name(), own)
}

fn not_assignable(given: &str, own: &Type) -> FunctionError {
    let message = format!("reflect.Value.SetMapIndex: value of type {given} is not assignable to type {own}");
    FunctionError::new(message)
}

fn insert(ctx: &mut Context<'_>, target: &Map, key: Str, value: Value) -> Result<(), FunctionError> {
    ctx.allocate(size_of::<(Str, Value)>())?;
    target.insert(key, value);
    Ok(())
}

fn deep_copy(ctx: &mut Context<'_>, value: &Value, depth: u32) -> Result<Value, Limit> {
    if depth >= MAX_NESTING {
        return Err(Limit::Nesting(MAX_NESTING));
    }
    match value {
        Value::List(list) => {
            charge_list(ctx, list.len())?;
            let mut items = Vec::with_capacity(list.len());
            for item in list {
                items.push(stacker::maybe_grow(64 << 10, 1 << 20, || deep_copy(ctx, item, depth + 1))?);
            }
            Ok(Value::List(List::with_type(list.type_of(), items)))
        }
        Value::Map(map) => {
            charge_list(ctx, map.len().saturating_mul(2))?;
            let copy = Map::with_type(map.type_of());
            for (key, value) in map.entries() {
                let value = stacker::maybe_grow(64 << 10, 1 << 20, || deep_copy(ctx, &value, depth + 1))?;
                copy.insert(key, value);
            }
            Ok(Value::Map(copy))
        }
        other => Ok(other.clone()),
    }
}

/// `dig "key" … default map`: keys and map must have exactly these types.
fn dig(_: &mut Context<'_>, args: &mut Args<'_>) -> Outcome {
    let keys = args.len().saturating_sub(2);
    if keys == 0 {
        return Err(FunctionError::new("dig needs at least three arguments"));
    }
    let mut current = args.get(keys + 1).clone();
    exact_map(&current)?;
    if let Some(other) = args.rest(0).iter().take(keys).find(|key| !matches!(key, Value::String(_))) {
        return Err(no_conversion(other, "string"));
    }
    for index in 0..keys {
        match exact_map(&current)?.and_then(|map| map.get(args.str(index))) {
            Some(value) => current = value,
            None => return Ok(args.take(keys)),
        }
    }
    Ok(current)
}

/// A map whose type is `map[string]interface {}` itself; `None` if it is nil.
fn exact_map(value: &Value) -> Result<Option<Map>, FunctionError> {
    match value {
        Value::Map(map) if *map.type_of() == Type::ANY_MAP => Ok(Some(map.clone())),
        Value::TypedNil(typ) if **typ == Type::ANY_MAP => Ok(None),
        other => Err(no_conversion(other, "map[string]interface {}")),
    }
}

/// What Go says when a value has another type than a function takes for granted.
fn no_conversion(value: &Value, wanted: &str) -> FunctionError {
    let own = if matches!(value, Value::Nil) { "nil".to_owned() } else { value.type_name() };
    FunctionError::new(format!("interface conversion: interface {{}} is {own}, not {wanted}"))
}
