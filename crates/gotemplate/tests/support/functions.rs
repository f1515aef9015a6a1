//! The functions of cases; the same as in tests/gotemplate-peer/values.go.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use gotemplate::{
    Args, Context, Error, Function, FunctionError, Functions, List, Map, Set, Signature, Type, Value, quote,
    sprint,
};

/// How deep `include` is in each template.
#[derive(Default)]
pub struct Host {
    depths: HashMap<Vec<u8>, u32>,
}

type Body = fn(&mut Context<'_>, &mut Args<'_>) -> Result<Value, FunctionError>;

const ANY: Type = Type::Interface;

/// The functions, made once.
pub fn all() -> Arc<Functions> {
    static ALL: LazyLock<Arc<Functions>> = LazyLock::new(|| Arc::new(make()));
    Arc::clone(&ALL)
}

fn make() -> Functions {
    let mut functions = Functions::new();
    let mut add = |name: &str, signature, body: Body| functions.add(Function::new(name, signature, body));
    add("add", Signature::fixed(&[Type::INT, Type::INT], Type::INT), |_, args| {
        Ok(Value::int(args.int(0).wrapping_add(args.int(1))))
    });
    add("sum", Signature::variadic(&[Type::INT], Type::INT), |_, args| {
        Ok(Value::int((0..args.len()).fold(0, |total, index| i64::wrapping_add(total, args.int(index)))))
    });
    add("upper", Signature::fixed(&[Type::String], Type::String), |_, args| {
        // Go takes each byte that is not UTF-8 for a character of its own.
        let wrong = |bytes: &[u8]| "\u{fffd}".repeat(bytes.len());
        let chunks = args.str(0).utf8_chunks();
        let text: String = chunks.map(|chunk| chunk.valid().to_owned() + &wrong(chunk.invalid())).collect();
        Ok(Value::from(text.to_uppercase()))
    });
    add("opt", Signature::variadic(&[Type::String, Type::INT], Type::String), |_, args| {
        Ok(Value::from(format!("{}{}", args.str(0), args.len() - 1)))
    });
    add("half", Signature::fixed(&[Type::FLOAT64], Type::FLOAT64), |_, args| {
        Ok(Value::float64(args.float(0) / 2.0))
    });
    add("byte", Signature::fixed(&[Type::BYTE], Type::BYTE), |_, args| Ok(args.take(0)));
    add("toInt64", Signature::fixed(&[Type::INT], Type::INT64), |_, args| Ok(Value::int64(args.int(0))));
    add("list", Signature::variadic(&[ANY], Type::ANY_LIST), |_, args| Ok(Value::from(args.take_rest(0))));
    add("strs", Signature::variadic(&[Type::String], Type::STRING_LIST), |_, args| {
        Ok(Value::List(List::with_type(&Type::STRING_LIST, args.take_rest(0))))
    });
    add("any", Signature::fixed(&[ANY], ANY), |_, args| Ok(args.take(0)));
    add("same", Signature::fixed(&[Type::Complex], Type::Complex), |_, args| Ok(args.take(0)));
    add("isBool", Signature::fixed(&[Type::Bool], Type::Bool), |_, args| Ok(args.take(0)));
    add("typed", Signature::fixed(&[ANY], Type::String), |_, args| Ok(Value::from(args.get(0).type_name())));
    add("one", Signature::fixed(&[], Type::INT), |_, _| Ok(Value::int(1)));
    add("nothing", Signature::fixed(&[], ANY), |_, _| Ok(Value::Nil));
    add("fail", Signature::fixed(&[Type::String], Type::String), |_, args| {
        Err(FunctionError::new(args.str(0).to_string()))
    });
    add("size", Signature::fixed(&[Type::ANY_MAP], Type::INT), |_, args| {
        Ok(Value::int(args.map(0).map_or(0, Map::len) as i64))
    });
    add("count", Signature::fixed(&[Type::STRING_LIST], Type::INT), |_, args| {
        Ok(Value::int(args.list(0).map_or(0, List::len) as i64))
    });
    add("set", Signature::fixed(&[Type::ANY_MAP, Type::String, ANY], Type::ANY_MAP), |_, args| {
        let value = args.take(2);
        let Some(map) = args.map(0) else { return Err(FunctionError::new("assignment to entry in nil map")) };
        map.insert(args.str(1).clone(), value);
        Ok(args.take(0))
    });
    add("unset", Signature::fixed(&[Type::ANY_MAP, Type::String], Type::ANY_MAP), |_, args| {
        if let Some(map) = args.map(0) {
            map.remove(args.str(1));
        }
        Ok(args.take(0))
    });
    add("dict", Signature::variadic(&[ANY], Type::ANY_MAP), |_, args| {
        let map = Map::new();
        for pair in args.rest(0).chunks_exact(2) {
            map.insert(sprint(&pair[..1]), pair[1].clone());
        }
        Ok(Value::Map(map))
    });
    add("include", Signature::fixed(&[Type::String, ANY], Type::String), include);
    add("tpl", Signature::fixed(&[Type::String, ANY], Type::String), tpl);
    functions
}

fn include(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Result<Value, FunctionError> {
    let name = args.str(0).clone();
    let depth = |ctx: &mut Context<'_>, change: i32| {
        let depth = ctx.host::<Host>().unwrap().depths.entry(name.to_vec()).or_default();
        *depth = depth.saturating_add_signed(change);
        *depth
    };
    if depth(ctx, 0) >= 50 {
        return Err(FunctionError::new(format!("too deep: {name}")));
    }
    depth(ctx, 1);
    let output = ctx.execute_to_str(&name, args.take(1));
    depth(ctx, -1);
    Ok(Value::String(output?))
}

fn tpl(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Result<Value, FunctionError> {
    let text = args.str(0).clone();
    let mut set = Set::overlay(ctx.set());
    let name = set.name().to_vec();
    let wrap = |what: &str, error: Error| FunctionError::wrap(format!("{what} {}: ", quote(&text)), error);
    let unit = set.compile(&name, &text).map_err(|error| wrap("cannot parse template", error))?;
    let unit = Arc::new(unit);
    set.add(&unit).map_err(FunctionError::from)?;
    let data = args.take(1);
    let output = ctx.with_set(Arc::new(set), |ctx| ctx.execute_unit_to_str(&unit, data));
    Ok(Value::String(output.map_err(|error| wrap("error during tpl function execution for", error))?))
}
