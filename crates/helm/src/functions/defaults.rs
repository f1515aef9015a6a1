//! What stands in for nothing: `default`, `coalesce`, `ternary` and their kin.

use gotemplate::{Functions, Type, Value};

use super::support::{ANY, fixed, variadic};

/// Adds the functions of this group.
pub(super) fn add(functions: &mut Functions) {
    variadic(functions, "default", &[ANY, ANY], ANY, |_, args| {
        Ok(if args.get(1).truth() { args.take(1) } else { args.take(0) })
    });
    fixed(functions, "empty", &[ANY], Type::Bool, |_, args| Ok(Value::Bool(!args.get(0).truth())));
    variadic(functions, "coalesce", &[ANY], ANY, |_, args| {
        let found = args.rest(0).iter().find(|value| value.truth());
        Ok(found.cloned().unwrap_or_default())
    });
    variadic(functions, "all", &[ANY], Type::Bool, |_, args| {
        Ok(Value::Bool(args.rest(0).iter().all(Value::truth)))
    });
    variadic(functions, "any", &[ANY], Type::Bool, |_, args| {
        Ok(Value::Bool(args.rest(0).iter().any(Value::truth)))
    });
    fixed(functions, "ternary", &[ANY, ANY, Type::Bool], ANY, |_, args| {
        Ok(if args.bool(2) { args.take(0) } else { args.take(1) })
    });
}
