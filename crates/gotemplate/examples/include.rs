//! Functions that execute templates: `include` gives the output of a template as a string, `tpl` runs a text that is
//! itself a value. The state of the program counts how often.
//!
//! ```text
//! cargo run -p gotemplate --example include
//! ```

use std::io::{self, Write};
use std::sync::Arc;

use gotemplate::{
    Args, Context, Error, Function, FunctionError, Functions, Limits, Set, Signature, Type, Value,
};

/// What the program keeps for the functions.
#[derive(Default)]
struct Counts {
    included: u32,
}

fn include(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Result<Value, FunctionError> {
    if let Some(counts) = ctx.host::<Counts>() {
        counts.included += 1;
    }
    let name = args.str(0).clone();
    let data = args.take(1);
    Ok(Value::String(ctx.execute_to_str(name, data)?))
}

fn tpl(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Result<Value, FunctionError> {
    let mut set = Set::overlay(ctx.set());
    let unit = Arc::new(set.compile("tpl", args.str(0))?);
    // What the text defines is seen by the text only, not by the set below.
    set.add(&unit)?;
    let data = args.take(1);
    Ok(Value::String(ctx.with_set(Arc::new(set), |ctx| ctx.execute_unit_to_str(&unit, data))?))
}

fn main() -> Result<(), Error> {
    const SIGNATURE: Signature = Signature::fixed(&[Type::String, Type::Interface], Type::String);
    let mut functions = Functions::new();
    functions.add(Function::new("include", SIGNATURE, include));
    functions.add(Function::new("tpl", SIGNATURE, tpl));

    let mut set = Set::with_functions("example", functions);
    set.parse("helpers", r#"{{define "name"}}{{.app}}-{{.stage}}{{end}}"#)?;
    set.parse("main", "name: {{include \"name\" .}}\ntext: {{tpl .text .}}\n")?;

    let mut counts = Counts::default();
    let data = Value::from([("app", "web"), ("stage", "test"), ("text", "{{include `name` .}} is up")]);
    let output =
        Context::new(&Arc::new(set), Limits::default()).with_host(&mut counts).execute("main", data)?;
    let report = format!("{}included {} times\n", String::from_utf8_lossy(&output), counts.included);
    // Nothing can be done about a closed output.
    let _ = io::stdout().write_all(report.as_bytes());
    Ok(())
}
