//! Conversions between strings, numbers and lists, as spf13/cast makes them.

use gotemplate::{Functions, List, Type, Value};

use super::number::{atoi, parse_integer, to_float, to_int};
use super::support::{ANY, fixed, is_nil_texts, text, texts};

/// Adds the functions of this group.
pub(super) fn add(functions: &mut Functions) {
    fixed(functions, "atoi", &[Type::String], Type::INT, |_, args| Ok(Value::int(atoi(args.str(0)))));
    fixed(functions, "int", &[ANY], Type::INT, |_, args| Ok(Value::int(to_int(args.get(0)))));
    fixed(functions, "int64", &[ANY], Type::INT64, |_, args| Ok(Value::int64(to_int(args.get(0)))));
    fixed(functions, "float64", &[ANY], Type::FLOAT64, |_, args| Ok(Value::float64(to_float(args.get(0)))));
    fixed(functions, "toDecimal", &[ANY], Type::INT64, |ctx, args| {
        let printed = ctx.sprint(std::slice::from_ref(args.get(0)))?;
        let number = printed.as_str().and_then(|octal| parse_integer(octal, 8).ok());
        Ok(Value::int64(number.unwrap_or(0)))
    });
    fixed(functions, "toString", &[ANY], Type::String, |ctx, args| {
        Ok(Value::String(text(ctx, args.get(0))?))
    });
    fixed(functions, "toStrings", &[ANY], Type::STRING_LIST, |ctx, args| {
        if is_nil_texts(args.get(0)) {
            return Ok(args.take(0));
        }
        Ok(Value::List(List::of_strings(texts(ctx, args.get(0))?)))
    });
}
