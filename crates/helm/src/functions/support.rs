//! What the groups share: how they are registered, and Go's and Sprig's habits with arguments.

use std::borrow::Cow;

use gotemplate::{Args, Context, Function, FunctionError, Functions, Limit, Signature, Str, Type, Value};

/// The body of a function.
pub(super) type Body = fn(&mut Context<'_>, &mut Args<'_>) -> Result<Value, FunctionError>;

/// What a body gives.
pub(super) type Outcome = Result<Value, FunctionError>;

/// Any value at all.
pub(super) const ANY: Type = Type::Interface;

/// Adds a function that takes exactly these arguments.
pub(super) fn fixed(
    functions: &mut Functions,
    name: &str,
    params: &'static [Type],
    result: Type,
    body: Body,
) {
    functions.add(Function::new(name, Signature::fixed(params, result), body));
}

/// Adds a function whose last parameter may be given any number of times.
pub(super) fn variadic(
    functions: &mut Functions,
    name: &str,
    params: &'static [Type],
    result: Type,
    body: Body,
) {
    functions.add(Function::new(name, Signature::variadic(params, result), body));
}

/// What Go says when a function calls a method of a nil.
pub(super) fn nil_dereference() -> FunctionError {
    FunctionError::new("runtime error: invalid memory address or nil pointer dereference")
}

/// Sprig's text of any value: strings and bytes as they are, all else as `%v` prints it.
pub(super) fn text(ctx: &mut Context<'_>, value: &Value) -> Result<Str, Limit> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bytes(bytes) => {
            ctx.allocate(bytes.len())?;
            Ok(Str::new(bytes))
        }
        _ => ctx.sprintf(b"%v", std::slice::from_ref(value)),
    }
}

/// Sprig's list of texts: the elements of a list that are not nil, or a single other value.
pub(super) fn texts(ctx: &mut Context<'_>, value: &Value) -> Result<Vec<Str>, Limit> {
    let Some(items) = elements(value) else {
        return if value.is_nil() { Ok(Vec::new()) } else { Ok(vec![text(ctx, value)?]) };
    };
    charge_list(ctx, items.len())?;
    let mut texts = Vec::with_capacity(items.len());
    for item in items.iter().filter(|item| !matches!(item, Value::Nil)) {
        texts.push(text(ctx, item)?);
    }
    Ok(texts)
}

/// Whether a value is the nil of `[]string`, which Sprig gives back as it is where it makes a list of texts.
pub(super) fn is_nil_texts(value: &Value) -> bool {
    matches!(value, Value::TypedNil(typ) if **typ == Type::STRING_LIST)
}

/// The elements of a value whose kind is that of slices; `None` for all others.
pub(super) fn elements(value: &Value) -> Option<Cow<'_, [Value]>> {
    match value {
        Value::List(list) => Some(Cow::Borrowed(list.as_slice())),
        Value::Bytes(bytes) => Some(Cow::Owned(bytes.iter().map(|byte| Value::from(*byte)).collect())),
        Value::TypedNil(typ) if typ.kind() == gotemplate::Kind::Slice => Some(Cow::Borrowed(&[])),
        Value::Native(native) => match native.underlying()? {
            Value::List(list) => Some(Cow::Owned(list.as_slice().to_vec())),
            _ => None,
        },
        _ => None,
    }
}

/// As [`elements`], with Sprig's error for what is no list: `Cannot {verb} {kind}`.
pub(super) fn list_elements<'v>(value: &'v Value, verb: &str) -> Result<Cow<'v, [Value]>, FunctionError> {
    match elements(value) {
        Some(items) => Ok(items),
        None if matches!(value, Value::Nil) => Err(nil_dereference()),
        None => Err(FunctionError::new(format!("Cannot {verb} {}", value.kind()))),
    }
}

/// Counts a list of this many elements before it is made.
pub(super) fn charge_list(ctx: &mut Context<'_>, len: usize) -> Result<(), Limit> {
    ctx.step(len as u64)?;
    ctx.allocate(len.saturating_mul(size_of::<Value>()))
}

/// The length of something in Go's `int`.
pub(super) fn go_len(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}
