//! Kinds and types of values.

use gotemplate::{Functions, Type, Value};

use super::support::{ANY, fixed};

/// Adds the functions of this group.
pub(super) fn add(functions: &mut Functions) {
    fixed(functions, "typeOf", &[ANY], Type::String, |_, args| Ok(Value::from(args.get(0).type_name())));
    fixed(functions, "typeIs", &[Type::String, ANY], Type::Bool, |_, args| {
        Ok(Value::Bool(*args.str(0) == *args.get(1).type_name()))
    });
    fixed(functions, "typeIsLike", &[Type::String, ANY], Type::Bool, |_, args| {
        let name = args.get(1).type_name();
        let wanted = args.str(0);
        Ok(Value::Bool(
            *wanted == *name || wanted.as_str().is_some_and(|wanted| format!("*{wanted}") == name),
        ))
    });
    fixed(functions, "kindOf", &[ANY], Type::String, |_, args| {
        Ok(Value::from(args.get(0).kind().to_string()))
    });
    fixed(functions, "kindIs", &[Type::String, ANY], Type::Bool, |_, args| {
        Ok(Value::Bool(*args.str(0) == *args.get(1).kind().to_string()))
    });
    fixed(functions, "deepEqual", &[ANY, ANY], Type::Bool, |_, args| {
        Ok(Value::Bool(args.get(0).deep_equal(args.get(1))))
    });
}
